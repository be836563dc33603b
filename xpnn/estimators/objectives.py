"""What a network is to learn: the loss of its outputs, and what becomes of the outputs afterwards.

An objective knows how many outputs a network needs, the loss that training makes small, and the link from outputs to
predictions: probabilities by a sigmoid or a softmax, rates by an exponential, numbers as they are.

The losses are scaled as scikit-learn scales those of its MLP, so that `alpha` means the same: the squared error is
halved, and losses are summed over the outputs of a row and averaged over rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.estimators.known_losses import link_of_numbers, require_of_numbers
from xpnn.nn.losses.binary import binary_cross_entropy_with_logits
from xpnn.nn.losses.classes import cross_entropy
from xpnn.nn.losses.regression import absolute_error, huber_error, quantile_error, squared_error

__all__ = ["LOSSES", "Objective", "binary", "is_own", "multiclass", "multilabel", "multioutput", "regression"]


LOSSES = ("squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma", "tweedie")
"""The names of losses of regressions."""


@dataclass(frozen=True)
class Objective:
    """What a network is to learn.

    Attributes
    ----------
    name
        As in the parameter `loss`.
    outputs
        How many the network has.
    loss
        `loss(y, t)` or `loss(y, t, sample_weight=w)` of outputs (n, outputs), a mean over rows.
    link
        From outputs to predictions: 'identity', 'logistic', 'softmax' or 'exp'.
    reported
        What the loss is divided by where it is shown: scikit-learn shows means over outputs of squared errors, and
        sums of deviances.
    quantiles
        Which, side by side for each target; empty for other losses.
    questions
        The numbers of classes of several questions, whose outputs lie side by side; empty for others.
    """

    name: str
    outputs: int
    loss: Callable[..., Array]
    link: str
    reported: float = 1.0
    quantiles: tuple[float, ...] = ()
    questions: tuple[int, ...] = ()


def binary(*, label_smoothing: float = 0.0) -> Objective:
    """Two classes from one logit; targets 0 and 1 of shape (n, 1)."""
    return Objective("log_loss", 1, partial(_binary, label_smoothing=label_smoothing), "logistic")


def multilabel(labels: int, *, label_smoothing: float = 0.0) -> Objective:
    """Any number of labels at once, a logit for each; targets 0 and 1 of shape (n, labels)."""
    return Objective("log_loss", labels, partial(_binary, label_smoothing=label_smoothing), "logistic")


def _binary(y: Array, t: Array, *, label_smoothing: float, sample_weight: Array | None = None) -> Array:
    if label_smoothing:
        t = t * (1 - label_smoothing) + label_smoothing / 2
    loss = binary_cross_entropy_with_logits(y, t, sample_weight=sample_weight)
    return loss if y.shape[-1] == 1 else loss * y.shape[-1]


def multiclass(classes: int, *, label_smoothing: float = 0.0) -> Objective:
    """One of several classes, a logit for each; integer targets of shape (n,)."""
    return Objective("log_loss", classes, partial(cross_entropy, label_smoothing=label_smoothing), "softmax")


def multioutput(classes: list[int], *, label_smoothing: float = 0.0) -> Objective:
    """Several questions with several classes each; integer targets of shape (n, questions)."""
    loss = partial(_questions, classes=tuple(classes), label_smoothing=label_smoothing)
    return Objective("log_loss", sum(classes), loss, "softmax", questions=tuple(classes))


def _questions(
    y: Array, t: Array, *, classes: tuple[int, ...], label_smoothing: float, sample_weight: Array | None = None
) -> Array:
    total: Any = None
    start = 0
    for n, count in enumerate(classes):
        logits = y[:, start : start + count]
        loss = cross_entropy(logits, t[:, n], label_smoothing=label_smoothing, sample_weight=sample_weight)
        total = loss if total is None else total + loss
        start += count
    result: Array = total
    return result


# Regression


def regression(name: str | Callable[..., Array], targets: int, options: dict[str, Any]) -> Objective:
    """Numbers from features: `name` is a loss by name or a function `loss(y, t)`.

    | name | loss of a row, y the prediction | link |
    | --- | --- | --- |
    | 'squared_error' | (y - t)² / 2 | identity |
    | 'absolute_error' | abs(y - t) | identity |
    | 'huber' | (y - t)² / 2 up to `delta`, then delta (abs(y - t) - delta / 2) | identity |
    | 'quantile' | q (t - y) above, (1 - q) (y - t) below, for each of `quantiles` | identity |
    | 'poisson' | y - t + t log(t / y), half the deviance | exp |
    | 'gamma' | t / y + log(y / t) - 1, half the deviance | exp |
    | 'tweedie' | half the deviance of `tweedie_power` p | exp |

    Half deviances as in scikit-learn's `sklearn.metrics.mean_tweedie_deviance`; Jørgensen, The theory of dispersion
    models (1997).

    Raises
    ------
    ValueError
        If the name is none of these, or the function one of logits.
    """
    if callable(name):
        require_of_numbers(name)
        own = partial(_own, loss=name, weighted="sample_weight" in signature(name).parameters)
        return Objective(getattr(name, "__name__", "custom"), targets, own, link_of_numbers(name))
    if name == "squared_error":
        return Objective(name, targets, _halved_squares, "identity", reported=float(targets))
    if name == "absolute_error":
        return Objective(name, targets, _summed(absolute_error), "identity", reported=float(targets))
    if name == "huber":
        loss = _summed(partial(huber_error, delta=options["delta"]))
        return Objective(name, targets, loss, "identity", reported=float(targets))
    if name == "quantile":
        quantiles = tuple(options["quantiles"])
        outputs = targets * len(quantiles)
        loss = partial(_quantiles, quantiles=quantiles, targets=targets)
        return Objective(name, outputs, loss, "identity", reported=float(outputs), quantiles=quantiles)
    if name in ("poisson", "gamma", "tweedie"):
        power = {"poisson": 1.0, "gamma": 2.0}.get(name, options.get("tweedie_power", 1.5))
        return Objective(name, targets, partial(_deviance, power=float(power)), "exp")  # shown as a sum over targets
    raise ValueError(f"expected a loss by name or a function, got {name!r}")


def is_own(objective: Objective) -> bool:
    """Whether the loss is a function of the user's, which may be no mean over rows."""
    return isinstance(objective.loss, partial) and objective.loss.func is _own


def _own(
    y: Array, t: Array, *, loss: Callable[..., Array], weighted: bool, sample_weight: Array | None = None
) -> Array:
    if sample_weight is None:
        return loss(y, t)
    if not weighted:
        raise ValueError("sample_weight needs a loss function that takes sample_weight=...")
    return loss(y, t, sample_weight=sample_weight)


def _halved_squares(y: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
    return squared_error(y, t, sample_weight=sample_weight) * (0.5 * y.shape[-1])


def _summed(loss: Callable[..., Array]) -> Callable[..., Array]:
    """The sum over outputs, where `loss` is the mean."""
    return partial(_summed_loss, loss=loss)


def _summed_loss(y: Array, t: Array, *, loss: Callable[..., Array], sample_weight: Array | None = None) -> Array:
    return loss(y, t, sample_weight=sample_weight) * float(y.shape[-1])


def _quantiles(
    y: Array, t: Array, *, quantiles: tuple[float, ...], targets: int, sample_weight: Array | None = None
) -> Array:
    """The quantiles of a target lie side by side."""
    xp = namespace_of(y)
    y = xp.reshape(y, (-1, targets, len(quantiles)))
    losses = [
        quantile_error(y[:, :, n], t, q=q, sample_weight=sample_weight) * float(targets)
        for n, q in enumerate(quantiles)
    ]
    return sum(losses[1:], losses[0])


def _deviance(y: Array, t: Array, *, power: float, sample_weight: Array | None = None) -> Array:
    """Half the Tweedie deviance of exp(y), with the terms that only depend on `t`, so that a perfect prediction has 0.

    What is differentiated stands left: arrays of array-api-strict refuse a `Tensor` on their right.
    """
    xp = namespace_of(y, t)
    if power == 1:
        each = xp.exp(y) - y * t + (_xlogx(t) - t)
    elif power == 2:
        each = xp.exp(-y) * t + y - (xp.log(t) + 1)
    else:
        p = power
        each = xp.exp((2 - p) * y) / (2 - p) - xp.exp((1 - p) * y) * t / (1 - p)
        each = each + t ** (2 - p) / ((1 - p) * (2 - p))
    per_row = xp.sum(each, axis=-1)
    if sample_weight is None:
        return xp.mean(per_row)
    return xp.sum(per_row * sample_weight) / xp.sum(sample_weight)


def _xlogx(t: Array) -> Array:
    xp = namespace_of(t)
    return t * xp.log(t + xp.astype(t == 0, t.dtype))
