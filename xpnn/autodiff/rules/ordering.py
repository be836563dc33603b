"""Derivatives of sorting, and of picking out the different elements: each result is one of the elements.

The order is found on plain arrays, and the elements are taken in that order, so the gradient goes back to where each
came from. Where elements are equal the first of them counts (PyTorch's `max` along an axis does the same).
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.rules.indexing import take, take_along_axis
from xpnn.autodiff.rules.shaping import reshape
from xpnn.autodiff.tape import constant, plain
from xpnn.autodiff.tensor import Tensor

UniqueAllResult = namedtuple("UniqueAllResult", "values indices inverse_indices counts")
UniqueCountsResult = namedtuple("UniqueCountsResult", "values counts")
UniqueInverseResult = namedtuple("UniqueInverseResult", "values inverse_indices")


def sort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """The elements along `axis` in order."""
    inner = plain(x)
    xp = namespace_of(inner)
    if not inner.ndim:  # NumPy and strict disagree here: one element is in order
        raise ValueError("sort expected an array of one axis or more, got shape ()")
    order = xp.argsort(inner, axis=axis, descending=descending, stable=stable)
    return take_along_axis(x, order, axis=axis)


def _found(x: Array) -> Any:
    inner = plain(x)
    return namespace_of(inner).unique_all(inner)


def _values(x: Array, found: Any) -> Array:
    return take(reshape(x, (-1,)), found.indices, axis=0)


def _like(x: Array, position: Array) -> Array:
    return constant(position) if type(x) is Tensor else position


def unique_all(x: Array, /) -> Any:
    """The different elements, where each stands first, which of them each element is, and how often each occurs."""
    found = _found(x)
    return UniqueAllResult(_values(x, found), *(_like(x, part) for part in found[1:]))


def unique_counts(x: Array, /) -> Any:
    """The different elements, and how often each occurs."""
    found = _found(x)
    return UniqueCountsResult(_values(x, found), _like(x, found.counts))


def unique_inverse(x: Array, /) -> Any:
    """The different elements, and which of them each element is."""
    found = _found(x)
    return UniqueInverseResult(_values(x, found), _like(x, found.inverse_indices))


def unique_values(x: Array, /) -> Array:
    """The different elements."""
    return _values(x, _found(x))
