"""What is found out about a trained model on the rows that were held out."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import numpy

from xpnn.arrays.devices import Device
from xpnn.cli.fitting import Trained
from xpnn.cli.model import Predictions, TableModel
from xpnn.cli.predictions import prediction_columns
from xpnn.cli.scoring import baseline, scores
from xpnn.tables.features import Features
from xpnn.tables.importance import permutation_importance
from xpnn.training.metrics.probabilities import log_loss

__all__ = ["Findings", "findings_of"]

_REPEATS = 3
_ROWS = 5000  # for importance: enough for a picture
_WORK = 4e9  # products that importance may take, so that a table of many columns does not take minutes


@dataclass(frozen=True, eq=False)
class Findings:
    """What is known of the held-out rows.

    Attributes
    ----------
    scores, baseline
        Scores by name, of the model, and of the simplest thing one could say.
    true
        Numbers of shape (n,), or the numbers of the classes.
    places
        For each row its line in the file, or its number from 1.
    importance
        For each column how much worse the model is when it is shuffled, once for each of a few orders.
    """

    predictions: Predictions
    scores: dict[str, float | None]
    baseline: dict[str, float | None]
    baseline_name: str
    true: numpy.ndarray
    true_words: list[Any]
    places: numpy.ndarray
    place_name: str
    target: str
    classes: numpy.ndarray
    importance: dict[str, numpy.ndarray]
    importance_of: str

    def held_out_csv(self) -> str:
        """The held-out rows: where each is in the file, what is true, and what was predicted."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        names, columns = prediction_columns(self.predictions, self.classes)
        writer.writerow([self.place_name, f"true {self.target}", *names])
        writer.writerows(zip(self.places.tolist(), self.true_words, *columns, strict=True))
        return text.getvalue()


def findings_of(run: Trained, place: Device) -> Findings:
    """Look at the held-out rows."""
    ready, model = run.prepared, run.model
    features, column, rows = ready.features[2], ready.targets[2], ready.parts.held_out
    predictions = model.predict(features, place)
    regression = model.target.task == "regression"
    true = column.values if regression else model.target.codes(column)
    lines = ready.raw.lines
    importance, importance_of = _importance(model, features, true, place)
    return Findings(
        predictions,
        scores(predictions, model.target, column),
        baseline(model.target, ready.targets[0], column),
        "always the mean" if regression else "always the same shares",
        true,
        [column.value(place) for place in range(len(column))] if regression else model.target.classes[true].tolist(),
        rows + 1 if lines is None else lines[rows],
        "row" if lines is None else "line",
        model.target.name,
        model.target.classes,
        importance,
        importance_of,
    )


def _importance(
    model: TableModel, features: Features, true: numpy.ndarray, place: Device
) -> tuple[dict[str, numpy.ndarray], str]:
    columns = len(set(features.sources + features.code_names))
    cost = sum(array.size for array in model.network.parameters()) * columns * _REPEATS
    rows = numpy.arange(len(features))[: max(50, min(_ROWS, int(_WORK / cost)))]

    def error(predictions: Predictions, t: numpy.ndarray) -> float:
        if predictions.probabilities is None:
            return -float(numpy.abs(predictions.values - t).mean())
        return -float(log_loss(predictions.probabilities, t, outputs="probabilities"))

    falls = permutation_importance(
        lambda changed: model.predict(changed, place), features.take(rows), true[rows], error, repeats=_REPEATS
    )
    return falls, "mean absolute error" if model.target.task == "regression" else "log loss"
