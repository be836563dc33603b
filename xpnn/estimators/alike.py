"""Whether what a fit was given is still the same: `kept` keeps it beside the parameter, `alike` compares.

A word says too little of a value: the repr of a loss leaves its arrays out, NumPy's shortens long ones, and functions
have names in common. Values are equal here if they would do the same: numbers and words by value, arrays item by item,
lists, dictionaries and layers by their parts, and all else, functions above all, only if it is that very object.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy

from xpnn.estimators.placement import on_host
from xpnn.nn.module import Module

__all__ = ["alike", "kept"]


def kept(value: Any) -> Any:
    """The value as it is now, whatever is written into its lists, dictionaries and arrays later on. Modules within are
    themselves, since they may be part of what is trained.

    Examples
    --------
    >>> options = {"activation": ["relu", "tanh"]}
    >>> before = kept(options)
    >>> options["activation"][0] = "elu"
    >>> before
    {'activation': ['relu', 'tanh']}
    """
    if type(value) is dict:
        return {key: kept(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(kept(one) for one in value)
    return copy.deepcopy(value) if _is_array(value) else value


def alike(a: Any, b: Any) -> bool:
    """Whether both are the same, or would do the same.

    Examples
    --------
    >>> alike({"sizes": numpy.asarray([4, 3])}, {"sizes": numpy.asarray([4, 3])})
    True
    >>> alike(lambda x: x, lambda x: x)
    False
    """
    if a is b:
        return True
    if _is_array(a) and _is_array(b):
        a, b = numpy.asarray(on_host(a)), numpy.asarray(on_host(b))
        return a.dtype == b.dtype and a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())
    if _is_array(a) or _is_array(b):
        return False
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(one, b[key]) for key, one in a.items())
    if _is_number(a) and _is_number(b):
        return bool(a == b or (a != a and b != b))
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(alike(*pair) for pair in zip(a, b, strict=True))
    if isinstance(a, Module):
        return alike(vars(a), vars(b))
    if type(a) is partial:
        return a.func is b.func and alike(a.args, b.args) and alike(a.keywords, b.keywords)
    return not hasattr(a, "shape") and (a == b) is True  # tables and sparse matrices have no one answer


def _is_array(value: Any) -> bool:
    return isinstance(value, numpy.ndarray) or (hasattr(value, "__dlpack__") and hasattr(value, "shape"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | numpy.generic)
