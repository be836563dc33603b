"""Who holds an array of a recording that should be gone.

A replay does not run the step's Python, so what the step puts away (`self.last = y`, `losses.append(loss)`) would
never change again. Such an array is still alive after the recording; the collector knows what refers to it.
"""

from __future__ import annotations

import gc
import types
from collections.abc import Sequence
from typing import Any

__all__ = ["holder"]

DEPTH = 4  # references to follow: a Tensor in a list in an attribute


def holder(kept: Sequence[Any]) -> str:
    """In words, what holds one of the objects in `kept`."""
    ignored = {id(kept), *map(id, kept)}
    for target in kept:
        if found := _search(target, ignored, DEPTH):
            return found
    return "something that outlives the step"


def _search(target: Any, ignored: set[int], depth: int) -> str:
    """The first named place that leads to `target`."""
    referrers = [r for r in gc.get_referrers(target) if id(r) not in ignored and not isinstance(r, types.FrameType)]
    ignored |= {id(referrers), *map(id, referrers)}
    for referrer in referrers:
        if name := _place(referrer, target, ignored):
            return name
    for referrer in referrers if depth else ():
        inside = isinstance(referrer, list | tuple | dict | set | types.CellType) or hasattr(referrer, "_value")
        if inside and (name := _search(referrer, ignored, depth - 1)):
            return name
    return ""


def _place(referrer: Any, target: Any, ignored: set[int]) -> str:
    if isinstance(referrer, dict):
        keys = [key for key, value in referrer.items() if value is target]
        owners = [o for o in gc.get_referrers(referrer) if getattr(o, "__dict__", None) is referrer]
        for owner in owners:
            title = owner.__name__ if isinstance(owner, types.ModuleType) else type(owner).__name__
            return f"{'variable' if isinstance(owner, types.ModuleType) else 'attribute'} {title}.{keys[0]}"
        return f"a dictionary, under {keys[0]!r}" if keys else ""
    if isinstance(referrer, types.CellType):
        return _variable(referrer)
    inside = getattr(referrer, "__dict__", None)
    if isinstance(inside, dict) and not isinstance(referrer, type):
        for key, value in inside.items():
            if value is target:
                return f"attribute {type(referrer).__name__}.{key}"
    if isinstance(referrer, list):
        ignored.add(id(referrer))
        return _search(referrer, ignored, 1) or "a list"
    return ""


def _variable(cell: types.CellType) -> str:
    for closure in gc.get_referrers(cell):
        if not isinstance(closure, tuple):
            continue
        for function in gc.get_referrers(closure):
            if isinstance(function, types.FunctionType) and function.__closure__ is closure:
                return f"variable {function.__code__.co_freevars[closure.index(cell)]} of {function.__name__}"
    return ""  # of a call under way, such as those of this search
