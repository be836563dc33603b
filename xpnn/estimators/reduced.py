"""A fitted MLP as plain values and arrays, and back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy

from xpnn.arrays.devices import device as find_device
from xpnn.arrays.native import to_host
from xpnn.estimators.labels import Labels
from xpnn.estimators.objectives import Objective
from xpnn.nn.drawing import draws_of, require_draws, set_draws

__all__ = ["OBJECTIVE", "PRIVATE", "no_loss", "of_scikit_learn", "plain", "rebuild", "reduced", "require_room"]

OBJECTIVE = ("name", "outputs", "link", "reported", "quantiles", "questions")
_GONE = ("network_", "_place_", "_home", "_fit_task", "_trainer", "_begun", "_asked_of_step")
PRIVATE = (
    "_best_monitored", "_draws", "_dtype", "_incremental", "_labels", "_layers", "_no_improvement_count", "_objective",
    "_widths",
)  # fmt: skip
"""What is learned beside public attributes."""


def plain(attributes: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a fitted estimator with plain values and arrays in place of our objects, so that a pickle names
    few classes, none of them of a network: they are made anew. Optimizers and places are gone.
    """
    state = {name: value for name, value in attributes.items() if name not in _GONE}
    network, objective, labels = attributes["network_"], state["_objective"], state.pop("_labels", None)
    state["_objective"] = {name: getattr(objective, name) for name in OBJECTIVE}
    if labels is not None:
        state["_labels"] = {"kind": labels.kind, "classes": labels.classes}
        state["classes_"] = labels.classes
    state["_dtype"] = state["_dtype"].name
    state["_draws"] = draws_of(network)
    state["_network"] = {name: to_host(array) for name, array in network.state_dict().items()}
    return state


def reduced(estimator: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was learned as plain values, and the network's state as arrays of the host by name."""
    parameters = estimator.get_params(deep=False)
    learned = {name: value for name, value in plain(vars(estimator)).items() if name not in parameters}
    network = learned.pop("_network")
    return {name: value for name, value in learned.items() if not of_scikit_learn(name)}, network


def of_scikit_learn(name: str) -> bool:
    """Whether an attribute is scikit-learn's own: callbacks, which are code, and requests, see `requests`."""
    return name.startswith("_sk") or name == "_metadata_request"


def rebuild(estimator: Any, learned: dict[str, Any], network: dict[str, Any]) -> None:
    """Make an estimator, which has its parameters, what it was when `reduced`, on the CPU.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the values and arrays do not fit each other.
    """
    learned = dict(learned)
    draws, objective, labels = learned.pop("_draws"), learned.pop("_objective"), learned.pop("_labels", None)
    widths, members = learned["_widths"], int(learned["_layers"]["n_ens"])
    require_room(widths, members * sum(a * b for a, b in pairwise(widths)), network, members=members)
    vars(estimator).update(learned)
    estimator._dtype = numpy.dtype(learned["_dtype"])
    estimator._objective = Objective(**{name: objective[name] for name in OBJECTIVE}, loss=no_loss)
    if labels is not None:
        estimator._labels = Labels.restored(**labels)
    built = estimator._built(estimator._objective)
    built.load_state_dict(network)
    require_draws(built, draws)
    set_draws(built, draws)
    estimator._place_, estimator._home, estimator._trainer = find_device("cpu"), None, None
    estimator._begun = estimator._asked_of_step = None
    estimator.network_ = built.eval()


def require_room(widths: list[int], needed: int, network: dict[str, Any], *, members: int = 1) -> None:
    """Raise if layers of such widths would need more numbers than the file holds, before they take memory."""
    held = sum(int(array.size) for array in network.values())
    if min(members, *widths) < 1 or needed > held:
        raise ValueError(f"its layers {str(widths)[:100]} have {needed} weights, its arrays {held} numbers")


def no_loss(*args: Any, **options: Any) -> Any:
    """Stands where the loss was."""
    raise RuntimeError("the loss of a saved estimator is made anew by fit")
