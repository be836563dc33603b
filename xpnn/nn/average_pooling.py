"""Pools that take the mean of each window: smooth, and every element has its share of the gradient.

Padding counts as zeros, or not at all with `count_padding=False`. LeCun, Bottou, Bengio and Haffner, Gradient-based
learning applied to document recognition (1998), whose layers of sub-sampling are such means with a trained factor.
"""

from __future__ import annotations

from math import prod
from typing import Any

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.arrays.recording import recordable
from xpnn.autodiff.tape import as_one, differentiable
from xpnn.nn.pooling import Counts, Pool, items_of, outputs_of, parts, window_of
from xpnn.nn.windows import Lengths, Window, without_items

__all__ = ["AvgPool1d", "AvgPool2d", "AvgPool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "window_sums"]

Rule = Any  # (value, backward)


def avg_pool1d(
    x: Array,
    kernel_size: Counts,
    *,
    stride: Counts | None = None,
    padding: Counts = 0,
    ceil_mode: bool = False,
    count_padding: bool = True,
    divisor: float | None = None,
) -> Array:
    """The mean of each window of sequences, (n, channels, length); options are those of `avg_pool2d`.

    Examples
    --------
    >>> import numpy
    >>> avg_pool1d(numpy.asarray([[1.0, 3.0, 2.0, 0.0]]), 2)
    array([[2., 1.]])
    """
    return _avg_pool("avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, count_padding, divisor)


def avg_pool2d(
    x: Array,
    kernel_size: Counts,
    *,
    stride: Counts | None = None,
    padding: Counts = 0,
    ceil_mode: bool = False,
    count_padding: bool = True,
    divisor: float | None = None,
) -> Array:
    """The mean of each window of images.

    Parameters
    ----------
    x
        Images, shape (n, channels, height, width), or one without n.
    kernel_size, stride, padding, ceil_mode
        As of `max_pool2d`.
    count_padding
        Whether the zeros of the padding count as elements (PyTorch's count_include_pad).
    divisor
        A number to divide the sums by, instead of the number of elements.

    Returns
    -------
    array
        Shape (n, channels, height', width'), as of `max_pool2d`.

    Raises
    ------
    ValueError
        If an option is no such number, or the window is larger than the image.
    TypeError
        If `x` is not an array of real floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> avg_pool2d(numpy.asarray([[[1.0, 3.0, 2.0, 0.0], [5.0, 0.0, 0.0, 1.0]]]), 2)
    array([[[2.25, 0.75]]])
    """
    return _avg_pool("avg_pool2d", 2, x, kernel_size, stride, padding, ceil_mode, count_padding, divisor)


def avg_pool3d(
    x: Array,
    kernel_size: Counts,
    *,
    stride: Counts | None = None,
    padding: Counts = 0,
    ceil_mode: bool = False,
    count_padding: bool = True,
    divisor: float | None = None,
) -> Array:
    """The mean of each window of volumes, (n, channels, depth, height, width); see `avg_pool2d`."""
    return _avg_pool("avg_pool3d", 3, x, kernel_size, stride, padding, ceil_mode, count_padding, divisor)


def _avg_pool(
    who: str,
    axes: int,
    x: Array,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_padding: bool,
    divisor: float | None,
) -> Array:
    if divisor is not None and not divisor:
        raise ValueError(f"{who} expected a divisor other than 0, got {divisor!r}")
    window = window_of(who, axes, kernel, stride, padding, 1)
    items = items_of(who, x, axes)
    outputs = outputs_of(who, x, window, ceil_mode)
    sums = window_sums(items, window=window, outputs=outputs)
    number = divisor or _numbers_of_elements(items, window, outputs, count_padding)
    return without_items(sums / number, x)


@differentiable
def window_sums(x: Array, *, window: Window, outputs: Lengths) -> Rule:
    """The sum of each window."""
    lengths = x.shape[2:]

    def dx(dy: Array) -> Array:
        return _spread(dy, window=window, lengths=lengths)

    return as_one(window_sums, _summed, x, window=window, outputs=outputs), (dx,)


@differentiable
def _spread(y: Array, *, window: Window, lengths: Lengths) -> Rule:
    """The transposed of `window_sums`: each element of `y` added to all elements of its window."""
    outputs = y.shape[2:]

    def dy_(dx: Array) -> Array:
        return window_sums(dx, window=window, outputs=outputs)

    return as_one(_spread, _spread_out, y, window=window, lengths=lengths), (dy_,)


@recordable
def _summed(x: Array, *, window: Window, outputs: Lengths) -> Array:
    y = namespace_of(x).zeros((*x.shape[:2], *outputs), dtype=x.dtype, device=array_device(x))
    for inputs, those in parts(x, window, outputs):
        y[those] += x[inputs]
    return y


@recordable
def _spread_out(y: Array, *, window: Window, lengths: Lengths) -> Array:
    x = namespace_of(y).zeros((*y.shape[:2], *lengths), dtype=y.dtype, device=array_device(y))
    for inputs, those in parts(x, window, y.shape[2:]):
        x[inputs] += y[those]
    return x


def _numbers_of_elements(x: Array, window: Window, outputs: Lengths, count_padding: bool) -> Any:
    """How many elements each window has: one number if that is the same for all, else an array of shape `outputs`."""
    along = []
    for n, k, s, (p, q), count in zip(x.shape[2:], window.kernel, window.stride, window.padding, outputs, strict=True):
        starts = [o * s - p for o in range(count)]
        low, high = (-p, n + q) if count_padding else (0, n)
        along.append([float(min(start + k, high) - max(start, low)) for start in starts])
    if all(len(set(numbers)) == 1 for numbers in along):
        return prod(numbers[0] for numbers in along)
    xp = namespace_of(x)
    total = xp.ones((), dtype=x.dtype, device=array_device(x))
    for numbers in along:
        total = xp.expand_dims(total, axis=-1) * xp.asarray(numbers, dtype=x.dtype, device=array_device(x))
    return total


class _AvgPool(Pool):
    def __init__(
        self,
        kernel_size: Counts,
        *,
        stride: Counts | None = None,
        padding: Counts = 0,
        ceil_mode: bool = False,
        count_padding: bool = True,
        divisor: float | None = None,
    ) -> None:
        self._set(kernel_size, stride, padding, ceil_mode=ceil_mode, count_padding=count_padding, divisor=divisor)

    def forward(self, x: Array) -> Array:
        moves = self.kernel_size, self.stride, self.padding
        return _avg_pool(type(self).__name__, self._axes, x, *moves, **self.options)


class AvgPool1d(_AvgPool):
    """The layer of `avg_pool1d`; its options are those of the function."""

    _axes = 1


class AvgPool2d(_AvgPool):
    """The layer of `avg_pool2d`; its options are those of the function.

    Examples
    --------
    >>> AvgPool2d((2, 1), count_padding=False)
    AvgPool2d((2, 1), count_padding=False)
    """

    _axes = 2


class AvgPool3d(_AvgPool):
    """The layer of `avg_pool3d`; its options are those of the function."""

    _axes = 3
