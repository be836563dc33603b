"""What a person should know about the labels of a target: those that come once, and those that look like one."""

from __future__ import annotations

import numpy

from xpnn.tables.columns import Column
from xpnn.tables.target import Target

__all__ = ["notes_on_labels"]

_MOST = 3  # notes of one kind


def notes_on_labels(target: Target, column: Column) -> list[str]:
    """Sentences about labels that may be mistakes, rows counted from 0 as in `xpnn.tables`; none of a regression.

    Examples
    --------
    >>> from xpnn.tables.reading import column_of
    >>> column = column_of(["good", "bad", "GOOD", "good", "bad"], name="y")
    >>> notes_on_labels(Target().fit(column), column)
    ["target 'y' has 'GOOD' only once, in row 2: is it 'good'?"]
    """
    if target.task == "regression":
        return []
    codes = target.codes(column)
    counts = numpy.bincount(codes, minlength=len(target.classes))
    alike: dict[str, int] = {}  # the most frequent of the labels that differ in capitals and blanks only
    for number in numpy.argsort(-counts, kind="stable").tolist():
        alike.setdefault(_bare(target, number), number)
    notes: list[str] = []
    more = 0
    for number, label in enumerate(target.classes.tolist()):
        other = alike[_bare(target, number)]
        if counts[number] > 1 and other == number:
            continue
        if len(notes) == _MOST:
            more += 1
            continue
        often = "only once, in" if counts[number] == 1 else f"in {counts[number]} rows, the first"
        row = column.row(int(numpy.flatnonzero(codes == number)[0]))
        meant = f": is it {target.classes.tolist()[other]!r:.40}?" if other != number else ""
        notes.append(f"target {column.name!r} has {label!r:.40} {often} row {row}{meant}")
    return [*notes, f"so it is with {more} more labels of target {column.name!r}"] if more else notes


def _bare(target: Target, number: int) -> str:
    return " ".join(str(target.classes[number]).casefold().split())
