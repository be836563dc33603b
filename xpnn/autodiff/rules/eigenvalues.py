"""Derivatives of eigenvalues and singular values, and of the vectors that belong to them.

A simple eigenvalue of A = V diag(l) V⁻¹ changes by the diagonal of V⁻¹ dA V, and its vector turns towards another by
that one's element divided by the gap between the two eigenvalues. Two limits come from the mathematics:

- Where eigenvalues (or singular values) are equal but for rounding, their vectors are any basis of a plane. Functions
  of the values alone have the right gradient there, and so has a function of U and Vᴴ alone that does not depend on
  the choice, such as the polar factor U Vᴴ. Any other gradient by the vectors of such a pair cannot be told from what
  a backward function sees, even where the function is smooth, such as V f(l) Vᴴ, and is NaN; so are derivatives in a
  direction (`jvp`) through the vectors, and second derivatives of functions of the values, which the vectors enter.
  (PyTorch gives NaN or numbers of 1e16.) The same holds for vectors of singular values that are 0, where the formula
  divides by these. It is taken from S of the same `svd` whether a function depends on the values: U f(s) Vᴴ with s from
  `svdvals` misses what f' contributes at equal ones, and with f(0) = 0 what it contributes at exact zeros.
- A vector is determined up to a sign, a complex one up to a phase, which the library chooses. A gradient has a meaning
  only for functions that do not depend on that choice, such as V f(l) Vᴴ. (PyTorch looks at the numbers and raises
  otherwise; nothing is looked at here.)
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array, array_device, is_complex, namespace_of
from xpnn.autodiff.broadcasting import conjugate
from xpnn.autodiff.rules.linalg import diagonal as _diagonal
from xpnn.autodiff.rules.linalg import matmul
from xpnn.autodiff.rules.matrices import (
    EighResult,
    EigResult,
    SVDResult,
    adjoint,
    diagonal_matrix,
    equal_pairs,
    inverse_gaps,
    inverse_or_zero,
    near_zero,
    times_columns,
    unknown_where,
    unknown_where_used,
)
from xpnn.autodiff.tape import as_one, differentiable, plain
from xpnn.autodiff.tensor import Tensor

Rule = Any  # (value, backward)


def eigh(x: Array, /) -> Any:
    """Eigenvalues in ascending order and orthonormal eigenvectors of Hermitian matrices.

    The library reads one triangle; the gradient is Hermitian, shared by both triangles, as in PyTorch.
    """
    return EighResult(*_eigh(x))


@differentiable
def _eigh(x: Array) -> Rule:
    values, vectors = namespace_of(x).linalg.eigh(x)

    # Giles 3.1: dA = V (diag(dl) + F ∘ skew(Vᴴ dV)) Vᴴ, F_ij = 1 / (l_j - l_i)
    def dx(dy: Any) -> Array:
        dvalues, dvectors = dy
        inner = matmul(adjoint(vectors), dvectors)
        middle = (inner - adjoint(inner)) * (0.5 * inverse_gaps(values)) + diagonal_matrix(dvalues)
        middle = middle + unknown_where_used(dvectors, equal_pairs(values))
        return matmul(matmul(vectors, middle), adjoint(vectors))

    return (values, vectors), (dx,)


@differentiable
def eigvalsh(x: Array, /) -> Rule:
    # dA = V diag(dl) Vᴴ: nothing is divided by a gap
    def dx(dy: Array) -> Array:
        vectors = namespace_of(x).linalg.eigh(x).eigenvectors
        return matmul(times_columns(vectors, dy), adjoint(vectors))

    return namespace_of(x).linalg.eigvalsh(x), (dx,)


def eig(x: Array, /) -> Any:
    """Complex eigenvalues and eigenvectors of length 1 of square matrices that have a basis of eigenvectors."""
    return EigResult(*_eig(x))


@differentiable
def _eig(x: Array) -> Rule:
    values, vectors = namespace_of(x).linalg.eig(x)

    # C. Boeddeker et al. 2017, arXiv:1701.00392, eq. 4.77, with vectors of length 1:
    # dA = V⁻ᴴ (diag(dl) + conj(F) ∘ (Vᴴ dV - Vᴴ V diag(Re(Vᴴ dV)))) Vᴴ
    def dx(dy: Any) -> Array:
        dvalues, dvectors = dy
        xp = namespace_of(dvectors, vectors)
        h = adjoint(vectors)
        inner = matmul(h, dvectors)
        lengths = xp.real(_diagonal(inner))
        turned = (inner - times_columns(matmul(h, vectors), lengths)) * conjugate(inverse_gaps(values))
        turned = turned + unknown_where_used(dvectors, equal_pairs(values))
        return xp.linalg.solve(h, matmul(turned + diagonal_matrix(dvalues), h))

    return (values, vectors), (dx,)


@differentiable
def eigvals(x: Array, /) -> Rule:
    # Giles 3.1: dA = V⁻ᴴ diag(dl) Vᴴ
    def dx(dy: Array) -> Array:
        vectors = namespace_of(x).linalg.eig(x)[1]  # a plain tuple on CuPy
        h = adjoint(vectors)
        return namespace_of(dy, h).linalg.solve(h, matmul(diagonal_matrix(dy), h))

    return namespace_of(x).linalg.eigvals(x), (dx,)


def svd(x: Array, /, *, full_matrices: bool = True) -> Any:
    """X = U diag(S) Vh with orthonormal columns in U and rows in Vh, and S descending.

    The vectors that `full_matrices=True` adds where X is not square are any basis of the rest, so there a gradient is
    given through S alone.
    """
    if not full_matrices or x.shape[-2] == x.shape[-1]:
        u, s, vh, mark = _svd(x)
        return SVDResult(u, _marked(s, mark), vh)
    inner = plain(x)
    u, s, vh = namespace_of(inner).linalg.svd(inner)
    if type(x) is not Tensor:
        return SVDResult(u, s, vh)
    return SVDResult(_undetermined(x, u), svdvals(x), _undetermined(x, vh))


@differentiable
def _undetermined(x: Array, vectors: Array) -> Rule:
    shape = x.shape

    def dx(dy: Array) -> Array:
        raise ValueError(
            f"svd with full_matrices=True of shape {shape} has no derivative for U and Vh: of a matrix that is not "
            f"square the last {abs(shape[-1] - shape[-2])} vectors are not determined; use full_matrices=False"
        )

    return vectors, (dx, None)


@differentiable
def _marked(x: Array, mark: Array) -> Rule:
    """`x`, of which `mark` gets to know whether anything is made of it: its gradient is 1 then, else 0."""

    def dx(dy: Array) -> Array:
        return dy

    def dmark(dy: Array) -> Array:
        return namespace_of(mark).ones_like(mark)

    return x, (dx, dmark)


@differentiable
def _svd(x: Array) -> Rule:
    xp = namespace_of(x)
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    rows, columns = x.shape[-2:]
    mark = xp.zeros((), dtype=s.dtype, device=array_device(s))

    # J. Townsend 2016, "Differentiating the singular value decomposition"; Z. Wan and S. Zhang 2019, arXiv:1909.02659,
    # eq. 2 for complex X: dX = U (diag(dS) + (F ∘ skew(Uᴴ dU)) S + S (F ∘ skew(Vᴴ dV))) Vᴴ and what leaves the
    # spaces of U and V, with F_ij = 1 / (s_j² - s_i²). Here without products of sums and differences, which the polar
    # factor U Vᴴ needs only the second term of: with L and R the two skew parts, it is
    # (L + R) / (s_j - s_i) + (L - R) / (s_j + s_i); on its diagonal is the phase that U and V share.
    def dx(dy: Any) -> Array:
        du, ds, dvh, dmark = dy
        dv, v = adjoint(dvh), adjoint(vh)
        uh_du, vh_dv = matmul(adjoint(u), du), matmul(vh, dv)
        left, right = (uh_du - adjoint(uh_du)) * 0.5, (vh_dv - adjoint(vh_dv)) * 0.5
        values_used = plain(dmark) != 0
        both = _without_rounding(left + right, plain(du), plain(dv), values_used)
        middle = both * inverse_gaps(s) + (left - right) * _inverse_sums(s) + diagonal_matrix(ds)
        middle = middle + _unknown_turns(s, both, du, dv, values_used)
        gradient = matmul(matmul(u, middle), vh)
        inverse, zeros = inverse_or_zero(s), namespace_of(plain(s)).expand_dims(near_zero(s), axis=-2)
        if rows > columns:
            leaving = du - matmul(u, uh_du)
            gradient = gradient + matmul(times_columns(leaving, inverse) + unknown_where(leaving, zeros), vh)
        if rows < columns:
            leaving = dv - matmul(v, vh_dv)
            gradient = gradient + matmul(u, adjoint(times_columns(leaving, inverse) + unknown_where(leaving, zeros)))
        return gradient

    return (u, s, vh, mark), (dx,)


def _unknown_turns(s: Array, both: Array, du: Array, dv: Array, values_used: Array) -> Array:
    """NaN for each pair of singular vectors of which no number can be told, else 0.

    Of equal singular values, (L + R) / 0 is 0 / 0 in all functions U f(S) Vᴴ. It is 0 where nothing is made of S, as
    in the polar factor, but else f' comes in. Of zeros L - R is divided by 0, too; of a complex one also on the
    diagonal.
    """
    xp = namespace_of(plain(s))
    equal, zero = equal_pairs(s), near_zero(s)
    zeros = xp.expand_dims(zero, axis=-2) & xp.expand_dims(zero, axis=-1)
    if not is_complex(du.dtype):
        zeros = zeros & equal
    pairs = (equal & values_used) | zeros
    unknown = unknown_where_used(du, pairs) + unknown_where_used(dv, pairs)
    return unknown + unknown_where(both, equal)


@differentiable
def _without_rounding(both: Array, du: Array, dv: Array, values_used: Array) -> Rule:
    """L + R; where nothing is made of S, with 0 where L and R cancel but for rounding, which small gaps would raise."""

    def dboth(dy: Array) -> Array:
        return dy

    def formula(both: Array, du: Array, dv: Array, values_used: Array) -> Array:
        xp = namespace_of(both)
        if 0 in both.shape:
            return both
        sizes = [xp.max(xp.linalg.vector_norm(d, axis=-2), axis=-1) for d in (du, dv)]
        bound = (sizes[0] + sizes[1]) * (4 * sum(du.shape[-2:]) * float(xp.finfo(du.dtype).eps))
        counts = values_used | (xp.abs(both) > bound[..., None, None])
        return both * xp.astype(counts, both.dtype)

    return as_one(_without_rounding, formula, both, du, dv, values_used), (dboth, None, None, None)


def _inverse_sums(s: Array) -> Array:
    """The matrices 1 / (s_j + s_i); 0 where both are 0 but for rounding."""
    xp, zero = namespace_of(s), near_zero(s)
    below = namespace_of(zero)
    sums = xp.expand_dims(s, axis=-2) + xp.expand_dims(s, axis=-1)
    zeros = below.expand_dims(zero, axis=-2) & below.expand_dims(zero, axis=-1)
    return xp.where(zeros, xp.zeros_like(sums), 1 / xp.where(zeros, xp.ones_like(sums), sums))


@differentiable
def svdvals(x: Array, /) -> Rule:
    # dX = U diag(dS) Vᴴ: nothing is divided by a gap
    def dx(dy: Array) -> Array:
        u, _, vh, mark = _svd(x)
        return matmul(times_columns(_marked(u, mark), dy), vh)  # dy may have been made of the values

    return namespace_of(x).linalg.svdvals(x), (dx,)
