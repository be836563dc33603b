"""The benchmark of estimators runs, and both libraries take part."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def main(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # benchmarks is not part of the installed package
    return importlib.import_module("benchmarks.estimators").main


def test_it_prints_a_row_for_each_table(main, capsys):
    assert main(["--rounds", "1", "--epochs", "2"]) == 0
    printed = capsys.readouterr().out
    for word in ("breast cancer", "digits, early stopping", "scikit-learn, s", "xpnn, s"):
        assert word in printed
