"""The helpers that the rules of linear algebra share: adjoints, diagonals, gaps between eigenvalues, named results."""

from __future__ import annotations

from typing import Any, NamedTuple

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.autodiff.broadcasting import conjugate
from xpnn.autodiff.tape import plain

__all__ = [
    "EigResult",
    "EighResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "adjoint",
    "diagonal_matrix",
    "identity_like",
    "inverse_gaps",
    "inverse_or_zero",
    "times_columns",
]


class QRResult(NamedTuple):
    """What `qr` gives."""

    Q: Array
    R: Array


class EigResult(NamedTuple):
    """What `eig` gives."""

    eigenvalues: Array
    eigenvectors: Array


class EighResult(NamedTuple):
    """What `eigh` gives."""

    eigenvalues: Array
    eigenvectors: Array


class SVDResult(NamedTuple):
    """What `svd` gives."""

    U: Array
    S: Array
    Vh: Array


class SlogdetResult(NamedTuple):
    """What `slogdet` gives."""

    sign: Array
    logabsdet: Array


def adjoint(x: Array) -> Array:
    """Each matrix transposed, with conjugate elements."""
    return namespace_of(x).matrix_transpose(conjugate(x))


def identity_like(x: Array) -> Array:
    """The identity matrix of as many rows as `x`, of its dtype and on its device."""
    return namespace_of(x).eye(x.shape[-1], dtype=x.dtype, device=array_device(x))


def diagonal_matrix(d: Array) -> Array:
    """Each vector as a diagonal matrix.

    Examples
    --------
    >>> import numpy
    >>> diagonal_matrix(numpy.asarray([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    return times_columns(identity_like(d), d)


def times_columns(x: Array, d: Array) -> Array:
    """X diag(d): column j of each matrix times element j of each vector."""
    xp = namespace_of(x, d)
    return xp.multiply(x, xp.expand_dims(d, axis=-2))


def _rounding(values: Array) -> Array:
    """How large a rounding error of the eigenvalues or singular values is: n ε max |value|."""
    xp = namespace_of(values)
    bound: Array = xp.max(xp.abs(values), axis=-1, keepdims=True)
    return bound * (values.shape[-1] * float(xp.finfo(bound.dtype).eps))


def inverse_gaps(values: Array) -> Array:
    """The matrices 1 / (value_j - value_i); 0 where the two are equal but for rounding.

    There the vectors that belong to them are any basis of a plane, and have no derivative. With 0, whatever does not
    depend on the choice of the basis has the right first derivative.

    Examples
    --------
    >>> import numpy
    >>> inverse_gaps(numpy.asarray([1.0, 3.0, 3.0]))
    array([[ 0. ,  0.5,  0.5],
           [-0.5,  0. ,  0. ],
           [-0.5,  0. ,  0. ]])
    """
    xp = namespace_of(values)
    gaps = xp.expand_dims(values, axis=-2) - xp.expand_dims(values, axis=-1)
    if values.shape[-1] == 0:
        return gaps
    bound = namespace_of(plain(values)).expand_dims(_rounding(plain(values)), axis=-1)
    return _inverse_beyond(gaps, bound)


def inverse_or_zero(values: Array) -> Array:
    """1 / value; 0 where a value is 0 but for rounding, next to the largest.

    Examples
    --------
    >>> import numpy
    >>> inverse_or_zero(numpy.asarray([4.0, 1e-16]))
    array([0.25, 0.  ])
    """
    return _inverse_beyond(values, _rounding(plain(values))) if values.shape[-1] else values


def _inverse_beyond(x: Array, bound: Array) -> Array:
    """1 / x where |x| > `bound`, else 0, without a division by 0 on the way."""
    xp, inner = namespace_of(x), plain(x)
    large: Any = namespace_of(inner).abs(inner) > bound
    return xp.where(large, 1 / xp.where(large, x, xp.ones_like(x)), xp.zeros_like(x))
