"""Derivatives of picking elements out: the gradient goes back to where each came from.

Picking elements out and placing elements into zeros are each other's derivative, so both are rules, and indexing can be
differentiated any number of times. Where an element is picked several times, its gradients add up.
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.arrays.native import scatter_add
from xpnn.autodiff.broadcasting import axis_of
from xpnn.autodiff.rules.shaping import broadcast_to, reshape
from xpnn.autodiff.tape import differentiable, plain
from xpnn.autodiff.tensor import Tensor
from xpnn.autodiff.writing import PLAIN_PARTS, as_view, has_integer_arrays, plain_key, written

Shape = tuple[int, ...]
Rule = Any  # (value, backward)

def getitem(x: Array, key: Any) -> Array:
    """The elements of `x` at `key`: integers, slices, Ellipsis, None, boolean masks and integer arrays."""
    key = plain_key(key, plain(x))
    parts = key if type(key) is tuple else (key,)
    if not PLAIN_PARTS.issuperset(map(type, parts)):
        return _pick(x, key=key)  # arrays in the key: the elements are copies
    y = _slice(x, key, parts)
    return as_view(y, x, lambda x: _slice(x, key, parts), lambda y: written(x, y, key)) if type(y) is Tensor else y


def _slice(x: Array, key: Any, parts: tuple[Any, ...]) -> Array:
    if None not in parts:
        return _cut(x, key=key)
    # new axes are a matter of shape; only beside arrays would they decide the order of the axes
    return reshape(_cut(x, key=tuple(part for part in parts if part is not None)), plain(x)[key].shape)


@differentiable
def _cut(x: Array, *, key: Any) -> Rule:
    before = x.shape

    def dx(dy: Array) -> Array:
        return _paste(dy, key=key, shape=before)

    return x[key], (dx,)


@differentiable
def _paste(x: Array, *, key: Any, shape: Shape) -> Rule:
    """Zeros of `shape` with `x` at `key`."""

    def dx(dy: Array) -> Array:
        return dy[key]

    if type(x) is Tensor:  # of an outer level: it records the pasting itself
        return _paste(x, key=key, shape=shape), (dx,)
    y = namespace_of(x).zeros(shape, dtype=x.dtype, device=array_device(x))
    y[key] = x
    return y, (dx,)


@differentiable
def _pick(x: Array, *, key: Any) -> Rule:
    before = x.shape

    def dx(dy: Array) -> Array:
        return _place(dy, key=key, shape=before)

    return x[key], (dx,)


@differentiable
def _place(x: Array, *, key: Any, shape: Shape) -> Rule:
    """Zeros of `shape` with the elements of `x` added at `key`, which may name a place several times."""

    def dx(dy: Array) -> Array:
        return getitem(dy, key)

    if type(x) is Tensor:  # of an outer level: it records the placing itself
        return _place(x, key=key, shape=shape), (dx,)
    if has_integer_arrays(key):
        return scatter_add(x, key, shape), (dx,)
    return _paste(x, key=key, shape=shape), (dx,)


def take(x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
    """The slices of `x` at `indices` along `axis`."""
    indices = plain(indices)
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take expected an axis for an array of {x.ndim} axes, got none")
        axis = 0
    along = axis_of(axis, x.ndim)
    if indices.ndim == 1:
        return _take(x, indices=indices, axis=along)
    flat = _take(x, indices=namespace_of(indices).reshape(indices, (-1,)), axis=along)  # as NumPy, beyond the standard
    return reshape(flat, (*x.shape[:along], *indices.shape, *x.shape[along + 1 :]))


@differentiable
def _take(x: Array, *, indices: Array, axis: int) -> Rule:
    length = x.shape[axis]

    def dx(dy: Array) -> Array:
        return _add_slices(dy, indices=indices, axis=axis, length=length)

    return namespace_of(x).take(x, indices, axis=axis), (dx,)


@differentiable
def _add_slices(x: Array, *, indices: Array, axis: int, length: int) -> Rule:
    """Zeros of the given length along `axis`, with the slices of `x` added at `indices`."""

    def dx(dy: Array) -> Array:
        return take(dy, indices, axis=axis)

    if type(x) is Tensor:  # of an outer level: it records the adding itself
        return _add_slices(x, indices=indices, axis=axis, length=length), (dx,)
    xp = namespace_of(x)
    first = xp.moveaxis(x, axis, 0)
    return xp.moveaxis(scatter_add(first, indices, (length, *first.shape[1:])), 0, axis), (dx,)


def take_along_axis(x: Array, indices: Array, /, *, axis: int = -1) -> Array:
    """The elements of `x` that `indices`, an array of as many axes, names along `axis`."""
    return _take_along_axis(x, indices=plain(indices), axis=axis_of(axis, x.ndim))


@differentiable
def _take_along_axis(x: Array, *, indices: Array, axis: int) -> Rule:
    before = x.shape
    xp = namespace_of(indices)

    def dx(dy: Array) -> Array:
        key = [
            indices if a == axis else xp.reshape(xp.arange(n, device=array_device(indices)), _column(n, a, len(before)))
            for a, n in enumerate(before)
        ]
        return _place(dy, key=tuple(xp.broadcast_arrays(*key)), shape=before)

    return namespace_of(x).take_along_axis(x, indices, axis=axis), (dx,)


def _column(length: int, axis: int, ndim: int) -> Shape:
    return tuple(length if a == axis else 1 for a in range(ndim))


def repeat(x: Array, repeats: Any, /, *, axis: int | None = None) -> Array:
    """Each element `repeats` times."""
    xp = namespace_of(plain(x))
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    if isinstance(repeats, int):  # the gradient is then a sum, and not put together place by place
        before, after = x.shape[: axis % x.ndim + 1], x.shape[axis % x.ndim + 1 :]
        wide = broadcast_to(reshape(x, (*before, 1, *after)), (*before, repeats, *after))
        return reshape(wide, (*before[:-1], before[-1] * repeats, *after))
    places = xp.repeat(xp.arange(x.shape[axis], device=array_device(plain(x))), plain(repeats))
    return take(x, places, axis=axis)
