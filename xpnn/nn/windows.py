"""Windows: the small pieces of an image that convolutions and pools work on, and how to go over them.

An array of shape (n, channels, *lengths) is seen through a window with `kernel` elements along each axis, `dilation`
apart, that moves on by `stride`; beyond the borders lies `padding`. Window o holds, of each axis, the elements
o * stride + t * dilation - padding for the taps t = 0, ..., kernel - 1. Two functions are all that is needed:

    columns(x)       each window as a column of numbers: what a matrix product takes
    add_columns(..)  the way back: each number is added to the element that it came from

Both go tap by tap: all elements that are under one tap are a slice of `x`, with the stride as its step. So nothing is
padded, and the loop is over the taps and not over the windows. Columns hold each element up to kernel times; they are
made in `blocks` that fit into a cache, a few images or a few rows of one, so that the memory needed is small.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from operator import index
from typing import Any, NamedTuple

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.arrays.native import block_elements

__all__ = [
    "Lengths",
    "Range",
    "Window",
    "add_columns",
    "blocks",
    "columns",
    "counts",
    "described",
    "taps",
    "with_items",
    "without_items",
]

Lengths = tuple[int, ...]
Range = tuple[int, int]


class Window(NamedTuple):
    """A window and how it moves: for each axis of the image, padding as the numbers before and behind."""

    kernel: Lengths
    stride: Lengths
    padding: tuple[Range, ...]
    dilation: Lengths

    def spans(self) -> Lengths:
        """How many elements a window reaches over."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def outputs(self, lengths: Lengths, *, partial: bool = False) -> Lengths:
        """How many windows there are along each axis; `partial`: also a last one that reaches beyond the padding."""
        found = []
        for n, span, s, (before, behind) in zip(lengths, self.spans(), self.stride, self.padding, strict=True):
            steps = n + before + behind - span
            count = (steps + s - 1) // s + 1 if partial else steps // s + 1
            if partial and (count - 1) * s >= n + before:  # it would begin in the padding behind
                count -= 1
            found.append(count)
        return tuple(found)


def counts(who: str, name: str, given: Any, axes: int, *, least: int = 1) -> Lengths:
    """One integer of `least` or more for each axis, from one for all or one for each.

    Raises
    ------
    ValueError
        If it is neither.
    """
    parts = given if isinstance(given, tuple | list) else (given,) * axes
    whole = [not isinstance(n, bool) and hasattr(n, "__index__") and index(n) >= least for n in parts]
    if len(parts) != axes or not all(whole):
        kind = "a positive integer" if least == 1 else f"an integer of {least} or more"
        each = "" if axes == 1 else f", or {axes} of them"
        raise ValueError(f"{who} expected {name} to be {kind}{each}, got {given!r:.60}")
    return tuple(index(n) for n in parts)


def described(given: tuple[Any, ...]) -> str:
    """`given` as in a call: one number if all are equal."""
    return str(given[0]) if len(set(given)) == 1 else str(given)


def with_items(who: str, x: Array, axes: int, channels: int | None = None) -> Array:
    """`x`, shape (n, channels, *lengths) or for one item (channels, *lengths), with the axis of items.

    Raises
    ------
    ValueError
        If `x` has another number of axes or of channels.
    """
    xp = namespace_of(x)
    if x.ndim not in (axes + 1, axes + 2) or (channels is not None and x.shape[-axes - 1] != channels):
        names = ", ".join(("length", "height, width", "depth, height, width")[axes - 1].split(", "))
        number = "channels" if channels is None else f"{channels} channels"
        raise ValueError(f"{who} expected x of shape (n, {number}, {names}) or without n, got shape {x.shape}")
    return x if x.ndim == axes + 2 else xp.reshape(x, (1, *x.shape))


def without_items(y: Array, x: Array) -> Array:
    """`y` without the axis of items, if `x` has none."""
    return y if y.ndim == x.ndim else namespace_of(y).reshape(y, y.shape[1:])


# Going over windows


def taps(window: Window, lengths: Lengths, ranges: Sequence[Range]) -> Iterator[tuple[Lengths, Any, Any]]:
    """For each tap: which it is, the slices of the elements under it, and the slices of the windows that have one.

    Windows are counted from the start of `ranges`, the part of them along each axis that is gone over. Taps that lie in
    the padding in all windows are left out.
    """
    each_axis = []
    for k, s, d, (before, _), n, (start, stop) in zip(
        *window[:2], window.dilation, window.padding, lengths, ranges, strict=True
    ):
        found = []
        for tap in range(k):
            shift = tap * d - before  # window o has its tap at o * s + shift
            first = max(start, -(shift // s))  # the smallest o with o * s + shift >= 0
            last = min(stop - 1, (n - 1 - shift) // s)
            if first <= last:
                elements = slice(first * s + shift, last * s + shift + 1, s)
                found.append((tap, elements, slice(first - start, last + 1 - start)))
        each_axis.append(found)
    for chosen in product(*each_axis):
        yield tuple(tap for tap, _, _ in chosen), tuple(x for _, x, _ in chosen), tuple(y for _, _, y in chosen)


def blocks(x: Array, items: int, outputs: Lengths, height: int) -> Iterator[tuple[slice, tuple[Range, ...]]]:
    """Parts of the windows of all items, whose columns of `height` numbers have a good size: items, and ranges."""
    most = block_elements(x)
    sizes, below = [], height
    for n in reversed((items, *outputs)):
        size = max(1, min(n, most // max(1, below)))
        sizes.append(size)
        below *= n
    steps = [range(0, n, size) for n, size in zip((items, *outputs), reversed(sizes), strict=True)]
    for starts in product(*steps):
        first, *others = [(a, min(a + r.step, r.stop)) for a, r in zip(starts, steps, strict=True)]
        yield slice(*first), tuple(others)


def columns(x: Array, window: Window, items: slice, ranges: Sequence[Range]) -> Array:
    """The windows of some items: shape (items, channels, *kernel, *windows), zeros where there is padding."""
    xp = namespace_of(x)
    lengths = x.shape[2:]
    shape = (items.stop - items.start, x.shape[1], *window.kernel, *(b - a for a, b in ranges))
    make = xp.zeros if any(map(any, window.padding)) else xp.empty
    found = make(shape, dtype=x.dtype, device=array_device(x))
    every = slice(None)
    for tap, elements, those in taps(window, lengths, ranges):
        found[(every, every, *tap, *those)] = x[(items, every, *elements)]
    return found


def add_columns(total: Array, rows: Array, window: Window, items: slice, ranges: Sequence[Range]) -> None:
    """Add `rows`, of the shape that `columns` gives, to the elements of `total` that they stand for."""
    every = slice(None)
    for tap, elements, those in taps(window, total.shape[2:], ranges):
        total[(items, every, *elements)] += rows[(every, every, *tap, *those)]


def size_of(ranges: Sequence[Range]) -> int:
    """How many windows there are in `ranges`."""
    return prod(b - a for a, b in ranges)
