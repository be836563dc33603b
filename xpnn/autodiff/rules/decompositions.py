"""Derivatives of inverses, determinants and factorizations of matrices.

Each follows from its defining equation: A A⁻¹ = I gives d(A⁻¹) = -A⁻¹ dA A⁻¹, L Lᴴ = A gives dL, and so on (M. Giles,
"Collected matrix derivative results for forward and reverse mode algorithmic differentiation", 2008; ᴴ is conjugate
and transpose).
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array, is_complex, namespace_of
from xpnn.autodiff.broadcasting import conjugate, sum_to
from xpnn.autodiff.rules.adjugate import adjugate
from xpnn.autodiff.rules.linalg import matmul
from xpnn.autodiff.rules.matrices import QRResult, SlogdetResult, adjoint, identity_like
from xpnn.autodiff.tape import differentiable

Rule = Any  # (value, backward)


@differentiable
def inv(x: Array, /) -> Rule:
    y = namespace_of(x).linalg.inv(x)

    # Giles 2.2.3: dA = -A⁻ᴴ dY A⁻ᴴ
    def dx(dy: Array) -> Array:
        return -matmul(matmul(adjoint(y), dy), adjoint(y))

    return y, (dx,)


@differentiable
def solve(a: Array, b: Array, /) -> Rule:
    vector = b.ndim == 1
    y = namespace_of(a, b).linalg.solve(*((a, b) if vector else _of_one_stack(a, b)))

    # Giles 2.3.1: dB = A⁻ᴴ dY, dA = -dB Yᴴ
    def columns(dy: Array) -> Array:
        xp = namespace_of(dy)
        return solve(adjoint(a), xp.expand_dims(dy, axis=-1) if vector else dy)

    def da(dy: Array) -> Array:
        found = namespace_of(y).expand_dims(y, axis=-1) if vector else y
        return sum_to(-matmul(columns(dy), adjoint(found)), a.shape)

    def db(dy: Array) -> Array:
        gradient = columns(dy)
        return sum_to(gradient[..., 0] if vector else gradient, b.shape)

    return y, (da, db)


def _of_one_stack(a: Array, b: Array) -> tuple[Array, Array]:
    """Matrices broadcast to stacks of one shape, which CuPy's solve does not do."""
    if a.shape[:-2] == b.shape[:-2]:
        return a, b
    xp = namespace_of(a, b)
    stack = xp.broadcast_arrays(a[..., :1, :1], b[..., :1, :1])[0].shape[:-2]
    return xp.broadcast_to(a, (*stack, *a.shape[-2:])), xp.broadcast_to(b, (*stack, *b.shape[-2:]))


@differentiable
def det(x: Array, /) -> Rule:
    # Jacobi: d det(A) = tr(adj(A) dA), also where A has no inverse
    def dx(dy: Array) -> Array:
        return dy[..., None, None] * adjoint(adjugate(x))

    return namespace_of(x).linalg.det(x), (dx,)


def slogdet(x: Array, /) -> Any:
    """The sign (for complex numbers the phase) of the determinant and the logarithm of its absolute value.

    At a singular matrix the value is (0, -inf); there is no derivative, and asking for one raises the library's error
    for singular matrices.
    """
    return SlogdetResult(*_slogdet(x))


@differentiable
def _slogdet(x: Array) -> Rule:
    sign, logarithm = namespace_of(x).linalg.slogdet(x)

    # with t = tr(A⁻¹ dA): the logarithm changes by Re t, the phase by i Im t times itself
    def dx(dy: Any) -> Array:
        dsign, weight = dy
        if is_complex(x.dtype):
            turned = conjugate(dsign) * sign
            weight = weight - (turned - conjugate(turned)) * 0.5
        return weight[..., None, None] * adjoint(namespace_of(x).linalg.inv(x))

    return (sign, logarithm), (dx,)


@differentiable
def cholesky(x: Array, /, *, upper: bool = False) -> Rule:
    y = namespace_of(x).linalg.cholesky(x, upper=upper)

    # I. Murray 2016, arXiv:1602.07527, eq. 10: dA = L⁻ᴴ sym(Φ(Lᴴ dL)) L⁻¹, Φ the lower triangle with half the diagonal.
    # The library reads one triangle of A; both share the gradient, as in PyTorch.
    def dx(dy: Array) -> Array:
        lower, dlower = (adjoint(y), adjoint(dy)) if upper else (y, dy)
        xp = namespace_of(dlower, lower)
        product = matmul(adjoint(lower), dlower)
        halves = xp.tril(product) + xp.tril(product, k=-1)
        middle = (halves + adjoint(halves)) * 0.25
        half = solve(adjoint(lower), middle)
        return adjoint(solve(adjoint(lower), adjoint(half)))

    return y, (dx,)


def qr(x: Array, /, *, mode: str = "reduced") -> Any:
    """X = Q R with orthonormal columns in Q and a triangle R.

    The first min(rows, columns) columns must be independent. The columns that `mode="complete"` adds to Q where there
    are more rows than columns are any basis of the rest, so there no gradient is given.
    """
    return QRResult(*_qr(x, mode=mode))


@differentiable
def _qr(x: Array, *, mode: str) -> Rule:
    q, r = namespace_of(x).linalg.qr(x, mode=mode)
    shape, (rows, columns) = x.shape, x.shape[-2:]
    added = x[..., :, rows:] if columns > rows else None

    # H.-J. Liao et al. 2019, arXiv:1903.09650, eq. 3 and, where X = [X₁ X₂] is wide, with R = [R₁ QᴴX₂], J. Roberts and
    # A. Roberts 2020, arXiv:2009.10071: dX₁ = (dQ + Q sym(triu(dR Rᴴ - Qᴴ dQ))) R₁⁻ᴴ, dX₂ = Q dR₂
    def dx(dy: Any) -> Array:
        if mode == "complete" and rows > columns:
            raise ValueError(
                f"qr with mode='complete' of shape {shape} has no derivative: with more rows than columns the last "
                f"{rows - columns} columns of Q are not determined; use mode='reduced'"
            )
        dq, dr = dy
        xp = namespace_of(dq, dr, q)
        first = min(rows, columns)
        square, dsquare = r[..., :, :first], dr[..., :, :first]
        if added is not None:
            dq = dq + matmul(added, adjoint(dr[..., :, rows:]))
        product = xp.triu(matmul(dsquare, adjoint(square)) - matmul(adjoint(q), dq))
        middle = product + adjoint(product) - _real_diagonal(product)
        dleft = adjoint(solve(square, adjoint(dq + matmul(q, middle))))
        return dleft if added is None else xp.concat([dleft, matmul(q, dr[..., :, rows:])], axis=-1)

    return (q, r), (dx,)


def _real_diagonal(x: Array) -> Array:
    """The real part of the diagonal of each matrix, 0 elsewhere."""
    return (x + conjugate(x)) * (0.5 * identity_like(x))


@differentiable
def pinv(x: Array, /, *, rtol: Any = None) -> Rule:
    xp = namespace_of(x)
    y = xp.linalg.pinv(x) if rtol is None else xp.linalg.pinv(x, rtol=rtol)

    # G. Golub and V. Pereyra 1973, eq. 4.12, where the rank does not change:
    # dP = -P dA P + P Pᴴ dAᴴ (I - A P) + (I - P A) dAᴴ Pᴴ P
    def dx(dy: Array) -> Array:
        yh, dyh = adjoint(y), adjoint(dy)
        rest = matmul(dyh, matmul(y, yh))
        other = matmul(matmul(yh, y), dyh)
        return (rest - matmul(x, matmul(y, rest))) + (other - matmul(matmul(other, y), x)) - matmul(matmul(yh, dy), yh)

    return y, (dx,)
