"""Pooling to a given size, whatever that of the input; global pools give one number for each channel.

Of n elements along an axis, output i of m gets those from floor(i n / m) to ceil((i + 1) n / m): windows of equal
lengths where m divides n; else their lengths differ by one and neighbours may share an element.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.arrays.native import sum_over
from xpnn.arrays.recording import recordable
from xpnn.autodiff.tape import as_one, differentiable
from xpnn.nn.building import require_floating_input
from xpnn.nn.max_pooling import largest, numbered, places_of_largest
from xpnn.nn.module import Module
from xpnn.nn.windows import Lengths, Range, Window, counts, described, with_items, without_items

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "global_avg_pool",
    "global_max_pool",
]

Counts: TypeAlias = int | tuple[int | None, ...]
Rule = Any  # (value, backward)


def adaptive_avg_pool1d(x: Array, output_size: Counts) -> Array:
    """Sequences, (n, channels, length), averaged to a given length; see `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy
    >>> adaptive_avg_pool1d(numpy.asarray([[1.0, 2.0, 3.0, 4.0, 5.0]]), 2)
    array([[2., 4.]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, x, output_size)


def adaptive_avg_pool2d(x: Array, output_size: Counts) -> Array:
    """Images averaged to a given size.

    Parameters
    ----------
    x
        Images, shape (n, channels, height, width), or one without n.
    output_size
        One integer, or (height', width'); None in a place leaves the length as it is.

    Returns
    -------
    array
        Shape (n, channels, height', width'): the means of the windows described in `xpnn.nn.adaptive_pooling`.

    Raises
    ------
    ValueError
        If `output_size` is something else, or `x` has another number of axes or no elements.
    TypeError
        If `x` is not an array of real floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> adaptive_avg_pool2d(numpy.asarray([[[1.0, 2.0], [3.0, 4.0], [8.0, 9.0]]]), (2, 1))
    array([[[2.5],
            [6. ]]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, x, output_size)


def adaptive_avg_pool3d(x: Array, output_size: Counts) -> Array:
    """Volumes, (n, channels, depth, height, width), averaged to a given size; see `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, x, output_size)


def adaptive_max_pool1d(x: Array, output_size: Counts, *, return_indices: bool = False) -> Any:
    """The largest elements of a given number of windows of sequences, (n, channels, length).

    `return_indices` gives as well where they were, as in `max_pool2d`; the rest is as in `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy
    >>> adaptive_max_pool1d(numpy.asarray([[1.0, 2.0, 3.0, 4.0, 5.0]]), 2)
    array([[3., 5.]])
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, x, output_size, return_indices)


def adaptive_max_pool2d(x: Array, output_size: Counts, *, return_indices: bool = False) -> Any:
    """The largest elements of a given number of windows of images; options as of `adaptive_max_pool1d`."""
    return _adaptive_max_pool("adaptive_max_pool2d", 2, x, output_size, return_indices)


def adaptive_max_pool3d(x: Array, output_size: Counts, *, return_indices: bool = False) -> Any:
    """The largest elements of a given number of windows of volumes; options as of `adaptive_max_pool1d`."""
    return _adaptive_max_pool("adaptive_max_pool3d", 3, x, output_size, return_indices)


def global_avg_pool(x: Array) -> Array:
    """The mean of each channel: from shape (n, channels, ...) to (n, channels).

    Lin, Chen and Yan, Network in network (2014), section 3.2.

    Raises
    ------
    ValueError
        If `x` has less than three axes, or nothing behind its channels.
    TypeError
        If `x` is not an array of real floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> global_avg_pool(numpy.asarray([[[1.0, 2.0], [3.0, 5.0]]]))
    array([[1.5, 4. ]])
    """
    return namespace_of(x).mean(_flat("global_avg_pool", x), axis=-1)


def global_max_pool(x: Array) -> Array:
    """The largest element of each channel: from shape (n, channels, ...) to (n, channels).

    Equal largest elements share the gradient. Errors are those of `global_avg_pool`.

    Examples
    --------
    >>> import numpy
    >>> global_max_pool(numpy.asarray([[[1.0, 2.0], [3.0, 5.0]]]))
    array([[2., 5.]])
    """
    return namespace_of(x).max(_flat("global_max_pool", x), axis=-1)


def _flat(who: str, x: Array) -> Array:
    require_floating_input(who, x)
    size = 1
    for n in x.shape[2:]:
        size *= n
    if x.ndim < 3 or size == 0:
        raise ValueError(f"{who} expected x of shape (n, channels, ...) with elements in them, got shape {x.shape}")
    return namespace_of(x).reshape(x, (*x.shape[:2], size))


def _adaptive_avg_pool(who: str, axes: int, x: Array, output_size: Any) -> Array:
    items, sizes = _checked(who, axes, x, output_size)
    y = items
    for axis, (n, m) in enumerate(zip(items.shape[2:], sizes, strict=True), start=2):
        if n != m:
            y = _means(y, axis=axis, ranges=_ranges(n, m))
    return without_items(y, x)


def _adaptive_max_pool(who: str, axes: int, x: Array, output_size: Any, return_indices: bool) -> Any:
    items, sizes = _checked(who, axes, x, output_size)
    parts, kernel = [items, *([numbered(items)] if return_indices else [])], []
    for axis, (n, m) in enumerate(zip(items.shape[2:], sizes, strict=True), start=2):
        ranges = _ranges(n, m)
        kernel.append(max(b - a for a, b in ranges))
        if n % m:  # windows of equal lengths, in which an element may come twice: the second is never the first largest
            places = [min(a + t, b - 1) for a, b in ranges for t in range(kernel[-1])]
            parts = [_taken(part, places, axis) for part in parts]
    window = Window(tuple(kernel), tuple(kernel), ((0, 0),) * axes, (1,) * axes)
    y = largest(parts[0], window=window, outputs=sizes)
    if not return_indices:
        return without_items(y, x)
    return without_items(y, x), without_items(places_of_largest(parts[0], y, window, parts[1]), x)


def _taken(x: Array, places: list[int], axis: int) -> Array:
    xp = namespace_of(x)
    return xp.take(x, xp.asarray(places, device=array_device(x)), axis=axis)


def _ranges(n: int, m: int) -> tuple[Range, ...]:
    """Which of n elements belong to each of m outputs."""
    return tuple((i * n // m, -(-(i + 1) * n // m)) for i in range(m))


def _checked(who: str, axes: int, x: Array, output_size: Any) -> tuple[Array, Lengths]:
    require_floating_input(who, x)
    items = with_items(who, x, axes)
    lengths = items.shape[2:]
    if 0 in lengths:
        raise ValueError(f"{who} expected x with elements behind its channels, got shape {x.shape}")
    if isinstance(output_size, tuple | list) and len(output_size) == axes:
        output_size = tuple(n if m is None else m for m, n in zip(output_size, lengths, strict=True))
    return items, counts(who, "output_size", output_size, axes)


@differentiable
def _means(x: Array, *, axis: int, ranges: tuple[Range, ...]) -> Rule:
    """The mean of each range of an axis."""
    length = x.shape[axis]

    def dx(dy: Array) -> Array:
        return _shares(dy, axis=axis, ranges=ranges, length=length)

    return as_one(_means, _range_means, x, axis=axis, ranges=ranges), (dx,)


@differentiable
def _shares(y: Array, *, axis: int, ranges: tuple[Range, ...], length: int) -> Rule:
    """The transposed of `_means`: each element divided among its range."""

    def dy_(dx: Array) -> Array:
        return _means(dx, axis=axis, ranges=ranges)

    return as_one(_shares, _range_shares, y, axis=axis, ranges=ranges, length=length), (dy_,)


@recordable
def _range_means(x: Array, *, axis: int, ranges: tuple[Range, ...]) -> Array:
    front = (slice(None),) * axis
    shape = (*x.shape[:axis], len(ranges), *x.shape[axis + 1 :])
    means = namespace_of(x).empty(shape, dtype=x.dtype, device=array_device(x))
    for i, (a, b) in enumerate(ranges):
        means[(*front, i, ...)] = sum_over(x[(*front, slice(a, b), ...)], axis=axis) / (b - a)
    return means


@recordable
def _range_shares(y: Array, *, axis: int, ranges: tuple[Range, ...], length: int) -> Array:
    front = (slice(None),) * axis
    shape = (*y.shape[:axis], length, *y.shape[axis + 1 :])
    total = namespace_of(y).zeros(shape, dtype=y.dtype, device=array_device(y))
    for i, (a, b) in enumerate(ranges):
        total[(*front, slice(a, b), ...)] += y[(*front, slice(i, i + 1), ...)] / (b - a)
    return total


class _AdaptivePool(Module):
    """What the layers share: the size, and where the largest elements are."""

    _axes: int

    def _set(self, output_size: Counts, *, return_indices: bool = False) -> None:
        parts = output_size if isinstance(output_size, tuple | list) else (output_size,) * self._axes
        self.output_size, self.return_indices = tuple(parts), return_indices
        counts(type(self).__name__, "output_size", tuple(1 if n is None else n for n in parts), self._axes)

    def describe(self) -> str:
        return described(self.output_size) + (", return_indices=True" if self.return_indices else "")


class _AdaptiveAvgPool(_AdaptivePool):
    def __init__(self, output_size: Counts) -> None:
        self._set(output_size)

    def forward(self, x: Array) -> Array:
        return _adaptive_avg_pool(type(self).__name__, self._axes, x, self.output_size)


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(self, output_size: Counts, *, return_indices: bool = False) -> None:
        self._set(output_size, return_indices=return_indices)

    def forward(self, x: Array) -> Any:
        return _adaptive_max_pool(type(self).__name__, self._axes, x, self.output_size, self.return_indices)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The layer of `adaptive_avg_pool1d`."""

    _axes = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The layer of `adaptive_avg_pool2d`.

    Examples
    --------
    >>> AdaptiveAvgPool2d((4, None))
    AdaptiveAvgPool2d((4, None))
    """

    _axes = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The layer of `adaptive_avg_pool3d`."""

    _axes = 3


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The layer of `adaptive_max_pool1d`."""

    _axes = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The layer of `adaptive_max_pool2d`."""

    _axes = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The layer of `adaptive_max_pool3d`."""

    _axes = 3


class GlobalAvgPool(Module):
    """The layer of `global_avg_pool`."""

    def forward(self, x: Array) -> Array:
        return global_avg_pool(x)


class GlobalMaxPool(Module):
    """The layer of `global_max_pool`."""

    def forward(self, x: Array) -> Array:
        return global_max_pool(x)
