"""Values as data: what a file can hold of an estimator, without any code.

Numbers, words, lists, tuples, dictionaries, NumPy's arrays, scalars and dtypes become JSON and arrays, and come back as
the same types. Functions and other objects do not: a file that named them would have to run code when it is read. A
member of an enumeration is such an object, though it is a number, too: give int(member).
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy

from xpnn.arrays.devices import Device

__all__ = ["packed", "unpacked"]

_TWISTER, _KEY = "MT19937", 624  # of NumPy's RandomState


def packed(value: Any, where: str, arrays: dict[str, Any]) -> Any:
    """`value` as JSON has it; its arrays are put into `arrays` under names that begin with `where`.

    Raises
    ------
    TypeError
        If it is no data, naming `where` it is.

    Examples
    --------
    >>> arrays = {}
    >>> packed((1, numpy.asarray([2.0])), "a", arrays)
    {'tuple': [1, {'array': 'a/1'}]}
    >>> arrays
    {'a/1': array([2.])}
    """
    if value is None or type(value) in (bool, int, str) or (type(value) is float and isfinite(value)):
        return value
    if type(value) is float:
        return {"float": repr(value)}
    if type(value) in (list, tuple):
        parts = [packed(part, f"{where}/{n}", arrays) for n, part in enumerate(value)]
        return parts if type(value) is list else {"tuple": parts}
    if type(value) is dict:
        pairs = list(value.items())
        keys = [packed(key, f"{where}/key {n}", arrays) for n, (key, _) in enumerate(pairs)]
        parts = [packed(part, f"{where}/{n}", arrays) for n, (_, part) in enumerate(pairs)]
        return {"dict": [list(pair) for pair in zip(keys, parts, strict=True)]}
    if isinstance(value, numpy.dtype) and value.kind in "biuf":
        return {"dtype": value.name}
    if isinstance(value, Device):
        return value.requested or value.name
    if isinstance(value, numpy.generic | numpy.ndarray):
        return _packed_array(value, where, arrays)
    if type(value) is numpy.random.RandomState and value.get_state(legacy=False)["bit_generator"] == _TWISTER:
        return {"random": packed(value.get_state(legacy=False), where, arrays)}
    raise TypeError(
        f"save cannot store {where}, a {type(value).__module__}.{type(value).__qualname__}: the file holds data and no "
        "code. Give it by name if it has one, set it to None before saving, or pickle the estimator (joblib.dump)"
    )


def _packed_array(value: Any, where: str, arrays: dict[str, Any]) -> Any:
    if isinstance(value, numpy.ma.MaskedArray):
        raise TypeError(f"save cannot store {where}, an array with a mask: give one without")
    if value.dtype.kind in "biuf":
        arrays[where] = numpy.asarray(value)
        return {"scalar" if isinstance(value, numpy.generic) else "array": where}
    if isinstance(value, numpy.str_):
        return str(value)
    if value.dtype.kind not in "UO":
        raise TypeError(f"save cannot store {where}, an array of dtype {value.dtype}: expected numbers or texts")
    items = [packed(one, f"{where}/{n}", arrays) for n, one in enumerate(value.ravel().tolist())]
    return {"objects": items, "shape": list(value.shape), "kind": value.dtype.kind}


def unpacked(value: Any, arrays: dict[str, Any]) -> Any:
    """What `packed` was given.

    Raises
    ------
    ValueError, TypeError, KeyError
        If `value` is nothing that `packed` gives.

    Examples
    --------
    >>> unpacked({"tuple": [1, {"float": "inf"}]}, {})
    (1, inf)
    """
    if isinstance(value, list):
        return [unpacked(part, arrays) for part in value]
    if not isinstance(value, dict):
        return value
    kind = next(iter(value), None)
    content: Any = value.get(kind)
    if kind == "tuple":
        return tuple(unpacked(content, arrays))
    if kind == "float":
        return float(content)
    if kind == "dict":
        return {unpacked(k, arrays): unpacked(v, arrays) for k, v in content}
    if kind == "dtype":
        return numpy.dtype(str(content))
    if kind in ("array", "scalar"):
        return arrays[content] if kind == "array" else arrays[content][()]
    if kind == "objects":
        items: Any = numpy.empty(len(content), dtype=object)
        items[:] = unpacked(content, arrays)
        return (items.astype(str) if value["kind"] == "U" else items).reshape(value["shape"])
    if kind == "random":
        return _random(unpacked(content, arrays))
    raise ValueError(f"{str(kind)[:100]!r} is no kind of value")


def _random(state: Any) -> numpy.random.RandomState:
    """A generator in this state. NumPy reads where `pos` points, be it beyond the key: a crash at best."""
    key, pos, has_gauss = state["state"]["key"], state["state"]["pos"], state["has_gauss"]
    if not isinstance(key, numpy.ndarray) or key.shape != (_KEY,) or key.dtype != numpy.uint32:
        raise ValueError(f"a RandomState needs a key of {_KEY} numbers in uint32")
    if type(pos) is not int or not 0 <= pos <= _KEY or type(has_gauss) is not int or has_gauss not in (0, 1):
        raise ValueError(f"a RandomState is at no place {str(pos)[:100]} of {_KEY}, or has_gauss is neither 0 nor 1")
    random = numpy.random.RandomState()
    random.set_state((_TWISTER, key, pos, has_gauss, float(state["gauss"])))
    return random
