"""What `partial_fit` goes on with: the optimizer of the fit, or of the call, before it, as scikit-learn's does.

An optimizer is made once, by the solver, rates and moments of that moment. Other values of them, given by `set_params`,
wait for the next fit, which makes a new one; all that is no part of it (alpha of a penalty, batch size, tol, ...) holds
from the next call on. A schedule that ended with its fit leaves the rate to the parameters of now.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from xpnn.arrays.namespaces import Array
from xpnn.estimators.solvers import optimizer_of, set_rate
from xpnn.nn.module import Module
from xpnn.optim.base import Optimizer

__all__ = ["Begun", "asked_of", "begun_by", "going_on", "resumed"]

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
    """

    asked: SimpleNamespace
    rate: Any = None
    state: dict[str, Array] | None = None


def begun_by(estimator: Any) -> Begun:
    """The optimizer that is about to be made."""
    return Begun(SimpleNamespace(**{name: getattr(estimator, name) for name in _OF_OPTIMIZER}))


def going_on(estimator: Any, optimizer: Optimizer | None) -> Begun:
    """What the next call goes on with: after a fit a copy, since its trainer may be another's next."""
    asked = estimator._begun.asked
    if optimizer is None:
        return Begun(asked)
    return Begun(asked, optimizer.options["learning_rate"], optimizer.state_dict())


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
