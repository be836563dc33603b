"""Pooling: one number for each window, its largest or its mean. Images get smaller, and small shifts count less.

Windows move by their own size unless `stride` says otherwise. Padding counts as lower than every number for the
largest, and as zero for the mean (Boureau, Ponce and LeCun, A theoretical analysis of feature pooling in visual
recognition, 2010). The gradient of a largest element goes to it alone, to the first of equal ones, as in PyTorch. All
of it goes tap by tap over slices of the input (see `windows`), in parts that fit into a cache.
"""

from __future__ import annotations

from math import inf, prod
from typing import Any, TypeAlias

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.arrays.recording import recordable
from xpnn.autodiff.tape import as_one, differentiable, plain
from xpnn.nn.building import require_floating_input
from xpnn.nn.module import Module
from xpnn.nn.windows import Lengths, Window, blocks, counts, described, taps, with_items, without_items

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]

Counts: TypeAlias = int | tuple[int, ...]
Rule = Any  # (value, backward)


def max_pool1d(
    x: Array,
    kernel_size: Counts,
    *,
    stride: Counts | None = None,
    padding: Counts = 0,
    dilation: Counts = 1,
    ceil_mode: bool = False,
) -> Array:
    """The largest element of each window of sequences, (n, channels, length); options are those of `max_pool2d`.

    Examples
    --------
    >>> import numpy
    >>> max_pool1d(numpy.asarray([[1.0, 3.0, 2.0, 0.0]]), 2)
    array([[3., 2.]])
    """
    return _max_pool("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    x: Array,
    kernel_size: Counts,
    *,
    stride: Counts | None = None,
    padding: Counts = 0,
    dilation: Counts = 1,
    ceil_mode: bool = False,
) -> Array:
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

    Returns
    -------
    array
        Shape (n, channels, height', width') with
        height' = (height + 2 padding - dilation (kernel - 1) - 1) / stride + 1, rounded down or, with `ceil_mode`, up.

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
    """
    return _max_pool("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    x: Array,
    kernel_size: Counts,
    *,
    stride: Counts | None = None,
    padding: Counts = 0,
    dilation: Counts = 1,
    ceil_mode: bool = False,
) -> Array:
    """The largest element of each window of volumes, (n, channels, depth, height, width); see `max_pool2d`."""
    return _max_pool("max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode)


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


# The largest


def _max_pool(
    who: str, axes: int, x: Array, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Array:
    window = _window(who, axes, kernel, stride, padding, dilation)
    return without_items(largest(_items(who, x, axes), window=window, outputs=_outputs(who, x, window, ceil_mode)), x)


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
    for inputs, those in _parts(x, window, outputs):
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
    for inputs, those, first in _first_largest(x, y, window):
        total[those] += z[inputs] * xp.astype(first, z.dtype)
    return total


def _first_largest(x: Array, y: Array, window: Window) -> Any:
    """Part by part: slices of `x` and of `y`, and where the element of `x` is its window's first largest."""
    xp = namespace_of(x, y)
    wanted = xp.ones(y.shape, dtype=xp.bool, device=array_device(y))
    for inputs, those in _parts(x, window, y.shape[2:]):
        # not less: equal, or one of the two is NaN
        first = xp.logical_and(xp.logical_not(x[inputs] < y[those]), wanted[those])
        wanted[those] = xp.logical_xor(wanted[those], first)
        yield inputs, those, first


def _parts(x: Array, window: Window, outputs: Lengths) -> Any:
    """For some items at a time, tap by tap: slices of `x`, and of the windows that have the tap inside."""
    every = slice(None)
    for items, ranges in blocks(x, x.shape[0], outputs, x.shape[1]):
        origin = [start for start, _ in ranges]
        for _, inputs, those in taps(window, x.shape[2:], ranges):
            shifted = (slice(s.start + a, s.stop + a) for s, a in zip(those, origin, strict=True))
            yield (items, every, *inputs), (items, every, *shifted)


# The mean


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
    window = _window(who, axes, kernel, stride, padding, 1)
    items = _items(who, x, axes)
    outputs = _outputs(who, x, window, ceil_mode)
    sums = _sums(items, window=window, outputs=outputs)
    number = divisor or _numbers_of_elements(items, window, outputs, count_padding)
    return without_items(sums / number, x)


@differentiable
def _sums(x: Array, *, window: Window, outputs: Lengths) -> Rule:
    """The sum of each window."""
    lengths = x.shape[2:]

    def dx(dy: Array) -> Array:
        return _spread(dy, window=window, lengths=lengths)

    return as_one(_sums, _window_sums, x, window=window, outputs=outputs), (dx,)


@differentiable
def _spread(y: Array, *, window: Window, lengths: Lengths) -> Rule:
    """The transposed of `_sums`: each element of `y` added to all elements of its window."""
    outputs = y.shape[2:]

    def dy_(dx: Array) -> Array:
        return _sums(dx, window=window, outputs=outputs)

    return as_one(_spread, _spread_out, y, window=window, lengths=lengths), (dy_,)


@recordable
def _window_sums(x: Array, *, window: Window, outputs: Lengths) -> Array:
    y = namespace_of(x).zeros((*x.shape[:2], *outputs), dtype=x.dtype, device=array_device(x))
    for inputs, those in _parts(x, window, outputs):
        y[those] += x[inputs]
    return y


@recordable
def _spread_out(y: Array, *, window: Window, lengths: Lengths) -> Array:
    x = namespace_of(y).zeros((*y.shape[:2], *lengths), dtype=y.dtype, device=array_device(y))
    for inputs, those in _parts(x, window, y.shape[2:]):
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


# What both need


def _window(who: str, axes: int, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Window:
    kernel = counts(who, "kernel_size", kernel, axes)
    stride = kernel if stride is None else counts(who, "stride", stride, axes)
    pads = counts(who, "padding", padding, axes, least=0)
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        raise ValueError(f"{who} expected padding of at most half of kernel_size, {kernel}, got {pads}")
    return Window(kernel, stride, tuple((p, p) for p in pads), counts(who, "dilation", dilation, axes))


def _items(who: str, x: Array, axes: int) -> Array:
    require_floating_input(who, x)
    return with_items(who, x, axes)


def _outputs(who: str, x: Array, window: Window, ceil_mode: bool) -> Lengths:
    lengths = x.shape[x.ndim - len(window.kernel) :]
    outputs = window.outputs(lengths, partial=ceil_mode)
    if min(outputs) < 1 or 0 in lengths:
        raise ValueError(
            f"{who} expected an input at least as large as its window, {described(window.spans())}, "
            f"got lengths {lengths}"
        )
    return outputs


class _Pool(Module):
    """What the layers share: the options, in the order in which `repr` shows them."""

    _axes: int

    def _set(self, kernel_size: Counts, stride: Counts | None, padding: Counts, **options: Any) -> None:
        who = type(self).__name__
        dilation = options.get("dilation", 1)
        window = _window(who, self._axes, kernel_size, stride, padding, dilation)
        self.kernel_size, self.stride = window.kernel, window.stride
        self.padding, self.dilation = tuple(p for p, _ in window.padding), window.dilation
        self.options = {key: value for key, value in options.items() if key != "dilation"}

    def describe(self) -> str:
        parts = [described(self.kernel_size)]
        parts += [f"stride={described(self.stride)}"] if self.stride != self.kernel_size else []
        parts += [f"padding={described(self.padding)}"] if any(self.padding) else []
        parts += [f"dilation={described(self.dilation)}"] if set(self.dilation) != {1} else []
        return ", ".join(parts + [f"{key}={value}" for key, value in self.options.items() if value is not _USUAL[key]])


_USUAL = {"ceil_mode": False, "count_padding": True, "divisor": None}


class _MaxPool(_Pool):
    def __init__(
        self,
        kernel_size: Counts,
        *,
        stride: Counts | None = None,
        padding: Counts = 0,
        dilation: Counts = 1,
        ceil_mode: bool = False,
    ) -> None:
        self._set(kernel_size, stride, padding, dilation=dilation, ceil_mode=ceil_mode)

    def forward(self, x: Array) -> Array:
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


class _AvgPool(_Pool):
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
