"""The benchmark of tables judges both models on the same rows."""

import importlib
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # benchmarks is not part of the installed package
    return importlib.import_module("benchmarks.tables")


def test_both_have_scores_of_the_same_rows(tables, tmp_path):
    generator = numpy.random.default_rng(0)
    x, word = generator.normal(size=300), generator.choice(["a", "b", ""], 300)
    rows = [f"{a},{b},{'' if n == 7 else a + (b == 'a')}" for n, (a, b) in enumerate(zip(x, word, strict=True))]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["x,word,y", *rows]))
    found = tables.measured(path, "y", 0, "--epochs", "5")
    assert set(found["xpnn"]) == set(found["scikit-learn"]) == {"r2", "rmse", "mae", "seconds"}
    # of the same rows: 1 - R² and the mean squared error have the same quotient, the variance of the targets
    variances = [score["rmse"] ** 2 / (1 - score["r2"]) for score in found.values()]
    assert variances[0] == pytest.approx(variances[1], rel=1e-6)
    assert "| xpnn is better, of 1 |" in tables.table([found])
