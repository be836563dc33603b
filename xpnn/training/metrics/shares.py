"""Shares of right answers: of several classes, of one score each, and among the k best guesses."""

from __future__ import annotations

from xpnn.arrays.namespaces import Array, array_device, is_floating, namespace_of
from xpnn.autodiff.rules.choosing import clip
from xpnn.training.metrics.base import wide
from xpnn.training.metrics.checking import (
    as_indices,
    class_labels,
    count_nan,
    host_weights,
    on_host,
    require_alike,
    require_count,
    require_labels_below,
    require_rows,
    require_shares,
)
from xpnn.training.metrics.means import Items, MeanOfItems, mean

__all__ = ["Accuracy", "BinaryAccuracy", "TopKAccuracy", "accuracy", "binary_accuracy", "top_k_accuracy"]


def accuracy(y: Array, t: Array, *, sample_weight: Array | None = None) -> float:
    """The share of items whose class is predicted rightly, from 0 to 1.

    Parameters
    ----------
    y
        Logits or probabilities, shape (n, ..., classes), of which the largest is the prediction; or predicted labels,
        integers of the shape of `t`.
    t
        Integer labels, shape (n, ...), items with negative ones being left out; or probabilities of the shape of `y`,
        of which the largest is the label.
    sample_weight
        Shape (n,).

    Raises
    ------
    TypeError
        If one is not an array of real numbers.
    ValueError
        If shapes do not fit, there are no rows, a prediction is NaN, a label is no class of the logits, or weights are
        not one per row.

    Examples
    --------
    >>> import numpy
    >>> accuracy(numpy.asarray([[0.2, 0.8], [0.9, 0.1]]), numpy.asarray([1, 1]))
    0.5
    """
    y, t = on_host("accuracy", y, t)
    items = _hits(y, t)
    if y.dtype.kind == "f" and t.dtype.kind != "f":
        require_labels_below("accuracy", y.shape[-1], t)
    return mean("accuracy", items, host_weights("accuracy", sample_weight, len(y)))


class Accuracy(MeanOfItems):
    """`accuracy` of data in parts.

    Labels beyond the classes are counted, and raise with the result; if a prediction is NaN the result is NaN.

    Examples
    --------
    >>> import numpy
    >>> metric = Accuracy()
    >>> metric.update(numpy.asarray([[0.2, 0.8], [0.9, 0.1]]), numpy.asarray([1, 1]))
    >>> metric.update(numpy.asarray([[0.3, 0.7]]), numpy.asarray([1]))
    >>> round(metric.result(), 3)
    0.667
    """

    def items(self, y: Array, t: Array) -> Items:
        return _hits(y, t)


def _hits(y: Array, t: Array) -> Items:
    predicted, actual = class_labels("accuracy", y, t)
    xp = namespace_of(actual)
    kept = actual >= 0
    if not is_floating(y.dtype):
        return Items((predicted == actual) & kept, kept)
    return Items(predicted == actual, kept, xp.count_nonzero(actual >= y.shape[-1]), count_nan(y))


def binary_accuracy(y: Array, t: Array, *, threshold: float = 0.0, sample_weight: Array | None = None) -> float:
    """The share of items on the right side of `threshold`, from 0 to 1.

    Parameters
    ----------
    y
        Logits, of any shape, or other scores.
    t
        Targets 0 and 1 (or probabilities, 1 if above 0.5), the shape of `y`.
    threshold
        Above it the prediction is 1: 0 for logits, 0.5 for probabilities.
    sample_weight
        Shape (n,).

    Raises
    ------
    TypeError
        If one is not an array of real numbers.
    ValueError
        If shapes differ, there are no rows, a prediction is NaN, a target is not from 0 to 1, or weights are not one
        per row.

    Examples
    --------
    >>> import numpy
    >>> binary_accuracy(numpy.asarray([-2.0, 3.0, 1.0]), numpy.asarray([0, 1, 0])).__round__(3)
    0.667
    """
    y, t = on_host("binary_accuracy", y, t)
    items = _right_sides(y, t, threshold)
    require_shares("binary_accuracy", t)
    return mean("binary_accuracy", items, host_weights("binary_accuracy", sample_weight, len(y)))


class BinaryAccuracy(MeanOfItems):
    """`binary_accuracy` of data in parts; for options see there, for errors `Accuracy`."""

    def __init__(self, *, threshold: float = 0.0) -> None:
        super().__init__()
        self.threshold = threshold

    def items(self, y: Array, t: Array) -> Items:
        return _right_sides(y, t, self.threshold)


def _right_sides(y: Array, t: Array, threshold: float) -> Items:
    require_alike("binary_accuracy", y, t)
    xp, t = namespace_of(t), wide(t)
    wrong = xp.count_nonzero((t < 0) | (t > 1))
    return Items((wide(y) > threshold) == (t > 0.5), None, wrong, count_nan(y))


def top_k_accuracy(y: Array, t: Array, *, k: int = 5, sample_weight: Array | None = None) -> float:
    """The share of items whose class is among the `k` with the largest logits, from 0 to 1.

    Of classes with equal logits the first comes first, so that with k=1 it is `accuracy`; in scikit-learn's
    top_k_accuracy_score the last does.

    Parameters
    ----------
    y
        Logits or probabilities, shape (n, ..., classes).
    t
        Integer labels, shape (n, ...), items with negative ones being left out.
    k
        How many guesses there are.
    sample_weight
        Shape (n,).

    Raises
    ------
    TypeError, ValueError
        As for `accuracy`, and if `k` is not a whole number of 1 or more.

    Examples
    --------
    >>> import numpy
    >>> top_k_accuracy(numpy.asarray([[0.5, 0.2, 0.3], [0.1, 0.3, 0.6]]), numpy.asarray([2, 0]), k=2)
    0.5
    """
    k = require_count("top_k_accuracy", "k", k)
    y, t = on_host("top_k_accuracy", y, t)
    items = _hits_of_k(y, t, k)
    require_labels_below("top_k_accuracy", y.shape[-1], t)
    return mean("top_k_accuracy", items, host_weights("top_k_accuracy", sample_weight, len(y)))


class TopKAccuracy(MeanOfItems):
    """`top_k_accuracy` of data in parts; for options see there, for errors `Accuracy`."""

    def __init__(self, *, k: int = 5) -> None:
        super().__init__()
        self.k = require_count("top_k_accuracy", "k", k)

    def items(self, y: Array, t: Array) -> Items:
        return _hits_of_k(y, t, self.k)


def _hits_of_k(y: Array, t: Array, k: int) -> Items:
    require_rows("top_k_accuracy", y, t)
    if not is_floating(y.dtype) or is_floating(t.dtype) or y.shape[:-1] != t.shape or y.shape[-1] < 2:
        raise ValueError(
            f"top_k_accuracy expected logits (n, ..., classes) and integer targets (n, ...), "
            f"got {y.dtype} {y.shape} and {t.dtype} {t.shape}"
        )
    xp, classes = namespace_of(y), y.shape[-1]
    t = as_indices(t)
    kept = t >= 0
    labels = xp.expand_dims(clip(t, 0, classes - 1), axis=-1)
    of_label = xp.take_along_axis(y, labels, axis=-1)
    earlier = xp.arange(classes, dtype=labels.dtype, device=array_device(y)) < labels
    better = xp.count_nonzero((y > of_label) | ((y == of_label) & earlier), axis=-1)
    return Items((better < k) & kept, kept, xp.count_nonzero(t >= classes), count_nan(y))
