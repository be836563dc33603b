"""Layers that change the shape of an array and none of its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.broadcasting import axis_of
from xpnn.nn.module import Module

__all__ = ["Flatten", "Identity", "Unflatten", "flatten", "unflatten"]


def flatten(x: Array, *, start_axis: int = 1, end_axis: int = -1) -> Array:
    """`x` with the axes from `start_axis` to `end_axis`, both included, as one.

    Raises
    ------
    ValueError
        If there are no such axes, or they are in the wrong order.

    Examples
    --------
    >>> import numpy
    >>> flatten(numpy.zeros((2, 3, 4))).shape
    (2, 12)
    """
    return _flatten("flatten", x, start_axis, end_axis)


def _flatten(who: str, x: Array, start_axis: int, end_axis: int) -> Array:
    xp = namespace_of(x)
    start, end = (_axis(who, x, axis) for axis in (start_axis, end_axis))
    if start > end:
        raise ValueError(f"{who} expected start_axis before end_axis, got {start_axis} and {end_axis}")
    return xp.reshape(x, (*x.shape[:start], prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


def _axis(who: str, x: Array, axis: int) -> int:
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"{who} expected x with an axis {axis}, got shape {x.shape}")
    return axis_of(axis, x.ndim)


def unflatten(x: Array, axis: int, shape: Sequence[int]) -> Array:
    """`x` with `axis` as several axes of `shape`, of which one may be -1: what remains.

    Raises
    ------
    ValueError
        If there is no such axis, or its length is not the product of `shape`.

    Examples
    --------
    >>> import numpy
    >>> unflatten(numpy.zeros((2, 12)), 1, (3, -1)).shape
    (2, 3, 4)
    """
    return _unflatten("unflatten", x, axis, shape)


def _unflatten(who: str, x: Array, axis: int, shape: Sequence[int]) -> Array:
    xp = namespace_of(x)
    place, lengths = _axis(who, x, axis), list(shape)
    length, known = x.shape[place], prod(n for n in lengths if n != -1)
    if lengths.count(-1) == 1 and known > 0:
        lengths[lengths.index(-1)] = length // known
    if not lengths or min(lengths) < 0 or prod(lengths) != length:
        raise ValueError(f"{who} expected a shape whose product is {length}, the length of axis {axis}, got {shape}")
    return xp.reshape(x, (*x.shape[:place], *lengths, *x.shape[place + 1 :]))


class Flatten(Module):
    """The layer of `flatten`: from (N, C, H, W) to (N, C H W), say.

    Parameters
    ----------
    start_axis, end_axis
        The first and the last of the axes that become one.

    Raises
    ------
    ValueError
        If the input has no such axes, or they are in the wrong order.

    Examples
    --------
    >>> Flatten(start_axis=2)
    Flatten(start_axis=2, end_axis=-1)
    """

    def __init__(self, *, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis, self.end_axis = start_axis, end_axis

    def forward(self, x: Array) -> Array:
        return _flatten("Flatten", x, self.start_axis, self.end_axis)

    def describe(self) -> str:
        usual = (self.start_axis, self.end_axis) == (1, -1)
        return "" if usual else f"start_axis={self.start_axis}, end_axis={self.end_axis}"


class Unflatten(Module):
    """The layer of `unflatten`: from (N, C H W) to (N, C, H, W), say.

    Parameters
    ----------
    axis
        The axis that becomes several.
    shape
        Their lengths, of which one may be -1.

    Raises
    ------
    ValueError
        If the input has no such axis, or its length is not the product of `shape`.

    Examples
    --------
    >>> Unflatten(1, (3, 4))
    Unflatten(1, (3, 4))
    """

    def __init__(self, axis: int, shape: Sequence[int]) -> None:
        self.axis, self.shape = axis, tuple(shape)

    def forward(self, x: Array) -> Array:
        return _unflatten("Unflatten", x, self.axis, self.shape)

    def describe(self) -> str:
        return f"{self.axis}, {self.shape}"


class Identity(Module):
    """The layer that gives its input: a place to put another one.

    Examples
    --------
    >>> Identity()(3.0)
    3.0
    """

    def forward(self, x: Array) -> Array:
        return x
