"""What looks at each epoch of an MLP's fit: it keeps the curves, and decides when to stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isnan, nan
from typing import Any, ClassVar

import numpy
from sklearn.exceptions import ConvergenceWarning

from xpnn.arrays.native import to_host
from xpnn.estimators.going_on import asked_of
from xpnn.estimators.held_out import warn_of_no_value
from xpnn.estimators.modules_metrics import said_by, scorer_of
from xpnn.estimators.network import linear_layers
from xpnn.estimators.reporting import Report
from xpnn.estimators.rows import Dense
from xpnn.estimators.solvers import set_rate
from xpnn.estimators.user_line import warn
from xpnn.training.callbacks.base import Callback
from xpnn.training.door import evaluating
from xpnn.training.trainer import Trainer

__all__ = ["HeldOut", "Progress", "penalty"]


@dataclass
class HeldOut:
    """Rows that are not trained with.

    Attributes
    ----------
    X, y
        As they were given.
    t
        Targets as the loss wants them.
    sample_weight
        As given, for the score; None: all count the same.
    loss_weight
        The same times those of the classes, for the loss, which training weighs so, too.
    """

    X: Any
    y: Any
    t: Any
    sample_weight: Any
    loss_weight: Any


def penalty(estimator: Any, layers: Sequence[Any] = ()) -> float:
    """alpha / 2 sum(w²) of the weights of now, the mean over the members of an ensemble, as the solver has it: AdamW's
    decay is no part of a loss. `layers` are the dense ones, if they are known.
    """
    if not estimator.alpha or asked_of(estimator).solver == "adamw":
        return 0.0
    weights = [to_host(layer.weight) for layer in layers or linear_layers(estimator.network_)]
    squares = sum(float(numpy.vdot(w, w)) for w in weights)
    return 0.5 * float(estimator.alpha) * squares / float(estimator.n_ens)


class Progress(Callback):
    """Keeps an estimator's curves and decides, as scikit-learn does, when it does not get better any more.

    Parameters
    ----------
    estimator
        Whose attributes are written.
    held_out
        What decides, or None: the training loss does.
    incremental
        Whether this is one epoch of `partial_fit`.
    """

    only_looks: ClassVar[bool] = True

    def __init__(self, estimator: Any, held_out: HeldOut | None, incremental: bool) -> None:
        self.estimator, self.held_out, self.incremental = estimator, held_out, incremental
        self.best: dict[str, Any] | None = None
        self._layers: tuple[Any, Sequence[Any]] = None, ()
        self.reporter = Report(estimator, incremental=incremental)
        self._scorer = None
        if held_out is not None and estimator.early_stopping:
            self._scorer = scorer_of(estimator.monitor, ())
        if self._scorer is None:
            estimator.monitored_curve_ = None
        judged = {"validation_loss_curve_": held_out, "validation_scores_": held_out, "monitored_curve_": self._scorer}
        for name, needed in judged.items():
            if needed is not None and getattr(estimator, name) is None:
                setattr(estimator, name, [nan] * len(estimator.loss_curve_))

    def fit_starts(self, trainer: Trainer) -> None:
        """Say which numbers will be in the rows, for callbacks that wait for one."""
        names = [] if self.held_out is None else ["val_loss", "val_score", *(["val_scorer"] if self._scorer else [])]
        trainer.reports = [*trainer.reports, *names]

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """Keep this epoch's numbers; True if it is enough."""
        estimator = self.estimator
        estimator.n_iter_ += 1
        estimator.t_ += self.rows
        estimator.loss_ = row["loss"] / estimator._objective.reported + self._penalty()
        estimator.loss_curve_.append(estimator.loss_)
        if self.held_out is not None:
            self._validate()
        self._count()
        row |= self._of_held_out()  # for callbacks that come after this one
        self.reporter.epoch(row)
        if estimator._no_improvement_count <= estimator.n_iter_no_change:
            return None
        enough = self._enough(trainer)
        return None if self.incremental else enough

    def _of_held_out(self) -> dict[str, float]:
        """The numbers of this epoch, as a history has them."""
        if self.held_out is None:
            return {}
        estimator = self.estimator
        numbers = {"val_loss": estimator.validation_loss_curve_[-1], "val_score": estimator.validation_scores_[-1]}
        return numbers if self._scorer is None else {**numbers, "val_scorer": estimator.monitored_curve_[-1]}

    def _penalty(self) -> float:
        """The mean over batches of the penalty, with the weights of now."""
        network, layers = self._layers
        if network is not self.estimator.network_:
            network = self.estimator.network_
            self._layers = network, (layers := linear_layers(network))
        return penalty(self.estimator, layers) * self.batches / self.weight

    def begins(self, batches: Dense) -> None:
        """What is trained with."""
        self.rows, self.batches = batches.rows, len(batches)
        self.weight = float(batches.rows) if len(batches.arrays) < 3 else float(to_host(batches.arrays[2]).sum())

    def _validate(self) -> None:
        estimator = self.estimator
        held_out = self.held_out
        assert held_out is not None
        place, network = estimator._place_, estimator.network_
        with evaluating(network):
            outputs = estimator._outputs_of(held_out.X)
            weight = {} if held_out.loss_weight is None else {"sample_weight": place.asarray(held_out.loss_weight)}
            loss = float(estimator._objective.loss(outputs, place.asarray(held_out.t), **weight))
        estimator.validation_loss_curve_.append(loss / estimator._objective.reported)
        score = estimator._scored(held_out.y, estimator._predicted(to_host(outputs)), held_out.sample_weight)
        estimator.validation_scores_.append(score)
        best = estimator.best_validation_score_
        estimator.best_validation_score_ = score if best is None else max(score, best)

    def _count(self) -> None:
        """Whether the number that decides is better than the best so far by `tol`."""
        estimator = self.estimator
        if self.held_out is None or not estimator.early_stopping:
            best = inf if estimator.best_loss_ is None else estimator.best_loss_
            worse = estimator.loss_ > best - estimator.tol
            estimator._no_improvement_count = estimator._no_improvement_count + 1 if worse else 0
            estimator.best_loss_ = min(best, estimator.loss_)
            return
        value = self._monitored()
        before = estimator._best_monitored
        worse = before is not None and value < before + estimator.tol
        estimator._no_improvement_count = estimator._no_improvement_count + 1 if worse or isnan(value) else 0
        if not isnan(value) and (before is None or value > before):
            estimator._best_monitored = value
            if not self.incremental:
                estimator.best_epoch_ = len(estimator.loss_curve_)
            self.best = estimator.network_.state_dict()

    def _monitored(self) -> float:
        """The larger the better."""
        estimator = self.estimator
        if self._scorer is not None:
            value = said_by(self._scorer, estimator, self.held_out)
            estimator.monitored_curve_.append(value)
            return value
        if estimator.monitor == "score":
            return float(estimator.validation_scores_[-1])
        return -float(estimator.validation_loss_curve_[-1])

    def _enough(self, trainer: Trainer) -> bool:
        """Stop, or go on with a fifth of the rate."""
        estimator = self.estimator
        judged = self.held_out is not None and estimator.early_stopping
        named_monitor = estimator.monitor if isinstance(estimator.monitor, str) else "monitor"
        what = f"Validation {named_monitor}" if judged else "Training loss"
        message = (
            f"{what} did not improve more than tol={estimator.tol:f} for {estimator.n_iter_no_change} consecutive "
            "epochs."
        )
        options, asked = trainer.optimizer.options, asked_of(estimator)
        if asked.solver != "sgd" or asked.learning_rate != "adaptive" or options["learning_rate"] <= 1e-6:
            self.reporter.say(f"{message} Stopping.")
            self.stopped = True
            return True
        set_rate(trainer.optimizer, options["learning_rate"] / 5.0)
        estimator._no_improvement_count = 0
        self.reporter.say(f"{message} Setting learning rate to {options['learning_rate']:f}")
        return False

    stopped = False

    def finish(self) -> None:
        """Take the best weights, and say if the epochs were not enough."""
        estimator = self.estimator
        for curve in (estimator.validation_loss_curve_, estimator.validation_scores_, estimator.monitored_curve_):
            if curve is not None:  # of each epoch, also of those that had no rows held out
                curve += [nan] * (len(estimator.loss_curve_) - len(curve))
        if self.best is not None:
            estimator.network_.load_state_dict(self.best)
        judged = self.held_out is not None and estimator.early_stopping
        if judged and not self.incremental and estimator.n_iter_ and estimator._best_monitored is None:
            warn_of_no_value(estimator.monitor)
        if not self.incremental and not self.stopped and estimator.n_iter_ == estimator.max_iter:
            warn(
                f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
            )
