"""What may be monitored on rows that are held out: scikit-learn's metrics by name, the larger the better."""

from __future__ import annotations

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
        """The metric. Classes are numbers 0, 1, …; where it has no value, NaN.

        It is not asked where scikit-learn would warn that it has none: to ignore a warning is to ignore it in all
        threads, and whoever comes last leaves it so (`warnings.catch_warnings`).
        """
        if sample_weight is not None and not sample_weight.any():
            return float("nan")
        with numpy.errstate(all="ignore"):
            try:
                return float(_FUNCTIONS[self.metric](t, predictions, sample_weight))
            except ValueError:  # of predictions that are no numbers
                return float("nan")


def _log_loss(t: Any, p: Any, w: Any) -> float:
    if p.shape[1] == 1:  # of one class, which scikit-learn's refuses
        return 0.0
    return float(metrics.log_loss(t, p, sample_weight=w, labels=numpy.arange(p.shape[1])))


def _roc_auc(t: Any, p: Any, w: Any) -> float:
    classes = numpy.arange(p.shape[1])
    if len(classes) == 1 or len(_there(t, w)) < len(classes):
        return float("nan")
    if len(classes) == 2:
        return float(metrics.roc_auc_score(t, p[:, 1], sample_weight=w))
    return float(metrics.roc_auc_score(t, p, sample_weight=w, multi_class="ovr", labels=classes))


def _balanced_accuracy(t: Any, p: Any, w: Any) -> float:
    """The mean over the classes that are there, as `balanced_accuracy_score` has it."""
    best = p.argmax(axis=1)
    return float(metrics.recall_score(t, best, labels=_there(t, w), average="macro", sample_weight=w))


def _there(t: Any, w: Any) -> Any:
    """The classes that rows of any weight have."""
    return numpy.unique(t if w is None else t[w > 0])


def _r2(t: Any, y: Any, w: Any) -> float:
    return float(metrics.r2_score(t, y, sample_weight=w)) if len(t) > 1 else float("nan")


_FUNCTIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "log_loss": _log_loss,
    "roc_auc": _roc_auc,
    "accuracy": lambda t, p, w: metrics.accuracy_score(t, p.argmax(axis=1), sample_weight=w),
    "balanced_accuracy": _balanced_accuracy,
    "r2": _r2,
    "squared_error": lambda t, y, w: metrics.mean_squared_error(t, y, sample_weight=w),
    "absolute_error": lambda t, y, w: metrics.mean_absolute_error(t, y, sample_weight=w),
}
