"""Derivatives of functions that look at the sign of a number, or choose between numbers.

Where two numbers are equal the choice is arbitrary, and so is the derivative: there the values are PyTorch's.
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array, is_complex, is_floating, namespace_of
from xpnn.autodiff.broadcasting import conjugate, shape_of, sum_to
from xpnn.autodiff.tape import as_one, constant, differentiable, plain

Rule = Any  # (value, backward)


@differentiable
def abs(x: Array) -> Rule:
    xp = namespace_of(x)
    y = xp.abs(x)

    # x / |x|, and 0 at 0
    def dx(dy: Array) -> Array:
        return dy * (x / (y + xp.astype(y == 0, y.dtype)) if is_complex(x.dtype) else xp.sign(x))

    return y, (dx,)


def sign(x: Array, /) -> Array:
    """x / |x|, and 0 at 0: constant almost everywhere on the real line, a direction in the complex plane."""
    if is_complex(x.dtype):
        return _direction(x)
    inner = plain(x)
    return constant(namespace_of(inner).sign(inner))


@differentiable
def _direction(x: Array) -> Rule:
    y = namespace_of(x).sign(x)

    # (dy - y Re(ȳ dy)) / |x|, and 0 at 0: only a change across the direction turns it
    def dx(dy: Array) -> Array:
        xp = namespace_of(x, dy)
        length = abs(x)
        nowhere = xp.astype(length == 0, length.dtype)
        across = dy - xp.astype(xp.real(dy * conjugate(y)), dy.dtype) * y
        return across * xp.astype((1 - nowhere) / (length + nowhere), dy.dtype)

    return y, (dx,)


@differentiable
def maximum(a: Array, b: Array) -> Rule:
    # the larger takes all, a tie is shared
    def da(dy: Array) -> Array:
        return sum_to(dy * _winner(a, b, dy), shape_of(a))

    def db(dy: Array) -> Array:
        return sum_to(dy * _winner(b, a, dy), shape_of(b))

    return namespace_of(a, b).maximum(a, b), (da, db)


@differentiable
def minimum(a: Array, b: Array) -> Rule:
    def da(dy: Array) -> Array:
        return sum_to(dy * _winner(b, a, dy), shape_of(a))

    def db(dy: Array) -> Array:
        return sum_to(dy * _winner(a, b, dy), shape_of(b))

    return namespace_of(a, b).minimum(a, b), (da, db)


def _winner(a: Array, b: Array, dy: Array) -> Array:
    """1 where a > b, one half where they are equal, else 0."""
    xp = namespace_of(a, b)
    return xp.astype(a > b, dy.dtype) + 0.5 * xp.astype(a == b, dy.dtype)


@differentiable
def _clip_between(x: Array, lowest: Array | None, highest: Array | None) -> Rule:
    xp = namespace_of(x, lowest, highest)
    y = as_one(_clip_between, _clip, x, lowest, highest)

    # one of the three is what comes out: x from bound to bound, which count as inside (NaN does not), as in PyTorch;
    # else the bound, and the upper one where they are in the wrong order
    def dx(dy: Array) -> Array:
        inside = x == x if lowest is None else x >= lowest
        inside = inside if highest is None else inside & (x <= highest)
        return sum_to(dy * xp.astype(inside, dy.dtype), shape_of(x))

    def dlowest(dy: Array) -> Array:
        below = x < lowest if highest is None else (x < lowest) & (lowest <= highest)
        return sum_to(dy * xp.astype(below, dy.dtype), shape_of(lowest))

    def dhighest(dy: Array) -> Array:
        above = x > highest if lowest is None else (x > highest) | (lowest > highest)
        return sum_to(dy * xp.astype(above, dy.dtype), shape_of(highest))

    return y, (dx, dlowest, dhighest)


def _clip(x: Array, lowest: Array | None, highest: Array | None) -> Array:
    xp = namespace_of(x, lowest, highest)
    y = x if lowest is None else xp.maximum(x, lowest)
    return y if highest is None else xp.minimum(y, highest)


def clip(x: Array, /, min: Array | None = None, max: Array | None = None) -> Array:
    """`x` kept between `min` and `max`, in the dtype of `x` if that is of floating-point numbers.

    Layers and losses call this on bare arrays too: array-api-compat's `clip` takes a dozen calls.
    """
    return _clip_between(x, *[_in_dtype_of(x, bound) for bound in (min, max)])


def _in_dtype_of(x: Array, bound: Any) -> Any:
    if not hasattr(bound, "dtype") or bound.dtype == x.dtype or not is_floating(x.dtype):
        return bound
    return namespace_of(bound, x).astype(bound, x.dtype)


@differentiable
def where(condition: Array, a: Array, b: Array) -> Rule:
    def da(dy: Array) -> Array:
        xp = namespace_of(condition, dy)
        return sum_to(xp.where(condition, dy, xp.zeros_like(dy)), shape_of(a))

    def db(dy: Array) -> Array:
        xp = namespace_of(condition, dy)
        return sum_to(xp.where(condition, xp.zeros_like(dy), dy), shape_of(b))

    return namespace_of(condition, a, b).where(condition, a, b), (None, da, db)


@differentiable
def copysign(a: Array, b: Array) -> Rule:
    xp = namespace_of(a, b)
    y = xp.copysign(a, b)

    def da(dy: Array) -> Array:
        return sum_to(dy * xp.sign(y) * xp.sign(a), shape_of(a))

    def db(dy: Array) -> Array:
        return sum_to(0 * dy, shape_of(b))

    return y, (da, db)


@differentiable
def nextafter(a: Array, b: Array) -> Rule:
    # a, but for its last digit
    def da(dy: Array) -> Array:
        return sum_to(dy, shape_of(a))

    def db(dy: Array) -> Array:
        return sum_to(0 * dy, shape_of(b))

    return namespace_of(a, b).nextafter(a, b), (da, db)
