"""What the classifier and the regressor share: parameters and their ranges, the fit, and what is left of it."""

from __future__ import annotations

from abc import abstractmethod
from math import inf
from typing import Any

import numpy
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from xpnn.arrays.devices import Device
from xpnn.arrays.namespaces import Array, dtype_name, namespace_of
from xpnn.arrays.native import to_host
from xpnn.estimators.copies import Copied, hosted
from xpnn.estimators.ensembles import Averaged, of_members
from xpnn.estimators.fitting import trained
from xpnn.estimators.going_on import Begun, going_on
from xpnn.estimators.held_out import checked_held_out, parted
from xpnn.estimators.mlp_parameters import CONSTRAINTS
from xpnn.estimators.network import (
    dense_network,
    draw_weights,
    linear_layers,
    write_parameters,
)
from xpnn.estimators.objectives import Objective, is_own
from xpnn.estimators.of_layers import OfLayers
from xpnn.estimators.placement import (
    brought,
    dispatches,
    floating_dtypes,
    home_of,
    on_host,
    place_for,
    require_home,
    results,
    rows_of,
)
from xpnn.estimators.progress import HeldOut, Progress, penalty
from xpnn.estimators.reduced import PRIVATE, plain, rebuild, reduced
from xpnn.estimators.refusals import (
    layers_of,
    named,
    require_possible,
    require_same_layers,
    require_same_loss,
)
from xpnn.estimators.reporting import Report
from xpnn.estimators.rows import Parts, batches_of, by_rows, dense, slices_of
from xpnn.estimators.saving import Savable
from xpnn.estimators.scikit_callbacks import CallbackSupport, fit_task, tasks_of
from xpnn.estimators.search.waiting import adopted
from xpnn.estimators.solvers import STOPPED, minimized_by_lbfgs, share_of
from xpnn.estimators.times import require_no_dates
from xpnn.estimators.undo import all_or_nothing
from xpnn.estimators.user_line import warn
from xpnn.nn.module import Module
from xpnn.training.door import evaluating

__all__ = ["MLP", "is_stochastic"]

AT_ONCE = 8192  # rows of a prediction
OF_EPOCHS = (
    "loss_curve_", "validation_loss_curve_", "validation_scores_", "best_validation_score_", "best_loss_",
    "best_epoch_", "monitored_curve_", "_no_improvement_count", "_best_monitored",
)  # fmt: skip


class MLP(CallbackSupport, Savable, Copied):
    """The base of `MLPClassifier` and `MLPRegressor`; not to be used by itself."""

    _parameter_constraints: dict[str, list[Any]] = CONSTRAINTS
    _saved_private = PRIVATE
    loss: Any
    _dtype: Any
    _home: Device | None
    _place_: Device
    _labels: Any
    _begun: Begun | None
    _asked_of_step: list[Any] | None
    classes_: Any
    network_: Module

    # What a classifier and a regressor do differently

    @abstractmethod
    def _encoded(self, y: Any, first: bool) -> tuple[Array, Objective]:
        """Targets as numbers on the host, and what the network is to learn."""

    @abstractmethod
    def _targets(self, y: Any) -> Array:
        """Targets as numbers, once it is known what they are."""

    @abstractmethod
    def _predicted(self, outputs: Any) -> Any:
        """Predictions from the network's outputs, on the host."""

    @abstractmethod
    def _scored(self, y: Any, predictions: Any, sample_weight: Any) -> float:
        """scikit-learn's score of predictions."""

    # The fit

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, held_out: tuple[Any, Any, Any], *, incremental: bool = False
    ) -> MLP:
        """Train, or raise and leave the estimator as it was."""
        require_possible(self, held_out, incremental=incremental)
        goes_on = hasattr(self, "network_") and (self.warm_start or incremental)
        most = 1 if incremental else self.max_iter
        with fit_task(self, (X, y, sample_weight), most) as task, all_or_nothing(self, goes_on=goes_on):
            if goes_on or incremental or not adopted(self, (X, y, sample_weight, *held_out)):
                self._fit_anew_or_on(X, y, sample_weight, held_out, first=not goes_on, incremental=incremental)
            self._require_finite()
            self.network_.eval()  # for good: threads predict with it at once
            if task is not None:
                task.ends()
        return self

    def _fit_anew_or_on(
        self, X: Any, y: Any, sample_weight: Any, held_out: tuple[Any, Any, Any], *, first: bool, incremental: bool
    ) -> None:
        sizes = self._hidden()
        home, home_of_y = home_of(X), home_of(y)
        if incremental and not first:
            require_home(self, X, self._home, "partial_fit")
        place = place_for(self.device, X, home, None if first else self._place_)
        X, y = brought(X, home, place), on_host(y)
        require_no_dates(X)
        dtypes = floating_dtypes(X)
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, reset=first,
            dtype=dtypes if first else next((d for d in dtypes if dtype_name(d) == self._dtype.name), dtypes[0]),
            y_numeric=self._numeric_targets(),
        )  # fmt: skip
        if sample_weight is not None:
            dtype = numpy.dtype(dtype_name(X.dtype))
            sample_weight = _check_sample_weight(on_host(sample_weight), y, dtype=dtype, ensure_non_negative=True)
        self._dtype, self._incremental = numpy.dtype(dtype_name(X.dtype)), incremental
        t, objective = self._encoded(y, first)
        if first and home_of_y is not None and hasattr(self, "classes_"):
            self.classes_ = results(self.classes_, home_of_y)
        objective = of_members(objective, int(self.n_ens)) if self.n_ens > 1 else objective
        random = check_random_state(self.random_state)
        if first:
            self._start(X, sizes, objective, random, place)
        else:
            self._require_same(X, sizes, objective, "partial_fit" if incremental else "warm_start")
            if place != self._place_ and self._trainer is not None:
                self._begun, self._trainer = going_on(self, self._trainer), None
        self._objective, self._place_, self._home = objective, place, home
        self._begun = self._begun if incremental else None
        self.network_.to(place)
        train, judged = self._parts(X, y, t, sample_weight, held_out, random)
        seed = int(random.randint(numpy.iinfo(numpy.int32).max))
        if self.solver == "lbfgs":
            self._fit_lbfgs(train, place)
        else:
            self._fit_stochastic(train, judged, seed, place, incremental)

    def _require_finite(self) -> None:
        """Raise if training has gone astray."""
        if not all(numpy.isfinite(to_host(p)).all() for p in self.network_.parameters()):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                "preprocessed."
            )

    def _require_same(self, X: Any, sizes: list[int], objective: Objective, who: str) -> None:
        """Raise if the network that is there is another than that of the parameters of now."""
        widths = [X.shape[1], *sizes, objective.outputs]
        if self._widths != widths:
            raise ValueError(f"{who} needs the layers of the first fit, {self._widths}, got {widths}")
        require_same_layers(self, who)
        require_same_loss(self._objective, objective, who)

    def _hidden(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(size) for size in sizes]

    def _numeric_targets(self) -> bool:
        return False

    def _weighted(self, y: Any, sample_weight: Any, trained_with: Any = None) -> Any:
        """Sample weights times those of the classes, which may depend on the targets that are trained with."""
        return sample_weight

    def _start(self, X: Any, sizes: list[int], objective: Objective, random: Any, place: Device) -> None:
        self._widths = [int(X.shape[1]), *sizes, objective.outputs]
        self._layers = layers_of(self)
        self.network_ = self._built(objective)
        draw_weights(
            self.network_, int(random.randint(numpy.iinfo(numpy.int32).max)), logistic=self.activation == "logistic"
        )
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(self._widths)
        self.n_outputs_ = objective.outputs
        self.out_activation_ = objective.link
        self._trainer = self._begun = self._asked_of_step = None
        if self.solver != "lbfgs":
            self._begin_curves()

    def _begin_curves(self) -> None:
        self.loss_curve_: list[float] = []
        self.validation_loss_curve_: list[float] | None = None
        self.validation_scores_: list[float] | None = None
        self.best_validation_score_: float | None = None
        self.best_loss_ = None if self.early_stopping else inf
        self.best_epoch_: int | None = None
        self.monitored_curve_: list[float] | None = None
        self._no_improvement_count = 0
        self._best_monitored: float | None = None

    def _built(self, objective: Objective) -> Module:
        """A network as `_widths`, `_layers` and `_dtype` say, on the CPU, its weights not drawn yet."""
        n_features, *hidden, outputs = self._widths
        layers = {name: value for name, value in self._layers.items() if name != "n_ens"}
        members = int(self._layers["n_ens"])
        network = dense_network(n_features, hidden, outputs, **layers, dtype=self._dtype.name, members=members)
        return network if members == 1 else Averaged(network, objective.link, objective.questions)

    def _parts(
        self, X: Any, y: Any, t: Any, w: Any, given: tuple[Any, Any, Any], random: Any
    ) -> tuple[tuple[Any, ...], HeldOut | None]:
        """The rows to train with, and those held out, or None."""
        weighted = self._weighted(y, w)
        trained_with = y, w
        if weighted is not None and not weighted.all():  # a batch of rows that do not count has no mean loss
            counts = numpy.flatnonzero(weighted)
            if not counts.size:
                raise ValueError("Sample weights must contain at least one non-zero number.")
            X, y, t, w, weighted = (rows_of(part, counts) for part in (X, y, t, w, weighted))
        if given[0] is not None:
            method = "partial_fit" if self._incremental else "fit"
            X_val, y_val, w_val = checked_held_out(self, given, method, y=y, dtype=X.dtype)
            with named("y_val"):
                t_val = self._targets(y_val)
            weighted_val = self._weighted(y_val, w_val, trained_with)
            if weighted_val is not None and not weighted_val.any():
                raise ValueError("The weights of the rows in X_val must contain at least one non-zero number.")
            return _some(X, t, weighted), HeldOut(by_rows(X_val), y_val, t_val, w_val, weighted_val)
        if not self.early_stopping or self.solver == "lbfgs":
            return _some(X, t, weighted), None
        parts = parted(X.shape[0], self.validation_fraction, random, t if self._stratified(t) else None)
        if parts is None:
            return _some(X, t, weighted), None
        train, test = parts
        held_out = HeldOut(by_rows(rows_of(X, test)), y[test], t[test], rows_of(w, test), rows_of(weighted, test))
        return _some(rows_of(X, train), t[train], rows_of(weighted, train)), held_out

    def _stratified(self, t: Any) -> bool:
        return False

    def _fit_lbfgs(self, train: tuple[Any, ...], place: Device) -> None:
        for name in OF_EPOCHS:  # those of another solver's fit before
            self.__dict__.pop(name, None)
        options = {
            "alpha": float(self.alpha), "place": place, "maxiter": self.max_iter, "maxfun": self.max_fun,
            "gtol": self.tol, "tasks": tasks_of(self), "report": None, "share": (share := share_of(train)),
        }  # fmt: skip
        if sparse.issparse(train[0]) and not is_own(self._objective):
            parts: Any = Parts(train, AT_ONCE)
        else:  # a loss of one's own may be no mean over rows
            whole = slice(0, train[0].shape[0])
            parts = [tuple(place.asarray(part) for part in (dense(train[0], whole), *train[1:]))]

        def shown(value: float) -> float:
            penalised = penalty(self) / share
            return (value - penalised) / self._objective.reported + penalised

        if self.verbose:
            reporter = Report(self)
            options["report"] = lambda number, value: reporter.iteration(number, shown(value))
        self.network_.eval()
        found = minimized_by_lbfgs(self.network_, self._objective.loss, parts, self._weights(), options)
        self.n_iter_ = int(found.nit)
        self.loss_ = shown(float(found.fun))
        if found.status not in (0, STOPPED):
            warn(
                f"lbfgs failed to converge after {found.nit} iteration(s) (status={found.status}): {found.message}. "
                "Increase max_iter or max_fun, or scale the data.",
                ConvergenceWarning,
            )

    def _fit_stochastic(
        self, train: tuple[Any, ...], held_out: HeldOut | None, seed: int, place: Device, incremental: bool
    ) -> None:
        batch_size = self._rows_at_once(train[0].shape[0])
        if "loss_curve_" not in vars(self):  # the fit before was one of lbfgs, which has no epochs
            self._begin_curves()
        self.best_epoch_ = None  # of `partial_fit` the weights are those of now
        if not incremental:
            self.n_iter_, self._best_monitored = 0, None
        progress = Progress(self, held_out, incremental)
        trained(self, batches_of(train, batch_size, bool(self.shuffle), seed), progress, seed, incremental)
        progress.finish()

    def _rows_at_once(self, rows: int) -> int:
        """The batch size. Batch norm cannot do with a last batch of one row."""
        batch_size = min(200 if self.batch_size == "auto" else int(self.batch_size), rows)
        if self.batch_size != "auto" and self.batch_size > rows:
            warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
        if self.normalization != "batch":
            return batch_size
        if self.batch_size == "auto":
            batch_size = next((n for n in range(batch_size, 1, -1) if rows % n != 1), batch_size)
        if batch_size == 1 or rows % batch_size == 1:
            raise ValueError(
                f"normalization='batch' needs at least two rows in each batch, got {rows} rows in batches of "
                f"{batch_size}: give another batch_size"
            )
        return batch_size

    def _weights(self) -> list[int]:
        """The positions of the dense layers' weights among the parameters."""
        known = {id(layer.weight) for layer in linear_layers(self.network_)}
        return [n for n, p in enumerate(self.network_.parameters()) if id(p) in known]

    # Predicting

    def _outputs(self, X: Any, method: str) -> Any:
        """The network's outputs for rows: on the host, but where they are computed if scikit-learn follows arrays."""
        check_is_fitted(self)
        require_home(self, X, self._home, method)
        home, place = self._home if dispatches() else None, self._place_
        require_no_dates(X)
        X = validate_data(self, brought(X, home, place), accept_sparse=["csr", "csc"], reset=False)
        with evaluating(self.network_):
            outputs = self._outputs_of(X)
        return to_host(outputs) if home is None else outputs

    def _outputs_of(self, X: Any) -> Any:
        """The outputs for rows that were checked, where they are computed, in the mode of now."""
        X, place, dtype = by_rows(X), self._place_, self.network_.parameters()[0].dtype
        parts = [self.network_(place.asarray(dense(X, rows), dtype=dtype)) for rows in slices_of(X, AT_ONCE)]
        return parts[0] if len(parts) == 1 else namespace_of(parts[0]).concat(parts)

    def _given(self, value: Any) -> Any:
        """Results, or a list of them, as they are given away: arrays of `fit`'s library if scikit-learn follows it,
        else NumPy's.
        """
        return results(value, self._home if dispatches() else None)

    @property
    def coefs_(self) -> list[Any]:
        """The weights of each layer, (fan_in, fan_out) as in scikit-learn, of an ensemble (n_ens, fan_in, fan_out); in
        the library of `fit`'s arrays if scikit-learn follows it.
        """
        host = [to_host(layer.weight).swapaxes(-2, -1) for layer in linear_layers(self._network())]
        return OfLayers(self._given(host), self, "coefs_")

    @coefs_.setter
    def coefs_(self, weights: Any) -> None:
        write_parameters(linear_layers(self._network()), "weight", [on_host(one) for one in weights], self._place_)

    @property
    def intercepts_(self) -> list[Any]:
        """The biases of each layer, (fan_out,); of an ensemble (n_ens, fan_out)."""
        biases = self._given([layer.bias for layer in linear_layers(self._network())])
        return OfLayers(biases, self, "intercepts_")

    @intercepts_.setter
    def intercepts_(self, biases: Any) -> None:
        write_parameters(linear_layers(self._network()), "bias", [on_host(one) for one in biases], self._place_)

    def _network(self) -> Module:
        if "network_" not in self.__dict__:
            raise AttributeError(f"this {type(self).__name__} is not fitted yet")
        return self.network_

    def __sklearn_is_fitted__(self) -> bool:
        return "network_" in self.__dict__

    # Copies

    def __getstate__(self) -> dict[str, Any]:
        """Plain values and host arrays, and no optimizer: what was trained on a GPU is used where there is none."""
        state = dict(super().__getstate__())
        state.pop("_fit_task", None)
        return hosted(plain(state) if "network_" in state else state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        network = state.get("_network")
        super().__setstate__({name: value for name, value in state.items() if name != "_network"})
        if network is not None:
            rebuild(self, self.__dict__, network)
            del self._draws

    def _reduced(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return reduced(self)

    def _rebuild(self, learned: dict[str, Any], network: dict[str, Any]) -> None:
        rebuild(self, learned, network)

    def _move(self, place: Device) -> None:
        self._place_ = place
        self.network_.to(place)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.array_api_support = True
        return tags


def is_stochastic(estimator: Any) -> bool:
    """True, or an AttributeError: 'lbfgs' has no `partial_fit`."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is only available for stochastic optimizers, not for 'lbfgs'")
    return True


def _some(*parts: Any) -> tuple[Any, ...]:
    return tuple(part for part in parts if part is not None)
