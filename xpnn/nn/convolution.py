"""Convolution: the same small weight applied at every place of a sequence, an image or a volume.

    y[n, o, p] = b[o] + Σ_c Σ_t w[o, c, t] x[n, c, p · stride + t · dilation - padding]

A pattern is then found wherever it lies, with few weights. (As in all such libraries the weight is not mirrored, which
mathematicians call a correlation.) LeCun, Boser, Denker and others, Backpropagation applied to handwritten zip code
recognition (1989); Dumoulin and Visin, A guide to convolution arithmetic for deep learning (2016), has pictures of
every option. How it is computed, and its derivatives, is in `window_products`.
"""

from __future__ import annotations

from math import prod
from typing import Any, Literal, TypeAlias

from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import Array, dtype_name, floating_name, is_floating, namespace_of
from xpnn.arrays.random import fresh_seed, uniform
from xpnn.nn.building import positive, require_dtype
from xpnn.nn.declarations import Parameter
from xpnn.nn.initializers import Initializer, fans, uniform_fan_in
from xpnn.nn.module import Module
from xpnn.nn.padding import padded
from xpnn.nn.window_products import convolution
from xpnn.nn.windows import Lengths, Window, counts, described, with_items, without_items

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "conv1d",
    "conv2d",
    "conv3d",
]

Counts: TypeAlias = int | tuple[int, ...]
Padding: TypeAlias = int | tuple[int, ...] | Literal["same", "valid"]
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def conv1d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Counts = 1,
    padding: Padding = 0,
    dilation: Counts = 1,
    groups: int = 1,
) -> Array:
    """The convolution of sequences, x of shape (n, channels, length) with w of shape (outputs, channels, kernel).

    Options and errors are those of `conv2d`.

    Examples
    --------
    >>> import numpy
    >>> conv1d(numpy.asarray([[1.0, 2.0, 4.0]]), numpy.asarray([[[-1.0, 1.0]]]))
    array([[1., 2.]])
    """
    return _conv("conv1d", 1, x, w, b, stride, padding, dilation, groups)


def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Counts = 1,
    padding: Padding = 0,
    dilation: Counts = 1,
    groups: int = 1,
) -> Array:
    """The convolution of images with a weight.

    Parameters
    ----------
    x
        Images, shape (n, channels, height, width), or one without n.
    w
        Weight, shape (outputs, channels / groups, kernel_height, kernel_width).
    b
        Bias, shape (outputs,), or None.
    stride
        How far a window is from the next: one integer, or one for each axis, as for `padding` and `dilation`.
    padding
        How many zeros to add at both ends of an axis; 'valid' for none, or 'same' for as many as keep the size (with a
        stride of 1; if they are odd, the one more comes behind).
    dilation
        How far an element of the window is from the next.
    groups
        The channels and the outputs are split into so many groups, and each sees only its own.

    Returns
    -------
    array
        Shape (n, outputs, height', width') with
        height' = (height + 2 padding - dilation (kernel - 1) - 1) // stride + 1.

    Raises
    ------
    ValueError
        If shapes or options do not fit together, or the window is larger than the padded image.
    TypeError
        If the arrays are not of one library and one floating-point dtype.

    Examples
    --------
    >>> import numpy
    >>> x = numpy.asarray([[[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]])
    >>> edges = numpy.asarray([[[[-1.0, 1.0]]]])
    >>> conv2d(x, edges)
    array([[[0., 1.],
            [0., 1.],
            [0., 1.]]])
    """
    return _conv("conv2d", 2, x, w, b, stride, padding, dilation, groups)


def conv3d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Counts = 1,
    padding: Padding = 0,
    dilation: Counts = 1,
    groups: int = 1,
) -> Array:
    """The convolution of volumes, x of shape (n, channels, depth, height, width), as `conv2d` of images."""
    return _conv("conv3d", 3, x, w, b, stride, padding, dilation, groups)


def _conv(
    who: str,
    axes: int,
    x: Array,
    w: Array,
    b: Array | None,
    stride: Counts,
    padding: Padding,
    dilation: Counts,
    groups: int,
) -> Array:
    check_arrays(who, axes, x, w, b)
    groups = positive(who, "groups", groups)
    if w.shape[0] % groups:
        raise ValueError(f"{who} expected outputs in {groups} equal groups, got w of shape {w.shape}")
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"{who} expected b of shape {w.shape[:1]}, as of w, got shape {b.shape}")
    items = with_items(who, x, axes, w.shape[1] * groups)
    window = window_of(who, axes, w.shape[2:], stride, padding, dilation)
    return without_items(_convolved(who, items, w, b, window, groups), x)


def _convolved(who: str, items: Array, w: Array, b: Array | None, window: Window, groups: int) -> Array:
    check_fits(who, items, window)
    return convolution(items, w, b, window=window, groups=groups)


def check_arrays(who: str, axes: int, x: Array, w: Array, b: Array | None) -> None:
    namespace_of(x)
    namespace_of(x, w, b)
    if w.ndim != axes + 2 or 0 in w.shape[2:]:
        raise ValueError(f"{who} expected w of {axes + 2} axes, with a kernel of 1 or more, got shape {w.shape}")
    if not is_floating(w.dtype) or x.dtype != w.dtype or (b is not None and b.dtype != w.dtype):
        given = [x.dtype, w.dtype, *([] if b is None else [b.dtype])]
        names = ", ".join(dtype_name(dtype) for dtype in given)
        raise TypeError(f"{who} expected arrays of one floating-point dtype, got {names}")


def check_fits(who: str, items: Array, window: Window) -> None:
    """Raise if a window is larger than the padded input."""
    if min(window.outputs(items.shape[2:])) < 1:
        raise ValueError(
            f"{who} expected an input at least as large as its window, {described(window.spans())}, got lengths "
            f"{items.shape[2:]} with padding {window.padding}"
        )


def window_of(who: str, axes: int, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Window:
    """The window that the options of a layer describe."""
    kernel, stride = counts(who, "kernel_size", kernel, axes), counts(who, "stride", stride, axes)
    dilation = counts(who, "dilation", dilation, axes)
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"{who} expected padding to be integers, 'same' or 'valid', got {padding!r:.60}")
        if padding == "same" and set(stride) != {1}:
            raise ValueError(f"{who} expected a stride of 1 with padding='same', got {stride}")
        keep = padding == "same"
        sums = [d * (k - 1) if keep else 0 for k, d in zip(kernel, dilation, strict=True)]
        return Window(kernel, stride, tuple((n // 2, n - n // 2) for n in sums), dilation)
    return Window(kernel, stride, tuple((n, n) for n in counts(who, "padding", padding, axes, least=0)), dilation)


class ConvolutionLayer(Module):
    """What all convolutional layers share: their sizes, and how weight and bias are drawn."""

    _axes: int
    padding_mode: str = "zeros"
    output_padding: Lengths = ()
    weight: Array
    bias: Array | None

    def _build(
        self,
        sizes: tuple[int, int],
        window: Window,
        groups: int,
        bias: bool,
        initializer: Initializer | None,
        dtype: str,
        *,
        transposed: bool = False,
    ) -> None:
        """Set the sizes, (in_channels, out_channels), and draw the parameters."""
        who = type(self).__name__
        self.in_channels = positive(who, "in_channels", sizes[0])
        self.out_channels = positive(who, "out_channels", sizes[1])
        self.groups = positive(who, "groups", groups)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(f"{who} expected channels that make {groups} equal groups, got {sizes[0]} and {sizes[1]}")
        self.window, self.initializer = window, initializer
        first, second = sizes if transposed else sizes[::-1]
        shape = (first, second // self.groups, *window.kernel)
        weight, offset = self._draw(shape, fresh_seed(), "", bias, floating_name(who, dtype))
        self.weight = Parameter(weight)
        self.bias = None if offset is None else Parameter(offset)

    def _draw(self, shape: Lengths, seed: int, path: str, bias: bool, dtype: str) -> tuple[Array, Array | None]:
        draw = self.initializer or uniform_fan_in
        weight = draw(shape, seed=seed, stream=f"init/{path}.weight", dtype=dtype)
        if not bias:
            return weight, None
        bound = 0.0 if self.initializer else fans(shape)[0] ** -0.5
        stream = f"init/{path}.bias"
        return weight, uniform((self.out_channels,), low=-bound, high=bound, seed=seed, stream=stream, dtype=dtype)

    def reset(self, *, seed: int, path: str) -> None:
        dtype = dtype_name(self.weight.dtype)
        weight, offset = self._draw(self.weight.shape, seed, path, self.bias is not None, dtype)
        place = device_of(self.weight)
        self.weight[...] = place.asarray(weight)
        if self.bias is not None:
            self.bias[...] = place.asarray(offset)

    def multiply_adds(self, output: Array, *inputs: Array) -> int:
        return int(prod(output.shape) * prod(self.weight.shape[1:]))

    def describe(self) -> str:
        window = self.window
        parts = [f"{self.in_channels}, {self.out_channels}, {described(window.kernel)}"]
        for name, given, default in (("stride", window.stride, 1), ("dilation", window.dilation, 1)):
            parts += [f"{name}={described(given)}"] if set(given) != {default} else []
        pads = [p for p, _ in window.padding]
        if any(map(any, window.padding)):
            same = [p + q for p, q in window.padding] != [2 * p for p in pads]
            parts.append(f"padding={repr('same') if same else described(tuple(pads))}")
        parts += [f"padding_mode={self.padding_mode!r}"] if self.padding_mode != "zeros" else []
        parts += [f"output_padding={described(self.output_padding)}"] if any(self.output_padding) else []
        parts += [f"groups={self.groups}"] if self.groups > 1 else []
        return ", ".join(parts + (["bias=False"] if self.bias is None else []))


class _Conv(ConvolutionLayer):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Counts,
        *,
        stride: Counts = 1,
        padding: Padding = 0,
        dilation: Counts = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        initializer: Initializer | None = None,
        dtype: str = "float32",
    ) -> None:
        who = type(self).__name__
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"{who} expected padding_mode to be one of {PADDING_MODES}, got {padding_mode!r:.60}")
        self.padding_mode = padding_mode
        window = window_of(who, self._axes, kernel_size, stride, padding, dilation)
        self._build((in_channels, out_channels), window, groups, bias, initializer, dtype)

    def forward(self, x: Array) -> Array:
        who, window = type(self).__name__, self.window
        require_dtype(who, x, self.weight)
        items = with_items(who, x, self._axes, self.in_channels)
        if self.padding_mode != "zeros":
            items = padded(items, window.padding, mode=self.padding_mode)
            window = window._replace(padding=((0, 0),) * self._axes)
        return without_items(_convolved(who, items, self.weight, self.bias, window, self.groups), x)


class Conv1d(_Conv):
    """A convolutional layer for sequences, (n, channels, length): as `Conv2d`, with a kernel of one axis."""

    _axes = 1


class Conv2d(_Conv):
    """A convolutional layer for images: `conv2d(x, weight, bias)`.

    The weights are drawn at once, from a seed of the operating system's; `initialize(seed)` draws them again.

    Parameters
    ----------
    in_channels, out_channels
        Number of channels of the input and of the output.
    kernel_size
        Size of the window: one integer, or (height, width), as for `stride`, `padding` and `dilation`.
    stride, padding, dilation, groups
        As of `conv2d`.
    bias
        Whether to add a bias.
    padding_mode
        What the padding consists of: 'zeros', 'reflect', 'replicate' or 'circular' (see `pad`).
    initializer
        How `weight` is drawn (`nn.initializers`); the default is PyTorch's, U(-a, a) with a = 1 / sqrt(fan_in) for
        `weight` and `bias`, fan_in = in_channels / groups * kernel size. With another one, `bias` starts at zero.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight
        Shape (out_channels, in_channels / groups, kernel_height, kernel_width).
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
    >>> layer = Conv2d(3, 8, 3, stride=2, padding=1).initialize(seed=0)
    >>> layer(numpy.ones((10, 3, 32, 32), dtype="float32")).shape
    (10, 8, 16, 16)
    """

    _axes = 2


class Conv3d(_Conv):
    """A convolutional layer for volumes, (n, channels, depth, height, width): as `Conv2d`, with three axes."""

    _axes = 3
