"""Which level of training a value is that is stored otherwise: 3.0 for "3", a date for its text, 0 for "false".

A word that training had is that level. Another may be one that is only written otherwise, and what it means decides:

| given | training's levels | the same if |
| --- | --- | --- |
| numbers | any | they are equal numbers, also as float32 if one of them is of it; 0 and 1 are false and true |
| booleans | any | they say the same: true and false in any case, or 1 and 0 |
| any | False and True | the same |
| dates, text | any | they are equal dates, as ISO 8601 writes them |
| text | of numbers | they are equal numbers: "3.0" is 3, and "01" is 1 |

Not so text and text: "01" and "1", "1.10" and "1.1" may be two things. Nor is anything guessed: a meaning that two
levels have decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy

from xpnn.tables.columns import BOOLEANS, Column
from xpnn.tables.converting import date_in, number_in, truth_in

__all__ = ["places_of"]

_Reading = Callable[[str], Hashable]


def places_of(known: Sequence[str | None], given: Column, *, of_numbers: bool = False) -> list[int]:
    """For each level of a column of words (`as_text`) the place, counted from 1, of the known one that it is; else 0.

    `of_numbers` says that those known were numbers in training.

    Examples
    --------
    >>> from xpnn.tables.converting import as_text
    >>> from xpnn.tables.reading import column_of
    >>> places_of(["3", "7"], as_text(column_of([3.0, 7.5]))), places_of(["3", "7"], column_of(["3.0"]))
    ([1, 0], [0])
    >>> places_of(["3", "7"], column_of(["3.0"]), of_numbers=True)
    [1]
    """
    place = {level: number for number, level in enumerate(known, start=1)}
    words = given.levels
    if all(word in place for word in words):
        return [place[word] for word in words]
    readings = _readings(known, given, of_numbers)
    meanings = [(reading, found) for reading, of_known in readings if (found := _by_meaning(known, of_known))]
    return [place.get(word) or _place(word, meanings) for word in words]


def _readings(known: Sequence[str | None], given: Column, of_numbers: bool) -> list[tuple[_Reading, _Reading]]:
    """How to read words that are given and levels that are known, to compare what they mean."""
    if given.kind == "boolean" or {*known} - {None} == {*BOOLEANS}:
        return [(truth_in, truth_in)]
    if given.dtype or of_numbers:
        return [(_number, _number), (_widened, _shortened), (_shortened, _widened), (truth_in, truth_in)]
    return [(date_in, date_in)]


def _number(word: str) -> float | None:
    """Of those that float64 tells apart, no NaN."""
    number = number_in(word)
    return number if number is not None and abs(number) < 2**53 else None


def _shortened(word: str) -> float | None:
    """A fraction as float32."""
    number = _number(word)
    return None if number is None or number == int(number) else float(numpy.float32(number))


def _widened(word: str) -> float | None:
    """A fraction of float32 as float64 has it: 0.1 is 0.10000000149011612."""
    short = _shortened(word)
    return short if short == _number(word) else None


def _by_meaning(known: Sequence[str | None], reading: _Reading) -> dict[Hashable, int]:
    """For each meaning the place of the level that has it, 0 if two have."""
    found: dict[Hashable, int] = {}
    for place, level in enumerate(known, start=1):
        meaning = None if level is None else reading(level)
        if meaning is not None:
            found[meaning] = 0 if meaning in found else place
    return found


def _place(word: str, meanings: list[tuple[_Reading, dict[Hashable, int]]]) -> int:
    return next((found[meaning] for reading, found in meanings if (meaning := reading(word)) in found), 0)
