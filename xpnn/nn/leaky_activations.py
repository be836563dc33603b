"""Leaky ReLUs whose slope is not fixed: trained in PReLU, random in RReLU."""

from __future__ import annotations

from math import isfinite, prod
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import from_number
from xpnn.arrays.random import fractions, fresh_seed
from xpnn.autodiff.broadcasting import sum_to
from xpnn.autodiff.tape import as_one, differentiable, plain
from xpnn.nn.activations import leaky_relu
from xpnn.nn.building import filled, positive, require_dtype, require_floating_input
from xpnn.nn.declarations import Buffer, Parameter
from xpnn.nn.module import Module

__all__ = ["PReLU", "RReLU", "prelu", "rrelu"]

Rule = Any  # (value, backward)


@differentiable
def _leaky(x: Array, slope: Array) -> Rule:
    """x where x > 0, else `slope` x; the slope stretches over `x`."""
    xp = namespace_of(x, slope)
    above = xp.astype(x > 0, x.dtype)
    shape = slope.shape

    # 1 above 0, the slope elsewhere
    def dx(dy: Array) -> Array:
        return dy * (slope * (1 - above) + above)

    # x below 0
    def dslope(dy: Array) -> Array:
        return sum_to(dy * as_one(_below, _below_formula, x), shape)

    return as_one(_leaky, _leaky_formula, x, slope), (dx, dslope)


def _leaky_formula(x: Array, slope: Array) -> Array:
    xp = namespace_of(x, slope)
    return xp.maximum(x, 0.0) + xp.minimum(x, 0.0) * slope


@differentiable
def _below(x: Array) -> Rule:
    """min(x, 0), with derivative 1 at 0."""
    xp = namespace_of(x)
    not_above = xp.astype(x <= 0, x.dtype)

    def dx(dy: Array) -> Array:
        return dy * not_above

    return as_one(_below, _below_formula, x), (dx,)


def _below_formula(x: Array) -> Array:
    return namespace_of(x).minimum(x, 0.0)


def prelu(x: Array, w: Array) -> Array:
    """x where x > 0, else w x, with a slope `w` that is trained.

    He, Zhang, Ren and Sun, Delving deep into rectifiers (2015), equation 1.

    Parameters
    ----------
    x
        Any shape; with several slopes (N, C, ...).
    w
        One slope, shape (1,), or one for each channel, shape (C,).

    Raises
    ------
    ValueError
        If `w` is neither.
    TypeError
        If `x` is not floating-point, or `w` has another dtype.

    Examples
    --------
    >>> import numpy
    >>> prelu(numpy.asarray([-1.0, 2.0]), numpy.asarray([0.25]))
    array([-0.25,  2.  ])
    """
    require_floating_input("prelu", x)
    require_dtype("prelu", x, w)
    channels = x.shape[1] if x.ndim > 1 else 1
    if w.ndim != 1 or w.shape[0] not in (1, channels):
        raise ValueError(f"prelu expected w of shape (1,) or ({channels},), one for each channel, got shape {w.shape}")
    shape = (1,) * x.ndim if w.shape[0] == 1 else (1, channels) + (1,) * (x.ndim - 2)
    return _leaky(x, namespace_of(w).reshape(w, shape))


def rrelu(
    x: Array, *, low: float = 1 / 8, high: float = 1 / 3, seed: int, stream: str = "rrelu", step: Any = 0
) -> Array:
    """x where x > 0, else x times a random slope, uniform from `low` to `high`, of each element's own.

    The slopes are a function of (seed, stream, step, element), as the masks of `dropout`. In evaluation the slope is
    the mean, (low + high) / 2. Xu, Wang, Chen and Li, Empirical evaluation of rectified activations in convolutional
    network (2015).

    Raises
    ------
    ValueError
        If `low` is above `high`.
    TypeError
        If `x` is not floating-point.

    Examples
    --------
    >>> import numpy
    >>> y = rrelu(numpy.asarray([-1.0, 2.0]), seed=0)
    >>> bool(-1 / 3 <= y[0] <= -1 / 8), float(y[1])
    (True, 2.0)
    """
    if not low <= high:
        raise ValueError(f"rrelu expected low <= high, got {low} and {high}")
    require_floating_input("rrelu", x)
    inner = plain(x)
    u = fractions(prod(x.shape), seed=seed, stream=stream, step=plain(step), like=inner)
    slope = namespace_of(u).reshape(u, x.shape) * (high - low) + low
    return _leaky(x, slope)


class PReLU(Module):
    """The layer of `prelu`: a leaky ReLU whose slopes are trained.

    Parameters
    ----------
    channels
        1 slope for all, or one for each channel.
    initial
        The slopes at first.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight
        Shape (channels,).

    Raises
    ------
    ValueError
        If `channels` is not a positive integer, or neither 1 nor the length of axis 1 of the input.
    TypeError
        If the input has another dtype than the weight.

    Examples
    --------
    >>> PReLU(3)
    PReLU(3)
    """

    weight: Array

    def __init__(self, channels: int = 1, *, initial: float = 0.25, dtype: str = "float32") -> None:
        self.channels, self.initial = positive("PReLU", "channels", channels), initial
        self.weight = Parameter(filled("PReLU", (self.channels,), initial, dtype))

    def reset(self, *, seed: int, path: str) -> None:
        self.weight[...] = self.initial

    def forward(self, x: Array) -> Array:
        require_dtype("PReLU", x, self.weight)
        if self.channels > 1 and tuple(x.shape[1:2]) != (self.channels,):
            raise ValueError(f"PReLU expected axis 1 of x to be {self.channels} (channels), got shape {x.shape}")
        return prelu(x, self.weight)

    def describe(self) -> str:
        return str(self.channels)


class RReLU(Module):
    """In training `rrelu` with new slopes each call, in evaluation a leaky ReLU with the mean slope.

    Parameters
    ----------
    low, high
        The bounds of the slopes.

    Attributes
    ----------
    calls
        Number of draws so far, an int64 array of shape (): see `Dropout`.

    Raises
    ------
    ValueError
        If `low` is above `high`.

    Examples
    --------
    >>> import numpy
    >>> RReLU(low=0.1, high=0.3).eval()(numpy.asarray([-1.0, 2.0])).round(3)
    array([-0.2,  2. ])
    """

    calls: Array
    _counters = ("calls",)

    def __init__(self, *, low: float = 1 / 8, high: float = 1 / 3) -> None:
        if not low <= high or not isfinite(high - low):
            raise ValueError(f"RReLU expected low <= high, got {low} and {high}")
        self.low, self.high = low, high
        self.seed, self.stream = fresh_seed(), "rrelu"
        self.calls = Buffer(from_number(0))

    def reset(self, *, seed: int, path: str) -> None:
        self.seed, self.stream = seed, f"rrelu/{path}"
        self.calls[...] = 0

    def forward(self, x: Array) -> Array:
        if not self.training:
            return leaky_relu(x, slope=(self.low + self.high) / 2)
        y = rrelu(x, low=self.low, high=self.high, seed=self.seed, stream=self.stream, step=self.calls)
        self.calls[...] = self.calls + 1
        return y

    def describe(self) -> str:
        return f"low={self.low:g}, high={self.high:g}"
