"""A column as numbers, words, booleans or dates, if it can be seen so; else an error that names the row.

A file of new data may have a column stored otherwise than the training data: numbers as words because one cell holds
"unknown", whole numbers as fractions because one is missing. What can be meant in only one way is taken so.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy

from xpnn.tables.columns import BOOLEANS, Column, require_told_apart, text_of_number

__all__ = ["as_booleans", "as_dates", "as_numbers", "as_text", "date_in", "number_in", "truth_in", "words_of_numbers"]

_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?)? ?(Z|[+-]\d\d(:?\d\d)?)?")


def number_in(word: str) -> float | None:
    """The number that a word is, or None.

    Examples
    --------
    >>> number_in(" 1.5e3"), number_in("1_000"), number_in("unknown")
    (1500.0, None, None)
    """
    try:
        return None if "_" in word else float(word)
    except ValueError:
        return None


def date_in(word: str) -> datetime.datetime | None:
    """The date, or date and time, that a word is in ISO 8601 with dashes, on its own clock; or None.

    Examples
    --------
    >>> date_in("2013-01-31"), date_in("2013-01-31T05:00:00Z").hour, date_in("31/1/2013")
    (datetime.datetime(2013, 1, 31, 0, 0), 5, None)
    """
    word = word.strip()
    if not _ISO.fullmatch(word):
        return None
    try:
        return datetime.datetime.fromisoformat(word.replace(" +", "+").replace(" -", "-")).replace(tzinfo=None)
    except ValueError:  # such as a 31st of February
        return None


def truth_in(word: str) -> int | None:
    """0 of "false" in any case and of the number 0, 1 of "true" and 1; or None.

    A column of 0 and 1 becomes one of 0.0 and 1.0 as soon as one is missing.

    Examples
    --------
    >>> truth_in("TRUE"), truth_in("0.0"), truth_in("no")
    (1, 0, None)
    """
    number = {"false": 0.0, "true": 1.0}.get(word.strip().lower(), number_in(word))
    return int(number) if number in (0.0, 1.0) else None


def as_numbers(column: Column) -> Column:
    """The same column as numbers: words that are numbers, booleans as 0 and 1.

    Raises
    ------
    ValueError
        If a word is no number: its row is named.
    TypeError
        If they are dates.
    """
    if column.kind == "number":
        return column
    if column.kind == "date":
        raise TypeError(f"column {column.name!r} expected numbers, got dates, in row {column.row(0)} {column.value(0)}")
    if column.kind == "boolean":
        numbers = [0.0, 1.0]
    else:
        numbers = _each_level(column, number_in, "a number")
    table = numpy.asarray([*numbers, numpy.nan], dtype=numpy.float64)  # the last is that of -1
    return replace(column, kind="number", values=table[column.values], levels=(), dtype="float64")


def as_dates(column: Column) -> Column:
    """The same column as dates: words in ISO 8601.

    Raises
    ------
    ValueError
        If a word is no date: its row is named.
    TypeError
        If they are numbers or booleans.
    """
    if column.kind == "date":
        return column
    if column.kind in ("number", "boolean"):
        if column.missing.all():
            return replace(column, kind="date", values=numpy.full(len(column), "NaT", dtype="datetime64[us]"))
        place = int(numpy.flatnonzero(~column.missing)[0])
        raise TypeError(
            f"column {column.name!r} expected dates, got {column.kind}s, in row {column.row(place)} "
            f"{column.value(place)}: is it seconds or days, since when?"
        )
    dates = _each_level(column, date_in, "a date as in 2013-01-31 or 2013-01-31T23:59:59")
    table = numpy.asarray([*dates, None], dtype="datetime64[us]")
    return replace(column, kind="date", values=table[column.values], levels=())


def as_booleans(column: Column) -> Column:
    """The same column as booleans: words "true" and "false" in any case, numbers 0 and 1 however written.

    Raises
    ------
    ValueError
        If one is neither: its row is named.
    """
    if column.kind == "boolean":
        return column
    text = as_text(column)
    codes = _each_level(text, truth_in, "true or false")
    table = numpy.asarray([*codes, -1], dtype=numpy.int64)
    return replace(text, kind="boolean", values=table[text.values], levels=BOOLEANS)


def as_text(column: Column) -> Column:
    """The same column as words: 3.0 and 3 are both "3", and 0.1 in float32 is "0.1".

    Raises
    ------
    ValueError
        If whole numbers are too large to be told apart.
    """
    if column.kind not in ("number", "date"):
        return column
    require_told_apart(column)
    here = ~column.missing
    different, places = numpy.unique(column.values[here], return_inverse=True)
    if column.kind == "number":
        words = words_of_numbers(different, column.dtype)
    else:
        words = list(map(str, different))
    order = {word: number for number, word in enumerate(sorted(words))}
    values = numpy.full(len(column), -1, dtype=numpy.int64)
    values[here] = numpy.asarray([order[word] for word in words], dtype=numpy.int64)[places] if words else -1
    return replace(column, kind="text", values=values, levels=tuple(order))


def words_of_numbers(values: numpy.ndarray, dtype: str) -> list[str]:
    """Numbers that are stored in a dtype as words: 0.1 of float32 is "0.1", as that of float64 is.

    Examples
    --------
    >>> words_of_numbers(numpy.asarray([0.1, 3.0], "float32"), "float32")
    ['0.1', '3']
    """
    if dtype in ("float16", "float32"):
        return [text_of_number(float(str(value))) for value in values.astype(dtype)]
    return list(map(text_of_number, values.tolist()))


def _each_level(column: Column, meaning: Callable[[str], Any], expected: str) -> list[Any]:
    """What each level means; a level that no row has may mean nothing."""
    found = [meaning(word) for word in column.levels]
    wrong = [number for number, value in enumerate(found) if value is None]
    if wrong:
        places = numpy.flatnonzero(numpy.isin(column.values, wrong))
        if len(places):
            more = f" and {len(places) - 1} more rows" if len(places) > 1 else ""
            raise ValueError(
                f"column {column.name!r} expected {expected}, got {column.value(int(places[0]))!r:.60} in row "
                f"{column.row(int(places[0]))}{more}"
            )
    fallback = next((value for value in found if value is not None), None)
    return [fallback if value is None else value for value in found]
