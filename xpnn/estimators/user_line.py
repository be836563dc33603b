"""Warnings that point to the user's line, however many functions of ours and of scikit-learn's lie between."""

from __future__ import annotations

import sys
import warnings

__all__ = ["warn"]

_BETWEEN = ("xpnn", "sklearn", "joblib")  # what a fit may be called through, as by a search


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
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
