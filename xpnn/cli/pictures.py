"""The pictures of a report, by name, each as SVG text."""

from __future__ import annotations

from typing import Any

import numpy

from xpnn.cli import charts
from xpnn.cli.findings import Findings
from xpnn.cli.fitting import Trained
from xpnn.tables.columns import Column

__all__ = ["MOST_CLASSES", "pictures"]

MOST_CLASSES = 20  # in a matrix; more are no longer seen
_MOST_BARS = 20
_BINS = 10


def pictures(run: Trained, found: Findings) -> dict[str, str]:
    """All pictures there are: some need several epochs, some are of classes or of numbers only."""
    made = {"target": _target(run)}
    if len(run.history) > 1:
        made["loss"] = _loss(run)
        made["learning_rate"] = _rate(run)
    if found.predictions.probabilities is None:
        made |= _of_numbers(run, found)
    else:
        made |= _of_classes(found, found.predictions.probabilities)
    if found.importance:
        made["importance"] = _importance(found)
    return made


def _target(run: Trained) -> str:
    column: Column = run.prepared.column
    target = run.model.target
    title = f"distribution of {target.name}"
    if target.task == "regression":
        counts, edges = numpy.histogram(column.values, bins=40)
        return charts.columns(counts, edges, x_name=target.name, title=title)
    counts = numpy.bincount(target.codes(column), minlength=len(target.classes))
    rows = sorted(zip(target.classes.tolist(), counts.tolist(), strict=True), key=lambda row: -row[1])
    return charts.bars([(str(label), count) for label, count in rows[:_MOST_BARS]], title=title)


def _history(rows: list[dict[str, Any]], name: str) -> tuple[list[float], list[float]]:
    here = [row for row in rows if row.get(name) is not None]
    return [float(row["epoch"]) for row in here], [float(row[name]) for row in here]


def _loss(run: Trained) -> str:
    series = {"training": _history(run.history, "loss"), "validation": _history(run.history, "val_loss")}
    best = [row for row in run.history if row["epoch"] == run.best_epoch]
    mark = (run.best_epoch, float(best[0]["val_loss"]), f"best, epoch {run.best_epoch}") if best else None
    return charts.lines(series, x_name="epoch", y_name="loss", title="loss over the epochs", mark=mark)


def _rate(run: Trained) -> str:
    series = {"learning rate": _history(run.history, "learning_rate")}
    return charts.lines(series, x_name="epoch", y_name="learning rate", title="learning rate over the epochs")


def _of_numbers(run: Trained, found: Findings) -> dict[str, str]:
    y, t, name = found.predictions.values, found.true, found.target
    residuals = t - y
    least, most = numpy.quantile(residuals, [0.005, 0.995])
    inside = residuals[(residuals >= least) & (residuals <= most)]
    counts, edges = numpy.histogram(inside if len(inside) else residuals, bins=40)
    order = numpy.argsort(y, kind="stable")
    parts = [part for part in numpy.array_split(order, min(_BINS, len(order))) if len(part)]
    points = [(float(y[part].mean()), float(t[part].mean()), float(len(part))) for part in parts]
    return {
        "predicted": charts.density(y, t, x_name="predicted", y_name=f"true {name}", title="true over predicted"),
        "residuals": charts.columns(counts, edges, x_name="true less predicted", title="distribution of residuals"),
        "calibration": charts.diagonal_points(
            points, x_name="mean prediction", y_name="mean of the true", title="calibration"
        ),
    }


def _of_classes(found: Findings, p: numpy.ndarray) -> dict[str, str]:
    names = [str(label) for label in found.classes.tolist()]
    predicted, t = p.argmax(axis=1), found.true
    counts = numpy.bincount(t * len(names) + predicted, minlength=len(names) ** 2).reshape(len(names), len(names))
    made = {}
    if len(names) <= MOST_CLASSES:
        made["confusion"] = charts.matrix(counts, names, title="confusion matrix")
    binary = len(names) == 2
    said = p[:, 1] if binary else p.max(axis=1)
    right = t == 1 if binary else predicted == t
    what = f"probability of {names[1]}" if binary else "probability of the predicted class"
    bins = numpy.minimum((said * _BINS).astype(int), _BINS - 1)
    points = [
        (float(said[bins == n].mean()), float(right[bins == n].mean()), float((bins == n).sum()))
        for n in range(_BINS)
        if (bins == n).any()
    ]
    share = f"share that is {names[1]}" if binary else "share that is right"
    made["calibration"] = charts.diagonal_points(
        points, x_name=what, y_name=share, title="calibration", span=(0.0, 1.0)
    )
    counts, edges = numpy.histogram(said, bins=25, range=(0.0, 1.0))
    made["confidence"] = charts.columns(counts, edges, x_name=what, title="distribution of probabilities")
    return made


def _importance(found: Findings) -> str:
    shown = list(found.importance.items())[:_MOST_BARS]
    rows = [(name, float(falls.mean())) for name, falls in shown]
    spreads = [(float(falls.min()), float(falls.max())) for _, falls in shown]
    return charts.bars(rows, spreads=spreads, title=f"importance: by how much the {found.importance_of} grows")
