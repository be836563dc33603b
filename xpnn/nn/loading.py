"""Loading a state: arrays by name, written into those of a model.

A model may hold one array in several places: a weight that two layers share, or a layer that stands in two. It then
has several names, of which a state needs one. PyTorch's states have all; ours have the name of each place that holds
the array, but a layer that stands in two under its first name only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import Array, dtype_name, is_floating, namespace_of

__all__ = ["Destination", "load"]


class Destination(NamedTuple):
    """An array of a model, and whether a state may lack it."""

    value: Array
    optional: bool


def load(who: str, places: Mapping[str, Destination], state: Mapping[str, Array]) -> None:
    """Write the arrays of `state` into the `places`, which have all names of each.

    Raises
    ------
    ValueError
        If names are missing or unexpected, shapes or kinds of numbers differ, or one array would get two values;
        nothing is then written.
    """
    names: dict[int, list[str]] = {}
    for name, place in places.items():
        names.setdefault(id(place.value), []).append(name)
    missing = [own[0] for own in names.values() if not (places[own[0]].optional or any(name in state for name in own))]
    unexpected = state.keys() - places.keys()
    if missing or unexpected:
        raise ValueError(f"the state does not fit {who}: missing {_listed(missing)}, unexpected {_listed(unexpected)}")
    moved = []
    for name, *others in filter(None, ([name for name in own if name in state] for own in names.values())):
        own = places[name].value
        value = _fitting(name, own, state[name])
        for other in others:
            if not _equal(value, _fitting(other, own, state[other])):
                raise ValueError(f"{name} and {other} are one array of {who}, and differ in the state")
        moved.append((own, value))
    for own, value in moved:
        own[...] = value


def _fitting(name: str, own: Array, given: Array) -> Array:
    """A copy in the place and dtype of `own`, if it fits: a state may hold the model's own arrays, in another order."""
    if not getattr(getattr(own, "flags", None), "writeable", True):
        raise ValueError(f"{name} cannot be loaded: the model's array is read-only")
    shape = getattr(given, "shape", None)
    if shape != own.shape:
        raise ValueError(
            f"{name} expected shape {own.shape}, got {shape if shape is not None else type(given).__name__}"
        )
    expected, found = dtype_name(own.dtype), dtype_name(given.dtype)
    if expected.rstrip("0123456789") != found.rstrip("0123456789"):
        raise ValueError(f"{name} expected {expected}, got {found}")
    place = device_of(own)
    return place.xp.asarray(place.asarray(given, dtype=own.dtype), copy=True)


def _equal(a: Array, b: Array) -> bool:
    """Whether all numbers are the same; NaN is NaN."""
    xp = namespace_of(a, b)
    same = a == b
    if is_floating(a.dtype):
        same = xp.logical_or(same, xp.logical_and(a != a, b != b))  # only NaN differs from itself
    return bool(xp.all(same))


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
