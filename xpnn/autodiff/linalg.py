"""Derivatives of products of vectors and matrices.

For Y = A B the gradients are dA = dY Bᴴ and dB = Aᴴ dY (ᴴ: conjugate and transpose); all others are this one in
disguise.
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.broadcasting import conjugate, shape_of, sum_to
from xpnn.autodiff.reductions import sum as _sum
from xpnn.autodiff.shaping import permute_dims, reshape
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
            return conjugate(a).T @ dy
        dy, left, _ = matrices(dy)
        dright = left @ dy
        return sum_to(dright[..., 0] if vector_b else dright, b.shape)

    return namespace_of(a, b).matmul(a, b), (da, db)


def vecdot(a: Array, b: Array, /, *, axis: int = -1) -> Array:
    """The sum of `conj(a) * b` along `axis`."""
    return _sum(conjugate(a) * b, axis=axis)


def tensordot(a: Array, b: Array, /, *, axes: Any = 2) -> Array:
    """The sum of products over pairs of axes, as one matrix product."""
    if isinstance(axes, int):
        axes_a, axes_b = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    else:
        axes_a, axes_b = tuple(n % a.ndim for n in axes[0]), tuple(n % b.ndim for n in axes[1])
    free_a = tuple(n for n in range(a.ndim) if n not in axes_a)
    free_b = tuple(n for n in range(b.ndim) if n not in axes_b)
    width = 1
    for n in axes_a:
        width *= a.shape[n]
    rows, columns = tuple(a.shape[n] for n in free_a), tuple(b.shape[n] for n in free_b)
    left = reshape(permute_dims(a, free_a + axes_a), (_size(rows), width))
    right = reshape(permute_dims(b, axes_b + free_b), (width, _size(columns)))
    return reshape(matmul(left, right), rows + columns)


def outer(a: Array, b: Array, /) -> Array:
    """The matrix of all products of an element of `a` and one of `b`."""
    return reshape(a, (-1, 1)) * reshape(b, (1, -1))


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


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
