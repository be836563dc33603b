"""Whether probabilities mean what they say: of a hundred predictions made with 80 % confidence, 80 should be right."""

from __future__ import annotations

from typing import Any

import numpy

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import scatter_add
from xpnn.autodiff.rules.choosing import clip
from xpnn.autodiff.rules.special import finite_maximum
from xpnn.training.metrics.base import MetricOfSums, wide
from xpnn.training.metrics.checking import (
    as_indices,
    host_weights,
    on_host,
    require_choice,
    require_count,
    require_labels_below,
    require_shares,
)
from xpnn.training.metrics.means import require_right
from xpnn.training.metrics.outputs import (
    OUTPUTS,
    Outputs,
    form_of,
    labels_of,
    probabilities,
    require_outputs,
    wrong_outputs,
    wrong_shares,
)

__all__ = ["ExpectedCalibrationError", "expected_calibration_error"]

_NAME = "expected_calibration_error"


def expected_calibration_error(
    y: Array, t: Array, *, bins: int = 15, outputs: Outputs = "logits", sample_weight: Array | None = None
) -> float:
    """The mean distance between confidence and accuracy, from 0 to 1; 0 is perfectly calibrated.

    The confidence of a prediction is the probability of the class predicted, the largest. Items are put in bins of
    equal width by their confidence, (0, 1/bins], (1/bins, 2/bins], ...; the result is the mean over bins of |accuracy -
    mean confidence|, weighted by their items. Guo et al., On calibration of modern neural networks (2017), equation 3.

    Parameters
    ----------
    y, t, outputs
        As for `log_loss`. Of a single output p the confidence is that of the likelier class, p or 1 - p; of targets
        that are probabilities the likeliest class is the right one.
    bins
        How many bins there are; in the paper 15.
    sample_weight
        Shape (n,).

    Raises
    ------
    TypeError, ValueError
        As for `log_loss`, and if `bins` is not a whole number of 1 or more.

    Examples
    --------
    >>> p = numpy.asarray([[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.4, 0.6]])
    >>> expected_calibration_error(p, numpy.asarray([0, 0, 1, 1]), outputs="probabilities").__round__(3)
    0.2
    """
    require_choice(_NAME, "outputs", outputs, OUTPUTS)
    bins = require_count(_NAME, "bins", bins)
    y, t = on_host(_NAME, y, t)
    require_outputs(_NAME, y, outputs)
    if form_of(_NAME, y, t) == "labels":
        require_labels_below(_NAME, y.shape[-1], t)
    else:
        require_shares(_NAME, t)
    return _of_bins(_in_bins(y, t, host_weights(_NAME, sample_weight, len(y)), bins, outputs))


class ExpectedCalibrationError(MetricOfSums):
    """`expected_calibration_error` of data in parts; for options see there, for errors `Accuracy`."""

    def __init__(self, *, bins: int = 15, outputs: Outputs = "logits") -> None:
        super().__init__()
        self.bins = require_count(_NAME, "bins", bins)
        self.outputs = require_choice(_NAME, "outputs", outputs, OUTPUTS)

    def sums(self, y: Array, t: Array, w: Array | None) -> dict[str, Any]:
        return _in_bins(y, t, w, self.bins, self.outputs)

    def of_sums(self, sums: dict[str, Any]) -> float:
        return _of_bins(sums)


def _in_bins(y: Array, t: Array, w: Array | None, bins: int, outputs: Outputs) -> dict[str, Any]:
    """For each bin the weight, right predictions and confidence of its items, shape (3, bins)."""
    confidence, right, kept, wrong = _confidence(y, t, outputs)
    xp = namespace_of(confidence)
    nan = xp.isnan(confidence)
    confidence = xp.where(nan, xp.zeros_like(confidence), confidence)  # they have no bin, and are counted
    v = wide(xp.ones_like(right) if kept is None else kept)
    if w is not None:
        v = v * xp.reshape(w, (-1, *[1] * (len(v.shape) - 1)))
    confidence = clip(confidence, 0.0, 1.0)  # what is no probability is counted too
    bin_of = xp.reshape(clip(as_indices(xp.ceil(confidence * bins)) - 1, 0, bins - 1), (-1,))
    counts = v, v * wide(right), v * confidence
    binned = xp.stack([scatter_add(xp.reshape(x, (-1,)), bin_of, (bins,)) for x in counts])
    return {"bins": binned, "wrong": wrong + wrong_outputs(y, outputs), "nan": xp.count_nonzero(nan)}


def _confidence(y: Array, t: Array, outputs: Outputs) -> tuple[Array, Array, Array | None, Any]:
    """For each item the confidence in float64, whether the prediction is right, and whether it counts."""
    form, xp = form_of(_NAME, y, t), namespace_of(y, t)
    if form == "single":
        p, t = probabilities(y, form, outputs), wide(t)
        return xp.maximum(p, 1 - p), (p > 0.5) == (t > 0.5), None, wrong_shares(t)
    confidence, predicted = xp.max(y, axis=-1), as_indices(xp.argmax(y, axis=-1))
    if outputs == "logits":  # the largest of softmax(y)
        confidence = 1 / xp.maximum(xp.sum(xp.exp(y - finite_maximum(y, -1)), axis=-1), 1.0)
    confidence = wide(confidence)
    if form == "soft":
        return confidence, predicted == as_indices(xp.argmax(t, axis=-1)), None, wrong_shares(t)
    index, kept, wrong = labels_of(y, t)
    return confidence, predicted == index, kept, wrong


def _of_bins(sums: dict[str, Any]) -> float:
    require_right(_NAME, sums["wrong"])
    weight, right, confidence = sums["bins"]
    if sums["nan"] or not weight.sum():
        return float("nan")
    return float(numpy.sum(abs(right - confidence)) / weight.sum())
