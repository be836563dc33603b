"""Where in the user's program something went wrong.

An error about the user's function should name the user's line, not ours. The frames of the calls that led here are
there to be asked, at no cost until something raises:

    raise TypeError(f"the loss is complex{at(user_line())}")
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

__all__ = ["at", "line_of", "user_line"]

_PACKAGE = str(Path(__file__).parents[1])
_BESIDES = ("array_api_compat", "array_api_strict", "functools.py", "contextlib.py")


def user_line() -> str:
    """'model.py:12': the innermost line being run that is not in this package; '' if there is none.

    Examples
    --------
    >>> import xpnn
    >>> xpnn.grad(lambda x: print(user_line()) or x)(1.0)  # the line of the function, not that of `grad`
    <doctest ...>:1
    np.float64(1.0)
    """
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_PACKAGE) and not any(part in name for part in _BESIDES):
            return f"{_short(name)}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""


def line_of(function: Any) -> str:
    """'model.py:12': where `function`, or the `forward` of a model, begins; '' if it is not the user's.

    Examples
    --------
    >>> line_of(len), line_of(lambda x: x)
    ('', '<doctest ...>:1')
    """
    while isinstance(function, partial) or hasattr(function, "__wrapped__"):
        function = function.func if isinstance(function, partial) else function.__wrapped__
    code = getattr(function, "__code__", None) or getattr(getattr(type(function), "forward", None), "__code__", None)
    if code is None or code.co_filename.startswith(_PACKAGE):
        return ""
    return f"{_short(code.co_filename)}:{code.co_firstlineno}"


def at(place: str) -> str:
    """What to add to a message: ' (at model.py:12)', or '' for no place.

    Examples
    --------
    >>> at("model.py:12"), at("")
    (' (at model.py:12)', '')
    """
    return f" (at {place})" if place else ""


def _short(name: str) -> str:
    return name if name.startswith("<") else Path(name).name
