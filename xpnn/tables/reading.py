"""Columns from what people have: lists, NumPy arrays, series of pandas, polars and PyArrow.

Lists and columns of objects are looked at value by value: kinds that do not belong together in one column, words among
numbers, are an error that names the two rows, since every guess would be wrong for somebody.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy
from array_api_compat import is_array_api_obj

from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.native import to_host
from xpnn.tables.columns import BOOLEANS, Column
from xpnn.tables.converting import as_text

__all__ = ["column_of", "column_of_array", "column_of_series", "narwhals_for", "on_host"]

# bool before number: Python's booleans are integers. Timestamps of pandas are datetimes, NumPy's float64 is a float.
_KINDS: list[tuple[str, tuple[type, ...]]] = [
    ("boolean", (bool, numpy.bool_)),
    ("number", (int, float, Decimal, numpy.integer, numpy.floating, datetime.timedelta)),
    ("text", (str,)),
    ("date", (datetime.date, numpy.datetime64)),
]
_SHORT = {"float16": "float16", "halffloat": "float16", "float32": "float32", "float": "float32"}  # as frames say it
_ARTICLES = {"boolean": "a boolean", "number": "a number", "text": "text", "date": "a date"}


def column_of(values: Any, *, name: str = "column") -> Column:
    """A `Column` of a list, a NumPy array or another array, or a series of pandas, polars or PyArrow.

    Raises
    ------
    TypeError
        If it is none of these, or its values are of a kind without a meaning here, or of kinds that differ.
    ValueError
        If an array has not one axis.

    Examples
    --------
    >>> column_of([3, None, 5], name="age").values
    array([ 3., nan,  5.])
    """
    if isinstance(values, Column):
        return values
    if isinstance(values, numpy.ndarray):
        return column_of_array(values, name)
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        return _of_values(list(values), name)
    if is_array_api_obj(values):  # CuPy's arrays and PyTorch's have no __array_namespace__
        namespace_of(values)
        return column_of_array(on_host(values, repr(name)), name)
    narwhals = narwhals_for(values)
    try:
        series = narwhals.from_native(values, series_only=True)
    except TypeError:
        raise TypeError(f"{name!r}: expected a list, an array or a series, got {type(values).__name__}") from None
    return column_of_series(series, name)


def on_host(array: Any, what: str) -> numpy.ndarray:
    """An array of any library as NumPy's.

    Raises
    ------
    TypeError
        If NumPy cannot hold it: bfloat16, sparse, or on the way to a gradient of PyTorch's.
    """
    try:
        return numpy.asarray(to_host(array))
    except (BufferError, RuntimeError, TypeError) as problem:
        kind = f"{type(array).__module__}.{type(array).__name__}"
        raise TypeError(f"{what}: expected an array that NumPy can hold, got {kind}: {problem}") from None


def narwhals_for(values: Any) -> Any:
    """The module narwhals, which knows the libraries of frames.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed.
    """
    try:
        import narwhals
    except ModuleNotFoundError:
        kind = f"{type(values).__module__.partition('.')[0]}.{type(values).__name__}"
        raise ModuleNotFoundError(f"to read a {kind} needs narwhals: pip install 'xpnn[tables]'") from None
    return narwhals


def column_of_array(array: numpy.ndarray, name: str) -> Column:
    """A `Column` of a NumPy array with one axis.

    Examples
    --------
    >>> column_of_array(numpy.asarray([True, False]), "paid").kind
    'boolean'
    """
    if array.ndim != 1:
        raise ValueError(f"column {name!r}: expected one axis, got shape {array.shape}")
    kind = array.dtype.kind
    if kind in "iuf":
        return Column(name, "number", array.astype(numpy.float64), dtype=array.dtype.name)
    if kind == "b":
        return Column(name, "boolean", array.astype(numpy.int64), BOOLEANS)
    if kind == "M":
        return Column(name, "date", array.astype("datetime64[us]"))
    if kind == "m":
        return _of_durations(array, name)
    if kind in "OUT":
        return _of_values(array.tolist(), name)
    raise TypeError(f"column {name!r}: expected numbers, text, booleans or dates, got dtype {array.dtype}")


def column_of_series(series: Any, name: str) -> Column:
    """A `Column` of a narwhals series."""
    import narwhals

    dtype = series.dtype
    if dtype.is_numeric():
        long = dtype in (narwhals.Int128, narwhals.UInt128)  # which NumPy does not have
        stored = "float64" if dtype.is_decimal() else "int64" if long else str(dtype).lower()
        values = _of_whole(series) if dtype.is_integer() and not long else series.cast(narwhals.Float64).to_numpy()
        return Column(name, "number", numpy.asarray(values, dtype=numpy.float64), dtype=stored)
    if dtype == narwhals.String:
        return _of_text(series.to_list(), name, "text")
    if dtype in (narwhals.Categorical, narwhals.Enum):
        return _of_category(series, name, ordered=dtype == narwhals.Enum)
    # narwhals does not know pandas' dtype of a zone with an underscore, America/New_York, but what to do with it
    zoned = dtype == narwhals.Unknown and getattr(getattr(series.to_native(), "dtype", None), "tz", None) is not None
    if zoned or dtype == narwhals.Datetime:
        clock = series.dt.replace_time_zone(None) if zoned or dtype.time_zone else series
        return Column(name, "date", _as_dates(clock.cast(narwhals.Datetime("us")).to_numpy()))
    if dtype == narwhals.Date:
        return Column(name, "date", _as_dates(series.cast(narwhals.Datetime("us")).to_numpy()))
    if dtype == narwhals.Duration:
        return _of_durations(series.to_numpy(), name)
    return _of_values(series.to_list(), name)


def _of_whole(series: Any) -> numpy.ndarray:
    """Whole numbers as float64: PyArrow's own cast refuses those that are not exact."""
    absent = series.is_null().to_numpy()
    values = numpy.asarray(series.fill_null(0).to_numpy() if absent.any() else series.to_numpy(), dtype=numpy.float64)
    return numpy.where(absent, numpy.nan, values) if absent.any() else values


def _as_dates(values: numpy.ndarray) -> numpy.ndarray:
    return numpy.asarray(values).astype("datetime64[us]")


def _of_durations(values: numpy.ndarray, name: str) -> Column:
    seconds = numpy.asarray(values).astype("timedelta64[us]").astype(numpy.float64) / 1e6
    seconds[numpy.isnat(values)] = numpy.nan
    return Column(name, "number", seconds, dtype="float64")


def _of_values(values: list[Any], name: str) -> Column:
    """Of Python's values, which must be of one kind."""
    kind = _one_kind(values, name)
    if kind == "text":
        return _of_text(values, name, kind)
    absent = [_is_absent(value) for value in values]
    if kind == "boolean":
        codes = [-1 if gone else int(value) for value, gone in zip(values, absent, strict=True)]
        return Column(name, kind, numpy.asarray(codes, dtype=numpy.int64), BOOLEANS)
    if kind == "date":
        dates = [None if gone else _without_zone(value) for value, gone in zip(values, absent, strict=True)]
        return Column(name, kind, numpy.asarray(dates, dtype="datetime64[us]"))
    numbers = [numpy.nan if gone else _as_number(value) for value, gone in zip(values, absent, strict=True)]
    whole = all(isinstance(value, int | numpy.integer) for value, gone in zip(values, absent, strict=True) if not gone)
    return Column(name, "number", numpy.asarray(numbers, dtype=numpy.float64), dtype="int64" if whole else "float64")


def _as_number(value: Any) -> float:
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    try:
        return float(value)
    except OverflowError:  # of whole numbers; of words and of Decimals float makes the same
        return math.inf if value > 0 else -math.inf


def _without_zone(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime.datetime) else value


def _is_absent(value: Any) -> bool:
    """None, NaN, NaT and pandas' NA, which is not equal to itself either but will not say so."""
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


def _one_kind(values: list[Any], name: str) -> str:
    """The kind of all values that are there; "number" where there is none."""
    some = []
    for kind in dict.fromkeys(map(type, values)):  # types are few, so that most columns are looked at once
        for place, value in enumerate(values):
            if type(value) is kind and not _is_absent(value):
                some.append((place, value))
                break
    return _kind_of_all(some, name)


def _kind_of_all(some: list[tuple[int, Any]], name: str) -> str:
    """The kind of these values, each given with its row."""
    first: dict[str, tuple[int, Any]] = {}
    for place, value in sorted(some, key=lambda pair: pair[0]):
        first.setdefault(_kind_of(value, name, place), (place, value))
    if len(first) > 1:
        (one, (here, this)), (other, (there, that)) = list(first.items())[:2]
        raise TypeError(
            f"column {name!r} holds {_ARTICLES[one]} in row {here} ({this!r:.40}) and {_ARTICLES[other]} "
            f"in row {there} ({that!r:.40}): make it of one kind"
        )
    return next(iter(first), "number")


def _kind_of(value: Any, name: str, place: int) -> str:
    for kind, types in _KINDS:
        if isinstance(value, types):
            return kind
    raise TypeError(
        f"column {name!r} expected numbers, text, booleans or dates, got {type(value).__name__} in row {place} "
        f"({value!r:.40}): make numbers or text of it, or leave it out"
    )


def _of_text(values: list[Any], name: str, kind: str) -> Column:
    """Each word once, sorted, and its place for each row. Empty text is missing."""
    seen: dict[Any, int] = {}
    codes = numpy.asarray([seen.setdefault(value, len(seen)) for value in values], dtype=numpy.int64)
    words = sorted({str(word) for word in seen if isinstance(word, str) and word.strip()})
    place = {word: number for number, word in enumerate(words)}
    places = numpy.asarray([place.get(word, -1) for word in seen], dtype=numpy.int64)
    return Column(name, kind, places[codes] if len(seen) else codes, tuple(words))


def _of_category(series: Any, name: str, *, ordered: bool) -> Column:
    """Of what the frame itself calls categorical. A category that a row has is the word that it is in a column which is
    not categorical, so that order, and how it is stored, change nothing.
    """
    levels, codes, stored = _levels_of(series)
    used, rows = numpy.unique(codes, return_index=True)
    some = [(row, levels[code]) for code, row in zip(used.tolist(), rows.tolist(), strict=True) if code >= 0]
    written, dtype = _words(some, name, stored)
    words = dict(zip(used[used >= 0].tolist(), written, strict=True))
    if ordered:
        order = [words.get(code) or str(level) for code, level in enumerate(levels)]
    else:
        order = sorted(words.values(), key=_size if dtype not in ("", "bool") else None)
    place = {word: number for number, word in enumerate(dict.fromkeys(filter(None, order)))}
    table = numpy.full(len(levels) + 1, -1, dtype=numpy.int64)  # the last is that of -1
    for code, word in words.items():
        table[code] = place.get(word, -1)
    return Column(name, "category", table[codes], tuple(place), dtype=dtype)


def _levels_of(series: Any) -> tuple[list[Any], numpy.ndarray, str]:
    """The categories, for each row its place among them or -1, and the dtype of categories that are short floats."""
    native = series.to_native()
    accessor = getattr(native, "cat", None)
    index = getattr(accessor, "categories", None)  # of pandas, where they may be anything
    stored = getattr(getattr(native, "type", None), "value_type", "") if index is None else index.dtype
    short = _SHORT.get(str(stored).lower().partition("[")[0], "")
    if index is not None and accessor is not None:
        return index.to_list(), accessor.codes.to_numpy().astype(numpy.int64), short
    values = series.to_list()
    given = getattr(series.dtype, "categories", None)
    levels = [value for value in dict.fromkeys(values) if not _is_absent(value)] if given is None else list(given)
    place = {level: number for number, level in enumerate(levels)}
    return levels, numpy.asarray([place.get(value, -1) for value in values], dtype=numpy.int64), short


def _words(some: list[tuple[int, Any]], name: str, short: str) -> tuple[list[str], str]:
    """Categories, each given with its first row, as words, '' of those that mean a missing value; and how numbers and
    booleans are stored, '' of other categories.
    """
    levels = [level for _, level in some]
    plain = tuple(kind for _, kinds in _KINDS for kind in kinds)
    if not all(isinstance(level, plain) for level in levels):  # such as intervals of `pandas.cut`, and periods
        return list(map(str, levels)), ""
    if levels and all(type(level) is int for level in levels):  # of any size, which float64 would not tell apart
        return list(map(str, levels)), "int64"
    _kind_of_all(some, name)
    column = _of_values(levels, name)
    column = replace(column, dtype=short) if short else column
    text, dtype = as_text(column), "bool" if column.kind == "boolean" else column.dtype
    return [text.levels[code] if code >= 0 else "" for code in text.values.tolist()], dtype


def _size(word: str) -> float:
    """Of a word that is a number; Python compares whole numbers of any size, and with fractions, as they are."""
    return int(word) if word.lstrip("-").isdigit() else float(word)
