"""The benchmark of searches runs, and both kinds take part."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # benchmarks is not part of the installed package
    return importlib.import_module("benchmarks.search")


def test_it_prints_a_row_for_each_kind(benchmark, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "GRID", {"alpha": [1e-4, 1e-2], "max_iter": [2]})
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")  # which the benchmark sets for its workers
    assert benchmark.main(["--rounds", "1", "--hidden", "4"]) == 0
    printed = capsys.readouterr().out
    for word in ("n_jobs=2, cold", "GridSearchCV, n_jobs=2, warm", "GridSearchMLP, n_jobs=2", "mean score: 0"):
        assert word in printed
