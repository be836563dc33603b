"""The members of a training together: their numbers, their curves, and when each stops.

What decides is in `fitting.Progress`, of which each member has one. Where the training loss decides, the same rule is
here for all members at once: to ask each by itself would take longer than to train it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy

from xpnn.estimators.search.waiting import Job
from xpnn.estimators.solvers import scaled_inversely, scales_inversely

__all__ = ["Members"]

NUMBERS = ("alpha", "momentum", "beta_1", "beta_2", "epsilon", "learning_rate_init", "tol", "n_iter_no_change")


class Members:
    """The jobs that are still trained; arrays have a number for each."""

    def __init__(self, jobs: list[Job]) -> None:
        self.jobs = list(jobs)
        self.numbers = {
            name: numpy.array([getattr(job.estimator, name) for job in jobs], dtype="float64") for name in NUMBERS
        }
        self.numbers["rate"] = self.numbers["learning_rate_init"].copy()
        self.numbers["best"] = numpy.full(len(jobs), numpy.inf)
        self.numbers["count"] = numpy.zeros(len(jobs))
        for job in jobs:
            job.progress.begins(job.batches)
        self.judged = [job.progress.held_out is not None for job in jobs]
        self.inverse = [scales_inversely(job.estimator) for job in jobs]

    def rates(self, epoch: int) -> Any:
        """The learning rates of an epoch."""
        rates = self.numbers["rate"].copy()
        for n, inverse in enumerate(self.inverse):
            if inverse:
                rates[n] = scaled_inversely(self.jobs[n].estimator, epoch * self.jobs[n].batches.rows)
        return rates

    def epoch_ends(self, losses: Any, squares: Any, written: Callable[[int], None]) -> Any:
        """Keep the numbers of an epoch; gives which members go on."""
        numbers, first = self.numbers, self.jobs[0]
        reported = first.estimator._objective.reported
        factor = 0.5 * first.progress.batches / first.progress.weight
        whole = losses / reported + numbers["alpha"] * squares * factor
        worse = whole > numbers["best"] - numbers["tol"]
        numbers["count"] = numpy.where(worse, numbers["count"] + 1, 0)
        numbers["best"] = numpy.minimum(whole, numbers["best"])
        enough = numbers["count"] > numbers["n_iter_no_change"]
        stay = numpy.ones(len(self.jobs), dtype=bool)
        for n, job in enumerate(self.jobs):
            if not self.judged[n]:
                stay[n] = self._goes_on(n, job, float(whole[n]), bool(enough[n]), written)
                continue
            try:
                stay[n] = self._judged(n, job, losses[n], written)
            except Exception:  # its own fit, which is made by itself then, will raise it, where scikit-learn looks
                stay[n] = False
        return stay

    def _goes_on(self, n: int, job: Job, loss: float, enough: bool, written: Callable[[int], None]) -> bool:
        estimator = job.estimator
        estimator.n_iter_ += 1
        estimator.loss_curve_.append(loss)
        if not enough and estimator.n_iter_ < estimator.max_iter:
            return True
        stops = False
        if enough:
            stops = not self._slows_down(n, estimator)
            job.progress.stopped = stops
        if not stops and estimator.n_iter_ < estimator.max_iter:
            return True
        self.leave(n)
        written(n)
        job.done = True
        return False

    def leave(self, n: int) -> None:
        """The numbers of a member to its estimator."""
        estimator, rows = self.jobs[n].estimator, self.jobs[n].batches.rows
        estimator.t_ = estimator.n_iter_ * rows
        if estimator.loss_curve_:
            estimator.loss_ = estimator.loss_curve_[-1]
        estimator.best_loss_ = float(self.numbers["best"][n])
        estimator._no_improvement_count = int(self.numbers["count"][n])

    def _slows_down(self, n: int, estimator: Any) -> bool:
        """scikit-learn's 'adaptive': a fifth of the rate, if that is not too small already."""
        rate = self.numbers["rate"]
        if estimator.solver != "sgd" or estimator.learning_rate != "adaptive" or rate[n] <= 1e-6:
            return False
        rate[n] /= 5.0
        self.numbers["count"][n] = 0
        return True

    def _judged(self, n: int, job: Job, loss: float, written: Callable[[int], None]) -> bool:
        """By the member's own `Progress`, which looks at its network."""
        written(n)
        options = {"learning_rate": float(self.numbers["rate"][n])}
        trainer: Any = SimpleNamespace(optimizer=SimpleNamespace(options=options, groups=[]))
        enough = job.progress.epoch_ends(trainer, {"loss": float(loss)})
        self.numbers["rate"][n] = options["learning_rate"]
        if enough or job.estimator.n_iter_ >= job.estimator.max_iter:
            job.done = True
            return False
        return True

    def keep(self, stay: Any) -> None:
        """Forget those that stopped."""
        self.numbers = {name: value[stay] for name, value in self.numbers.items()}
        for name in ("jobs", "judged", "inverse"):
            setattr(self, name, [value for value, kept in zip(getattr(self, name), stay, strict=True) if kept])
