"""The table of all metrics: the function, the class, data, and scikit-learn's number for them where it has one.

Tests of what all metrics promise go through it: `tests/training/metrics/test_all.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy

from xpnn.training import metrics

RNG = numpy.random.default_rng(7)
ROWS = 203
LOGITS = RNG.normal(size=(ROWS, 4))
LABELS = RNG.integers(0, 4, ROWS)
TWO = RNG.normal(size=(ROWS, 2))
SCORES = numpy.round(RNG.normal(size=(ROWS, 1)), 1)  # rounded: many ties
BINARY = RNG.integers(0, 2, (ROWS, 1))
NUMBERS = RNG.normal(size=(ROWS, 3)) + numpy.asarray([0.0, 1e6, -3.0])  # R² may not lose digits to a mean
GUESSES = NUMBERS + 0.5 * RNG.normal(size=(ROWS, 3))
WEIGHTS = RNG.uniform(0, 2, ROWS) * RNG.integers(0, 2, ROWS)  # half of them 0


def softmax(z):
    e = numpy.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def expit(z):
    return 1 / (1 + numpy.exp(-z))


P, P_ONE = softmax(LOGITS), expit(SCORES)


def judge(name, of_outputs=lambda y: y, **options):
    """scikit-learn's function `name`, of what `of_outputs` makes of the outputs."""

    def number(y, t, w):
        import sklearn.metrics

        return getattr(sklearn.metrics, name)(t, of_outputs(y), sample_weight=w, **options)

    return number


def calibration_error(y, t, w, bins=15):
    """Equation 3 of Guo et al., bin by bin."""
    p = softmax(y) if y.shape[-1] > 1 else numpy.concatenate([1 - expit(y), expit(y)], axis=1)
    w, t = numpy.ones(len(y)) if w is None else w, t.reshape(-1)
    confidence, right, total = p.max(axis=1), p.argmax(axis=1) == t, 0.0
    for low in range(bins):
        inside = (confidence > low / bins) & (confidence <= (low + 1) / bins)
        if w[inside].sum():
            gap = numpy.average(right[inside], weights=w[inside]) - numpy.average(confidence[inside], weights=w[inside])
            total += w[inside].sum() / w.sum() * abs(gap)
    return total


@dataclass(frozen=True)
class Row:
    """One metric with certain options and data."""

    name: str
    function: Callable[..., Any]
    kind: type
    y: numpy.ndarray
    t: numpy.ndarray
    judge: Callable[..., Any]
    options: dict[str, Any] = field(default_factory=dict)

    def whole(self, y=None, t=None, **weight):
        return self.function(self.y if y is None else y, self.t if t is None else t, **self.options, **weight)

    def partial(self):
        return partial(self.function, **self.options) if self.options else self.function

    def metric(self):
        return self.kind(**self.options)


def best(y):
    return y.argmax(axis=-1)


def positive(y):
    return (y > 0).reshape(-1)


def rows_of_shares():
    yield Row("accuracy", metrics.accuracy, metrics.Accuracy, LOGITS, LABELS, judge("accuracy_score", best))
    binary = metrics.binary_accuracy, metrics.BinaryAccuracy, SCORES, BINARY
    yield Row("binary accuracy", *binary, judge("accuracy_score", positive))
    above = judge("accuracy_score", lambda y: y > 0.3)
    yield Row("binary accuracy above 0.3", *binary, above, {"threshold": 0.3})
    for k in (1, 2, 3):
        among = judge("top_k_accuracy_score", k=k)
        yield Row(f"top {k}", metrics.top_k_accuracy, metrics.TopKAccuracy, LOGITS, LABELS, among, {"k": k})


def rows_of_scores():
    for name, kind in (("precision", metrics.Precision), ("recall", metrics.Recall), ("f1_score", metrics.F1Score)):
        function = getattr(metrics, name)
        official = name.removesuffix("_score") + "_score"
        one = judge(official, positive, zero_division=0.0)
        yield Row(f"{name} binary", function, kind, SCORES, BINARY, one)
        two = judge(official, best, zero_division=0.0)
        yield Row(f"{name} binary of two logits", function, kind, TWO, BINARY[:, 0], two)
        for average in ("macro", "micro", "weighted", None):
            many = judge(official, best, average=average, zero_division=0.0)
            yield Row(f"{name} {average}", function, kind, LOGITS, LABELS, many, {"average": average})
        rare = numpy.where(LABELS == 2, 0, LABELS)  # a class that is only predicted
        many = judge(official, best, average="macro", zero_division=0.0)
        yield Row(f"{name} macro of a class without items", function, kind, LOGITS, rare, many, {"average": "macro"})
        both = judge(official, positive, average="macro", zero_division=0.0)
        yield Row(f"{name} macro of single scores", function, kind, SCORES, BINARY, both, {"average": "macro"})


def rows_of_areas():
    for name, official, kind in (
        ("roc_auc", "roc_auc_score", metrics.RocAuc),
        ("average_precision", "average_precision_score", metrics.AveragePrecision),
    ):
        function = getattr(metrics, name)
        yield Row(name, function, kind, SCORES, BINARY, judge(official))
        several = {"multi_class": "ovr"} if name == "roc_auc" else {}
        for average in ("macro", "weighted", None):
            many = judge(official, softmax, average=average, **several)
            yield Row(f"{name} {average}", function, kind, LOGITS, LABELS, many, {"average": average})
        options = {"outputs": "probabilities"}
        many = judge(official, **several)
        yield Row(f"{name} of probabilities", function, kind, P, LABELS, many, options)


def rows_of_probabilities():
    given = {"outputs": "probabilities"}
    for function, kind, official in (
        (metrics.log_loss, metrics.LogLoss, "log_loss"),
        (metrics.brier_score, metrics.BrierScore, "brier_score_loss"),
    ):
        name = function.__name__
        yield Row(f"{name} of logits", function, kind, LOGITS, LABELS, judge(official, softmax))
        yield Row(f"{name} of two logits", function, kind, TWO, BINARY[:, 0], judge(official, softmax))
        yield Row(f"{name} of probabilities", function, kind, P, LABELS, judge(official), given)
        yield Row(f"{name} of single logits", function, kind, SCORES, BINARY, judge(official, expit))
        yield Row(f"{name} of single probabilities", function, kind, P_ONE, BINARY, judge(official), given)
    surprise = judge("log_loss", softmax)
    words = metrics.perplexity, metrics.Perplexity
    yield Row("perplexity", *words, LOGITS, LABELS, lambda y, t, w: numpy.exp(surprise(y, t, w)))
    error = metrics.expected_calibration_error, metrics.ExpectedCalibrationError
    yield Row("calibration error", *error, LOGITS, LABELS, calibration_error)
    yield Row("calibration error of single logits", *error, SCORES + 0.013, BINARY, calibration_error)
    few = partial(calibration_error, bins=4)
    yield Row("calibration error in four bins", *error, LOGITS, LABELS, few, {"bins": 4})


TABLE = [
    *rows_of_shares(),
    *rows_of_scores(),
    *rows_of_areas(),
    *rows_of_probabilities(),
    Row(
        "confusion matrix",
        metrics.confusion_matrix,
        metrics.ConfusionMatrix,
        LOGITS,
        LABELS,
        judge("confusion_matrix", best),
    ),
    *(
        Row(function.__name__, function, kind, GUESSES, NUMBERS, judge(function.__name__))
        for function, kind in (
            (metrics.mean_absolute_error, metrics.MeanAbsoluteError),
            (metrics.mean_squared_error, metrics.MeanSquaredError),
            (metrics.root_mean_squared_error, metrics.RootMeanSquaredError),
            (metrics.r2_score, metrics.R2Score),
        )
    ),
]
