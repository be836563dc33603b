"""Metrics: numbers that people read, of predictions `y` and targets `t`.

    accuracy(model(x), t)
    Trainer(model, loss, optimizer, metrics={"accuracy": accuracy, "AUC": roc_auc})

They are computed on the host, in float64, once per evaluation; none has a derivative. Arrays of any device are taken.
`sample_weight` has one weight of 0 or more per row, and a metric is then the weighted mean over rows.
"""

from __future__ import annotations

from typing import Any

import numpy

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import to_host

__all__ = ["accuracy", "binary_accuracy", "confusion_matrix", "mean_absolute_error", "r2_score", "roc_auc"]


def accuracy(y: Array, t: Array, *, sample_weight: Array | None = None) -> float:
    """The share of items whose class is predicted rightly, from 0 to 1.

    Parameters
    ----------
    y
        Logits or probabilities, shape (n, ..., classes), of which the largest is the prediction; or predicted labels,
        integers of the shape of `t`.
    t
        Integer labels, shape (n, ...); or probabilities of the shape of `y`, of which the largest is the label.
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
    >>> accuracy(numpy.asarray([[0.2, 0.8], [0.9, 0.1]]), numpy.asarray([1, 1]))
    0.5
    """
    y, t = _on_host("accuracy", y, t)
    predicted, actual = _labels("accuracy", y, t)
    if y.dtype.kind == "f" and actual.max() >= y.shape[-1]:  # negative labels may be those that a loss ignores
        raise ValueError(f"accuracy expected labels below {y.shape[-1]}, the number of classes, got {actual.max()}")
    return _mean("accuracy", predicted == actual, sample_weight)


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
    >>> binary_accuracy(numpy.asarray([-2.0, 3.0, 1.0]), numpy.asarray([0, 1, 0])).__round__(3)
    0.667
    """
    y, t = _alike("binary_accuracy", *_on_host("binary_accuracy", y, t))
    if not ((t >= 0) & (t <= 1)).all():
        raise ValueError(f"binary_accuracy expected targets from 0 to 1, got {t[(t < 0) | (t > 1)][0]:g}")
    return _mean("binary_accuracy", (y > threshold) == (t > 0.5), sample_weight)


def mean_absolute_error(y: Array, t: Array, *, sample_weight: Array | None = None) -> float:
    """The mean of |y - t|, in the unit of `t`; both of one shape.

    Raises
    ------
    TypeError
        If one is not an array of real numbers.
    ValueError
        If shapes differ, there are no rows, a prediction is NaN, or weights are not one per row.

    Examples
    --------
    >>> mean_absolute_error(numpy.asarray([1.0, 2.0]), numpy.asarray([1.0, 4.0]))
    1.0
    """
    y, t = _alike("mean_absolute_error", *_on_host("mean_absolute_error", y, t))
    return _mean("mean_absolute_error", numpy.abs(y - t), sample_weight)


def r2_score(y: Array, t: Array, *, sample_weight: Array | None = None) -> float:
    """R², the share of the variance of `t` that `y` explains: 1 is perfect, 0 as good as the mean, below 0 worse.

    1 - sum((t - y)²) / sum((t - mean(t))²) for each output, averaged over outputs. Where the targets of an output are
    all equal it is 1 if they are met exactly, else 0, as in scikit-learn; of a single row it is NaN.

    Raises
    ------
    TypeError
        If one is not an array of real numbers.
    ValueError
        If shapes differ, there are no rows, a prediction is NaN, or weights are not one per row.

    Examples
    --------
    >>> r2_score(numpy.asarray([1.0, 2.0, 3.0]), numpy.asarray([1.0, 2.0, 4.0])).__round__(4)
    0.7857
    """
    y, t = _alike("r2_score", *_on_host("r2_score", y, t))
    if len(t) < 2:
        return float("nan")
    y, t = y.reshape(len(y), -1), t.reshape(len(t), -1)
    w = _weights("r2_score", sample_weight, len(t))[:, None]
    left = numpy.sum(w * (t - y) ** 2, axis=0)
    total = numpy.sum(w * (t - numpy.sum(w * t, axis=0) / numpy.sum(w)) ** 2, axis=0)
    varies = total > 0
    explained = 1 - left / numpy.where(varies, total, 1.0)
    return float(numpy.mean(numpy.where(varies, explained, left == 0)))


def roc_auc(y: Array, t: Array, *, sample_weight: Array | None = None) -> float:
    """The area under the ROC curve: how probably a random item of class 1 scores above one of class 0.

    1 is a perfect order, 0.5 is guessing; equal scores count half. NaN if only one class is there.

    Parameters
    ----------
    y
        Scores, such as logits or probabilities, shape (n,) or (n, 1).
    t
        Targets 0 and 1, the shape of `y`.
    sample_weight
        Shape (n,).

    Raises
    ------
    TypeError
        If one is not an array of real numbers.
    ValueError
        If shapes differ or are others, there are no rows, a score is NaN, a target is neither 0 nor 1, or weights are
        not one per row.

    Examples
    --------
    >>> roc_auc(numpy.asarray([0.1, 0.4, 0.35, 0.8]), numpy.asarray([0, 0, 1, 1]))
    0.75
    """
    y, t = _alike("roc_auc", *_on_host("roc_auc", y, t))
    if y.size != len(y):
        raise ValueError(f"roc_auc expected one score per row, shape (n,) or (n, 1), got {y.shape}")
    y, t = y.reshape(-1), t.reshape(-1)
    if not numpy.isin(t, (0, 1)).all():
        raise ValueError(f"roc_auc expected targets 0 and 1, got {t[~numpy.isin(t, (0, 1))][0]}")
    w = _weights("roc_auc", sample_weight, len(t))
    scores, group = numpy.unique(y, return_inverse=True)
    ones, zeros = (numpy.bincount(group, weights=w * (t == label), minlength=len(scores)) for label in (1, 0))
    pairs = ones.sum() * zeros.sum()
    below = numpy.cumsum(zeros) - zeros  # for each score, the items of class 0 that lie under it
    return float(numpy.sum(ones * (below + zeros / 2)) / pairs) if pairs > 0 else float("nan")


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
        As `accuracy`, and if a label is not from 0 to classes - 1.

    Examples
    --------
    >>> confusion_matrix(numpy.asarray([0, 1, 1]), numpy.asarray([0, 1, 0]))
    array([[1, 1],
           [0, 1]])
    """
    y, t = _on_host("confusion_matrix", y, t)
    predicted, actual = (labels.reshape(-1).astype("int64") for labels in _labels("confusion_matrix", y, t))
    if classes is None:
        classes = y.shape[-1] if y.dtype.kind == "f" else int(max(predicted.max(), actual.max())) + 1
    for labels in (predicted, actual):
        if labels.min() < 0 or labels.max() >= classes:
            wrong = labels[(labels < 0) | (labels >= classes)][0]
            raise ValueError(f"confusion_matrix expected labels from 0 to {classes - 1}, got {wrong}")
    w = _weights("confusion_matrix", sample_weight, len(t))
    per_item = numpy.repeat(w, len(actual) // len(t))
    counts = numpy.bincount(classes * actual + predicted, weights=per_item, minlength=classes**2)
    matrix = counts.reshape(classes, classes)
    return matrix.astype("int64") if sample_weight is None else matrix


def _on_host(name: str, y: Array, t: Array) -> tuple[Any, Any]:
    """Predictions and targets as NumPy arrays, floating-point ones in float64."""
    for array in (y, t):
        namespace_of(array)
    y, t = (_in_float64(to_host(array)) for array in (y, t))
    for what, array in (("predictions", y), ("targets", t)):
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{name} expected {what} that are real numbers, got dtype {array.dtype}")
        if not array.shape or not array.size:
            raise ValueError(f"{name} expected {what} with at least one row, got shape {array.shape}")
        if array.dtype.kind == "f" and numpy.isnan(array).any():
            raise ValueError(f"{name} expected {what} without NaN, got {int(numpy.isnan(array).sum())} of them")
    if len(y) != len(t):
        raise ValueError(f"{name} expected as many predictions as targets, got shapes {y.shape} and {t.shape}")
    return y, t


def _in_float64(x: Any) -> Any:
    return x.astype("float64") if x.dtype.kind == "f" else x


def _alike(name: str, y: Any, t: Any) -> tuple[Any, Any]:
    """`y` and `t` in float64, if of one shape."""
    if y.shape != t.shape:  # (n, 1) and (n,) would broadcast to (n, n)
        raise ValueError(f"{name} expected predictions and targets of one shape, got {y.shape} and {t.shape}")
    return y.astype("float64"), t.astype("float64")


def _labels(name: str, y: Any, t: Any) -> tuple[Any, Any]:
    """Predicted and actual labels, of one shape."""
    if y.dtype.kind == "f" and y.shape[-1] == 1:  # the largest of one is always the right one
        raise ValueError(f"{name} expected logits of two or more classes, got shape {y.shape}: see binary_accuracy")
    predicted = y.argmax(axis=-1) if y.dtype.kind == "f" and y.ndim > 1 else y
    actual = t.argmax(axis=-1) if t.dtype.kind == "f" and t.ndim > 1 and t.shape == y.shape else t
    if predicted.shape != actual.shape or "f" in (predicted.dtype.kind, actual.dtype.kind):
        raise ValueError(
            f"{name} expected logits (n, ..., classes) or integer labels (n, ...) and integer targets (n, ...), "
            f"got {y.dtype} {y.shape} and {t.dtype} {t.shape}"
        )
    return predicted, actual


def _weights(name: str, sample_weight: Array | None, rows: int) -> Any:
    """One weight per row, ones by default."""
    if sample_weight is None:
        return numpy.ones(rows)
    namespace_of(sample_weight)
    w = to_host(sample_weight)
    if w.shape != (rows,):
        raise ValueError(f"{name} expected sample_weight of shape ({rows},), got {w.shape}")
    w = w.astype("float64")
    if not (numpy.isfinite(w).all() and (w >= 0).all() and (w > 0).any()):
        raise ValueError(f"{name} expected finite weights of 0 or more that are not all 0")
    return w


def _mean(name: str, values: Any, sample_weight: Array | None) -> float:
    """The mean over items and then, weighted, over rows."""
    per_row = values.reshape(len(values), -1).mean(axis=1)
    return float(numpy.average(per_row, weights=_weights(name, sample_weight, len(values))))
