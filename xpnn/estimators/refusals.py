"""Parameters that do not go together: refused before any work, since one of them would do nothing, or fail later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf, isfinite
from numbers import Integral, Real
from typing import Any

from xpnn.estimators.network import ACTIVATIONS
from xpnn.estimators.reporting import require_bars
from xpnn.training.callbacks.base import Callback

__all__ = [
    "layers_of",
    "named",
    "require_alike",
    "require_callbacks",
    "require_class_weight",
    "require_dropout",
    "require_possible",
    "require_rate",
    "require_same_layers",
    "require_same_loss",
]


@contextmanager
def named(name: str) -> Iterator[None]:
    """Errors within begin with the name of what was given, since scikit-learn's speak of X and y.

    Examples
    --------
    >>> with named("y_val"):
    ...     raise ValueError("Input y contains NaN.")
    Traceback (most recent call last):
    ValueError: y_val: Input y contains NaN.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"{name}: {error}") from error


def require_possible(estimator: Any, held_out: tuple[Any, Any, Any], *, incremental: bool) -> None:
    """Raise if the estimator's parameters, or the rows to validate with, do not go together.

    Raises
    ------
    ValueError
        If one of them would do nothing, or is impossible with another.
    """
    if any(not isinstance(size, Integral) for size in _as_list(estimator.hidden_layer_sizes)):
        raise ValueError(f"hidden_layer_sizes expected whole numbers, got {estimator.hidden_layer_sizes!r}")
    X_val, y_val, weight_val = held_out
    if X_val is None and not (y_val is None and weight_val is None):
        raise ValueError(f"expected X_val beside {'y_val' if y_val is not None else 'sample_weight_val'}")
    if X_val is not None and y_val is None:
        raise ValueError("expected y_val beside X_val")
    require_bars(estimator)
    require_class_weight(getattr(estimator, "class_weight", None))
    _require_layers(estimator)
    require_callbacks(estimator.callbacks)
    _require_effect(estimator)
    _require_rate(estimator, incremental)
    if estimator.solver == "lbfgs":
        _require_nothing_stochastic(estimator, X_val)


def _require_rate(estimator: Any, incremental: bool) -> None:
    schedule = estimator.schedule
    if incremental and isinstance(schedule, str):
        raise ValueError(
            f"partial_fit cannot know where schedule={schedule!r} ends: give a function of the step, or none"
        )
    if schedule is not None and estimator.solver == "sgd" and estimator.learning_rate != "constant":
        raise ValueError(
            f"learning_rate={estimator.learning_rate!r} and a schedule both say what the rate is: give one of them"
        )


def require_rate(schedule: Any, step: Any) -> None:
    """Raise if a function of the step, which is an array, gives no rate.

    Raises
    ------
    TypeError, ValueError
        Naming what it gives.
    """
    with named("schedule"):
        rate = schedule(step)
        if not isinstance(rate, Real) and getattr(rate, "shape", None) != ():
            raise TypeError(f"expected a function of the step that gives a number, got {rate!r:.60}")
        if not 0 <= float(rate) < inf:
            raise ValueError(f"expected a learning rate of 0 or more, got {float(rate)} for step {int(step)}")


def require_class_weight(given: Any) -> None:
    """Raise if a weight of a class is none.

    Raises
    ------
    ValueError, TypeError
        Naming the class.
    """
    if given is None or isinstance(given, str):
        return
    several = given if isinstance(given, list) else [given]
    if not all(isinstance(one, dict) for one in several):
        raise TypeError(f"class_weight expected a dictionary, or a list of one for each question, got {given!r:.60}")
    for name, weight in (pair for one in several for pair in one.items()):
        if not isinstance(weight, Real) or not isfinite(weight) or weight < 0:
            raise ValueError(f"class_weight expected weights of 0 or more, got {weight!r} for class {name!r}")


def _require_layers(estimator: Any) -> None:
    """Of lists, which scikit-learn does not look into."""
    require_dropout(estimator.dropout)
    for one in _as_list(estimator.activation):
        if not callable(one) and one not in ACTIVATIONS:
            raise ValueError(f"activation expected functions or names among {', '.join(ACTIVATIONS)}, got {one!r}")


def require_dropout(given: Any, name: str = "dropout") -> None:
    """Raise if one of the probabilities is none.

    Raises
    ------
    ValueError
        Naming it.
    """
    for one in _as_list(given):
        if not isinstance(one, Real) or not 0 <= float(one) < 1:
            raise ValueError(f"{name} expected probabilities from 0 to below 1, got {one!r}")


def require_callbacks(callbacks: Any) -> None:
    """Raise if one of them is no callback.

    Raises
    ------
    TypeError
        Naming it.
    """
    for one in () if callbacks is None else callbacks:
        if isinstance(one, type) or not (isinstance(one, Callback) or callable(one)):
            raise TypeError(f"callbacks expected functions callback(trainer, row) and Callbacks, got {one!r}")


_OF_LOSS = {"quantiles": ("quantile", 0.5), "delta": ("huber", 1.0), "tweedie_power": ("tweedie", 1.5)}


def _require_effect(estimator: Any) -> None:
    """Raise if a parameter was given that nothing reads."""
    for name, (loss, default) in _OF_LOSS.items():
        given = getattr(estimator, name, default)
        if estimator.loss != loss and _as_list(given) != [default]:
            raise ValueError(f"{name}={given!r} needs loss={loss!r}, got {estimator.loss!r}")
    if not (isinstance(estimator.monitor, str) and estimator.monitor == "loss") and not estimator.early_stopping:
        raise ValueError(f"monitor={estimator.monitor!r} needs early_stopping=True: nothing else goes by it")


def _require_nothing_stochastic(estimator: Any, X_val: Any) -> None:
    """L-BFGS takes all rows at once, needs the same loss for the same weights, and knows no rate."""
    if estimator.normalization == "batch" or any(_as_list(estimator.dropout)):
        raise ValueError("solver='lbfgs' needs the same loss for the same weights: no dropout, no batch norm")
    if estimator.n_ens > 1:
        raise ValueError(f"solver='lbfgs' finds the weights of one network: n_ens expected 1, got {estimator.n_ens}")
    given = {name: getattr(estimator, name) for name in ("schedule", "max_norm", "callbacks")}
    given |= {"X_val": X_val, "monitor": None if estimator.monitor == "loss" else estimator.monitor}
    ignored = [name for name, value in given.items() if value is not None]
    if ignored:
        raise ValueError(f"solver='lbfgs' takes no {', '.join(ignored)}: it has no steps by a rate, and no epochs")


LAYERS = ("activation", "dropout", "normalization", "n_ens")
"""What a network is built from, beside the widths."""


def layers_of(estimator: Any) -> dict[str, Any]:
    """What the estimator says of its layers now."""
    given = {name: getattr(estimator, name) for name in LAYERS}
    return {
        name: _as_list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value
        for name, value in given.items()
    }


def require_same_layers(estimator: Any, who: str) -> None:
    """Raise if the layers were built from other parameters than those of now.

    Raises
    ------
    ValueError
        Naming the first that is another.
    """
    for name, now in layers_of(estimator).items():
        if now != estimator._layers[name]:
            raise ValueError(f"{who} needs {name}={estimator._layers[name]!r} as in the first fit, got {now!r}")


def require_same_loss(before: Any, now: Any, who: str) -> None:
    """Raise if the outputs of a network would mean something else than those that it was trained to give.

    Raises
    ------
    ValueError
        Naming both losses.
    """
    if (before.name, before.link, before.quantiles) != (now.name, now.link, now.quantiles):
        words = [f"{one.name!r}" + (f" of {list(one.quantiles)}" if one.quantiles else "") for one in (before, now)]
        raise ValueError(f"{who} needs loss={words[0]} as in the first fit, got {words[1]}")


def require_alike(y: Any, y_val: Any) -> None:
    """Raise if they have not as many targets.

    Raises
    ------
    ValueError
        Naming both numbers.
    """
    targets, targets_val = ([*one.shape, 1][1] for one in (y, y_val))
    if targets != targets_val:
        raise ValueError(f"y_val expected {targets} targets as y has, got {targets_val}")


def _as_list(value: Any) -> list[Any]:
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
