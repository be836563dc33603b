"""The stochastic fit of an estimator: a `Trainer`, or the steps of `search.alone`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from xpnn.estimators.alike import alike, kept
from xpnn.estimators.going_on import Begun, asked_of, begun_by, left_by_fit, position_of, resumed
from xpnn.estimators.pool import POOL, key_of
from xpnn.estimators.progress import Progress
from xpnn.estimators.quiet import unlogged
from xpnn.estimators.refusals import require_rate
from xpnn.estimators.reporting import bars
from xpnn.estimators.rows import Dense
from xpnn.estimators.scikit_callbacks import tasks_of
from xpnn.estimators.search.alone import goes_alone, train_alone
from xpnn.estimators.search.waiting import collects
from xpnn.estimators.solvers import l2_step, optimizer_of, rate_of, scaled_inversely, scales_inversely, set_rate
from xpnn.estimators.user_line import warn
from xpnn.nn.module import Module
from xpnn.optim.base import Optimizer
from xpnn.training.interruption import CTRL_C
from xpnn.training.trainer import Trainer

__all__ = ["trained"]

_IN_THE_STEP = ("loss", "alpha", "max_norm", "label_smoothing", "delta", "tweedie_power")  # may change


def trained(estimator: Any, batches: Dense, progress: Progress, seed: int, incremental: bool) -> None:
    """Train the estimator's network for its epochs, or for one; in a search, leave it to that (`waiting`)."""
    if collects(estimator, batches, progress, seed):
        return
    if not incremental and goes_alone(estimator, batches):
        train_alone(estimator, batches, progress, seed)
        return
    progress.begins(batches)
    network, trainer = estimator.network_, estimator._trainer if incremental else None
    asked = [kept(getattr(estimator, name, None)) for name in _IN_THE_STEP]
    if trainer is not None and not alike(asked, estimator._asked_of_step):  # another step by the same optimizer
        begun = trainer.optimizer, position_of(trainer)
        trainer = _trainer_of(estimator, network, batches, incremental, *begun)
    estimator._asked_of_step = asked
    if not incremental or estimator._begun is None:
        estimator._begun = begun_by(estimator)
    key = None if incremental else key_of(estimator, batches)
    with POOL.borrowed(key) as place:
        if trainer is None:
            trainer = place.trainer_for(network) if place is not None else None
        if trainer is None:
            keeps = place is not None and place.takes(network)
            own = copy.deepcopy(network) if keeps else network
            begun = resumed(estimator, own), estimator._begun.position
            trainer = _trainer_of(estimator, own, batches, incremental, *begun)
            if place is not None and keeps:
                place.keep(trainer)
        if incremental and scales_inversely(asked_of(estimator)):
            set_rate(trainer.optimizer, scaled_inversely(asked_of(estimator), estimator.t_))
        trainer.seed, estimator.network_ = seed, trainer.model
        try:
            _fit(estimator, trainer, batches, progress, 1 if incremental else estimator.max_iter)
        finally:
            if trainer.model is not network:
                network.load_state_dict(trainer.model.state_dict())
            estimator.network_ = network
        of_fit = None if incremental else left_by_fit(estimator, trainer.optimizer)
        estimator._begun = of_fit or Begun(estimator._begun.asked)
    estimator._trainer = trainer if incremental else None


def _trainer_of(
    estimator: Any, network: Module, batches: Dense, incremental: bool, optimizer: Optimizer | None,
    position: Mapping[str, int],
) -> Trainer:  # fmt: skip
    steps = len(batches)
    if callable(estimator.schedule):
        require_rate(estimator.schedule, estimator._place_.asarray(0))
    rate = float(estimator.learning_rate_init) if incremental else rate_of(estimator, batches.rows, steps)
    if incremental and estimator.schedule is not None:
        rate = estimator.schedule
    optimizer = optimizer_of(estimator, network, rate) if optimizer is None else optimizer
    asked = asked_of(estimator)
    alpha = 0.0 if asked.solver == "adamw" else float(estimator.alpha)
    step = l2_step(estimator._objective.loss, estimator._weights(), alpha, estimator.max_norm, estimator.n_ens)
    trainer = Trainer(
        network, estimator._objective.loss, optimizer, step_function=step, nonfinite="ignore",
        compile=bool(estimator.compile) and not (incremental and scales_inversely(asked)),
    )  # fmt: skip
    for name, number in position.items():
        setattr(trainer, name, number)
    return trainer


def _fit(estimator: Any, trainer: Trainer, batches: Dense, progress: Progress, epochs: int) -> None:
    arguments, options = batches.given()
    others = [*(estimator.callbacks or ()), *bars(estimator.verbose, incremental=progress.incremental)]
    callbacks = [progress, *others, *tasks_of(estimator)]
    trainer._signals = CTRL_C
    try:
        with unlogged():
            trainer.fit(*arguments, **options, epochs=epochs, progress=False, callbacks=callbacks)
    except KeyboardInterrupt:
        warn("Training interrupted by user.")
    finally:
        trainer._feed = trainer._running = None  # they hold the rows
