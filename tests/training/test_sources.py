"""Rows of arrays, mapped files, tables and sequences of samples; and what `Trainer` takes as arrays."""

import mmap
import os
import re
from pathlib import Path

import array_api_strict
import numpy
import pytest
from elsewhere import EVERYWHERE

from xpnn.arrays.native import to_host
from xpnn.training import Loader, Samples
from xpnn.training.sources import as_arrays, is_rows, source_of

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")
torch = pytest.importorskip("torch")

X = numpy.arange(20.0).reshape(10, 2)
ROWS = numpy.asarray([7, 0, 7, 3])
FRAME = {"a": X[:, 0], "b": numpy.arange(10)}


class Dataset(torch.utils.data.Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, n):
        return torch.tensor(X[n]), n


class OnlyDLPack:
    """An array of a library that nobody knows."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@EVERYWHERE
def test_rows_of_an_array_of_any_library_come_to_the_host(place):
    source = source_of("x", place.asarray(X))
    found = source.take(ROWS)
    assert len(source) == 10
    assert type(found) is numpy.ndarray
    numpy.testing.assert_array_equal(found, X[ROWS])


@pytest.mark.parametrize(
    "data",
    [
        torch.tensor(X),
        OnlyDLPack(X),
        X.tolist(),
        numpy.asfortranarray(X),
        X.astype(">f8"),
        pandas.DataFrame(X),
        polars.DataFrame(X),
        pyarrow.table({"a": X[:, 0], "b": X[:, 1]}),
    ],
    ids=["torch", "dlpack", "lists", "fortran", "big-endian", "pandas", "polars", "pyarrow"],
)
def test_rows_of_other_things_are_arrays(data):
    source = source_of("x", data)
    assert source.gives_arrays
    assert source.bytes_per_row == 16
    numpy.testing.assert_array_equal(source.take(ROWS), X[ROWS])


def test_rows_are_copies():
    for data in (X, pandas.DataFrame(X)):
        source_of("x", data).take(numpy.arange(10))[:] = -1
        assert X.min() == 0


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame, pyarrow.table])
def test_columns_of_different_types_become_one_array(make):
    found = source_of("x", make(FRAME)).take(ROWS)
    assert found.dtype == "float64"
    numpy.testing.assert_array_equal(found, numpy.stack([X[ROWS, 0], ROWS], axis=1))


@pytest.mark.parametrize("data", [Dataset(), Samples([(X[n], n) for n in range(10)]), [(X[n], n) for n in range(10)]])
def test_rows_of_samples_are_lists(data):
    source = source_of("x", data)
    assert not source.gives_arrays
    assert [n for _, n in source.take(ROWS)] == ROWS.tolist()
    assert is_rows(data)


def test_an_error_of_a_dataset_names_the_item():
    class Broken(Dataset):
        def __getitem__(self, n):
            raise OSError("no such picture")

    with pytest.raises(OSError, match="no such picture") as caught:
        source_of("x", Broken()).take(ROWS)
    assert caught.value.__notes__ == ["It came from item 7 of Broken"]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (numpy.asarray(3.0), ValueError, r"x expected a row per item, got shape \(\)"),
        (3.0, TypeError, "x expected an array, a table .*, got float"),
        (None, TypeError, "x expected an array, a table .*, got NoneType"),
        ("text", TypeError, "got str"),
        (iter([1]), TypeError, "got list_iterator: sequences of samples, iterables and generators go through"),
        ([], ValueError, "x has no rows"),
        (numpy.empty((0, 3)), ValueError, "x has no rows"),
        ([1.0, "a"], TypeError, "x expected numbers, got a list of float: xpnn.tables turns columns of words"),
        (["a", "b"], TypeError, "x expected numbers, got a list of str"),
        ([[1.0], [1.0, 2.0]], ValueError, "x expected lists of equal length, .*go through .*Loader with lengths="),
        (numpy.asarray(["a"]), TypeError, "x expected real numbers, got dtype <U1"),
        (numpy.asarray([1j]), TypeError, "x expected real numbers, got dtype complex128"),
        (numpy.ma.masked_array([1.0], [True]), TypeError, "MaskedArray"),
        (pandas.DataFrame({"city": ["a"]}), TypeError, "x: column 'city' holds"),
        (pandas.DataFrame({"a": []}), ValueError, "x has no rows"),
    ],
)
def test_what_has_no_rows_of_numbers_is_refused(data, error, message):
    with pytest.raises(error, match=message):
        source_of("x", data)


def test_samples_are_a_sequence():
    items = Samples(["a", "b"])
    assert (len(items), items[1], list(items)) == (2, "b", ["a", "b"])
    with pytest.raises(TypeError, match="Samples expected a sequence with __getitem__ and __len__, got generator"):
        Samples(n for n in range(3))


@pytest.mark.parametrize("data", ["text", b"bytes", {1, 2}, 3.0, None])
def test_what_is_no_data_is_refused(data):
    with pytest.raises(TypeError, match="Loader expected arrays, tables, samples or a stream, got"):
        Loader(data)


# Mapped files


@pytest.fixture
def mapped(tmp_path):
    path = tmp_path / "x.npy"
    numpy.save(path, numpy.arange(2**18, dtype="float32").reshape(-1, 8))  # 1 MiB
    return path


class Advised:
    """A mapped file that writes down what it is told."""

    def __init__(self, mapping):
        self.mapping, self.told = mapping, []

    def madvise(self, *advice):
        self.told.append(advice)
        self.mapping.madvise(*advice)


@pytest.mark.skipif(not hasattr(mmap, "MADV_WILLNEED"), reason="needs a system that takes advice about memory")
@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("view", [lambda x: x, lambda x: x[100:], numpy.asarray])
def test_the_system_is_told_which_rows_are_wanted(mapped, mode, view):
    x = view(numpy.load(mapped, mmap_mode=mode))
    first = 100 if len(x) < 2**15 else 0
    source = source_of("x", x)
    source.mapping = Advised(source.mapping[0]), source.mapping[1]
    source.expect([slice(0, 1000)], [slice(5117, 6000)])
    whole, *wanted = source.mapping[0].told
    assert whole == (mmap.MADV_DONTNEED,)
    for (advice, start, length), rows in zip(wanted, [(0, 1000), (5117, 6000)], strict=True):
        begin, end = (128 + 32 * (row + first) for row in rows)  # after the header of the file
        assert advice == mmap.MADV_WILLNEED
        assert start % mmap.PAGESIZE == 0
        assert start <= begin < start + mmap.PAGESIZE
        assert start + length == end
    numpy.testing.assert_array_equal(source.take(ROWS), x[ROWS])


@pytest.mark.parametrize("view", [lambda x: x[:, :3], lambda x: x[::2], lambda x: x[::-1], numpy.asfortranarray])
def test_rows_in_pieces_need_no_advice(mapped, view):
    x = view(numpy.load(mapped, mmap_mode="r"))
    source = source_of("x", x)
    if source.mapping:
        source.mapping = Advised(source.mapping[0]), source.mapping[1]
    source.expect([slice(0, 10)], [])
    assert source.mapping is None or source.mapping[0].told == []
    numpy.testing.assert_array_equal(source.take(ROWS), x[ROWS])


def test_changes_of_a_copy_on_write_mapping_are_kept(mapped):
    x = numpy.load(mapped, mmap_mode="c")
    x[7] = -1
    for array in (x, numpy.asarray(x), x[:100]):
        source = source_of("x", array)
        source.expect([slice(0, 10)], [])
        assert source.take(ROWS)[0].tolist() == [-1] * 8


def resident(path):
    """How much of a file's mappings is in memory, in KiB."""
    found = re.findall(rf"{re.escape(str(path))}\n(?:\w.*\n)*?Rss: +(\d+)", Path("/proc/self/smaps").read_text())
    return sum(map(int, found))


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="needs /proc/self/smaps")
def test_blocks_that_were_read_are_let_go_of(tmp_path, monkeypatch):
    path = tmp_path / "x.npy"
    numpy.lib.format.open_memmap(path, "w+", "float32", (2**16, 256)).flush()  # 64 MiB, of which none is written
    monkeypatch.setattr("xpnn.training.order.GROUP", 4)  # blocks of 256 KiB, so that a batch is a group
    x = numpy.load(path, mmap_mode="r")
    most = max(resident(path) for n, _ in enumerate(Loader(x, batch_size=1024, shuffle="blocks")) if n % 8 == 7)
    assert most < 20 * 2**10  # some systems map 2 MiB around what is asked for, or twice that across a border
    assert len(list(Loader(x, batch_size=1024))) == 64
    assert resident(path) > 60 * 2**10


def test_float64_of_a_mapped_file_is_converted_batch_by_batch(tmp_path):
    path = tmp_path / "x.npy"
    numpy.save(path, X)
    for x, t in Loader(numpy.load(path, mmap_mode="r"), numpy.arange(10), batch_size=4, dtype="float32"):
        assert (x.dtype, type(x)) == (numpy.float32, numpy.ndarray)
        numpy.testing.assert_array_equal(x, X[t])


# As arrays


@EVERYWHERE
def test_arrays_stay_as_they_are(place):
    x = place.asarray(X)
    assert as_arrays(x) is x
    assert as_arrays({"a": x, "b": (x, [x])})["b"][1][0] is x


@pytest.mark.parametrize(
    "data",
    [X.tolist(), OnlyDLPack(X), pandas.DataFrame(X), polars.DataFrame(X), pyarrow.table({"a": X[:, 0], "b": X[:, 1]})],
)
def test_other_data_become_arrays(data):
    found = as_arrays(data)
    assert type(found) is numpy.ndarray
    numpy.testing.assert_array_equal(found, X)
    several = [numpy.ones(3), data] if not isinstance(data, list) else (numpy.ones(3), data)
    assert [array.shape for array in as_arrays(several)] == [(3,), (10, 2)]


def test_columns_become_arrays_of_one_axis():
    for column in (pandas.Series([1, 2]), polars.Series([1, 2]), pyarrow.array([1, 2]), [1, 2]):
        assert as_arrays(column).tolist() == [1, 2]


def test_dlpack_shares_the_memory():
    x = X.copy()
    assert numpy.shares_memory(as_arrays(OnlyDLPack(x)), x)


def test_floats_of_tables_become_the_dtype_in_one_copy():
    frame = pandas.DataFrame(FRAME)
    assert as_arrays(frame, dtype=numpy.float32).dtype == "float32"
    assert as_arrays(frame).dtype == "float64"
    assert as_arrays(frame[["b"]], dtype=numpy.float32).dtype == "int64"


def test_named_tuples_stay_such():
    from collections import namedtuple

    pair = namedtuple("pair", "a b")([1.0], X)
    found = as_arrays(pair)
    assert (type(found), found.a.tolist()) == (type(pair), [1.0])


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({"a": {"b": None}}, TypeError, r"x\['a'\]\['b'\] expected an array, a table of pandas, .*got NoneType"),
        ((X, "text"), TypeError, r"x\[1\] expected an array, .*got str"),
        (
            Dataset(),
            TypeError,
            "got Dataset: sequences of samples, iterables and generators go through xpnn.training.Loader",
        ),
        (pandas.DataFrame({"city": ["a"]}), TypeError, "x: column 'city' holds"),
        (numpy.ma.masked_array([1.0], [True]), TypeError, "MaskedArray"),
        ([[1.0], [1.0, 2.0]], ValueError, "x expected lists of equal length"),
    ],
)
def test_what_is_no_array_is_refused_by_its_place(data, error, message):
    with pytest.raises(error, match=message):
        as_arrays(data)


def test_numbers_of_other_libraries_are_left_to_them():
    x = array_api_strict.ones(3)
    assert as_arrays(x) is x
    assert to_host(as_arrays(torch.ones(3))).tolist() == [1, 1, 1]
