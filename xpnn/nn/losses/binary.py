"""Losses of two classes: outputs are a probability, or its logit; targets lie from 0 to 1."""

from __future__ import annotations

from numbers import Real
from typing import Any

from xpnn.arrays.checks import require_shares
from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.rules.choosing import clip
from xpnn.autodiff.rules.special import expit, softplus
from xpnn.autodiff.tape import as_one, differentiable
from xpnn.nn.declarations import Buffer
from xpnn.nn.losses.reducing import Loss, Reduction, Rule, check_alike, checked, like, number, reduced, reduced_by

__all__ = [
    "BinaryCrossEntropy",
    "BinaryCrossEntropyWithLogits",
    "FocalCrossEntropy",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "focal_cross_entropy",
]


@differentiable
def _slope(p: Array, t: Array) -> Rule:
    """(p - t) / (p (1 - p)), the derivative of the loss by `p`, with the denominator kept from 0 as in PyTorch."""
    bottom = namespace_of(p, t).maximum(p * (1 - p), 1e-12)

    # t / p² + (1 - t) / (1 - p)², on that denominator: its own derivative would be of no use near 0 and 1
    def dp(dy: Array) -> Array:
        return dy * (t * (1 - p) ** 2 + (1 - t) * p**2) / bottom**2

    def dt(dy: Array) -> Array:
        return -dy / bottom

    return (p - t) / bottom, (dp, dt)


@differentiable
def _binary_cross_entropy(p: Array, t: Array) -> Rule:
    xp = namespace_of(p, t)
    require_shares("probabilities", p)
    require_shares("targets", t)

    at_0, at_1 = xp.astype(p == 0, p.dtype), xp.astype(p == 1, p.dtype)
    # logarithms not below -100, without a warning at the ends; log1p keeps the digits of a small p
    log_p = xp.maximum(xp.log(p + at_0), -100.0) - 100.0 * at_0
    log_q = xp.maximum(xp.log1p(-(p - at_1)), -100.0) - 100.0 * at_1

    def dp(dl: Array) -> Array:
        return dl * _slope(p, t)

    def dt(dl: Array) -> Array:
        return dl * (log_q - log_p)

    return -(t * log_p + (1 - t) * log_q), (dp, dt)


def binary_cross_entropy(
    p: Array, t: Array, *, sample_weight: Array | None = None, reduction: Reduction = "mean"
) -> Array:
    """-(t log p + (1 - t) log(1 - p)) of probabilities `p`, by default averaged.

    Logarithms are kept at -100 or above, as in PyTorch, so that p = 0 and p = 1 give a loss of 100, not infinity; the
    gradient there is up to 1e12, the second derivative up to 1e24. Prefer `binary_cross_entropy_with_logits`, which
    loses nothing.

    Parameters
    ----------
    p, t
        Probabilities and targets, both in [0, 1], of one shape (n, ...) and dtype. On a GPU values are not
        looked at, as that would wait for the device: there other probabilities give NaN.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean' (weighted, where there are weights), 'sum', or 'none' for an array of the shape of `p`.

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast), a mean over nothing is asked for, or `reduction` is another; on
        NumPy, if a number that should lie in [0, 1] does not.
    TypeError
        If the dtypes differ.

    Examples
    --------
    >>> import numpy
    >>> binary_cross_entropy(numpy.asarray([0.5, 0.0]), numpy.asarray([1.0, 1.0])).round(4)
    np.float64(50.3466)
    """
    check_alike("binary_cross_entropy", p, t)
    return reduced_by(_binary_cross_entropy, p, t, sample_weight=sample_weight, reduction=reduction)


@differentiable
def _binary_cross_entropy_with_logits(z: Array, t: Array, *, positive_weight: float | Array) -> Rule:
    require_shares("targets", t)
    value = as_one(_binary_cross_entropy_with_logits, _from_logits, z, t, positive_weight=positive_weight)

    plain_weight = _is_one(positive_weight)

    # sigmoid(z) - t, with positives weighted
    def dz(dl: Array) -> Array:
        s = expit(z)
        return dl * (s - t if plain_weight else (1 - t) * s - t * positive_weight * (1 - s))

    def dt(dl: Array) -> Array:
        return dl * (-z if plain_weight else softplus(-z) * positive_weight - softplus(z))

    return value, (dz, dt)


def _is_one(weight: float | Array) -> bool:
    return type(weight) is float and weight == 1


def _from_logits(z: Array, t: Array, *, positive_weight: float | Array) -> Array:
    xp = namespace_of(z, t)
    spread = xp.log1p(xp.exp(-xp.abs(z)))
    if _is_one(positive_weight):
        return xp.maximum(z, 0.0) - z * t + spread
    # log(1 + e^-z) for positives, log(1 + e^z) for negatives
    return t * positive_weight * (spread + xp.maximum(-z, 0.0)) + (1 - t) * (spread + xp.maximum(z, 0.0))


def binary_cross_entropy_with_logits(
    z: Array,
    t: Array,
    *,
    sample_weight: Array | None = None,
    positive_weight: float | Array = 1.0,
    reduction: Reduction = "mean",
) -> Array:
    """The binary cross-entropy of sigmoid(z), from the logits `z`: max(z, 0) - z t + log(1 + e^-|z|), by default
    averaged.

    Parameters
    ----------
    z, t
        Logits, and targets in [0, 1], of one shape (n, ...) and dtype.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    positive_weight
        Factor of the loss of positives (t = 1), PyTorch's `pos_weight`: a number of 0 or more, or an array of a shape
        that stretches to that of `z`, such as one number for each of the classes that `z` ends with.
    reduction
        'mean' (weighted, where there are weights), 'sum', or 'none' for an array of the shape of `z`.

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast), a mean over nothing is asked for, or `reduction` is another; on
        NumPy, if a number that should lie in [0, 1] does not.
    TypeError
        If the dtypes differ.

    Examples
    --------
    >>> import numpy
    >>> binary_cross_entropy_with_logits(numpy.asarray([17.5]), numpy.asarray([0.0])).round(4)
    np.float64(17.5)
    """
    check_alike("binary_cross_entropy_with_logits", z, t)
    weight = _positive_weight("binary_cross_entropy_with_logits", positive_weight)
    if not isinstance(weight, float):
        weight = _stretching("binary_cross_entropy_with_logits", weight, z)
    rule = _binary_cross_entropy_with_logits
    return reduced_by(rule, z, t, sample_weight=sample_weight, reduction=reduction, positive_weight=weight)


def _positive_weight(who: str, weight: Any) -> float | Array:
    if hasattr(weight, "shape") and not isinstance(weight, Real):
        namespace_of(weight)
        return weight
    return number(who, "positive_weight", weight)


def _stretching(who: str, weight: Array, z: Array) -> Array:
    """The weights in the dtype of `z`, if their shape stretches to that of `z`."""
    namespace_of(weight, z)
    fits = len(weight.shape) <= len(z.shape) and all(
        m in (1, n) for m, n in zip(reversed(weight.shape), reversed(z.shape), strict=False)
    )
    if not fits:
        raise ValueError(f"{who} expected positive_weight of a shape that stretches to {z.shape}, got {weight.shape}")
    return like(z, weight)


def focal_cross_entropy(
    z: Array,
    t: Array,
    *,
    gamma: float = 2.0,
    alpha: float | None = 0.25,
    sample_weight: Array | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """The binary cross-entropy of logits `z`, times (1 - p_t)^gamma, so that what is easily right counts little.

    p_t is the probability given to the target: sigmoid(z) where t = 1, else 1 - sigmoid(z). Lin, Goyal, Girshick, He
    and Dollár, Focal loss for dense object detection (2017), equation 5.

    Parameters
    ----------
    z, t
        Logits, and targets in [0, 1], of one shape (n, ...) and dtype.
    gamma
        How little: 0 or more; with 0 it is `binary_cross_entropy_with_logits`, weighted by `alpha`.
    alpha
        The weight of positives, from 0 to 1, that of negatives being 1 - alpha; None for no weights.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean' (weighted, where there are weights), 'sum', or 'none' for an array of the shape of `z`.

    Raises
    ------
    ValueError
        If the shapes differ, a mean over nothing is asked for, an option is out of range; on NumPy, if a target does
        not lie in [0, 1].
    TypeError
        If the dtypes differ, or an option is no number.

    Examples
    --------
    >>> import numpy
    >>> focal_cross_entropy(numpy.asarray([5.0, -5.0]), numpy.asarray([1.0, 1.0]), reduction="none").round(6)
    array([0.     , 1.23498])
    """
    gamma, alpha = _focal_options("focal_cross_entropy", gamma, alpha)
    checked(reduction)
    check_alike("focal_cross_entropy", z, t)
    losses = binary_cross_entropy_with_logits(z, t, reduction="none")
    if gamma:
        xp = namespace_of(z, t)
        wrong = expit(z) * (1 - t) + expit(-z) * t
        # kept from 0, where a power below 1 has no slope; the loss itself is 0 there
        losses = losses * clip(wrong, min=float(xp.finfo(z.dtype).smallest_normal)) ** gamma
    if alpha is not None:
        losses = losses * (t * alpha + (1 - t) * (1 - alpha))
    return reduced(losses, sample_weight, reduction)


def _focal_options(who: str, gamma: float, alpha: float | None) -> tuple[float, float | None]:
    return number(who, "gamma", gamma), None if alpha is None else number(who, "alpha", alpha, most=1.0)


class BinaryCrossEntropy(Loss):
    """The layer of `binary_cross_entropy`."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self.reduction = checked(reduction)

    def forward(self, p: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return binary_cross_entropy(p, t, sample_weight=sample_weight, reduction=self.reduction)


class BinaryCrossEntropyWithLogits(Loss):
    """The layer of `binary_cross_entropy_with_logits`; `positive_weight`, if it is an array, is a buffer."""

    def __init__(self, *, positive_weight: float | Array = 1.0, reduction: Reduction = "mean") -> None:
        weight = _positive_weight("BinaryCrossEntropyWithLogits", positive_weight)
        self.positive_weight = weight if isinstance(weight, float) else Buffer(weight)
        self.reduction = checked(reduction)

    def forward(self, z: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return binary_cross_entropy_with_logits(
            z, t, sample_weight=sample_weight, positive_weight=self.positive_weight, reduction=self.reduction
        )


class FocalCrossEntropy(Loss):
    """The layer of `focal_cross_entropy`."""

    def __init__(self, *, gamma: float = 2.0, alpha: float | None = 0.25, reduction: Reduction = "mean") -> None:
        self.gamma, self.alpha = _focal_options("FocalCrossEntropy", gamma, alpha)
        self.reduction = checked(reduction)

    def forward(self, z: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return focal_cross_entropy(
            z, t, gamma=self.gamma, alpha=self.alpha, sample_weight=sample_weight, reduction=self.reduction
        )
