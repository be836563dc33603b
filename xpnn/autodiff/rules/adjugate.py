"""The adjugate: the matrix of cofactors, adj(A) = det(A) A⁻¹, which exists where the inverse does not.

It is the derivative of the determinant. At a matrix far from singular it is taken as det(A) A⁻¹, which differentiates
to any order. Else it comes from the singular value decomposition A = U S Vᴴ, where nothing is divided:
adj(A) = det(U Vᴴ) V adj(S) Uᴴ, and the adjugate of a diagonal matrix is diagonal, with the products of all elements
but one.
"""

from __future__ import annotations

from math import nan
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.broadcasting import conjugate
from xpnn.autodiff.rules.linalg import diagonal as _diagonal
from xpnn.autodiff.rules.linalg import matmul
from xpnn.autodiff.rules.matrices import adjoint, diagonal_matrix, identity_like, inverse_gaps, times_columns
from xpnn.autodiff.tape import as_one, differentiable, plain

__all__ = ["adjugate"]

Rule = Any  # (value, backward)


def adjugate(x: Array) -> Array:
    """The adjugate of each square matrix of `x`.

    The value and its first derivative are right for matrices of any rank. So are all derivatives of a matrix whose
    smallest singular value is above ε^(1/4) times the largest (1e-4 in float64). Nearer to singular, second
    derivatives need different singular values, and are NaN where two are equal but for rounding (two zeros, say).

    Examples
    --------
    >>> import numpy
    >>> adjugate(numpy.asarray([[1.0, 2.0], [2.0, 4.0]])).round(12)
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    if x.shape[-1] == 0:
        return x
    xp, below = namespace_of(x), plain(x)
    parts = _parts(below)
    regular = _far_from_singular(parts[1])[..., None, None]
    safe = xp.where(regular, x, identity_like(x))
    by_inverse = xp.linalg.inv(safe) * xp.linalg.det(safe)[..., None, None]
    return xp.where(regular, by_inverse, _by_singular_values(x, parts))


def _far_from_singular(s: Array) -> Any:
    """Whether det(A) A⁻¹ is good enough, which loses digits as A is ill-conditioned, again with each derivative."""
    return s[..., -1] > s[..., 0] * float(namespace_of(s).finfo(s.dtype).eps) ** 0.25


@differentiable
def _by_singular_values(x: Array, parts: Any) -> Rule:
    """The adjugate of `x`, which has the singular values and vectors `parts`."""

    # At a diagonal S, with P_ij the product of all elements but i and j: d adj(S)_ii = sum_j P_ij dS_jj, and
    # d adj(S)_ij = -P_ij dS_ij elsewhere; for A the same in the bases U and V
    def dx(dy: Array) -> Array:
        u, s, vh, phase = _parts(_without_equal_values(x))
        xp, pairs = namespace_of(dy, s), _products_without(s, 2)
        inner = matmul(matmul(conjugate(phase) * vh, dy), u)
        traces = xp.sum(xp.expand_dims(_diagonal(inner), axis=-2) * pairs, axis=-1)
        return matmul(matmul(u, diagonal_matrix(traces) - inner * pairs), vh)

    return as_one(_by_singular_values, _from_parts, x, parts), (dx, None)


def _parts(x: Array) -> tuple[Array, Array, Array, Array]:
    """U, S, Vᴴ and det(U Vᴴ)."""
    xp = namespace_of(x)
    u, s, vh = xp.linalg.svd(x)
    return u, s, vh, xp.linalg.det(matmul(u, vh))[..., None, None]


def _from_parts(x: Array, parts: Any) -> Array:
    u, s, vh, phase = parts
    return phase * matmul(times_columns(adjoint(vh), _products_without(s, 1)), adjoint(u))


@differentiable
def _without_equal_values(x: Array) -> Rule:
    """`x`, with a gradient of NaN for a matrix near a singular one that has equal singular values."""

    def dx(dy: Array) -> Array:
        below = plain(x)
        xp = namespace_of(below)
        s = xp.linalg.svdvals(below)
        equal = xp.count_nonzero(inverse_gaps(s) == 0, axis=(-2, -1)) > s.shape[-1]  # more than the diagonal
        unknown = xp.logical_and(equal, xp.logical_not(_far_from_singular(s)))[..., None, None]
        return dy * xp.where(unknown, nan * xp.ones_like(below), xp.ones_like(below))

    return x, (dx,)


def _products_without(s: Array, count: int) -> Array:
    """The products of all elements of each vector but one, for each; or but two, for each pair of different ones."""
    xp, n = namespace_of(s), s.shape[-1]
    eye = identity_like(s)
    if count == 1:
        return xp.prod(xp.expand_dims(s, axis=-2) * (1 - eye) + eye, axis=-1)
    left_out = eye[:, None, :] + eye[None, :, :]  # of pair i, j: 1 at i and j; 2 at i for the pair i, i
    left_out = left_out - xp.reshape(eye, (n, n, 1)) * eye[:, None, :]
    return xp.prod(s[..., None, None, :] * (1 - left_out) + left_out, axis=-1) * (1 - eye)
