"""Distribution functions of statistics, with derivatives of all orders in the place where they are asked.

What a distribution function has for a derivative is its density, whose logarithm is a formula in x with constants in
front. The derivatives by the degrees of freedom have no such formula and are not given: asking for one raises.

These are the functions that SciPy's tests need for their p-values; `namespace` gives them as `xp.special`.
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays import incomplete_function, native
from xpnn.arrays.namespaces import Array, array_device, namespace_of, require_real_floating
from xpnn.autodiff.broadcasting import sum_to
from xpnn.autodiff.rules.gamma_functions import betaln, gammaln
from xpnn.autodiff.rules.logarithms import xlogy
from xpnn.autodiff.tape import as_one, differentiable

__all__ = ["betainc", "fdtr", "fdtrc", "gammainc", "gammaincc", "stdtr"]

Rule = Any  # (value, backward)


@differentiable
def gammainc(a: Array, x: Array) -> Rule:
    """P(a, x) = γ(a, x) / Γ(a), elementwise, broadcast; the derivative is that in `x`.

    Raises
    ------
    TypeError
        If `x` does not hold real floating-point numbers, or a derivative in `a` is asked for.

    Examples
    --------
    >>> import numpy, xpnn
    >>> round(float(xpnn.grad(gammainc, argnums=1)(1.0, 2.0) / numpy.exp(-2.0)), 12)  # P(1, x) = 1 - exp(-x)
    1.0
    """
    shape = x.shape
    a, x = _arrays("gammainc", a, x)

    # x^(a - 1) e^-x / Γ(a)
    def dx(dy: Array) -> Array:
        return sum_to(dy * _gamma_density(a, x), shape)

    return as_one(gammainc, _gammainc, a, x), (None, dx)


@differentiable
def gammaincc(a: Array, x: Array) -> Rule:
    """Q(a, x) = 1 - P(a, x), elementwise, broadcast; the derivative is that in `x`.

    Raises
    ------
    TypeError
        If `x` does not hold real floating-point numbers, or a derivative in `a` is asked for.

    Examples
    --------
    >>> import numpy
    >>> round(float(gammaincc(1.0, numpy.asarray(30.0)) / numpy.exp(-30.0)), 12)
    1.0
    """
    shape = x.shape
    a, x = _arrays("gammaincc", a, x)

    # -x^(a - 1) e^-x / Γ(a)
    def dx(dy: Array) -> Array:
        return sum_to(-dy * _gamma_density(a, x), shape)

    return as_one(gammaincc, _gammaincc, a, x), (None, dx)


def _gamma_density(a: Array, x: Array) -> Array:
    xp = namespace_of(a, x)
    return xp.exp(xlogy(a - 1, x) - x - gammaln(a))


@differentiable
def betainc(a: Array, b: Array, x: Array) -> Rule:
    """I(a, b, x) = B(x; a, b) / B(a, b), elementwise, broadcast; the derivative is that in `x`.

    Raises
    ------
    TypeError
        If `x` does not hold real floating-point numbers, or a derivative in `a` or `b` is asked for.

    Examples
    --------
    >>> import numpy, xpnn
    >>> x = numpy.asarray([0.25, 0.5])
    >>> betainc(2.0, 2.0, x).round(12), xpnn.grad(lambda x: betainc(2.0, 2.0, x)[1])(x)  # x² (3 - 2 x)
    (array([0.15625, 0.5    ]), array([0. , 1.5]))
    """
    shape = x.shape
    a, b, x = _arrays("betainc", a, b, x)

    # x^(a - 1) (1 - x)^(b - 1) / B(a, b)
    def dx(dy: Array) -> Array:
        xp = namespace_of(a, b, x)
        return sum_to(dy * xp.exp(xlogy(a - 1, x) + xlogy(b - 1, 1 - x) - betaln(a, b)), shape)

    return as_one(betainc, _betainc, a, b, x), (None, None, dx)


@differentiable
def stdtr(df: Array, t: Array) -> Rule:
    """Student's distribution function at `t` for `df` degrees of freedom, elementwise; the derivative is that in `t`.

    Raises
    ------
    TypeError
        If `t` does not hold real floating-point numbers, or a derivative in `df` is asked for.

    Examples
    --------
    >>> import numpy, xpnn
    >>> round(float(xpnn.grad(stdtr, argnums=1)(1.0, 0.0) * numpy.pi), 12)  # the density of Cauchy's distribution
    1.0
    """
    shape = t.shape
    df, t = _arrays("stdtr", df, t)

    # (1 + t² / df)^(-(df + 1) / 2) / (√df B(df / 2, 1 / 2)): two gamma functions would cancel all digits at large df
    def dt(dy: Array) -> Array:
        xp = namespace_of(df, t)
        front = -betaln(df / 2, xp.full_like(df, 0.5)) - 0.5 * xp.log(df)
        return sum_to(dy * xp.exp(front - (df + 1) / 2 * xp.log1p(t * t / df)), shape)

    return as_one(stdtr, _stdtr, df, t), (None, dt)


def fdtr(dfn: Array, dfd: Array, x: Array) -> Array:
    """Fisher's distribution function at `x`, elementwise; the derivative is that in `x`.

    Examples
    --------
    >>> import numpy
    >>> fdtr(2.0, 2.0, numpy.asarray([0.0, 1.0, 3.0])).round(12)  # x / (1 + x)
    array([0.  , 0.5 , 0.75])
    """
    scaled = _scaled(dfn, x)
    return betainc(dfn / 2, dfd / 2, scaled / (scaled + dfd))


def fdtrc(dfn: Array, dfd: Array, x: Array) -> Array:
    """1 - fdtr(dfn, dfd, x), accurate where that is small.

    Examples
    --------
    >>> import numpy
    >>> fdtrc(2.0, 2.0, numpy.asarray([0.0, 1.0, 3.0])).round(12)
    array([1.  , 0.5 , 0.25])
    """
    return betainc(dfd / 2, dfn / 2, namespace_of(x).divide(dfd, _scaled(dfn, x) + dfd))


def _scaled(dfn: Array, x: Array) -> Array:
    """`dfn * x`, as a function: an array of array_api_strict on the left does not give way to a Tensor."""
    require_real_floating("fdtr", x)
    return namespace_of(dfn, x).multiply(x, dfn)


def _arrays(who: str, *arrays: Any) -> tuple[Array, ...]:
    """The arguments as arrays like the last one, which is differentiated."""
    x = arrays[-1]
    require_real_floating(who, x)
    xp, where = namespace_of(*arrays), array_device(x)
    return tuple([p if hasattr(p, "dtype") else xp.asarray(p, dtype=x.dtype, device=where) for p in arrays])


def _gammainc(a: Array, x: Array) -> Array:
    return native.special_function("gammainc", incomplete_function.gammainc, a, x)


def _gammaincc(a: Array, x: Array) -> Array:
    return native.special_function("gammaincc", incomplete_function.gammaincc, a, x)


def _betainc(a: Array, b: Array, x: Array) -> Array:
    return native.special_function("betainc", incomplete_function.betainc, a, b, x)


def _stdtr(df: Array, t: Array) -> Array:
    return native.special_function("stdtr", incomplete_function.stdtr, df, t)
