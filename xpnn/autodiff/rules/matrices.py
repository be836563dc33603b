"""The helpers that the rules of linear algebra share: adjoints, diagonals, gaps between eigenvalues, named results."""

from __future__ import annotations

from typing import Any, NamedTuple

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.autodiff.broadcasting import conjugate
from xpnn.autodiff.tape import as_one, differentiable, plain

__all__ = [
    "EigResult",
    "EighResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "adjoint",
    "diagonal_matrix",
    "equal_pairs",
    "identity_like",
    "inverse_gaps",
    "inverse_or_zero",
    "near_zero",
    "times_columns",
    "unknown_where",
    "unknown_where_used",
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
    """How far apart rounding sets equal eigenvalues or singular values: 4 n ε max |value| (measured: 2.8 n ε)."""
    xp = namespace_of(values)
    bound: Array = xp.max(xp.abs(values), axis=-1, keepdims=True)
    return bound * (4 * values.shape[-1] * float(xp.finfo(bound.dtype).eps))


def inverse_gaps(values: Array) -> Array:
    """The matrices 1 / (value_j - value_i); 0 where the two are equal but for rounding.

    There the vectors that belong to them are any basis of a plane, and have no derivative (`unknown_where_used`).

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


def equal_pairs(values: Array) -> Array:
    """Which pairs of different places hold values that are equal but for rounding; of the plain arrays.

    Examples
    --------
    >>> import numpy
    >>> equal_pairs(numpy.asarray([1.0, 3.0, 3.0])).astype(int)
    array([[0, 0, 0],
           [0, 0, 1],
           [0, 1, 0]])
    """
    values = plain(values)
    xp = namespace_of(values)
    gaps = xp.abs(xp.expand_dims(values, axis=-2) - xp.expand_dims(values, axis=-1))
    others = xp.eye(values.shape[-1], dtype=gaps.dtype, device=array_device(gaps)) == 0
    return others & (gaps <= xp.expand_dims(_rounding(values), axis=-1)) if values.shape[-1] else gaps != gaps


def near_zero(values: Array) -> Array:
    """Which values are 0 but for rounding, next to the largest; of the plain arrays."""
    values = plain(values)
    return namespace_of(values).abs(values) <= _rounding(values) if values.shape[-1] else values != values


@differentiable
def unknown_where_used(dvectors: Array, pairs: Array) -> Any:
    """NaN at each of these `pairs` of columns of which `dvectors`, a gradient by vectors, holds anything but zeros; 0
    elsewhere.

    No number can be told for how one of the two vectors turns towards the other. Functions of the values alone use no
    vectors. The derivative in a direction comes from walking back through a gradient (`jvp`), so the way back is an
    operation too: it gives NaN for the columns of a pair that is asked for.

    Examples
    --------
    >>> import numpy
    >>> dvectors = numpy.asarray([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    >>> unknown_where_used(dvectors, equal_pairs(numpy.asarray([1.0, 3.0, 3.0])))
    array([[ 0.,  0.,  0.],
           [ 0.,  0., nan],
           [ 0., nan,  0.]])
    """
    shape = dvectors.shape

    def dx(dy: Array) -> Array:
        return _unknown_columns(dy, pairs, shape)

    return as_one(unknown_where_used, _nan_at_used_pairs, dvectors, pairs), (dx, None)


@differentiable
def _unknown_columns(dpairs: Array, pairs: Array, shape: tuple[int, ...]) -> Any:
    """The adjoint of `unknown_where_used`: NaN in each column that is of one of these `pairs`, if it is not 0."""

    def dx(dy: Array) -> Array:
        return unknown_where_used(dy, pairs)

    return as_one(_unknown_columns, _nan_in_columns, dpairs, pairs, shape), (dx, None, None)


def _nan_at_used_pairs(dvectors: Array, pairs: Array) -> Array:
    xp = namespace_of(dvectors)
    used = xp.any(_beyond_rounding(dvectors), axis=-2)
    return _nan_where(pairs & (xp.expand_dims(used, axis=-2) | xp.expand_dims(used, axis=-1)), dvectors)


def _nan_in_columns(dpairs: Array, pairs: Array, shape: tuple[int, ...]) -> Array:
    xp = namespace_of(dpairs)
    asked = pairs & _beyond_rounding(dpairs)
    columns = xp.any(asked | xp.matrix_transpose(asked), axis=-2)
    return _nan_where(xp.broadcast_to(xp.expand_dims(columns, axis=-2), shape), dpairs)


@differentiable
def unknown_where(x: Array, places: Array) -> Any:
    """NaN at these `places` where `x` is not 0; 0 elsewhere. The way back is the same.

    Examples
    --------
    >>> import numpy
    >>> unknown_where(numpy.asarray([2.0, 3.0, 0.0]), numpy.asarray([False, True, True]))
    array([ 0., nan,  0.])
    """

    def dx(dy: Array) -> Array:
        return unknown_where(dy, places)

    return as_one(unknown_where, lambda x, places: _nan_where(places & _beyond_rounding(x), x), x, places), (dx, None)


def _beyond_rounding(x: Array) -> Array:
    """Which elements are more than what rounding leaves of 0, next to the largest of their matrix."""
    xp = namespace_of(x)
    if x.size == 0 or x.ndim < 2:
        return x != 0
    size = xp.abs(x)
    largest = xp.max(size, axis=(-2, -1), keepdims=True)
    return size > largest * (1000 * float(xp.finfo(size.dtype).eps))


def _nan_where(places: Array, like: Array) -> Array:
    """NaN at these `places`, else 0, of the dtype of `like`."""
    xp = namespace_of(places)
    zeros = xp.zeros(places.shape, dtype=like.dtype, device=array_device(like))
    return xp.where(places, xp.full_like(zeros, xp.nan), zeros)


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
