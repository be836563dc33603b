"""Derivatives of eigenvalues and singular values, and of the vectors that belong to them.

A simple eigenvalue of A = V diag(l) V⁻¹ changes by the diagonal of V⁻¹ dA V, and its vector turns towards another by
that one's element divided by the gap between the two eigenvalues. Two limits come from the mathematics:

- Where eigenvalues (or singular values) are equal, their vectors are any basis of a plane and have no derivative.
  Pairs that are equal but for rounding are left out, so functions of the values alone have the right gradient; their
  second derivatives miss what the pair contributes. (PyTorch gives NaN or numbers of 1e16 for the vectors.)
- A vector is determined up to a sign, a complex one up to a phase, which the library chooses. A gradient has a meaning
  only for functions that do not depend on that choice, such as V f(l) Vᴴ. (PyTorch looks at the numbers and raises
  otherwise; nothing is looked at here.)
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array, is_complex, namespace_of
from xpnn.autodiff.broadcasting import conjugate
from xpnn.autodiff.rules.linalg import diagonal as _diagonal
from xpnn.autodiff.rules.linalg import matmul
from xpnn.autodiff.rules.matrices import (
    EighResult,
    EigResult,
    SVDResult,
    adjoint,
    diagonal_matrix,
    inverse_gaps,
    inverse_or_zero,
    times_columns,
)
from xpnn.autodiff.tape import differentiable, plain
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
        return xp.linalg.solve(h, matmul(turned + diagonal_matrix(dvalues), h))

    return (values, vectors), (dx,)


@differentiable
def eigvals(x: Array, /) -> Rule:
    # Giles 3.1: dA = V⁻ᴴ diag(dl) Vᴴ
    def dx(dy: Array) -> Array:
        vectors = namespace_of(x).linalg.eig(x).eigenvectors
        h = adjoint(vectors)
        return namespace_of(dy, h).linalg.solve(h, matmul(diagonal_matrix(dy), h))

    return namespace_of(x).linalg.eigvals(x), (dx,)


def svd(x: Array, /, *, full_matrices: bool = True) -> Any:
    """X = U diag(S) Vh with orthonormal columns in U and rows in Vh, and S descending.

    The vectors that `full_matrices=True` adds where X is not square are any basis of the rest, so there a gradient is
    given through S alone.
    """
    if not full_matrices or x.shape[-2] == x.shape[-1]:
        return SVDResult(*_svd(x))
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
def _svd(x: Array) -> Rule:
    u, s, vh = namespace_of(x).linalg.svd(x, full_matrices=False)
    rows, columns = x.shape[-2:]

    # J. Townsend 2016, "Differentiating the singular value decomposition"; Z. Wan and S. Zhang 2019, arXiv:1909.02659,
    # eq. 2 for complex X: dX = U (diag(dS) + (F ∘ skew(Uᴴ dU)) S + S (F ∘ skew(Vᴴ dV))) Vᴴ and what leaves the
    # spaces of U and V, with F_ij = 1 / (s_j² - s_i²)
    def dx(dy: Any) -> Array:
        du, ds, dvh = dy
        xp = namespace_of(du, ds, dvh, u)
        v = adjoint(vh)
        uh_du, dvh_v = matmul(adjoint(u), du), matmul(dvh, v)
        gaps = _inverse_gaps_of_squares(s)
        left, right = (uh_du - adjoint(uh_du)) * gaps, (adjoint(dvh_v) - dvh_v) * gaps
        middle = times_columns(left, s) + right * xp.expand_dims(s, axis=-1) + diagonal_matrix(ds)
        inverse = inverse_or_zero(s)
        if is_complex(u.dtype):  # a phase that U and V share
            phases = _diagonal(uh_du)
            middle = middle + diagonal_matrix((phases - conjugate(phases)) * (0.5 * inverse))
        gradient = matmul(matmul(u, middle), vh)
        if rows > columns:
            gradient = gradient + matmul(times_columns(du - matmul(u, uh_du), inverse), vh)
        if rows < columns:
            gradient = gradient + matmul(times_columns(u, inverse), dvh - matmul(dvh_v, vh))
        return gradient

    return (u, s, vh), (dx,)


def _inverse_gaps_of_squares(s: Array) -> Array:
    """The matrices 1 / (s_j² - s_i²), as products of two inverses, which lose no digits."""
    xp = namespace_of(s)
    sums = xp.expand_dims(s, axis=-2) + xp.expand_dims(s, axis=-1)
    inner = namespace_of(plain(sums)).astype(plain(sums) == 0, plain(sums).dtype)
    return inverse_gaps(s) / (sums + inner)


@differentiable
def svdvals(x: Array, /) -> Rule:
    # dX = U diag(dS) Vᴴ: nothing is divided by a gap
    def dx(dy: Array) -> Array:
        u, _, vh = namespace_of(x).linalg.svd(x, full_matrices=False)
        return matmul(times_columns(u, dy), vh)

    return namespace_of(x).linalg.svdvals(x), (dx,)
