"""Derivatives of sums, means, extremes and their relatives: each element gets its share of the result's gradient."""

from __future__ import annotations

from math import inf
from typing import Any

from xpnn.arrays.namespaces import Array, array_device, is_floating, namespace_of
from xpnn.autodiff.broadcasting import axes_of, axis_of, conjugate, count_of, kept, spread
from xpnn.autodiff.tape import constant, differentiable, plain
from xpnn.autodiff.tensor import Tensor

Axis = int | tuple[int, ...] | None
Rule = Any  # (value, backward)


def _of_integers(name: str, x: Array, dtype: Any, **options: Any) -> Any:
    """A sum or product counted in a dtype that is not floating: constant almost everywhere."""
    inner = plain(x)
    y = getattr(namespace_of(inner), name)(inner, dtype=dtype, **options)
    return constant(y) if type(x) is Tensor else y


def sum(x: Array, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """The sum of the elements."""
    if dtype is not None and not is_floating(dtype):
        return _of_integers("sum", x, dtype, axis=axis, keepdims=keepdims)
    return _sum(x, axis=axis, dtype=dtype, keepdims=keepdims)


@differentiable
def _sum(x: Array, /, *, axis: Axis, dtype: Any, keepdims: bool) -> Rule:
    shape = x.shape

    def dx(dy: Array) -> Array:
        return spread(dy, shape, axis)

    return namespace_of(x).sum(x, axis=axis, dtype=dtype, keepdims=keepdims), (dx,)


@differentiable
def mean(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Rule:
    shape = x.shape

    def dx(dy: Array) -> Array:
        return spread(dy / count_of(shape, axis), shape, axis)

    # a sum and a division: NumPy's mean takes twice as long on small arrays and does the same
    return namespace_of(x).sum(x, axis=axis, keepdims=keepdims) / count_of(shape, axis), (dx,)


@differentiable
def std(x: Array, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Rule:
    xp = namespace_of(x)
    y = xp.std(x, axis=axis, correction=correction, keepdims=keepdims)

    # (x - mean) / (n std), and 0 where all elements are equal
    def dx(dy: Array) -> Array:
        safe = kept(xp.where(y == 0, xp.ones_like(y), y), x.shape, axis)
        centred = x - xp.mean(x, axis=axis, keepdims=True)
        return kept(dy, x.shape, axis) * centred / safe * _inverse(count_of(x.shape, axis) - correction)

    return y, (dx,)


def _inverse(count: float) -> float:
    return 1 / count if count else inf


@differentiable
def var(x: Array, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Rule:
    xp = namespace_of(x)

    # 2 (x - mean) / (n - correction)
    def dx(dy: Array) -> Array:
        centred = x - xp.mean(x, axis=axis, keepdims=True)
        return kept(dy, x.shape, axis) * centred * (2 * _inverse(count_of(x.shape, axis) - correction))

    return xp.var(x, axis=axis, correction=correction, keepdims=keepdims), (dx,)


def _extreme(x: Array, y: Array, axis: Axis) -> Rule:
    xp = namespace_of(x)

    # the elements that reach the extreme share its gradient evenly, as in PyTorch's amax
    def dx(dy: Array) -> Array:
        ties = xp.astype(x == kept(y, x.shape, axis), dy.dtype)
        count = xp.maximum(xp.sum(ties, axis=axis, keepdims=True), xp.ones((), dtype=dy.dtype, device=array_device(dy)))
        return kept(dy, x.shape, axis) * ties / count

    return y, (dx,)


@differentiable
def max(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Rule:
    return _extreme(x, namespace_of(x).max(x, axis=axis, keepdims=keepdims), axis)


@differentiable
def min(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Rule:
    return _extreme(x, namespace_of(x).min(x, axis=axis, keepdims=keepdims), axis)


def cumulative_sum(x: Array, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Array:
    """The sums of the elements up to each."""
    if dtype is not None and not is_floating(dtype):
        return _of_integers("cumulative_sum", x, dtype, axis=axis, include_initial=include_initial)
    return _cumulative_sum(x, axis=axis, dtype=dtype, include_initial=include_initial)


@differentiable
def _cumulative_sum(x: Array, /, *, axis: int | None, dtype: Any, include_initial: bool) -> Rule:
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


def cumulative_prod(x: Array, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Array:
    """The products of the elements up to each."""
    if dtype is not None and not is_floating(dtype):
        return _of_integers("cumulative_prod", x, dtype, axis=axis, include_initial=include_initial)
    return _cumulative_prod(x, axis=axis, dtype=dtype, include_initial=include_initial)


@differentiable
def _cumulative_prod(x: Array, /, *, axis: int | None, dtype: Any, include_initial: bool) -> Rule:
    along = 0 if axis is None else axis_of(axis, x.ndim)
    before = (slice(None),) * along

    # Σ_j≥i dy_j Π_k≤j,k≠i x_k: the product of the elements before i, times s_i = dy_i + x_i+1 s_i+1
    def dx(dy: Array) -> Array:
        xp = namespace_of(dy, x)
        if x.shape[along] == 0:
            return xp.zeros_like(x)
        a = xp.astype(x, dy.dtype, copy=False)
        if include_initial:
            dy = dy[(*before, slice(1, None), ...)]
        earlier = xp.cumulative_prod(a, axis=along, include_initial=True)[(*before, slice(0, -1), ...)]
        last = xp.zeros_like(a[(*before, slice(0, 1), ...)])
        following = xp.concat([a[(*before, slice(1, None), ...)], last], axis=along)
        return _recurrence(dy, conjugate(following), along) * conjugate(earlier)

    y = namespace_of(x).cumulative_prod(x, axis=axis, dtype=dtype, include_initial=include_initial)
    return y, (dx,)


def _recurrence(b: Array, a: Array, axis: int) -> Array:
    """The solution of s_i = b_i + a_i s_i+1 along `axis`, without a division: steps of length 1, 2, 4, … are joined."""
    xp = namespace_of(b, a)
    before = (slice(None),) * axis
    step, length = 1, b.shape[axis]
    while step < length:
        ahead = (*before, slice(step, None), ...)
        none = xp.zeros_like(b[(*before, slice(0, step), ...)])
        b = b + xp.concat([b[ahead], none], axis=axis) * a
        a = a * xp.concat([a[ahead], none], axis=axis)
        step *= 2
    return b


def prod(x: Array, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """The product of the elements."""
    if dtype is not None and not is_floating(dtype):
        return _of_integers("prod", x, dtype, axis=axis, keepdims=keepdims)
    return _prod(x, axis=axis, dtype=dtype, keepdims=keepdims)


@differentiable
def _prod(x: Array, /, *, axis: Axis, dtype: Any, keepdims: bool) -> Rule:
    axes = axes_of(axis, x.ndim)
    order = (*(a for a in range(x.ndim) if a not in axes), *axes)
    back = tuple(order.index(a) for a in range(x.ndim))

    # the product of all others: of those before, and of those behind; nothing is divided, so zeros are no trouble
    def dx(dy: Array) -> Array:
        xp = namespace_of(dy, x)
        ordered = xp.permute_dims(xp.astype(x, dy.dtype, copy=False), order)
        flat = xp.reshape(ordered, (*ordered.shape[: x.ndim - len(axes)], count_of(x.shape, axes)))
        left = xp.cumulative_prod(flat, axis=-1, include_initial=True)[..., :-1]
        right = xp.flip(xp.cumulative_prod(xp.flip(flat, axis=-1), axis=-1, include_initial=True)[..., :-1], axis=-1)
        others = xp.permute_dims(xp.reshape(left * right, ordered.shape), back)
        return kept(dy, x.shape, axes) * conjugate(others)

    return namespace_of(x).prod(x, axis=axis, dtype=dtype, keepdims=keepdims), (dx,)
