"""Exponentials and logarithms that networks need and the standard lacks, with derivatives; see `xpnn.special`.

Each is safe at the ends of the number line: nothing overflows, and -inf is a value like any other.
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays import native
from xpnn.arrays.namespaces import Array, lowest, namespace_of, require_real, require_real_floating
from xpnn.autodiff.tape import as_one, differentiable

__all__ = ["expit", "log_expit", "log_softmax", "logit", "logsumexp", "softmax", "softplus"]

Axis = int | tuple[int, ...] | None
Rule = Any  # (value, backward)


@differentiable
def expit(x: Array) -> Rule:
    """The logistic sigmoid 1 / (1 + e^-x), elementwise; exact 0 and 1 only where the true value rounds to them.

    Both branches use e^-|x|, which cannot overflow: 1 / (1 + e^-|x|) for x >= 0, else e^-|x| / (1 + e^-|x|).

    Examples
    --------
    >>> import numpy
    >>> expit(numpy.asarray([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    y = as_one(expit, _expit, x)

    # y (1 - y)
    def dx(dy: Array) -> Array:
        return dy * (y * (1 - y))

    return y, (dx,)


def _expit(x: Array) -> Array:
    xp = namespace_of(x)
    require_real("expit", x)
    e = xp.exp(-xp.abs(x))
    return xp.maximum(e, xp.astype(x >= 0, e.dtype)) / (1 + e)


@differentiable
def softplus(x: Array) -> Rule:
    """log(1 + e^x), elementwise: max(x, 0) + log1p(e^-|x|).

    Examples
    --------
    >>> import numpy
    >>> softplus(numpy.asarray([-20.0, 100.0]))
    array([2.06115362e-09, 1.00000000e+02])
    """

    def dx(dy: Array) -> Array:
        return dy * expit(x)

    return as_one(softplus, _softplus, x), (dx,)


def _softplus(x: Array) -> Array:
    xp = namespace_of(x)
    require_real("softplus", x)
    return xp.maximum(x, 0.0) + xp.log1p(xp.exp(-xp.abs(x)))


@differentiable
def logit(x: Array) -> Rule:
    """log(x / (1 - x)), elementwise, the inverse of `expit`; -inf at 0, inf at 1, NaN (and gradient NaN) outside.

    SciPy's or CuPy's own, else the formula, or 2 artanh(2x - 1) from 1/4 to 3/4, where the quotient would lose the
    digits near 1/2: within 1.7e-16 logit(x) in float64 and 8.7e-8 logit(x) in float32 (measured).

    Raises
    ------
    TypeError
        If `x` does not hold real floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> logit(numpy.asarray([0.5, 0.9, 1.0])).round(6)
    array([0.      , 2.197225,      inf])
    """
    xp = namespace_of(x)

    # 1 / (x (1 - x))
    def dx(dy: Array) -> Array:
        inside = xp.where((x >= 0) & (x <= 1), x, xp.nan)
        return dy / (inside * (1 - inside))

    return as_one(logit, _logit, x), (dx,)


def _logit(x: Array) -> Array:
    require_real_floating("logit", x)
    return native.special_function("logit", _logit_by_logarithms, x)


def _logit_by_logarithms(x: Array) -> Array:
    xp = namespace_of(x)
    inside = (x > 0) & (x < 1)
    half = 0.5 * xp.ones_like(x)
    x_inside = xp.where(inside, x, half)
    middle = xp.abs(x_inside - 0.5) < 0.25
    y = 2 * xp.atanh(2 * xp.where(middle, x_inside, half) - 1)
    y = xp.where(middle, y, xp.log(x_inside / (1 - x_inside)))
    edge = xp.where(x == 0, -xp.inf, xp.where(x == 1, xp.inf, xp.full_like(x, xp.nan)))
    return xp.where(inside, y, edge)


@differentiable
def log_expit(x: Array) -> Rule:
    """log(expit(x)), elementwise: min(x, 0) - log1p(e^-|x|), which is x far to the left, where expit(x) is 0.

    Examples
    --------
    >>> import numpy
    >>> log_expit(numpy.asarray([-1000.0, 0.0, 1000.0])).round(6).tolist()
    [-1000.0, -0.693147, 0.0]
    """

    # 1 - expit(x)
    def dx(dy: Array) -> Array:
        return dy * expit(-x)

    return as_one(log_expit, _log_expit, x), (dx,)


def _log_expit(x: Array) -> Array:
    require_real_floating("log_expit", x)
    xp = namespace_of(x)
    return xp.minimum(x, 0.0) - xp.log1p(xp.exp(-xp.abs(x)))


def finite_maximum(x: Array, axis: Axis) -> Array:
    """The maximum along `axis`, kept as an axis; never -inf, so that x - maximum is never NaN."""
    xp = namespace_of(x)
    return xp.maximum(xp.max(x, axis=axis, keepdims=True), lowest(x.dtype))


@differentiable
def softmax(x: Array, *, axis: int = -1) -> Rule:
    """e^x / sum(e^x) along `axis`: positive, with sum 1.

    The maximum is subtracted first. A row that is all -inf (everything masked) gives zeros; PyTorch gives NaN.

    Examples
    --------
    >>> import numpy
    >>> softmax(numpy.asarray([1e4, 1e4, -numpy.inf]))
    array([0.5, 0.5, 0. ])
    """
    y = as_one(softmax, _softmax, x, axis=axis)

    # y (dy - <dy, y>)
    def dx(dy: Array) -> Array:
        weighted = dy * y
        return weighted - namespace_of(weighted).sum(weighted, axis=axis, keepdims=True) * y

    return y, (dx,)


def _softmax(x: Array, *, axis: int) -> Array:
    xp = namespace_of(x)
    e = xp.exp(x - finite_maximum(x, axis))
    # the sum holds e^0, so it is at least 1 unless all is masked
    return e / xp.maximum(xp.sum(e, axis=axis, keepdims=True), 1.0)


@differentiable
def log_softmax(x: Array, *, axis: int = -1) -> Rule:
    """log(softmax(x)) along `axis`, without its rounding: x - logsumexp(x).

    Examples
    --------
    >>> import numpy
    >>> log_softmax(numpy.asarray([0.0, 1e4]))
    array([-10000.,      0.])
    """
    xp = namespace_of(x)
    y = as_one(log_softmax, _log_softmax, x, axis=axis)

    # dy - softmax sum(dy)
    def dx(dy: Array) -> Array:
        return dy - namespace_of(dy).sum(dy, axis=axis, keepdims=True) * xp.exp(y)

    return y, (dx,)


def _log_softmax(x: Array, *, axis: int) -> Array:
    xp = namespace_of(x)
    z = x - finite_maximum(x, axis)
    return z - xp.log(xp.maximum(xp.sum(xp.exp(z), axis=axis, keepdims=True), 1.0))


@differentiable
def logsumexp(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Rule:
    """log(sum(e^x)) along `axis`; -inf with gradient 0 where all of `x` is -inf.

    Examples
    --------
    >>> import numpy
    >>> logsumexp(numpy.asarray([1e4, 1e4])).round(4)
    np.float64(10000.6931)
    """
    xp = namespace_of(x)
    axes = tuple(range(x.ndim)) if axis is None else axis
    top = xp.minimum(finite_maximum(x, axes), -lowest(x.dtype))  # infinity less infinity would be NaN
    e = xp.exp(x - top)
    total = xp.sum(e, axis=axes, keepdims=True)
    masked = xp.astype(total == 0, x.dtype)
    y = xp.log(total + masked) + top

    # softmax
    def dx(dy: Array) -> Array:
        return namespace_of(dy).reshape(dy, y.shape) * (e / (total + masked))

    y = xp.where(total == 0, -xp.inf, y) if x.size else y
    return y if keepdims else xp.squeeze(y, axis=axes), (dx,)
