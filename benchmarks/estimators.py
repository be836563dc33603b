"""Fits of `MLPClassifier` beside scikit-learn's: `python -m benchmarks estimators`.

Both have the default parameters and as many epochs as scikit-learn's takes to converge; seeds are the rounds, and each
library fits once before. Rows are scikit-learn's own, in float64, unscaled, as a first try would be. With `--data`
there are 5000 digits of MNIST besides, pixels from 0 to 1, for 30 epochs: in float64, and in float32. "Products" are
those of such a fit, forward and backward, and nothing else: no library that uses the same products can be faster.
With early stopping both hold a tenth of the rows out and score them after each epoch.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy  # noqa: E402 (the threads must be set before NumPy loads)

from benchmarks import machine  # noqa: E402
from benchmarks.report import aligned, number, spread, summary  # noqa: E402

__all__ = ["main", "measured"]

STOPS = ", early stopping"
TABLES = ("breast cancer", "digits", f"breast cancer{STOPS}", f"digits{STOPS}")
MNIST = ("mnist_5k, float64", "mnist_5k, float32")


def rows_of(table: str, folder: Path | None) -> tuple[Any, Any]:
    """Rows and labels."""
    from sklearn.datasets import load_breast_cancer, load_digits

    if table in TABLES:
        table = table.removesuffix(STOPS)
        x, y = {"breast cancer": load_breast_cancer, "digits": load_digits}[table](return_X_y=True)
        return x, y
    assert folder is not None
    table, _, dtype = table.partition(", ")
    rows = numpy.loadtxt(folder / f"{table}.csv.gz", delimiter=",", dtype="float32", skiprows=1)
    return rows[:, :-1].astype(dtype) / 255, rows[:, -1].astype("int64")


def measured(
    table: str, *, rounds: int, epochs: int | None = None, folder: Path | None = None
) -> dict[str, list[float]]:
    """Seconds of a fit in each round, by library, and scores of the rows held out."""
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    from xpnn import estimators

    x, y = rows_of(table, folder)
    names = "scikit-learn", "xpnn", "products", "score of scikit-learn", "score of xpnn"
    found: dict[str, list[float]] = {name: [] for name in names}
    stops = table.endswith(STOPS)
    options = {"early_stopping": stops, **({} if epochs is None else {"max_iter": epochs})}
    for seed in range(-1, rounds):
        parts = train_test_split(x, y, random_state=abs(seed), stratify=y)
        theirs = MLPClassifier(random_state=abs(seed), **options)
        first = _fit(theirs, parts)
        ours = estimators.MLPClassifier(
            random_state=abs(seed), max_iter=theirs.n_iter_, n_iter_no_change=theirs.n_iter_, early_stopping=stops,
            monitor="score" if stops else "loss",
        )  # fmt: skip
        second = _fit(ours, parts)
        trained = parts[0][: len(parts[0]) - (len(parts[0]) + 9) // 10] if stops else parts[0]
        products = _products(trained, theirs.coefs_[-1].shape[1], theirs.n_iter_)
        if seed >= 0:
            values = first, second, products, _score(theirs, parts), _score(ours, parts)
            for name, value in zip(found, values, strict=True):
                found[name].append(value)
    return found


def _products(x: Any, outputs: int, epochs: int) -> float:
    """Seconds of the products of a fit: one hidden layer of 100, batches of 200 rows, results in place."""
    generator = numpy.random.default_rng(0)
    w1, w2 = (generator.random(shape).astype(x.dtype) for shape in ((x.shape[1], 100), (100, outputs)))
    g1, g2 = numpy.empty_like(w1), numpy.empty_like(w2)
    sizes = [min(200, len(x) - n) for n in range(0, len(x), 200)]
    batches = [
        (x[:n].copy(), numpy.empty((n, 100), x.dtype), numpy.empty((n, outputs), x.dtype)) for n in sizes
    ]  # fmt: skip
    start = time.perf_counter()
    for _ in range(epochs):
        for rows, hidden, y in batches:
            numpy.dot(rows, w1, hidden)
            numpy.dot(hidden, w2, y)
            numpy.dot(hidden.T, y, g2)
            numpy.dot(y, w2.T, hidden)
            numpy.dot(rows.T, hidden, g1)
    return time.perf_counter() - start


def _fit(model: Any, parts: Any) -> float:
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(parts[0], parts[2])
    return time.perf_counter() - start


def _score(model: Any, parts: Any) -> float:
    return float(model.score(parts[1], parts[3]))


def main(arguments: Sequence[str]) -> int:
    """Measure, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks estimators", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="seeds; 10 if left out")
    parser.add_argument("--epochs", type=int, help="at most; 200 if left out")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="holds mnist_5k.csv.gz, the label last")
    options = parser.parse_args(arguments)
    print(machine.in_one_line(machine.describe()))
    names = "scikit-learn", "xpnn", "products"
    lines = [["", *(f"{name}, s" for name in names), "ratio", "quartiles", "score of scikit-learn", "of xpnn"]]
    for table in TABLES if options.data is None else (*TABLES, *MNIST):
        epochs = options.epochs or (30 if table in MNIST else None)
        found = measured(table, rounds=options.rounds, epochs=epochs, folder=options.data)
        ratios = summary([a / b for a, b in zip(found["scikit-learn"], found["xpnn"], strict=True)])
        seconds = [number(summary(found[name])["median"]) for name in names]
        scores = [f"{numpy.mean(found[f'score of {name}']):.4f}" for name in ("scikit-learn", "xpnn")]
        lines.append([table, *seconds, number(ratios["median"]), spread(ratios), *scores])
    print(f"\n{aligned(lines)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
