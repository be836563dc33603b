"""Losses of numbers: how far outputs are from targets that may be any numbers."""

from __future__ import annotations

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.rules.choosing import clip
from xpnn.autodiff.tape import differentiable
from xpnn.nn.losses.reducing import Loss, Reduction, Rule, check_alike, checked, number, reduced_by

__all__ = [
    "AbsoluteError",
    "HuberError",
    "QuantileError",
    "SmoothAbsoluteError",
    "SquaredError",
    "absolute_error",
    "huber_error",
    "quantile_error",
    "smooth_absolute_error",
    "squared_error",
]


@differentiable
def _squared_error(y: Array, t: Array) -> Rule:
    difference = y - t

    # 2 (y - t)
    def dy_(dl: Array) -> Array:
        return 2 * dl * difference

    def dt(dl: Array) -> Array:
        return -2 * dl * difference

    return difference * difference, (dy_, dt)


def squared_error(y: Array, t: Array, *, sample_weight: Array | None = None, reduction: Reduction = "mean") -> Array:
    """(y - t)², by default averaged over all elements.

    Parameters
    ----------
    y, t
        Outputs and targets, of one shape (n, ...) and dtype.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean' (weighted, where there are weights), 'sum', or 'none' for an array of the shape of `y`.

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast), a mean over nothing is asked for, or `reduction` is another.
    TypeError
        If the dtypes differ.

    Examples
    --------
    >>> import numpy
    >>> squared_error(numpy.asarray([1.0, 3.0]), numpy.asarray([0.0, 0.0]))
    np.float64(5.0)
    """
    check_alike("squared_error", y, t)
    return reduced_by(_squared_error, y, t, sample_weight=sample_weight, reduction=reduction)


@differentiable
def _absolute_error(y: Array, t: Array) -> Rule:
    xp = namespace_of(y, t)
    difference = y - t

    # sign(y - t), 0 at 0
    def dy_(dl: Array) -> Array:
        return dl * xp.sign(difference)

    def dt(dl: Array) -> Array:
        return -dl * xp.sign(difference)

    return xp.abs(difference), (dy_, dt)


def absolute_error(y: Array, t: Array, *, sample_weight: Array | None = None, reduction: Reduction = "mean") -> Array:
    """|y - t|, by default averaged over all elements: least for the median, where `squared_error` is for the mean.

    Parameters and errors are those of `squared_error`. PyTorch's L1Loss.

    Examples
    --------
    >>> import numpy
    >>> absolute_error(numpy.asarray([1.0, 3.0]), numpy.asarray([0.0, 0.0]))
    np.float64(2.0)
    """
    check_alike("absolute_error", y, t)
    return reduced_by(_absolute_error, y, t, sample_weight=sample_weight, reduction=reduction)


@differentiable
def _huber_error(y: Array, t: Array, *, delta: float, scale: float) -> Rule:
    difference = y - t
    kept = clip(difference, -delta, delta)

    # y - t, kept between -delta and delta
    def dy_(dl: Array) -> Array:
        return dl * kept / scale if scale != 1 else dl * kept

    def dt(dl: Array) -> Array:
        return -dy_(dl)

    losses = kept * (difference - 0.5 * kept)  # d² / 2 inside, delta (|d| - delta / 2) outside
    return losses / scale if scale != 1 else losses, (dy_, dt)


def huber_error(
    y: Array, t: Array, *, delta: float = 1.0, sample_weight: Array | None = None, reduction: Reduction = "mean"
) -> Array:
    """(y - t)² / 2 where |y - t| is at most `delta`, delta (|y - t| - delta / 2) beyond, by default averaged.

    Quadratic near the target, so smooth there, and linear far away, so that no outlier decides. Huber, Robust
    estimation of a location parameter (1964).

    Parameters
    ----------
    y, t
        Outputs and targets, of one shape (n, ...) and dtype.
    delta
        Where the two pieces meet, above 0.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean' (weighted, where there are weights), 'sum', or 'none' for an array of the shape of `y`.

    Raises
    ------
    ValueError
        If the shapes differ, a mean over nothing is asked for, `delta` is not above 0, or `reduction` is another.
    TypeError
        If the dtypes differ, or `delta` is no number.

    Examples
    --------
    >>> import numpy
    >>> huber_error(numpy.asarray([0.5, 3.0]), numpy.asarray([0.0, 0.0]), reduction="none")
    array([0.125, 2.5  ])
    """
    delta = number("huber_error", "delta", delta, above=True)
    check_alike("huber_error", y, t)
    return reduced_by(_huber_error, y, t, sample_weight=sample_weight, reduction=reduction, delta=delta, scale=1.0)


def smooth_absolute_error(
    y: Array, t: Array, *, beta: float = 1.0, sample_weight: Array | None = None, reduction: Reduction = "mean"
) -> Array:
    """(y - t)² / (2 beta) where |y - t| is below `beta`, |y - t| - beta / 2 beyond, by default averaged.

    `huber_error` divided by its delta: with beta to 0 it becomes `absolute_error`, and with beta = 0 it is. PyTorch's
    SmoothL1Loss; Girshick, Fast R-CNN (2015), equation 3.

    Parameters and errors are those of `huber_error`; `beta` is 0 or more.

    Examples
    --------
    >>> import numpy
    >>> smooth_absolute_error(numpy.asarray([0.5, 3.0]), numpy.asarray([0.0, 0.0]), beta=2.0, reduction="none")
    array([0.0625, 2.    ])
    """
    beta = number("smooth_absolute_error", "beta", beta)
    check_alike("smooth_absolute_error", y, t)
    if beta == 0:
        return reduced_by(_absolute_error, y, t, sample_weight=sample_weight, reduction=reduction)
    return reduced_by(_huber_error, y, t, sample_weight=sample_weight, reduction=reduction, delta=beta, scale=beta)


@differentiable
def _quantile_error(y: Array, t: Array, *, q: float) -> Rule:
    xp = namespace_of(y, t)
    difference = t - y

    # q where t is larger, q - 1 where it is smaller; between the two at 0
    def dt(dl: Array) -> Array:
        return dl * (q - 0.5 + 0.5 * xp.sign(difference))

    def dy_(dl: Array) -> Array:
        return -dt(dl)

    # a term of factor 0 is left out, as the difference may be infinite
    larger, smaller = (factor * difference if factor else 0.0 for factor in (q, q - 1))
    return xp.maximum(larger, smaller), (dy_, dt)


def quantile_error(
    y: Array, t: Array, *, q: float = 0.5, sample_weight: Array | None = None, reduction: Reduction = "mean"
) -> Array:
    """max(q (t - y), (q - 1) (t - y)), by default averaged: least for the q-quantile of the targets.

    The pinball loss; for q = 1/2 half of `absolute_error`. Koenker and Bassett, Regression quantiles (1978).

    Parameters
    ----------
    y, t
        Outputs and targets, of one shape (n, ...) and dtype.
    q
        The quantile, from 0 to 1: the share of targets that should lie below `y`.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean' (weighted, where there are weights), 'sum', or 'none' for an array of the shape of `y`.

    Raises
    ------
    ValueError
        If the shapes differ, a mean over nothing is asked for, `q` is not from 0 to 1, or `reduction` is another.
    TypeError
        If the dtypes differ, or `q` is no number.

    Examples
    --------
    >>> import numpy
    >>> quantile_error(numpy.asarray([0.0, 0.0]), numpy.asarray([1.0, -1.0]), q=0.9, reduction="none").round(3)
    array([0.9, 0.1])
    """
    q = number("quantile_error", "q", q, most=1.0)
    check_alike("quantile_error", y, t)
    return reduced_by(_quantile_error, y, t, sample_weight=sample_weight, reduction=reduction, q=q)


class SquaredError(Loss):
    """The layer of `squared_error`."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self.reduction = checked(reduction)

    def forward(self, y: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return squared_error(y, t, sample_weight=sample_weight, reduction=self.reduction)


class AbsoluteError(Loss):
    """The layer of `absolute_error`."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self.reduction = checked(reduction)

    def forward(self, y: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return absolute_error(y, t, sample_weight=sample_weight, reduction=self.reduction)


class HuberError(Loss):
    """The layer of `huber_error`."""

    def __init__(self, *, delta: float = 1.0, reduction: Reduction = "mean") -> None:
        self.delta, self.reduction = number("HuberError", "delta", delta, above=True), checked(reduction)

    def forward(self, y: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return huber_error(y, t, delta=self.delta, sample_weight=sample_weight, reduction=self.reduction)


class SmoothAbsoluteError(Loss):
    """The layer of `smooth_absolute_error`."""

    def __init__(self, *, beta: float = 1.0, reduction: Reduction = "mean") -> None:
        self.beta, self.reduction = number("SmoothAbsoluteError", "beta", beta), checked(reduction)

    def forward(self, y: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return smooth_absolute_error(y, t, beta=self.beta, sample_weight=sample_weight, reduction=self.reduction)


class QuantileError(Loss):
    """The layer of `quantile_error`."""

    def __init__(self, *, q: float = 0.5, reduction: Reduction = "mean") -> None:
        self.q, self.reduction = number("QuantileError", "q", q, most=1.0), checked(reduction)

    def forward(self, y: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return quantile_error(y, t, q=self.q, sample_weight=sample_weight, reduction=self.reduction)
