"""Losses of distributions: the negative logarithm of the density of targets, and how far one distribution is from
another.
"""

from __future__ import annotations

from math import log, pi
from typing import Literal, TypeAlias

from xpnn.arrays.checks import require_not_negative
from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.tape import differentiable, plain
from xpnn.nn.losses.reducing import (
    Loss,
    Reduction,
    Rule,
    check_alike,
    checked,
    divided,
    number,
    reduced,
    reduced_by,
    require_items,
)

__all__ = [
    "GaussianNegativeLogLikelihood",
    "KLDivergence",
    "PoissonNegativeLogLikelihood",
    "gaussian_negative_log_likelihood",
    "kl_divergence",
    "poisson_negative_log_likelihood",
]

ReductionOfDistributions: TypeAlias = Literal["mean", "sum", "none", "batch_mean"]


@differentiable
def _kl_divergence(log_p: Array, t: Array) -> Rule:
    xp = namespace_of(log_p, t)
    log_t = xp.log(t + xp.astype(t == 0, t.dtype))  # 0 log(0) is 0

    def dp(dl: Array) -> Array:
        return -dl * t

    # log(t / p) + 1, where t = 0 the 1 - log(p) that remains
    def dt(dl: Array) -> Array:
        return dl * (log_t - log_p + 1)

    return t * log_t - t * log_p, (dp, dt)


@differentiable
def _kl_divergence_of_logarithms(log_p: Array, log_t: Array) -> Rule:
    t = namespace_of(log_p, log_t).exp(log_t)
    difference = log_t - log_p

    def dp(dl: Array) -> Array:
        return -dl * t

    # t (log(t / p) + 1)
    def dt(dl: Array) -> Array:
        return dl * t * (difference + 1)

    return t * difference, (dp, dt)


def kl_divergence(
    log_p: Array,
    t: Array,
    *,
    log_target: bool = False,
    sample_weight: Array | None = None,
    reduction: ReductionOfDistributions = "mean",
) -> Array:
    """t log(t / p), elementwise: summed over a distribution, how far `p` is from the target distribution `t`.

    Kullback and Leibler, On information and sufficiency (1951). The divergence of distributions along the last axis is
    the sum along it: reduction='batch_mean' sums all and divides by the number of items, 'mean' divides by the number
    of all elements, as in PyTorch.

    Parameters
    ----------
    log_p, t
        Log-probabilities, and probabilities, of one shape (n, ...) and dtype.
    log_target
        Whether `t` holds log-probabilities, too.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean' over all elements (weighted, where there are weights), 'batch_mean' over items, 'sum', or 'none' for an
        array of the shape of `log_p`.

    Raises
    ------
    ValueError
        If the shapes differ, a mean over nothing is asked for, or `reduction` is another.
    TypeError
        If the dtypes differ.

    Examples
    --------
    >>> import numpy
    >>> p, t = numpy.asarray([[0.5, 0.5]]), numpy.asarray([[1.0, 0.0]])
    >>> kl_divergence(numpy.log(p), t, reduction="batch_mean").round(4)
    np.float64(0.6931)
    """
    check_alike("kl_divergence", log_p, t)
    rule = _kl_divergence_of_logarithms if log_target else _kl_divergence
    if reduction != "batch_mean":
        return reduced_by(rule, log_p, t, sample_weight=sample_weight, reduction=reduction)
    losses = rule(log_p, t)
    require_items(losses)
    total = reduced(losses, sample_weight, "sum")
    items = losses.shape[0] if losses.shape else 1
    return total / items if sample_weight is None else divided(total, namespace_of(total).sum(sample_weight))


@differentiable
def _gaussian(y: Array, t: Array, variance: Array, *, epsilon: float) -> Rule:
    xp = namespace_of(y, t, variance)
    v = xp.maximum(variance, epsilon)
    difference = y - t

    # (y - t) / v
    def dy_(dl: Array) -> Array:
        return dl * difference / v

    def dt(dl: Array) -> Array:
        return -dl * difference / v

    # (1 - (y - t)² / v) / (2 v), also where v is kept from 0, so that it can grow
    def dv(dl: Array) -> Array:
        return dl * (0.5 - 0.5 * difference * difference / v) / v

    return 0.5 * (xp.log(v) + difference * difference / v), (dy_, dt, dv)


def gaussian_negative_log_likelihood(
    y: Array,
    t: Array,
    variance: Array,
    *,
    full: bool = False,
    epsilon: float = 1e-6,
    sample_weight: Array | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """(log v + (y - t)² / v) / 2: targets `t` of a normal distribution with mean `y` and variance v, averaged.

    Nix and Weigend, Estimating the mean and variance of the target probability distribution (1994).

    Parameters
    ----------
    y, t
        Means and targets, of one shape (n, ...) and dtype.
    variance
        Of that dtype and of a shape that stretches to that of `y`, such as (n, 1).
    full
        Whether to add the constant log(2 pi) / 2.
    epsilon
        The least variance: smaller ones are taken as this, and have the gradient that it has, as in PyTorch.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean' (weighted, where there are weights), 'sum', or 'none' for an array of the shape of `y`.

    Raises
    ------
    ValueError
        If the shapes do not fit, a mean over nothing is asked for, `epsilon` is not above 0, or `reduction` is another;
        on NumPy, if a variance is negative.
    TypeError
        If the dtypes differ.

    Examples
    --------
    >>> import numpy
    >>> y, t, v = (numpy.asarray([x]) for x in (1.0, 3.0, 4.0))
    >>> gaussian_negative_log_likelihood(y, t, v).round(4)
    np.float64(1.1931)
    """
    who = "gaussian_negative_log_likelihood"
    epsilon = number(who, "epsilon", epsilon, above=True)
    check_alike(who, y, t)
    xp = namespace_of(y, variance)
    if variance.dtype != y.dtype:
        raise TypeError(f"{who} expected variance of dtype {y.dtype}, as the outputs, got {variance.dtype}")
    given = variance
    if variance.shape != y.shape:
        fits = len(variance.shape) == len(y.shape) and all(
            m in (1, n) for m, n in zip(variance.shape, y.shape, strict=True)
        )
        if not fits:
            raise ValueError(f"{who} expected variance of a shape that stretches to {y.shape}, got {variance.shape}")
        variance = xp.broadcast_to(variance, y.shape)
    require_not_negative("variance", plain(given))
    if not full:
        return reduced_by(_gaussian, y, t, variance, sample_weight=sample_weight, reduction=reduction, epsilon=epsilon)
    return reduced(_gaussian(y, t, variance, epsilon=epsilon) + 0.5 * log(2 * pi), sample_weight, reduction)


@differentiable
def _poisson(y: Array, t: Array) -> Rule:
    rate = namespace_of(y, t).exp(y)

    # e^y - t
    def dy_(dl: Array) -> Array:
        return dl * (rate - t)

    def dt(dl: Array) -> Array:
        return -dl * y

    return rate - t * y, (dy_, dt)


@differentiable
def _poisson_of_rates(y: Array, t: Array, *, epsilon: float) -> Rule:
    kept = y + epsilon
    log_y = namespace_of(y, t).log(kept)

    # 1 - t / y
    def dy_(dl: Array) -> Array:
        return dl * (1 - t / kept)

    def dt(dl: Array) -> Array:
        return -dl * log_y

    return y - t * log_y, (dy_, dt)


def poisson_negative_log_likelihood(
    y: Array,
    t: Array,
    *,
    log_input: bool = True,
    full: bool = False,
    epsilon: float = 1e-8,
    sample_weight: Array | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """e^y - t y: counts `t` of a Poisson distribution with rate e^y, by default averaged.

    Parameters
    ----------
    y, t
        Logarithms of rates, and counts, of one shape (n, ...) and dtype.
    log_input
        False if `y` holds the rates themselves: the loss is then y - t log(y + epsilon).
    full
        Whether to add Stirling's t log t - t + log(2 pi t) / 2 for log(t!), where t is above 1.
    epsilon
        Keeps the logarithm of a rate from -infinity; above 0.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean' (weighted, where there are weights), 'sum', or 'none' for an array of the shape of `y`.

    Raises
    ------
    ValueError
        If the shapes differ, a mean over nothing is asked for, `epsilon` is not above 0, or `reduction` is another.
    TypeError
        If the dtypes differ.

    Examples
    --------
    >>> import numpy
    >>> poisson_negative_log_likelihood(numpy.asarray([0.0]), numpy.asarray([2.0]))
    np.float64(1.0)
    """
    who = "poisson_negative_log_likelihood"
    epsilon = number(who, "epsilon", epsilon, above=True)
    check_alike(who, y, t)
    if not full and log_input:
        return reduced_by(_poisson, y, t, sample_weight=sample_weight, reduction=reduction)
    if not full:
        return reduced_by(_poisson_of_rates, y, t, sample_weight=sample_weight, reduction=reduction, epsilon=epsilon)
    xp = namespace_of(y, t)
    losses = _poisson(y, t) if log_input else _poisson_of_rates(y, t, epsilon=epsilon)
    above = xp.astype(t > 1, t.dtype)
    count = t * above + (1 - above)  # 1 where t is less, so that no logarithm is infinite
    stirling = above * (count * xp.log(count) - count + 0.5 * xp.log(2 * pi * count))
    return reduced(losses + stirling, sample_weight, reduction)


class KLDivergence(Loss):
    """The layer of `kl_divergence`."""

    def __init__(self, *, log_target: bool = False, reduction: ReductionOfDistributions = "mean") -> None:
        self.log_target = log_target
        self.reduction: ReductionOfDistributions = reduction if reduction == "batch_mean" else checked(reduction)

    def forward(self, log_p: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return kl_divergence(
            log_p, t, log_target=self.log_target, sample_weight=sample_weight, reduction=self.reduction
        )


class GaussianNegativeLogLikelihood(Loss):
    """The layer of `gaussian_negative_log_likelihood`."""

    def __init__(self, *, full: bool = False, epsilon: float = 1e-6, reduction: Reduction = "mean") -> None:
        self.full, self.reduction = full, checked(reduction)
        self.epsilon = number("GaussianNegativeLogLikelihood", "epsilon", epsilon, above=True)

    def forward(self, y: Array, t: Array, variance: Array, *, sample_weight: Array | None = None) -> Array:
        return gaussian_negative_log_likelihood(
            y,
            t,
            variance,
            full=self.full,
            epsilon=self.epsilon,
            sample_weight=sample_weight,
            reduction=self.reduction,
        )


class PoissonNegativeLogLikelihood(Loss):
    """The layer of `poisson_negative_log_likelihood`."""

    def __init__(
        self,
        *,
        log_input: bool = True,
        full: bool = False,
        epsilon: float = 1e-8,
        reduction: Reduction = "mean",
    ) -> None:
        self.log_input, self.full, self.reduction = log_input, full, checked(reduction)
        self.epsilon = number("PoissonNegativeLogLikelihood", "epsilon", epsilon, above=True)

    def forward(self, y: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return poisson_negative_log_likelihood(
            y,
            t,
            log_input=self.log_input,
            full=self.full,
            epsilon=self.epsilon,
            sample_weight=sample_weight,
            reduction=self.reduction,
        )
