"""Derivatives of the standard's elementwise functions: the table at the end of a calculus book.

Each rule gives the value, and under it the derivative. `dy` is the gradient of the loss with respect to the value.
"""

from __future__ import annotations

from cmath import log as _complex_log
from math import log as _log
from math import nan as _nan
from typing import Any

from xpnn.arrays.namespaces import Array, is_complex, namespace_of
from xpnn.autodiff.broadcasting import conjugate, shape_of, sum_to
from xpnn.autodiff.tape import differentiable
from xpnn.autodiff.tensor import Tensor
from xpnn.autodiff.writing import as_view

Rule = Any  # (value, backward)


@differentiable
def positive(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return dy

    return +x, (dx,)


@differentiable
def negative(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return -dy

    return -x, (dx,)


@differentiable
def add(a: Array, b: Array) -> Rule:
    shape_a, shape_b = shape_of(a), shape_of(b)

    def da(dy: Array) -> Array:
        return sum_to(dy, shape_a)

    def db(dy: Array) -> Array:
        return sum_to(dy, shape_b)

    return a + b, (da, db)


@differentiable
def subtract(a: Array, b: Array) -> Rule:
    shape_a, shape_b = shape_of(a), shape_of(b)

    def da(dy: Array) -> Array:
        return sum_to(dy, shape_a)

    def db(dy: Array) -> Array:
        return sum_to(-dy, shape_b)

    return a - b, (da, db)


@differentiable
def multiply(a: Array, b: Array) -> Rule:
    def da(dy: Array) -> Array:
        return sum_to(dy * conjugate(b), shape_of(a))

    def db(dy: Array) -> Array:
        return sum_to(dy * conjugate(a), shape_of(b))

    return a * b, (da, db)


@differentiable
def divide(a: Array, b: Array) -> Rule:
    y = a / b

    # d(a/b) = da / b - (a/b) db / b
    def da(dy: Array) -> Array:
        return sum_to(dy / conjugate(b), shape_of(a))

    def db(dy: Array) -> Array:
        return sum_to(-dy * conjugate(y / b), shape_of(b))

    return y, (da, db)


@differentiable
def pow(a: Array, b: Array) -> Rule:
    y = a**b

    # d(a^b) = b a^(b-1) da + log(a) a^b db; 0^0 is the constant 1 for both, as in PyTorch
    def da(dy: Array) -> Array:
        if not hasattr(b, "dtype"):
            slope = b * a ** (b - 1) if b != 0 else namespace_of(a).zeros_like(a)
        else:
            base = a if not hasattr(a, "dtype") and a != 0 else _nonzero_beside_0(a, b)
            slope = b * base ** (b - 1)
        return sum_to(dy * conjugate(slope), shape_of(a))

    def db(dy: Array) -> Array:
        if not hasattr(a, "dtype"):
            logarithm = _logarithm(complex(a) if is_complex(b.dtype) else a)
            return sum_to(dy * conjugate(logarithm * y if a != 0 else 0 * y), shape_of(b))
        xp = namespace_of(a, b)
        base = xp.astype(a, y.dtype, copy=False)  # complex beside a complex exponent: a negative number has a logarithm
        logarithm = xp.log(base + xp.astype(base == 0, y.dtype))
        return sum_to(dy * conjugate(logarithm * y), shape_of(b))

    return y, (da, db)


def _nonzero_beside_0(a: Array, b: Array) -> Array:
    """`a`, and 1 where both are 0; `b` is left alone, so that this differentiates again."""
    xp = namespace_of(a, b)
    both = (a == 0) & (b == 0)
    return a + xp.astype(both, b.dtype)


def _logarithm(a: float | complex) -> float | complex:
    if isinstance(a, complex):
        return _complex_log(a)
    return _log(a) if a > 0 else _nan


@differentiable
def remainder(a: Array, b: Array) -> Rule:
    # a - floor(a / b) b, and the floor is constant almost everywhere
    def da(dy: Array) -> Array:
        return sum_to(dy, shape_of(a))

    def db(dy: Array) -> Array:
        return sum_to(-dy * namespace_of(a, b).floor(a / b), shape_of(b))

    return a % b, (da, db)


@differentiable
def square(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return 2 * dy * conjugate(x)

    return x * x, (dx,)


@differentiable
def sqrt(x: Array) -> Rule:
    y = namespace_of(x).sqrt(x)

    def dx(dy: Array) -> Array:
        return dy / conjugate(2 * y)

    return y, (dx,)


@differentiable
def reciprocal(x: Array) -> Rule:
    y = 1 / x

    def dx(dy: Array) -> Array:
        return -dy * conjugate(y * y)

    return y, (dx,)


@differentiable
def exp(x: Array) -> Rule:
    y = namespace_of(x).exp(x)

    def dx(dy: Array) -> Array:
        return dy * conjugate(y)

    return y, (dx,)


@differentiable
def expm1(x: Array) -> Rule:
    y = namespace_of(x).expm1(x)

    def dx(dy: Array) -> Array:
        return dy * conjugate(y + 1)

    return y, (dx,)


@differentiable
def log(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return dy / conjugate(x)

    return namespace_of(x).log(x), (dx,)


@differentiable
def log1p(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return dy / conjugate(1 + x)

    return namespace_of(x).log1p(x), (dx,)


@differentiable
def log2(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return dy / conjugate(x * _log(2.0))

    return namespace_of(x).log2(x), (dx,)


@differentiable
def log10(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return dy / conjugate(x * _log(10.0))

    return namespace_of(x).log10(x), (dx,)


@differentiable
def logaddexp(a: Array, b: Array) -> Rule:
    xp = namespace_of(a, b)
    y = xp.logaddexp(a, b)

    # e^a / (e^a + e^b); infinity less infinity would be NaN: the share of -inf is 0, of inf 1
    def share(x: Array) -> Array:
        finite = xp.isfinite(y)
        inside = xp.exp(xp.where(finite, x - xp.where(finite, y, xp.zeros_like(y)), xp.zeros_like(y)))
        return xp.where(finite, inside, xp.astype((x == y) & (y > 0), y.dtype))

    def da(dy: Array) -> Array:
        return sum_to(dy * share(a), shape_of(a))

    def db(dy: Array) -> Array:
        return sum_to(dy * share(b), shape_of(b))

    return y, (da, db)


@differentiable
def hypot(a: Array, b: Array) -> Rule:
    xp = namespace_of(a, b)
    y = xp.hypot(a, b)

    # a / hypot, and 0 at the origin
    def slope(x: Array) -> Array:
        return x / xp.where(y == 0, xp.ones_like(y), y)

    def da(dy: Array) -> Array:
        return sum_to(dy * slope(a), shape_of(a))

    def db(dy: Array) -> Array:
        return sum_to(dy * slope(b), shape_of(b))

    return y, (da, db)


@differentiable
def conj(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return conjugate(dy)

    return conjugate(x), (dx,)


def real(x: Array) -> Array:
    """The real part: a view, as in NumPy."""
    y = _real(x)
    if type(y) is not Tensor:
        return y
    return as_view(y, x, _real, lambda y: y + 1j * _imag(x) if is_complex(x.dtype) else y)


@differentiable
def _real(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return namespace_of(dy).astype(dy, x.dtype)

    return namespace_of(x).real(x) if is_complex(x.dtype) else +x, (dx,)


def imag(x: Array) -> Array:
    """The imaginary part: a view, as in NumPy."""
    y = _imag(x)
    if type(y) is not Tensor:
        return y
    # of real numbers there is nothing to write into
    return as_view(y, x, _imag, (lambda y: _real(x) + 1j * y) if is_complex(x.dtype) else None)


@differentiable
def _imag(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return 1j * namespace_of(dy).astype(dy, x.dtype)

    return namespace_of(x).imag(x), (dx,)
