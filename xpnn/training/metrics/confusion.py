"""The confusion matrix: what is predicted as what."""

from __future__ import annotations

from typing import Any

import numpy

from xpnn.arrays.namespaces import Array
from xpnn.arrays.native import scatter_add
from xpnn.training.metrics.base import MetricOfSums
from xpnn.training.metrics.checking import class_labels, count_nan, host_weights, on_host, require_count
from xpnn.training.metrics.counting import classes_known, classes_on_host, counted
from xpnn.training.metrics.means import require_right

__all__ = ["ConfusionMatrix", "confusion_matrix"]


def confusion_matrix(
    y: Array, t: Array, *, classes: int | None = None, sample_weight: Array | None = None
) -> numpy.ndarray:
    """How often each class (rows) was predicted as each class (columns), shape (classes, classes).

    Parameters
    ----------
    y, t
        As for `accuracy`; booleans count as labels 0 and 1.
    classes
        The number of classes; by default that of the logits, or the largest label and one.
    sample_weight
        Shape (n,).

    Returns
    -------
    numpy.ndarray
        Counts, int64; with `sample_weight` sums of weights, float64.

    Raises
    ------
    TypeError, ValueError
        As `accuracy`, and if a prediction is not from 0 to classes - 1.

    Examples
    --------
    >>> confusion_matrix(numpy.asarray([0, 1, 1]), numpy.asarray([0, 1, 0]))
    array([[1, 1],
           [0, 1]])
    """
    y, t = on_host("confusion_matrix", y, t)
    predicted, actual = class_labels("confusion_matrix", y, t)
    classes = classes_on_host("confusion_matrix", y, predicted, actual, classes)
    w = host_weights("confusion_matrix", sample_weight, len(y))
    return _matrix(_pairs(predicted, actual, classes, w))


class ConfusionMatrix(MetricOfSums):
    """`confusion_matrix` of data in parts; `classes` has to be given if predictions are labels.

    The result is an array, which `Trainer` does not report. Labels out of range are counted, and raise with it.

    Examples
    --------
    >>> metric = ConfusionMatrix(classes=2)
    >>> metric.update(numpy.asarray([0, 1]), numpy.asarray([0, 1]))
    >>> metric.update(numpy.asarray([1]), numpy.asarray([0]))
    >>> metric.result()
    array([[1, 1],
           [0, 1]])
    """

    def __init__(self, *, classes: int | None = None) -> None:
        super().__init__()
        self.classes = None if classes is None else require_count("confusion_matrix", "classes", classes)

    def sums(self, y: Array, t: Array, w: Array | None) -> dict[str, Any]:
        predicted, actual = class_labels("confusion_matrix", y, t)
        classes = classes_known("confusion_matrix", y, self.classes)
        return {**_pairs(predicted, actual, classes, w), "nan": count_nan(y)}

    def of_sums(self, sums: dict[str, Any]) -> numpy.ndarray:
        require_right("confusion_matrix", sums["wrong"])
        if sums["nan"]:
            raise ValueError(f"confusion_matrix expected predictions without NaN, got {int(sums['nan'])} of them")
        return _matrix(sums)


def _pairs(predicted: Array, actual: Array, classes: int, w: Array | None) -> dict[str, Any]:
    predicted, actual, v, wrong = counted(predicted, actual, classes, w)
    return {"pairs": scatter_add(v, classes * actual + predicted, (classes * classes,)), "wrong": wrong}


def _matrix(sums: dict[str, Any]) -> numpy.ndarray:
    pairs: numpy.ndarray = sums["pairs"]
    matrix = pairs.reshape(round(pairs.size**0.5), -1)
    return matrix if matrix.dtype.kind == "f" else matrix.astype("int64", copy=False)
