"""What cannot be recorded, as an error, and as a warning where the step runs as it is instead."""

from __future__ import annotations

import sys
import warnings

__all__ = ["CannotRecord", "CompileWarning", "NoAttribute", "warn"]


class CannotRecord(RuntimeError):
    """A step does something that a recording cannot hold; the message says what, where, and what to write instead.

    A step that raises it runs as it is with `compile(step, fallback=True)`, with a `CompileWarning`.

    Examples
    --------
    >>> import numpy, xpnn
    >>> xpnn.compile(lambda x: x if x[0] > 0 else -x)(numpy.ones(2))
    Traceback (most recent call last):
    xpnn.compiler.refusals.CannotRecord: a condition (if, while, and, or) looks at a number inside an array, ...
    """

    def __init__(self, message: str, *, lasts: bool = False) -> None:
        super().__init__(message)
        self.lasts = lasts  # whether the step does it at every call, whatever the arguments


class NoAttribute(CannotRecord, AttributeError):
    """As `CannotRecord`, and what `hasattr` takes for no."""


class CompileWarning(UserWarning):
    """A step that was to be compiled runs as it is, or is recorded again and again; the message says why.

    Examples
    --------
    >>> import warnings, xpnn
    >>> warnings.simplefilter("error", xpnn.CompileWarning)  # to find where the time goes
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)


def warn(message: str) -> None:
    """Give a `CompileWarning` at the first line that is not ours: that one the user can change."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("xpnn."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, CompileWarning, stacklevel=level)
