"""How good predicted probabilities are: their likelihood, and their squared error.

Classes' outputs are taken in their own dtype, the numbers of items summed in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, inf
from typing import TypeAlias

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.rules.choosing import clip
from xpnn.autodiff.rules.special import softplus
from xpnn.nn.losses.classes import cross_entropy
from xpnn.training.metrics.base import wide
from xpnn.training.metrics.checking import (
    count_nan,
    host_weights,
    on_host,
    require_choice,
    require_labels_below,
    require_shares,
)
from xpnn.training.metrics.means import Items, MeanOfItems, mean
from xpnn.training.metrics.outputs import (
    OUTPUTS,
    Outputs,
    form_of,
    labels_of,
    one_hot,
    probabilities,
    require_outputs,
    wrong_outputs,
    wrong_shares,
)

__all__ = ["BrierScore", "LogLoss", "Perplexity", "brier_score", "log_loss", "perplexity"]

_ItemsOf: TypeAlias = Callable[[str, Array, Array, Outputs], Items]


def log_loss(y: Array, t: Array, *, outputs: Outputs = "logits", sample_weight: Array | None = None) -> float:
    """The mean of -log p of the right class p: the negative log-likelihood, in nats; 0 is perfect.

    Parameters
    ----------
    y
        Outputs of all classes, shape (n, ..., classes); or single ones for class 1 of two, shape (n,) or (n, ..., 1).
    t
        Integer labels, shape (n, ...), items with negative ones being left out, or probabilities of the shape of `y`;
        for single outputs 0 and 1, or probabilities of 1.
    outputs
        Whether `y` are 'logits' (log-probabilities are), or 'probabilities', of which those below 2.2e-16 are taken as
        that, as in scikit-learn.
    sample_weight
        Shape (n,).

    Raises
    ------
    TypeError
        If one is not an array of real numbers.
    ValueError
        If shapes do not fit, there are no rows, an output is NaN or no probability, a target is no class or not from 0
        to 1, `outputs` is another word, or weights are not one per row.

    Examples
    --------
    >>> import numpy
    >>> log_loss(numpy.asarray([[0.25, 0.75], [0.5, 0.5]]), numpy.asarray([1, 0]), outputs="probabilities").__round__(4)
    0.4904
    """
    return _mean_on_host("log_loss", _surprises, y, t, outputs, sample_weight)


class LogLoss(MeanOfItems):
    """`log_loss` of data in parts; for options see there, for errors `Accuracy`."""

    def __init__(self, *, outputs: Outputs = "logits") -> None:
        super().__init__()
        self.outputs = require_choice("log_loss", "outputs", outputs, OUTPUTS)

    def items(self, y: Array, t: Array) -> Items:
        return _surprises("log_loss", y, t, self.outputs)


def perplexity(y: Array, t: Array | None, *, outputs: Outputs = "logits", sample_weight: Array | None = None) -> float:
    """exp of the mean negative log-likelihood: among how many equally probable classes one would be as unsure.

    1 is perfect, the number of classes is guessing. Of a number that is the mean already, such as the loss of a
    language model, it is `math.exp(loss)`.

    Parameters
    ----------
    y
        As for `log_loss`; without targets the negative log-likelihoods of the items, shape (n, ...).
    t
        As for `log_loss`, or None.
    outputs, sample_weight
        As for `log_loss`.

    Raises
    ------
    TypeError, ValueError
        As for `log_loss`.

    Examples
    --------
    >>> import numpy
    >>> perplexity(numpy.zeros((1, 3, 8)), numpy.asarray([[5, 2, -1]])).__round__(12)
    8.0
    >>> perplexity(numpy.log(numpy.asarray([2.0, 8.0])), None).__round__(12)
    4.0
    """
    if t is None:
        y, _ = on_host("perplexity", y, y)
        return _exp(mean("perplexity", Items(y), host_weights("perplexity", sample_weight, len(y))))
    return _exp(_mean_on_host("perplexity", _surprises, y, t, outputs, sample_weight))


class Perplexity(MeanOfItems):
    """`perplexity` of data in parts; for options see there, for errors `Accuracy`.

    Examples
    --------
    >>> import numpy
    >>> metric = Perplexity()
    >>> metric.update(numpy.zeros((2, 8)), numpy.asarray([5, 2]))
    >>> metric.update(numpy.zeros((1, 8)), numpy.asarray([0]))
    >>> round(metric.result(), 12)
    8.0
    """

    def __init__(self, *, outputs: Outputs = "logits") -> None:
        super().__init__()
        self.outputs = require_choice("perplexity", "outputs", outputs, OUTPUTS)

    def items(self, y: Array, t: Array | None) -> Items:
        return Items(y) if t is None else _surprises("perplexity", y, t, self.outputs)

    def of_mean(self, mean: float) -> float:
        return _exp(mean)


def brier_score(y: Array, t: Array, *, outputs: Outputs = "logits", sample_weight: Array | None = None) -> float:
    """The mean squared error of probabilities: 0 is perfect.

    Of a single output (p - t)², from 0 to 1; of several classes the sum of (p - t)² over them, t being 1 for the right
    one, from 0 to 2; of two classes half of that, which is the same as for a single output. Brier, Verification of
    forecasts expressed in terms of probability (1950), equation 2, which is without the half; scikit-learn has it so.

    Parameters
    ----------
    y, t, outputs, sample_weight
        As for `log_loss`.

    Raises
    ------
    TypeError, ValueError
        As for `log_loss`.

    Examples
    --------
    >>> import numpy
    >>> brier_score(numpy.asarray([0.1, 0.9, 0.8]), numpy.asarray([0, 1, 1]), outputs="probabilities").__round__(3)
    0.02
    """
    return _mean_on_host("brier_score", _squared, y, t, outputs, sample_weight)


class BrierScore(MeanOfItems):
    """`brier_score` of data in parts; for options see `log_loss`, for errors `Accuracy`."""

    def __init__(self, *, outputs: Outputs = "logits") -> None:
        super().__init__()
        self.outputs = require_choice("brier_score", "outputs", outputs, OUTPUTS)

    def items(self, y: Array, t: Array) -> Items:
        return _squared("brier_score", y, t, self.outputs)


def _mean_on_host(
    who: str, items_of: _ItemsOf, y: Array, t: Array, outputs: Outputs, sample_weight: Array | None
) -> float:
    require_choice(who, "outputs", outputs, OUTPUTS)
    y, t = on_host(who, y, t)
    require_outputs(who, y, outputs)
    if form_of(who, y, t) == "labels":
        require_labels_below(who, y.shape[-1], t)
    else:
        require_shares(who, t)
    return mean(who, items_of(who, y, t, outputs), host_weights(who, sample_weight, len(y)))


def _surprises(who: str, y: Array, t: Array, outputs: Outputs) -> Items:
    """-log p for each item."""
    form, xp = form_of(who, y, t), namespace_of(y, t)
    no_outputs = wrong_outputs(y, outputs)
    if form == "single":
        t, wrong = wide(t), wrong_shares(t) + no_outputs
        if outputs == "logits":
            z = wide(y)
            return Items(t * softplus(-z) + (1 - t) * softplus(z), None, wrong)
        return Items(-(t * _log(y) + (1 - t) * _log(1 - wide(y))), None, wrong)
    if form == "soft":
        t, wrong = xp.astype(t, y.dtype, copy=False), wrong_shares(t) + no_outputs
        if outputs == "logits":
            return Items(cross_entropy(y, t, reduction="none"), None, wrong)
        return Items(-xp.sum(wide(t) * _log(y), axis=-1), None, wrong)
    index, kept, wrong = labels_of(y, t)
    nan = 0
    if outputs == "logits":
        values = wide(cross_entropy(y, index, reduction="none"))
    else:
        nan = count_nan(y)  # only one class's probability is looked at
        values = -_log(xp.squeeze(xp.take_along_axis(y, xp.expand_dims(index, axis=-1), axis=-1), axis=-1))
    return Items(xp.where(kept, values, xp.zeros_like(values)), kept, wrong + no_outputs, nan)


def _log(p: Array) -> Array:
    """The logarithm of probabilities, in float64, kept from 0 and 1 by as much as scikit-learn does."""
    p = wide(p)
    xp = namespace_of(p)
    least = float(xp.finfo(p.dtype).eps)
    return xp.log(clip(p, least, 1 - least))


def _squared(who: str, y: Array, t: Array, outputs: Outputs) -> Items:
    """(p - t)² for each item, summed over classes."""
    form, xp = form_of(who, y, t), namespace_of(y, t)
    p, no_outputs = probabilities(y, form, outputs), wrong_outputs(y, outputs)
    if form == "single":
        t = wide(t)
        return Items((p - t) * (p - t), None, wrong_shares(t) + no_outputs)
    index, kept, wrong = labels_of(y, t) if form == "labels" else (None, None, wrong_shares(t))
    error = p - (xp.astype(t, y.dtype, copy=False) if index is None else one_hot(index, y))
    values = wide(xp.sum(error * error, axis=-1))
    if y.shape[-1] == 2:
        values = values / 2
    if kept is not None:
        values = xp.where(kept, values, xp.zeros_like(values))
    return Items(values, kept, wrong + no_outputs)


def _exp(mean: float) -> float:
    try:
        return exp(mean)
    except OverflowError:
        return inf
