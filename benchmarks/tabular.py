"""Scores of the tabular estimators beside gradient boosting: `python -m benchmarks tabular --data FOLDER`.

Each model has its defaults, but for the preset, and gets the raw frame; both are judged on the same fifth of the rows,
which a seed holds out. HistGradientBoosting gets words as categories, those of more than 255 levels, which it refuses,
as numbers of the levels. The tabular estimators keep a tenth of the training rows to choose the epoch by.

diamonds: the logarithm of the price. credit_data: good or bad. flights: whether a flight arrives more than 15 minutes
late, from what is known before it leaves, so neither from other times of that flight nor from its delay at departure.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy

from benchmarks import machine

__all__ = ["main", "measured", "table"]

TABLES = ("diamonds", "credit_data", "flights")
KNOWN_BEFORE = [
    "month", "day", "sched_dep_time", "sched_arr_time", "carrier", "origin", "dest", "distance", "tailnum", "hour",
]  # fmt: skip
SHOWN = {"r2": "R²", "log_loss": "log loss", "auc": "ROC AUC", "accuracy": "accuracy", "seconds": "seconds"}
BOOSTING = "HistGradientBoosting"


def main(arguments: Sequence[str]) -> int:
    """Measure and print a table for each data set."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tabular", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="holds diamonds.csv.gz and so on")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--presets", nargs="+", choices=["fast", "best"], default=["fast", "best"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[10, 11, 12, 13, 14])
    parser.add_argument("--rows", type=int, help="only the first so many rows of each table, to try the command")
    options = parser.parse_args(arguments)
    print(machine.in_one_line(machine.describe()))
    for name in options.tables:
        x, t = _read(options.data / f"{name}.csv.gz", name, options.rows)
        rows = [measured(x, t, seed, options.presets) for seed in options.seeds]
        print(f"\n{name}, {len(t)} rows\n{table(rows)}", flush=True)
    return 0


def _read(path: Path, name: str, rows: int | None) -> tuple[Any, numpy.ndarray]:
    """The frame and the targets."""
    import pandas

    frame = pandas.read_csv(path, nrows=rows)
    if name == "diamonds":
        return frame.drop(columns="price"), numpy.log(frame["price"].to_numpy())
    if name == "credit_data":
        return frame.drop(columns="Status"), frame["Status"].to_numpy()
    frame = frame[frame["arr_delay"].notna()].reset_index(drop=True)
    return frame[KNOWN_BEFORE], (frame["arr_delay"] > 15).to_numpy()


def measured(x: Any, t: numpy.ndarray, seed: int, presets: Sequence[str]) -> dict[str, dict[str, float]]:
    """Scores and seconds of `fit` of each, on one division into rows."""
    from sklearn import ensemble
    from sklearn.model_selection import train_test_split

    from xpnn.estimators import TabularClassifier, TabularRegressor

    numbers = t.dtype.kind == "f"
    train, test = train_test_split(
        numpy.arange(len(t)), test_size=0.2, random_state=seed, stratify=None if numbers else t
    )
    kind = ensemble.HistGradientBoostingRegressor if numbers else ensemble.HistGradientBoostingClassifier
    boosting = kind(random_state=seed, categorical_features="from_dtype")
    found = {BOOSTING: _judged(boosting, _with_categories(x), t, train, test)}
    ours = TabularRegressor if numbers else TabularClassifier
    for preset in presets:
        found[preset] = _judged(ours(preset=preset, random_state=seed), x, t, train, test)
    return found


def _with_categories(x: Any) -> Any:
    import pandas

    x = x.copy()
    for name in x.select_dtypes(exclude="number"):
        words = pandas.Categorical(x[name])
        x[name] = words if len(words.categories) <= 255 else words.codes
    return x


def _judged(model: Any, x: Any, t: numpy.ndarray, train: numpy.ndarray, test: numpy.ndarray) -> dict[str, float]:
    from sklearn import metrics

    start = time.perf_counter()
    model.fit(x.iloc[train], t[train])
    seconds = time.perf_counter() - start
    x, t = x.iloc[test], t[test]
    if t.dtype.kind == "f":
        return {"r2": float(metrics.r2_score(t, model.predict(x))), "seconds": seconds}
    p = model.predict_proba(x)
    return {
        "log_loss": float(metrics.log_loss(t, p, labels=model.classes_)),
        "auc": float(metrics.roc_auc_score(t, p[:, 1])),
        "accuracy": float(metrics.accuracy_score(t, model.classes_[p.argmax(axis=1)])),
        "seconds": seconds,
    }


def table(rows: list[dict[str, dict[str, float]]]) -> str:
    """Mean and, in parentheses, least and greatest over the seeds, as Markdown."""
    names = list(rows[0][BOOSTING])
    lines = ["| | " + " | ".join(SHOWN[name] for name in names) + " |", "| --- " * (len(names) + 1) + "|"]
    for who in rows[0]:
        lines.append(f"| {who} | " + " | ".join(_spread([row[who][name] for row in rows]) for name in names) + " |")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.4g} ({min(values):.4g} to {max(values):.4g})"
