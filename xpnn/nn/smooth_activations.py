"""Smooth activations beyond sigmoid, tanh and GELU: exponential linear units, softplus and softsign, SiLU and Mish.

Their formulas hold over the whole number line: exponentials are of numbers below 0, or bounded, so nothing overflows.
"""

from __future__ import annotations

from math import inf
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.rules.special import expit, log_expit
from xpnn.autodiff.tape import as_one, differentiable, plain
from xpnn.nn.building import require_floating_input
from xpnn.nn.module import Module

__all__ = [
    "CELU",
    "ELU",
    "LogSigmoid",
    "Mish",
    "SELU",
    "SiLU",
    "Softplus",
    "Softsign",
    "Tanhshrink",
    "celu",
    "elu",
    "log_sigmoid",
    "mish",
    "selu",
    "silu",
    "softplus",
    "softsign",
    "tanhshrink",
]

Rule = Any  # (value, backward)
log_sigmoid = log_expit

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@differentiable
def _exponential_linear(x: Array, *, alpha: float, rate: float, scale: float) -> Rule:
    """scale x where x > 0, else scale alpha (e^(rate x) - 1)."""
    xp = namespace_of(x)
    above = xp.astype(x > 0, x.dtype)

    # scale above 0, else scale alpha rate e^(rate x)
    def dx(dy: Array) -> Array:
        below = xp.exp(xp.minimum(x, 0.0) * rate) * (1 - above)
        return dy * (below * (scale * alpha * rate) + above * scale)

    return as_one(_exponential_linear, _exponential_linear_formula, x, alpha=alpha, rate=rate, scale=scale), (dx,)


def _exponential_linear_formula(x: Array, *, alpha: float, rate: float, scale: float) -> Array:
    xp = namespace_of(x)
    below = xp.minimum(x, 0.0)
    return xp.maximum(x, 0.0) * scale + xp.expm1(below if rate == 1 else below * rate) * (scale * alpha)


def elu(x: Array, *, alpha: float = 1.0) -> Array:
    """x where x > 0, else alpha (e^x - 1), elementwise.

    Clevert, Unterthiner and Hochreiter, Fast and accurate deep network learning by exponential linear units (2016).
    The derivative at 0 is `alpha`.

    Raises
    ------
    TypeError
        If `x` is not floating-point.

    Examples
    --------
    >>> import numpy
    >>> elu(numpy.asarray([-1e4, -1.0, 2.0])).round(4)
    array([-1.    , -0.6321,  2.    ])
    """
    require_floating_input("elu", x)
    return _exponential_linear(x, alpha=alpha, rate=1.0, scale=1.0)


def selu(x: Array) -> Array:
    """scale (x where x > 0, else alpha (e^x - 1)), elementwise, with the constants that keep mean 0 and variance 1.

    alpha = 1.67326…, scale = 1.05070…: Klambauer, Unterthiner, Mayr and Hochreiter, Self-normalizing neural networks
    (2017). Goes with `initializers.lecun_normal` and `AlphaDropout`.

    Examples
    --------
    >>> import numpy
    >>> selu(numpy.asarray([-1e4, 0.0, 1.0])).round(4)
    array([-1.7581,  0.    ,  1.0507])
    """
    require_floating_input("selu", x)
    return _exponential_linear(x, alpha=SELU_ALPHA, rate=1.0, scale=SELU_SCALE)


def celu(x: Array, *, alpha: float = 1.0) -> Array:
    """x where x > 0, else alpha (e^(x / alpha) - 1), elementwise: an ELU with a continuous derivative for all alpha.

    Barron, Continuously differentiable exponential linear units (2017).

    Raises
    ------
    ValueError
        If `alpha` is 0.

    Examples
    --------
    >>> import numpy
    >>> celu(numpy.asarray([-1e4, -1.0, 2.0]), alpha=2.0).round(4)
    array([-2.    , -0.7869,  2.    ])
    """
    if not alpha:
        raise ValueError(f"celu expected alpha other than 0, got {alpha}")
    require_floating_input("celu", x)
    return _exponential_linear(x, alpha=alpha, rate=1 / alpha, scale=1.0)


@differentiable
def softplus(x: Array, *, beta: float = 1.0, threshold: float = inf) -> Rule:
    """log(1 + e^(beta x)) / beta, elementwise: a smooth ReLU; larger `beta` bends more sharply.

    Dugas and others, Incorporating second-order functional knowledge for better option pricing (2001). It
    is exact for all x; PyTorch takes x itself where beta x > 20, which differs by up to 2e-9, and so does
    `threshold=20`.

    Raises
    ------
    ValueError
        If `beta` is 0.
    TypeError
        If `x` is not floating-point.

    Examples
    --------
    >>> import numpy
    >>> softplus(numpy.asarray([-1e4, 0.0, 1e4])).round(4)
    array([0.000e+00, 6.931e-01, 1.000e+04])
    """
    curved = _curved(plain(x), beta, threshold)

    # expit(beta x), and 1 beyond the threshold
    def dx(dy: Array) -> Array:
        slope = expit(x * beta)
        return dy * (slope if curved is None else slope * curved + (1 - curved))

    return as_one(softplus, _softplus, x, beta=beta, threshold=threshold), (dx,)


def _curved(x: Array, beta: float, threshold: float) -> Array | None:
    """1 up to the threshold, 0 beyond; None where there is none."""
    return None if threshold == inf else namespace_of(x).astype(x * beta <= threshold, x.dtype)


def _softplus(x: Array, *, beta: float, threshold: float) -> Array:
    if not beta:
        raise ValueError(f"softplus expected beta other than 0, got {beta}")
    require_floating_input("softplus", x)
    xp = namespace_of(x)
    z, curved = (x if beta == 1 else x * beta), _curved(x, beta, threshold)
    soft = xp.log1p(xp.exp(-xp.abs(z)))
    y = xp.maximum(z, 0.0) + (soft if curved is None else soft * curved)
    if curved is not None and threshold < 0:  # beyond it z itself, below 0 too
        y = y + xp.minimum(xp.maximum(z, threshold), 0.0) * (1 - curved)
    return y if beta == 1 else y * (1 / beta)


@differentiable
def softsign(x: Array) -> Rule:
    """x / (1 + |x|), elementwise.

    Bergstra, Desjardins, Lamblin and Bengio, Quadratic polynomials learn better image features (2009).

    Examples
    --------
    >>> import numpy
    >>> softsign(numpy.asarray([-3.0, 0.0, 1.0]))
    array([-0.75,  0.  ,  0.5 ])
    """

    # 1 / (1 + |x|)²
    def dx(dy: Array) -> Array:
        size = 1 + namespace_of(x).abs(x)
        return dy / size / size  # one after the other: the square would overflow first

    return as_one(softsign, _softsign, x), (dx,)


def _softsign(x: Array) -> Array:
    require_floating_input("softsign", x)
    return x / (1 + namespace_of(x).abs(x))


@differentiable
def tanhshrink(x: Array) -> Rule:
    """x - tanh(x), elementwise.

    Examples
    --------
    >>> import numpy
    >>> tanhshrink(numpy.asarray([-1e4, 0.0, 1.0])).round(4)
    array([-9.999e+03,  0.000e+00,  2.384e-01])
    """
    require_floating_input("tanhshrink", x)
    t = namespace_of(x).tanh(x)

    # tanh²
    def dx(dy: Array) -> Array:
        return dy * (t * t)

    return x - t, (dx,)


@differentiable
def silu(x: Array) -> Rule:
    """x expit(x), elementwise; also called swish.

    Elfwing, Uchibe and Doya, Sigmoid-weighted linear units for neural network function approximation in reinforcement
    learning (2018).

    Examples
    --------
    >>> import numpy
    >>> silu(numpy.asarray([-1e4, -1.0, 0.0, 1e4])).round(4).tolist()
    [-0.0, -0.2689, 0.0, 10000.0]
    """
    require_floating_input("silu", x)
    s = expit(x)

    # s (1 + x (1 - s))
    def dx(dy: Array) -> Array:
        return dy * (s + s * (1 - s) * x)

    return x * s, (dx,)


@differentiable
def mish(x: Array) -> Rule:
    """x tanh(log(1 + e^x)), elementwise.

    Misra, Mish: a self regularized non-monotonic activation function (2019). tanh(log(1 + u)) is n / (n +
    2) with n = u (u + 2); beyond x = 20, where that is 1 to the last bit, e^x is not followed any further.

    Examples
    --------
    >>> import numpy
    >>> mish(numpy.asarray([-1e4, -1.0, 0.0, 1e4])).round(4).tolist()
    [-0.0, -0.3034, 0.0, 10000.0]
    """
    require_floating_input("mish", x)
    xp = namespace_of(x)
    below = xp.minimum(x, 20.0)
    u = xp.exp(below)
    n = u * (u + 2)
    t = n / (n + 2)

    # t + x 4 u (u + 1) / (n + 2)², whose second term is nothing beyond 20
    def dx(dy: Array) -> Array:
        return dy * (t + 4 * u * (u + 1) / (n + 2) / (n + 2) * below)

    return x * t, (dx,)


class ELU(Module):
    """The layer of `elu`."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        return elu(x, alpha=self.alpha)

    def describe(self) -> str:
        return f"alpha={self.alpha}"


class SELU(Module):
    """The layer of `selu`."""

    def forward(self, x: Array) -> Array:
        return selu(x)


class CELU(Module):
    """The layer of `celu`.

    Raises
    ------
    ValueError
        If `alpha` is 0.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        if not alpha:
            raise ValueError(f"CELU expected alpha other than 0, got {alpha}")
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        return celu(x, alpha=self.alpha)

    def describe(self) -> str:
        return f"alpha={self.alpha}"


class Softplus(Module):
    """The layer of `softplus`.

    Raises
    ------
    ValueError
        If `beta` is 0.

    Examples
    --------
    >>> Softplus(beta=2.0)
    Softplus(beta=2.0)
    """

    def __init__(self, *, beta: float = 1.0, threshold: float = inf) -> None:
        if not beta:
            raise ValueError(f"Softplus expected beta other than 0, got {beta}")
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Array) -> Array:
        return softplus(x, beta=self.beta, threshold=self.threshold)

    def describe(self) -> str:
        parts = [f"beta={self.beta}"] if self.beta != 1 else []
        return ", ".join(parts + ([f"threshold={self.threshold}"] if self.threshold != inf else []))


class Softsign(Module):
    """The layer of `softsign`."""

    def forward(self, x: Array) -> Array:
        return softsign(x)


class Tanhshrink(Module):
    """The layer of `tanhshrink`."""

    def forward(self, x: Array) -> Array:
        return tanhshrink(x)


class SiLU(Module):
    """The layer of `silu`."""

    def forward(self, x: Array) -> Array:
        return silu(x)


class Mish(Module):
    """The layer of `mish`."""

    def forward(self, x: Array) -> Array:
        return mish(x)


class LogSigmoid(Module):
    """The layer of `log_sigmoid`."""

    def forward(self, x: Array) -> Array:
        return log_sigmoid(x)
