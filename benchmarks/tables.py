"""Scores of `xpnn train` beside scikit-learn's gradient boosting: `python -m benchmarks tables --data FOLDER`.

Each model is trained with its defaults, no option but the target, and judged on the same held-out rows: those that
`xpnn train --seed N` holds out. HistGradientBoosting trains on all other rows (`xpnn train` keeps a tenth of them to
choose the epoch by), gets words as categories (of more than 255 levels, which it refuses, as numbers of the levels),
and treats missing values its own way. Seconds are of the whole command for xpnn, of `fit` for scikit-learn.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy

__all__ = ["main", "measured", "table"]

TABLES = {"diamonds": "price", "credit_data": "Status", "flights": "arr_delay"}
SHOWN = {"r2": "R²", "rmse": "RMSE", "mae": "MAE", "accuracy": "accuracy", "auc": "ROC AUC", "log_loss": "log loss"}


def main(arguments: Sequence[str]) -> int:
    """Measure and print a table for each data set."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tables", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="holds diamonds.csv.gz and so on")
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[10, 11, 12, 13, 14])
    options = parser.parse_args(arguments)
    for name in options.tables:
        path = options.data / f"{name}.csv.gz"
        rows = [measured(path, TABLES[name], seed) for seed in options.seeds]
        print(f"\n{name}, {TABLES[name]}\n{table(rows)}", flush=True)
    return 0


def measured(path: Path, target: str, seed: int, *options: str) -> dict[str, dict[str, float]]:
    """Scores and seconds of both on one division into rows."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["train", str(path), "--target", target, "--seed", str(seed), "--device", "cpu", "--out", folder]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "xpnn", *words, *options], check=True, capture_output=True)
        seconds = time.perf_counter() - start
        scores = json.loads((Path(folder) / "metrics.json").read_text())["scores"]["held_out"]
        with open(Path(folder) / "held_out.csv", newline="", encoding="utf-8") as file:
            held_out = [int(row["line"]) - 2 for row in csv.DictReader(file)]
    return {"xpnn": {**scores, "seconds": seconds}, "scikit-learn": _boosting(path, target, seed, held_out)}


def _boosting(path: Path, target: str, seed: int, held_out: list[int]) -> dict[str, float]:
    import pandas
    from sklearn import ensemble, metrics

    frame = pandas.read_csv(path, low_memory=False)
    judged = numpy.zeros(len(frame), dtype=bool)
    judged[held_out] = True
    trained = ~judged & frame[target].notna().to_numpy()
    x, t = frame.drop(columns=[target]), frame[target]
    for name in x.select_dtypes(exclude="number"):
        words = pandas.Categorical(x[name])
        x[name] = words if len(words.categories) <= 255 else words.codes
    numbers = t.dtype.kind in "iuf"
    kind = ensemble.HistGradientBoostingRegressor if numbers else ensemble.HistGradientBoostingClassifier
    start = time.perf_counter()
    model = kind(random_state=seed, categorical_features="from_dtype").fit(x[trained], t[trained])
    seconds = time.perf_counter() - start
    x, t = x[judged], t[judged]
    if numbers:
        y = model.predict(x)
        found = {"r2": metrics.r2_score, "rmse": metrics.root_mean_squared_error, "mae": metrics.mean_absolute_error}
        return {**{name: float(score(t, y)) for name, score in found.items()}, "seconds": seconds}
    p = model.predict_proba(x)
    return {
        "accuracy": float(metrics.accuracy_score(t, model.classes_[p.argmax(axis=1)])),
        "auc": float(metrics.roc_auc_score(t, p[:, 1])),
        "log_loss": float(metrics.log_loss(t, p, labels=model.classes_)),
        "seconds": seconds,
    }


def table(rows: list[dict[str, dict[str, float]]]) -> str:
    """Mean and, in parentheses, least and greatest over the seeds, as Markdown."""
    scores = [name for name in SHOWN if name in rows[0]["scikit-learn"]] + ["seconds"]
    lines = ["| | " + " | ".join(SHOWN.get(name, name) for name in scores) + " |", "| --- " * (len(scores) + 1) + "|"]
    for who in rows[0]:
        lines.append(f"| {who} | " + " | ".join(_spread([row[who][name] for row in rows]) for name in scores) + " |")
    better = [sum(_better(row, name) for row in rows) for name in scores[:-1]]
    lines.append(f"| xpnn is better, of {len(rows)} | " + " | ".join(map(str, better)) + " | |")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def _better(row: dict[str, dict[str, Any]], name: str) -> bool:
    sign = 1 if name in ("r2", "accuracy", "auc") else -1
    return sign * row["xpnn"][name] > sign * row["scikit-learn"][name]
