"""Transposed convolution: each element of the input adds its weight to the output, so that images grow.

It is the transposed of the linear map that a convolution with the same weight and options makes, from the shape of that
one's output to the shape of its input; its derivative in x is that convolution. How both are computed is in
`window_products`.
"""

from __future__ import annotations

from math import prod

from xpnn.arrays.namespaces import Array
from xpnn.nn.building import positive, require_dtype
from xpnn.nn.convolution import ConvolutionLayer, Counts, check_arrays, window_of
from xpnn.nn.initializers import Initializer
from xpnn.nn.window_products import spreading
from xpnn.nn.windows import Lengths, Window, counts, with_items, without_items

__all__ = [
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]


def conv_transpose1d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Counts = 1,
    padding: Counts = 0,
    output_padding: Counts = 0,
    dilation: Counts = 1,
    groups: int = 1,
) -> Array:
    """The transposed convolution of sequences, x of shape (n, channels, length), as `conv_transpose2d` of images.

    Examples
    --------
    >>> import numpy
    >>> conv_transpose1d(numpy.asarray([[1.0, 10.0]]), numpy.asarray([[[1.0, 2.0]]]))
    array([[ 1., 12., 20.]])
    """
    return _conv_transpose("conv_transpose1d", 1, x, w, b, stride, padding, output_padding, dilation, groups)


def conv_transpose2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Counts = 1,
    padding: Counts = 0,
    output_padding: Counts = 0,
    dilation: Counts = 1,
    groups: int = 1,
) -> Array:
    """The transposed of the linear map that `conv2d` makes with the same weight and options: larger images.

    Zeiler, Krishnan, Taylor and Fergus, Deconvolutional networks (2010).

    Parameters
    ----------
    x
        Images, shape (n, channels, height, width), or one without n.
    w
        Weight, shape (channels, outputs / groups, kernel_height, kernel_width).
    b
        Bias, shape (outputs,), or None.
    stride, padding, dilation, groups
        As of that convolution; `padding` takes rows and columns away here.
    output_padding
        How many rows and columns to add at the end, less than `stride` or `dilation`: a convolution with a stride gives
        the same size for several, of which this chooses one.

    Returns
    -------
    array
        Shape (n, outputs, height', width') with
        height' = (height - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.

    Raises
    ------
    ValueError
        If shapes or options do not fit together, or nothing would be left.
    TypeError
        If the arrays are not of one library and one floating-point dtype.

    Examples
    --------
    >>> import numpy
    >>> conv_transpose2d(numpy.asarray([[[1.0, 2.0]]]), numpy.asarray([[[[1.0, 1.0]]]]), stride=(1, 2))
    array([[[1., 1., 2., 2.]]])
    """
    return _conv_transpose("conv_transpose2d", 2, x, w, b, stride, padding, output_padding, dilation, groups)


def conv_transpose3d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Counts = 1,
    padding: Counts = 0,
    output_padding: Counts = 0,
    dilation: Counts = 1,
    groups: int = 1,
) -> Array:
    """The transposed convolution of volumes, x of shape (n, channels, depth, height, width); see `conv_transpose2d`."""
    return _conv_transpose("conv_transpose3d", 3, x, w, b, stride, padding, output_padding, dilation, groups)


def _conv_transpose(
    who: str,
    axes: int,
    x: Array,
    w: Array,
    b: Array | None,
    stride: Counts,
    padding: Counts,
    output_padding: Counts,
    dilation: Counts,
    groups: int,
) -> Array:
    check_arrays(who, axes, x, w, b)
    groups = positive(who, "groups", groups)
    items = with_items(who, x, axes, w.shape[0])
    if w.shape[0] % groups:
        raise ValueError(f"{who} expected channels in {groups} equal groups, got w of shape {w.shape}")
    if b is not None and b.shape != (w.shape[1] * groups,):
        raise ValueError(f"{who} expected b of shape {(w.shape[1] * groups,)}, as of w, got shape {b.shape}")
    window = window_of(who, axes, w.shape[2:], stride, counts(who, "padding", padding, axes, least=0), dilation)
    more = _output_padding(who, axes, output_padding, window)
    return without_items(_spread(who, items, w, b, window, more, groups), x)


def _spread(who: str, items: Array, w: Array, b: Array | None, window: Window, more: Lengths, groups: int) -> Array:
    # a convolution that leaves the rows of output_padding out at the end has as many windows as there are inputs
    window = window._replace(padding=tuple((p, q - n) for (p, q), n in zip(window.padding, more, strict=True)))
    lengths = tuple(
        (n - 1) * s + span - p - q
        for n, s, span, (p, q) in zip(items.shape[2:], window.stride, window.spans(), window.padding, strict=True)
    )
    if 0 in items.shape[2:] or min(lengths) < 1:
        raise ValueError(f"{who} expected an input larger than its padding, got shape {items.shape}")
    return spreading(items, w, b, lengths=lengths, window=window, groups=groups)


def _output_padding(who: str, axes: int, given: Counts, window: Window) -> Lengths:
    more = counts(who, "output_padding", given, axes, least=0)
    if any(n >= max(s, d) for n, s, d in zip(more, window.stride, window.dilation, strict=True)):
        raise ValueError(f"{who} expected output_padding less than the stride or the dilation, got {given}")
    return more


class _ConvTranspose(ConvolutionLayer):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Counts,
        *,
        stride: Counts = 1,
        padding: Counts = 0,
        output_padding: Counts = 0,
        dilation: Counts = 1,
        groups: int = 1,
        bias: bool = True,
        initializer: Initializer | None = None,
        dtype: str = "float32",
    ) -> None:
        who = type(self).__name__
        pads = counts(who, "padding", padding, self._axes, least=0)
        window = window_of(who, self._axes, kernel_size, stride, pads, dilation)
        self.output_padding = _output_padding(who, self._axes, output_padding, window)
        self._build((in_channels, out_channels), window, groups, bias, initializer, dtype, transposed=True)

    def forward(self, x: Array) -> Array:
        who = type(self).__name__
        require_dtype(who, x, self.weight)
        items = with_items(who, x, self._axes, self.in_channels)
        y = _spread(who, items, self.weight, self.bias, self.window, self.output_padding, self.groups)
        return without_items(y, x)

    def multiply_adds(self, output: Array, *inputs: Array) -> int:
        return int(prod(inputs[0].shape) * prod(self.weight.shape[1:]))


class ConvTranspose1d(_ConvTranspose):
    """A transposed convolution for sequences, (n, channels, length): as `ConvTranspose2d`, with one axis."""

    _axes = 1


class ConvTranspose2d(_ConvTranspose):
    """A transposed convolution for images, for growing them: `conv_transpose2d(x, weight, bias)`.

    Parameters
    ----------
    in_channels, out_channels
        Number of channels of the input and of the output.
    kernel_size
        Size of the window: one integer, or (height, width), as for the following.
    stride, padding, output_padding, dilation, groups
        As of `conv_transpose2d`.
    bias, initializer, dtype
        As of `Conv2d`; as in PyTorch, fan_in is here out_channels / groups * kernel size.

    Attributes
    ----------
    weight
        Shape (in_channels, out_channels / groups, kernel_height, kernel_width).
    bias
        Shape (out_channels,), or None.

    Raises
    ------
    ValueError
        If a size is not a positive integer, options do not fit together, or the input has another shape.
    TypeError
        If the input's dtype is not that of `weight`.

    Examples
    --------
    >>> import numpy
    >>> layer = ConvTranspose2d(8, 3, 2, stride=2).initialize(seed=0)
    >>> layer(numpy.ones((10, 8, 16, 16), dtype="float32")).shape
    (10, 3, 32, 32)
    """

    _axes = 2


class ConvTranspose3d(_ConvTranspose):
    """A transposed convolution for volumes, (n, channels, depth, height, width), as `ConvTranspose2d` for images."""

    _axes = 3
