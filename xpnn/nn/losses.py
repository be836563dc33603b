"""Losses: one number that says how far outputs `y` are from targets `t`.

Each is a loss per item and then a reduction: 'mean' (default), 'sum' or 'none'. With `sample_weight`, one number per
item, the mean is the weighted mean, sum(w * loss) / sum(w); if all weights are zero, it is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from numbers import Real
from typing import Any, Literal, TypeAlias

from xpnn.arrays.namespaces import Array, array_device, lowest, namespace_of, require_real
from xpnn.arrays.native import require_labels, require_shares, sum_over
from xpnn.autodiff.rules.special import expit, finite_maximum, softplus
from xpnn.autodiff.tape import as_one, differentiable, plain
from xpnn.nn.declarations import Buffer
from xpnn.nn.module import Module

__all__ = [
    "BinaryCrossEntropy",
    "BinaryCrossEntropyWithLogits",
    "CrossEntropy",
    "SquaredError",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "squared_error",
]

Reduction: TypeAlias = Literal["mean", "sum", "none"]
Rule = Any  # (value, backward)


def reduced(losses: Array, sample_weight: Array | None, reduction: Reduction) -> Array:
    """The losses per item, weighted and reduced."""
    _checked(reduction)
    xp = namespace_of(losses, sample_weight)
    if sample_weight is not None:
        sample_weight = _per_item(sample_weight, losses)
        losses = losses * sample_weight
    if reduction == "none":
        return losses
    if reduction == "mean" and 0 in losses.shape:
        raise ValueError(f"the mean loss of an empty batch is not defined: got losses of shape {losses.shape}")
    if reduction == "mean" and sample_weight is None:
        return xp.mean(losses)
    total = xp.sum(losses)
    return total if reduction == "sum" else _divided(total, xp.sum(xp.broadcast_to(sample_weight, losses.shape)))


@differentiable
def _mean_of(rule: Callable[..., Rule], y: Array, t: Array, **options: Any) -> Rule:
    """The mean of the losses that `rule` gives, as one operation: half the time of two on small batches."""
    losses, backward = rule(y, t, **options)
    if losses.size == 0:
        raise ValueError(f"the mean loss of an empty batch is not defined: got losses of shape {losses.shape}")

    n, (dy_of_losses, dt_of_losses) = losses.size, backward

    # each loss has the same share of the gradient
    def dy_(dl: Array) -> Array:
        return dy_of_losses(dl / n)

    def dt(dl: Array) -> Array:
        return dt_of_losses(dl / n)

    return sum_over(losses) / n, (None, dy_, dt if dt_of_losses else None)


def _reduced(
    rule: Any, y: Array, t: Array, sample_weight: Array | None, reduction: Reduction, **options: Any
) -> Array:
    """The losses that the operation `rule` gives, reduced."""
    if reduction == "mean" and sample_weight is None:
        return _mean_of(rule.__wrapped__, y, t, **options)
    return reduced(rule(y, t, **options), sample_weight, reduction)


def _checked(reduction: Reduction) -> Reduction:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")
    return reduction


def _checked_positive_weight(weight: float) -> float:
    if type(weight) is float and 0 <= weight < inf:
        return weight
    if isinstance(weight, bool) or not isinstance(weight, Real):
        raise TypeError(f"expected positive_weight to be a number, got {weight!r:.60}")
    if not 0 <= weight < inf:
        raise ValueError(f"expected positive_weight of 0 or more, got {weight!r}")
    return float(weight)


def _divided(total: Array, weight: Array) -> Array:
    """`total / weight`, and 0 where all weights are zero."""
    return total / _nonzero(weight)


def _per_item(sample_weight: Array, losses: Array) -> Array:
    """The weights, (n,), shaped to stretch over the further axes of the losses, (n, ...)."""
    if sample_weight.shape != losses.shape[:1]:
        raise ValueError(f"expected sample_weight of shape {losses.shape[:1]}, one per item, got {sample_weight.shape}")
    xp = namespace_of(sample_weight)
    return _like(losses, xp.reshape(sample_weight, sample_weight.shape + (1,) * (len(losses.shape) - 1)))


def _like(x: Array, w: Array) -> Array:
    """The weights in the dtype of `x`, so that nothing is promoted."""
    return w if w.dtype == x.dtype else namespace_of(w).astype(w, x.dtype)


def _require_arrays(y: Array, t: Array) -> None:
    namespace_of(y)  # one by one, since a number would pass beside an array
    namespace_of(t)
    namespace_of(y, t)


def _check_alike(name: str, y: Array, t: Array) -> None:
    if not (hasattr(y, "shape") and hasattr(t, "shape")):
        _require_arrays(y, t)
    if y.shape != t.shape:
        raise ValueError(f"{name} expected outputs and targets of one shape, got {y.shape} and {t.shape}")
    require_real(name, y)
    if y.dtype is t.dtype:
        return
    _require_arrays(y, t)  # dtypes of two libraries are not compared
    if y.dtype != t.dtype:
        raise TypeError(f"{name} expected targets of dtype {y.dtype}, as the outputs, got {t.dtype}: convert them")


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
    _check_alike("squared_error", y, t)
    return _reduced(_squared_error, y, t, sample_weight, reduction)


@differentiable
def _binary_cross_entropy(p: Array, t: Array) -> Rule:
    xp = namespace_of(p, t)
    require_shares("probabilities", p)
    require_shares("targets", t)

    at_0, at_1 = xp.astype(p == 0, p.dtype), xp.astype(p == 1, p.dtype)
    # logarithms not below -100, without a warning at the ends; log1p keeps the digits of a small p
    log_p = xp.maximum(xp.log(p + at_0), -100.0) - 100.0 * at_0
    log_q = xp.maximum(xp.log1p(-(p - at_1)), -100.0) - 100.0 * at_1

    # (p - t) / (p (1 - p)), with the denominator kept from 0 as in PyTorch
    def dp(dl: Array) -> Array:
        return dl * (p - t) / xp.maximum(p * (1 - p), 1e-12)

    def dt(dl: Array) -> Array:
        return dl * (log_q - log_p)

    return -(t * log_p + (1 - t) * log_q), (dp, dt)


def binary_cross_entropy(
    p: Array, t: Array, *, sample_weight: Array | None = None, reduction: Reduction = "mean"
) -> Array:
    """-(t log p + (1 - t) log(1 - p)) of probabilities `p`, by default averaged.

    Logarithms are kept at -100 or above, as in PyTorch, so that p = 0 and p = 1 give a loss of 100, not infinity; the
    gradient there is up to 1e12. Prefer `binary_cross_entropy_with_logits`, which loses nothing.

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
    _check_alike("binary_cross_entropy", p, t)
    return _reduced(_binary_cross_entropy, p, t, sample_weight, reduction)


@differentiable
def _binary_cross_entropy_with_logits(z: Array, t: Array, *, positive_weight: float) -> Rule:
    require_shares("targets", t)
    value = as_one(_binary_cross_entropy_with_logits, _from_logits, z, t, positive_weight=positive_weight)

    # sigmoid(z) - t, with positives weighted
    def dz(dl: Array) -> Array:
        s = expit(z)
        return dl * (s - t if positive_weight == 1 else (1 - t) * s - positive_weight * t * (1 - s))

    def dt(dl: Array) -> Array:
        return dl * (-z if positive_weight == 1 else positive_weight * softplus(-z) - softplus(z))

    return value, (dz, dt)


def _from_logits(z: Array, t: Array, *, positive_weight: float) -> Array:
    xp = namespace_of(z, t)
    spread = xp.log1p(xp.exp(-xp.abs(z)))
    if positive_weight == 1:
        return xp.maximum(z, 0.0) - z * t + spread
    # log(1 + e^-z) for positives, log(1 + e^z) for negatives
    return positive_weight * t * (spread + xp.maximum(-z, 0.0)) + (1 - t) * (spread + xp.maximum(z, 0.0))


def binary_cross_entropy_with_logits(
    z: Array,
    t: Array,
    *,
    sample_weight: Array | None = None,
    positive_weight: float = 1.0,
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
        Factor of the loss of positives (t = 1), PyTorch's `pos_weight`; a number of 0 or more.
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
    _check_alike("binary_cross_entropy_with_logits", z, t)
    weight = _checked_positive_weight(positive_weight)
    rule = _binary_cross_entropy_with_logits
    return _reduced(rule, z, t, sample_weight, reduction, positive_weight=weight)


def _nonzero(total: Array) -> Array:
    """`total`, and 1 where it is 0 (a row of -inf); not by `maximum`, whose derivative is halved at a tie."""
    return total + namespace_of(total).astype(total == 0, total.dtype)


@differentiable
def _cross_entropy_of_labels(z: Array, t: Array) -> Rule:
    xp = namespace_of(z, t)
    top = finite_maximum(z, -1)
    e = xp.exp(z - top)
    total = _nonzero(xp.sum(e, axis=-1, keepdims=True))
    labels = xp.expand_dims(t, axis=-1)
    chosen = xp.take_along_axis(z, labels, axis=-1)
    value = xp.squeeze(xp.log(total) + (top - chosen), axis=-1)  # so ordered, no digits are lost

    # softmax(z), less 1 at the label
    def dz(dl: Array) -> Array:
        classes = xp.arange(z.shape[-1], dtype=t.dtype, device=array_device(t))
        return namespace_of(dl).expand_dims(dl, axis=-1) * (e / total - xp.astype(labels == classes, z.dtype))

    return value, (dz, None)


@differentiable
def _cross_entropy_of_probabilities(z: Array, t: Array) -> Rule:
    xp = namespace_of(z, t)
    top = finite_maximum(z, -1)
    e = xp.exp(z - top)
    total = _nonzero(xp.sum(e, axis=-1, keepdims=True))
    log_p = xp.maximum(z - top - xp.log(total), lowest(z.dtype))  # not -inf, which times t = 0 would be NaN

    # softmax(z) sum(t) - t
    def dz(dl: Array) -> Array:
        return namespace_of(dl).expand_dims(dl, axis=-1) * (e / total * xp.sum(t, axis=-1, keepdims=True) - t)

    def dt(dl: Array) -> Array:
        return -namespace_of(dl).expand_dims(dl, axis=-1) * log_p

    return -xp.sum(t * log_p, axis=-1), (dz, dt)


def cross_entropy(
    z: Array,
    t: Array,
    *,
    sample_weight: Array | None = None,
    class_weight: Array | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """-log softmax(z)[t]: the cross-entropy of logits `z` and classes `t`, by default averaged over the items.

    Parameters
    ----------
    z
        Logits, shape (n, ..., classes): the classes are the last axis. PyTorch has them second, (n, classes, ...).
    t
        Integer labels, shape (n, ...), from 0 to classes - 1; or probabilities, shape (n, ..., classes) and dtype of
        `z`.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    class_weight
        Shape (classes,). With labels it weighs each item by its class, and the mean is the weighted mean;
        with probabilities it weighs each class's term, and the mean is over items. Both as in PyTorch.
    reduction
        'mean', 'sum', or 'none' for an array of shape (n, ...).

    Raises
    ------
    ValueError
        If shapes do not fit, a mean over nothing is asked for, or `reduction` is another; on NumPy, if a label is out
        of range (on a GPU that would have to wait for the device: `Trainer` checks labels before training).
    TypeError
        If `t` is neither integers nor of the dtype of `z`.

    Examples
    --------
    >>> import numpy
    >>> cross_entropy(numpy.asarray([[0.0, 0.0]]), numpy.asarray([1])).round(4)
    np.float64(0.6931)
    """
    _require_arrays(z, t)
    xp = namespace_of(z, t, class_weight)
    if not z.shape or z.shape[-1] == 0:
        raise ValueError(f"cross_entropy expected logits of shape (n, ..., classes), got {z.shape}")
    if class_weight is not None and class_weight.shape != z.shape[-1:]:
        raise ValueError(f"cross_entropy expected class_weight of shape {z.shape[-1:]}, got {class_weight.shape}")
    if not xp.isdtype(t.dtype, "integral"):
        _check_alike("cross_entropy of probabilities (for labels, give integers)", z, t)
        weighted = t if class_weight is None else t * _like(t, class_weight)
        return _reduced(_cross_entropy_of_probabilities, z, weighted, sample_weight, reduction)
    if t.shape != z.shape[:-1]:
        raise ValueError(
            f"cross_entropy expected labels of shape {z.shape[:-1]} for logits of shape {z.shape}, got {t.shape}"
        )
    require_labels(plain(t), z.shape[-1])
    t = t if t.dtype == xp.int64 else xp.astype(t, xp.int64)  # uint8 could not count 300 classes
    if class_weight is None:
        return _reduced(_cross_entropy_of_labels, z, t, sample_weight, reduction)
    losses = _cross_entropy_of_labels(z, t)
    weights = xp.take(_like(z, class_weight), xp.reshape(t, (-1,)))
    return _class_weighted(losses, weights, sample_weight, reduction)


def _class_weighted(losses: Array, weights: Array, sample_weight: Array | None, reduction: Reduction) -> Array:
    xp = namespace_of(losses, weights)
    weights = xp.reshape(weights, losses.shape)
    if sample_weight is not None:
        weights = weights * _per_item(sample_weight, losses)
    if reduction != "mean":
        return reduced(losses * weights, None, reduction)
    if 0 in losses.shape:
        raise ValueError(f"the mean loss of an empty batch is not defined: got losses of shape {losses.shape}")
    return _divided(xp.sum(losses * weights), xp.sum(weights))


class SquaredError(Module):
    """The layer of `squared_error`."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self.reduction = _checked(reduction)

    def forward(self, y: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return squared_error(y, t, sample_weight=sample_weight, reduction=self.reduction)


class BinaryCrossEntropy(Module):
    """The layer of `binary_cross_entropy`."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self.reduction = _checked(reduction)

    def forward(self, p: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return binary_cross_entropy(p, t, sample_weight=sample_weight, reduction=self.reduction)


class BinaryCrossEntropyWithLogits(Module):
    """The layer of `binary_cross_entropy_with_logits`."""

    def __init__(self, *, positive_weight: float = 1.0, reduction: Reduction = "mean") -> None:
        self.positive_weight, self.reduction = _checked_positive_weight(positive_weight), _checked(reduction)

    def forward(self, z: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return binary_cross_entropy_with_logits(
            z, t, sample_weight=sample_weight, positive_weight=self.positive_weight, reduction=self.reduction
        )


class CrossEntropy(Module):
    """The layer of `cross_entropy`; `class_weight`, shape (classes,), is a buffer."""

    def __init__(self, *, class_weight: Array | None = None, reduction: Reduction = "mean") -> None:
        self.class_weight = None if class_weight is None else Buffer(class_weight)
        self.reduction = _checked(reduction)

    def forward(self, z: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return cross_entropy(
            z, t, sample_weight=sample_weight, class_weight=self.class_weight, reduction=self.reduction
        )
