"""What is to be predicted, by what the column of targets holds."""

from __future__ import annotations

import numpy

from xpnn.tables.columns import Column
from xpnn.tables.converting import as_numbers, number_in
from xpnn.tables.spelling import spelled

__all__ = ["TASKS", "task_of"]

TASKS = ("binary", "multiclass", "regression")
_MOST_CLASSES = 10  # whole numbers of more values are amounts
_ROWS_EACH = 5  # on average; whole numbers that come more rarely are amounts


def task_of(column: Column, asked: str = "auto") -> tuple[str, str]:
    """The task and the reason for it: found if `asked` is "auto", else seen to be possible.

    Raises
    ------
    ValueError
        If the values allow no task, or not the one that was asked for.
    TypeError
        If they are dates.

    Examples
    --------
    >>> from xpnn.tables.reading import column_of
    >>> task_of(column_of([0, 1, 1, 0]))
    ('binary', '2 different values')
    >>> task_of(column_of([0.5, 1.5, 2.0, 9.5]))
    ('regression', 'numbers, 4 different')
    """
    if column.kind == "date":
        raise TypeError(f"target {column.name!r} expected numbers or labels, got dates: turn them into numbers first")
    different = _different(column)
    if different == 1:
        raise ValueError(f"target {column.name!r} is always {column.value(0)!r}: there is nothing to learn")
    if asked == "regression":
        if column.kind != "number":
            as_numbers(column)  # the error names the row
        return asked, "asked for"
    if asked == "auto":
        asked, reason = _found(column, different)
    else:
        reason = "asked for"
    if asked == "binary" and different != 2:
        raise ValueError(f"target {column.name!r} expected two different values for task 'binary', got {different}")
    if asked == "multiclass" and different == 2:
        raise ValueError(f"target {column.name!r} has two different values: task 'binary', not 'multiclass'")
    return asked, reason


def _different(column: Column) -> int:
    if column.kind == "number":
        return len(numpy.unique(column.values))
    return int((column.counts() > 0).sum())


def _found(column: Column, different: int) -> tuple[str, str]:
    if different == 2:
        return "binary", "2 different values"
    if column.kind != "number":
        _require_labels(column, different)
        return "multiclass", f"{different} different labels"
    whole = bool((column.values == numpy.floor(column.values)).all())
    if whole and different <= _MOST_CLASSES and different * _ROWS_EACH <= len(column):
        return "multiclass", f"whole numbers, only {different} different"
    return "regression", f"{'whole numbers' if whole else 'numbers'}, {different} different"


def _require_labels(column: Column, different: int) -> None:
    """Raise where words are nearly all numbers, or nearly all their own."""
    if different > _MOST_CLASSES and (spelling := spelled(column)):
        raise ValueError(f"target {column.name!r} holds {spelling}")
    counts = column.counts()
    right = numpy.asarray([number_in(level) is not None for level in column.levels], dtype=bool)
    share = counts[right].sum() / len(column)
    if 0.5 < share < 1:
        place = int(numpy.flatnonzero(~right[column.values])[0])
        raise ValueError(
            f"target {column.name!r} is text, though {share:.1%} of it are numbers: in row {column.row(place)} it "
            f"holds {column.value(place)!r:.40}"
        )
    if different > 20 and 2 * different > len(column):
        raise ValueError(
            f"target {column.name!r} holds {different} different labels in {len(column)} rows, too many to be classes"
        )
