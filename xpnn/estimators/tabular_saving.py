"""A fitted tabular estimator as plain values and arrays, and back: what `save` writes and `load` reads."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy

from xpnn.arrays.devices import device as find_device
from xpnn.arrays.native import to_host
from xpnn.estimators.labels import Labels
from xpnn.estimators.reduced import of_scikit_learn, require_room
from xpnn.estimators.tabular_network import Columns, of_columns
from xpnn.nn.drawing import draws_of, require_draws, set_draws
from xpnn.tables.preprocessing import Preprocessing
from xpnn.training.history import History

__all__ = ["PRIVATE", "rebuild", "reduced"]

_GONE = ("network_", "preprocessing_", "history_", "_labels", "_place_", "_fit_task")
_NEEDED = ("_order", "_dtype", "_column_names", "_architecture", "_unknown", "n_iter_", "best_epoch_", "n_features_in_")
_KINDS = ("binary", "multiclass")
PRIVATE = (
    "_architecture", "_centre", "_column_names", "_draws", "_dtype", "_factor", "_greatest", "_history", "_labels",
    "_least", "_one_axis", "_order", "_preprocessing", "_unknown",
)  # fmt: skip
"""What is learned beside public attributes."""


def reduced(estimator: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was learned as plain values, and the network's state as arrays of the host by name."""
    parameters = estimator.get_params(deep=False)
    state = estimator.__getstate__()
    learned = {name: value for name, value in state.items() if name not in parameters and name not in _GONE}
    learned = {name: value for name, value in learned.items() if not of_scikit_learn(name)}
    arrays, data = state["preprocessing_"].state()
    learned["_preprocessing"] = {"arrays": arrays, "data": data}
    learned["_history"] = {"device": estimator.history_.device, "rows": [dict(row) for row in estimator.history_.rows]}
    learned["_draws"] = draws_of(estimator.network_)
    if "_labels" in state:
        learned["_labels"] = {"kind": state["_labels"].kind, "classes": state["_labels"].classes}
    return learned, {name: to_host(array) for name, array in estimator.network_.state_dict().items()}


def rebuild(estimator: Any, learned: dict[str, Any], network: dict[str, Any]) -> None:
    """Make an estimator, which has its parameters, what it was when `reduced`, on the CPU.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the values and arrays do not fit each other.
    """
    learned = dict(learned)
    preprocessing, history, draws = (learned.pop(name) for name in ("_preprocessing", "_history", "_draws"))
    labels = learned.pop("_labels", None)
    lacking = [name for name in _NEEDED if name not in learned]
    if lacking:
        raise ValueError(f"it lacks {lacking[0]}")
    made = Preprocessing.from_state(preprocessing["arrays"], preprocessing["data"])
    about = learned["_architecture"]
    columns = Columns(about["numeric"], about["embedded"], tuple(about["categories"]))
    _require_fit(made, columns, learned["_order"])
    _require_room(columns, about, network)
    edges = [numpy.unique(row) for row in network["numbers.edges"]] if about["embedding"] == "piecewise" else None
    built = of_columns(columns, about, edges)
    built.load_state_dict(network)
    require_draws(built, draws)
    set_draws(built, draws)
    if labels is not None:
        if labels["kind"] not in _KINDS:
            raise ValueError(f"its labels are of a kind {labels['kind']!r:.40}")
        estimator._labels = Labels.restored(**labels)
    vars(estimator).update(learned)
    estimator.history_ = History(device=str(history["device"]), rows=[dict(row) for row in history["rows"]])
    estimator.preprocessing_, estimator.network_ = made, built.eval()
    estimator._place_ = find_device("cpu")


def _require_fit(made: Preprocessing, columns: Columns, order: Any) -> None:
    """Raise if the network takes other columns than the preprocessing makes."""
    numbers = sum(len(encoder.outputs) for encoder in made._encoders or [])
    if columns.numeric != numbers or sorted(order) != list(range(numbers)) or columns.embedded > numbers:
        raise ValueError(f"its network takes {columns.numeric} columns of numbers, its table has {numbers}")


def _require_room(columns: Columns, about: dict[str, Any], network: dict[str, Any]) -> None:
    """See `reduced.require_room`."""
    widths = [*about["hidden"], about["outputs"]]
    needed = about["members"] * sum(a * b for a, b in pairwise(widths)) + sum(columns.categories)
    require_room(widths, needed, network, members=about["members"])
