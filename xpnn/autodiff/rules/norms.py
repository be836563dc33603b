"""Derivatives of the lengths of vectors and matrices.

Where a length has no derivative the smallest useful one is given, as in PyTorch: 0 at the zero vector, and a tie of
largest elements is shared.
"""

from __future__ import annotations

from math import inf
from typing import Any

from xpnn.arrays.namespaces import Array, is_floating, namespace_of
from xpnn.autodiff.broadcasting import count_of, kept
from xpnn.autodiff.rules.eigenvalues import svdvals
from xpnn.autodiff.rules.shaping import reshape
from xpnn.autodiff.tape import constant, differentiable, plain
from xpnn.autodiff.tensor import Tensor

Axis = int | tuple[int, ...] | None
Rule = Any  # (value, backward)


def vector_norm(x: Array, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Array:
    """The length of each vector: (sum |x|^ord)^(1 / ord), with the limits max |x|, min |x| for ord inf, -inf.

    For ord 0 it is the number of elements that are not 0: its derivative is 0. At elements that are 0 the derivative
    is 0, also for ord < 1, where it is infinite.
    """
    if not is_floating(x.dtype):
        return _of_integers("vector_norm", x, axis=axis, keepdims=keepdims, ord=ord)
    xp = namespace_of(x)
    if ord == 1 or (ord in (inf, -inf) and count_of(x.shape, axis) == 0):
        return xp.sum(xp.abs(x), axis=axis, keepdims=keepdims)
    if ord in (inf, -inf):
        return (xp.max if ord > 0 else xp.min)(xp.abs(x), axis=axis, keepdims=keepdims)
    return _power_norm(x, axis=axis, keepdims=keepdims, ord=ord)


def _of_integers(name: str, x: Array, **options: Any) -> Any:
    """A norm of integers or truth values, which have no derivative: that of the library, in the dtype that it gives."""
    inner = plain(x)
    y = getattr(namespace_of(inner).linalg, name)(inner, **options)
    return constant(y) if type(x) is Tensor else y


@differentiable
def _power_norm(x: Array, *, axis: Axis, keepdims: bool, ord: float) -> Rule:
    y = namespace_of(x).linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)

    # (x / y) |x / y|^(ord - 2), and 0 where x is 0
    def dx(dy: Array) -> Array:
        xp, dy = namespace_of(dy, x), kept(dy, x.shape, axis)
        if ord == 0:
            return 0 * dy * xp.ones_like(x)
        shares = x / kept(_without_zeros(y), x.shape, axis)
        if ord == 2:
            return dy * shares
        nonzero = xp.astype(plain(x) != 0, dy.dtype) * kept(xp.astype(plain(y) != 0, dy.dtype), x.shape, axis)
        return dy * shares * (xp.abs(_without_zeros(shares)) ** (ord - 2) * nonzero)

    return y, (dx,)


def _without_zeros(x: Array) -> Array:
    """`x` with ones for zeros, to divide by."""
    xp = namespace_of(x)
    return xp.where(plain(x) == 0, xp.ones_like(x), x)


def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: float | str | None = "fro") -> Array:
    """The size of each matrix, by its elements, sums or singular values.

    "fro": the root of the sum of squares; "nuc", 2, -2: the sum, the largest and the smallest of the singular values;
    1, -1 and inf, -inf: the largest and smallest sum of |x| over a column, and over a row.
    """
    if x.ndim < 2:
        raise ValueError(f"matrix_norm expected matrices, got shape {x.shape}")
    if not is_floating(x.dtype):
        return _of_integers("matrix_norm", x, keepdims=keepdims, ord=ord)
    if ord is None or ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    xp = namespace_of(x)
    if ord == "nuc":
        y = xp.sum(svdvals(x), axis=-1)
    elif ord in (2, -2):
        y = (xp.max if ord == 2 else xp.min)(svdvals(x), axis=-1)
    elif ord in (1, -1, inf, -inf):
        sums = xp.sum(xp.abs(x), axis=-2 if ord in (1, -1) else -1)
        y = (xp.max if ord in (1, inf) else xp.min)(sums, axis=-1)
    else:
        raise ValueError(f"matrix_norm expected ord 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}")
    return reshape(y, (*y.shape, 1, 1)) if keepdims else y
