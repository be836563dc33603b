"""The benchmark of the tabular estimators runs, and all of them take part."""

import importlib
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def main(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # benchmarks is not part of the installed package
    return importlib.import_module("benchmarks.tabular").main


def test_it_prints_a_row_for_each_model(main, capsys, tmp_path):
    pandas = pytest.importorskip("pandas")
    generator = numpy.random.default_rng(0)
    cut = generator.choice(["Ideal", "Fair"], 200)
    price = generator.integers(300, 900, 200) * numpy.where(cut == "Ideal", 2, 1)
    frame = pandas.DataFrame({"carat": generator.random(200), "cut": cut, "price": price})
    frame.to_csv(tmp_path / "diamonds.csv.gz", index=False)
    options = ["--tables", "diamonds", "--presets", "fast", "--seeds", "1", "--rows", "150"]
    assert main(["--data", str(tmp_path), *options]) == 0
    printed = capsys.readouterr().out
    for word in ("diamonds, 150 rows", "HistGradientBoosting |", "fast |", "R²"):
        assert word in printed
