"""Pools that take the largest element of each window: what was found, wherever in the window it was.

Padding counts as lower than every number. The gradient of a largest element goes to it alone, to the first of equal
ones, as in PyTorch; `return_indices` says which one it was. NaN counts as larger than every number, so it shows in the
output, and the first one of its window gets the gradient (PyTorch: the last). Boureau, Ponce and LeCun, A theoretical
analysis of feature pooling in visual recognition (2010), compares the largest element with the mean.
"""

from __future__ import annotations

from math import inf, prod
from typing import Any

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.arrays.recording import recordable
from xpnn.autodiff.tape import as_one, constant, differentiable, plain
from xpnn.autodiff.tensor import Tensor
from xpnn.nn.pooling import Counts, Pool, items_of, outputs_of, parts, window_of
from xpnn.nn.windows import Lengths, Window, without_items

__all__ = [
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "largest",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "numbered",
    "places_of_largest",
]

Rule = Any  # (value, backward)


def max_pool1d(
    x: Array,
    kernel_size: Counts,
    *,
    stride: Counts | None = None,
    padding: Counts = 0,
    dilation: Counts = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of sequences, (n, channels, length); options are those of `max_pool2d`.

    Examples
    --------
    >>> import numpy
    >>> max_pool1d(numpy.asarray([[1.0, 3.0, 2.0, 0.0]]), 2)
    array([[3., 2.]])
    """
    return _max_pool("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    x: Array,
    kernel_size: Counts,
    *,
    stride: Counts | None = None,
    padding: Counts = 0,
    dilation: Counts = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of images.

    Parameters
    ----------
    x
        Images, shape (n, channels, height, width), or one without n.
    kernel_size
        Size of the window: one integer, or (height, width), as for the following.
    stride
        How far a window is from the next; None: `kernel_size`.
    padding
        By how much windows may reach beyond the border, at most half of `kernel_size`.
    dilation
        How far an element of the window is from the next.
    ceil_mode
        Whether a last window that is only partly inside counts as well.
    return_indices
        Whether to say as well where the largest elements were, for `max_unpool2d`.

    Returns
    -------
    array, or two of them
        Shape (n, channels, height', width') with
        height' = (height + 2 padding - dilation (kernel - 1) - 1) / stride + 1, rounded down or, with `ceil_mode`, up.
        With `return_indices` also their places, int64 of this shape: row times width plus column, without padding.

    Raises
    ------
    ValueError
        If an option is no such number, or the window is larger than the image.
    TypeError
        If `x` is not an array of real floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> max_pool2d(numpy.asarray([[[1.0, 3.0, 2.0, 0.0], [5.0, 0.0, 0.0, 1.0]]]), 2)
    array([[[5., 2.]]])
    >>> max_pool2d(numpy.asarray([[[1.0, 3.0, 2.0, 0.0], [5.0, 0.0, 0.0, 1.0]]]), 2, return_indices=True)[1]
    array([[[4, 2]]])
    """
    return _max_pool("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    x: Array,
    kernel_size: Counts,
    *,
    stride: Counts | None = None,
    padding: Counts = 0,
    dilation: Counts = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of volumes, (n, channels, depth, height, width); see `max_pool2d`."""
    return _max_pool("max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _max_pool(
    who: str,
    axes: int,
    x: Array,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    window = window_of(who, axes, kernel, stride, padding, dilation)
    items, outputs = items_of(who, x, axes), outputs_of(who, x, window, ceil_mode)
    y = largest(items, window=window, outputs=outputs)
    if not return_indices:
        return without_items(y, x)
    return without_items(y, x), without_items(places_of_largest(items, y, window, numbered(items)), x)


def numbered(x: Array) -> Array:
    """The number of each element of one channel, in rows: int64 of shape (1, 1, *lengths)."""
    xp, lengths = namespace_of(plain(x)), x.shape[2:]
    numbers = xp.arange(prod(lengths), dtype=xp.int64, device=array_device(plain(x)))
    return xp.reshape(numbers, (1, 1, *lengths))


def places_of_largest(x: Array, y: Array, window: Window, numbers: Array) -> Array:
    """Which of the `numbers`, one for each element of a channel, the first largest of each window has."""
    found = _taken_at_largest(numbers, plain(x), plain(y), window=window)
    return constant(found) if type(x) is Tensor else found


@differentiable
def largest(x: Array, *, window: Window, outputs: Lengths) -> Rule:
    """The largest element of each window."""
    y = as_one(largest, _largest, x, window=window, outputs=outputs)
    here, most = plain(x), plain(y)  # which element is the largest does not change with a small step

    def dx(dy: Array) -> Array:
        return _to_largest(dy, here, most, window=window)

    return y, (dx,)


@differentiable
def _to_largest(dy: Array, x: Array, y: Array, *, window: Window) -> Rule:
    """`dy` at the first largest element of each window, summed, and zero elsewhere: the shape of `x`."""

    def ddy(dx: Array) -> Array:
        return _of_largest(dx, x, y, window=window)

    return as_one(_to_largest, _put_at_largest, dy, x, y, window=window), (ddy,)


@differentiable
def _of_largest(z: Array, x: Array, y: Array, *, window: Window) -> Rule:
    """The element of `z` at the place of each window's first largest element of `x`: the shape of `y`."""

    def dz(dy: Array) -> Array:
        return _to_largest(dy, x, y, window=window)

    return as_one(_of_largest, _taken_at_largest, z, x, y, window=window), (dz,)


@recordable
def _largest(x: Array, *, window: Window, outputs: Lengths) -> Array:
    xp = namespace_of(x)
    y = xp.full((*x.shape[:2], *outputs), -inf, dtype=x.dtype, device=array_device(x))
    for inputs, those in parts(x, window, outputs):
        y[those] = xp.maximum(y[those], x[inputs])
    return y


@recordable
def _put_at_largest(dy: Array, x: Array, y: Array, *, window: Window) -> Array:
    xp = namespace_of(dy, x)
    total = xp.zeros(x.shape, dtype=dy.dtype, device=array_device(dy))
    for inputs, those, first in _first_largest(x, y, window):
        total[inputs] += dy[those] * xp.astype(first, dy.dtype)
    return total


@recordable
def _taken_at_largest(z: Array, x: Array, y: Array, *, window: Window) -> Array:
    xp = namespace_of(z, x)
    total = xp.zeros(y.shape, dtype=z.dtype, device=array_device(z))
    every = slice(None)
    for inputs, those, first in _first_largest(x, y, window):
        inputs = inputs if z.shape[0] == x.shape[0] else (every, every, *inputs[2:])
        total[those] += z[inputs] * xp.astype(first, z.dtype)
    return total


def _first_largest(x: Array, y: Array, window: Window) -> Any:
    """Part by part: slices of `x` and of `y`, and where the element of `x` is its window's first largest."""
    xp = namespace_of(x, y)
    wanted = xp.ones(y.shape, dtype=xp.bool, device=array_device(y))
    for inputs, those in parts(x, window, y.shape[2:]):
        here = x[inputs]
        first = xp.logical_and(xp.logical_or(here == y[those], xp.isnan(here)), wanted[those])
        wanted[those] = xp.logical_xor(wanted[those], first)
        yield inputs, those, first


class _MaxPool(Pool):
    def __init__(
        self,
        kernel_size: Counts,
        *,
        stride: Counts | None = None,
        padding: Counts = 0,
        dilation: Counts = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> None:
        options = {"ceil_mode": ceil_mode, "return_indices": return_indices}
        self._set(kernel_size, stride, padding, dilation=dilation, **options)

    def forward(self, x: Array) -> Any:
        moves = self.kernel_size, self.stride, self.padding, self.dilation
        return _max_pool(type(self).__name__, self._axes, x, *moves, **self.options)


class MaxPool1d(_MaxPool):
    """The layer of `max_pool1d`; its options are those of the function."""

    _axes = 1


class MaxPool2d(_MaxPool):
    """The layer of `max_pool2d`; its options are those of the function.

    Examples
    --------
    >>> MaxPool2d(3, stride=2, padding=1)
    MaxPool2d(3, stride=2, padding=1)
    """

    _axes = 2


class MaxPool3d(_MaxPool):
    """The layer of `max_pool3d`; its options are those of the function."""

    _axes = 3
