"""Padding: rows and columns added around an image, so that windows reach its border.

constant   a b c d   ->   0 0 | a b c d | 0 0
reflect    a b c d   ->   c b | a b c d | c b      the border is a mirror, and not repeated
replicate  a b c d   ->   a a | a b c d | d d
circular   a b c d   ->   c d | a b c d | a b      the image is a ring
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, Literal, TypeAlias

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.autodiff.tape import as_one, differentiable
from xpnn.nn.module import Module
from xpnn.nn.windows import Range, described, with_items, without_items

__all__ = ["Pad1d", "Pad2d", "Pad3d", "pad"]

Mode: TypeAlias = Literal["constant", "reflect", "replicate", "circular"]
Rule = Any  # (value, backward)
MODES = ("constant", "reflect", "replicate", "circular")


def pad(x: Array, padding: Sequence[int], *, mode: Mode = "constant", value: float = 0.0) -> Array:
    """`x` with elements added at both ends of its last axes.

    Parameters
    ----------
    x
        Any shape.
    padding
        Two numbers for each axis, before and behind, the last axis first, as in PyTorch: (left, right, top, bottom) of
        an image. Negative ones cut off (with 'constant').
    mode
        What is added: 'constant' (`value`), 'reflect', 'replicate' or 'circular', as shown in `xpnn.nn.padding`.
    value
        The constant.

    Raises
    ------
    ValueError
        If `padding` is not in pairs, names more axes than there are, or is longer than the mode can fill: 'reflect'
        takes less than the length of the axis, 'circular' at most that, 'replicate' needs one element.

    Examples
    --------
    >>> import numpy
    >>> pad(numpy.asarray([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    array([3., 2., 1., 2., 3., 2.])
    """
    namespace_of(x)
    pairs = _pairs("pad", padding, mode)
    if len(pairs) > x.ndim:
        raise ValueError(f"pad expected padding of at most {x.ndim} axes for shape {x.shape}, got {tuple(padding)}")
    return padded(x, pairs, mode=mode, value=value)


def padded(x: Array, pairs: Sequence[Range], *, mode: str = "constant", value: float = 0.0) -> Array:
    """`pad`, with a pair for each of the last axes, in their order."""
    first = x.ndim - len(pairs)
    if mode == "constant":
        cut = tuple(slice(max(0, -a), n - max(0, -b)) for (a, b), n in zip(pairs, x.shape[first:], strict=True))
        if any(max(0, -a) + max(0, -b) > n for (a, b), n in zip(pairs, x.shape[first:], strict=True)):
            raise ValueError(f"pad cannot cut {tuple(pairs)} off the last axes of shape {x.shape}")
        x = x[(..., *cut)] if any(n < 0 for pair in pairs for n in pair) else x
        added = tuple((max(0, a), max(0, b)) for a, b in pairs)
        return _constant(x, pairs=((0, 0),) * first + added, value=value)
    for axis, (before, behind) in enumerate(pairs, start=first):
        _check_length(x, axis, before, behind, mode)
    for axis, (before, behind) in enumerate(pairs, start=first):
        if before or behind:
            x = _ends_added(x, axis, before, behind, mode)
    return x


@differentiable
def _constant(x: Array, *, pairs: tuple[Range, ...], value: float) -> Rule:
    inside = _inside(x, pairs)

    def dx(dy: Array) -> Array:
        return dy[inside]

    return as_one(_constant, _constant_value, x, pairs=pairs, value=value), (dx,)


def _constant_value(x: Array, *, pairs: tuple[Range, ...], value: float) -> Array:
    shape = tuple(a + n + b for (a, b), n in zip(pairs, x.shape, strict=True))
    y = namespace_of(x).full(shape, value, dtype=x.dtype, device=array_device(x))
    y[_inside(x, pairs)] = x
    return y


def _inside(x: Array, pairs: tuple[Range, ...]) -> tuple[slice, ...]:
    return tuple(slice(a, a + n) for (a, _), n in zip(pairs, x.shape, strict=True))


def _ends_added(x: Array, axis: int, before: int, behind: int, mode: str) -> Array:
    """`x` with what `mode` says at both ends of an axis: pieces of `x`, which have derivatives."""
    xp = namespace_of(x)
    n, front = x.shape[axis], (slice(None),) * axis

    def piece(start: int, stop: int) -> Array:
        return x[(*front, slice(start, stop), ...)]

    def repeated(start: int, times: int) -> Array:
        return xp.broadcast_to(piece(start, start + 1), (*x.shape[:axis], times, *x.shape[axis + 1 :]))

    if mode == "reflect":
        ends = xp.flip(piece(1, before + 1), axis=axis), xp.flip(piece(n - 1 - behind, n - 1), axis=axis)
    elif mode == "replicate":
        ends = repeated(0, before), repeated(n - 1, behind)
    else:
        ends = piece(n - before, n), piece(0, behind)
    return xp.concat([ends[0], x, ends[1]], axis=axis)


def _check_length(x: Array, axis: int, before: int, behind: int, mode: str) -> None:
    n = x.shape[axis]
    most = {"reflect": n - 1, "circular": n, "replicate": max(before, behind) if n else 0}[mode]
    if min(before, behind) < 0 or max(before, behind) > most:
        raise ValueError(
            f"padding of mode {mode!r} expected lengths from 0 to {max(0, most)} for axis {axis} of shape {x.shape}, "
            f"got {before} and {behind}"
        )


def _pairs(who: str, padding: Any, mode: Any) -> list[Range]:
    """Pairs for the last axes in their order."""
    if mode not in MODES:
        raise ValueError(f"{who} expected mode to be one of {', '.join(map(repr, MODES))}, got {mode!r:.60}")
    parts = padding if isinstance(padding, tuple | list) else ()
    if not parts or len(parts) % 2 or any(isinstance(n, bool) or not hasattr(n, "__index__") for n in parts):
        raise ValueError(f"{who} expected padding as pairs of integers, the last axis first, got {padding!r:.60}")
    return [(index(parts[n]), index(parts[n + 1])) for n in range(len(parts) - 2, -1, -2)]


class _Pad(Module):
    """`pad` of the axes behind the channels."""

    _axes: int

    def __init__(self, padding: int | Sequence[int], *, mode: Mode = "constant", value: float = 0.0) -> None:
        who, axes = type(self).__name__, self._axes
        one = not isinstance(padding, bool) and hasattr(padding, "__index__")
        self.pairs = tuple(_pairs(who, (padding,) * (2 * axes) if one else padding, mode))
        if len(self.pairs) != axes:
            raise ValueError(f"{who} expected padding to be one integer or {2 * axes}, got {padding!r:.60}")
        self.mode, self.value = mode, value

    def forward(self, x: Array) -> Array:
        items = with_items(type(self).__name__, x, self._axes)
        return without_items(padded(items, self.pairs, mode=self.mode, value=self.value), x)

    def describe(self) -> str:
        parts = [described(tuple(n for pair in reversed(self.pairs) for n in pair))]
        parts += [f"mode={self.mode!r}"] if self.mode != "constant" else [f"value={self.value}"] if self.value else []
        return ", ".join(parts)


class Pad1d(_Pad):
    """Padding of sequences, (n, channels, length): as `Pad2d`, with padding (before, behind)."""

    _axes = 1


class Pad2d(_Pad):
    """Padding of images, (n, channels, height, width) or without n: the layer of `pad`.

    One layer for PyTorch's ZeroPad2d, ConstantPad2d, ReflectionPad2d, ReplicationPad2d and CircularPad2d.

    Parameters
    ----------
    padding
        One number for all sides, or (left, right, top, bottom).
    mode
        'constant', 'reflect', 'replicate' or 'circular'.
    value
        The constant.

    Raises
    ------
    ValueError
        If `padding` or `mode` is something else, or an image is too small for it.

    Examples
    --------
    >>> import numpy
    >>> Pad2d((1, 0, 0, 0), mode="replicate")(numpy.asarray([[[1.0, 2.0], [3.0, 4.0]]]))
    array([[[1., 1., 2.],
            [3., 3., 4.]]])
    """

    _axes = 2


class Pad3d(_Pad):
    """Padding of volumes, (n, channels, depth, height, width): as `Pad2d`, with six numbers, the last axis first."""

    _axes = 3
