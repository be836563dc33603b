"""Where rows come from: arrays, files mapped into memory, columns of tables, sequences of samples.

All of them answer one question, `source.take(rows)`: these rows, please, as NumPy arrays. So the whole is never copied
or converted, only the rows of a batch at a time; a file may be larger than memory.
"""

from __future__ import annotations

import mmap
from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.arrays.native import to_host
from xpnn.training.frames import columns_of, is_column, is_frame, numbers_of

__all__ = ["Samples", "Source", "as_arrays", "is_rows", "is_sequence", "is_several", "source_of"]

NUMBERS = "biuf"
PAGE = mmap.PAGESIZE


class Samples(Sequence[Any]):
    """A list that is a sequence of samples, one element per item, where a list alone means several inputs.

    `Loader([a, b], t)` feeds a model of two inputs, `model(a, b)`, as all of this library does with lists of arrays.
    `Loader(Samples([a, b]), t)` feeds a model of one input with two items.

    Examples
    --------
    >>> len(Samples([numpy.zeros(3), numpy.zeros(5)]))
    2
    """

    def __init__(self, items: Sequence[Any]) -> None:
        if not is_sequence(items):
            raise TypeError(f"Samples expected a sequence with __getitem__ and __len__, got {type(items).__name__}")
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: Any) -> Any:
        return self.items[number]


class Source(ABC):
    """Rows by number. `take` may be called by several threads at once."""

    bytes_per_row: int | None = None  # where known
    gives_arrays = True

    @abstractmethod
    def __len__(self) -> int:
        """How many rows."""

    @abstractmethod
    def take(self, rows: numpy.ndarray) -> Any:
        """A new NumPy array with these rows, or a list of them where they are no arrays."""

    def expect(self, now: Sequence[slice], soon: Sequence[slice]) -> None:  # noqa: B027
        """Rows from `now` are wanted next, those from `soon` after these, all others not for a while."""


class _Rows(Source):
    """A NumPy array, maybe mapped from a file."""

    def __init__(self, array: numpy.ndarray) -> None:
        self.mapping = _mapping(array)
        self.array = array.view(numpy.ndarray)
        self.bytes_per_row = array.itemsize * prod(array.shape[1:])

    def __len__(self) -> int:
        return len(self.array)

    def take(self, rows: numpy.ndarray) -> numpy.ndarray:
        return self.array.take(rows, axis=0)

    def expect(self, now: Sequence[slice], soon: Sequence[slice]) -> None:
        """Tell the system, so that it reads what comes and lets go of what was: pages mapped count as memory in use."""
        if self.mapping is None or not self.array.flags.c_contiguous:
            return
        whole, start = self.mapping
        whole.madvise(mmap.MADV_DONTNEED)  # the file's pages stay cached by the system while it has room
        for rows in (*now, *soon):
            first = (start + rows.start * self.bytes_per_row) // PAGE * PAGE
            last = start + rows.stop * self.bytes_per_row
            whole.madvise(mmap.MADV_WILLNEED, first, last - first)


def _mapping(array: numpy.ndarray) -> tuple[mmap.mmap, int] | None:
    """The mapped file that `array` is part of, and the byte of it where the array begins.

    None where there is none, or its pages may not be let go of: changes of a copy-on-write mapping would be lost.
    """
    mode, base = "", array.base
    while isinstance(base, numpy.ndarray):
        mode = getattr(base, "mode", mode)
        base = base.base
    mode = getattr(array, "mode", None) or mode
    if not isinstance(base, mmap.mmap) or mode not in ("r", "r+", "w+") or not hasattr(mmap, "MADV_WILLNEED"):
        return None
    start = numpy.frombuffer(base, dtype=numpy.uint8).__array_interface__["data"][0]
    return base, array.__array_interface__["data"][0] - start


class _Foreign(Source):
    """An array of another library, maybe on a GPU; the rows of a batch come to the host."""

    def __init__(self, array: Array) -> None:
        self.array, self.xp = array, namespace_of(array)
        self.bytes_per_row = getattr(array, "itemsize", 8) * prod(array.shape[1:])

    def __len__(self) -> int:
        return int(self.array.shape[0])

    def take(self, rows: numpy.ndarray) -> numpy.ndarray:
        index = self.xp.asarray(rows, device=array_device(self.array))
        return numpy.asarray(to_host(self.xp.take(self.array, index, axis=0)))


class _Columns(Source):
    """The columns of a table, which become one array in each batch."""

    def __init__(self, columns: dict[str, numpy.ndarray]) -> None:
        self.columns = list(columns.values())
        self.dtype = numpy.result_type(*{column.dtype for column in self.columns})
        self.bytes_per_row = sum(column.itemsize for column in self.columns)

    def __len__(self) -> int:
        return len(self.columns[0])

    def take(self, rows: numpy.ndarray) -> numpy.ndarray:
        return _side_by_side([column.take(rows) for column in self.columns], self.dtype)


class _Items(Source):
    """A sequence of samples: what `__getitem__` gives, in a list."""

    gives_arrays = False

    def __init__(self, items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def take(self, rows: numpy.ndarray) -> list[Any]:
        return [self._item(int(row)) for row in rows]

    def _item(self, row: int) -> Any:
        try:
            return self.items[row]
        except Exception as error:
            error.add_note(f"It came from item {row} of {type(self.items).__name__}")
            raise


def source_of(name: str, data: Any) -> Source:
    """The rows of one array, table, column, list of numbers, or sequence of samples.

    Raises
    ------
    TypeError
        If it is none of these, or holds something else than numbers.
    ValueError
        If it has no rows.
    """
    source = _source_of(name, data)
    if not len(source):
        raise ValueError(f"{name} has no rows")
    return source


def _source_of(name: str, data: Any) -> Source:
    if is_frame(data):
        return _Columns(columns_of(name, data))
    if isinstance(data, list | Samples) and not _is_numbers(data):
        return _Items(data)
    if is_sequence(data) and not _is_array(data) and not isinstance(data, list) and not is_column(data):
        return _Items(data)
    array = as_arrays(data, name)
    if not getattr(array, "shape", ()):
        raise ValueError(f"{name} expected a row per item, got shape {getattr(array, 'shape', ())}")
    if not isinstance(array, numpy.ndarray):
        return _Foreign(array)
    if array.dtype.kind not in NUMBERS:
        raise TypeError(f"{name} expected real numbers, got dtype {array.dtype}")
    return _Rows(array)


def as_arrays(data: Any, name: str = "x", *, dtype: Any = None) -> Any:
    """Data of many kinds as arrays: what `Trainer` takes.

    Arrays of any library stay as they are. Tables of pandas, polars and PyArrow become one array with a column each,
    their columns and lists of numbers an array, and whatever knows DLPack a NumPy array on the same memory, if it can.
    Tuples, dictionaries and lists of these are several inputs, each of which is converted.

    Parameters
    ----------
    data
        The data.
    name
        What to call them in errors.
    dtype
        A dtype of NumPy for floating-point numbers of tables, so that there is one copy of them and no second.

    Raises
    ------
    TypeError
        If a column holds words, dates or categories, or the data are none of these.
    ValueError
        If columns differ in length, or lists in a list.

    Examples
    --------
    >>> as_arrays({"a": [1.0, 2.0], "b": numpy.asarray([3, 4])})
    {'a': array([1., 2.]), 'b': array([3, 4])}
    """
    if isinstance(data, dict):
        return {key: as_arrays(part, f"{name}[{key!r}]", dtype=dtype) for key, part in data.items()}
    if isinstance(data, tuple) or is_several(data):
        parts = [as_arrays(part, f"{name}[{n}]", dtype=dtype) for n, part in enumerate(data)]
        return type(data)(*parts) if hasattr(data, "_fields") else type(data)(parts)
    if is_frame(data):
        columns = list(columns_of(name, data).values())
        found = numpy.result_type(*{column.dtype for column in columns})
        return _side_by_side(columns, dtype if dtype is not None and found.kind == "f" else found)
    if is_column(data):
        return numbers_of(name, data)
    if isinstance(data, list):
        return _from_list(name, data)
    return _from_array(name, data)


def _from_array(name: str, data: Any) -> Array:
    try:
        namespace_of(data)
        return data
    except TypeError:
        if hasattr(data, "__dlpack__") and not isinstance(data, numpy.ndarray):
            return numpy.from_dlpack(data)
        if isinstance(data, numpy.ndarray):
            raise
    raise TypeError(
        f"{name} expected an array, a table of pandas, polars or PyArrow, or a list of numbers, got "
        f"{type(data).__name__}: sequences of samples, iterables and generators go through xpnn.training.Loader"
    )


def _from_list(name: str, data: list[Any]) -> numpy.ndarray:
    try:
        found = numpy.asarray(data)
    except ValueError as error:
        raise ValueError(
            f"{name} expected lists of equal length, got a list whose parts differ: sequences of different lengths go "
            "through xpnn.training.Loader with lengths="
        ) from error
    if found.dtype.kind not in NUMBERS:
        kind = type(data[0]).__name__
        raise TypeError(
            f"{name} expected numbers, got a list of {kind}: xpnn.tables turns columns of words into numbers"
        )
    return found


def _side_by_side(columns: Sequence[numpy.ndarray], dtype: Any) -> numpy.ndarray:
    """One array with these columns."""
    found = numpy.empty((len(columns[0]), len(columns)), dtype=dtype)
    for number, column in enumerate(columns):
        found[:, number] = column
    return found


def is_several(data: Any) -> bool:
    """Whether `data` is a list of arrays or tables: several inputs, each with all rows.

    Examples
    --------
    >>> is_several([numpy.zeros(3), numpy.zeros((3, 2))]), is_several([1.0, 2.0])
    (True, False)
    """
    if not isinstance(data, list) or not data:
        return False
    return all(
        is_frame(part) or is_column(part) or bool(getattr(part, "shape", hasattr(part, "__dlpack__"))) for part in data
    )


def is_sequence(data: Any) -> bool:
    """Whether items can be asked for by number, and counted: PyTorch's map datasets, for instance."""
    kind = type(data)
    if isinstance(data, str | bytes | dict | set) or any(base.__name__ == "IterableDataset" for base in kind.__mro__):
        return False
    return hasattr(kind, "__getitem__") and hasattr(kind, "__len__")


def is_rows(data: Any) -> bool:
    """Whether rows of `data` can be asked for by number: all but iterables and functions.

    Examples
    --------
    >>> is_rows([1.0, 2.0]), is_rows(iter([1.0, 2.0]))
    (True, False)
    """
    if is_sequence(data) or isinstance(data, dict) or is_frame(data) or is_column(data) or _is_array(data):
        return True
    if isinstance(data, str | bytes | set | frozenset) or not (callable(data) or hasattr(data, "__iter__")):
        raise TypeError(f"Loader expected arrays, tables, samples or a stream, got {type(data).__name__}")
    return False


def _is_array(data: Any) -> bool:
    try:
        namespace_of(data)
    except TypeError:
        return isinstance(data, numpy.ndarray) or hasattr(data, "__dlpack__")
    return True


def _is_numbers(data: Any) -> bool:
    """Whether `data` is a list of numbers (or of words, which are refused later), or of lists of these."""
    part = data
    while isinstance(part, list) and part:
        part = part[0]
    return isinstance(data, list) and isinstance(part, int | float | numpy.generic | str | list)
