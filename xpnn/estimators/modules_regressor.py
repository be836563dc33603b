"""`Regressor`: any module of xpnn that predicts numbers as an estimator of scikit-learn's kind; see `Classifier`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from numbers import Real
from typing import Any

import numpy
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions

from xpnn.arrays.devices import Device
from xpnn.estimators.known_losses import link_of_numbers, require_of_numbers
from xpnn.estimators.modules_base import OfModule
from xpnn.estimators.modules_building import loss_of, name_of, require_loss_options, used_weights
from xpnn.estimators.modules_parameters import CONSTRAINTS
from xpnn.estimators.objectives import LOSSES, Objective, regression
from xpnn.estimators.one_column import flat
from xpnn.estimators.placement import on_host
from xpnn.estimators.quantities import central, predicted_numbers, require_numbers, require_positive
from xpnn.estimators.scores import r_squared

__all__ = ["Regressor"]

_OF_NAMES = {"huber": {"delta": 1.0}, "quantile": {"quantiles": 0.5}, "tweedie": {"tweedie_power": 1.5}}


class Regressor(RegressorMixin, OfModule):
    """Any module that predicts numbers, as an estimator of scikit-learn's kind.

    Parameters
    ----------
    module, optimizer, learning_rate, schedule, max_norm, accumulate, average, max_epochs, batch_size, shuffle, \
early_stopping, validation_fraction, monitor, patience, metrics, callbacks, verbose, device, compile, warm_start, \
random_state, module_options, optimizer_options, loss_options
        As of `Classifier`.
    loss
        A name of those of `MLPRegressor`, which are scaled as there ('squared_error' is halved, and summed over
        targets); `loss_options` may hold `delta` of 'huber', `quantiles` of 'quantile', a number or a list, and
        `tweedie_power` of 'tweedie'. Of 'poisson', 'gamma' and 'tweedie' the module's outputs are logarithms of the
        predictions, which `metrics` see. Or a function `loss(y, t)` of arrays of shape (n, targets), a layer of `nn`,
        or the class of one; of `nn.poisson_negative_log_likelihood` outputs are logarithms, too, and losses of logits
        are refused.

    Attributes
    ----------
    module_, history_, n_iter_, best_epoch_, n_features_in_, feature_names_in_
        As of `Classifier`.

    Examples
    --------
    >>> import numpy
    >>> from xpnn import nn
    >>> class Waves(nn.Module):
    ...     def __init__(self, n_features, n_outputs, dtype="float32"):
    ...         self.layers = nn.Sequential(
    ...             nn.PeriodicEmbedding(n_features, 8, dtype=dtype), nn.Flatten(),
    ...             nn.Linear(8 * n_features, n_outputs, dtype=dtype),
    ...         )
    ...     def forward(self, x):
    ...         return self.layers(x)
    >>> X = numpy.linspace(-1, 1, 200)[:, None]
    >>> model = Regressor(Waves, learning_rate=0.03, random_state=0).fit(X, numpy.sin(6 * X[:, 0]))
    >>> bool(model.score(X, numpy.sin(6 * X[:, 0])) > 0.9)
    True
    """

    _numeric = True
    _parameter_constraints = {  # noqa: RUF012 (scikit-learn reads it from the class)
        **CONSTRAINTS,
        "loss": [StrOptions(set(LOSSES)), callable],
    }

    def __init__(
        self,
        module: Any = None,
        *,
        loss: Any = "squared_error",
        optimizer: Any = "adam",
        learning_rate: float | None = 0.001,
        schedule: Any = None,
        max_norm: float | None = None,
        accumulate: int = 1,
        average: float | None = None,
        max_epochs: int = 100,
        batch_size: int | str = "auto",
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        monitor: str | Callable[..., float] = "loss",
        patience: int | None = 10,
        metrics: Mapping[str, Any] | Sequence[str] | None = None,
        callbacks: Sequence[Any] | None = None,
        verbose: bool | int = False,
        device: str | Device | None = None,
        compile: bool = True,
        warm_start: bool = False,
        random_state: Any = None,
        module_options: dict[str, Any] | None = None,
        optimizer_options: dict[str, Any] | None = None,
        loss_options: dict[str, Any] | None = None,
    ) -> None:
        self.module = module
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.max_norm = max_norm
        self.accumulate = accumulate
        self.average = average
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.monitor = monitor
        self.patience = patience
        self.metrics = metrics
        self.callbacks = callbacks
        self.verbose = verbose
        self.device = device
        self.compile = compile
        self.warm_start = warm_start
        self.random_state = random_state
        self.module_options = module_options
        self.optimizer_options = optimizer_options
        self.loss_options = loss_options

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Regressor:  # fmt: skip
        """Train from the beginning, or with `warm_start` from where the last fit ended."""
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Regressor:  # fmt: skip
        """Go on for one epoch over these rows. Who calls decides when to stop."""
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), incremental=True)
        return self

    def predict(self, X: Any) -> Any:
        """The predictions, shape (n,) or (n, targets), with a last axis more for several quantiles."""
        return self._given(self._predicted(self._outputs(X, "predict")))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of the predictions; of several quantiles that of the one next to the median."""
        predictions = central(self._objective, on_host(self.predict(X)))
        return float(r2_score(on_host(y), predictions, sample_weight=on_host(sample_weight)))

    def _noted(self, y: Any, *, first: bool) -> Any:
        y = flat(y)
        require_of_numbers(self.loss)
        self._require_possible_targets(y)
        return y

    def _require_possible_targets(self, y: Any) -> None:
        require_numbers(y)
        require_positive(self.loss, self._options().get("tweedie_power", 0.0), y)

    def _options(self) -> dict[str, Any]:
        """The options of a loss by name, checked."""
        if callable(self.loss):
            return {}
        known = _OF_NAMES.get(self.loss, {})
        options = require_loss_options(self.loss, self.loss_options, known)
        quantiles = numpy.atleast_1d(options.get("quantiles", 0.5))
        numbers = quantiles.size and quantiles.ndim == 1 and quantiles.dtype.kind in "fi"
        if not numbers or not ((quantiles > 0) & (quantiles < 1)).all():
            raise ValueError(f"loss__quantiles expected numbers between 0 and 1, got {options['quantiles']!r}")
        delta, power = options.get("delta", 1.0), options.get("tweedie_power", 1.0)
        if not isinstance(delta, Real) or not 0 < float(delta) < inf:
            raise ValueError(f"loss__delta expected a number above 0, got {options['delta']!r}")
        if not isinstance(power, Real) or not 1 <= float(power) <= 2:
            raise ValueError(f"loss__tweedie_power expected a number from 1 to 2, got {options['tweedie_power']!r}")
        return {**options, "quantiles": quantiles.tolist()}

    def _outputs_asked(self, y: Any) -> int:
        targets = 1 if y.ndim == 1 else y.shape[1]
        return targets if callable(self.loss) else regression(self.loss, targets, self._options()).outputs

    def _objective_of(self, y: Any, outputs: int, place: Device) -> Objective:
        expected = self._outputs_asked(y)
        if outputs != expected:
            raise ValueError(f"the module expected to give {expected} outputs for y of shape {y.shape}, got {outputs}")
        if callable(self.loss):
            own, link = loss_of(self.loss, self.loss_options, place), link_of_numbers(self.loss, self.loss_options)
            return Objective(name_of(self.loss), outputs, own, link)
        return regression(self.loss, 1 if y.ndim == 1 else y.shape[1], self._options())

    def _encoded(self, y: Any) -> Any:
        t = y.astype(self._dtype, copy=False)
        return t[:, None] if t.ndim == 1 else t

    def _weighted(self, y: Any, sample_weight: Any, trained_with: Any = None) -> Any:
        return used_weights(sample_weight, self._objective.loss)

    def _predicted(self, outputs: Any) -> Any:
        return predicted_numbers(self._objective, outputs)

    def _scored(self, y: Any, predictions: Any, sample_weight: Any) -> float:
        return r_squared(y, central(self._objective, predictions), sample_weight)
