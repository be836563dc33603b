"""Labels of any type as classes 0, 1, 2, …, and classes as labels of the type they had."""

from __future__ import annotations

import re
from typing import Any

import numpy

from xpnn.tables.columns import BOOLEANS, Column, text_of_number
from xpnn.tables.converting import as_booleans, as_text, number_in, words_of_numbers

__all__ = ["class_codes", "classes_of", "labels_of"]

_LETTERS = 2**26  # of all labels together, 256 MB


def classes_of(column: Column) -> numpy.ndarray:
    """The different labels, as they were stored: sorted, or in the order that the column's levels have.

    Examples
    --------
    >>> from xpnn.tables.reading import column_of
    >>> classes_of(column_of([3, 1, 3])), classes_of(column_of([True, False]))
    (array([1, 3]), array([False,  True]))
    """
    if column.kind == "number":
        labels = numpy.unique(column.values)
        stored = numpy.dtype(column.dtype or "float64")
        return labels.astype(stored) if numpy.array_equal(labels.astype(stored), labels) else labels
    there = column.counts() > 0
    if column.kind == "boolean":
        return numpy.asarray([False, True])[there]
    words = [level for level, some in zip(column.levels, there, strict=True) if some]
    _require_short(words)
    return _as_stored(words, column.dtype if column.kind == "category" else "")


def _as_stored(words: list[str], dtype: str) -> numpy.ndarray:
    """Words that were numbers or booleans as these, if an array can hold them."""
    if dtype == "bool":
        return numpy.asarray([word == BOOLEANS[1] for word in words])
    if dtype.startswith("float"):
        return numpy.asarray(list(map(float, words)), dtype=dtype)
    if dtype and all(abs(int(word)) < 2**63 for word in words):
        return numpy.asarray(list(map(int, words)), dtype=dtype)
    return numpy.asarray(words)


def class_codes(column: Column, classes: numpy.ndarray) -> numpy.ndarray:
    """The place of each label among the classes, shape (n,), int64.

    Numbers are the same label whether stored as 3, 3.0 or "3"; so are True and "true".

    Raises
    ------
    ValueError
        If a label is not among them: its row is named.
    """
    text = as_booleans(column) if classes.dtype.kind == "b" else as_text(column)
    place = {word: number for words in _words(classes) for number, word in enumerate(words)}
    table = numpy.asarray(
        [place.get(level, place.get(_word(level, classes), -1)) for level in text.levels] or [-1], dtype=numpy.int64
    )
    codes: numpy.ndarray = table[text.values]
    unknown = numpy.flatnonzero(codes < 0)
    if len(unknown):
        first = int(unknown[0])
        raise ValueError(
            f"target {column.name!r} expected one of {_listed(classes)}, got {column.value(first)!r:.60} in row "
            f"{column.row(first)}"
        )
    return codes


def labels_of(labels: list[Any], dtype: str) -> numpy.ndarray:
    """The array that `classes.tolist()` and its dtype's string were written from.

    Raises
    ------
    ValueError
        If it is no list of labels or no dtype of labels: text, booleans, whole numbers and fractions.

    Examples
    --------
    >>> labels_of(["no", "yes"], "<U3")
    array(['no', 'yes'], dtype='<U3')
    """
    if not isinstance(labels, list) or not isinstance(dtype, str) or not re.fullmatch(r"[<>|=]?([Uiuf]\d+|b1)", dtype):
        raise ValueError(f"expected a list of labels and their dtype, got {dtype!r:.40}")
    if "U" in dtype:  # text is as long as its longest word, whatever the file says
        words = list(map(str, labels))
        _require_short(words)
        return numpy.asarray(words, dtype=numpy.str_)
    found = numpy.asarray(labels, dtype=numpy.dtype(dtype))
    if found.ndim != 1:
        raise ValueError(f"expected a list of labels, got one of shape {found.shape}")
    return found


def _require_short(words: list[str]) -> None:
    """Raise if an array of these words, each with room for the longest, were large."""
    if len(words) * max(map(len, words), default=0) > _LETTERS:
        raise ValueError(f"{len(words)} labels, one of {max(map(len, words))} letters, are too long to be classes")


def _words(classes: numpy.ndarray) -> list[list[str]]:
    """How columns have each of the labels; those of float32 also as they are in float64."""
    labels = classes.tolist()
    if classes.dtype.kind not in "iuf":
        return [list(map(str, labels))]
    return [list(map(text_of_number, labels)), words_of_numbers(classes, classes.dtype.name)]


def _word(level: str, classes: numpy.ndarray) -> str:
    """A label of numbers as `text_of_number` writes it: "3.0" in a file is 3. Not so numbers that float64 takes for
    their neighbours.
    """
    number = number_in(level) if classes.dtype.kind in "iuf" else None
    return level if number is None or not abs(number) < 2**53 else text_of_number(number)


def _listed(classes: numpy.ndarray, most: int = 10) -> str:
    shown = ", ".join(repr(label) for label in classes.tolist()[:most])
    return f"{shown} and {len(classes) - most} more" if len(classes) > most else shown
