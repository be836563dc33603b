"""How good predictions are, in numbers that people know, beside the simplest thing one could say."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy

from xpnn.cli.model import Predictions
from xpnn.tables.converting import as_numbers
from xpnn.tables.table import listed
from xpnn.tables.target import Target
from xpnn.training.metrics.calibration import expected_calibration_error
from xpnn.training.metrics.probabilities import brier_score, log_loss
from xpnn.training.metrics.ranking import average_precision, roc_auc
from xpnn.training.metrics.regression import mean_absolute_error, r2_score, root_mean_squared_error
from xpnn.training.metrics.scores import f1_score

__all__ = ["LARGER_IS_BETTER", "NAMES", "baseline", "number", "scores", "table", "undefined"]

NAMES = {
    "r2": "R²",
    "rmse": "root mean squared error",
    "mae": "mean absolute error",
    "accuracy": "accuracy",
    "auc": "ROC AUC",
    "average_precision": "average precision",
    "f1": "F1 (mean over classes)",
    "log_loss": "log loss",
    "brier": "Brier score",
    "calibration_error": "calibration error",
}
LARGER_IS_BETTER = {"r2", "accuracy", "auc", "average_precision", "f1"}


def scores(predictions: Predictions, target: Target, column: Any) -> dict[str, float | None]:
    """The scores of predictions by name, those of the target's task; None where one is not defined.

    Of several classes, ROC AUC is the mean of each class against the rest.

    Parameters
    ----------
    predictions
        For the rows of `column`.
    target
        Which learned the classes.
    column
        The true targets.

    Raises
    ------
    ValueError
        If a true target is missing or a label that training did not have.
    """
    if target.task == "regression":
        y, t = predictions.values, as_numbers(column).values
        with numpy.errstate(over="ignore", invalid="ignore"):  # None says it
            found = {"r2": r2_score(y, t), "rmse": root_mean_squared_error(y, t), "mae": mean_absolute_error(y, t)}
        return _plain(found)
    assert predictions.probabilities is not None
    return _plain(_of_classes(predictions.probabilities, target.codes(column), target.task))


def _of_classes(p: numpy.ndarray, t: numpy.ndarray, task: str) -> dict[str, Any]:
    found: dict[str, Any] = {"accuracy": float((p.argmax(axis=1) == t).mean())}
    y = p[:, 1] if task == "binary" else p
    found["auc"] = roc_auc(y, t, outputs="probabilities")
    if task == "binary":
        found["average_precision"] = average_precision(y, t, outputs="probabilities")
    else:
        found["f1"] = f1_score(y, t, average="macro")
    return found | {
        "log_loss": log_loss(y, t, outputs="probabilities"),
        "brier": brier_score(y, t, outputs="probabilities"),
        "calibration_error": expected_calibration_error(y, t, outputs="probabilities"),
    }


def _plain(found: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: float(value) if isfinite(value) else None for name, value in found.items()}


def undefined(found: Mapping[str, float | None], target: Target, column: Any) -> str:
    """Why scores are None, in a sentence; '' if none is.

    Examples
    --------
    >>> from xpnn.tables.reading import column_of
    >>> target = Target(name="y").fit(["a", "b", "c"])
    >>> undefined({"accuracy": 0.5, "auc": None}, target, column_of(["a", "b"]))
    "ROC AUC is not defined: no row has the target 'c'"
    """
    names = [NAMES.get(name, name) for name, value in found.items() if value is None]
    if not names:
        return ""
    what = f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not defined: "
    if target.task == "regression":
        return f"{what}targets are too large to be squared"
    counts = numpy.bincount(target.codes(column), minlength=len(target.classes))
    return what + f"no row has the target {listed(list(map(str, target.classes[counts == 0].tolist())), 5)}"


def baseline(target: Target, training: Any, column: Any) -> dict[str, float | None]:
    """The scores of saying the same of each row: the mean of the training targets, or the shares of the classes.

    Parameters
    ----------
    target
        Which learned the classes.
    training, column
        Targets of the training rows, and those that the scores are of.
    """
    if target.task == "regression":
        values = numpy.full(len(column), as_numbers(training).values.mean())
        return scores(Predictions(values, None, values), target, column)
    shares = numpy.bincount(target.codes(training), minlength=len(target.classes)) / len(training)
    rows = numpy.tile(shares, (len(column), 1))
    return scores(Predictions(target.classes[rows.argmax(axis=1)], rows, rows), target, column)


def number(value: float | None) -> str:
    """A number for people: four significant digits, or all before the point.

    Examples
    --------
    >>> number(0.98153), number(541.6), number(12345.67), number(-0.00001234), number(None), number(3.0)
    ('0.9815', '541.6', '12346', '-1.234e-05', '-', '3')
    """
    if value is None:
        return "-"
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def table(found: Mapping[str, float | None], beside: Mapping[str, float | None], heads: tuple[str, str]) -> str:
    """Scores as lines of text, a second column beside the first if there is one.

    Examples
    --------
    >>> print(table({"r2": 0.9815, "rmse": 541.6}, {"r2": 0.0, "rmse": 3989.0}, ("held out", "always the mean")))
                               held out  always the mean
    R²                           0.9815                0
    root mean squared error       541.6             3989
    """
    names = {name: NAMES.get(name, name) for name in found}
    left = max(map(len, names.values()), default=0)
    lines = [f"{'':{left}}  {heads[0]:>10}" + (f"  {heads[1]}" if beside else "")]
    for name, value in found.items():
        second = f"  {number(beside[name]):>{len(heads[1])}}" if beside else ""
        lines.append(f"{names[name]:{left}}  {number(value):>10}{second}")
    return "\n".join(lines)
