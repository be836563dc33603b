"""What the tabular classifier and regressor share: from a raw table to a trained network, and back to predictions."""

from __future__ import annotations

import copy
import re
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from numbers import Integral, Real
from typing import Any

import numpy
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted

from xpnn.arrays.devices import Device
from xpnn.arrays.devices import device as find_device
from xpnn.estimators.placement import on_host
from xpnn.estimators.refusals import named, require_alike
from xpnn.estimators.saving import Savable
from xpnn.estimators.scikit_callbacks import CallbackSupport, fit_task
from xpnn.estimators.tabular_frames import require_finite, require_in_range, table_of
from xpnn.estimators.tabular_network import EMBEDDINGS, architecture, inputs_of, network_of, numbers_in, order_of
from xpnn.estimators.tabular_options import hidden_of, kinds_of, require_options
from xpnn.estimators.tabular_plan import PRESETS, SMALL, Plan, plan_for
from xpnn.estimators.tabular_saving import PRIVATE, rebuild, reduced
from xpnn.estimators.tabular_training import HeldOut, Rows, outputs_of, trained
from xpnn.estimators.tabular_unseen import unknown_shares, warn_of_unseen
from xpnn.estimators.undo import all_or_nothing
from xpnn.estimators.user_line import warn
from xpnn.tables.columns import TableWarning
from xpnn.tables.features import Features
from xpnn.tables.finding import BEYOND
from xpnn.tables.importance import permutation_importance
from xpnn.tables.preprocessing import Preprocessing
from xpnn.tables.table import Table

__all__ = ["CONSTRAINTS", "Tabular"]

CONSTRAINTS: dict[str, list[Any]] = {
    "preset": [StrOptions(set(PRESETS))],
    "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
    "batch_size": [Interval(Integral, 1, None, closed="left"), None],
    "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"), None],
    "n_ens": [Interval(Integral, 1, None, closed="left"), None],
    "embedding": [StrOptions(set(EMBEDDINGS)), None],
    "dropout": [Interval(Real, 0, 1, closed="left"), None],
    "categories": ["array-like", None],
    "kinds": [dict, None],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "device": [str, Device, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
    "callbacks": ["array-like", None],
}
"""The values that each parameter may have, in scikit-learn's terms."""


class Tabular(CallbackSupport, Savable, BaseEstimator):
    """The base of `TabularClassifier` and `TabularRegressor`; not to be used by itself."""

    _parameter_constraints: dict[str, list[Any]] = CONSTRAINTS
    _saved_private = PRIVATE
    _label_smoothing = 0.0

    # What a classifier and a regressor do differently

    @abstractmethod
    def _checked(self, y: Any) -> Any:
        """Targets as an array, or an error."""

    def _learn_classes(self, y: Any) -> None:
        """Learn which classes there are, from all rows: a rare one may be among those held out only."""

    @abstractmethod
    def _learn_targets(self, y: Any, sample_weight: Any) -> int:
        """Learn the scale of the targets of training; gives how many outputs the network needs."""

    @abstractmethod
    def _encoded(self, y: Any, dtype: str) -> tuple[Any, Any]:
        """Targets as the loss takes them, and as metrics do."""

    @abstractmethod
    def _loss(self) -> Callable[..., Any]:
        """The loss to train with."""

    @abstractmethod
    def _judged(self, outputs: Any) -> Any:
        """Predictions as metrics take them, from outputs of shape (members, n, outputs)."""

    @abstractmethod
    def _metric(self) -> str:
        """What is monitored."""

    def _weighted(self, y: Any, sample_weight: Any, trained_with: Any = None) -> Any:
        """Sample weights times those of the classes, which may depend on the targets that are trained with."""
        return sample_weight

    def _stratified(self, y: Any) -> Any:
        """What the rows held out are to have in the same shares, or None."""
        return None

    # The fit

    def _fit(self, X: Any, y: Any, sample_weight: Any, held_out: tuple[Any, Any, Any]) -> None:
        """Train, or raise and leave the estimator as it was."""
        if (held_out[0] is None) != (held_out[1] is None):
            raise ValueError("X_val and y_val must be given together")
        if held_out[0] is None and held_out[2] is not None:
            raise ValueError("expected X_val beside sample_weight_val")
        require_options(self)
        with all_or_nothing(self, goes_on=False):
            place = self.device if isinstance(self.device, Device) else find_device(self.device or "cpu")
            y_given, weight_given = y, sample_weight
            table, y, weight = self._given(X, y, sample_weight)
            self._column_names = table.names
            self._learn_classes(y)
            random = check_random_state(self.random_state)
            parts = self._parts(table, y, weight, held_out, random)
            self._train(*parts, place, random, "float32" if _is_float32(X) else "float64", (X, y_given, weight_given))

    def _given(self, X: Any, y: Any, sample_weight: Any, *, first: bool = True) -> tuple[Table, Any, Any]:
        """The rows that count, checked."""
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        with _named("X_val", first):
            table = table_of(self, X, names=None if first else self._column_names, kinds=self._asked)
        with _named("y_val", first):
            y = self._checked(y)
            if len(table) != len(y):
                check_consistent_length(numpy.empty(len(table)), y)
        if sample_weight is None:
            return table, y, None
        with _named("sample_weight_val", first):
            weight = _check_sample_weight(on_host(sample_weight), y, dtype=numpy.float64, ensure_non_negative=True)
            if not weight.any():
                raise ValueError("Sample weights must contain at least one non-zero number.")
        if weight.all():
            return table, y, weight
        counts = numpy.flatnonzero(weight)
        return table.take(counts), y[counts], weight[counts]

    def _asked(self, names: list[str]) -> dict[str, str]:
        return kinds_of(self.kinds, self.categories, names)

    def _parts(
        self, table: Table, y: Any, weight: Any, given: tuple[Any, Any, Any], random: Any
    ) -> tuple[tuple[Any, ...], tuple[Any, ...] | None]:
        """The rows to train with, and those held out, or None: (table, y, weight) each."""
        whole = table, y, weight
        if given[0] is not None:
            held_out = self._given(*given, first=False)
            require_alike(y, held_out[1])
            return whole, held_out
        if len(table) < SMALL or not self.validation_fraction:
            return whole, None
        rows = numpy.arange(len(table))
        options = {"random_state": random, "test_size": self.validation_fraction}
        try:
            train, test = train_test_split(rows, stratify=self._stratified(y), **options)
        except ValueError:  # too few rows of a class
            train, test = train_test_split(rows, **options)
        return tuple((table.take(r), y[r], None if weight is None else weight[r]) for r in (train, test))  # type: ignore[return-value]

    def _train(
        self, train: tuple[Any, ...], held_out: tuple[Any, ...] | None, place: Device, random: Any, dtype: str,
        given: tuple[Any, Any, Any],
    ) -> None:  # fmt: skip
        table, y, weight = train
        dtype = dtype if len(table) < SMALL else "float32"
        outputs = self._learn_targets(y, weight)
        self.preprocessing_ = self._preprocessed(table, weight)
        self._unknown = unknown_shares(self.preprocessing_, table)
        features = self._features(table, dtype)
        plan = self._plan(len(table), features)
        seed = int(random.randint(numpy.iinfo(numpy.int32).max))
        self._order = order_of(features, plan.embedding)[0]
        network = network_of(features, plan, outputs, seed).to(place)
        rows = self._rows(features, y, weight, dtype)
        judged = None if held_out is None else self._held_out(held_out, (y, weight), dtype)
        self.network_, self._place_, self._dtype = network, place, dtype
        self._architecture = architecture(features, plan, outputs)
        with fit_task(self, given, plan.epochs) as task:
            self.history_, self.best_epoch_ = trained(self, network, rows, judged, plan, seed)
            self.n_iter_ = len(self.history_)
            if task is not None:
                task.ends()

    def _preprocessed(self, table: Table, weight: Any) -> Preprocessing:
        """Learned from the training rows; warns of columns that are left out."""
        kinds = self._asked(table.names)
        require_in_range(table, kinds)
        found = Preprocessing(kinds=kinds)
        weight = numpy.ones(len(table)) if weight is None else weight
        said = found._learn(table, sample_weight=weight)
        nearly = [row["name"] for row in found.summary() if row["kind"] == "category"]  # numbers but for a few words
        for message in said:
            if message.column not in found.columns:
                warn(message)
            elif message.column in nearly or BEYOND in str(message):  # its row is one of the part that is trained with
                words = re.sub(r"row \d+ holds", "a row holds", str(message))
                warn(TableWarning(words, message.column))
        return found

    def _features(self, table: Table, dtype: str) -> Features:
        require_finite(self.preprocessing_, table)
        return self.preprocessing_.transform(table, dtype=dtype)

    def _plan(self, rows: int, features: Features) -> Plan:
        given = {
            "epochs": self.max_epochs, "batch_size": self.batch_size, "learning_rate": self.learning_rate,
            "hidden": hidden_of(self.hidden_layer_sizes), "members": self.n_ens, "dropout": self.dropout,
            "embedding": self.embedding,
        }  # fmt: skip
        return plan_for(rows, self.preset, given, numbers=len(numbers_in(features)))

    def _rows(self, features: Features, y: Any, weight: Any, dtype: str) -> Rows:
        inputs = inputs_of(features, self._order)
        t = self._encoded(y, dtype)[0]
        weight = self._weighted(y, weight)
        if weight is not None and not weight.all():  # of a class that does not count
            counts = numpy.flatnonzero(weight)
            if not counts.size:
                raise ValueError("class_weight must leave at least one row a weight above 0.")
            inputs, t, weight = tuple(part[counts] for part in inputs), t[counts], weight[counts]
        return Rows(inputs, t, None if weight is None else _in_range(weight).astype(dtype))

    def _held_out(self, given: tuple[Any, ...], trained_with: Any, dtype: str) -> HeldOut:
        table, y, weight = given
        with named("X_val"):
            features = self._features(table, dtype)
        warn_of_unseen(self.preprocessing_, table, self._unknown, name="X_val")
        with named("y_val"):
            t = self._encoded(y, dtype)[1]
        return HeldOut(inputs_of(features, self._order), t, self._weighted(y, weight, trained_with))

    # Predicting

    def _outputs(self, X: Any) -> Any:
        """The network's outputs for rows, (members, n, outputs), on the host."""
        check_is_fitted(self)
        table = self._table(X)
        features = self._features(table, self._dtype)
        warn_of_unseen(self.preprocessing_, table, self._unknown)
        return self._outputs_of(features)

    def _table(self, X: Any) -> Table:
        return table_of(self, X, names=self._column_names, kinds=lambda names: self.preprocessing_.kinds)

    def _outputs_of(self, features: Features) -> Any:
        return outputs_of(self.network_, inputs_of(features, self._order), self._place_)

    def permutation_importance(self, X: Any, y: Any, *, repeats: int = 5, seed: int = 0) -> dict[str, float]:
        """For each column that is of use, by how much the score (of `score`) falls when its values are shuffled.

        Give rows that were not trained with. See `xpnn.tables.permutation_importance`.

        Parameters
        ----------
        X, y
            As in `score`.
        repeats, seed
            How often each column is shuffled, and what decides how.

        Returns
        -------
        dict
            The largest first: the mean over the repeats.
        """
        check_is_fitted(self)
        features = self._features(self._table(X), self._dtype)
        falls = permutation_importance(
            self._outputs_of, features, y, lambda outputs, t: self._scored(t, outputs), repeats=repeats, seed=seed
        )
        return {name: float(fall.mean()) for name, fall in falls.items()}

    @abstractmethod
    def _scored(self, y: Any, outputs: Any) -> float:
        """The score of outputs."""

    def __sklearn_is_fitted__(self) -> bool:
        return "network_" in self.__dict__

    # Copies

    def __getstate__(self) -> dict[str, Any]:
        """Host arrays only, and no rows: what was trained on a GPU is used where there is none."""
        state = dict(super().__getstate__())
        state.pop("_fit_task", None)
        if "network_" in state:
            state["network_"] = copy.deepcopy(state["network_"]).to(find_device("cpu"))
            state["_place_"] = None
            state["preprocessing_"] = _without_values(state["preprocessing_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "network_" in self.__dict__:
            self._place_ = find_device("cpu")

    def _reduced(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return reduced(self)

    def _rebuild(self, learned: dict[str, Any], network: dict[str, Any]) -> None:
        rebuild(self, learned, network)

    def _move(self, place: Device) -> None:
        self.network_.to(place)
        self._place_ = place

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = False  # codes as numbers would be taken for numbers
        return tags


def _without_values(preprocessing: Preprocessing) -> Preprocessing:
    """The same without values of columns that are left out, such as names of people."""
    found = copy.copy(preprocessing)
    found._summary, found.messages = [], []
    for row in preprocessing.summary():
        if not row["outputs"] and not row["categories"]:
            row = {key: value for key, value in row.items() if key not in ("top", "least", "median", "greatest")}
            row["message"] = f"column {row['name']!r} is left out"
        found._summary.append(row)
        found.messages += [row["message"]] if row["message"] else []
    return found


def _named(name: str, first: bool) -> AbstractContextManager[None]:
    """Errors speak of X, y and sample_weight; of rows held out they say which."""
    return nullcontext() if first else named(name)


def _in_range(weight: Any) -> Any:
    """Weights of which the largest is near 1, none too small for float32: only their ratios count.

    They are divided by a power of two, so that a fit is the same to the bit.
    """
    largest = int(numpy.frexp(weight.max())[1])
    return numpy.maximum(numpy.ldexp(weight, -largest), numpy.finfo(numpy.float32).tiny)


def _is_float32(X: Any) -> bool:
    return getattr(on_host(X), "dtype", None) == numpy.float32
