"""From what people give as a metric, a function or a `Metric`, to a `Metric`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.tree import Tree, flatten, named_leaves
from xpnn.training.metrics.base import Metric, MetricOfRows, Number
from xpnn.training.metrics.calibration import ExpectedCalibrationError, expected_calibration_error
from xpnn.training.metrics.confusion import ConfusionMatrix, confusion_matrix
from xpnn.training.metrics.probabilities import BrierScore, LogLoss, Perplexity, brier_score, log_loss, perplexity
from xpnn.training.metrics.ranking import AveragePrecision, RocAuc, average_precision, roc_auc
from xpnn.training.metrics.regression import (
    MeanAbsoluteError,
    MeanSquaredError,
    R2Score,
    RootMeanSquaredError,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)
from xpnn.training.metrics.scores import F1Score, Precision, Recall, f1_score, precision, recall
from xpnn.training.metrics.shares import (
    Accuracy,
    BinaryAccuracy,
    TopKAccuracy,
    accuracy,
    binary_accuracy,
    top_k_accuracy,
)

__all__ = ["METRICS", "accumulated"]

METRICS: dict[Callable[..., Number], Callable[..., Metric]] = {
    accuracy: Accuracy,
    average_precision: AveragePrecision,
    binary_accuracy: BinaryAccuracy,
    brier_score: BrierScore,
    confusion_matrix: ConfusionMatrix,
    expected_calibration_error: ExpectedCalibrationError,
    f1_score: F1Score,
    log_loss: LogLoss,
    mean_absolute_error: MeanAbsoluteError,
    mean_squared_error: MeanSquaredError,
    perplexity: Perplexity,
    precision: Precision,
    r2_score: R2Score,
    recall: Recall,
    roc_auc: RocAuc,
    root_mean_squared_error: RootMeanSquaredError,
    top_k_accuracy: TopKAccuracy,
}
"""The class of each function of metrics."""


def accumulated(metric: Metric | Callable[..., Number]) -> Metric:
    """A `Metric` that has seen nothing yet, of `metric`.

    Parameters
    ----------
    metric
        A `Metric`: the result is a fresh copy. A function of `training.metrics`, or `functools.partial` of one with
        options: its class with these options. Any other function `metric(y, t)`, or `metric(y, t, sample_weight=w)`
        where weights are used: one that keeps all predictions and targets, and calls the function on NumPy arrays for
        its result.

    Raises
    ------
    TypeError
        If it is none of these.

    Examples
    --------
    >>> import numpy
    >>> largest = accumulated(lambda y, t: float(numpy.max(y - t)))
    >>> largest.update(numpy.asarray([1.0, 2.0]), numpy.asarray([1.0, 1.0]))
    >>> largest.update(numpy.asarray([5.0]), numpy.asarray([1.0]))
    >>> largest.result()
    4.0
    """
    if isinstance(metric, Metric):
        fresh = copy.deepcopy(metric)
        fresh.start()
        return fresh
    if isinstance(metric, type) or not callable(metric):
        raise TypeError(f"expected a metric: a function of y and t, or a Metric such as Accuracy(), got {metric!r:.60}")
    function, options = metric, {}
    if isinstance(metric, partial) and not metric.args and "sample_weight" not in metric.keywords:
        function, options = metric.func, metric.keywords
    return METRICS[function](**options) if _is_ours(function) else _OfFunction(metric)


def _is_ours(function: Callable[..., Any]) -> bool:
    return isinstance(function, FunctionType) and function in METRICS


class _OfFunction(MetricOfRows):
    """Keeps all predictions, targets and weights for a function of them."""

    def __init__(self, function: Callable[..., Number]) -> None:
        super().__init__()
        self.function = function
        self._rebuild: tuple[Callable[..., Tree], Callable[..., Tree]] | None = None

    def rows(self, y: Tree, t: Tree, w: Array | None) -> dict[str, Array]:
        self._rebuild = flatten(y)[1], flatten(t)[1]
        leaves = named_leaves({"y": y, "t": t} if w is None else {"y": y, "t": t, "w": w})
        return {name: namespace_of(x).asarray(x, copy=True) for name, x in leaves}

    def of_rows(self, rows: dict[str, Any]) -> Number:
        weight = {"sample_weight": rows["w"]} if "w" in rows else {}
        y, t = (_under(name, rows) for name in "yt")
        if self._rebuild is not None:
            y, t = (rebuild(flatten(tree)[0]) for rebuild, tree in zip(self._rebuild, (y, t), strict=True))
        return self.function(y, t, **weight)


def _under(name: str, rows: Mapping[str, Any]) -> Tree:
    """The tree of the rows whose path begins with `name`: an array, or else tuples and dictionaries."""
    if name in rows:
        return rows[name]
    below = [path.removeprefix(f"{name}.").partition(".")[0] for path in rows if path.startswith(f"{name}.")]
    parts = {key: _under(f"{name}.{key}", rows) for key in below}
    if not parts:
        return None
    return tuple(parts.values()) if all(key.isdecimal() for key in parts) else parts
