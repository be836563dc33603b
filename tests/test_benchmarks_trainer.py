"""The benchmark of the trainer runs, and its contenders take part."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def main(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # benchmarks is not part of the installed package
    return importlib.import_module("benchmarks.trainer").main


def test_it_prints_a_row_for_each_contender(main, capsys):
    pytest.importorskip("tqdm")
    assert main(["--rows", "3300", "--rounds", "1"]) == 0
    printed = capsys.readouterr().out
    for contender in ("3300 rows", "bare compiled step", "Trainer ", "Trainer, metric and progress"):
        assert contender in printed
