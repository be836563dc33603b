"""Normalisation: numbers inside a network brought to mean 0 and variance 1, so that layers behind see one scale.

The layers differ in whose mean and variance it is. For images x of shape (N, C, H, W), batch norm takes them of each
channel over all items of the batch, instance norm of each channel of each item, group norm of some channels of each
item, and layer norm of all numbers of each item. Then each feature gets a factor and an offset of its own, which are
trained. RMS norm leaves out the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xpnn.arrays.namespaces import Array, dtype_name, namespace_of
from xpnn.nn.building import filled, positive, positives, require_dtype, require_wide_floating_input
from xpnn.nn.declarations import Parameter
from xpnn.nn.module import Module
from xpnn.nn.standardizing import per_item, root_mean_square

__all__ = [
    "GroupNorm",
    "LayerNorm",
    "RMSNorm",
    "group_norm",
    "layer_norm",
    "rms_norm",
]


def layer_norm(
    x: Array,
    w: Array | None = None,
    b: Array | None = None,
    *,
    shape: Sequence[int] | None = None,
    epsilon: float = 1e-5,
) -> Array:
    """(x - mean) / sqrt(variance + epsilon) w + b, mean and variance of the last axes of each item.

    Ba, Kiros and Hinton, Layer normalization (2016), equation 3 (over the features of one layer).

    Parameters
    ----------
    x
        Shape (..., *shape).
    w, b
        Factor and offset, of `shape`, or None.
    shape
        The lengths of the axes that are normalised; by default those of `w`, else the last axis.
    epsilon
        What is added to the variance.

    Returns
    -------
    array
        The shape of `x`.

    Raises
    ------
    ValueError
        If the last axes of `x` do not have these lengths, or `w` or `b` has another shape.
    TypeError
        If `x` is not floating-point, or they have several dtypes.

    Examples
    --------
    >>> import numpy
    >>> layer_norm(numpy.asarray([[1.0, 3.0], [10.0, 10.0]]), epsilon=1e-12)
    array([[-1.,  1.],
           [ 0.,  0.]])
    """
    axes = _last_axes("layer_norm", x, shape, w, b)
    return per_item(x, w, b, axes=axes, epsilon=epsilon)


def rms_norm(
    x: Array, w: Array | None = None, *, shape: Sequence[int] | None = None, epsilon: float | None = None
) -> Array:
    """x / sqrt(mean(x²) + epsilon) w, the mean over the last axes of each item.

    Zhang and Sennrich, Root mean square layer normalization (2019); epsilon as in PyTorch, by default the
    distance from 1 to the next number of the dtype. For the parameters see `layer_norm`.

    Raises
    ------
    ValueError
        If the last axes of `x` do not have the lengths of `shape`, or `w` has another shape.
    TypeError
        If `x` is not floating-point, or `w` has another dtype.

    Examples
    --------
    >>> import numpy
    >>> rms_norm(numpy.asarray([[3.0, 4.0]])).round(4)
    array([[0.8485, 1.1314]])
    """
    axes = _last_axes("rms_norm", x, shape, w, None)
    if epsilon is None:
        epsilon = 2.0**-23 if dtype_name(x.dtype) == "float32" else 2.0**-52
    return root_mean_square(x, w, axes=axes, epsilon=epsilon)


def _last_axes(who: str, x: Array, shape: Sequence[int] | None, w: Array | None, b: Array | None) -> tuple[int, ...]:
    """The axes to normalise, if all shapes and dtypes fit."""
    require_wide_floating_input(who, x)
    namespace_of(x, w, b)
    if x.ndim == 0:
        raise ValueError(f"{who} expected x with at least one axis, got shape {x.shape}")
    own = next((tuple(array.shape) for array in (w, b) if array is not None), tuple(x.shape[-1:]))
    lengths = own if shape is None else positives(who, "shape", shape)
    if tuple(x.shape[x.ndim - len(lengths) :]) != lengths or len(lengths) > x.ndim or not lengths:
        raise ValueError(f"{who} expected the last axes of x to be {lengths}, got shape {x.shape}")
    for name, array in (("w", w), ("b", b)):
        if array is not None and tuple(array.shape) != lengths:
            raise ValueError(f"{who} expected {name} of shape {lengths}, got shape {array.shape}")
        if array is not None:
            require_dtype(who, x, array)
    return tuple(range(x.ndim - len(lengths), x.ndim))


def group_norm(
    x: Array, w: Array | None = None, b: Array | None = None, *, groups: int, epsilon: float = 1e-5
) -> Array:
    """(x - mean) / sqrt(variance + epsilon) w + b, mean and variance of each group of channels of each item.

    Wu and He, Group normalization (2018).

    Parameters
    ----------
    x
        Shape (N, C, ...).
    w, b
        Factor and offset of each channel, shape (C,), or None.
    groups
        Number of groups, a divisor of C.
    epsilon
        What is added to the variance.

    Returns
    -------
    array
        The shape of `x`.

    Raises
    ------
    ValueError
        If the channels are not a multiple of the groups, a group would hold one number, or `w` or `b` has another
        shape.
    TypeError
        If `x` is not floating-point, or they have several dtypes.

    Examples
    --------
    >>> import numpy
    >>> group_norm(numpy.asarray([[1.0, 3.0, 10.0, 30.0]]), groups=2).round(3)
    array([[-1.,  1., -1.,  1.]])
    """
    groups = positive("group_norm", "groups", groups)
    require_wide_floating_input("group_norm", x)
    if x.ndim < 2 or x.shape[1] % groups:
        raise ValueError(f"group_norm expected x of shape (N, C, ...), C a multiple of {groups}, got shape {x.shape}")
    n, channels, places = x.shape[0], x.shape[1], prod(x.shape[2:])
    if n * channels * places == groups:
        raise ValueError(f"group_norm expected more than one number in a group, got shape {x.shape}, {groups} groups")
    w, b = (of_channels("group_norm", name, x, array, (1, groups, -1, 1)) for name, array in (("w", w), ("b", b)))
    xp = namespace_of(x)
    view = xp.reshape(x, (n, groups, channels // groups, places))
    return xp.reshape(per_item(view, w, b, axes=(2, 3), epsilon=epsilon), x.shape)


def of_channels(who: str, name: str, x: Array, array: Array | None, shape: tuple[int, ...]) -> Array | None:
    """One number per channel of `x`, (C,), shaped to stretch over it."""
    if array is None:
        return None
    if tuple(array.shape) != tuple(x.shape[1:2]):
        raise ValueError(f"{who} expected {name} of shape {x.shape[1:2]}, one for each channel, got {array.shape}")
    require_dtype(who, x, array)
    return namespace_of(array).reshape(array, shape)


class AffineLayer(Module):
    """What layers with a factor `weight` and an offset `bias` share; either may be None."""

    weight: Array | None
    bias: Array | None

    def _declare(self, shape: Sequence[int], weight: bool, bias: bool, dtype: str) -> None:
        who = type(self).__name__
        ones, zeros = filled(who, shape, 1.0, dtype), filled(who, shape, 0.0, dtype)
        self.weight = Parameter(ones) if weight else None
        self.bias = Parameter(zeros) if bias else None

    def reset(self, *, seed: int, path: str) -> None:
        if self.weight is not None:
            self.weight[...] = 1.0
        if self.bias is not None:
            self.bias[...] = 0.0


class LayerNorm(AffineLayer):
    """Each item's features to mean 0 and variance 1: `layer_norm(x, weight, bias)`, from (..., *shape) to the same.

    Parameters
    ----------
    shape
        The length of the last axis, or the lengths of the last axes, over which mean and variance are taken.
    epsilon
        What is added to the variance.
    affine
        Whether to have `weight`, and `bias`.
    bias
        Whether to have `bias` beside `weight`.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight, bias
        Of `shape`, at first 1 and 0; or None.

    Raises
    ------
    ValueError
        If a length is not a positive integer, or the last axes of the input have others.
    TypeError
        If the input has another dtype than the weight.

    Examples
    --------
    >>> import numpy
    >>> LayerNorm(2, dtype="float64")(numpy.asarray([[1.0, 3.0]])).round(3)
    array([[-1.,  1.]])
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        epsilon: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
        dtype: str = "float32",
    ) -> None:
        self.shape = positives("LayerNorm", "shape", shape)
        self.epsilon = epsilon
        self._declare(self.shape, affine, affine and bias, dtype)

    def forward(self, x: Array) -> Array:
        require_wide_floating_input("LayerNorm", x)
        require_dtype("LayerNorm", x, self.weight)
        _require_last("LayerNorm", x, self.shape)
        axes = tuple(range(x.ndim - len(self.shape), x.ndim))
        return per_item(x, self.weight, self.bias, axes=axes, epsilon=self.epsilon)

    def describe(self) -> str:
        return described_options(self.shape, epsilon=(self.epsilon, 1e-5), affine=(self.weight is not None, True))


class RMSNorm(AffineLayer):
    """Each item's features to a mean square of 1: `rms_norm(x, weight)`, from (..., *shape) to the same.

    Parameters
    ----------
    shape
        The length of the last axis, or the lengths of the last axes, over which the mean is taken.
    epsilon
        What is added to the mean square; None: the distance from 1 to the next number of the dtype.
    affine
        Whether to have `weight`.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight
        Of `shape`, at first 1; or None.

    Raises
    ------
    ValueError
        If a length is not a positive integer, or the last axes of the input have others.
    TypeError
        If the input has another dtype than the weight.

    Examples
    --------
    >>> import numpy
    >>> RMSNorm(2, dtype="float64")(numpy.asarray([[3.0, 4.0]])).round(4)
    array([[0.8485, 1.1314]])
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        epsilon: float | None = None,
        affine: bool = True,
        dtype: str = "float32",
    ) -> None:
        self.shape = positives("RMSNorm", "shape", shape)
        self.epsilon = epsilon
        self._declare(self.shape, affine, False, dtype)

    def forward(self, x: Array) -> Array:
        require_dtype("RMSNorm", x, self.weight)
        _require_last("RMSNorm", x, self.shape)
        return rms_norm(x, self.weight, shape=self.shape, epsilon=self.epsilon)

    def describe(self) -> str:
        return described_options(self.shape, epsilon=(self.epsilon, None), affine=(self.weight is not None, True))


class GroupNorm(AffineLayer):
    """Each group of channels of each item to mean 0 and variance 1: `group_norm(x, weight, bias)`.

    Parameters
    ----------
    groups
        Number of groups; 1 is layer norm over all channels and places, `channels` is instance norm.
    channels
        Number of channels C of inputs (N, C, ...), a multiple of `groups`.
    epsilon
        What is added to the variance.
    affine
        Whether to have `weight`, and `bias`.
    bias
        Whether to have `bias` beside `weight`.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight, bias
        Shape (channels,), at first 1 and 0; or None.

    Raises
    ------
    ValueError
        If `channels` is not a multiple of `groups`, or the input has other channels.
    TypeError
        If the input has another dtype than the weight.

    Examples
    --------
    >>> import numpy
    >>> GroupNorm(2, 4, dtype="float64")(numpy.asarray([[1.0, 3.0, 10.0, 30.0]])).round(3)
    array([[-1.,  1., -1.,  1.]])
    """

    def __init__(
        self,
        groups: int,
        channels: int,
        *,
        epsilon: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
        dtype: str = "float32",
    ) -> None:
        self.groups = positive("GroupNorm", "groups", groups)
        self.channels = positive("GroupNorm", "channels", channels)
        if self.channels % self.groups:
            raise ValueError(f"GroupNorm expected channels to be a multiple of groups ({groups}), got {channels}")
        self.epsilon = epsilon
        self._declare((self.channels,), affine, affine and bias, dtype)

    def forward(self, x: Array) -> Array:
        require_dtype("GroupNorm", x, self.weight)
        if x.ndim < 2 or x.shape[1] != self.channels:
            raise ValueError(f"GroupNorm expected x of shape (N, {self.channels}, ...), got shape {x.shape}")
        return group_norm(x, self.weight, self.bias, groups=self.groups, epsilon=self.epsilon)

    def describe(self) -> str:
        options = {"epsilon": (self.epsilon, 1e-5), "affine": (self.weight is not None, True)}
        return f"{self.groups}, " + described_options((self.channels,), **options)


def _require_last(who: str, x: Array, shape: tuple[int, ...]) -> None:
    if len(shape) > x.ndim or tuple(x.shape[x.ndim - len(shape) :]) != shape:
        raise ValueError(f"{who} expected the last axes of x to be {shape} (shape), got shape {x.shape}")


def described_options(shape: tuple[int, ...], **options: tuple[object, object]) -> str:
    """The shape and those options, each with its usual value, that are unusual: for `repr`.

    Examples
    --------
    >>> described_options((3,), epsilon=(0.1, 1e-5), affine=(True, True))
    '3, epsilon=0.1'
    """
    first = str(shape[0]) if len(shape) == 1 else str(shape)
    return ", ".join([first, *(f"{name}={value}" for name, (value, usual) in options.items() if value != usual)])
