"""Convolution by matrix products: three operations, each bilinear, that are one another's derivatives.

    convolution(x, w, b)   y[n, o, p] = b[o] + Σ_c,t w[o, c, t] x[n, c, p·stride + t·dilation - padding]
    spreading(y, w)        the transposed of it in x: each y adds w to the elements of its window
    correlation(x, y)      the transposed of it in w: how the elements under each tap go with y

A convolution's derivative in x is a spreading and in w a correlation; a transposed convolution *is* a spreading. The
derivatives of these two are again among the three, so derivatives of all orders are. Each is computed in `blocks`:
the columns of some windows, (channels · taps, windows), times the weight as a matrix. Lengths as in `windows`; with
`groups`, weights have shape (outputs, channels / groups, *kernel), and each group of outputs sees its own channels.
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.arrays.native import sum_over
from xpnn.arrays.products import product
from xpnn.arrays.recording import recordable
from xpnn.autodiff.broadcasting import conjugate
from xpnn.autodiff.tape import as_one, differentiable
from xpnn.nn.window_rows import by_rows, convolution_by_rows, correlation_by_rows, mirrored
from xpnn.nn.windows import Columns, Lengths, Ranges, Window, add_columns, blocks, place, size_of

__all__ = ["convolution", "correlation", "spreading"]

Rule = Any  # (value, backward)


@differentiable
def convolution(x: Array, w: Array, b: Array | None, *, window: Window, groups: int) -> Rule:
    """The products of all windows of `x` with `w`, summed, plus `b`: shape (n, outputs, *windows)."""
    lengths = x.shape[2:]

    def dx(dy: Array) -> Array:
        return spreading(dy, conjugate(w), None, lengths=lengths, window=window, groups=groups)

    def dw(dy: Array) -> Array:
        return correlation(conjugate(x), dy, window=window, groups=groups)

    return as_one(convolution, _convolution, x, w, b, window=window, groups=groups), (dx, dw, _sum_of_items)


@differentiable
def spreading(y: Array, w: Array, b: Array | None, *, lengths: Lengths, window: Window, groups: int) -> Rule:
    """Each element of `y` times `w`, added up where its window lies, plus `b`: shape (n, channels, *lengths)."""

    def dy_(dx: Array) -> Array:
        return convolution(dx, conjugate(w), None, window=window, groups=groups)

    def dw(dx: Array) -> Array:
        return correlation(dx, conjugate(y), window=window, groups=groups)

    options: Any = {"lengths": lengths, "window": window, "groups": groups}
    return as_one(spreading, _spreading, y, w, b, **options), (dy_, dw, _sum_of_items)


@differentiable
def correlation(x: Array, y: Array, *, window: Window, groups: int) -> Rule:
    """The elements of `x` under each tap times `y`, summed over items and windows: the shape of a weight."""
    lengths = x.shape[2:]

    def dx(dw: Array) -> Array:
        return spreading(conjugate(y), dw, None, lengths=lengths, window=window, groups=groups)

    def dy_(dw: Array) -> Array:
        return convolution(conjugate(x), dw, None, window=window, groups=groups)

    return as_one(correlation, _correlation, x, y, window=window, groups=groups), (dx, dy_)


def _sum_of_items(dy: Array) -> Array:
    """The gradient of a bias, which was added to every element of its channel."""
    rows = namespace_of(dy).reshape(dy, (*dy.shape[:2], -1)) if dy.size else dy
    return sum_over(sum_over(rows, axis=tuple(range(2, rows.ndim))), axis=0)


@recordable
def _convolution(x: Array, w: Array, b: Array | None, *, window: Window, groups: int) -> Array:
    if by_rows(w.shape, window, groups):
        return convolution_by_rows(x, w, b, window, groups)
    xp = namespace_of(x, w)
    outputs = window.outputs(x.shape[2:])
    y = xp.empty((x.shape[0], w.shape[0], *outputs), dtype=x.dtype, device=array_device(x))
    matrix, columns = _matrix(w, groups), Columns(x, window)
    offset = None if b is None else xp.reshape(b, (groups, -1, 1))
    for items, ranges in blocks(x, x.shape[0], outputs, matrix.shape[2] * groups):
        part = product(matrix, _grouped(columns(items, ranges), groups, items, ranges))
        if offset is not None:
            part += offset
        y[place(items, ranges)] = _exchanged(part, (w.shape[0], *_sizes(items, ranges)))
    return y


@recordable
def _spreading(y: Array, w: Array, b: Array | None, *, lengths: Lengths, window: Window, groups: int) -> Array:
    other = mirrored(w, window, groups)
    if other is not None:
        return convolution_by_rows(y, other[0], b, other[1], groups)
    xp = namespace_of(y, w)
    channels = w.shape[1] * groups
    total = xp.zeros((y.shape[0], channels, *lengths), dtype=y.dtype, device=array_device(y))
    matrix = xp.matrix_transpose(_matrix(w, groups))
    for items, ranges in blocks(y, y.shape[0], y.shape[2:], matrix.shape[1] * groups):
        part = y[place(items, ranges)]
        rows = product(matrix, _grouped(_exchanged(part, part.shape), groups, items, ranges))
        add_columns(total, xp.reshape(rows, (channels, *window.kernel, *_sizes(items, ranges))), window, items, ranges)
    if b is not None:
        total += xp.reshape(b, (-1, *(1 for _ in lengths)))
    return total


@recordable
def _correlation(x: Array, y: Array, *, window: Window, groups: int) -> Array:
    xp = namespace_of(x, y)
    shape = (y.shape[1], x.shape[1] // groups, *window.kernel)
    if by_rows(shape, window, groups):
        return correlation_by_rows(x, y, shape, window, groups)
    total, columns = _matrix(xp.zeros(shape, dtype=x.dtype, device=array_device(x)), groups), Columns(x, window)
    for items, ranges in blocks(x, x.shape[0], y.shape[2:], total.shape[2] * groups):
        part = y[place(items, ranges)]
        left = _grouped(_exchanged(part, part.shape), groups, items, ranges)
        total += product(left, xp.matrix_transpose(_grouped(columns(items, ranges), groups, items, ranges)))
    return xp.reshape(total, shape)


def _matrix(w: Array, groups: int) -> Array:
    """The weight as one matrix for each group: shape (groups, outputs / groups, channels / groups * taps)."""
    return namespace_of(w).reshape(w, (groups, w.shape[0] // groups, -1))


def _grouped(x: Array, groups: int, items: slice, ranges: Ranges) -> Array:
    """`x`, shape (rows, ..., items, *windows), as one matrix for each group."""
    return namespace_of(x).reshape(x, (groups, -1, (items.stop - items.start) * size_of(ranges)))


def _exchanged(x: Array, shape: Lengths) -> Array:
    """`x` in this shape, with its first two axes exchanged: items and channels."""
    xp = namespace_of(x)
    return xp.permute_dims(xp.reshape(x, shape), (1, 0, *range(2, len(shape))))


def _sizes(items: slice, ranges: Ranges) -> Lengths:
    return (items.stop - items.start, *(b - a for a, b in ranges))
