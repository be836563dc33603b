"""Values as JSON can hold them, and back: rows of a history, and what callbacks keep.

JSON has no NaN, no infinity, no arrays, and no keys but words. What it lacks is written as an object whose name says
what it is, so that the word "nan" stays a word:

| value | in JSON |
| --- | --- |
| `None`, truth, whole numbers, words, finite numbers | themselves |
| lists, tuples | a list |
| NaN, infinity | `{"$number": "nan"}` |
| arrays | `{"$array": [...], "dtype": "int64"}`, of NumPy when read |
| dictionaries | themselves, or `{"$items": [[key, value], ...]}` where a key is no word, or begins with a $ |
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from numbers import Integral, Real
from typing import Any

import numpy

from xpnn.arrays.native import to_host

__all__ = ["as_json", "from_json"]


def as_json(value: Any) -> Any:
    """The value as JSON holds it.

    Raises
    ------
    TypeError
        If it is none of those above.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Mapping):
        return _of_mapping(value)
    if isinstance(value, list | tuple):
        return [as_json(one) for one in value]
    if isinstance(value, numpy.bool_ | Integral):
        return value.item() if isinstance(value, numpy.generic) else int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if isfinite(number) else {"$number": str(number)}
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        host = to_host(value)
        if host.dtype.kind in "biuf":
            inside = as_json(host.tolist())  # of shape () it is a number
            return {"$array": inside, "dtype": str(host.dtype)} if host.ndim else inside
    raise TypeError(f"expected numbers, words, lists, dictionaries and arrays of real numbers, got {value!r:.60}")


def _of_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    if all(isinstance(key, str) and not key.startswith("$") for key in value):
        return {key: as_json(one) for key, one in value.items()}
    return {"$items": [[as_json(key), as_json(one)] for key, one in value.items()]}


def from_json(value: Any) -> Any:
    """The value that `as_json` was given; of a tuple a list.

    Raises
    ------
    ValueError
        If it is nothing that `as_json` gives.
    """
    if isinstance(value, list):
        return [from_json(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    if not any(isinstance(key, str) and key.startswith("$") for key in value):
        return {key: from_json(one) for key, one in value.items()}
    try:
        if "$number" in value:
            return {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}[value["$number"]]
        if "$array" in value:
            dtype = numpy.dtype(value["dtype"])
            if dtype.kind not in "biuf":
                raise TypeError(f"no array of {dtype} is ever written")
            return numpy.asarray(from_json(value["$array"]), dtype=dtype)
        return {from_json(key): from_json(one) for key, one in value["$items"]}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"expected a value as a checkpoint writes it, got {value!r:.80}") from error
