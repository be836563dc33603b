"""What is checked of the options of a trainer and of `fit`, each with one clear error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy

from xpnn.arrays.random import require_seed
from xpnn.nn.module import Module
from xpnn.optim.averaging import WeightAverage
from xpnn.optim.base import Optimizer
from xpnn.optim.lbfgs import LBFGS
from xpnn.training.data import require_whole
from xpnn.training.metrics.base import Metric

if TYPE_CHECKING:
    from xpnn.training.callbacks.base import Callbacks
    from xpnn.training.checkpoints import Checkpoints
    from xpnn.training.trainer import Trainer

__all__ = ["check_bounds", "check_score", "check_switches", "check_trainer", "is_loader", "refuse_loader"]

_TAKEN = {"loss", "epoch", "seconds", "learning_rate", "skipped", "batch", "step"}


def check_trainer(trainer: Trainer) -> None:
    """Raise TypeError or ValueError if what a trainer was given does not fit together."""
    _check_parts(trainer)
    _check_metrics(trainer.metrics)
    require_seed(trainer.seed)
    if trainer.max_norm is not None and not trainer.max_norm > 0:
        raise ValueError(f"Trainer expected max_norm above 0, got {trainer.max_norm}")
    require_whole("accumulate", trainer.accumulate, 1)
    for name in ("compile", "training_metrics"):
        if not isinstance(getattr(trainer, name), bool | numpy.bool_):
            raise TypeError(f"Trainer expected {name} to be True or False, got {getattr(trainer, name)!r}")
    if trainer.nonfinite not in ("raise", "skip", "ignore"):
        raise ValueError(f"Trainer expected nonfinite 'raise', 'skip' or 'ignore', got {trainer.nonfinite!r}")
    _check_average(trainer)
    _check_own_step(trainer)


def _check_parts(trainer: Trainer) -> None:
    model, optimizer = trainer.model, trainer.optimizer
    if not isinstance(model, Module):
        raise TypeError(f"Trainer expected a model (a Module), got {type(model).__name__}")
    if isinstance(optimizer, LBFGS):
        raise TypeError("Trainer takes no LBFGS, which has a loop of its own: call its step(loss)")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"Trainer expected an optimizer, such as Adam(model, ...), got {type(optimizer).__name__}")
    if optimizer.model is not model:
        raise ValueError("Trainer expected an optimizer made for this model: Adam(model, ...)")
    if not callable(trainer.loss) and not (trainer.loss is None and trainer.step_function is not None):
        raise TypeError(f"Trainer expected a loss function, got {type(trainer.loss).__name__}")


def _check_metrics(metrics: Any) -> None:
    values = metrics.values() if isinstance(metrics, Mapping) else None
    if values is None or not all(isinstance(one, Metric) or callable(one) for one in values):
        raise TypeError(f"Trainer expected metrics as {{'name': function or Metric}}, got {metrics!r:.60}")
    if taken := _TAKEN & metrics.keys():
        raise ValueError(f"Trainer expected other names for metrics than {', '.join(sorted(taken))}")


def _check_average(trainer: Trainer) -> None:
    if trainer.average is None or (isinstance(trainer.average, float | int) and not isinstance(trainer.average, bool)):
        return
    if not isinstance(trainer.average, WeightAverage):
        raise TypeError(f"Trainer expected average to be a decay or a WeightAverage, got {trainer.average!r:.60}")
    if trainer.average.of is not trainer.model:
        raise ValueError("Trainer expected the WeightAverage of this model: WeightAverage(model, ...)")


def _check_own_step(trainer: Trainer) -> None:
    if trainer.step_function is None:
        if trainer.also:
            raise ValueError("Trainer expected `also` only beside a step_function")
        return
    if not callable(trainer.step_function):
        raise TypeError(f"Trainer expected step_function to be a function, got {trainer.step_function!r:.60}")
    if trainer.max_norm is not None or trainer.accumulate != 1 or trainer.training_metrics:
        raise ValueError(
            "Trainer expected no max_norm, accumulate or training_metrics beside a step_function, which does its "
            "own clipping and gives no outputs"
        )
    for name, one in trainer.also.items():
        if not (hasattr(one, "state_dict") and hasattr(one, "load_state_dict")):
            raise TypeError(f"Trainer expected also[{name!r}] to have state_dict and load_state_dict")


def check_bounds(epochs: Any, steps: Any, seconds: Any, batch_size: Any, report_every: Any) -> None:
    """Raise ValueError if a number given to `fit` is out of range."""
    if epochs is not None:
        require_whole("epochs", epochs, 0)
    if steps is not None:
        require_whole("steps", steps, 0)
    if seconds is not None and (isinstance(seconds, bool) or not (isinstance(seconds, int | float) and seconds >= 0)):
        raise ValueError(f"fit expected seconds of 0 or more, got {seconds!r}")
    require_whole("report_every", report_every, 1)
    if batch_size is not None:
        require_whole("batch_size", batch_size, 1)


def is_loader(who: str, x: Any, **beside: Any) -> bool:
    """Whether `x` is a `Loader`, or something like one.

    Raises
    ------
    ValueError
        If it is, and one of `beside`, which a loader decides, is not None.
    """
    if not hasattr(x, "batches"):
        return False
    for name in [name for name, value in beside.items() if value is not None]:
        own = {"t": "Loader(x, t)", "class_weight": "Loader(x, t, sample_weight=...)"}.get(
            name, f"Loader(x, t, {name}=...)"
        )
        raise ValueError(f"{who} expected no {name} beside a Loader, which has its own: {own}")
    return True


def refuse_loader(who: str, x: Any) -> None:
    """Raise TypeError if `x` is a `Loader`."""
    if is_loader(who, x):
        raise TypeError(f"{who} expected arrays, got a {type(x).__name__}: {who} the x of one of its batches at a time")


def check_switches(*, shuffle: Any, resume: Any, progress: Any) -> None:
    """Raise TypeError if what `fit` expects to be True or False is something else, such as the word 'no'."""
    for name, value in (("shuffle", shuffle), ("resume", resume), ("progress", progress)):
        if not (isinstance(value, bool | numpy.bool_) or (name != "resume" and value is None)):
            raise TypeError(f"fit expected {name} to be True or False, got {value!r:.60}")


def check_score(checkpoints: Checkpoints | None, trainer: Trainer, callbacks: Callbacks) -> None:
    """Raise ValueError if what is to say which checkpoint is the best is not reported; callbacks may add numbers."""
    name = None if checkpoints is None else checkpoints.score_name
    if name is None or name in trainer.reports:
        return
    if not callbacks.given or name.removeprefix("val_") in ("loss", *trainer.metrics):
        raise ValueError(f"Checkpoints expected best to be one of {', '.join(trainer.reports)}, got {name!r}")
