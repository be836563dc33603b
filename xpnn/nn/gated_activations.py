"""Gated linear units: one half of the features is let through as far as the other half, bent, says.

    glu(x) = a expit(b),    x = [a, b] along an axis

So a layer before it makes twice as many features as go on. The gate is the second half, as in PyTorch's GLU. Dauphin,
Fan, Auli and Grangier, Language modeling with gated convolutional networks (2017); the other gates are of
Shazeer, GLU variants improve transformer (2020).
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.broadcasting import axis_of
from xpnn.autodiff.rules.error_functions import ndtr
from xpnn.autodiff.rules.special import expit
from xpnn.autodiff.tape import differentiable
from xpnn.nn.activations import gelu, relu
from xpnn.nn.building import require_floating_input
from xpnn.nn.module import Module
from xpnn.nn.smooth_activations import silu

__all__ = ["GEGLU", "GLU", "ReGLU", "SwiGLU", "geglu", "glu", "reglu", "swiglu"]

Rule = Any  # (value, backward)
Gate = Callable[[Array], Array]
Slope = Callable[[Array, Array], Array]


@differentiable
def _gated(x: Array, *, axis: int, gate: Gate, slope: Slope) -> Rule:
    """a gate(b), and `slope(b, gate(b))`, the gate's derivative."""
    half = x.shape[axis] // 2
    before = (slice(None),) * axis
    a, b = x[(*before, slice(None, half), ...)], x[(*before, slice(half, None), ...)]
    g = gate(b)

    # [dy gate(b), dy a gate'(b)]
    def dx(dy: Array) -> Array:
        return namespace_of(dy).concat([dy * g, dy * (slope(b, g) * a)], axis=axis)

    return a * g, (dx,)


def _halved(who: str, x: Array, axis: int) -> int:
    """The axis counted from the front, if it has two halves."""
    require_floating_input(who, x)
    if not -x.ndim <= axis < x.ndim or x.shape[axis] % 2 or not x.shape[axis]:
        raise ValueError(f"{who} expected axis {axis} of x to have an even length, got shape {x.shape}")
    return axis_of(axis, x.ndim)


def glu(x: Array, *, axis: int = -1) -> Array:
    """a expit(b), where a and b are the halves of `x` along `axis`.

    Parameters
    ----------
    x
        An even length along `axis`; the result has half of it.
    axis
        The axis that is halved.

    Raises
    ------
    ValueError
        If there is no such axis, or its length is odd.
    TypeError
        If `x` is not floating-point.

    Examples
    --------
    >>> import numpy
    >>> glu(numpy.asarray([[4.0, 6.0, 0.0, 1e4]]))
    array([[2., 6.]])
    """
    return _gated(x, axis=_halved("glu", x, axis), gate=expit, slope=_slope_of_expit)


def _slope_of_expit(b: Array, g: Array) -> Array:
    return g * (1 - g)


def reglu(x: Array, *, axis: int = -1) -> Array:
    """a max(b, 0), where a and b are the halves of `x` along `axis`; see `glu`.

    Examples
    --------
    >>> import numpy
    >>> reglu(numpy.asarray([[4.0, 6.0, -1.0, 2.0]]))
    array([[ 0., 12.]])
    """
    return _gated(x, axis=_halved("reglu", x, axis), gate=relu, slope=_slope_of_relu)


def _slope_of_relu(b: Array, g: Array) -> Array:
    return namespace_of(b).astype(b > 0, b.dtype)


def geglu(x: Array, *, axis: int = -1) -> Array:
    """a gelu(b), where a and b are the halves of `x` along `axis`; see `glu`.

    Examples
    --------
    >>> import numpy
    >>> geglu(numpy.asarray([[4.0, 6.0, 0.0, 1.0]])).round(4)
    array([[0.    , 5.0481]])
    """
    return _gated(x, axis=_halved("geglu", x, axis), gate=gelu, slope=_slope_of_gelu)


def _slope_of_gelu(b: Array, g: Array) -> Array:
    return ndtr(b) + namespace_of(b).exp(-0.5 * (b * b)) * (1 / sqrt(2 * pi)) * b


def swiglu(x: Array, *, axis: int = -1) -> Array:
    """a silu(b), where a and b are the halves of `x` along `axis`; see `glu`.

    Examples
    --------
    >>> import numpy
    >>> swiglu(numpy.asarray([[4.0, 6.0, 0.0, 1.0]])).round(4)
    array([[0.    , 4.3864]])
    """
    return _gated(x, axis=_halved("swiglu", x, axis), gate=silu, slope=_slope_of_silu)


def _slope_of_silu(b: Array, g: Array) -> Array:
    s = expit(b)
    return s + s * (1 - s) * b


class _Gated(Module):
    """A gated linear unit along an axis."""

    def __init__(self, *, axis: int = -1) -> None:
        self.axis = axis

    def describe(self) -> str:
        return f"axis={self.axis}"


class GLU(_Gated):
    """The layer of `glu`."""

    def forward(self, x: Array) -> Array:
        return glu(x, axis=self.axis)


class ReGLU(_Gated):
    """The layer of `reglu`."""

    def forward(self, x: Array) -> Array:
        return reglu(x, axis=self.axis)


class GEGLU(_Gated):
    """The layer of `geglu`."""

    def forward(self, x: Array) -> Array:
        return geglu(x, axis=self.axis)


class SwiGLU(_Gated):
    """The layer of `swiglu`."""

    def forward(self, x: Array) -> Array:
        return swiglu(x, axis=self.axis)
