"""`MLPClassifier` and `MLPRegressor`: scikit-learn's, with what its users have asked for.

    from xpnn.estimators import MLPClassifier      # was: from sklearn.neural_network import MLPClassifier

All parameters, methods and attributes of scikit-learn's are there with the same meaning and defaults; more come after
them, by keyword, and do nothing unless they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from types import SimpleNamespace
from typing import Any

import numpy
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import column_or_1d

from xpnn.arrays.devices import Device
from xpnn.estimators.labels import Labels
from xpnn.estimators.mlp_base import CONSTRAINTS, MLP
from xpnn.estimators.objectives import LOSSES, Objective, regression
from xpnn.estimators.placement import on_host
from xpnn.estimators.quantities import central, predicted_numbers, quantiles_of, require_numbers, require_positive
from xpnn.estimators.undo import all_or_nothing

__all__ = ["MLPClassifier", "MLPRegressor"]


def _is_stochastic(estimator: Any) -> bool:
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is only available for stochastic optimizers, not for 'lbfgs'")
    return True


class MLPClassifier(ClassifierMixin, MLP):
    """A network of dense layers that classifies."""

    loss = "log_loss"  # no parameter: scikit-learn's has it to be read, too
    _parameter_constraints = {  # noqa: RUF012 (scikit-learn reads it from the class)
        **CONSTRAINTS,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        device: str | Device | None = None,
        dropout: Any = 0.0,
        normalization: str | None = None,
        schedule: Any = None,
        max_norm: float | None = None,
        label_smoothing: float = 0.0,
        class_weight: Any = None,
        monitor: str | Callable[..., float] = "loss",
        callbacks: Sequence[Any] | None = None,
        compile: bool = True,
        n_ens: int = 1,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.device = device
        self.dropout = dropout
        self.normalization = normalization
        self.schedule = schedule
        self.max_norm = max_norm
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.monitor = monitor
        self.callbacks = callbacks
        self.compile = compile
        self.n_ens = n_ens

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPClassifier:  # fmt: skip
        """Train from the beginning, or with `warm_start` from where the last fit ended."""
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @available_if(_is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPClassifier:  # fmt: skip
        """Go on for one epoch over these rows; the first call needs all `classes`. Of several questions at once it is
        the first `y` that has to have them all. Another solver, rate or momentum waits for the next `fit`.

        With `early_stopping`, or rows to validate with, `validation_scores_` and `validation_loss_curve_` grow by one;
        who calls decides when to stop, and the weights are those of now.
        """
        with all_or_nothing(self, goes_on=False):
            known = SimpleNamespace(**({"classes_": self._labels.classes} if hasattr(self, "_labels") else {}))
            if _check_partial_fit_first_call(known, on_host(classes)):
                self._labels = Labels(on_host(classes), on_host(y))
                self.classes_ = self._labels.classes
            self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), incremental=True)
        return self

    def predict(self, X: Any) -> Any:
        """The likeliest class of each row, or labels 0 and 1 of shape (n, labels)."""
        return self._given(self._predicted(self._outputs(X, "predict")))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of rows all of whose labels are right."""
        y, predictions = on_host(y), on_host(self.predict(X))
        return self._scored(y if hasattr(y, "shape") else numpy.asarray(y), predictions, on_host(sample_weight))

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, shape (n, classes); for several questions a list of such arrays."""
        outputs = self._outputs(X, "predict_proba")
        return self._given(self._labels.probabilities(outputs))

    def predict_log_proba(self, X: Any) -> Any:
        """The logarithms of `predict_proba`, finite where a probability is too small for a number."""
        outputs = self._outputs(X, "predict_log_proba")
        return self._given(self._labels.log_probabilities(outputs))

    def decision_function(self, X: Any) -> Any:
        """The network's outputs: shape (n,) for two classes, above 0 for the second; else (n, classes)."""
        outputs = self._outputs(X, "decision_function")
        return self._given(outputs[:, 0] if self._labels.kind == "binary" else outputs)

    def _encoded(self, y: Any, first: bool) -> tuple[Any, Objective]:
        y = _flat(y)
        if first and not self._incremental:
            self._labels = Labels(None, y)
            self.classes_ = self._labels.classes
        elif self.warm_start and not self._incremental and not _same(self._labels, Labels(None, y)):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {Labels(None, y).classes}"
            )
        return self._targets(y), self._labels.objective(float(self.label_smoothing))

    def _targets(self, y: Any) -> Any:
        return self._labels.encoded(_flat(y), self._dtype)

    def _weighted(self, y: Any, sample_weight: Any, trained_with: Any = None) -> Any:
        return self._labels.weights(y, self.class_weight, sample_weight, trained_with)

    def _stratified(self, t: Any) -> bool:
        return self._labels.kind in ("binary", "multiclass")

    def _predicted(self, outputs: Any) -> Any:
        return self._labels.predicted(outputs)

    def _scored(self, y: Any, predictions: Any, sample_weight: Any) -> float:
        if self._labels.kind == "multiclass-multioutput":
            return float(numpy.average((y == predictions).all(axis=1), weights=sample_weight))
        return float(accuracy_score(y, predictions, sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _flat(y: Any) -> Any:
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


def _same(a: Labels, b: Labels) -> bool:
    return a.kind == b.kind and all(map(numpy.array_equal, _as_list(a.classes), _as_list(b.classes)))


def _as_list(classes: Any) -> list[Any]:
    return classes if isinstance(classes, list) else [classes]


class MLPRegressor(RegressorMixin, MLP):
    """A network of dense layers that predicts numbers."""

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn reads it from the class)
        **CONSTRAINTS,
        "loss": [StrOptions(set(LOSSES)), callable],
        "quantiles": ["array-like", Interval(Real, 0, 1, closed="neither")],
        "delta": [Interval(Real, 0, None, closed="neither")],
        "tweedie_power": [Interval(Real, 1, 2, closed="both")],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        device: str | Device | None = None,
        dropout: Any = 0.0,
        normalization: str | None = None,
        schedule: Any = None,
        max_norm: float | None = None,
        quantiles: Any = 0.5,
        delta: float = 1.0,
        tweedie_power: float = 1.5,
        monitor: str | Callable[..., float] = "loss",
        callbacks: Sequence[Any] | None = None,
        compile: bool = True,
        n_ens: int = 1,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.device = device
        self.dropout = dropout
        self.normalization = normalization
        self.schedule = schedule
        self.max_norm = max_norm
        self.quantiles = quantiles
        self.delta = delta
        self.tweedie_power = tweedie_power
        self.monitor = monitor
        self.callbacks = callbacks
        self.compile = compile
        self.n_ens = n_ens

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPRegressor:  # fmt: skip
        """Train from the beginning, or with `warm_start` from where the last fit ended."""
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @available_if(_is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPRegressor:  # fmt: skip
        """Go on for one epoch over these rows. Another solver, rate or momentum waits for the next `fit`.

        With `early_stopping`, or rows to validate with, `validation_scores_` and `validation_loss_curve_` grow by one;
        who calls decides when to stop, and the weights are those of now.
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), incremental=True)
        return self

    def predict(self, X: Any) -> Any:
        """The predictions, shape (n,) or (n, targets), with a last axis more for several quantiles."""
        return self._given(self._predicted(self._outputs(X, "predict")))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of the predictions; of several quantiles that of the one next to the median."""
        predictions = self._central(on_host(self.predict(X)))
        return float(r2_score(on_host(y), predictions, sample_weight=on_host(sample_weight)))

    def _encoded(self, y: Any, first: bool) -> tuple[Any, Objective]:
        t = self._targets(y)
        options = {"quantiles": quantiles_of(self.quantiles), "delta": float(self.delta)}
        return t, regression(self.loss, t.shape[1], {**options, "tweedie_power": self.tweedie_power})

    def _targets(self, y: Any) -> Any:
        y = _flat(y)
        require_numbers(y)
        require_positive(self.loss, self.tweedie_power, y)
        t = y.astype(self._dtype, copy=False)
        return t[:, None] if t.ndim == 1 else t

    def _numeric_targets(self) -> bool:
        return True

    def _predicted(self, outputs: Any) -> Any:
        return predicted_numbers(self._objective, outputs)

    def _scored(self, y: Any, predictions: Any, sample_weight: Any) -> float:
        predictions = self._central(predictions)
        if len(y) < 2 or not numpy.isfinite(predictions).all():  # a network that diverges has no score
            return float("nan")
        return float(r2_score(y, predictions, sample_weight=sample_weight))

    def _central(self, predictions: Any) -> Any:
        return central(self._objective, predictions)
