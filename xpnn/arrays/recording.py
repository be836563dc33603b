"""Functions that are recorded as one call.

`xpnn.compile` records the calls that a step makes on arrays, by arrays that note what is done to them. Most functions
need nothing for that: they are written in a namespace's functions, each of which is noted. A function that looks inside
an array, or chooses by its library, is marked `@recordable`: given an array that records, it is noted as a whole and
runs on the plain array inside, now and at each replay.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = ["recordable"]

P = ParamSpec("P")
R = TypeVar("R")


def recordable(function: Callable[P, R]) -> Callable[P, R]:
    """Mark `function`, of arrays, as one call of a recording.

    Examples
    --------
    >>> recordable(abs)(-3)
    3
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        for argument in (*args, *kwargs.values()) if kwargs else args:
            if getattr(type(argument), "records_calls", False):
                return argument.recorder.call(function, args, kwargs)  # type: ignore[attr-defined]
        return function(*args, **kwargs)

    return call
