"""A grid search over 32 candidates of one shape, one by one and together: `python -m benchmarks search`.

scikit-learn's `GridSearchCV` over our estimator, in this process and in two, whose workers start with the first search
and are there at the next, beside `GridSearchMLP` in one process and in two, for networks of three sizes. All have the
same folds and the same seed; rows are those of breast cancer, scaled before, and nothing is refitted. Fits by
themselves take their steps as those of a search do; "by a Trainer" are fits that have a callback, and so do not.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy  # noqa: E402 (the threads must be set before NumPy loads)

from benchmarks import machine  # noqa: E402
from benchmarks.report import aligned, number, spread, summary  # noqa: E402
from xpnn.training.callbacks.base import Callback  # noqa: E402

__all__ = ["main", "measured"]

GRID = {
    "learning_rate_init": [0.0003, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03], "alpha": [1e-5, 1e-3, 1e-1, 1.0],
}  # fmt: skip
AGAINST = "GridSearchCV, n_jobs=2, warm"


class Nothing(Callback):
    """A callback, which asks for a `Trainer`."""

    only_looks: ClassVar[bool] = True


def measured(hidden: int, *, rounds: int, folds: int = 5) -> tuple[dict[str, list[float]], float]:
    """Seconds of each search, by name, and the largest difference of a score from that of one by one."""
    from joblib.externals.loky import get_reusable_executor
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import GridSearchCV
    from sklearn.preprocessing import scale

    from xpnn.estimators import GridSearchMLP, MLPClassifier

    x, y = load_breast_cancer(return_X_y=True)
    x = scale(x)
    kinds: list[tuple[str, Any, int, Any]] = [
        ("GridSearchCV, n_jobs=1", GridSearchCV, 1, None), (AGAINST, GridSearchCV, 2, None),
        ("the same by a Trainer", GridSearchCV, 2, [Nothing()]),
        ("GridSearchMLP, n_jobs=1", GridSearchMLP, 1, None), ("GridSearchMLP, n_jobs=2", GridSearchMLP, 2, None),
    ]  # fmt: skip
    get_reusable_executor().shutdown(wait=True)  # of an earlier search
    found: dict[str, list[float]] = {"GridSearchCV, n_jobs=2, cold": []}
    difference, scores = 0.0, None
    for turn in range(rounds + 1):
        for name, kind, jobs, callbacks in kinds:
            network = MLPClassifier((hidden,), random_state=0, callbacks=callbacks)
            search = kind(network, GRID, cv=folds, n_jobs=jobs, refit=False)
            start = time.perf_counter()
            search.fit(x, y)
            seconds = time.perf_counter() - start
            now = search.cv_results_["mean_test_score"]
            scores = now if scores is None else scores
            difference = max(difference, float(numpy.abs(now - scores).max()))
            if turn:
                found.setdefault(name, []).append(seconds)
            elif name == AGAINST:
                found["GridSearchCV, n_jobs=2, cold"].append(seconds)
    return found, difference


def main(arguments: Sequence[str]) -> int:
    """Measure, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks search", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="searches of each kind after the first; 3 if left out")
    parser.add_argument("--hidden", type=int, nargs="+", default=[8, 32, 100], help="widths; 8 32 100 if left out")
    options = parser.parse_args(arguments)
    os.environ["PYTHONWARNINGS"] = "ignore"  # for the workers
    print(machine.in_one_line(machine.describe()))
    for hidden in options.hidden:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, difference = measured(hidden, rounds=options.rounds)
        base = summary(found[AGAINST])["median"]
        lines = [[f"({hidden},)", "s", "quartiles", f"faster than {AGAINST}"]]
        for name, seconds in found.items():
            middle = summary(seconds)
            lines.append([name, number(middle["median"]), spread(middle), number(base / middle["median"])])
        print(f"\n{aligned(lines)}\nlargest difference of a mean score: {difference:.2g}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
