"""One column of a table, in one form whatever library it came from.

Numbers are float64 with NaN where one is missing, dates are `datetime64[us]` with NaT. All else is text: each
different value once, in `levels`, and for each row its place there, or -1. So a million rows of three words cost a
million integers, and what must be done to words is done three times.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy

__all__ = ["BOOLEANS", "Column", "TableWarning", "require_told_apart", "text_of_number"]

BOOLEANS = ("False", "True")  # the levels of every boolean column


class TableWarning(UserWarning):
    """A column that is left out for what it holds, or that is perhaps not what was meant.

    Attributes
    ----------
    column : str
        Its name.

    Examples
    --------
    >>> TableWarning("column 'id' is left out", "id").column
    'id'
    """

    def __init__(self, message: str, column: str) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True, eq=False)
class Column:
    """A column as `Table.column` gives it.

    Attributes
    ----------
    name : str
        Its name in the frame.
    kind : str
        How it was stored: "number", "date", "boolean", "text" or "category" (what the frame itself calls categorical).
    values : numpy.ndarray
        Shape (n,): float64, `datetime64[us]`, or int64 places in `levels`.
    levels : tuple of str
        The values of columns that are neither numbers nor dates, in the frame's order if it has one, else sorted.
    dtype : str
        How numbers were stored, as in "int64", for labels that come back as they were; of categories that are
        numbers or booleans ("bool"), too.
    rows : numpy.ndarray or None
        The number of each row in the frame first given; None: these are its rows.

    Examples
    --------
    >>> from xpnn.tables.reading import column_of
    >>> column = column_of(["b", None, "a", "b"], name="grade")
    >>> column.values, column.levels, column.missing
    (array([ 1, -1,  0,  1]), ('a', 'b'), array([False,  True, False, False]))
    """

    name: str
    kind: str
    values: numpy.ndarray
    levels: tuple[str, ...] = ()
    _: KW_ONLY
    dtype: str = ""
    rows: numpy.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> numpy.ndarray:
        """Shape (n,), bool: where there is no value."""
        absent = {"number": numpy.isnan, "date": numpy.isnat}.get(self.kind)
        found: numpy.ndarray = absent(self.values) if absent is not None else self.values < 0
        return found

    def take(self, rows: numpy.ndarray) -> Column:
        """The column of these rows: places, or a bool for each row."""
        numbers = numpy.arange(len(self)) if self.rows is None else self.rows
        return replace(self, values=self.values[rows], rows=numbers[rows])

    def row(self, place: int) -> int:
        """The number, in the frame first given, of the row that is here at `place`."""
        return int(place if self.rows is None else self.rows[place])

    def value(self, place: int) -> Any:
        """What stands at `place`, for people."""
        value = self.values[place]
        if self.kind == "number":
            return int(value) if value == numpy.floor(value) and abs(value) < 2**53 else float(value)
        return str(value) if self.kind == "date" else self.levels[value]

    def counts(self) -> numpy.ndarray:
        """For each level how many rows have it."""
        return numpy.bincount(self.values[self.values >= 0], minlength=len(self.levels))


def text_of_number(value: float) -> str:
    """3.0 as "3": a column of whole numbers becomes one of fractions as soon as a value is missing.

    Examples
    --------
    >>> text_of_number(3.0), text_of_number(0.5)
    ('3', '0.5')
    """
    return str(int(value)) if numpy.isfinite(value) and value == int(value) else repr(float(value))


def require_told_apart(column: Column, what: str = "column") -> None:
    """Raise ValueError if whole numbers that are labels may have become equal, as float64 lets those from 2^53 on.

    Examples
    --------
    >>> from xpnn.tables.reading import column_of
    >>> require_told_apart(column_of([2**53 - 1, None], name="id"))
    >>> require_told_apart(column_of([2**53 + 1, 2**53], name="id"))
    Traceback (most recent call last):
    ...
    ValueError: column 'id' holds whole numbers of 2^53 or more: give labels as text (first in row 0)
    """
    if column.kind != "number" or not column.dtype.startswith(("int", "uint")):
        return
    large = numpy.flatnonzero(numpy.abs(column.values) >= 2**53)
    if len(large):
        raise ValueError(
            f"{what} {column.name!r} holds whole numbers of 2^53 or more: give labels as text (first in row "
            f"{column.row(int(large[0]))})"
        )
