"""The two helpers that most rules need: undoing a broadcast, and conjugating.

Where an operation stretched an argument along an axis, each copy contributed to the result, so the gradient of the
argument is the sum over that axis. For complex arrays the derivative enters conjugated (PyTorch's convention).
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array, is_complex, namespace_of

__all__ = ["conjugate", "shape_of", "sum_to"]


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
    xp = namespace_of(dy)
    added = len(dy.shape) - len(shape)
    stretched = tuple(added + i for i, length in enumerate(shape) if length == 1 and dy.shape[added + i] != 1)
    dy = xp.sum(dy, axis=(*range(added), *stretched), keepdims=False)
    return dy if dy.shape == shape else xp.reshape(dy, shape)


def conjugate(x: Any) -> Any:
    """The complex conjugate; real arrays and numbers come back as they are.

    Examples
    --------
    >>> conjugate(1 + 2j), conjugate(3.0)
    ((1-2j), 3.0)
    """
    if hasattr(x, "dtype"):
        return namespace_of(x).conj(x) if is_complex(x.dtype) else x
    return x.conjugate() if isinstance(x, complex) else x
