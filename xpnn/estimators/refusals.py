"""Parameters that do not go together: refused before any work, since one of them would do nothing, or fail later."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from xpnn.estimators.reporting import require_bars

__all__ = ["layers_of", "require_alike", "require_possible", "require_same_layers", "require_same_loss"]


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


def _require_nothing_stochastic(estimator: Any, X_val: Any) -> None:
    """L-BFGS takes all rows at once, needs the same loss for the same weights, and knows no rate."""
    if estimator.normalization == "batch" or any(_as_list(estimator.dropout)):
        raise ValueError("solver='lbfgs' needs the same loss for the same weights: no dropout, no batch norm")
    if estimator.n_ens > 1:
        raise ValueError(f"solver='lbfgs' finds the weights of one network: n_ens expected 1, got {estimator.n_ens}")
    given = {name: getattr(estimator, name) for name in ("schedule", "max_norm", "callbacks")}
    ignored = [name for name, value in {**given, "X_val": X_val}.items() if value is not None]
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
