"""How well scores put items in order: the areas under the ROC curve and under the curve of precision over recall.

Both depend on the order of all items, so in parts the scores are kept. Of several classes each is taken in turn against
the rest, with its probability as the score.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.training.metrics.base import MetricOfRows, Number
from xpnn.training.metrics.checking import (
    host_weights,
    on_host,
    require_alike,
    require_choice,
    require_labels_below,
    require_rows,
)
from xpnn.training.metrics.outputs import OUTPUTS, Outputs, require_outputs

__all__ = ["AveragePrecision", "RocAuc", "average_precision", "roc_auc"]

Average: TypeAlias = Literal["macro", "weighted"]
_AVERAGES = ("macro", "weighted", None)
_Area: TypeAlias = Callable[[Any, Any], float]


def roc_auc(
    y: Array,
    t: Array,
    *,
    average: Average | None = "macro",
    outputs: Outputs = "logits",
    sample_weight: Array | None = None,
) -> Number:
    """The area under the ROC curve: how probably a random item of class 1 scores above one of class 0.

    1 is a perfect order, 0.5 is guessing; equal scores count half. NaN if only one class is there.

    Parameters
    ----------
    y
        Scores, such as logits or probabilities, shape (n,) or (n, 1). Of several classes one output each, shape
        (n, ..., classes): each class is then taken against the rest.
    t
        Targets 0 and 1, the shape of `y`. Of several classes integer labels, shape (n, ...), items with negative ones
        being left out.
    average
        Of several classes: 'macro' is the mean of their areas, NaN if one of them is (a class that no item or every
        item has); 'weighted' the mean weighted by how often they occur; None an array with each. As in scikit-learn
        with multi_class='ovr'.
    outputs
        Of several classes: 'logits', of which softmax is taken first, as it changes the order of items; or
        'probabilities'.
    sample_weight
        Shape (n,).

    Raises
    ------
    TypeError
        If one is not an array of real numbers.
    ValueError
        If shapes do not fit, there are no rows, a score is NaN, a target is no class, an option is another, or weights
        are not one per row.

    Examples
    --------
    >>> roc_auc(numpy.asarray([0.1, 0.4, 0.35, 0.8]), numpy.asarray([0, 0, 1, 1]))
    0.75
    """
    return _area("roc_auc", _under_roc, y, t, average, outputs, sample_weight)


class RocAuc(MetricOfRows):
    """`roc_auc` of data in parts, which keeps all scores; for options see there.

    Targets that are no class raise with the result; if a score is NaN the result is NaN. With average=None the result
    is an array, which `Trainer` does not report.

    Examples
    --------
    >>> metric = RocAuc()
    >>> metric.update(numpy.asarray([0.1, 0.4]), numpy.asarray([0, 0]))
    >>> metric.update(numpy.asarray([0.35, 0.8]), numpy.asarray([1, 1]))
    >>> metric.result()
    0.75
    """

    def __init__(self, *, average: Average | None = "macro", outputs: Outputs = "logits") -> None:
        super().__init__()
        self.average = require_choice("roc_auc", "average", average, _AVERAGES)
        self.outputs = require_choice("roc_auc", "outputs", outputs, OUTPUTS)

    def rows(self, y: Array, t: Array, w: Array | None) -> dict[str, Array]:
        return _kept("roc_auc", y, t, w)

    def of_rows(self, rows: dict[str, Any]) -> Number:
        return _area_of_rows("roc_auc", _under_roc, rows, self.average, self.outputs)


def average_precision(
    y: Array,
    t: Array,
    *,
    average: Average | None = "macro",
    outputs: Outputs = "logits",
    sample_weight: Array | None = None,
) -> Number:
    """Average precision: the mean of the precisions at all thresholds, weighted by the recall that each adds.

    sum (R_i - R_(i-1)) P_i over the thresholds, from the highest: the area under the curve of precision over recall,
    without interpolation. 1 is a perfect order; guessing gives the share of class 1, which makes it the better measure
    where class 1 is rare. NaN if no item is of class 1 (scikit-learn gives 0 and a warning).

    Parameters and errors are those of `roc_auc`.

    Examples
    --------
    >>> round(average_precision(numpy.asarray([0.1, 0.4, 0.35, 0.8]), numpy.asarray([0, 0, 1, 1])), 3)
    0.833
    """
    return _area("average_precision", _under_precision, y, t, average, outputs, sample_weight)


class AveragePrecision(MetricOfRows):
    """`average_precision` of data in parts, which keeps all scores; options and errors are those of `RocAuc`."""

    def __init__(self, *, average: Average | None = "macro", outputs: Outputs = "logits") -> None:
        super().__init__()
        self.average = require_choice("average_precision", "average", average, _AVERAGES)
        self.outputs = require_choice("average_precision", "outputs", outputs, OUTPUTS)

    def rows(self, y: Array, t: Array, w: Array | None) -> dict[str, Array]:
        return _kept("average_precision", y, t, w)

    def of_rows(self, rows: dict[str, Any]) -> Number:
        return _area_of_rows("average_precision", _under_precision, rows, self.average, self.outputs)


def _under_roc(ones: Any, zeros: Any) -> float:
    """The area, of the weights of class 1 and class 0 at each score, from the lowest."""
    pairs = ones.sum() * zeros.sum()
    below = numpy.cumsum(zeros) - zeros  # for each score, the items of class 0 that lie under it
    return float(numpy.sum(ones * (below + zeros / 2)) / pairs) if pairs > 0 else float("nan")


def _under_precision(ones: Any, zeros: Any) -> float:
    """The area, of the weights of class 1 and class 0 at each score, from the lowest."""
    found, taken = numpy.cumsum(ones[::-1]), numpy.cumsum((ones + zeros)[::-1])
    if not found[-1] > 0:
        return float("nan")
    precision = found / numpy.where(taken > 0, taken, 1.0)
    return float(numpy.sum(ones[::-1] * precision) / found[-1])


def _kept(who: str, y: Array, t: Array, w: Array | None) -> dict[str, Array]:
    _several(who, y, t)
    xp = namespace_of(y, t)
    kept = {"y": xp.asarray(y, copy=True), "t": xp.asarray(t, copy=True)}
    return kept if w is None else {**kept, "w": xp.asarray(w, copy=True)}


def _area_of_rows(who: str, area: _Area, rows: dict[str, Any], average: Average | None, outputs: Outputs) -> Number:
    if rows["y"].dtype.kind == "f" and numpy.isnan(rows["y"]).any():
        classes = rows["y"].shape[-1]
        return float("nan") if average or not _several(who, rows["y"], rows["t"]) else numpy.full(classes, numpy.nan)
    return _area(who, area, rows["y"], rows["t"], average, outputs, rows.get("w"))


def _area(
    who: str,
    area: _Area,
    y: Array,
    t: Array,
    average: Average | None,
    outputs: Outputs,
    sample_weight: Array | None,
) -> Number:
    require_choice(who, "average", average, _AVERAGES)
    require_choice(who, "outputs", outputs, OUTPUTS)
    y, t = on_host(who, y, t)
    several = _several(who, y, t)
    w = numpy.ones(len(y)) if sample_weight is None else host_weights(who, sample_weight, len(y))
    if not several:
        if not numpy.isin(t, (0, 1)).all():
            raise ValueError(f"{who} expected targets 0 and 1, got {t[~numpy.isin(t, (0, 1))][0]}")
        return _against_rest(area, y.reshape(-1), t.reshape(-1) == 1, w)
    classes = y.shape[-1]
    require_labels_below(who, classes, t)
    require_outputs(who, y, outputs)
    if outputs == "logits":
        y = numpy.exp(y - y.max(axis=-1, keepdims=True))
        y /= y.sum(axis=-1, keepdims=True)
    kept = t.reshape(-1) >= 0
    y, labels, w = y.reshape(-1, classes)[kept], t.reshape(-1)[kept], numpy.repeat(w, t.size // len(t))[kept]
    areas = numpy.asarray([_against_rest(area, y[:, n], labels == n, w) for n in range(classes)])
    if average is None:
        return areas
    occurs = numpy.bincount(labels, weights=w, minlength=classes)
    if average == "macro" or not occurs.any():
        return float(areas.mean())
    return float(numpy.average(areas[occurs > 0], weights=occurs[occurs > 0]))


def _several(who: str, y: Array, t: Array) -> bool:
    """Whether there are outputs for several classes, not one score per row."""
    require_rows(who, y, t)
    if len(y.shape) == len(t.shape) + 1 and y.shape[-1] > 1 and y.shape[:-1] == t.shape:
        if namespace_of(t).isdtype(t.dtype, "real floating"):
            raise ValueError(f"{who} expected integer labels for {y.shape[-1]} classes, got {t.dtype}")
        return True
    require_alike(who, y, t)
    if any(length != 1 for length in y.shape[1:]):
        raise ValueError(
            f"{who} expected one score per row, shape (n,) or (n, 1), or one output per class, shape "
            f"(n, ..., classes), and integer labels (n, ...), got {y.shape} and {t.shape}"
        )
    return False


def _against_rest(area: _Area, scores: Any, is_one: Any, w: Any) -> float:
    if not len(scores):
        return float("nan")
    values, group = numpy.unique(scores, return_inverse=True)
    ones, zeros = (numpy.bincount(group, weights=w * which, minlength=len(values)) for which in (is_one, ~is_one))
    return area(ones, zeros)
