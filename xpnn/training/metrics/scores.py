"""Precision, recall and F1.

Of a class, precision is the share of right ones among those predicted as it; recall the share found among those that
are it; F1 their harmonic mean. For all three the hits, the predictions and the items of each class are counted.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from math import prod
from typing import Any, ClassVar, Literal, TypeAlias

import numpy

from xpnn.arrays.namespaces import Array, is_floating, namespace_of
from xpnn.arrays.native import scatter_add
from xpnn.training.metrics.base import MetricOfSums, Number, wide
from xpnn.training.metrics.checking import (
    as_indices,
    class_labels,
    count_nan,
    host_weights,
    on_host,
    require_choice,
    require_count,
    require_rows,
    require_shares,
)
from xpnn.training.metrics.counting import classes_known, classes_on_host, counted
from xpnn.training.metrics.means import require_right

__all__ = ["F1Score", "Precision", "Recall", "f1_score", "precision", "recall"]

Average: TypeAlias = Literal["binary", "macro", "micro", "weighted"]
_AVERAGES = ("binary", "macro", "micro", "weighted", None)


def precision(
    y: Array,
    t: Array,
    *,
    average: Average | None = "binary",
    threshold: float = 0.0,
    classes: int | None = None,
    sample_weight: Array | None = None,
) -> Number:
    """The share of right ones among the items predicted as a class, from 0 to 1; 0 if there are none.

    Parameters
    ----------
    y
        Of several classes logits or probabilities, shape (n, ..., classes); of two also one score each, shape (n,) or
        (n, 1), with average='binary' of any shape; or predicted labels, integers of the shape of `t`.
    t
        Integer labels, shape (n, ...), items with negative ones being left out; of two classes with one score each 0
        and 1, of the shape of `y`; or probabilities of the shape of `y`, of which the largest is the label.
    average
        'binary' is the number for class 1 of two. Of several classes: 'macro' the mean over all that occur in `t` or
        are predicted; 'weighted' the mean over classes weighted by how often they occur in `t`; 'micro' that of all
        classes' counts taken together, which is the accuracy; None an array with the number of each class. As in
        scikit-learn, with zero_division=0 and no warning.
    threshold
        Above it a single score means 1: 0 for logits, 0.5 for probabilities.
    classes
        The number of classes if predictions are labels; by default the largest label and one.
    sample_weight
        Shape (n,). A row of weight 0 is as if it were not there; in scikit-learn its class occurs.

    Returns
    -------
    float
        With average=None a NumPy array of shape (classes,). NaN if no item has a label.

    Raises
    ------
    TypeError
        If one is not an array of real numbers.
    ValueError
        If shapes do not fit, there are no rows, a prediction is NaN, a label is out of range, there are more than two
        classes with average='binary', an option is another, or weights are not one per row.

    Examples
    --------
    >>> y, t = numpy.asarray([2, 0, 2, 2]), numpy.asarray([0, 0, 2, 1])
    >>> precision(y, t, average=None).round(3)
    array([1.   , 0.   , 0.333])
    >>> round(precision(y, t, average="macro"), 3)
    0.444
    """
    return _scored("precision", _precision, y, t, average, threshold, classes, sample_weight)


def recall(
    y: Array,
    t: Array,
    *,
    average: Average | None = "binary",
    threshold: float = 0.0,
    classes: int | None = None,
    sample_weight: Array | None = None,
) -> Number:
    """The share found among the items that are of a class, from 0 to 1; 0 if there are none.

    Parameters, results and errors are those of `precision`.

    Examples
    --------
    >>> recall(numpy.asarray([1.2, -3.0, 0.1, -0.5]), numpy.asarray([1, 0, 0, 1]))
    0.5
    """
    return _scored("recall", _recall, y, t, average, threshold, classes, sample_weight)


def f1_score(
    y: Array,
    t: Array,
    *,
    average: Average | None = "binary",
    threshold: float = 0.0,
    classes: int | None = None,
    sample_weight: Array | None = None,
) -> Number:
    """F1, the harmonic mean of precision and recall, from 0 to 1; 0 if no item is right.

    Parameters, results and errors are those of `precision`.

    Examples
    --------
    >>> round(f1_score(numpy.asarray([1.2, -3.0, 0.1, 0.5]), numpy.asarray([1, 0, 0, 1])), 3)
    0.8
    """
    return _scored("f1_score", _f1, y, t, average, threshold, classes, sample_weight)


class _Scores(MetricOfSums):
    """Precision, recall or F1 of data in parts."""

    who: ClassVar[str]

    def __init__(
        self, *, average: Average | None = "binary", threshold: float = 0.0, classes: int | None = None
    ) -> None:
        super().__init__()
        self.average = require_choice(self.who, "average", average, _AVERAGES)
        self.threshold = threshold
        self.classes = None if classes is None else require_count(self.who, "classes", classes)

    @abstractmethod
    def score(self, hits: Any, predicted: Any, actual: Any) -> Any:
        """The number of each class, of its counts."""

    def sums(self, y: Array, t: Array, w: Array | None) -> dict[str, Any]:
        predicted, actual, classes, wrong = _predictions(self.who, y, t, self.average, self.threshold)
        classes = classes_known(self.who, y, self.classes) if classes is None else classes
        return {**_counts(predicted, actual, classes, w, wrong), "nan": count_nan(y)}

    def of_sums(self, sums: dict[str, Any]) -> Number:
        require_right(self.who, sums["wrong"])
        scores = _averaged(self.score, sums, self.average)
        return scores * float("nan") if sums["nan"] else scores


class Precision(_Scores):
    """`precision` of data in parts; for options see there, for errors `Accuracy`.

    `classes` has to be given if predictions are labels and average is not 'binary'. With average=None the result is an
    array, which `Trainer` does not report.

    Examples
    --------
    >>> metric = Precision()
    >>> metric.update(numpy.asarray([1.2, -3.0]), numpy.asarray([1, 0]))
    >>> metric.update(numpy.asarray([0.1]), numpy.asarray([0]))
    >>> metric.result()
    0.5
    """

    who = "precision"

    def score(self, hits: Any, predicted: Any, actual: Any) -> Any:
        return _precision(hits, predicted, actual)


class Recall(_Scores):
    """`recall` of data in parts, with the options of `Precision`."""

    who = "recall"

    def score(self, hits: Any, predicted: Any, actual: Any) -> Any:
        return _recall(hits, predicted, actual)


class F1Score(_Scores):
    """`f1_score` of data in parts, with the options of `Precision`."""

    who = "f1_score"

    def score(self, hits: Any, predicted: Any, actual: Any) -> Any:
        return _f1(hits, predicted, actual)


def _precision(hits: Any, predicted: Any, actual: Any) -> Any:
    return _ratio(hits, predicted)


def _recall(hits: Any, predicted: Any, actual: Any) -> Any:
    return _ratio(hits, actual)


def _f1(hits: Any, predicted: Any, actual: Any) -> Any:
    return _ratio(2 * hits, predicted + actual)


def _ratio(a: Any, b: Any) -> Any:
    return a / (b + (b == 0))  # where b is 0, a is


def _scored(
    who: str,
    score: Callable[..., Any],
    y: Array,
    t: Array,
    average: Average | None,
    threshold: float,
    classes: int | None,
    sample_weight: Array | None,
) -> Number:
    require_choice(who, "average", average, _AVERAGES)
    y, t = on_host(who, y, t)
    predicted, actual, count, wrong = _predictions(who, y, t, average, threshold)
    if wrong:
        require_shares(who, t)
    count = classes_on_host(who, y, predicted, actual, classes if count is None else count)
    sums = _counts(predicted, actual, count, host_weights(who, sample_weight, len(y)))
    return _averaged(score, sums, average)


def _predictions(
    who: str, y: Array, t: Array, average: Average | None, threshold: float
) -> tuple[Array, Array, int | None, Any]:
    """Predicted and actual labels, the number of classes if it is known, and how many targets have no meaning."""
    require_rows(who, y, t)
    if y.shape == t.shape and is_floating(y.dtype) and (average == "binary" or prod(y.shape[1:]) == 1):
        xp, t = namespace_of(y, t), wide(t)
        wrong = xp.count_nonzero((t < 0) | (t > 1))
        return as_indices(wide(y) > threshold), as_indices(t > 0.5), 2, wrong
    predicted, actual = class_labels(who, y, t)
    if average != "binary":
        return predicted, actual, None, 0
    if is_floating(y.dtype) and y.shape[-1] != 2:
        raise ValueError(
            f"{who} expected two classes with average='binary', got {y.shape[-1]}: see average='macro', 'micro', "
            "'weighted' or None"
        )
    return predicted, actual, 2, 0


def _counts(predicted: Array, actual: Array, classes: int, w: Array | None, wrong: Any = 0) -> dict[str, Any]:
    """For each class how many hits, predictions and items there are."""
    predicted, actual, v, beyond = counted(predicted, actual, classes, w)
    hits = v * namespace_of(v).astype(predicted == actual, v.dtype)
    return {
        "hits": scatter_add(hits, actual, (classes,)),
        "predicted": scatter_add(v, predicted, (classes,)),
        "actual": scatter_add(v, actual, (classes,)),
        "wrong": beyond + wrong,
    }


def _averaged(score: Callable[..., Any], sums: dict[str, Any], average: Average | None) -> Number:
    hits, predicted, actual = (sums[name] for name in ("hits", "predicted", "actual"))
    if average == "micro":
        hits, predicted, actual = (numpy.sum(x, keepdims=True) for x in (hits, predicted, actual))
    scores = score(hits, predicted, actual)
    if not actual.sum():
        scores = scores * float("nan")
    if average is None:
        return numpy.asarray(scores)
    if average == "binary":
        return float(scores[1])
    weights = {"macro": predicted + actual > 0, "weighted": actual, "micro": actual}[average]
    return float(numpy.sum(scores * weights) / max(numpy.sum(weights), 1e-300))
