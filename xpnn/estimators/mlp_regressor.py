"""`MLPRegressor`: scikit-learn's, with what its users have asked for; see `mlp_classifier`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from xpnn.arrays.devices import Device
from xpnn.estimators.mlp_base import MLP, is_stochastic
from xpnn.estimators.mlp_parameters import CONSTRAINTS
from xpnn.estimators.objectives import LOSSES, Objective, regression
from xpnn.estimators.one_column import flat
from xpnn.estimators.placement import on_host
from xpnn.estimators.quantities import central, predicted_numbers, quantiles_of, require_numbers, require_positive
from xpnn.estimators.scores import r_squared

__all__ = ["MLPRegressor"]


class MLPRegressor(RegressorMixin, MLP):
    """A network of dense layers that predicts numbers: scikit-learn's `MLPRegressor`, and more.

    Parameters up to `max_fun` are scikit-learn's, in its order and with its defaults; those after them do nothing
    unless they are given. All are checked in `fit`, before any work.

    Parameters
    ----------
    loss
        What training makes small. y is the prediction and t the target of a row; losses are summed over targets and
        averaged over rows.

        - 'squared_error': (y - t)² / 2.
        - 'absolute_error': abs(y - t), whose predictions are medians.
        - 'huber': (y - t)² / 2 up to `delta`, beyond it delta (abs(y - t) - delta / 2).
        - 'quantile': q (t - y) where t is above, else (1 - q) (y - t), for each q of `quantiles`.
        - 'poisson', 'gamma', 'tweedie': half the deviance of counts (0 or more), of positive numbers, and of
          `tweedie_power`; predictions are exponentials of the outputs, and so positive.
        - a function `loss(y, t)` of arrays (n, targets) that gives one number; with sample weights it has to take
          `sample_weight`.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, \
shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, \
beta_1, beta_2, epsilon, n_iter_no_change, max_fun, device, dropout, normalization, schedule, max_norm, monitor, \
callbacks, compile, n_ens
        As of `MLPClassifier`. The score is R².
    quantiles
        Of 'quantile': a number from 0 to 1, or several, which are predicted side by side and may cross.
    delta
        Of 'huber': where squares end and absolute values begin, in units of the targets.
    tweedie_power
        Of 'tweedie': from 1, which is 'poisson', to 2, 'gamma'; between them targets may be 0.

    Attributes
    ----------
    coefs_, intercepts_, network_, n_iter_, t_, loss_, loss_curve_, validation_loss_curve_, validation_scores_, \
monitored_curve_, best_loss_, best_validation_score_, best_epoch_, n_layers_, n_outputs_, n_features_in_, \
feature_names_in_
        As of `MLPClassifier`. Losses are shown as scikit-learn shows them: means over targets (and quantiles), but of
        'poisson', 'gamma' and 'tweedie' sums.
    out_activation_
        'identity', or 'exp' of a deviance.

    Raises
    ------
    ValueError, TypeError, DeviceUnavailable
        As of `MLPClassifier`; and of targets that a deviance does not allow.

    Examples
    --------
    >>> import numpy
    >>> X = numpy.linspace(-1, 1, 200)[:, None]
    >>> model = MLPRegressor(solver="lbfgs", random_state=0).fit(X, X[:, 0] ** 2)
    >>> bool(model.score(X, X[:, 0] ** 2) > 0.99)
    True
    >>> bands = MLPRegressor("quantile", quantiles=[0.1, 0.9], max_iter=20, n_iter_no_change=20, random_state=0)
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     bands.fit(X, X[:, 0] ** 2).predict(X).shape
    (200, 2)
    """

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
        """Train from the beginning, or with `warm_start` from where the last fit ended.

        Parameters
        ----------
        X
            Rows, (n, features): an array, a frame, a list, or a sparse matrix.
        y
            Numbers, (n,) or (n, targets).
        sample_weight
            Weights of rows, (n,), 0 or more. Rows of weight 0 are left out.
        X_val, y_val, sample_weight_val
            Rows to validate with, in the same form: they give `validation_loss_curve_` and `validation_scores_`, and
            decide with `early_stopping`. Steps of a pipeline do not transform `X_val` by themselves.
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @available_if(is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPRegressor:  # fmt: skip
        """Go on for one epoch over these rows, given as to `fit`. Another solver, rate or momentum waits for the next
        `fit`.

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
        y = flat(y)
        require_numbers(y)
        require_positive(self.loss, self.tweedie_power, y)
        t = y.astype(self._dtype, copy=False)
        return t[:, None] if t.ndim == 1 else t

    def _numeric_targets(self) -> bool:
        return True

    def _predicted(self, outputs: Any) -> Any:
        return predicted_numbers(self._objective, outputs)

    def _scored(self, y: Any, predictions: Any, sample_weight: Any) -> float:
        return r_squared(y, self._central(predictions), sample_weight)

    def _central(self, predictions: Any) -> Any:
        return central(self._objective, predictions)
