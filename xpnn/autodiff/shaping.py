"""Derivatives of everything that moves elements about: the gradient moves back.

Picking elements out and placing elements into zeros are each other's derivative, so both are rules, and indexing can be
differentiated any number of times.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from xpnn.arrays.namespaces import Array, array_device, is_floating, namespace_of
from xpnn.arrays.native import scatter_add
from xpnn.autodiff.broadcasting import sum_to
from xpnn.autodiff.tape import constant, differentiable, plain
from xpnn.autodiff.tensor import Tensor

Shape = tuple[int, ...]
Axis = int | tuple[int, ...] | None
Rule = Any  # (value, backward)


@differentiable
def reshape(x: Array, /, shape: Shape, *, copy: bool | None = None) -> Rule:
    before = x.shape

    def dx(dy: Array) -> Array:
        return namespace_of(dy).reshape(dy, before)

    return namespace_of(x).reshape(x, shape, copy=copy), (dx,)


@differentiable
def permute_dims(x: Array, /, axes: Shape) -> Rule:
    ndim = x.ndim
    back = sorted(range(ndim), key=lambda position: axes[position] % ndim)

    def dx(dy: Array) -> Array:
        return namespace_of(dy).permute_dims(dy, tuple(back))

    return namespace_of(x).permute_dims(x, axes), (dx,)


@differentiable
def matrix_transpose(x: Array, /) -> Rule:
    def dx(dy: Array) -> Array:
        return namespace_of(dy).matrix_transpose(dy)

    return namespace_of(x).matrix_transpose(x), (dx,)


def transpose(x: Array) -> Array:
    """The transposed matrix."""
    if x.ndim != 2:
        raise ValueError(f"x.T expected a matrix, got shape {x.shape}: use x.mT or xp.permute_dims")
    return matrix_transpose(x)


@differentiable
def moveaxis(x: Array, source: int | Shape, destination: int | Shape, /) -> Rule:
    def dx(dy: Array) -> Array:
        return namespace_of(dy).moveaxis(dy, destination, source)

    return namespace_of(x).moveaxis(x, source, destination), (dx,)


@differentiable
def expand_dims(x: Array, /, *, axis: int = 0) -> Rule:
    before = x.shape

    def dx(dy: Array) -> Array:
        return namespace_of(dy).reshape(dy, before)

    return namespace_of(x).expand_dims(x, axis=axis), (dx,)


@differentiable
def squeeze(x: Array, /, axis: int | Shape) -> Rule:
    before = x.shape

    def dx(dy: Array) -> Array:
        return namespace_of(dy).reshape(dy, before)

    return namespace_of(x).squeeze(x, axis=axis), (dx,)


@differentiable
def broadcast_to(x: Array, /, shape: Shape) -> Rule:
    before = x.shape

    def dx(dy: Array) -> Array:
        return sum_to(dy, before)

    return namespace_of(x).broadcast_to(x, shape), (dx,)


def broadcast_arrays(*arrays: Array) -> list[Array]:
    """The arrays broadcast against one another."""
    xp = namespace_of(*(plain(array) for array in arrays))
    shape = xp.broadcast_arrays(*(plain(array) for array in arrays))[0].shape
    return [broadcast_to(array, shape) for array in arrays]


@differentiable
def flip(x: Array, /, *, axis: Axis = None) -> Rule:
    def dx(dy: Array) -> Array:
        return namespace_of(dy).flip(dy, axis=axis)

    return namespace_of(x).flip(x, axis=axis), (dx,)


@differentiable
def roll(x: Array, /, shift: int | Shape, *, axis: Axis = None) -> Rule:
    def dx(dy: Array) -> Array:
        back = tuple(-n for n in shift) if isinstance(shift, tuple) else -shift
        return namespace_of(dy).roll(dy, back, axis=axis)

    return namespace_of(x).roll(x, shift, axis=axis), (dx,)


def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    if device is not None:
        x = x.to_device(device)
    if is_floating(dtype):
        return _cast(x, dtype, copy=copy)
    inner = plain(x)  # an integer is constant almost everywhere
    y = namespace_of(inner).astype(inner, dtype, copy=copy)
    return constant(y) if type(x) is Tensor else y


@differentiable
def _cast(x: Array, dtype: Any, *, copy: bool) -> Rule:
    def dx(dy: Array) -> Array:
        return dy  # the walk gives it the dtype of x

    return namespace_of(x).astype(x, dtype, copy=copy), (dx,)


@differentiable
def tril(x: Array, /, *, k: int = 0) -> Rule:
    def dx(dy: Array) -> Array:
        return namespace_of(dy).tril(dy, k=k)

    return namespace_of(x).tril(x, k=k), (dx,)


@differentiable
def triu(x: Array, /, *, k: int = 0) -> Rule:
    def dx(dy: Array) -> Array:
        return namespace_of(dy).triu(dy, k=k)

    return namespace_of(x).triu(x, k=k), (dx,)


@differentiable
def tile(x: Array, repetitions: Shape, /) -> Rule:
    before = x.shape
    counts = (1,) * (len(before) - len(repetitions)) + tuple(repetitions)
    lengths = (1,) * (len(counts) - len(before)) + before

    def dx(dy: Array) -> Array:
        xp = namespace_of(dy)
        parts = xp.reshape(dy, tuple(n for pair in zip(counts, lengths, strict=True) for n in pair))
        return xp.reshape(xp.sum(parts, axis=tuple(range(0, 2 * len(counts), 2))), before)

    return namespace_of(x).tile(x, repetitions), (dx,)


def repeat(x: Array, repeats: Any, /, *, axis: int | None = None) -> Array:
    """Each element `repeats` times."""
    xp = namespace_of(plain(x))
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    places = xp.repeat(xp.arange(x.shape[axis], device=array_device(plain(x))), plain(repeats))
    return take(x, places, axis=axis)


def concat(arrays: Any, /, *, axis: int | None = 0) -> Array:
    """The arrays joined along an existing axis."""
    if axis is None:
        arrays, axis = [reshape(array, (-1,)) for array in arrays], 0
    return _concat(*arrays, axis=axis)


@differentiable
def _concat(*arrays: Array, axis: int) -> Rule:
    along = axis % arrays[0].ndim
    stops = [0]
    for array in arrays:
        stops.append(stops[-1] + array.shape[along])

    def piece(start: int, stop: int) -> Any:
        return lambda dy: dy[(slice(None),) * along + (slice(start, stop), ...)]

    y = namespace_of(*arrays).concat(arrays, axis=axis)
    return y, [piece(start, stop) for start, stop in pairwise(stops)]


def stack(arrays: Any, /, *, axis: int = 0) -> Array:
    """The arrays joined along a new axis."""
    return _stack(*arrays, axis=axis)


@differentiable
def _stack(*arrays: Array, axis: int) -> Rule:
    along = axis % (arrays[0].ndim + 1)

    def piece(position: int) -> Any:
        return lambda dy: dy[(slice(None),) * along + (position, ...)]

    return namespace_of(*arrays).stack(arrays, axis=axis), [piece(position) for position in range(len(arrays))]


def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The slices of `x` along `axis`."""
    along = axis % x.ndim
    return tuple(x[(slice(None),) * along + (position, ...)] for position in range(x.shape[along]))


def getitem(x: Array, key: Any) -> Array:
    """The elements of `x` at `key`: integers, slices, Ellipsis, None, boolean masks and integer arrays."""
    key = plain(key)
    parts = key if isinstance(key, tuple) else (key,)
    plainly = all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in parts)
    if plainly and None in parts:  # new axes are a matter of shape; beside arrays, they decide the order of the axes
        return reshape(getitem(x, tuple(part for part in parts if part is not None)), plain(x)[key].shape)
    return _pick(x, key=key)


@differentiable
def _pick(x: Array, *, key: Any) -> Rule:
    before = x.shape

    def dx(dy: Array) -> Array:
        return _place(dy, key=key, shape=before)

    return x[key], (dx,)


@differentiable
def _place(x: Array, *, key: Any, shape: Shape) -> Rule:
    def dx(dy: Array) -> Array:
        return getitem(dy, key)

    if type(x) is Tensor:  # of an outer level: it records the placing itself
        return _place(x, key=key, shape=shape), (dx,)
    if _has_repeatable_places(key):
        return scatter_add(x, key, shape), (dx,)
    y = namespace_of(x).zeros(shape, dtype=x.dtype, device=array_device(x))
    y[key] = x
    return y, (dx,)


def _has_repeatable_places(key: Any) -> bool:
    """Whether `key` holds integer arrays, which can name one place several times."""
    parts = key if isinstance(key, tuple) else (key,)
    return any(isinstance(part, list) or (getattr(part, "ndim", 0) and "bool" not in str(part.dtype)) for part in parts)


def take(x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
    """The slices of `x` at `indices` along `axis`."""
    return _take(x, indices=plain(indices), axis=0 if axis is None else axis % x.ndim)


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
    return _take_along_axis(x, indices=plain(indices), axis=axis % x.ndim)


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


def diff(
    x: Array, /, *, axis: int = -1, n: int = 1, prepend: Array | None = None, append: Array | None = None
) -> Array:
    """The differences between neighbours along `axis`, taken `n` times."""
    along = (slice(None),) * (axis % x.ndim)
    ends = [part for part in (prepend, x, append) if part is not None]
    x = concat(ends, axis=axis) if len(ends) > 1 else x
    for _ in range(n):
        x = x[(*along, slice(1, None), ...)] - x[(*along, slice(None, -1), ...)]
    return x
