"""Derivatives of angles: sine and its relatives, their inverses, and the hyperbolic ones."""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.broadcasting import conjugate, shape_of, sum_to
from xpnn.autodiff.tape import differentiable

Rule = Any  # (value, backward)


@differentiable
def sin(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return dy * conjugate(namespace_of(x).cos(x))

    return namespace_of(x).sin(x), (dx,)


@differentiable
def cos(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return -dy * conjugate(namespace_of(x).sin(x))

    return namespace_of(x).cos(x), (dx,)


@differentiable
def tan(x: Array) -> Rule:
    y = namespace_of(x).tan(x)

    def dx(dy: Array) -> Array:
        return dy * conjugate(1 + y * y)

    return y, (dx,)


@differentiable
def asin(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return dy / conjugate(namespace_of(x).sqrt(1 - x * x))

    return namespace_of(x).asin(x), (dx,)


@differentiable
def acos(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return -dy / conjugate(namespace_of(x).sqrt(1 - x * x))

    return namespace_of(x).acos(x), (dx,)


@differentiable
def atan(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return dy / conjugate(1 + x * x)

    return namespace_of(x).atan(x), (dx,)


@differentiable
def atan2(a: Array, b: Array) -> Rule:
    xp = namespace_of(a, b)

    def radius() -> Array:
        r = xp.hypot(a, b)
        return r + xp.astype(r == 0, r.dtype)

    # the angle of the point (b, a); at the origin, where there is none, 0 as in PyTorch
    def da(dy: Array) -> Array:
        r = radius()
        return sum_to(dy * (b / r / r), shape_of(a))

    def db(dy: Array) -> Array:
        r = radius()
        return sum_to(-dy * (a / r / r), shape_of(b))

    return xp.atan2(a, b), (da, db)


@differentiable
def sinh(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return dy * conjugate(namespace_of(x).cosh(x))

    return namespace_of(x).sinh(x), (dx,)


@differentiable
def cosh(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return dy * conjugate(namespace_of(x).sinh(x))

    return namespace_of(x).cosh(x), (dx,)


@differentiable
def tanh(x: Array) -> Rule:
    """The hyperbolic tangent, elementwise: a sigmoid from -1 to 1; public as `nn.tanh`, too.

    Examples
    --------
    >>> import numpy
    >>> tanh(numpy.asarray([-100.0, 0.0, 100.0]))
    array([-1.,  0.,  1.])
    """
    y = namespace_of(x).tanh(x)

    # 1 - y^2
    def dx(dy: Array) -> Array:
        return dy * conjugate(1 - y * y)

    return y, (dx,)


@differentiable
def asinh(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return dy / conjugate(namespace_of(x).sqrt(x * x + 1))

    return namespace_of(x).asinh(x), (dx,)


@differentiable
def acosh(x: Array) -> Rule:
    # sqrt(x - 1) sqrt(x + 1), which keeps the right branch for complex x
    def dx(dy: Array) -> Array:
        xp = namespace_of(x)
        return dy / conjugate(xp.sqrt(x - 1) * xp.sqrt(x + 1))

    return namespace_of(x).acosh(x), (dx,)


@differentiable
def atanh(x: Array) -> Rule:
    def dx(dy: Array) -> Array:
        return dy / conjugate(1 - x * x)

    return namespace_of(x).atanh(x), (dx,)
