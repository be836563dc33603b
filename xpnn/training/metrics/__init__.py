"""Metrics: numbers that people read, of predictions `y` and targets `t`.

    accuracy(model(x), t)
    Trainer(model, loss, optimizer, metrics={"accuracy": accuracy, "AUC": roc_auc})

They are computed on the host, in float64, once per evaluation; none has a derivative. Arrays of any device are taken.
`sample_weight` has one weight of 0 or more per row, and a metric is then the weighted mean over rows.
"""

from xpnn.training.metrics.accumulating import accumulated
from xpnn.training.metrics.base import Metric, MetricOfRows, MetricOfSums
from xpnn.training.metrics.whole import (
    accuracy,
    binary_accuracy,
    confusion_matrix,
    mean_absolute_error,
    r2_score,
    roc_auc,
)

__all__ = [
    "Metric",
    "MetricOfRows",
    "MetricOfSums",
    "accumulated",
    "accuracy",
    "binary_accuracy",
    "confusion_matrix",
    "mean_absolute_error",
    "r2_score",
    "roc_auc",
]
