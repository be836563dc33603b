"""What is given as y, on the host, or an error that says what is wrong with it in words of tables.

scikit-learn's checks look at arrays. Columns hold more: None, dates, words beside numbers; and NumPy makes words of the
numbers in [1, 'a'], nanoseconds of dates, without a word.
"""

from __future__ import annotations

from datetime import date, timedelta
from numbers import Integral, Number
from typing import Any

import numpy

from xpnn.estimators.placement import on_host

__all__ = ["labels_of", "numbers_of"]


def labels_of(y: Any) -> Any:
    """Labels: as they are, but whole numbers stay whole in columns that could hold missing ones.

    Raises
    ------
    ValueError
        If one is missing, or some are words and others numbers.

    Examples
    --------
    >>> labels_of(numpy.asarray([1, 2], dtype=object)).dtype.name
    'int64'
    >>> labels_of(["a", None])
    Traceback (most recent call last):
    ValueError: Input y contains NaN: its value in row 1 is missing (None). Leave out such rows, of X, too
    """
    y = _on_host(y)
    items = _items(y)
    if items is None:
        values = _array(y)
        _require_numbers_present(values)
        return values if hasattr(y, "to_numpy") and _is_whole(values) else y
    _require_present(items)
    words = [isinstance(item, str | bytes) for item in items]
    if any(words) and not all(words):
        word, number = words.index(True), words.index(False)
        raise ValueError(
            f"y expected labels of one kind, got {items[number]!r:.40} in row {number} and {items[word]!r:.40} in row "
            f"{word}: make all of them words, or numbers"
        )
    for kind, dtype in ((bool | numpy.bool_, bool), (Integral, numpy.int64)):
        if all(isinstance(item, kind) for item in items):
            labels = numpy.asarray(items, dtype=dtype)
            return labels[:, None] if _are_in_a_column(y) else labels  # which scikit-learn warns of
    return y


def numbers_of(y: Any) -> Any:
    """Targets of a regression: as they are.

    Raises
    ------
    ValueError
        If one is missing.
    TypeError
        If they are dates, or times between dates.

    Examples
    --------
    >>> numbers_of(numpy.asarray(["2020-01-31"], dtype="datetime64[D]"))
    Traceback (most recent call last):
    TypeError: y expected numbers, got dates (datetime64[D]): give days: (y - y.min()) / numpy.timedelta64(1, 'D')
    """
    y = _on_host(y)
    values = None if hasattr(y, "toarray") else _array(y)
    if values is None:
        return y
    _require_numbers_present(values)
    of_time = values.dtype.name if values.dtype.kind in "mM" else ""
    if values.dtype.kind == "O" and values.ndim <= 2:
        items = values.ravel().tolist()
        _require_present(items, values.size // max(1, len(values)) if values.ndim else 1)
        times = [item for item in items if isinstance(item, date | timedelta)]
        of_time = type(times[0]).__name__ if times else ""
    if of_time:
        raise TypeError(
            f"y expected numbers, got dates ({of_time}): give days: (y - y.min()) / numpy.timedelta64(1, 'D')"
        )
    return y


def _on_host(y: Any) -> Any:
    if hasattr(y, "collect") and not hasattr(y, "shape"):
        raise TypeError(f"expected y whose rows are there, got a {type(y).__name__}: give y.collect()")
    return on_host(y)


def _array(y: Any) -> numpy.ndarray | None:
    """None if NumPy has no array for it: scikit-learn's checks say so in their words."""
    try:
        return numpy.asarray(y)
    except (TypeError, ValueError):
        return None


def _is_whole(values: numpy.ndarray | None) -> bool:
    return values is not None and values.dtype.kind in "biu"


def _items(y: Any) -> list[Any] | None:
    """The labels one by one, if they are of Python's kinds; None of arrays with a dtype, and of what is no column."""
    if hasattr(y, "toarray"):
        return None
    if not isinstance(y, list | tuple):
        values = _array(y)
        if values is None or values.dtype.kind != "O" or not values.shape or values.shape[1:] not in ((), (1,)):
            return None
        return values.ravel().tolist()
    if _are_in_a_column(y):
        return [item for (item,) in y]
    return None if any(hasattr(item, "__len__") and not isinstance(item, str | bytes) for item in y) else list(y)


def _are_in_a_column(y: Any) -> bool:
    """Whether each row is a list of one, as of a frame of one column."""
    if isinstance(y, list | tuple):
        return len(y) > 0 and all(isinstance(item, list | tuple) and len(item) == 1 for item in y)
    return len(getattr(y, "shape", ())) == 2


def _require_present(items: list[Any], columns: int = 1) -> None:
    place = next((place for place, item in enumerate(items) if _is_missing(item)), None)
    if place is not None:
        raise ValueError(
            f"Input y contains NaN: its value in row {place // columns} is missing ({items[place]!r}). Leave out such "
            "rows, of X, too"
        )


def _require_numbers_present(values: numpy.ndarray | None) -> None:
    """The same of an array of numbers, in rows and maybe columns."""
    if values is None or values.dtype.kind != "f" or values.ndim not in (1, 2) or not numpy.isnan(values).any():
        return
    _require_present(values.ravel().tolist(), values.size // len(values))


def _is_missing(item: Any) -> bool:
    if item is None:
        return True
    if not isinstance(item, Number | date | timedelta) and type(item).__name__ != "NAType":
        return False
    try:
        return bool(item != item)
    except TypeError:  # pandas.NA is neither equal nor different
        return True
