"""The helpers that most rules need: undoing a broadcast or a reduction, and conjugating.

Where an operation stretched an argument along an axis, each copy contributed to the result, so the gradient of the
argument is the sum over that axis; where it summed along an axis, the gradient is stretched back. For complex arrays
the derivative enters conjugated (PyTorch's convention).
"""

from __future__ import annotations

from math import prod
from typing import Any

from xpnn.arrays.namespaces import Array, is_complex, namespace_of
from xpnn.arrays.native import sum_over

__all__ = ["axes_of", "axis_of", "conjugate", "count_of", "kept", "shape_of", "spread", "sum_to"]

Axis = int | tuple[int, ...] | None


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an array, or () of a Python number."""
    shape: tuple[int, ...] = getattr(x, "shape", ())
    return shape


def sum_to(dy: Array, shape: tuple[int, ...]) -> Array:
    """`dy` summed over the axes along which an array of `shape` was broadcast to the shape of `dy`.

    Examples
    --------
    >>> import numpy
    >>> sum_to(numpy.ones((4, 3)), (3,))
    array([4., 4., 4.])
    """
    if dy.shape == shape:
        return dy
    added = len(dy.shape) - len(shape)
    stretched = tuple(added + i for i, length in enumerate(shape) if length == 1 and dy.shape[added + i] != 1)
    dy = sum_over(dy, axis=(*range(added), *stretched))
    return dy if dy.shape == shape else namespace_of(dy).reshape(dy, shape)


def axis_of(axis: int, ndim: int) -> int:
    """`axis` counted from the front.

    Raises
    ------
    IndexError
        If there is no such axis.

    Examples
    --------
    >>> axis_of(-1, 3)
    2
    """
    if not -ndim <= axis < ndim:
        raise IndexError(f"axis {axis} is out of bounds for an array of {ndim} axes")
    return axis % ndim


def axes_of(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The reduced axes, counted from the front."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(axis_of(a, ndim) for a in (axis if isinstance(axis, tuple) else (axis,)))


def count_of(shape: tuple[int, ...], axis: Axis) -> int:
    """How many elements of an array of `shape` each result of a reduction over `axis` comes from."""
    return prod(shape[a] for a in axes_of(axis, len(shape)))


def kept(dy: Array, shape: tuple[int, ...], axis: Axis) -> Array:
    """The gradient of a reduced result with the reduced axes back, of length 1."""
    axes = axes_of(axis, len(shape))
    return namespace_of(dy).reshape(dy, tuple(1 if a in axes else n for a, n in enumerate(shape)))


def spread(dy: Array, shape: tuple[int, ...], axis: Axis) -> Array:
    """The gradient of a result reduced over `axis`, stretched back to `shape` without a copy."""
    return namespace_of(dy).broadcast_to(dy if dy.shape == () else kept(dy, shape, axis), shape)


def conjugate(x: Any) -> Any:
    """The complex conjugate; real arrays and numbers come back as they are.

    Examples
    --------
    >>> conjugate(1 + 2j), conjugate(3.0)
    ((1-2j), 3.0)
    """
    dtype = getattr(x, "dtype", None)
    if dtype is None:
        return x.conjugate() if isinstance(x, complex) else x
    return namespace_of(x).conj(x) if is_complex(dtype) else x
