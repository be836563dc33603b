"""Upsampling: sequences, images and volumes drawn larger (or smaller), without a parameter.

An output at place o lies at place p of the input. With 'nearest' it is the element at floor(o / scale); in a linear
mode it is taken from the two neighbours of p, in proportion, along one axis after the other:

    pixels as areas (default)        p = (o + 1/2) / scale - 1/2, no further out than the outermost centres
    pixels as points, align_corners  p = o (n - 1) / (m - 1): the corner points of input and output coincide
"""

from __future__ import annotations

from functools import cache
from math import floor, isfinite
from typing import Any, Literal, NamedTuple, TypeAlias

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.autodiff.tape import as_one, differentiable
from xpnn.nn.building import require_floating_input
from xpnn.nn.module import Module
from xpnn.nn.windows import Lengths, counts, described

__all__ = ["Upsample", "upsample"]

Mode: TypeAlias = Literal["nearest", "linear", "bilinear", "trilinear"]
AXES = {"linear": 1, "bilinear": 2, "trilinear": 3}
Rule = Any  # (value, backward)


def upsample(
    x: Array,
    *,
    size: int | tuple[int, ...] | None = None,
    scale_factor: float | tuple[float, ...] | None = None,
    mode: Mode = "nearest",
    align_corners: bool = False,
) -> Array:
    """`x` drawn in another size.

    Parameters
    ----------
    x
        Shape (n, channels, length), (n, channels, height, width) or (n, channels, depth, height, width).
    size
        The new lengths, one integer for all axes or one for each; or else `scale_factor`:
    scale_factor
        Factors to multiply the lengths by, one or one for each axis; products are rounded down.
    mode
        'nearest', or the linear mode of the number of axes: 'linear' for one, 'bilinear' for images, 'trilinear'.
    align_corners
        In a linear mode: whether the corners of input and output are the same points.

    Notes
    -----
    Places do not depend on the dtype of `x`: with 'nearest' they are those of PyTorch for float64. For float32 it
    computes them in float32, and is one element off where 23 · 14 / 46 = 7 comes out below 7.

    Raises
    ------
    ValueError
        If not exactly one of `size` and `scale_factor` is given, one is not positive, or the mode does not fit `x`.
    TypeError
        If `x` is not an array of real floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> x = numpy.asarray([[[1.0, 3.0]]])
    >>> upsample(x, scale_factor=2)
    array([[[1., 1., 3., 3.]]])
    >>> upsample(x, size=4, mode="linear")
    array([[[1. , 1.5, 2.5, 3. ]]])
    >>> upsample(x, size=3, mode="linear", align_corners=True)
    array([[[1., 2., 3.]]])
    """
    require_floating_input("upsample", x)
    axes = x.ndim - 2
    _check_mode("upsample", mode, align_corners)
    if axes not in (1, 2, 3) or AXES.get(mode, axes) != axes or 0 in x.shape[2:]:
        wanted = f"{AXES[mode]}" if mode in AXES else "1 to 3"
        raise ValueError(f"upsample expected x with {wanted} axes behind (n, channels) for {mode}, got shape {x.shape}")
    for axis, (m, scale) in enumerate(_targets("upsample", x.shape[2:], size, scale_factor), start=2):
        places = _places(x.shape[axis], m, scale, mode == "nearest", align_corners)
        if mode != "nearest":
            x = _between(x, axis=axis, places=places)
        elif places.low != tuple(range(m)) or m != x.shape[axis]:
            x = _repeated(x, axis, places.low)
    return x


class Places(NamedTuple):
    """Where along an axis each output lies: between two elements of the input, and how far from the first."""

    low: Lengths
    high: Lengths
    share: tuple[float, ...]


@cache
def _places(n: int, m: int, scale: float | None, nearest: bool, align_corners: bool) -> Places:
    if nearest:
        # 39 / 1.3 = 30, which float64 has as 29.999999999999996: rounded to the digits of float32 first, as in PyTorch
        found = [o * n // m if scale is None else floor(o / scale * (1 + 2**-24)) for o in range(m)]
        low = tuple(min(p, n - 1) for p in found)
        return Places(low, low, (0.0,) * m)
    if align_corners:
        points = [o * (n - 1) / (m - 1) if m > 1 else 0.0 for o in range(m)]
    else:
        step = n / m if scale is None else 1 / scale
        points = [min(max((o + 0.5) * step - 0.5, 0.0), n - 1.0) for o in range(m)]
    low = tuple(min(floor(p), n - 1) for p in points)
    high = tuple(min(p + 1, n - 1) for p in low)
    return Places(low, high, tuple(p - q for p, q in zip(points, low, strict=True)))


def _repeated(x: Array, axis: int, places: Lengths) -> Array:
    """The elements of an axis at these places."""
    xp, n, m = namespace_of(x), x.shape[axis], len(places)
    if m % n == 0 and places == tuple(o // (m // n) for o in range(m)):  # each as often: no index, half the time
        one = xp.expand_dims(x, axis=axis + 1)
        wide = xp.broadcast_to(one, (*x.shape[: axis + 1], m // n, *x.shape[axis + 1 :]))
        return xp.reshape(wide, (*x.shape[:axis], m, *x.shape[axis + 1 :]))
    return xp.take(x, xp.asarray(places, device=array_device(x)), axis=axis)


@differentiable
def _between(x: Array, *, axis: int, places: Places) -> Rule:
    """(1 - share) times the element at `low` plus share times that at `high`, along an axis."""
    length = x.shape[axis]

    def dx(dy: Array) -> Array:
        return _shared(dy, axis=axis, places=places, length=length)

    return as_one(_between, _interpolated, x, axis=axis, places=places), (dx,)


@differentiable
def _shared(y: Array, *, axis: int, places: Places, length: int) -> Rule:
    """The transposed of `_between`: each element divided among its two neighbours."""

    def dy_(dx: Array) -> Array:
        return _between(dx, axis=axis, places=places)

    return as_one(_shared, _added_up, y, axis=axis, places=places, length=length), (dy_,)


def _interpolated(x: Array, *, axis: int, places: Places) -> Array:
    xp, device = namespace_of(x), array_device(x)
    share = xp.reshape(xp.asarray(places.share, dtype=x.dtype, device=device), (-1, *(1 for _ in x.shape[axis + 1 :])))
    low, high = (xp.take(x, xp.asarray(those, device=device), axis=axis) for those in places[:2])
    return low * (1 - share) + high * share


def _added_up(y: Array, *, axis: int, places: Places, length: int) -> Array:
    # a product with the matrix of the shares: additions at repeated indices take NumPy ten times as long
    xp, device = namespace_of(y), array_device(y)
    numbers = xp.arange(length, device=device)
    low, high = (xp.expand_dims(xp.asarray(those, device=device), axis=1) for those in places[:2])
    share = xp.expand_dims(xp.asarray(places.share, dtype=y.dtype, device=device), axis=1)
    matrix = xp.astype(low == numbers, y.dtype) * (1 - share) + xp.astype(high == numbers, y.dtype) * share
    return xp.moveaxis(xp.matmul(xp.moveaxis(y, axis, -1), matrix), -1, axis)


def _check_mode(who: str, mode: Any, align_corners: bool) -> None:
    if mode not in ("nearest", *AXES):
        raise ValueError(f"{who} expected mode 'nearest', 'linear', 'bilinear' or 'trilinear', got {mode!r:.60}")
    if align_corners and mode == "nearest":
        raise ValueError(f"{who} aligns corners in the linear modes only, got mode='nearest'")


def _targets(who: str, lengths: Lengths, size: Any, scale_factor: Any) -> list[tuple[int, float | None]]:
    """The new length of each axis, with the factor where one was given."""
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{who} expected either size or scale_factor, got size={size}, scale_factor={scale_factor}")
    if size is not None:
        return [(m, None) for m in counts(who, "size", size, len(lengths))]
    factors = scale_factor if isinstance(scale_factor, tuple | list) else (scale_factor,) * len(lengths)
    if len(factors) != len(lengths) or not all(_is_factor(f) for f in factors):
        raise ValueError(f"{who} expected one positive scale_factor or {len(lengths)}, got {scale_factor!r:.60}")
    found = [(floor(n * f), float(f)) for n, f in zip(lengths, factors, strict=True)]
    if min(m for m, _ in found) < 1:
        raise ValueError(f"{who} would leave nothing of lengths {lengths} with scale_factor={scale_factor}")
    return list(found)


def _is_factor(f: Any) -> bool:
    return isinstance(f, int | float) and not isinstance(f, bool) and isfinite(f) and f > 0


class Upsample(Module):
    """The layer of `upsample`; its options are those of the function.

    Raises
    ------
    ValueError
        As `upsample`.

    Examples
    --------
    >>> Upsample(scale_factor=2, mode="bilinear")
    Upsample(scale_factor=2, mode='bilinear')
    """

    def __init__(
        self,
        *,
        size: int | tuple[int, ...] | None = None,
        scale_factor: float | tuple[float, ...] | None = None,
        mode: Mode = "nearest",
        align_corners: bool = False,
    ) -> None:
        _check_mode("Upsample", mode, align_corners)
        if (size is None) == (scale_factor is None):
            raise ValueError(f"Upsample expected size or scale_factor, got size={size}, scale_factor={scale_factor}")
        self.size, self.scale_factor = size, scale_factor
        self.mode, self.align_corners = mode, align_corners

    def forward(self, x: Array) -> Array:
        options: Any = {"mode": self.mode, "align_corners": self.align_corners}
        return upsample(x, size=self.size, scale_factor=self.scale_factor, **options)

    def describe(self) -> str:
        name, given = ("size", self.size) if self.size is not None else ("scale_factor", self.scale_factor)
        shown = described(given) if isinstance(given, tuple) else str(given)
        corners = ", align_corners=True" if self.align_corners else ""
        return f"{name}={shown}, mode={self.mode!r}{corners}"
