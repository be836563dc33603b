"""The benchmark of embeddings runs, and its contenders take part."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def main(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # benchmarks is not part of the installed package
    return importlib.import_module("benchmarks.embeddings").main


def test_it_prints_a_row_for_each_contender(main, capsys):
    assert main(["--rows", "50", "--rounds", "2"]) == 0
    printed = capsys.readouterr().out
    assert "50 rows of 64, 256 used" in printed
    for contender in ("all rows, plain", "all rows, compiled", "used rows, plain", "used rows, compiled"):
        assert f"xpnn, {contender}" in printed


def test_a_word_that_is_no_number_is_refused(main):
    with pytest.raises(SystemExit):
        main(["--rows", "many"])
