"""A fitted MLP as plain values and arrays, and back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from xpnn.arrays.devices import device as find_device
from xpnn.arrays.native import to_host
from xpnn.estimators.labels import Labels
from xpnn.estimators.objectives import Objective
from xpnn.nn.drawing import draws_of, require_draws, set_draws

__all__ = ["rebuild", "reduced"]

_OBJECTIVE = ("name", "outputs", "link", "reported", "quantiles", "questions")
_GONE = ("network_", "_place_", "_home", "_fit_task", "_trainer", "_begun", "_objective", "_labels")


def reduced(estimator: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was learned as plain values, and the network's state as arrays of the host by name."""
    parameters = estimator.get_params(deep=False)
    state = estimator.__getstate__()
    learned = {name: value for name, value in state.items() if name not in parameters and name not in _GONE}
    learned = {name: value for name, value in learned.items() if not name.startswith("_sk")}
    objective, labels = estimator._objective, state.get("_labels")
    learned["_objective"] = {name: getattr(objective, name) for name in _OBJECTIVE}
    if labels is not None:
        learned["_labels"] = {"kind": labels.kind, "classes": labels.classes}
    learned["_draws"] = draws_of(estimator.network_)
    return learned, {name: to_host(array) for name, array in estimator.network_.state_dict().items()}


def rebuild(estimator: Any, learned: dict[str, Any], network: dict[str, Any]) -> None:
    """Make an estimator, which has its parameters, what it was when `reduced`, on the CPU.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the values and arrays do not fit each other.
    """
    learned = dict(learned)
    draws, objective, labels = learned.pop("_draws"), learned.pop("_objective"), learned.pop("_labels", None)
    _require_room(learned["_widths"], int(learned["_layers"]["n_ens"]), network)
    vars(estimator).update(learned)
    estimator._objective = Objective(**{name: objective[name] for name in _OBJECTIVE}, loss=_no_loss)
    if labels is not None:
        estimator._labels = Labels.__new__(Labels)
        estimator._labels.kind, estimator._labels.classes = labels["kind"], labels["classes"]
    built = estimator._built(estimator._objective)
    built.load_state_dict(network)
    require_draws(built, draws)
    set_draws(built, draws)
    estimator._place_, estimator._home, estimator._trainer = find_device("cpu"), None, None
    estimator._begun = None
    estimator.network_ = built


def _require_room(widths: list[int], members: int, network: dict[str, Any]) -> None:
    """Raise if the layers would have more numbers than the file holds, before they take memory."""
    needed = members * sum(a * b for a, b in pairwise(widths))
    held = sum(int(array.size) for array in network.values())
    if not 0 < needed <= held:
        raise ValueError(f"its layers {str(widths)[:100]} have {needed} weights, its arrays {held} numbers")


def _no_loss(*args: Any, **options: Any) -> Any:
    raise RuntimeError("the loss of a saved estimator is made anew by fit")
