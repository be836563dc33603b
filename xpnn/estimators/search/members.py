"""The members of a training together: their numbers, their curves, and when each stops.

Where rows held out decide, a member's own `progress.Progress` says so; where the training loss does, the same rule is
here. A member may be several networks, those of `n_ens`, which stop together.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from types import SimpleNamespace
from typing import Any

import numpy

from xpnn.estimators.search.waiting import Job
from xpnn.estimators.solvers import scaled_inversely, scales_inversely

__all__ = ["Members"]

NUMBERS = ("alpha", "momentum", "beta_1", "beta_2", "epsilon", "learning_rate_init")


class Members:
    """The jobs that are still trained.

    Attributes
    ----------
    copies
        Networks of each job.
    numbers
        What the optimizer has to know: arrays with a number for each network.
    """

    def __init__(self, jobs: list[Job], *, alone: bool) -> None:
        self.jobs, self.copies, self.alone = list(jobs), int(jobs[0].estimator.n_ens), alone
        self.numbers = {
            name: numpy.repeat([float(getattr(job.estimator, name)) for job in jobs], self.copies) for name in NUMBERS
        }
        self.numbers["rate"] = self.numbers["learning_rate_init"].copy()
        self.best, self.count = [inf] * len(jobs), [0] * len(jobs)
        for job in jobs:
            job.progress.begins(job.batches)
        self.judged = jobs[0].progress.held_out is not None  # of all or of none, since they train with the same rows
        self.inverse = [scales_inversely(job.estimator) for job in jobs]

    def of(self, n: int) -> slice:
        """The networks of a member."""
        return slice(n * self.copies, (n + 1) * self.copies)

    def rates(self, epoch: int) -> Any:
        """The learning rates of an epoch."""
        rates = self.numbers["rate"]
        for n, job in enumerate(self.jobs):
            if self.inverse[n]:
                rates[self.of(n)] = scaled_inversely(job.estimator, epoch * job.batches.rows)
        return rates

    def epoch_ends(self, losses: Any, squares: Any, written: Callable[[int], None]) -> list[bool]:
        """Keep the numbers of an epoch, losses and sums of squared weights of each network; gives who goes on."""
        stay = []
        for n, job in enumerate(self.jobs):
            loss, square = float(losses[self.of(n)].sum()), float(squares[self.of(n)].sum())
            if not self.judged:
                stay.append(self._goes_on(n, job, loss, square, written))
                continue
            try:
                stay.append(self._judged(n, job, loss, written))
            except Exception:
                if self.alone:
                    raise
                stay.append(False)  # its own fit, which is made by itself then, will raise it, where scikit-learn looks
        return stay

    def _goes_on(self, n: int, job: Job, loss: float, square: float, written: Callable[[int], None]) -> bool:
        estimator, progress = job.estimator, job.progress
        penalty = 0.5 * float(estimator.alpha) * square / self.copies * progress.batches / progress.weight
        loss = loss / estimator._objective.reported + penalty
        estimator.n_iter_ += 1
        estimator.loss_curve_.append(loss)
        self.count[n] = self.count[n] + 1 if loss > self.best[n] - estimator.tol else 0
        self.best[n] = min(self.best[n], loss)
        enough = self.count[n] > estimator.n_iter_no_change
        if enough:
            enough = job.progress.stopped = not self._slows_down(n, estimator)
        if not enough and estimator.n_iter_ < estimator.max_iter:
            return True
        self.leave(n)
        written(n)
        job.done = True
        return False

    def leave(self, n: int) -> None:
        """The numbers of a member to its estimator, which has them already if it is judged."""
        if self.judged:
            return
        estimator, rows = self.jobs[n].estimator, self.jobs[n].batches.rows
        estimator.t_ = estimator.n_iter_ * rows
        if estimator.loss_curve_:
            estimator.loss_ = estimator.loss_curve_[-1]
        estimator.best_loss_, estimator._no_improvement_count = self.best[n], self.count[n]

    def _slows_down(self, n: int, estimator: Any) -> bool:
        """scikit-learn's 'adaptive': a fifth of the rate, if that is not too small already."""
        rate = self.numbers["rate"][self.of(n)]
        if estimator.solver != "sgd" or estimator.learning_rate != "adaptive" or rate[0] <= 1e-6:
            return False
        rate /= 5.0
        self.count[n] = 0
        return True

    def _judged(self, n: int, job: Job, loss: float, written: Callable[[int], None]) -> bool:
        """By the member's own `Progress`, which looks at its network."""
        written(n)
        rate = self.numbers["rate"][self.of(n)]
        options = {"learning_rate": float(rate[0])}
        trainer: Any = SimpleNamespace(optimizer=SimpleNamespace(options=options, groups=[]))
        enough = job.progress.epoch_ends(trainer, {"loss": loss})
        rate[:] = options["learning_rate"]
        if enough or job.estimator.n_iter_ >= job.estimator.max_iter:
            job.done = True
            return False
        return True

    def keep(self, stay: list[bool]) -> Any:
        """Forget those that stopped; gives which networks stay."""
        networks = numpy.repeat(stay, self.copies)
        self.numbers = {name: value[networks] for name, value in self.numbers.items()}
        for name in ("jobs", "inverse", "best", "count"):
            setattr(self, name, [value for value, kept in zip(getattr(self, name), stay, strict=True) if kept])
        return networks
