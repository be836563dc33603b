"""Derivatives of sums, means, extremes and their relatives: each element gets its share of the result's gradient."""

from __future__ import annotations

from math import prod as _product
from typing import Any

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.autodiff.shaping import astype, concat, permute_dims, reshape
from xpnn.autodiff.tape import differentiable

Axis = int | tuple[int, ...] | None
Rule = Any  # (value, backward)


def _axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The reduced axes, counted from the front."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def _count(shape: tuple[int, ...], axis: Axis) -> int:
    return _product(shape[a] for a in _axes(axis, len(shape)))


def _kept(dy: Array, shape: tuple[int, ...], axis: Axis) -> Array:
    """The gradient of a reduced result with the reduced axes back, of length 1."""
    axes = _axes(axis, len(shape))
    return namespace_of(dy).reshape(dy, tuple(1 if a in axes else n for a, n in enumerate(shape)))


def spread(dy: Array, shape: tuple[int, ...], axis: Axis) -> Array:
    """The gradient of a result reduced over `axis`, stretched back to `shape` without a copy."""
    return namespace_of(dy).broadcast_to(dy if dy.shape == () else _kept(dy, shape, axis), shape)


@differentiable
def sum(x: Array, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Rule:
    shape = x.shape

    def dx(dy: Array) -> Array:
        return spread(dy, shape, axis)

    return namespace_of(x).sum(x, axis=axis, dtype=dtype, keepdims=keepdims), (dx,)


@differentiable
def mean(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Rule:
    shape = x.shape

    def dx(dy: Array) -> Array:
        return spread(dy / _count(shape, axis), shape, axis)

    # a sum and a division: NumPy's mean takes twice as long on small arrays and does the same
    return namespace_of(x).sum(x, axis=axis, keepdims=keepdims) / _count(shape, axis), (dx,)


@differentiable
def std(x: Array, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Rule:
    xp = namespace_of(x)
    y = xp.std(x, axis=axis, correction=correction, keepdims=keepdims)

    # (x - mean) / (n std), and 0 where all elements are equal
    def dx(dy: Array) -> Array:
        safe = _kept(xp.where(y == 0, xp.ones_like(y), y), x.shape, axis)
        centred = x - xp.mean(x, axis=axis, keepdims=True)
        return _kept(dy, x.shape, axis) * centred / (safe * (_count(x.shape, axis) - correction))

    return y, (dx,)


@differentiable
def var(x: Array, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Rule:
    xp = namespace_of(x)

    # 2 (x - mean) / (n - correction)
    def dx(dy: Array) -> Array:
        centred = x - xp.mean(x, axis=axis, keepdims=True)
        return _kept(dy, x.shape, axis) * centred * (2 / (_count(x.shape, axis) - correction))

    return xp.var(x, axis=axis, correction=correction, keepdims=keepdims), (dx,)


def _extreme(x: Array, y: Array, axis: Axis) -> Rule:
    xp = namespace_of(x)

    # the elements that reach the extreme share its gradient evenly, as in PyTorch's amax
    def dx(dy: Array) -> Array:
        ties = xp.astype(x == _kept(y, x.shape, axis), dy.dtype)
        count = xp.maximum(xp.sum(ties, axis=axis, keepdims=True), xp.ones((), dtype=dy.dtype, device=array_device(dy)))
        return _kept(dy, x.shape, axis) * ties / count

    return y, (dx,)


@differentiable
def max(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Rule:
    return _extreme(x, namespace_of(x).max(x, axis=axis, keepdims=keepdims), axis)


@differentiable
def min(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Rule:
    return _extreme(x, namespace_of(x).min(x, axis=axis, keepdims=keepdims), axis)


@differentiable
def cumulative_sum(x: Array, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Rule:
    along = 0 if axis is None else axis

    # an element enters all later sums, so its gradient is the sum of theirs: a cumulative sum from the back
    def dx(dy: Array) -> Array:
        xp = namespace_of(dy)
        total = xp.flip(xp.cumulative_sum(xp.flip(dy, axis=along), axis=along), axis=along)
        if include_initial:
            total = xp.take(total, xp.arange(1, total.shape[along], device=array_device(dy)), axis=along)
        return total

    y = namespace_of(x).cumulative_sum(x, axis=axis, dtype=dtype, include_initial=include_initial)
    return y, (dx,)


def prod(x: Array, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """The product, as a tree of products of pairs: its derivative divides by nothing, so zeros are no trouble."""
    axes, shape = _axes(axis, x.ndim), x.shape
    x = x if dtype is None else astype(x, dtype)
    rest = [a for a in range(x.ndim) if a not in axes]
    y = reshape(permute_dims(x, (*rest, *axes)), (*(shape[a] for a in rest), _count(shape, axis)))
    if y.shape[-1] == 0:
        one = namespace_of(y).ones((*y.shape[:-1], 1), dtype=y.dtype, device=array_device(y))
        y = concat([y, one], axis=-1)
    while (n := y.shape[-1]) > 1:
        pairs = y[..., 0 : n - n % 2 : 2] * y[..., 1:n:2]
        y = concat([pairs, y[..., n - 1 :]], axis=-1) if n % 2 else pairs
    return reshape(y, tuple(1 if a in axes else n for a, n in enumerate(shape) if keepdims or a not in axes))


@differentiable
def vector_norm(x: Array, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Rule:
    if ord != 2:
        raise NotImplementedError(f"vector_norm has a derivative for ord=2 only, got ord={ord}")
    xp = namespace_of(x)
    y = xp.linalg.vector_norm(x, axis=axis, keepdims=keepdims)

    # x / norm, and 0 at the origin
    def dx(dy: Array) -> Array:
        safe = _kept(xp.where(y == 0, xp.ones_like(y), y), x.shape, axis)
        return _kept(dy, x.shape, axis) * (x / safe)

    return y, (dx,)
