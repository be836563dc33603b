"""Metrics: numbers that people read, of predictions `y` and targets `t`.

    accuracy(model(x), t)
    Trainer(model, loss, optimizer, metrics={"accuracy": accuracy, "AUC": roc_auc, "top 3": TopKAccuracy(k=3)})

A function takes all rows at once, arrays of any device, and computes on the host in float64. Its class, `Accuracy` of
`accuracy`, takes them part by part and adds up on the device. None has a derivative. `sample_weight` has one weight of
0 or more per row, and a metric is then that of weighted rows. Predictions are logits unless you say otherwise.
"""

from xpnn.training.metrics.accumulating import accumulated
from xpnn.training.metrics.base import Metric, MetricOfRows, MetricOfSums
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

__all__ = [
    "Metric",
    "MetricOfRows",
    "MetricOfSums",
    "accumulated",
    "Accuracy",
    "AveragePrecision",
    "BinaryAccuracy",
    "BrierScore",
    "ConfusionMatrix",
    "ExpectedCalibrationError",
    "F1Score",
    "LogLoss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Perplexity",
    "Precision",
    "R2Score",
    "Recall",
    "RocAuc",
    "RootMeanSquaredError",
    "TopKAccuracy",
    "accuracy",
    "average_precision",
    "binary_accuracy",
    "brier_score",
    "confusion_matrix",
    "expected_calibration_error",
    "f1_score",
    "log_loss",
    "mean_absolute_error",
    "mean_squared_error",
    "perplexity",
    "precision",
    "r2_score",
    "recall",
    "roc_auc",
    "root_mean_squared_error",
    "top_k_accuracy",
]
