"""What `partial_fit` goes on with: the optimizer of the fit, or of the call, before it, as scikit-learn's does.

An optimizer is made once, by the solver, rates and moments of that moment. Other values of them, given by `set_params`,
wait for the next fit, which makes a new one; all that is no part of it (alpha of a penalty, batch size, tol, ...) holds
from the next call on. A schedule that ended with its fit leaves the rate to the parameters of now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from xpnn.arrays.namespaces import Array
from xpnn.estimators.solvers import optimizer_of, set_rate
from xpnn.nn.module import Module
from xpnn.optim.base import Optimizer
from xpnn.training.trainer import Trainer

__all__ = ["Begun", "asked_of", "begun_by", "going_on", "left_by_fit", "position_of", "resumed"]

_OF_OPTIMIZER = (
    "solver", "alpha", "learning_rate", "learning_rate_init", "power_t", "momentum", "nesterovs_momentum", "beta_1",
    "beta_2", "epsilon", "schedule",
)  # fmt: skip


@dataclass(frozen=True)
class Begun:
    """An optimizer that a later call goes on with.

    Attributes
    ----------
    asked
        The parameters that it was made by.
    rate
        Its learning rate at the end of a fit.
    state
        Its arrays then, None while the trainer itself is there.
    position
        Where the trainer was, which decides the order of rows; empty after a fit, whose order ends with it.
    """

    asked: SimpleNamespace
    rate: Any = None
    state: dict[str, Array] | None = None
    position: Mapping[str, int] = field(default_factory=dict)


def begun_by(estimator: Any) -> Begun:
    """The optimizer that is about to be made."""
    return Begun(SimpleNamespace(**{name: getattr(estimator, name) for name in _OF_OPTIMIZER}))


def left_by_fit(estimator: Any, optimizer: Optimizer) -> Begun:
    """What the next call goes on with after a fit: a copy, since its trainer may be another's next."""
    return Begun(estimator._begun.asked, optimizer.options["learning_rate"], optimizer.state_dict())


def going_on(estimator: Any, trainer: Trainer) -> Begun:
    """What a trainer of its own goes on with, in a copy of the estimator or on another device."""
    return replace(left_by_fit(estimator, trainer.optimizer), position=position_of(trainer))


def position_of(trainer: Trainer) -> dict[str, int]:
    """What two calls of `partial_fit` have between them."""
    return {name: getattr(trainer, name) for name in ("epoch", "step")}


def asked_of(estimator: Any) -> Any:
    """Whose parameters hold for the optimizer: those of its beginning, or of now if there is none yet."""
    begun = vars(estimator).get("_begun")
    return estimator if begun is None else begun.asked


def resumed(estimator: Any, network: Module) -> Optimizer | None:
    """The optimizer that a fit has left, for its network; None if it left none."""
    begun = estimator._begun
    if begun.state is None:
        return None
    optimizer = optimizer_of(begun.asked, network, 0.0)
    optimizer.load_state_dict(begun.state)
    rate = begun.rate
    if isinstance(begun.asked.schedule, str):
        rate = estimator.learning_rate_init if estimator.schedule is None else estimator.schedule
    set_rate(optimizer, rate if callable(rate) else float(rate))
    return optimizer
