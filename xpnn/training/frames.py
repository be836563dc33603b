"""Tables of other libraries as columns of numbers: pandas, polars and PyArrow, none of which is imported here.

A table is a list of columns, each of its own type. A network wants one array with a row per item. A column that holds
numbers becomes a NumPy array, where the library allows it without a copy; a missing number becomes NaN. What holds
words, dates or categories has to be turned into numbers first, by a fit on the training rows: that is what
`xpnn.tables` does, and the error says so, naming the column.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy

__all__ = ["columns_of", "is_column", "is_frame", "numbers_of"]

NUMBERS = "biuf"  # kinds of dtypes: booleans, integers, unsigned integers and floating-point numbers

_FRAMES = {"pandas": ("DataFrame",), "polars": ("DataFrame", "LazyFrame"), "pyarrow": ("Table", "RecordBatch")}
_COLUMNS = {"pandas": ("Series", "Index"), "polars": ("Series",)}


def is_frame(data: Any) -> bool:
    """Whether `data` is a table of pandas, polars or PyArrow.

    Examples
    --------
    >>> is_frame(numpy.zeros((3, 2)))
    False
    """
    return type(data).__name__ in _FRAMES.get(_library(data), ())


def is_column(data: Any) -> bool:
    """Whether `data` is one column of such a table.

    Examples
    --------
    >>> is_column([1, 2, 3])
    False
    """
    library = _library(data)
    if library == "pyarrow":
        return isinstance(data, (sys.modules["pyarrow"].Array, sys.modules["pyarrow"].ChunkedArray))
    return any(kind.__name__ in _COLUMNS.get(library, ()) for kind in type(data).__mro__)


def columns_of(name: str, frame: Any) -> dict[str, numpy.ndarray]:
    """The columns of a table as NumPy arrays, by name.

    Raises
    ------
    TypeError
        If a column holds something else than numbers, or the table is polars' promise of one.
    ValueError
        If there is no column, or two have one name.
    """
    library = _library(frame)
    if type(frame).__name__ == "LazyFrame":
        raise TypeError(f"{name} expected a table, got polars' LazyFrame: call its collect() first")
    labels = [str(label) for label in (frame.column_names if library == "pyarrow" else frame.columns)]
    if not labels:
        raise ValueError(f"{name} has no columns")
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise ValueError(f"{name} has two columns of the name {twice!r}")
    parts = [_part(library, frame, n) for n in range(len(labels))]
    return {label: numbers_of(f"{name}: column {label!r}", part) for label, part in zip(labels, parts, strict=True)}


def _part(library: str, frame: Any, number: int) -> Any:
    if library == "pandas":
        return frame.iloc[:, number]
    return frame.column(number) if library == "pyarrow" else frame.to_series(number)


def numbers_of(name: str, column: Any) -> numpy.ndarray:
    """One column of a table as a NumPy array of numbers; a missing one is NaN.

    Raises
    ------
    TypeError
        If it holds something else.
    """
    found = {"pandas": _of_pandas, "polars": _of_polars, "pyarrow": _of_pyarrow}[_library(column)](column)
    if found is None:
        held = getattr(column, "dtype", None) or column.type
        raise TypeError(f"{name} holds {held}, not numbers: xpnn.tables turns such columns into numbers")
    return found


def _of_pandas(column: Any) -> numpy.ndarray | None:
    kind = column.dtype
    if getattr(kind, "kind", "O") not in NUMBERS:
        return None
    if isinstance(kind, numpy.dtype):
        result: numpy.ndarray = column.to_numpy()
    elif column.isna().any():
        result = column.to_numpy(dtype="float64", na_value=numpy.nan)
    else:
        result = column.to_numpy(dtype=getattr(kind, "numpy_dtype", None))
    return result


def _of_polars(column: Any) -> numpy.ndarray | None:
    kind = column.dtype
    if not (kind.is_numeric() or str(kind) == "Boolean"):
        return None
    found: numpy.ndarray = column.to_numpy()
    if found.dtype.kind not in NUMBERS:  # decimals, and booleans of which some are missing
        found = column.cast(sys.modules["polars"].Float64).to_numpy()
    return found


def _of_pyarrow(column: Any) -> numpy.ndarray | None:
    types, kind = sys.modules["pyarrow"].types, column.type
    if types.is_decimal(kind) or (types.is_boolean(kind) and column.null_count):
        column = column.cast("float64")
    elif not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
        return None
    found: numpy.ndarray = column.to_numpy(zero_copy_only=False)
    return found


def _library(data: Any) -> str:
    return type(data).__module__.partition(".")[0]
