"""Derivatives of Fourier transforms: a linear map, so its derivative is its adjoint.

The adjoint of the transform with e^(-iωt) is the one with e^(+iωt) and the same factor, which is the inverse with the
other `norm`. A transform first crops or pads its input to `n` elements; the adjoint does the reverse, last. A
transform of real numbers gives half of a spectrum whose other half is its mirror image, so in its adjoint each element
that has a mirror image counts half, and in the adjoint of its inverse twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xpnn.arrays.namespaces import Array, array_device, is_complex, namespace_of
from xpnn.autodiff.broadcasting import conjugate
from xpnn.autodiff.rules.shaping import roll
from xpnn.autodiff.tape import differentiable, plain

Axes = Sequence[int] | None
Rule = Any  # (value, backward)

_OTHER = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _other(norm: str) -> str:
    """The `norm` that gives the inverse the factor of the transform."""
    if norm not in _OTHER:
        raise ValueError(f"expected norm 'backward', 'ortho' or 'forward', got {norm!r}")
    return _OTHER[norm]


def _resized(x: Array, length: int, axis: int) -> Array:
    """`x` cropped, or padded with zeros at the end, to `length` elements along `axis`."""
    before = x.shape[axis]
    if before > length:
        return x[(slice(None),) * (axis % x.ndim) + (slice(0, length), ...)]
    if before == length:
        return x
    xp = namespace_of(x)
    shape = list(x.shape)
    shape[axis] = length - before
    return xp.concat([x, xp.zeros(tuple(shape), dtype=x.dtype, device=array_device(x))], axis=axis)


def _mirrored(dy: Array, n: int, axis: int) -> Array:
    """2 for each element of half a spectrum that has a mirror image, else 1 (the first; the last where n is even)."""
    like = plain(dy)
    xp = namespace_of(like)
    k = xp.arange(n // 2 + 1, device=array_device(like))
    alone = xp.astype((k == 0) | (2 * k == n), (xp.real(like) if is_complex(like.dtype) else like).dtype)
    return xp.reshape(2 - alone, (n // 2 + 1, *(1,) * (like.ndim - 1 - axis % like.ndim)))


@differentiable
def fft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Rule:
    other, before = _other(norm), x.shape[axis]

    def dx(dy: Array) -> Array:
        return _resized(namespace_of(dy).fft.ifft(dy, axis=axis, norm=other), before, axis)

    return namespace_of(x).fft.fft(x, n=n, axis=axis, norm=norm), (dx,)


@differentiable
def ifft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Rule:
    other, before = _other(norm), x.shape[axis]

    def dx(dy: Array) -> Array:
        return _resized(namespace_of(dy).fft.fft(dy, axis=axis, norm=other), before, axis)

    return namespace_of(x).fft.ifft(x, n=n, axis=axis, norm=norm), (dx,)


@differentiable
def fftn(x: Array, /, *, s: Sequence[int] | None = None, axes: Axes = None, norm: str = "backward") -> Rule:
    other, axes, shape = _other(norm), _axes(x, s, axes), x.shape

    def dx(dy: Array) -> Array:
        return _all_resized(namespace_of(dy).fft.ifftn(dy, axes=axes, norm=other), shape, axes)

    return namespace_of(x).fft.fftn(x, s=s, axes=axes, norm=norm), (dx,)


@differentiable
def ifftn(x: Array, /, *, s: Sequence[int] | None = None, axes: Axes = None, norm: str = "backward") -> Rule:
    other, axes, shape = _other(norm), _axes(x, s, axes), x.shape

    def dx(dy: Array) -> Array:
        return _all_resized(namespace_of(dy).fft.fftn(dy, axes=axes, norm=other), shape, axes)

    return namespace_of(x).fft.ifftn(x, s=s, axes=axes, norm=norm), (dx,)


def _axes(x: Array, s: Sequence[int] | None, axes: Axes) -> tuple[int, ...]:
    """The transformed axes: all, or where only lengths are given the last ones."""
    if axes is not None:
        if len({axis % x.ndim for axis in axes}) < len(axes):
            raise ValueError(f"expected different axes to transform, got {tuple(axes)} of {x.ndim} axes")
        return tuple(axes)
    return tuple(range(x.ndim - (x.ndim if s is None else len(s)), x.ndim))


def _all_resized(x: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    for axis in axes:
        x = _resized(x, shape[axis], axis)
    return x


@differentiable
def rfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Rule:
    other, before = _other(norm), x.shape[axis]
    length = before if n is None else n

    def dx(dy: Array) -> Array:
        return _from_half(dy, length, before, axis, other)

    return namespace_of(x).fft.rfft(x, n=n, axis=axis, norm=norm), (dx,)


@differentiable
def irfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Rule:
    other, before = _other(norm), x.shape[axis]

    def dx(dy: Array) -> Array:
        return _to_half(dy, before, axis, other)

    return namespace_of(x).fft.irfft(x, n=n, axis=axis, norm=norm), (dx,)


def _from_half(dy: Array, length: int, before: int, axis: int, norm: str) -> Array:
    """The adjoint of an `rfft` of `length` elements, that cropped or padded `before` elements to it."""
    whole = namespace_of(dy).fft.irfft(dy / _mirrored(dy, length, axis), n=length, axis=axis, norm=norm)
    return _resized(whole, before, axis)


def _to_half(dy: Array, before: int, axis: int, norm: str) -> Array:
    """The adjoint of an `irfft` of `before` elements."""
    half = namespace_of(dy).fft.rfft(dy, axis=axis, norm=norm) * _mirrored(dy, dy.shape[axis], axis)
    return _resized(half, before, axis)


@differentiable
def rfftn(x: Array, /, *, s: Sequence[int] | None = None, axes: Axes = None, norm: str = "backward") -> Rule:
    other, axes, shape = _other(norm), _axes(x, s, axes), x.shape
    others, last = axes[:-1], axes[-1]
    length = s[-1] if s else shape[last]

    # `rfft` along the last axis, then `fftn` along the others
    def dx(dy: Array) -> Array:
        if others:
            dy = _all_resized(namespace_of(dy).fft.ifftn(dy, axes=others, norm=other), shape, others)
        return _from_half(dy, length, shape[last], last, other)

    return namespace_of(x).fft.rfftn(x, s=s, axes=axes, norm=norm), (dx,)


@differentiable
def irfftn(x: Array, /, *, s: Sequence[int] | None = None, axes: Axes = None, norm: str = "backward") -> Rule:
    other, axes, shape = _other(norm), _axes(x, s, axes), x.shape
    others, last = axes[:-1], axes[-1]

    # `ifftn` along the other axes, then `irfft` along the last
    def dx(dy: Array) -> Array:
        half = _to_half(dy, shape[last], last, other)
        return _all_resized(namespace_of(dy).fft.fftn(half, axes=others, norm=other), shape, others) if others else half

    return namespace_of(x).fft.irfftn(x, s=s, axes=axes, norm=norm), (dx,)


def hfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """The real transform of numbers whose second half is the mirror image of the first."""
    return irfft(conjugate(x), n=n, axis=axis, norm=_other(norm))


def ihfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """The inverse of `hfft`: half of a spectrum."""
    return conjugate(rfft(x, n=n, axis=axis, norm=_other(norm)))


def fftshift(x: Array, /, *, axes: int | Sequence[int] | None = None) -> Array:
    """Frequency 0 moved from the start of each axis to its middle."""
    return _shifted(x, axes, lambda length: length // 2)


def ifftshift(x: Array, /, *, axes: int | Sequence[int] | None = None) -> Array:
    """The inverse of `fftshift`."""
    return _shifted(x, axes, lambda length: -(length // 2))


def _shifted(x: Array, axes: int | Sequence[int] | None, places: Any) -> Array:
    along = tuple(range(x.ndim)) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
    return roll(x, tuple(places(x.shape[axis]) for axis in along), axis=along) if along else x
