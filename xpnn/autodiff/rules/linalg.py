"""Derivatives of products of vectors and matrices.

For Y = A B the gradients are dA = dY Bᴴ and dB = Aᴴ dY (ᴴ: conjugate and transpose); all others are this one in
disguise.
"""

from __future__ import annotations

from math import prod
from operator import index
from typing import Any

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.autodiff.broadcasting import conjugate, shape_of, sum_to
from xpnn.autodiff.rules.reductions import sum as _sum
from xpnn.autodiff.rules.shaping import permute_dims, reshape
from xpnn.autodiff.tape import differentiable

Rule = Any  # (value, backward)


@differentiable
def matmul(a: Array, b: Array, /) -> Rule:
    namespace_of(a, b)
    if not (getattr(a, "ndim", 0) and getattr(b, "ndim", 0)):
        wrong = b if getattr(a, "ndim", 0) else a
        kind = ValueError if hasattr(wrong, "ndim") else TypeError
        raise kind(f"matmul expected arrays of one axis or more, got {type(wrong).__name__} of shape {shape_of(wrong)}")
    vector_a, vector_b = a.ndim == 1, b.ndim == 1

    def matrices(dy: Array) -> tuple[Array, Array, Array]:
        """All three as matrices: a vector on the left is a row, on the right a column."""
        xp = namespace_of(dy, a, b)
        dy = xp.expand_dims(dy, axis=-1) if vector_b else dy
        dy = xp.expand_dims(dy, axis=-2) if vector_a else dy
        left, right = a[None, :] if vector_a else a, b[:, None] if vector_b else b
        return dy, xp.matrix_transpose(conjugate(left)), xp.matrix_transpose(conjugate(right))

    def da(dy: Array) -> Array:
        if a.ndim == b.ndim == 2:
            return dy @ conjugate(b).T
        dy, _, right = matrices(dy)
        dleft = dy @ right
        return sum_to(dleft[..., 0, :] if vector_a else dleft, a.shape)

    def db(dy: Array) -> Array:
        if a.ndim == b.ndim == 2:
            return namespace_of(a, dy).matmul(conjugate(a).T, dy)  # not @: strict's does not give way to a Tensor
        dy, left, _ = matrices(dy)
        dright = namespace_of(left, dy).matmul(left, dy)
        return sum_to(dright[..., 0] if vector_b else dright, b.shape)

    return namespace_of(a, b).matmul(a, b), (da, db)


@differentiable
def vecdot(a: Array, b: Array, /, *, axis: int = -1) -> Rule:
    def da(dy: Array) -> Array:
        return sum_to(namespace_of(dy).expand_dims(conjugate(dy), axis=axis) * b, a.shape)

    def db(dy: Array) -> Array:
        return sum_to(namespace_of(dy).expand_dims(dy, axis=axis) * a, b.shape)

    return namespace_of(a, b).vecdot(a, b, axis=axis), (da, db)


def tensordot(a: Array, b: Array, /, *, axes: Any = 2) -> Array:
    """The sum of products over pairs of axes, as one matrix product."""
    axes_a, axes_b = _paired_axes(a, b, axes)
    free_a = tuple(n for n in range(a.ndim) if n not in axes_a)
    free_b = tuple(n for n in range(b.ndim) if n not in axes_b)
    width = prod(a.shape[n] for n in axes_a)
    rows, columns = tuple(a.shape[n] for n in free_a), tuple(b.shape[n] for n in free_b)
    left = reshape(permute_dims(a, free_a + axes_a), (prod(rows), width))
    right = reshape(permute_dims(b, axes_b + free_b), (width, prod(columns)))
    return reshape(matmul(left, right), rows + columns)


def _paired_axes(a: Array, b: Array, axes: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes of `a` and of `b` that tensordot sums over, counted from the front."""
    if isinstance(axes, int):
        last, first = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    else:
        last, first = tuple(axes[0]), tuple(axes[1])
    fits = len(last) == len(first) and all(
        -a.ndim <= n < a.ndim and -b.ndim <= m < b.ndim and a.shape[n] == b.shape[m]
        for n, m in zip(last, first, strict=True)
    )
    if not fits:
        raise ValueError(
            f"tensordot expected axes of equal lengths in pairs, got axes={axes} for shapes {a.shape} and {b.shape}"
        )
    return tuple(n % a.ndim for n in last), tuple(n % b.ndim for n in first)


@differentiable
def cross(a: Array, b: Array, /, *, axis: int = -1) -> Rule:
    # the volume dy · (da × b) is the same after a turn of the three: da · (b × dy)
    def da(dy: Array) -> Array:
        return sum_to(cross(conjugate(b), dy, axis=axis), a.shape)

    def db(dy: Array) -> Array:
        return sum_to(cross(dy, conjugate(a), axis=axis), b.shape)

    return namespace_of(a, b).linalg.cross(a, b, axis=axis), (da, db)


def matrix_power(x: Array, n: int, /) -> Array:
    """The product of `n` copies of each square matrix, by squaring; of its inverse where `n` is negative."""
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"matrix_power expected square matrices, got shape {x.shape}")
    n = index(n)
    xp = namespace_of(x)
    if n == 0:
        return xp.zeros_like(x) + xp.eye(x.shape[-1], dtype=x.dtype, device=array_device(x))
    square, power, n = (xp.linalg.inv(x) if n < 0 else x), None, abs(n)
    while True:
        if n % 2:
            power = square if power is None else matmul(power, square)
        n //= 2
        if not n:
            return power
        square = matmul(square, square)


def outer(a: Array, b: Array, /) -> Array:
    """The matrix of all products of an element of `a` and one of `b`."""
    return namespace_of(a, b).multiply(reshape(a, (-1, 1)), reshape(b, (1, -1)))


def trace(x: Array, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """The sum of the diagonal of each matrix."""
    return _sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def diagonal(x: Array, /, *, offset: int = 0) -> Array:
    """The diagonal of each matrix: row i, column i + offset."""
    rows, columns = x.shape[-2:]
    first = max(0, -offset)
    length = max(0, min(rows - first, columns - max(0, offset)))
    flat = reshape(x, (*x.shape[:-2], rows * columns))
    start = first * columns + first + offset
    return flat[..., start : start + (length - 1) * (columns + 1) + 1 : columns + 1] if length else flat[..., :0]
