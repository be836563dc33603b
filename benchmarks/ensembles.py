"""`n_ens` networks in one fit beside as many fits: `python -m benchmarks ensembles`.

`MLPClassifier(n_ens=8)`, eight fits of `MLPClassifier` one after the other, and scikit-learn's `VotingClassifier` of
eight of them (which copies and labels besides), with default parameters and the same number of epochs; each has fitted
once before. Beside the seconds stand the log losses of rows held out, of one network and of the average of eight.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy  # noqa: E402 (the threads must be set before NumPy loads)

from benchmarks import machine  # noqa: E402
from benchmarks.report import aligned, number, spread, summary  # noqa: E402

__all__ = ["main", "measured"]

MEMBERS = 8
TABLES = ("breast cancer", "digits")
WAYS = ("one fit", "eight fits", "VotingClassifier")


def measured(table: str, *, rounds: int, epochs: int) -> dict[str, list[float]]:
    """Seconds of each way in each round, and log losses of one network and of the average."""
    from sklearn.datasets import load_breast_cancer, load_digits
    from sklearn.ensemble import VotingClassifier
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    from xpnn.estimators import MLPClassifier

    x, y = {"breast cancer": load_breast_cancer, "digits": load_digits}[table](return_X_y=True)
    found: dict[str, list[float]] = {name: [] for name in (*WAYS, "log loss of one", "log loss of eight")}
    for seed in range(-1, rounds):
        x_train, x_test, t_train, t_test = train_test_split(x, y, random_state=abs(seed), stratify=y)
        scaler = StandardScaler().fit(x_train)
        x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
        options: dict[str, Any] = {"max_iter": epochs, "n_iter_no_change": epochs}
        alone = [MLPClassifier(random_state=MEMBERS * abs(seed) + k, **options) for k in range(MEMBERS)]
        together = MLPClassifier(random_state=MEMBERS * abs(seed), n_ens=MEMBERS, **options)
        voting = VotingClassifier([(str(k), model) for k, model in enumerate(alone)], voting="soft")

        def one_by_one(models: Any = alone, x: Any = x_train, t: Any = t_train) -> None:
            for model in models:
                model.fit(x, t)

        seconds = [
            _seconds(lambda m=together, x=x_train, t=t_train: m.fit(x, t)),
            _seconds(one_by_one),
            _seconds(lambda m=voting, x=x_train, t=t_train: m.fit(x, t)),
        ]
        if seed >= 0:
            losses = [log_loss(t_test, model.predict_proba(x_test)) for model in (alone[0], together)]
            for name, value in zip(found, (*seconds, *losses), strict=True):
                found[name].append(float(value))
    return found


def _seconds(fit: Callable[[], Any]) -> float:
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit()
    return time.perf_counter() - start


def main(arguments: Sequence[str]) -> int:
    """Measure, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ensembles", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="seeds; 10 if left out")
    parser.add_argument("--epochs", type=int, default=60, help="of each fit; 60 if left out")
    options = parser.parse_args(arguments)
    print(machine.in_one_line(machine.describe()))
    losses = ["log loss of one", "of eight", "better"]
    lines = [["", "one fit, s", "eight fits, s", "ratio", "quartiles", "Voting, s", *losses]]
    for table in TABLES:
        found = measured(table, rounds=options.rounds, epochs=options.epochs)
        ratios = summary([a / b for a, b in zip(found["eight fits"], found["one fit"], strict=True)])
        seconds = [number(summary(found[name])["median"]) for name in WAYS]
        one, eight = (found[f"log loss of {name}"] for name in ("one", "eight"))
        better = f"{sum(b < a for a, b in zip(one, eight, strict=True))} of {len(one)}"
        means = [f"{numpy.mean(values):.4f}" for values in (one, eight)]
        lines.append([table, *seconds[:2], number(ratios["median"]), spread(ratios), seconds[2], *means, better])
    print(aligned(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
