"""Fits of `MLPClassifier` beside scikit-learn's: `python -m benchmarks estimators`.

Both have the default parameters and as many epochs as scikit-learn's takes to converge; seeds are the rounds, and each
library fits once before. Rows are scikit-learn's own, in float64, unscaled, as a first try would be.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy  # noqa: E402 (the threads must be set before NumPy loads)

from benchmarks import machine  # noqa: E402
from benchmarks.report import aligned, number, spread, summary  # noqa: E402

__all__ = ["main", "measured"]

TABLES = ("breast cancer", "digits")


def measured(table: str, *, rounds: int, epochs: int | None = None) -> dict[str, list[float]]:
    """Seconds of a fit in each round, by library, and scores of the rows held out."""
    from sklearn.datasets import load_breast_cancer, load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    from xpnn import estimators

    x, y = {"breast cancer": load_breast_cancer, "digits": load_digits}[table](return_X_y=True)
    names = "scikit-learn", "xpnn", "score of scikit-learn", "score of xpnn"
    found: dict[str, list[float]] = {name: [] for name in names}
    for seed in range(-1, rounds):
        parts = train_test_split(x, y, random_state=abs(seed), stratify=y)
        theirs = MLPClassifier(random_state=abs(seed), **({} if epochs is None else {"max_iter": epochs}))
        first = _fit(theirs, parts)
        ours = estimators.MLPClassifier(
            random_state=abs(seed), max_iter=theirs.n_iter_, n_iter_no_change=theirs.n_iter_
        )  # fmt: skip
        second = _fit(ours, parts)
        if seed >= 0:
            for name, value in zip(found, (first, second, _score(theirs, parts), _score(ours, parts)), strict=True):
                found[name].append(value)
    return found


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
    options = parser.parse_args(arguments)
    print(machine.in_one_line(machine.describe()))
    lines = [["", "scikit-learn, s", "xpnn, s", "ratio", "quartiles", "score of scikit-learn", "of xpnn"]]
    for table in TABLES:
        found = measured(table, rounds=options.rounds, epochs=options.epochs)
        ratios = summary([a / b for a, b in zip(found["scikit-learn"], found["xpnn"], strict=True)])
        seconds = [number(summary(found[name])["median"]) for name in ("scikit-learn", "xpnn")]
        scores = [f"{numpy.mean(found[f'score of {name}']):.4f}" for name in ("scikit-learn", "xpnn")]
        lines.append([table, *seconds, number(ratios["median"]), spread(ratios), *scores])
    print(f"\n{aligned(lines)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
