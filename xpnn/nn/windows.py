"""Windows: the small pieces of an image that convolutions and pools work on, and how to go over them.

An array of shape (n, channels, *lengths) is seen through a window with `kernel` elements along each axis, `dilation`
apart, that moves on by `stride`; beyond the borders lies `padding`. Window o holds, of each axis, the elements
o * stride + t * dilation - padding for the taps t = 0, ..., kernel - 1. Two functions are all that is needed:

    Columns          each window as a column of numbers: what a matrix product takes
    add_columns      the way back: each number is added to the element that it came from

Both go tap by tap: all elements that are under one tap are a slice of `x`, with the stride as its step. So nothing is
padded, and the loop is over the taps and not over the windows. Columns hold each element up to kernel times; they are
made in `blocks` that fit into a cache, a few images or a few rows of one, so that the memory needed is small.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from math import prod
from operator import index
from typing import Any, NamedTuple

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.arrays.native import block_elements

__all__ = [
    "Columns",
    "Lengths",
    "Range",
    "Ranges",
    "Window",
    "add_columns",
    "blocks",
    "counts",
    "described",
    "place",
    "size_of",
    "taps",
    "with_items",
    "without_items",
]

Lengths = tuple[int, ...]
Range = tuple[int, int]
Ranges = tuple[Range, ...]
Slices = tuple[slice, ...]


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


@lru_cache(maxsize=1024)
def taps(window: Window, lengths: Lengths, ranges: Ranges) -> tuple[tuple[Lengths, Slices, Slices], ...]:
    """For each tap: which it is, the slices of the elements under it, and the slices of the windows that have one.

    Windows are counted from the start of `ranges`, the part of them along each axis that is gone over. Taps that lie in
    the padding in all windows are left out.
    """
    each_axis = []
    for k, s, (before, _), d, n, (start, stop) in zip(*window, lengths, ranges, strict=True):
        found = []
        for tap in range(k):
            shift = tap * d - before  # window o has its tap at o * s + shift
            first = max(start, -(shift // s))  # the smallest o with o * s + shift >= 0
            last = min(stop - 1, (n - 1 - shift) // s)
            if first <= last:
                elements = slice(first * s + shift, last * s + shift + 1, s)
                found.append((tap, elements, slice(first - start, last + 1 - start)))
        each_axis.append(found)
    return tuple(
        (tuple(tap for tap, _, _ in chosen), tuple(x for _, x, _ in chosen), tuple(y for _, _, y in chosen))
        for chosen in product(*each_axis)
    )


def blocks(x: Array, items: int, outputs: Lengths, height: int) -> Iterator[tuple[slice, Ranges]]:
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


class Columns:
    """The windows of some items as columns, shape (channels, *kernel, items, *windows), zeros where there is padding.

    One memory serves block after block, since new memory takes longer to get than the numbers to write: with two
    threads a convolution takes 0.7 of the time. So what a call gives lasts until the next. With `rows_first` the shape
    is (channels, *kernel, rows, items, ...), rows being the windows along the first axis.
    """

    def __init__(self, x: Array, window: Window, *, rows_first: bool = False) -> None:
        self.x, self.window, self.rows_first = x, window, rows_first
        self.memory: dict[Any, Array] = {}

    def __call__(self, items: slice, ranges: Ranges) -> Array:
        x, window, every = self.x, self.window, slice(None)
        widths = tuple(b - a for a, b in ranges)
        shape = self._shape(items.stop - items.start, widths)
        here = taps(window, x.shape[2:], ranges)
        whole = tuple(slice(0, n) for n in widths)
        padded = len(here) < prod(window.kernel) or any(those != whole for _, _, those in here)
        found = self._memory(shape, ranges if padded else None)
        places = self._items_first(found) if self.rows_first else found
        for tap, elements, those in here:
            places[(every, *tap, every, *those)] = _exchanged(x[(items, every, *elements)])
        return found

    def _shape(self, items: int, widths: Lengths) -> Lengths:
        first = (widths[0], items, *widths[1:]) if self.rows_first else (items, *widths)
        return (self.x.shape[1], *self.window.kernel, *first)

    def _items_first(self, found: Array) -> Array:
        axes = list(range(found.ndim))
        items = 1 + len(self.window.kernel)
        axes[items : items + 2] = axes[items + 1], axes[items]
        return namespace_of(found).permute_dims(found, tuple(axes))

    def _memory(self, shape: Lengths, padded: Ranges | None) -> Array:
        """An array of this shape, with zeros where there is padding: those that the same ranges left there before."""
        found = self.memory.get((shape, padded))
        if found is None:
            make = namespace_of(self.x).empty if padded is None else namespace_of(self.x).zeros
            found = make(shape, dtype=self.x.dtype, device=array_device(self.x))
            self.memory = {(shape, padded): found}
        return found


def add_columns(total: Array, rows: Array, window: Window, items: slice, ranges: Ranges) -> None:
    """Add `rows`, of the shape of `Columns`, to the elements of `total` that they stand for."""
    every = slice(None)
    for tap, elements, those in taps(window, total.shape[2:], ranges):
        total[(items, every, *elements)] += _exchanged(rows[(every, *tap, every, *those)])


def _exchanged(x: Array) -> Array:
    """`x` with its first two axes exchanged: the items and the channels."""
    return namespace_of(x).permute_dims(x, (1, 0, *range(2, x.ndim)))


def size_of(ranges: Ranges) -> int:
    """How many windows there are in `ranges`."""
    return prod(b - a for a, b in ranges)


def place(items: slice, ranges: Ranges) -> tuple[slice, ...]:
    """Where the windows of a block are in an array of shape (n, channels, *windows)."""
    return (items, slice(None), *(slice(*r) for r in ranges))
