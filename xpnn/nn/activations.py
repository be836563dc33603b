"""Activations: the bends between the layers, without which a deep network would be one matrix.

All but the softmax work on each element on its own. The result has the shape of the input, and its dtype where that is
a floating-point one.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any, Literal

from xpnn.arrays.namespaces import Array, namespace_of, require_real
from xpnn.autodiff.rules.error_functions import ndtr
from xpnn.autodiff.rules.special import expit, log_softmax, softmax
from xpnn.autodiff.rules.trigonometry import tanh
from xpnn.autodiff.tape import as_one, differentiable
from xpnn.nn.module import Module

__all__ = [
    "GELU",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Tanh",
    "gelu",
    "leaky_relu",
    "log_softmax",
    "relu",
    "sigmoid",
    "softmax",
    "softmin",
    "tanh",
]

Rule = Any  # (value, backward)
sigmoid = expit


@differentiable
def relu(x: Array) -> Rule:
    """max(x, 0), elementwise; the derivative at 0 is 0, as in PyTorch.

    Nair and Hinton, Rectified linear units improve restricted Boltzmann machines (2010).

    Examples
    --------
    >>> import numpy
    >>> relu(numpy.asarray([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    xp = namespace_of(x)
    y = as_one(relu, _relu, x)

    # 1 where x > 0
    def dx(dy: Array) -> Array:
        return dy * xp.astype(y > 0, dy.dtype)

    return y, (dx,)


def _relu(x: Array) -> Array:
    xp = namespace_of(x)
    require_real("relu", x)
    return xp.maximum(x, 0.0)


@differentiable
def leaky_relu(x: Array, *, slope: float = 0.01) -> Rule:
    """x where x > 0, else `slope` x, elementwise; the derivative at 0 is `slope`, as in PyTorch.

    Maas, Hannun and Ng, Rectifier nonlinearities improve neural network acoustic models (2013).

    Examples
    --------
    >>> import numpy
    >>> leaky_relu(numpy.asarray([-1.0, 2.0]), slope=0.1)
    array([-0.1,  2. ])
    """
    xp = namespace_of(x)

    # 1 where x > 0, else the slope
    def dx(dy: Array) -> Array:
        return dy * (slope + (1 - slope) * xp.astype(x > 0, dy.dtype))

    return as_one(leaky_relu, _leaky_relu, x, slope=slope), (dx,)


def _leaky_relu(x: Array, *, slope: float) -> Array:
    xp = namespace_of(x)
    require_real("leaky_relu", x)
    return xp.maximum(x, 0.0) + slope * xp.minimum(x, 0.0) if slope else xp.maximum(x, 0.0)


@differentiable
def _gelu_exact(x: Array) -> Rule:
    xp = namespace_of(x)
    below = ndtr(x)

    # Phi(x) + x phi(x)
    def dx(dy: Array) -> Array:
        density = xp.exp(-0.5 * (x * x)) * (1 / sqrt(2 * pi))
        return dy * (below + x * density)

    return x * below, (dx,)


@differentiable
def _gelu_tanh(x: Array) -> Rule:
    scale, cubic = sqrt(2 / pi), 0.044715
    t = namespace_of(x).tanh(scale * (x + cubic * (x * x * x)))

    def dx(dy: Array) -> Array:
        slope = scale * (1 + 3 * cubic * (x * x))
        return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)

    return 0.5 * x * (1 + t), (dx,)


def gelu(x: Array, *, approximate: Literal["none", "tanh"] = "none") -> Array:
    """x times the probability that a standard normal number lies below x, elementwise.

    `approximate="tanh"` is the formula x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2 instead of the exact one with
    erf; they differ by up to 4.8e-4. Hendrycks and Gimpel, Gaussian error linear units (2016), section 2.

    Raises
    ------
    ValueError
        If `approximate` is neither 'none' nor 'tanh'.

    Examples
    --------
    >>> import numpy
    >>> gelu(numpy.asarray([-1.0, 0.0, 1.0])).round(4)
    array([-0.1587,  0.    ,  0.8413])
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate is 'none' (erf) or 'tanh', got {approximate!r}")
    return _gelu_tanh(x) if approximate == "tanh" else _gelu_exact(x)


def softmin(x: Array, *, axis: int = -1) -> Array:
    """softmax(-x) along `axis`: the smallest scores get the largest probabilities.

    Examples
    --------
    >>> import numpy
    >>> softmin(numpy.asarray([1e4, 0.0, 0.0]))
    array([0. , 0.5, 0.5])
    """
    return softmax(-x, axis=axis)


class Sigmoid(Module):
    """The layer of `sigmoid`. For training with `binary_cross_entropy_with_logits` leave it out: that takes logits."""

    def forward(self, x: Array) -> Array:
        return sigmoid(x)


class Tanh(Module):
    """The layer of `tanh`."""

    def forward(self, x: Array) -> Array:
        return tanh(x)


class ReLU(Module):
    """The layer of `relu`."""

    def forward(self, x: Array) -> Array:
        return relu(x)


class LeakyReLU(Module):
    """The layer of `leaky_relu`.

    Parameters
    ----------
    slope
        The factor where x is below 0.

    Examples
    --------
    >>> LeakyReLU(0.2)
    LeakyReLU(slope=0.2)
    """

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def forward(self, x: Array) -> Array:
        return leaky_relu(x, slope=self.slope)

    def describe(self) -> str:
        return f"slope={self.slope}"


class GELU(Module):
    """The layer of `gelu`.

    Parameters
    ----------
    approximate
        'none' for the exact function, or 'tanh'.

    Raises
    ------
    ValueError
        If `approximate` is neither.

    Examples
    --------
    >>> GELU(approximate="tanh")
    GELU(approximate='tanh')
    """

    def __init__(self, *, approximate: Literal["none", "tanh"] = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f"approximate is 'none' (erf) or 'tanh', got {approximate!r}")
        self.approximate = approximate

    def forward(self, x: Array) -> Array:
        return gelu(x, approximate=self.approximate)

    def describe(self) -> str:
        return f"approximate={self.approximate!r}"


class Softmax(Module):
    """The layer of `softmax` along `axis`. For training with `cross_entropy` leave it out: that loss takes logits."""

    def __init__(self, *, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return softmax(x, axis=self.axis)

    def describe(self) -> str:
        return f"axis={self.axis}"


class LogSoftmax(Module):
    """The layer of `log_softmax` along `axis`."""

    def __init__(self, *, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return log_softmax(x, axis=self.axis)

    def describe(self) -> str:
        return f"axis={self.axis}"


class Softmin(Module):
    """The layer of `softmin` along `axis`."""

    def __init__(self, *, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return softmin(x, axis=self.axis)

    def describe(self) -> str:
        return f"axis={self.axis}"


class Softmax2d(Module):
    """The softmax over the channels at each place, of images (N, C, H, W) or (C, H, W).

    Raises
    ------
    ValueError
        If the input has another number of axes.

    Examples
    --------
    >>> import numpy
    >>> Softmax2d()(numpy.zeros((2, 1, 1))).tolist()
    [[[0.5]], [[0.5]]]
    """

    def forward(self, x: Array) -> Array:
        namespace_of(x)
        if x.ndim not in (3, 4):
            raise ValueError(f"Softmax2d expected x of shape (N, C, H, W) or (C, H, W), got shape {x.shape}")
        return softmax(x, axis=-3)
