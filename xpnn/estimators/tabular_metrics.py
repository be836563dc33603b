"""What may be monitored on rows that are held out: scikit-learn's metrics by name, the larger the better."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy
from sklearn import metrics

__all__ = ["CLASSIFICATION", "OF_PROBABILITIES", "REGRESSION", "Judge"]

CLASSIFICATION = ("log_loss", "roc_auc", "accuracy", "balanced_accuracy")
REGRESSION = ("r2", "squared_error", "absolute_error")
OF_PROBABILITIES = ("log_loss", "roc_auc")
LOSSES = ("log_loss", "squared_error", "absolute_error")


class Judge:
    """From targets and predictions (probabilities of classes, or numbers) to a number.

    Parameters
    ----------
    metric
        One of the names.
    """

    def __init__(self, metric: str) -> None:
        self.metric, self.sign = metric, -1.0 if metric in LOSSES else 1.0

    def __call__(self, t: Any, predictions: Any, sample_weight: Any) -> float:
        """The metric. Classes are numbers 0, 1, …; where it has no value, NaN."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes that no row held out has
            try:
                return float(_FUNCTIONS[self.metric](t, predictions, sample_weight))
            except ValueError:
                return float("nan")


def _log_loss(t: Any, p: Any, w: Any) -> float:
    if p.shape[1] == 1:  # of one class, which scikit-learn's refuses
        return 0.0
    return float(metrics.log_loss(t, p, sample_weight=w, labels=numpy.arange(p.shape[1])))


def _roc_auc(t: Any, p: Any, w: Any) -> float:
    if p.shape[1] == 2:
        return float(metrics.roc_auc_score(t, p[:, 1], sample_weight=w))
    classes = numpy.arange(p.shape[1])
    return float(metrics.roc_auc_score(t, p, sample_weight=w, multi_class="ovr", labels=classes))


_FUNCTIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "log_loss": _log_loss,
    "roc_auc": _roc_auc,
    "accuracy": lambda t, p, w: metrics.accuracy_score(t, p.argmax(axis=1), sample_weight=w),
    "balanced_accuracy": lambda t, p, w: metrics.balanced_accuracy_score(t, p.argmax(axis=1), sample_weight=w),
    "r2": lambda t, y, w: metrics.r2_score(t, y, sample_weight=w),
    "squared_error": lambda t, y, w: metrics.mean_squared_error(t, y, sample_weight=w),
    "absolute_error": lambda t, y, w: metrics.mean_absolute_error(t, y, sample_weight=w),
}
