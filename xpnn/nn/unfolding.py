"""Images taken apart and put together: windows as columns, channels as pixels.

`unfold` lays the windows of an image out as columns of numbers, on which any function of windows can be written; `fold`
is the transposed of it: columns are added up where they came from. `pixel_shuffle` makes r² channels into r times as
many rows and columns, which is how networks for larger images learn what to put between the pixels.
"""

from __future__ import annotations

from math import prod
from typing import Any, TypeAlias

from xpnn.arrays.namespaces import Array, array_device, is_floating, namespace_of
from xpnn.arrays.recording import recordable
from xpnn.autodiff.tape import as_one, differentiable
from xpnn.nn.building import positive
from xpnn.nn.convolution import check_fits, window_of
from xpnn.nn.module import Module
from xpnn.nn.windows import Columns, Lengths, Window, add_columns, counts, described, with_items

__all__ = [
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "Unfold",
    "fold",
    "pixel_shuffle",
    "pixel_unshuffle",
    "unfold",
]

Counts: TypeAlias = int | tuple[int, ...]
Rule = Any  # (value, backward)


def unfold(x: Array, kernel_size: Counts, *, dilation: Counts = 1, padding: Counts = 0, stride: Counts = 1) -> Array:
    """The windows of images as columns.

    Parameters
    ----------
    x
        Images, shape (n, channels, height, width), or one without n.
    kernel_size, dilation, padding, stride
        As of `conv2d`.

    Returns
    -------
    array
        Shape (n, channels * taps, windows), taps the number of elements of the kernel; rows and columns of windows, of
        taps, and channels are counted as in memory.

    Raises
    ------
    ValueError
        If an option is no such number, or the window is larger than the padded image.
    TypeError
        If `x` is not an array of floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> unfold(numpy.asarray([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]), 2)
    array([[1., 2.],
           [2., 3.],
           [4., 5.],
           [5., 6.]])
    """
    _require_floating("unfold", x)
    items = with_items("unfold", x, 2)
    window = window_of("unfold", 2, counts("unfold", "kernel_size", kernel_size, 2), stride, padding, dilation)
    check_fits("unfold", items, window)
    y = _unfold(items, window=window)
    return y if x.ndim == 4 else namespace_of(y).reshape(y, y.shape[1:])


def fold(
    x: Array,
    output_size: Counts,
    kernel_size: Counts,
    *,
    dilation: Counts = 1,
    padding: Counts = 0,
    stride: Counts = 1,
) -> Array:
    """The columns that `unfold` gives, added up to images: elements that lie in several windows are sums.

    Parameters
    ----------
    x
        Columns, shape (n, channels * taps, windows), or without n.
    output_size
        The (height, width) of the images.
    kernel_size, dilation, padding, stride
        As of `unfold`.

    Returns
    -------
    array
        Shape (n, channels, height, width).

    Raises
    ------
    ValueError
        If `unfold` of such images would not give columns of this shape.
    TypeError
        If `x` is not an array of floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> fold(numpy.asarray([[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]]), (2, 3), 2)
    array([[[ 1.,  4.,  3.],
            [ 4., 10.,  6.]]])
    """
    _require_floating("fold", x)
    lengths = counts("fold", "output_size", output_size, 2)
    window = window_of("fold", 2, counts("fold", "kernel_size", kernel_size, 2), stride, padding, dilation)
    outputs, size = window.outputs(lengths), prod(window.kernel)
    fits = x.ndim in (2, 3) and x.shape[-2] > 0 and x.shape[-2] % size == 0 and min(outputs) > 0
    if not fits or x.shape[-1] != prod(outputs):
        raise ValueError(
            f"fold expected x of shape (n, channels * {size}, {prod(outputs)}) or without n, for images of {lengths} "
            f"seen through {outputs} windows, got shape {x.shape}"
        )
    items = x if x.ndim == 3 else namespace_of(x).reshape(x, (1, *x.shape))
    y = _fold(items, window=window, lengths=lengths)
    return y if x.ndim == 3 else namespace_of(y).reshape(y, y.shape[1:])


def _require_floating(who: str, x: Array) -> None:
    namespace_of(x)
    if not is_floating(x.dtype):
        raise TypeError(f"{who} expected floating-point numbers, got {x.dtype}")


@differentiable
def _unfold(x: Array, *, window: Window) -> Rule:
    lengths = x.shape[2:]

    def dx(dy: Array) -> Array:
        return _fold(dy, window=window, lengths=lengths)

    return as_one(_unfold, _columns, x, window=window), (dx,)


@differentiable
def _fold(y: Array, *, window: Window, lengths: Lengths) -> Rule:
    def dy_(dx: Array) -> Array:
        return _unfold(dx, window=window)

    return as_one(_fold, _images, y, window=window, lengths=lengths), (dy_,)


@recordable
def _columns(x: Array, *, window: Window) -> Array:
    xp, outputs, n = namespace_of(x), window.outputs(x.shape[2:]), x.shape[0]
    found = Columns(x, window)(slice(0, n), tuple((0, count) for count in outputs))
    rows = xp.reshape(found, (x.shape[1] * prod(window.kernel), n, prod(outputs)))
    return xp.asarray(xp.permute_dims(rows, (1, 0, 2)), copy=True)


@recordable
def _images(y: Array, *, window: Window, lengths: Lengths) -> Array:
    xp, outputs, n = namespace_of(y), window.outputs(lengths), y.shape[0]
    channels = y.shape[1] // prod(window.kernel)
    total = xp.zeros((n, channels, *lengths), dtype=y.dtype, device=array_device(y))
    rows = xp.reshape(xp.permute_dims(y, (1, 0, 2)), (channels, *window.kernel, n, *outputs))
    add_columns(total, rows, window, slice(0, n), tuple((0, count) for count in outputs))
    return total


def pixel_shuffle(x: Array, factor: int) -> Array:
    """Channels made into pixels: from (..., channels * r², height, width) to (..., channels, height * r, width * r).

    y[c, h * r + i, w * r + j] = x[c * r² + i * r + j, h, w] with r = `factor`. Shi, Caballero, Huszár and others,
    Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network (2016).

    Raises
    ------
    ValueError
        If `factor` is not a positive integer, or r² does not divide the channels.

    Examples
    --------
    >>> import numpy
    >>> pixel_shuffle(numpy.asarray([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), 2)
    array([[[1., 2.],
            [3., 4.]]])
    """
    r = positive("pixel_shuffle", "factor", factor)
    if x.ndim < 3 or x.shape[-3] % (r * r):
        raise ValueError(f"pixel_shuffle expected x of shape (..., channels * {r * r}, height, width), got {x.shape}")
    xp, lead, (channels, height, width), n = namespace_of(x), x.shape[:-3], x.shape[-3:], x.ndim - 3
    parts = xp.reshape(x, (*lead, channels // (r * r), r, r, height, width))
    moved = xp.permute_dims(parts, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return xp.reshape(moved, (*lead, channels // (r * r), height * r, width * r))


def pixel_unshuffle(x: Array, factor: int) -> Array:
    """Pixels made into channels, the inverse of `pixel_shuffle`: to (..., channels * r², height / r, width / r).

    Raises
    ------
    ValueError
        If `factor` is not a positive integer that divides height and width.

    Examples
    --------
    >>> import numpy
    >>> pixel_unshuffle(numpy.asarray([[[1.0, 2.0], [3.0, 4.0]]]), 2).shape
    (4, 1, 1)
    """
    r = positive("pixel_unshuffle", "factor", factor)
    if x.ndim < 3 or x.shape[-2] % r or x.shape[-1] % r:
        raise ValueError(f"pixel_unshuffle expected height and width divisible by {r}, got shape {x.shape}")
    xp, lead, (channels, height, width), n = namespace_of(x), x.shape[:-3], x.shape[-3:], x.ndim - 3
    parts = xp.reshape(x, (*lead, channels, height // r, r, width // r, r))
    moved = xp.permute_dims(parts, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return xp.reshape(moved, (*lead, channels * r * r, height // r, width // r))


class Unfold(Module):
    """The layer of `unfold`; its options are those of the function.

    Examples
    --------
    >>> Unfold(3, padding=1)
    Unfold(3, padding=1)
    """

    def __init__(self, kernel_size: Counts, *, dilation: Counts = 1, padding: Counts = 0, stride: Counts = 1) -> None:
        self.kernel_size = counts("Unfold", "kernel_size", kernel_size, 2)
        self.moves = _moves("Unfold", dilation, padding, stride)

    def forward(self, x: Array) -> Array:
        return unfold(x, self.kernel_size, **self.moves)

    def describe(self) -> str:
        return ", ".join([described(self.kernel_size), *_shown(self.moves)])


class Fold(Module):
    """The layer of `fold`; its options are those of the function.

    Examples
    --------
    >>> Fold((4, 5), 2, stride=2)
    Fold((4, 5), 2, stride=2)
    """

    def __init__(
        self,
        output_size: Counts,
        kernel_size: Counts,
        *,
        dilation: Counts = 1,
        padding: Counts = 0,
        stride: Counts = 1,
    ) -> None:
        self.output_size = counts("Fold", "output_size", output_size, 2)
        self.kernel_size = counts("Fold", "kernel_size", kernel_size, 2)
        self.moves = _moves("Fold", dilation, padding, stride)

    def forward(self, x: Array) -> Array:
        return fold(x, self.output_size, self.kernel_size, **self.moves)

    def describe(self) -> str:
        return ", ".join([described(self.output_size), described(self.kernel_size), *_shown(self.moves)])


def _moves(who: str, dilation: Counts, padding: Counts, stride: Counts) -> dict[str, Lengths]:
    return {
        "dilation": counts(who, "dilation", dilation, 2),
        "padding": counts(who, "padding", padding, 2, least=0),
        "stride": counts(who, "stride", stride, 2),
    }


def _shown(moves: dict[str, Lengths]) -> list[str]:
    usual = {"dilation": (1, 1), "padding": (0, 0), "stride": (1, 1)}
    return [f"{name}={described(given)}" for name, given in moves.items() if given != usual[name]]


class PixelShuffle(Module):
    """The layer of `pixel_shuffle`.

    Examples
    --------
    >>> PixelShuffle(2)
    PixelShuffle(2)
    """

    def __init__(self, factor: int) -> None:
        self.factor = positive("PixelShuffle", "factor", factor)

    def forward(self, x: Array) -> Array:
        return pixel_shuffle(x, self.factor)

    def describe(self) -> str:
        return str(self.factor)


class PixelUnshuffle(Module):
    """The layer of `pixel_unshuffle`."""

    def __init__(self, factor: int) -> None:
        self.factor = positive("PixelUnshuffle", "factor", factor)

    def forward(self, x: Array) -> Array:
        return pixel_unshuffle(x, self.factor)

    def describe(self) -> str:
        return str(self.factor)
