"""What `Classifier` and `Regressor` share: from rows and parameters to a module that is trained, and its outputs."""

from __future__ import annotations

import copy
from abc import abstractmethod
from dataclasses import replace
from typing import Any

import numpy
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from xpnn.arrays.checks import numbers_looked_at
from xpnn.arrays.devices import Device, device_of
from xpnn.arrays.devices import device as find_device
from xpnn.arrays.namespaces import dtype_name, namespace_of
from xpnn.arrays.native import to_host
from xpnn.arrays.tree import Tree, tree_map
from xpnn.estimators.alike import alike, kept
from xpnn.estimators.copies import Copied, hosted
from xpnn.estimators.held_out import parted, warn_of_no_value
from xpnn.estimators.labels import Labels
from xpnn.estimators.modules_building import asks_for, built
from xpnn.estimators.modules_fitting import PREDICTED, asked_of_step, outputs_of, rows_at_once, trained, trainer_of
from xpnn.estimators.modules_inputs import (
    checked,
    converted,
    first_of,
    floating_dtype,
    on_the_host,
    placed,
    rows_of,
    shape_of,
    taken,
    takes_numbers_of_words,
)
from xpnn.estimators.modules_metrics import metrics_for, metrics_of, require_direction, require_metrics, scorer_of
from xpnn.estimators.modules_parameters import Nested
from xpnn.estimators.modules_saving import SavableModule
from xpnn.estimators.modules_seen import Seen, without_classes
from xpnn.estimators.objectives import Objective
from xpnn.estimators.placement import dispatches, home_of, on_host, place_for, require_home, results
from xpnn.estimators.progress import HeldOut
from xpnn.estimators.refusals import named, require_alike, require_class_weight, require_dropout, require_same_loss
from xpnn.estimators.reporting import require_bars
from xpnn.estimators.rows import by_rows, slices_of
from xpnn.estimators.scikit_callbacks import CallbackSupport, fit_task
from xpnn.estimators.undo import all_or_nothing
from xpnn.nn.module import Module
from xpnn.training.door import evaluating
from xpnn.training.history import History
from xpnn.training.steps import applied
from xpnn.training.trainer import Trainer

__all__ = ["OfModule"]


class OfModule(CallbackSupport, SavableModule, Copied, Nested):
    """The base of `Classifier` and `Regressor`; not to be used by itself."""

    _dtype: str
    _home: Device | None
    _labels: Labels
    _asked_of_step: list[Any] | None
    classes_: Any

    # What a classifier and a regressor do differently

    @abstractmethod
    def _noted(self, y: Any, *, first: bool) -> Any:
        """Note what the targets are, or raise if they are others than at first; gives them, a column as a row."""

    def _require_possible_targets(self, y: Any) -> None:
        """Raise if the loss has no value for such targets."""

    @abstractmethod
    def _outputs_asked(self, y: Any) -> int:
        """How many outputs a module should have."""

    @abstractmethod
    def _objective_of(self, y: Any, outputs: int, place: Device) -> Objective:
        """What a module with so many outputs is to learn."""

    @abstractmethod
    def _encoded(self, y: Any) -> Any:
        """Targets as the loss wants them."""

    @abstractmethod
    def _weighted(self, y: Any, sample_weight: Any, trained_with: Any = None) -> Any:
        """Sample weights times those of the classes, which may depend on the targets that are trained with."""

    def _factors(self, y: Any, sample_weight: Any) -> list[Any] | None:
        """The weights of all classes of each question, if there are some."""
        return None

    @abstractmethod
    def _predicted(self, outputs: Any) -> Any:
        """Predictions from a module's outputs, on the host."""

    @abstractmethod
    def _scored(self, y: Any, predictions: Any, sample_weight: Any) -> float:
        """scikit-learn's score of predictions."""

    _numeric = False

    # The fit

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, given: tuple[Any, Any, Any], *, incremental: bool = False
    ) -> None:
        """Train, or raise and leave the estimator as it was."""
        self._require_possible(given, incremental)
        goes_on = hasattr(self, "module_") and (self.warm_start or incremental)
        most = 1 if incremental else int(self.max_epochs)
        with fit_task(self, (X, y, sample_weight), most) as task, all_or_nothing(self, goes_on=goes_on and incremental):
            self._incremental = incremental
            self._fit_anew_or_on(X, y, sample_weight, given, first=not goes_on)
            if task is not None:
                task.ends()

    def _require_possible(self, given: tuple[Any, Any, Any], incremental: bool) -> None:
        X_val, y_val, weight_val = given
        if X_val is None and not (y_val is None and weight_val is None):
            raise ValueError(f"expected X_val beside {'y_val' if y_val is not None else 'sample_weight_val'}")
        if X_val is not None and y_val is None:
            raise ValueError("expected y_val beside X_val")
        scorer_of(self.monitor, metrics := metrics_of(self.metrics))
        if self.early_stopping and not incremental:
            require_direction(self.monitor, metrics)
        require_bars(self)
        require_class_weight(getattr(self, "class_weight", None))
        if self.module is None:
            require_dropout((self.module_options or {}).get("dropout", 0.0), "module__dropout")
        if incremental and isinstance(self.schedule, str):
            raise ValueError(
                f"partial_fit cannot know where schedule={self.schedule!r} ends: give a function of the step, or none"
            )

    def _fit_anew_or_on(self, X: Any, y: Any, sample_weight: Any, given: tuple[Any, Any, Any], *, first: bool) -> None:
        home, home_of_y = home_of(first_of(X)), home_of(y)
        if self._incremental and not first:
            require_home(self, first_of(X), self._home, "partial_fit")
        place = None if home is None else place_for(self.device, first_of(X), home)
        X, y = checked(self, placed(X, home, place), on_host(y), first=first, numeric=self._numeric)
        if sample_weight is not None:
            given_weight = on_host(sample_weight)
            sample_weight = _check_sample_weight(given_weight, y, dtype=numpy.float64, ensure_non_negative=True)
        y = self._noted(y, first=first)
        if first and not self._incremental and home_of_y is not None and hasattr(self, "classes_"):
            self.classes_ = results(self.classes_, home_of_y)
        self._home = home
        random = check_random_state(self.random_state)
        if first:
            self._start(X, y, int(random.randint(numpy.iinfo(numpy.int32).max)), place)
        else:
            self._go_on(place)
        X = self._converted(X)
        objective = self._objective_of(y, self._outputs_asked_of_module(X), self._place_)
        if not first:
            require_same_loss(self._objective, objective, "partial_fit" if self._incremental else "warm_start")
        self._objective: Objective = objective
        weights = sample_weight, self._factors(y, sample_weight)
        train, held_out = self._parts(X, y, self._encoded(y), sample_weight, given, random)
        self._train(train, held_out, weights, int(random.randint(numpy.iinfo(numpy.int32).max)))

    def _start(self, X: Any, y: Any, seed: int, place: Device | None) -> None:
        """A new module, whose weights the seed decides unless it was given whole."""
        shape = shape_of(X)
        flat = isinstance(shape, tuple) and len(shape) == 1 and isinstance(shape[0], int)
        if self.module is None and not flat:
            raise ValueError(f"expected a module for rows of shape {shape}: the default takes a row of features each")
        self._of_data = {
            "n_features": shape[0] if flat else None, "input_shape": shape, "n_outputs": self._outputs_asked(y),
            "dtype": floating_dtype(X),
        }  # fmt: skip
        module = self._built(seed, X)
        if not module.parameters():
            raise ValueError(f"expected a module with parameters to train, {type(module).__name__} has none")
        self._dtype = dtype_name(module.parameters()[0].dtype)
        self._place_ = place or self._place(module)
        self.module_: Module = module.to(self._place_)
        self._module_options, self._module_given = kept(dict(self.module_options or {})), self.module
        self._trainer: Trainer | None = None
        self.history_ = History()
        self.n_iter_ = 0

    def _built(self, seed: int, X: Tree = None) -> Module:
        """A module by the parameters and what is known of the data, of which `X` are rows; not moved yet."""
        module = built(self.module, self.module_options, self._of_data, seed)
        if X is not None:
            self._keeps_integers = takes_numbers_of_words(module, X)
        if self._keeps_integers and asks_for(self.module, "dtype") and "dtype" not in (self.module_options or {}):
            module.to(dtype="float32")  # numbers of words have no dtype to follow
        return module

    def _go_on(self, place: Device | None) -> None:
        """The module of the last fit: a copy, unless it is `partial_fit` that goes on."""
        who = "partial_fit" if self._incremental else "warm_start"
        if self.module is not self._module_given:
            raise ValueError(f"{who} needs the module of the first fit, {self._module_given!r}, got {self.module!r}")
        if not alike(self._module_options, self.module_options or {}):
            raise ValueError(f"{who} needs module_options={self._module_options!r} as in the first fit")
        if not self._incremental:
            self.module_ = copy.deepcopy(self.module_)
        self._place_ = place or self._place(self.module_)
        self.module_.to(self._place_)

    def _place(self, module: Module) -> Device:
        """Where to train: by default where the module is."""
        if isinstance(self.device, Device):
            return self.device
        return device_of(module.parameters()[0]) if self.device is None else find_device(self.device)

    def _converted(self, X: Tree) -> Tree:
        return converted(X, self._dtype, self._keeps_integers)

    def _outputs_asked_of_module(self, X: Tree) -> int:
        """How many outputs the module has: it is tried with a row or two."""
        found: int = self._outputs_of(taken(X, slice(0, min(2, rows_of(X))))).shape[1]
        return found

    def _parts(
        self, X: Tree, y: Any, t: Any, w: Any, given: tuple[Any, Any, Any], random: Any
    ) -> tuple[tuple[Any, ...], HeldOut | None]:
        """The rows to train with, and those held out, or None."""
        weighted, trained_with = self._weighted(y, w), (y, w)
        if weighted is not None and not weighted.all():  # a batch of rows that do not count has no mean loss
            counts = numpy.flatnonzero(weighted)
            if not counts.size:
                raise ValueError("Sample weights must contain at least one non-zero number.")
            X, y, t, w, weighted = (taken(part, counts) for part in (X, y, t, w, weighted))
        if given[0] is not None:
            return _some(X, t, weighted), self._given_apart(y, trained_with, *given)
        if not self.early_stopping:
            return _some(X, t, weighted), None
        parts = parted(rows_of(X), self.validation_fraction, random, self._strata(t))
        if parts is None:
            return _some(X, t, weighted), None
        train, test = parts
        held_out = HeldOut(taken(X, test), y[test], t[test], taken(w, test), taken(weighted, test))
        return _some(taken(X, train), t[train], taken(weighted, train)), held_out

    def _given_apart(self, y: Any, trained_with: Any, X_val: Any, y_val: Any, w_val: Any) -> HeldOut:
        require_home(self, first_of(X_val), self._home, "partial_fit" if self._incremental else "fit")
        X_val, y_val = placed(X_val, self._home, self._place_), on_host(y_val)
        with named("X_val, y_val"):
            X_val, y_val = checked(self, X_val, y_val, first=False, numeric=self._numeric)
        X_val = self._converted(X_val)
        if w_val is not None:
            with named("sample_weight_val"):
                w_val = _check_sample_weight(on_host(w_val), y_val, dtype=numpy.float64, ensure_non_negative=True)
        require_alike(y, y_val)
        y_val = y_val[:, 0] if y_val.ndim == 2 and y_val.shape[1] == 1 else y_val
        with named("y_val"):
            self._require_possible_targets(y_val)
            t_val = self._encoded(y_val)
        weighted = self._weighted(y_val, w_val, trained_with)
        if weighted is not None and not weighted.any():
            raise ValueError("The weights of the rows in X_val must contain at least one non-zero number.")
        return HeldOut(X_val, y_val, t_val, w_val, weighted)

    def _strata(self, t: Any) -> Any:
        """What the held-out rows are to have the same shares of, or None."""
        return None

    def _train(
        self, rows: tuple[Any, ...], held_out: HeldOut | None, weights: tuple[Any, list[Any] | None], seed: int
    ) -> None:
        epochs = 1 if self._incremental else int(self.max_epochs)
        trainer = self._trainer if self._incremental else None
        batch_size = rows_at_once(self, rows[0])
        if trainer is None:
            batches = -(-rows_of(rows[0]) // batch_size)
            trainer = trainer_of(self, self.module_, -(-batches // int(self.accumulate)) * epochs)
        elif trainer.place != self._place_ or not alike(asked_of_step(self), self._asked_of_step):
            trainer = trainer_of(self, trainer.model.to(self._place_), 0, trainer)
        self._asked_of_step = asked_of_step(self)
        metrics = self._metrics_of(rows, held_out, *weights)
        trainer.seed, trainer.epoch = seed, self.n_iter_
        trainer.history.rows = list(self.history_.rows)
        self.module_ = trainer.evaluated
        stopping = trained(self, trainer, rows, batch_size, held_out, epochs, metrics)
        self.module_.eval()
        self.history_, self.n_iter_ = replace(trainer.history), trainer.epoch
        self.best_epoch_: int | None = None if stopping is None else stopping.best_epoch or None
        if stopping is not None and held_out is not None and self.n_iter_ and not stopping.best_epoch:
            warn_of_no_value(self.monitor)
        self._trainer = trainer if self._incremental else None

    def _metrics_of(
        self, rows: tuple[Any, ...], held_out: HeldOut | None, sample_weight: Any, factors: list[Any] | None
    ) -> dict[str, Any]:
        """What epochs are judged by, of the rows held out, or else of those trained with: they count by their sample
        weights, without the `factors` of their classes.
        """
        metrics = metrics_for(self._objective, self.metrics)
        if metrics:
            some = slice(0, min(2, rows_of(rows[0])))
            weighted = (sample_weight if held_out is None else held_out.sample_weight) is not None
            require_metrics(metrics, self._outputs_of(taken(rows[0], some)), rows[1][some], weighted=weighted)
        if held_out is not None or factors is None:
            return metrics
        sight = without_classes(None if sample_weight is None else factors)
        return {name: Seen(metric, sight) for name, metric in metrics.items()}

    # Predicting

    def _outputs(self, X: Any, method: str) -> Any:
        """The module's outputs for rows: on the host, but where they are computed if scikit-learn follows arrays."""
        check_is_fitted(self)
        require_home(self, first_of(X), self._home, method)
        home = self._home if dispatches() else None
        X = checked(self, placed(X, home, self._place_), first=False, alone=True)
        return self._outputs_of(self._converted(X), stay=home is not None)

    def _outputs_of(self, X: Tree, *, stay: bool = False) -> Any:
        """The same of arrays that were checked and converted."""
        parts, X = [], by_rows(X)
        with evaluating(self.module_), numbers_looked_at():  # a GPU is waited for anyway
            for rows in slices_of(first_of(X), PREDICTED):
                some = on_the_host(taken(X, rows))
                y = outputs_of(applied(self.module_, tree_map(self._place_.asarray, some)))
                parts.append(y if stay else to_host(y))
        return parts[0] if len(parts) == 1 else namespace_of(parts[0]).concat(parts)

    def _given(self, value: Any) -> Any:
        """Results as they are given away: arrays of `fit`'s library if scikit-learn follows it, else NumPy's."""
        return results(value, self._home if dispatches() else None)

    def __sklearn_is_fitted__(self) -> bool:
        return "module_" in self.__dict__

    # Copies

    def __getstate__(self) -> dict[str, Any]:
        """Host arrays only, and no optimizer: what was trained on a GPU is used where there is none."""
        state = dict(super().__getstate__())
        state.pop("_fit_task", None)
        if "module_" in state:
            state |= {"_place_": None, "_home": None, "_trainer": None, "_asked_of_step": None}
            if "_labels" in state:
                state["classes_"] = state["_labels"].classes
        return hosted(state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "module_" in self.__dict__:
            self._place_ = find_device("cpu")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.array_api_support = True
        return tags


def _some(*parts: Any) -> tuple[Any, ...]:
    return tuple(part for part in parts if part is not None)
