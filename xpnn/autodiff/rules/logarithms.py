"""The terms of entropies and likelihoods, in which 0 log(0) is 0, with derivatives; see `xpnn.special`.

A probability of 0 is a value like any other there: what never happens adds nothing. In floating point 0 times -inf is
NaN, so these functions choose the arguments of the logarithm first.
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays import native
from xpnn.arrays.namespaces import Array, array_device, namespace_of, require_real_floating
from xpnn.autodiff.broadcasting import shape_of, sum_to
from xpnn.autodiff.tape import as_one, differentiable

__all__ = ["entr", "real_pair", "xlogy"]

Rule = Any  # (value, backward)


@differentiable
def xlogy(x: Array, y: Array) -> Rule:
    """x log(y), elementwise, broadcast, and 0 where x = 0, whatever y is, unless it is NaN.

    One of them may be a Python number. Gradients are (log(y), x / y). Where both are 0 we give (0, 0); PyTorch gives
    (0, NaN).

    Raises
    ------
    TypeError
        If `x` or `y` does not hold real floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> xlogy(numpy.asarray([0.0, 2.0]), numpy.asarray([0.0, 1.0])).tolist()
    [0.0, 0.0]
    """
    shape_x, shape_y = shape_of(x), shape_of(y)
    x, y = real_pair("xlogy", x, y)
    xp = namespace_of(x, y)

    def dx(dy: Array) -> Array:
        return sum_to(dy * xp.log(xp.where((x == 0) & (y <= 0), xp.ones_like(y), y)), shape_x)

    def dy(dz: Array) -> Array:
        return sum_to(dz * (x / xp.where((x == 0) & (y == 0), xp.ones_like(y), y)), shape_y)

    return as_one(xlogy, _xlogy, x, y), (dx, dy)


def _xlogy(x: Array, y: Array) -> Array:
    return native.special_function("xlogy", _x_times_logarithm, x, y)


def _x_times_logarithm(x: Array, y: Array) -> Array:
    xp = namespace_of(x, y)
    above = y > 0
    logarithm = xp.log(xp.where(above, y, xp.ones_like(y)))
    logarithm = xp.where(above, logarithm, xp.where(y == 0, -xp.inf, xp.full_like(y, xp.nan)))
    empty = (x == 0) & ~xp.isnan(y)
    return xp.where(empty, xp.zeros_like(x), xp.where(empty, xp.ones_like(x), x) * logarithm)


@differentiable
def entr(x: Array) -> Rule:
    """-x log(x), elementwise, the terms of an entropy: 0 at 0, with gradient inf; -inf for x < 0, with gradient NaN.

    Raises
    ------
    TypeError
        If `x` does not hold real floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> entr(numpy.asarray([-1.0, 0.0, 0.5, 1.0])).round(6) + 0.0
    array([    -inf, 0.      , 0.346574, 0.      ])
    """
    xp = namespace_of(x)

    # -log(x) - 1
    def dx(dy: Array) -> Array:
        return dy * (-1 - xp.log(xp.where(x >= 0, x, xp.nan)))

    return as_one(entr, _entr, x), (dx,)


def _entr(x: Array) -> Array:
    require_real_floating("entr", x)
    return native.special_function("entr", _minus_x_times_logarithm, x)


def _minus_x_times_logarithm(x: Array) -> Array:
    xp = namespace_of(x)
    above = x > 0
    x_above = xp.where(above, x, xp.ones_like(x))
    return xp.where(above, -x_above * xp.log(x_above), xp.where(x < 0, -xp.inf, x * x))


def real_pair(who: str, x: Array, y: Array) -> tuple[Array, Array]:
    """Both as arrays of real floating-point numbers: a Python number becomes an array of the other's dtype."""
    xp = namespace_of(x, y)
    like = x if hasattr(x, "dtype") else y

    def array(part: Any) -> Array:
        if not hasattr(part, "dtype"):
            return xp.asarray(part, dtype=like.dtype, device=array_device(like))
        require_real_floating(who, part)
        return part

    require_real_floating(who, like)
    return array(x), array(y)
