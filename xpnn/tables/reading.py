"""Columns from what people have: lists, NumPy arrays, series of pandas, polars and PyArrow.

Lists and columns of objects are looked at value by value: kinds that do not belong together in one column, words among
numbers, are an error that names the two rows, since every guess would be wrong for somebody.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy

from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.native import to_host
from xpnn.tables.columns import BOOLEANS, Column
from xpnn.tables.converting import as_text

__all__ = ["column_of", "column_of_array", "column_of_series", "narwhals_for"]

# bool before number: Python's booleans are integers. Timestamps of pandas are datetimes, NumPy's float64 is a float.
_KINDS: list[tuple[str, tuple[type, ...]]] = [
    ("boolean", (bool, numpy.bool_)),
    ("number", (int, float, Decimal, numpy.integer, numpy.floating, datetime.timedelta)),
    ("text", (str,)),
    ("date", (datetime.date, numpy.datetime64)),
]
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
    if hasattr(values, "__array_namespace__") and not hasattr(values, "to_list"):
        namespace_of(values)
        return column_of_array(to_host(values), name)
    narwhals = narwhals_for(values)
    try:
        series = narwhals.from_native(values, series_only=True)
    except TypeError:
        raise TypeError(f"{name!r}: expected a list, an array or a series, got {type(values).__name__}") from None
    return column_of_series(series, name)


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
        stored = "float64" if dtype.is_decimal() else str(dtype).lower()
        values = _of_whole(series) if dtype.is_integer() else series.cast(narwhals.Float64).to_numpy()
        return Column(name, "number", numpy.asarray(values, dtype=numpy.float64), dtype=stored)
    if dtype == narwhals.String:
        return _of_text(series.to_list(), name, "text")
    if dtype in (narwhals.Categorical, narwhals.Enum):
        values, order = _in_words(series)
        return _of_category(values, name, order if dtype == narwhals.Enum else ())
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


def _in_words(series: Any) -> tuple[list[Any], tuple[str, ...]]:
    """The values of what the frame calls categorical, and all categories as text. Categories of pandas may be anything:
    intervals of `pandas.cut` and periods are taken by their text.
    """
    accessor: Any = getattr(series.to_native(), "cat", None)
    levels = list(getattr(accessor, "categories", getattr(series.dtype, "categories", ())))
    plain = tuple(kind for _, kinds in _KINDS for kind in kinds)
    words = tuple(map(str, levels))
    if all(isinstance(level, plain) for level in levels):
        return series.to_list(), words
    return [None if code < 0 else words[code] for code in accessor.codes.to_list()], words


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
    return value.total_seconds() if isinstance(value, datetime.timedelta) else float(value)


def _without_zone(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime.datetime) else value


def _is_absent(value: Any) -> bool:
    """None, NaN, NaT and pandas' NA, which is not equal to itself either but will not say so."""
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


def _one_kind(values: list[Any], name: str) -> str:
    """The kind of all values that are there; "number" where there is none."""
    first: dict[str, int] = {}
    for kind in dict.fromkeys(map(type, values)):  # types are few, so that most columns are looked at once
        for place, value in enumerate(values):
            if type(value) is kind and not _is_absent(value):
                first.setdefault(_kind_of(value, name, place), place)
                break
    if len(first) > 1:
        (one, here), (other, there) = sorted(first.items(), key=lambda item: item[1])[:2]
        raise TypeError(
            f"column {name!r} holds {_ARTICLES[one]} in row {here} ({values[here]!r:.40}) and {_ARTICLES[other]} "
            f"in row {there} ({values[there]!r:.40}): make it of one kind"
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


def _of_category(values: list[Any], name: str, order: tuple[str, ...]) -> Column:
    """Of what the frame itself calls categorical, whose categories may be numbers."""
    whole = [type(value) is int or _is_absent(value) for value in values]
    if all(whole):  # of any size, which float64 would not tell apart
        values = [None if _is_absent(value) else str(value) for value in values]
    text = as_text(_of_values(values, name))
    if order:
        known = {word: number for number, word in enumerate(order)}
        places = numpy.asarray([known[word] for word in text.levels] or [-1], dtype=numpy.int64)
        return Column(name, "category", numpy.where(text.values < 0, -1, places[text.values]), order)
    return Column(name, "category", text.values, text.levels)
