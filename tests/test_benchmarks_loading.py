"""The benchmark of loading runs, and every way to load takes part."""

import importlib
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def loading(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # benchmarks is not part of the installed package
    return importlib.import_module("benchmarks.loading")


@pytest.fixture
def folder(loading, tmp_path):
    loading.make_files(tmp_path, 3000)
    return tmp_path


def test_the_files_hold_as_many_rows_as_asked_for(folder):
    x, t = (numpy.load(folder / f"{name}.npy") for name in "xt")
    assert (x.shape, x.dtype, t.shape, t.dtype) == ((3000, 20), "float32", (3000, 1), "float32")
    assert len(numpy.unique(x[:, 0])) > 2900


def test_every_way_trains_on_the_same_rows(loading, folder):
    found = {way: loading.one(folder, way) for way in loading.WAYS if "cold" not in way}
    losses = {way: round(numbers["loss"], 6) for way, numbers in found.items() if "blocks" not in way}
    assert len(set(losses.values())) == 1  # shuffled alike
    assert all(numbers["seconds"] > 0 and numbers["mib"] > 10 for numbers in found.values())


def test_it_prints_a_row_for_each_way(loading, folder, monkeypatch, capsys):
    monkeypatch.setattr(loading, "measured", loading.one)  # not in processes of their own
    assert loading.main(["--folder", str(folder), "--rounds", "1"]) == 0
    printed = capsys.readouterr().out
    assert all(way in printed for way in loading.WAYS)


def test_a_word_that_is_no_number_is_refused(loading):
    with pytest.raises(SystemExit):
        loading.main(["--rows", "many"])
