"""Max pooling turned back: each largest element to the place where it was, and zeros elsewhere.

    y, indices = max_pool2d(x, 2, return_indices=True)
    max_unpool2d(y, indices, 2)                           # the shape of x

Decoders of networks that segment images take it: Zeiler, Taylor and Fergus, Adaptive deconvolutional networks for mid
and high level feature learning (2011), who named the indices switches.
"""

from __future__ import annotations

from math import prod
from typing import Any

from xpnn.arrays.checks import require_labels
from xpnn.arrays.namespaces import Array, array_device, dtype_name, namespace_of
from xpnn.arrays.native import scatter_add
from xpnn.autodiff.tape import as_one, differentiable, plain
from xpnn.nn.module import Module
from xpnn.nn.pooling import Counts, items_of, window_of
from xpnn.nn.windows import Lengths, Window, counts, described, with_items, without_items

__all__ = ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d"]

Rule = Any  # (value, backward)


def max_unpool1d(
    x: Array,
    indices: Array,
    kernel_size: Counts,
    *,
    stride: Counts | None = None,
    padding: Counts = 0,
    output_size: Counts | None = None,
) -> Array:
    """Sequences with the elements of `x` at the places `indices`, zeros elsewhere; options as of `max_unpool2d`.

    Examples
    --------
    >>> import numpy
    >>> max_unpool1d(numpy.asarray([[3.0, 4.0]]), numpy.asarray([[1, 2]]), 2)
    array([[0., 3., 4., 0.]])
    """
    return _max_unpool("max_unpool1d", 1, x, indices, (kernel_size, stride, padding), output_size)


def max_unpool2d(
    x: Array,
    indices: Array,
    kernel_size: Counts,
    *,
    stride: Counts | None = None,
    padding: Counts = 0,
    output_size: Counts | None = None,
) -> Array:
    """Images with the elements of `x` at the places `indices`, zeros elsewhere.

    Elements with the same place, of windows that overlap, are added up; PyTorch keeps any one of them.

    Parameters
    ----------
    x
        Largest elements, shape (n, channels, height, width), or of one image without n.
    indices
        Where they were in their channel, integers of the shape of `x`: what `max_pool2d` gives with `return_indices`.
    kernel_size, stride, padding
        As of the `max_pool2d` before.
    output_size
        (height', width') of the result, where several images give as many windows; None: the smallest of them,
        (height - 1) stride - 2 padding + kernel.

    Returns
    -------
    array
        Shape (n, channels, height', width').

    Raises
    ------
    ValueError
        If an option is no such number, shapes differ, or, on NumPy, an index is out of range (see
        `arrays.checks.require_labels`).
    TypeError
        If `x` is not an array of real floating-point numbers, or `indices` not one of integers.

    Examples
    --------
    >>> import numpy
    >>> max_unpool2d(numpy.asarray([[[5.0, 2.0]]]), numpy.asarray([[[4, 2]]]), 2)
    array([[[0., 0., 2., 0.],
            [5., 0., 0., 0.]]])
    """
    return _max_unpool("max_unpool2d", 2, x, indices, (kernel_size, stride, padding), output_size)


def max_unpool3d(
    x: Array,
    indices: Array,
    kernel_size: Counts,
    *,
    stride: Counts | None = None,
    padding: Counts = 0,
    output_size: Counts | None = None,
) -> Array:
    """Volumes with the elements of `x` at the places `indices`, zeros elsewhere; options as of `max_unpool2d`."""
    return _max_unpool("max_unpool3d", 3, x, indices, (kernel_size, stride, padding), output_size)


def _max_unpool(who: str, axes: int, x: Array, indices: Array, moves: Any, output_size: Any) -> Array:
    kernel, stride, padding = moves
    window = window_of(who, axes, kernel, stride, padding, dilation=1)
    items, indices = items_of(who, x, axes), plain(indices)
    if not namespace_of(indices).isdtype(indices.dtype, "integral"):
        raise TypeError(f"{who} expected indices to be integers, got {dtype_name(indices.dtype)}")
    if indices.shape != x.shape:
        raise ValueError(f"{who} expected indices of the shape of x, {x.shape}, got {indices.shape}")
    lengths = _lengths(who, window, items.shape[2:], output_size)
    require_labels(indices, prod(lengths), f"{who} to lengths {lengths}", computed=True)
    return without_items(_placed(items, indices=with_items(who, indices, axes), lengths=lengths), x)


def _lengths(who: str, window: Window, windows: Lengths, output_size: Any) -> Lengths:
    """The lengths asked for, or the smallest that give so many windows."""
    moves = zip(windows, window.kernel, window.stride, window.padding, strict=True)
    least = tuple((n - 1) * s - 2 * p + k for n, k, s, (p, _) in moves)
    if output_size is None:
        return least
    lengths = counts(who, "output_size", output_size, len(least))
    if any(abs(n - m) >= s for n, m, s in zip(lengths, least, window.stride, strict=True)):
        raise ValueError(
            f"{who} expected output_size of less than stride, {described(window.stride)}, from {least}, got {lengths}"
        )
    return lengths


@differentiable
def _placed(x: Array, *, indices: Array, lengths: Lengths) -> Rule:
    """The elements of `x` at their places, added up where they meet, and zeros elsewhere."""

    def dx(dy: Array) -> Array:
        return _found(dy, indices=indices)

    return as_one(_placed, _scattered, x, indices=indices, lengths=lengths), (dx,)


@differentiable
def _found(y: Array, *, indices: Array) -> Rule:
    """The elements of `y` at these places of their channels."""
    lengths = y.shape[2:]

    def dy_(dx: Array) -> Array:
        return _placed(dx, indices=indices, lengths=lengths)

    return as_one(_found, _gathered, y, indices=indices), (dy_,)


def _scattered(x: Array, *, indices: Array, lengths: Lengths) -> Array:
    xp = namespace_of(x)
    channels = x.shape[0] * x.shape[1]
    size = channels * prod(lengths)
    if not x.size:
        return xp.zeros((*x.shape[:2], *lengths), dtype=x.dtype, device=array_device(x))
    total = scatter_add(xp.reshape(x, (-1,)), _in_all_channels(indices, prod(lengths)), (size,))
    return xp.reshape(total, (*x.shape[:2], *lengths))


def _gathered(y: Array, *, indices: Array) -> Array:
    xp = namespace_of(y)
    if not indices.size:
        return xp.zeros(indices.shape, dtype=y.dtype, device=array_device(y))
    places = _in_all_channels(indices, prod(y.shape[2:]))
    return xp.reshape(xp.take(xp.reshape(y, (-1,)), places, axis=0), indices.shape)


def _in_all_channels(indices: Array, size: int) -> Array:
    """The places in an array of all channels of all items, of `size` elements each, as one axis."""
    xp = namespace_of(indices)
    channels = prod(indices.shape[:2])
    first = xp.arange(channels, dtype=xp.int64, device=array_device(indices)) * size
    rows = xp.reshape(xp.astype(indices, xp.int64), (channels, -1))
    return xp.reshape(rows + xp.expand_dims(first, axis=1), (-1,))


class _MaxUnpool(Module):
    """What the layers share."""

    _axes: int

    def __init__(self, kernel_size: Counts, *, stride: Counts | None = None, padding: Counts = 0) -> None:
        window = window_of(type(self).__name__, self._axes, kernel_size, stride, padding, 1)
        self.kernel_size, self.stride = window.kernel, window.stride
        self.padding = tuple(p for p, _ in window.padding)

    def forward(self, x: Array, indices: Array, output_size: Counts | None = None) -> Array:
        moves = self.kernel_size, self.stride, self.padding
        return _max_unpool(type(self).__name__, self._axes, x, indices, moves, output_size)

    def describe(self) -> str:
        shown = [described(self.kernel_size)]
        shown += [f"stride={described(self.stride)}"] if self.stride != self.kernel_size else []
        shown += [f"padding={described(self.padding)}"] if any(self.padding) else []
        return ", ".join(shown)


class MaxUnpool1d(_MaxUnpool):
    """The layer of `max_unpool1d`, called as `layer(x, indices, output_size=None)`; its options are the others."""

    _axes = 1


class MaxUnpool2d(_MaxUnpool):
    """The layer of `max_unpool2d`, called as `layer(x, indices, output_size=None)`; its options are the others.

    Examples
    --------
    >>> MaxUnpool2d(3, stride=2, padding=1)
    MaxUnpool2d(3, stride=2, padding=1)
    """

    _axes = 2


class MaxUnpool3d(_MaxUnpool):
    """The layer of `max_unpool3d`, called as `layer(x, indices, output_size=None)`; its options are the others."""

    _axes = 3
