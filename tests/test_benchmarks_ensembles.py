"""The benchmark of ensembles runs, and all ways take part."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def main(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # benchmarks is not part of the installed package
    return importlib.import_module("benchmarks.ensembles").main


def test_it_prints_a_row_for_each_table(main, capsys):
    assert main(["--rounds", "1", "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    for word in ("breast cancer", "digits", "one fit, s", "eight fits, s", "Voting, s", "log loss of one"):
        assert word in printed
