"""Labels, indices and other numbers that a function has no meaning for: looked at where that costs nothing, on NumPy.

On a GPU a look would wait for the device in every step, and CuPy wraps an index that is out of range around without a
word. So data are looked at there before they are used (`training.limits`), which finds out by running model and loss
with a few rows inside `numbers_looked_at`: within it the checks here look on any device, and note what they looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import to_host

__all__ = [
    "Meaning",
    "Noted",
    "numbers_looked_at",
    "require_columns",
    "require_labels",
    "require_not_negative",
    "require_shares",
    "require_signs",
]


@dataclass(frozen=True)
class Meaning:
    """What whole numbers name.

    Attributes
    ----------
    classes
        How many classes, or rows of a table, there are; of columns (last axis) that have a table each, of each one.
    rows_of
        Whose rows they are; empty where they are labels.
    ignored
        The label that names none, if there is one.
    """

    classes: int | tuple[int, ...]
    rows_of: str = ""
    ignored: int | None = None

    def require(self, t: Array) -> None:
        """Raise ValueError with the first number in `t` that names nothing, on any device; a GPU is waited for."""
        xp = namespace_of(t)
        if self.ignored is not None:
            t = t * xp.astype(t != self.ignored, t.dtype)
        columns = isinstance(self.classes, tuple)
        if not isinstance(t, numpy.ndarray) and t.size:  # two numbers (of each column) are less to move than all
            table = xp.reshape(t, (-1, t.shape[-1]) if columns else (-1, 1))
            least, most = to_host(xp.min(table, axis=0)), to_host(xp.max(table, axis=0))
            if (least >= 0).all() and (most < numpy.asarray(self.classes)).all():
                return
        t = to_host(t)
        if isinstance(self.classes, tuple):
            _require_columns(t, self.classes, self.rows_of)
        else:
            _require(t, self.classes, self.rows_of)


Noted = list[tuple[Array, Meaning]]
_looked_at: ContextVar[tuple[bool, Noted | None]] = ContextVar("numbers that are looked at", default=(False, None))


@contextmanager
def numbers_looked_at(noted: Noted | None = None, *, refused: bool = True) -> Iterator[None]:
    """Within it numbers that name classes or rows are looked at on any device, though a GPU is waited for, and added to
    `noted` with their meaning; with `refused=False` they are only noted, where steps would not look.
    """
    token = _looked_at.set((refused, noted))
    try:
        yield
    finally:
        _looked_at.reset(token)


def require_labels(
    t: Array, classes: int, rows_of: str = "", *, given: Array | None = None, ignored: int | None = None,
    computed: bool = False,
) -> None:  # fmt: skip
    """Raise if a label is not from 0 to `classes` - 1, where looking costs nothing: on NumPy, or asked to.

    With `rows_of` they are indices of the rows of that. `given` are the labels as they came, before those `ignored`
    were set to 0: what is noted within `numbers_looked_at`. Numbers that are `computed`, as a pooling's, are never
    looked at elsewhere than on NumPy.

    Raises
    ------
    ValueError
        With the first wrong label.
    """
    if getattr(type(t), "records_calls", False):
        t.recorder.call(require_labels, (t, classes, rows_of) if rows_of else (t, classes), {})
        return
    looks, noted = _looked_at.get()
    if noted is not None and not computed:
        noted.append((t if given is None else given, Meaning(classes, rows_of, ignored)))
    if isinstance(t, numpy.ndarray):
        _require(t, classes, rows_of)
    elif looks and not computed:
        Meaning(classes, rows_of).require(t)


def require_columns(t: Array, classes: tuple[int, ...], rows_of: str) -> None:
    """The same of columns (last axis) that take rows of a table each: from 0 to `classes[column]` - 1.

    Raises
    ------
    ValueError
        With the first wrong number.
    """
    if getattr(type(t), "records_calls", False):
        for column, count in enumerate(classes):
            require_labels(t[..., column], count, _of_column(rows_of, column, count))
        return
    looks, noted = _looked_at.get()
    if noted is not None:
        noted.append((t, Meaning(classes, rows_of)))
    if isinstance(t, numpy.ndarray):
        _require_columns(t, classes, rows_of)
    elif looks:
        Meaning(classes, rows_of).require(t)


def _of_column(rows_of: str, column: int, count: int) -> str:
    return f"{rows_of}, column {column} of {count} categories"


def _require_columns(t: Any, classes: tuple[int, ...], rows_of: str) -> None:
    for column, count in enumerate(classes):
        _require(t[..., column], count, _of_column(rows_of, column, count))


def _require(t: Any, classes: int, rows_of: str) -> None:
    """Of an array of NumPy's."""
    if t.size and not (t.min() >= 0 and t.max() < classes):
        wrong = t[(t < 0) | (t >= classes)][0]
        if rows_of:
            raise ValueError(f"{rows_of}: expected indices from 0 to {classes - 1}, got {wrong}")
        raise ValueError(f"expected labels from 0 to {classes - 1} for {classes} classes, got {wrong}")


def require_shares(what: str, t: Array) -> None:
    """Raise if a number is not from 0 to 1, where looking costs nothing: on NumPy.

    Raises
    ------
    ValueError
        With the first wrong number.
    """
    if type(t) is numpy.ndarray and t.size and not (_least(t, axis=None) >= 0 and _most(t, axis=None) <= 1):
        raise ValueError(f"expected {what} from 0 to 1, got {t[~((t >= 0) & (t <= 1))][0]}")
    if getattr(type(t), "records_calls", False):
        t.recorder.call(require_shares, (what, t), {})


def require_not_negative(what: str, t: Array) -> None:
    """Raise if a number is below 0, where looking costs nothing: on NumPy; NaN passes.

    Raises
    ------
    ValueError
        With the first wrong number.
    """
    if type(t) is numpy.ndarray and t.size and not _least(t, axis=None) >= 0 and (t < 0).any():
        raise ValueError(f"expected {what} of 0 or more, got {t[t < 0][0]}")
    if getattr(type(t), "records_calls", False):
        t.recorder.call(require_not_negative, (what, t), {})


def require_signs(who: str, t: Array) -> None:
    """Raise if a target is not -1 or 1, where looking costs nothing: on NumPy.

    Raises
    ------
    ValueError
        With the first wrong target.
    """
    if type(t) is numpy.ndarray and t.size and not (abs(t) == 1).all():
        wrong = t[abs(t) != 1][0]
        raise ValueError(f"{who} expected targets -1 or 1, got {wrong}: for labels 0 and 1 write 2 * t - 1")
    if getattr(type(t), "records_calls", False):
        t.recorder.call(require_signs, (who, t), {})


_least, _most = numpy.minimum.reduce, numpy.maximum.reduce
