"""Convolution with the taps of two axes taken apart: less to copy where windows lie next to one another.

Columns hold each element once for every tap, nine times for 3 x 3. But the windows of the next row see rows that this
row's windows saw as well. So columns are made for the taps of all axes but the first, and the weight of *each* tap of
the first axis is applied to all rows, in one product:

    part[t, o, r, p]  = Σ_c,s w[o, c, t, s] x[c, r, p + s · dilation - padding]
    y[o, r, p]        = Σ_t part[t, o, r + t · dilation, p]

With the rows as first axis of what is copied, `part[t, o, r + ...]` is one long piece of memory, and adding such pieces
costs NumPy little beside copying the short ones that columns consist of. 3 x 3 convolutions of 64 to 64 channels, there
and back, take 0.65 of the time of those by columns at 56 x 56, 0.76 at 14 x 14, on one thread.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.arrays.products import product
from xpnn.nn.windows import Columns, Lengths, Range, Ranges, Window, blocks, place, size_of

__all__ = ["by_rows", "correlation_by_rows", "convolution_by_rows", "mirrored"]

Taps = tuple[tuple[int, slice, slice], ...]


def by_rows(shape: Lengths, window: Window, groups: int) -> bool:
    """Whether this way is open, and shorter, for a weight of shape (outputs, channels / groups, *kernel).

    Adding the parts of a few outputs is cheap beside copying; for many outputs of few channels columns are small.
    """
    outputs, channels, taps, *others = shape
    return bool(others) and taps > 1 and window.stride[0] == 1 and channels * prod(others) >= outputs // groups


def mirrored(w: Array, window: Window, groups: int) -> tuple[Array, Window] | None:
    """The weight and the window of the convolution that is the transposed one; None if there is none, or it is longer.

    With a stride of 1 each element of x gets something of the windows around it: a convolution with the taps in
    opposite order, outputs and channels exchanged.
    """
    outputs, channels, *kernel = w.shape
    padding = tuple((n - 1 - p, n - 1 - q) for n, (p, q) in zip(window.spans(), window.padding, strict=True))
    shorter = outputs <= 2 * channels * groups * kernel[0]  # what is copied, to what would be added: slower by half
    if set(window.stride) != {1} or min(map(min, padding)) < 0 or not shorter:
        return None
    if not by_rows((channels * groups, outputs // groups, *kernel), window, groups):
        return None
    xp, axes = namespace_of(w), range(3, w.ndim + 1)
    each = xp.reshape(w, (groups, w.shape[0] // groups, *w.shape[1:]))
    each = xp.flip(xp.permute_dims(each, (0, 2, 1, *axes)), axis=tuple(axes))
    return xp.reshape(each, (-1, *each.shape[2:])), window._replace(padding=padding)


def convolution_by_rows(x: Array, w: Array, b: Array | None, window: Window, groups: int) -> Array:
    """`window_products.convolution` of arrays."""
    xp = namespace_of(x, w)
    outputs = window.outputs(x.shape[2:])
    y = xp.empty((x.shape[0], w.shape[0], *outputs), dtype=x.dtype, device=array_device(x))
    matrix, columns = _matrix(w, groups), _columns(x, window)
    offset = None if b is None else xp.reshape(b, (groups, -1, 1, 1))
    for items, ranges in blocks(x, x.shape[0], outputs, max(matrix.shape[1:]) * groups):
        seen, taps = _rows(window, x.shape[2], ranges[0])
        found = columns(items, (seen, *ranges[1:]))
        parts = product(matrix, xp.reshape(found, (groups, matrix.shape[2], -1)))
        sizes = (groups, window.kernel[0], w.shape[0] // groups, seen[1] - seen[0], _width(items, ranges))
        total = _sum_of_taps(xp.reshape(parts, sizes), taps, ranges[0][1] - ranges[0][0])
        if offset is not None:
            total += offset
        sizes = (w.shape[0], total.shape[2], items.stop - items.start, *(stop - start for start, stop in ranges[1:]))
        y[place(items, ranges)] = _items_first(xp.reshape(total, sizes))
    return y


def _sum_of_taps(parts: Array, taps: Taps, count: int) -> Array:
    """The parts of all taps, shape (groups, taps, outputs, rows, ...), added up where they belong, in `count` rows."""
    xp = namespace_of(parts)
    whole = [(tap, rows) for tap, those, rows in taps if those == slice(0, count)][:1]
    if whole:  # one that reaches all rows is the first, and the sum is written over it
        first, rows = whole[0]
        total = parts[:, first, :, rows, :]
    else:
        first, sizes = -1, (parts.shape[0], parts.shape[2], count, parts.shape[4])
        total = xp.zeros(sizes, dtype=parts.dtype, device=array_device(parts))
    for tap, those, rows in taps:
        if tap != first:
            total[:, :, those, :] += parts[:, tap, :, rows, :]
    return total


def correlation_by_rows(x: Array, y: Array, shape: Lengths, window: Window, groups: int) -> Array:
    """`window_products.correlation` of arrays: `shape` is that of the weight."""
    xp = namespace_of(x, y)
    height, outputs, columns = prod(shape[1:]) // shape[2], shape[0] // groups, _columns(x, window)
    total = xp.zeros((shape[2], groups, height, outputs), dtype=x.dtype, device=array_device(x))
    for items, ranges in blocks(x, x.shape[0], y.shape[2:], max(height * groups, shape[0])):
        seen, taps = _rows(window, x.shape[2], ranges[0])
        left = xp.reshape(columns(items, (seen, *ranges[1:])), (groups, height, -1))
        right, width = _as_rows(y[place(items, ranges)], groups), _width(items, ranges)
        for tap, those, rows in taps:
            total[tap, ...] += product(left[:, :, _scaled(rows, width)], right[:, _scaled(those, width), :])
    total = xp.reshape(total, (shape[2], groups, shape[1], -1, outputs))
    return xp.reshape(xp.permute_dims(total, (1, 4, 2, 0, 3)), shape)


@lru_cache(maxsize=1024)
def _rows(window: Window, length: int, outputs: Range) -> tuple[Range, Taps]:
    """Which rows of x some rows of windows see; and each tap, with the rows of windows and of those of x that it joins.

    Rows of padding are not among them, since they give nothing, nor are taps that see only such.
    """
    (start, stop), before = outputs, window.padding[0][0]
    first = min(max(0, start - before), length)
    last = max(first, min(length, stop - 1 + window.spans()[0] - before))
    found = []
    for tap in range(window.kernel[0]):
        shift = tap * window.dilation[0] - before  # the window of row o has its tap at row o + shift
        a, b = max(start, first - shift), min(stop, last - shift)
        if a < b:
            found.append((tap, slice(a - start, b - start), slice(a + shift - first, b + shift - first)))
    return (first, last), tuple(found)


def _matrix(w: Array, groups: int) -> Array:
    """The weight as a matrix for each group: of the first axis' taps and the outputs, by channels and other taps."""
    xp = namespace_of(w)
    each = xp.reshape(w, (groups, w.shape[0] // groups, *w.shape[1:3], -1))
    return xp.reshape(xp.permute_dims(each, (0, 3, 1, 2, 4)), (groups, w.shape[2] * w.shape[0] // groups, -1))


def _columns(x: Array, window: Window) -> Columns:
    """The columns of the taps of all axes but the first, of the rows of x itself."""
    alone = window._replace(kernel=(1, *window.kernel[1:]), padding=((0, 0), *window.padding[1:]))
    return Columns(x, alone, rows_first=True)


def _scaled(rows: slice, width: int) -> slice:
    return slice(rows.start * width, rows.stop * width)


def _width(items: slice, ranges: Ranges) -> int:
    """How many numbers a row has."""
    return int(items.stop - items.start) * size_of(ranges[1:])


def _as_rows(y: Array, groups: int) -> Array:
    """(items, outputs, rows, ...) as (groups, rows · items · ..., outputs / groups).

    Stored so, since OpenBLAS packs it faster than its transposed: a product of 14 ms for 17.
    """
    xp = namespace_of(y)
    each = xp.reshape(y, (y.shape[0], groups, -1, *y.shape[2:]))
    each = xp.permute_dims(each, (1, 3, 0, *range(4, each.ndim), 2))
    return xp.reshape(each, (groups, -1, y.shape[1] // groups))


def _items_first(x: Array) -> Array:
    """The way back."""
    return namespace_of(x).permute_dims(x, (2, 0, 1, *range(3, x.ndim)))
