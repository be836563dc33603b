"""Whether the values of a column in a CSV file are numbers, or the words that stand there.

pandas guesses the type of each column from all of its values. Of a column with TRUE, FALSE and UNKNOWN, a file that
holds only TRUE has booleans, and of one with 01 and A1, a file that holds only 01 has the number 1. For a table to
learn from, a guess has to do (leading zeros mean a label: a postal code, not an amount). For new rows it may not: what
is predicted of a row would depend on which other rows are in the file. So a trained model says of each of its columns
in which way to read it:

| way | what it makes of the values |
| --- | --- |
| "numbers" | numbers; the words where one of them is none, for an error to name it |
| "words" | the words as they are |
| "numbers as words" | 1, 1.0 and 1e0 are all "1", as they were when training had a column of numbers for labels |
| "booleans as words" | true and TRUE are "True" |
| "labels" | for training: words where numbers would not be told apart, 2^53 and more; else as guessed |
| "target" | for training: whole numbers where they are written so, though one is missing; else as guessed |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from xpnn.tables.columns import text_of_number
from xpnn.tables.converting import number_in

__all__ = ["read_in_ways", "way_of_class_labels", "ways_of_columns"]

_TOLD_APART = 2**53  # whole numbers below it are exact as float64
_BOOLEANS = {"true": "True", "false": "False"}


def ways_of_columns(summary: list[dict[str, Any]], columns: list[str]) -> dict[str, str]:
    """The way in which to read each of a trained model's columns, by `Preprocessing.summary`.

    Examples
    --------
    >>> ways_of_columns([{"name": "zip", "kind": "category", "stored": "number"}], ["zip"])
    {'zip': 'numbers as words'}
    """
    found = {row["name"]: row for row in summary}
    return {name: _way(found[name]["kind"], found[name]["stored"]) for name in columns}


def _way(kind: str, stored: str) -> str:
    if kind == "number":
        return "numbers"
    as_words = {"number": "numbers as words", "boolean": "booleans as words"}
    return as_words.get(stored, "words") if kind == "category" else "words"


def way_of_class_labels(dtype: str) -> str:
    """The way in which to read a target, by the kind of its classes' dtype ("U", "b", "i", "f"; "" of a regression).

    Examples
    --------
    >>> way_of_class_labels("U"), way_of_class_labels("i"), way_of_class_labels("")
    ('words', 'numbers as words', 'numbers')
    """
    return {"": "numbers", "U": "words", "b": "words"}.get(dtype, "numbers as words")


def read_in_ways(
    frame: Any, ways: Mapping[str, str], again: Callable[[list[str]], Any], *, text: str, separator: str, decimal: str
) -> Any:
    """The frame with each column read in its way; one without a way has words if leading zeros are in it.

    Parameters
    ----------
    frame
        As pandas guessed it.
    ways
        By the names of columns, which need not all be there.
    again
        Gives these columns of the file as words.
    text, separator, decimal
        The file, and how it is written.
    """
    zeros = re.search(rf'(^|[\n\r"{re.escape(separator)}])\s*0\d+\s*($|[\n\r"{re.escape(separator)}])', text)
    doubted = [name for name in frame.columns if _is_doubted(frame[name], ways.get(name, ""), bool(zeros))]
    if not doubted:
        return frame
    words = again(doubted)
    made = frame.copy(deep=False)
    for name in doubted:
        made[name] = _in_way(frame[name], words[name], ways.get(name, ""), decimal)
    return made


def _is_doubted(column: Any, way: str, zeros: bool) -> bool:
    """Whether the words of a column have to be looked at."""
    if way in ("words", "numbers as words", "booleans as words"):
        return True
    number = column.dtype.kind in "iuf"
    if way == "numbers":
        return not number
    if way == "target" and _may_be_whole(column):
        return True
    return number and (zeros or (way == "labels" and _is_large(column)))


def _is_large(column: Any) -> bool:
    return bool((column.abs() >= _TOLD_APART).any())


def _may_be_whole(column: Any) -> bool:
    """Whether they are fractions, as pandas reads them, for no other reason than that one is missing."""
    if column.dtype.kind != "f" or not column.isna().any():
        return False
    there = column.dropna()
    return not _is_large(there) and bool((there == there.round()).all())


def _in_way(guessed: Any, words: Any, way: str, decimal: str) -> Any:
    if way == "words":
        return words
    if way in ("numbers", "numbers as words", "booleans as words"):
        different = words.dropna().unique()
        return words.map({word: _meaning(word, way, decimal) for word in different}).astype(object)
    if way == "target" and not _has_leading_zeros(words) and _may_be_whole(guessed):
        written = all(re.fullmatch(r"\s*[+-]?\d+\s*", word) for word in words.dropna().unique())
        return guessed.astype("Int64") if written else guessed
    return words if _has_leading_zeros(words) or (way == "labels" and _is_large(guessed)) else guessed


def _meaning(word: str, way: str, decimal: str) -> str:
    if way == "booleans as words":
        return _BOOLEANS.get(word.strip().lower(), word)
    pointed = word.replace(decimal, ".")
    if way == "numbers":
        return pointed
    number = number_in(pointed)
    return word if number is None else text_of_number(number)


def _has_leading_zeros(words: Any) -> bool:
    """Whether all words are digits, and some begin with a 0 that a number would not have."""
    different = [word.strip() for word in words.dropna().unique()]
    digits = all(word.isdecimal() for word in different)
    return digits and any(len(word) > 1 and word[0] == "0" for word in different)
