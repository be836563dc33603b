"""Derivatives of everything that moves, repeats or joins elements: the gradient moves back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from xpnn.arrays.namespaces import Array, is_floating, namespace_of
from xpnn.autodiff.broadcasting import axis_of, sum_to
from xpnn.autodiff.tape import constant, differentiable, plain
from xpnn.autodiff.tensor import Tensor
from xpnn.autodiff.writing import as_view

Shape = tuple[int, ...]
Axis = int | tuple[int, ...] | None
Rule = Any  # (value, backward)


def reshape(x: Array, /, shape: Shape, *, copy: bool | None = None) -> Array:
    """The elements of `x` in another shape."""
    y = _reshape(x, shape, copy=copy)
    if type(y) is not Tensor or copy:
        return y
    after = y.shape  # a view that held itself would not be freed when it is no longer used
    return as_view(y, x, lambda x: _reshape(x, after), lambda y: _reshape(y, x.shape))


@differentiable
def _reshape(x: Array, /, shape: Shape, *, copy: bool | None = None) -> Rule:
    before = x.shape

    def dx(dy: Array) -> Array:
        return namespace_of(dy).reshape(dy, before)

    return namespace_of(x).reshape(x, shape, copy=copy), (dx,)


def permute_dims(x: Array, /, axes: Shape) -> Array:
    """The axes of `x` in another order."""
    y = _permute_dims(x, axes)
    if type(y) is not Tensor:
        return y
    return as_view(y, x, lambda x: _permute_dims(x, axes), lambda y: _permute_dims(y, _inverse(axes)))


def _inverse(axes: Shape) -> Shape:
    return tuple(sorted(range(len(axes)), key=lambda position: axes[position] % len(axes)))


@differentiable
def _permute_dims(x: Array, /, axes: Shape) -> Rule:
    def dx(dy: Array) -> Array:
        return namespace_of(dy).permute_dims(dy, _inverse(axes))

    return namespace_of(x).permute_dims(x, axes), (dx,)


def matrix_transpose(x: Array, /) -> Array:
    """The last two axes exchanged."""
    y = _matrix_transpose(x)
    return as_view(y, x, _matrix_transpose, _matrix_transpose) if type(y) is Tensor else y


@differentiable
def _matrix_transpose(x: Array, /) -> Rule:
    def dx(dy: Array) -> Array:
        return namespace_of(dy).matrix_transpose(dy)

    return namespace_of(x).matrix_transpose(x), (dx,)


def transpose(x: Array) -> Array:
    """The transposed matrix."""
    if x.ndim != 2:
        raise ValueError(f"x.T expected a matrix, got shape {x.shape}: use x.mT or xp.permute_dims")
    return matrix_transpose(x)


def moveaxis(x: Array, source: int | Shape, destination: int | Shape, /) -> Array:
    """Some axes of `x` at other places."""
    y = _moveaxis(x, source, destination)
    if type(y) is not Tensor:
        return y
    return as_view(y, x, lambda x: _moveaxis(x, source, destination), lambda y: _moveaxis(y, destination, source))


@differentiable
def _moveaxis(x: Array, source: int | Shape, destination: int | Shape, /) -> Rule:
    def dx(dy: Array) -> Array:
        return namespace_of(dy).moveaxis(dy, destination, source)

    return namespace_of(x).moveaxis(x, source, destination), (dx,)


def expand_dims(x: Array, /, axis: int | Shape = 0) -> Array:
    """`x` with a new axis of length 1."""
    inner = plain(x)
    return reshape(x, namespace_of(inner).expand_dims(inner, axis=axis).shape)


def squeeze(x: Array, /, axis: int | Shape) -> Array:
    """`x` without axes of length 1."""
    inner = plain(x)
    return reshape(x, namespace_of(inner).squeeze(inner, axis=axis).shape)


def broadcast_to(x: Array, /, shape: Shape) -> Array:
    """`x` stretched to `shape`."""
    y = _broadcast_to(x, shape)
    return as_view(y, x, lambda x: _broadcast_to(x, shape)) if type(y) is Tensor else y


@differentiable
def _broadcast_to(x: Array, /, shape: Shape) -> Rule:
    before = x.shape

    def dx(dy: Array) -> Array:
        return sum_to(dy, before)

    return namespace_of(x).broadcast_to(x, shape), (dx,)


def broadcast_arrays(*arrays: Array) -> Any:
    """The arrays broadcast against one another."""
    inner = [plain(array) for array in arrays]
    together = namespace_of(*inner).broadcast_arrays(*inner)  # a list, or since version 2025.12 of the standard a tuple
    return type(together)([broadcast_to(array, together[0].shape) for array in arrays])


def meshgrid(*arrays: Array, indexing: str = "xy") -> Any:
    """The coordinates of a grid, from those along each of its axes."""
    inner = [plain(array) for array in arrays]
    grids = namespace_of(*inner).meshgrid(*inner, indexing=indexing)
    last = len(arrays) - 1
    order = {0: 1, 1: 0} if indexing == "xy" and last else {}
    shapes = [tuple(-1 if axis == order.get(n, n) else 1 for axis in range(last + 1)) for n in range(last + 1)]
    triples = zip(arrays, shapes, grids, strict=True)
    return type(grids)([_broadcast_to(_reshape(array, shape), grid.shape) for array, shape, grid in triples])


def flip(x: Array, /, *, axis: Axis = None) -> Array:
    """`x` backward along some axes, or all."""
    y = _flip(x, axis=axis)
    if type(y) is not Tensor:
        return y
    return as_view(y, x, lambda x: _flip(x, axis=axis), lambda y: _flip(y, axis=axis))


@differentiable
def _flip(x: Array, /, *, axis: Axis = None) -> Rule:
    def dx(dy: Array) -> Array:
        return namespace_of(dy).flip(dy, axis=axis)

    return namespace_of(x).flip(x, axis=axis), (dx,)


@differentiable
def roll(x: Array, /, shift: int | Shape, *, axis: Axis = None) -> Rule:
    def dx(dy: Array) -> Array:
        back = -shift if isinstance(shift, int) else tuple(-n for n in shift)
        return namespace_of(dy).roll(dy, back, axis=axis)

    return namespace_of(x).roll(x, shift, axis=axis), (dx,)


def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    if device is not None:
        x = x.to_device(device)
    if not copy and x.dtype == dtype:
        return x
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


def _require_arrays(name: str, arrays: Any) -> None:
    if not isinstance(arrays, list | tuple) or not arrays or not all(hasattr(array, "dtype") for array in arrays):
        given = [type(a).__name__ for a in arrays] if isinstance(arrays, list | tuple) else type(arrays).__name__
        raise TypeError(f"{name} expected a list or tuple of arrays, got {given}: make arrays of numbers by xp.asarray")


def concat(arrays: Any, /, *, axis: int | None = 0) -> Array:
    """The arrays joined along an existing axis."""
    _require_arrays("concat", arrays)
    if axis is None:
        arrays, axis = [reshape(array, (-1,)) for array in arrays], 0
    return _concat(*arrays, axis=axis)


@differentiable
def _concat(*arrays: Array, axis: int) -> Rule:
    along = axis_of(axis, arrays[0].ndim)
    stops = [0]
    for array in arrays:
        stops.append(stops[-1] + array.shape[along])

    def piece(start: int, stop: int) -> Any:
        return lambda dy: dy[(slice(None),) * along + (slice(start, stop), ...)]

    y = namespace_of(*arrays).concat(arrays, axis=axis)
    return y, [piece(start, stop) for start, stop in pairwise(stops)]


def stack(arrays: Any, /, *, axis: int = 0) -> Array:
    """The arrays joined along a new axis."""
    _require_arrays("stack", arrays)
    return _stack(*arrays, axis=axis)


@differentiable
def _stack(*arrays: Array, axis: int) -> Rule:
    along = axis_of(axis, arrays[0].ndim + 1)

    def piece(position: int) -> Any:
        return lambda dy: dy[(slice(None),) * along + (position, ...)]

    return namespace_of(*arrays).stack(arrays, axis=axis), [piece(position) for position in range(len(arrays))]


def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The slices of `x` along `axis`."""
    along = axis_of(axis, x.ndim)
    return tuple(x[(slice(None),) * along + (position, ...)] for position in range(x.shape[along]))


def diff(
    x: Array, /, *, axis: int = -1, n: int = 1, prepend: Array | None = None, append: Array | None = None
) -> Array:
    """The differences between neighbours along `axis`, taken `n` times."""
    if n < 0:
        raise ValueError(f"diff expected n of 0 or more, got {n}")
    along = (slice(None),) * axis_of(axis, x.ndim)
    ends = [part for part in (prepend, x, append) if part is not None]
    x = concat(ends, axis=axis) if len(ends) > 1 else x
    for _ in range(n):
        x = x[(*along, slice(1, None), ...)] - x[(*along, slice(None, -1), ...)]
    return x
