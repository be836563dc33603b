"""Where in the user's program something went wrong.

An error about the user's function should name the user's line, not ours. The frames of the calls that led here are
there to be asked, at no cost until something raises:

    raise TypeError(f"the loss is complex{at(user_line())}")
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import takewhile
from pathlib import Path
from typing import Any

__all__ = ["advice", "advise", "at", "line_of", "user_line"]

_PACKAGE = Path(__file__).parents[1].as_posix()
_INSTALLED = ("site-packages", "dist-packages", Path(os.__file__).parent.as_posix() + "/")
_BESIDES = ("array_api_compat", "array_api_strict", "functools.py", "contextlib.py")


def user_line() -> str:
    """'model.py:12': the innermost line being run that is the user's; '' if there is none.

    Where other people's code runs further inside, its line is named too: 'model.py:12, in scipy/stats/_stats_py.py:90'.

    Examples
    --------
    >>> import xpnn
    >>> xpnn.grad(lambda x: print(user_line()) or x)(1.0)  # the line of the function, not that of `grad`
    <doctest ...>:1
    np.float64(1.0)
    """
    inner = ""
    for name, line in _frames():
        if not _is_installed(name):
            own = f"{_short(name)}:{line}"
            return f"{own}, in {inner}" if inner else own
        inner = inner or f"{_from_package(name)}:{line}"
    return inner


def advise(error: TypeError) -> None:
    """Add to an error of CuPy's about arrays that it does not know, Tensors or the host's, what to do about it."""
    said = str(error)
    if "Only cupy arrays" in said or ("Unsupported type" in said and "Tensor" in said):
        note = (
            "A function of CuPy's got a Tensor: xp = xpnn.namespace_of(...) of all arrays that are computed with, "
            "parameters and what is made of them included, gives functions that can be differentiated"
        )
    elif "Unsupported type" in said and "numpy" in said:
        note = "An array of the host met one of a GPU: move it there first, with xpnn.device(...).asarray(x)"
    else:
        return
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def advice() -> str:
    """What to do about a conversion to NumPy, by who converts: what runs further inside than the user's line."""
    names = list(takewhile(_is_installed, (name for name, _ in _frames())))
    if any("/sklearn/" in name for name in names):
        return "scikit-learn takes Tensors inside sklearn.config_context(array_api_dispatch=True), where it can"
    if any("/scipy/" in name for name in names) and os.environ.get("SCIPY_ARRAY_API", "0") in ("", "0"):
        return "SciPy takes Tensors, where it can, if SCIPY_ARRAY_API=1 is set in the environment before it is imported"
    return (
        "use the functions of xp = xpnn.namespace_of(x) for NumPy's, with x what holds the Tensor, or of all arrays, "
        "xpnn.namespace_of(x, y), and make arrays to write into by xp.zeros. "
        "To look at its numbers, return it as an auxiliary value (aux=True) or take xpnn.stop_gradient(x) first"
    )


def _frames() -> Iterator[tuple[str, int]]:
    """The files and lines being run outside of this package, the innermost first."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = _outside(frame.f_code.co_filename)
        if name:
            yield name, frame.f_lineno
        frame = frame.f_back


@lru_cache(maxsize=4096)  # asked for each frame of each call that is recorded
def _outside(name: str) -> str:
    """The file in one spelling, or '' for this package and what it calls through."""
    name = name.replace("\\", "/")
    return "" if name.startswith(_PACKAGE) or any(part in name for part in _BESIDES) else name


@lru_cache(maxsize=4096)
def _is_installed(name: str) -> bool:
    return any(part in name for part in _INSTALLED)


def _from_package(name: str) -> str:
    """'scipy/stats/_stats_py.py', from the whole path."""
    for part in _INSTALLED:
        name = name.rpartition(part)[2]
    return name.lstrip("/")


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


@lru_cache(maxsize=4096)
def _short(name: str) -> str:
    return name if name.startswith("<") else Path(name).name
