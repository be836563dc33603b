"""Estimators of any module in one file of data: `save`, and `load`, which asks for what is code.

    model.save("model.safetensors")
    model = Classifier.load("model.safetensors", module=network)

The file is that of the MLPs (see `saving`): parameters, what was learned, and weights, with a checksum. A function that
builds the network, a class of optimizers, a loss of one's own cannot be in it: whoever reads it gives them again, under
their names. A fit without any of these needs nothing.
"""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

import numpy
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from xpnn.arrays.devices import Device
from xpnn.arrays.devices import device as find_device
from xpnn.arrays.native import to_host
from xpnn.estimators.alike import alike, kept
from xpnn.estimators.labels import Labels
from xpnn.estimators.objectives import Objective
from xpnn.estimators.plain import packed
from xpnn.estimators.reduced import OBJECTIVE, no_loss, of_scikit_learn, require_room
from xpnn.estimators.saving import loaded, written
from xpnn.nn.drawing import draws_of, require_draws, set_draws
from xpnn.training.history import History

__all__ = ["SavableModule"]

_GONE = (
    "module_", "history_", "_place_", "_home", "_fit_task", "_trainer", "_objective", "_labels", "_module_given",
    "_module_options", "_asked_of_step",
)  # fmt: skip

Self = TypeVar("Self", bound="SavableModule")


class SavableModule(BaseEstimator):
    """`save` and `load` of `Classifier` and `Regressor`."""

    _saved_private: ClassVar[tuple[str, ...]] = (
        "_draws", "_dtype", "_history", "_incremental", "_inputs", "_keeps_integers", "_labels", "_layers",
        "_objective", "_of_data",
    )  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator into a safetensors file: parameters, what was learned, weights; no code.

        Parameters that are no data (a module or what builds one, functions, classes) are left to who loads it.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If there is nothing to save yet.
        ValueError
            If `module` or its options are others than in the fit, or an attribute was added whose name is private or
            hides a method.
        TypeError
            If an attribute was added that is no data.
        OSError
            If the file cannot be written; an older one of that name is then unchanged.
        """
        check_is_fitted(self)
        state: Any = self.__getstate__()
        _require_as_fitted(self)
        arrays: dict[str, Any] = {}
        values, code = _packed_parameters(self.get_params(deep=False), arrays)
        network = {name: to_host(array) for name, array in state["module_"].state_dict().items()}
        written(self, path, {"parameters": values, "code": code}, arrays, _learned(self, state), network)

    @classmethod
    def load(cls: type[Self], path: str | os.PathLike[str], device: str | Device | None = None, **code: Any) -> Self:
        """The estimator of a file that `save` wrote; it computes on the CPU, wherever it was trained, or on `device`.

        Parameters
        ----------
        path
            The file.
        device
            Where to compute; it becomes the parameter of that name.
        **code
            The parameters that the file does not hold, since they are no data, as they were: `module=network`.

        Raises
        ------
        ValueError
            If another parameter is given than those that the file does not hold, or one of them is not; they are named.
        CheckpointError
            If the file is damaged or foreign, of another class, of a newer version, or of another module: one with
            other layers (their classes and shapes are compared, not their options).
        DeviceUnavailable
            If `device` cannot be used; it is asked before the file is read.
        OSError
            If the file cannot be read.
        """
        estimator: Self = loaded(cls, path, device, code)
        return estimator

    def _rebuild(self, learned: dict[str, Any], network: dict[str, Any]) -> None:
        rebuild(self, learned, network)

    def _move(self, place: Device) -> None:
        self._place_ = place
        self.module_.to(place)


def _require_as_fitted(estimator: Any) -> None:
    """Raise if the parameters would build another module than the one that was trained."""
    if estimator.module is not estimator._module_given:
        raise ValueError(f"save expected the module of the fit, {estimator._module_given!r}, got {estimator.module!r}")
    if not alike(estimator.module_options or {}, estimator._module_options):
        raise ValueError(f"save expected module_options={estimator._module_options!r} as in the fit")


def _packed_parameters(parameters: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Those that are data, and the names of the others."""
    values: dict[str, Any] = {}
    code: list[str] = []
    for name, value in parameters.items():
        found: dict[str, Any] = {}
        try:
            values[name] = packed(value, name, found)
        except TypeError:
            code.append(name)
        else:
            arrays.update(found)
    return values, code


def _learned(estimator: Any, state: dict[str, Any]) -> dict[str, Any]:
    """What was learned as plain values."""
    gone = {*_GONE, *estimator.get_params(deep=False)}
    learned = {name: value for name, value in state.items() if name not in gone and not of_scikit_learn(name)}
    learned["_objective"] = {name: getattr(state["_objective"], name) for name in OBJECTIVE}
    if "_labels" in state:
        learned["_labels"] = {"kind": state["_labels"].kind, "classes": state["_labels"].classes}
    learned["_history"] = {"rows": state["history_"].rows, "device": state["history_"].device}
    learned["_draws"] = draws_of(state["module_"])
    learned["_layers"] = _layers(state["module_"])
    return learned


def _layers(module: Any) -> list[str]:
    """What the layers are, in words: other ones may have the same shapes."""
    return [f"{path}: {type(layer).__name__}" for path, layer in module.named_modules() if path]


def rebuild(estimator: Any, learned: dict[str, Any], network: dict[str, Any]) -> None:
    """Make an estimator, which has its parameters, what it was, on the CPU.

    Raises
    ------
    ValueError, TypeError, KeyError
        If values and arrays do not fit each other, or the module.
    """
    learned = dict(learned)
    objective, labels = learned.pop("_objective"), learned.pop("_labels", None)
    draws, history, layers = learned.pop("_draws"), learned.pop("_history"), learned.pop("_layers", None)
    if estimator.module is None:
        _require_room(estimator.module_options, learned["_of_data"], network)
    vars(estimator).update(learned)
    estimator._objective = Objective(**{name: objective[name] for name in OBJECTIVE}, loss=no_loss)
    if labels is not None:
        estimator._labels = Labels.restored(**labels)
    module = estimator._built(0)
    if layers is not None and layers != (there := _layers(module)):
        other = [f"{b} where it was {a}" for a, b in zip(layers, there, strict=False) if a != b]
        raise ValueError(f"its module has other layers: {str([*other, len(there)][0])[:200]}")
    module.load_state_dict(network)
    require_draws(module, draws)
    set_draws(module, draws)
    estimator.history_ = History(history["device"], rows=list(history["rows"]))
    estimator._place_, estimator._home, estimator._trainer = find_device("cpu"), None, None
    estimator._module_given, estimator._module_options = estimator.module, kept(dict(estimator.module_options or {}))
    estimator.module_ = module.eval()


def _require_room(options: Any, of_data: dict[str, Any], network: dict[str, Any]) -> None:
    """See `reduced.require_room`."""
    sizes = numpy.atleast_1d((options or {}).get("hidden_layer_sizes", 100)).tolist()
    ends = [(options or {}).get(name, of_data[name]) for name in ("n_features", "n_outputs")]
    widths = [int(ends[0]), *map(int, sizes), int(ends[1])]
    require_room(widths, sum(a * b for a, b in pairwise(widths)), network)
