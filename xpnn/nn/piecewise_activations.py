"""Activations made of straight lines: hard sigmoid and hard tanh, shrinkage, thresholds.

Their derivatives are constant between the kinks, so they are written with masks, and by `maximum` and `minimum`, which
cost little; `where` would cost a dozen times as much. At a kink the derivative is the one that PyTorch takes.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.tape import as_one, differentiable, plain
from xpnn.nn.building import require_floating_input
from xpnn.nn.module import Module

__all__ = [
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "ReLU6",
    "Softshrink",
    "Threshold",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "relu6",
    "softshrink",
    "threshold",
]

Rule = Any  # (value, backward)


def _between(x: Array, low: float, high: float, dtype: Any) -> Array:
    """1 where low < x < high, else 0."""
    return namespace_of(x).astype((x > low) & (x < high), dtype)


def _clipped(x: Array, low: float, high: float) -> Array:
    xp = namespace_of(x)
    return xp.minimum(xp.maximum(x, low), high)


@differentiable
def _clip(x: Array, *, low: float, high: float, factor: float, offset: float) -> Rule:
    """`factor x + offset`, but at least `low` and at most `high`."""
    inside = _between(plain(x), (low - offset) / factor, (high - offset) / factor, x.dtype)

    def dx(dy: Array) -> Array:
        return dy * (inside * factor)

    return as_one(_clip, _clip_formula, x, low=low, high=high, factor=factor, offset=offset), (dx,)


def _clip_formula(x: Array, *, low: float, high: float, factor: float, offset: float) -> Array:
    return _clipped(x if factor == 1 and offset == 0 else x * factor + offset, low, high)


def hardtanh(x: Array, *, low: float = -1.0, high: float = 1.0) -> Array:
    """x, but at least `low` and at most `high`, elementwise; the derivative at both is 0.

    Collobert, Large scale machine learning (2004).

    Raises
    ------
    ValueError
        If `low` is not below `high`.
    TypeError
        If `x` is not floating-point.

    Examples
    --------
    >>> import numpy
    >>> hardtanh(numpy.asarray([-3.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """
    _check_order("hardtanh", low, high)
    require_floating_input("hardtanh", x)
    return _clip(x, low=low, high=high, factor=1.0, offset=0.0)


def _check_order(who: str, low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"{who} expected low < high, got {low} and {high}")


def relu6(x: Array) -> Array:
    """min(max(x, 0), 6), elementwise; the derivative at both is 0.

    Krizhevsky, Convolutional deep belief networks on CIFAR-10 (2010).

    Examples
    --------
    >>> import numpy
    >>> relu6(numpy.asarray([-1.0, 2.0, 9.0]))
    array([0., 2., 6.])
    """
    require_floating_input("relu6", x)
    return _clip(x, low=0.0, high=6.0, factor=1.0, offset=0.0)


def hardsigmoid(x: Array) -> Array:
    """min(max(x / 6 + 1/2, 0), 1), elementwise: three straight lines near the sigmoid.

    Courbariaux, Bengio and David, BinaryConnect (2015), with PyTorch's slope 1/6.

    Examples
    --------
    >>> import numpy
    >>> hardsigmoid(numpy.asarray([-4.0, 0.0, 1.5, 3.0]))
    array([0.  , 0.5 , 0.75, 1.  ])
    """
    require_floating_input("hardsigmoid", x)
    return _clip(x, low=0.0, high=1.0, factor=1 / 6, offset=0.5)


@differentiable
def hardswish(x: Array) -> Rule:
    """x hardsigmoid(x), elementwise: near `silu`, without its exponential.

    Howard and others, Searching for MobileNetV3 (2019), section 5.2.

    Examples
    --------
    >>> import numpy
    >>> hardswish(numpy.asarray([-4.0, 0.0, 1.5, 4.0]))
    array([-0.   ,  0.   ,  1.125,  4.   ])
    """
    require_floating_input("hardswish", x)
    inside = _between(plain(x), -3, 3, x.dtype)

    # hardsigmoid(x) + x / 6 between -3 and 3
    def dx(dy: Array) -> Array:
        return dy * (hardsigmoid(x) + _clip(x, low=-3.0, high=3.0, factor=1.0, offset=0.0) * (inside * (1 / 6)))

    return as_one(hardswish, _hardswish, x), (dx,)


def _hardswish(x: Array) -> Array:
    # below -3 the factor is 0, and 0 times infinity would be NaN
    return namespace_of(x).maximum(x, -3.0) * _clipped(x * (1 / 6) + 0.5, 0.0, 1.0)


@differentiable
def hardshrink(x: Array, *, threshold: float = 0.5) -> Rule:
    """x where |x| > `threshold`, else 0, elementwise.

    Donoho and Johnstone, Ideal spatial adaptation by wavelet shrinkage (1994): the hard threshold.

    Examples
    --------
    >>> import numpy
    >>> hardshrink(numpy.asarray([-1.0, 0.3, 0.5, 2.0]))
    array([-1.,  0.,  0.,  2.])
    """
    require_floating_input("hardshrink", x)
    xp = namespace_of(x)
    outside = xp.astype(xp.abs(x) > threshold, x.dtype)

    def dx(dy: Array) -> Array:
        return dy * outside

    return x * outside, (dx,)


@differentiable
def softshrink(x: Array, *, threshold: float = 0.5) -> Rule:
    """x moved towards 0 by `threshold`, and 0 where it would pass 0, elementwise.

    Donoho and Johnstone, Ideal spatial adaptation by wavelet shrinkage (1994): the soft threshold.

    Raises
    ------
    ValueError
        If `threshold` is below 0.

    Examples
    --------
    >>> import numpy
    >>> softshrink(numpy.asarray([-1.0, 0.3, 0.5, 2.0]))
    array([-0.5,  0. ,  0. ,  1.5])
    """
    if not threshold >= 0:
        raise ValueError(f"softshrink expected a threshold of 0 or more, got {threshold}")
    require_floating_input("softshrink", x)
    xp = namespace_of(x)
    outside = xp.astype(xp.abs(x) > threshold, x.dtype)

    def dx(dy: Array) -> Array:
        return dy * outside

    return as_one(softshrink, _softshrink, x, threshold=threshold), (dx,)


def _softshrink(x: Array, *, threshold: float) -> Array:
    return x - _clipped(x, -threshold, threshold)


@differentiable
def threshold(x: Array, *, threshold: float, value: float) -> Rule:
    """x where x > `threshold`, else `value`, elementwise; PyTorch's Threshold.

    Examples
    --------
    >>> import numpy
    >>> from xpnn import nn
    >>> nn.threshold(numpy.asarray([-1.0, 0.3, 2.0]), threshold=0.5, value=7.0)
    array([7., 7., 2.])
    """
    require_floating_input("threshold", x)
    xp = namespace_of(x)
    above = xp.astype(x > threshold, x.dtype)

    def dx(dy: Array) -> Array:
        return dy * above

    return as_one(_thresholded, _threshold, x, threshold=threshold, value=value), (dx,)


def _threshold(x: Array, *, threshold: float, value: float) -> Array:
    xp = namespace_of(x)
    if not (isfinite(value) and isfinite(threshold)):
        return xp.where(x > threshold, x, value)  # infinity times 0 would be NaN
    above = xp.astype(x > threshold, x.dtype)
    kept = xp.maximum(x, threshold) * above  # finite times 0 where it is not kept
    return kept + (1 - above) * value if value else kept


_thresholded = threshold  # which the option of that name hides inside


class Hardtanh(Module):
    """The layer of `hardtanh`.

    Parameters
    ----------
    low, high
        The bounds.

    Raises
    ------
    ValueError
        If `low` is not below `high`.

    Examples
    --------
    >>> Hardtanh(low=0.0)
    Hardtanh(low=0.0, high=1.0)
    """

    def __init__(self, *, low: float = -1.0, high: float = 1.0) -> None:
        _check_order("Hardtanh", low, high)
        self.low, self.high = low, high

    def forward(self, x: Array) -> Array:
        return hardtanh(x, low=self.low, high=self.high)

    def describe(self) -> str:
        return "" if (self.low, self.high) == (-1.0, 1.0) else f"low={self.low}, high={self.high}"


class ReLU6(Module):
    """The layer of `relu6`."""

    def forward(self, x: Array) -> Array:
        return relu6(x)


class Hardsigmoid(Module):
    """The layer of `hardsigmoid`."""

    def forward(self, x: Array) -> Array:
        return hardsigmoid(x)


class Hardswish(Module):
    """The layer of `hardswish`."""

    def forward(self, x: Array) -> Array:
        return hardswish(x)


class Hardshrink(Module):
    """The layer of `hardshrink`."""

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold

    def forward(self, x: Array) -> Array:
        return hardshrink(x, threshold=self.threshold)

    def describe(self) -> str:
        return f"threshold={self.threshold}"


class Softshrink(Module):
    """The layer of `softshrink`.

    Raises
    ------
    ValueError
        If `threshold` is below 0.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        if not threshold >= 0:
            raise ValueError(f"Softshrink expected a threshold of 0 or more, got {threshold}")
        self.threshold = threshold

    def forward(self, x: Array) -> Array:
        return softshrink(x, threshold=self.threshold)

    def describe(self) -> str:
        return f"threshold={self.threshold}"


class Threshold(Module):
    """The layer of `threshold`."""

    def __init__(self, threshold: float, value: float) -> None:
        self.threshold, self.value = threshold, value

    def forward(self, x: Array) -> Array:
        return threshold(x, threshold=self.threshold, value=self.value)

    def describe(self) -> str:
        return f"threshold={self.threshold}, value={self.value}"
