"""Warnings that point to the user's line, however many functions of ours and of scikit-learn's lie between."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["held_back", "warn"]

_BETWEEN = ("xpnn", "sklearn", "joblib")  # what a fit may be called through, as by a search

_here = threading.local()


def warn(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Give a warning at the innermost line that is none of these packages': that one the user can change.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn("Training interrupted by user.")
    >>> caught[0].message
    UserWarning('Training interrupted by user.')
    """
    held = getattr(_here, "held", None)
    if held is not None:
        held.append(message if isinstance(message, Warning) else category(message))
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


@contextmanager
def held_back() -> Iterator[list[Warning]]:
    """What this thread has to `warn` of within is put into a list, for later. The filters of warnings are left alone:
    they are the whole process's, so that to ignore a warning is to ignore it in all threads
    (`warnings.catch_warnings`).

    Examples
    --------
    >>> with held_back() as held:
    ...     warn("Training interrupted by user.")
    >>> held
    [UserWarning('Training interrupted by user.')]
    """
    before, _here.held = getattr(_here, "held", None), []
    try:
        yield _here.held
    finally:
        _here.held = before
