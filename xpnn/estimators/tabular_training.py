"""The fit of a tabular estimator: a `Trainer`, and a callback that judges each epoch and keeps the best weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any, ClassVar

import numpy

from xpnn.arrays.devices import Device
from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import to_host
from xpnn.estimators.quiet import unlogged
from xpnn.estimators.reporting import printers
from xpnn.estimators.scikit_callbacks import tasks_of
from xpnn.estimators.tabular_metrics import Judge
from xpnn.estimators.tabular_network import TabularNetwork
from xpnn.estimators.tabular_plan import Plan, four_cycles
from xpnn.estimators.user_line import warn
from xpnn.optim.adam import AdamW
from xpnn.training.callbacks.base import Callback
from xpnn.training.callbacks.early_stopping import EarlyStopping
from xpnn.training.door import evaluating
from xpnn.training.history import History
from xpnn.training.interruption import CTRL_C
from xpnn.training.threads import few_threads
from xpnn.training.trainer import Trainer

__all__ = ["HeldOut", "Rows", "outputs_of", "trained"]

_AT_ONCE = 8192


@dataclass
class Rows:
    """Inputs, targets as the loss takes them, and weights or None."""

    inputs: tuple[Any, ...]
    t: Any
    weight: Any


@dataclass
class HeldOut:
    """Rows that are not trained with: inputs, targets as `Judge` takes them, and weights or None."""

    inputs: tuple[Any, ...]
    t: Any
    weight: Any


def outputs_of(network: TabularNetwork, inputs: tuple[Any, ...], place: Device) -> Any:
    """The network's outputs for rows, on the host: shape (members, n, outputs), in float64."""
    rows = len(inputs[0])
    parts = []
    with evaluating(network), few_threads(_AT_ONCE, network.widest()):
        for start in range(0, max(1, rows), _AT_ONCE):
            some = [place.asarray(part[start : start + _AT_ONCE]) for part in inputs]
            y = numpy.asarray(to_host(network(*some)), dtype=numpy.float64)
            parts.append(y if network.members > 1 else y[None])
    return parts[0] if len(parts) == 1 else numpy.concatenate(parts, axis=1)


class Best(Callback):
    """Judges each epoch, and keeps the weights of the best one."""

    only_looks: ClassVar[bool] = True

    def __init__(self, estimator: Any, held_out: HeldOut | None, judge: Judge) -> None:
        self.estimator, self.held_out, self.judge = estimator, held_out, judge
        self.best: float | None = None
        self.best_epoch = 0
        self.weights: dict[str, Any] = {}

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> None:
        """Judge the network of now."""
        if self.held_out is not None:
            model = trainer.model
            assert isinstance(model, TabularNetwork)
            outputs = outputs_of(model, self.held_out.inputs, trainer.place)
            value = self.judge(self.held_out.t, self.estimator._judged(outputs), self.held_out.weight)
            row[f"val_{self.judge.metric}"] = value
            score = value * self.judge.sign
            if not isnan(score) and (self.best is None or score > self.best):
                self.best, self.best_epoch, self.weights = score, int(row["epoch"]), model.state_dict()


def trained(
    estimator: Any, network: TabularNetwork, rows: Rows, held_out: HeldOut | None, plan: Plan, seed: int
) -> tuple[History, int]:
    """Train the network; gives the history and the epoch whose weights it has."""
    steps = plan.epochs * -(-len(rows.t) // plan.batch_size)
    optimizer = AdamW(
        network, learning_rate=four_cycles(plan.learning_rate, steps=steps), beta2=0.95,
        weight_decay=plan.weight_decay, groups=_groups(network, plan, steps),
    )  # fmt: skip
    loss = estimator._loss()
    trainer = Trainer(network, _Members(loss) if network.members > 1 else loss, optimizer, seed=seed)
    trainer._signals = CTRL_C
    best = Best(estimator, held_out, Judge(estimator._metric()))
    own = () if estimator.callbacks is None else estimator.callbacks
    callbacks = [best, *own, *tasks_of(estimator), *printers(estimator.verbose)]
    try:
        with (
            unlogged(),
            numpy.errstate(over="ignore", invalid="ignore"),
            few_threads(plan.batch_size, network.widest()),
        ):
            trainer.fit(
                rows.inputs, rows.t, epochs=plan.epochs, batch_size=plan.batch_size, sample_weight=rows.weight,
                shuffle=plan.batch_size < len(rows.t), progress=False, callbacks=callbacks,
            )  # fmt: skip
        put_back = _put_back(own)
    except FloatingPointError as error:  # overflow ends here, and is not warned of before
        what = str(error).partition(" Model and optimizer are")[0]
        raise FloatingPointError(
            f"{what} The highest rate of the schedule was {plan.learning_rate:g}: give a smaller learning_rate"
        ) from error
    except KeyboardInterrupt:
        put_back = 0
        for task in tasks_of(estimator):
            task.leaves()
        warn("Training interrupted by user.")
    if held_out is not None and best.best is None:
        warn(
            f"val_{best.judge.metric} has no value on the {len(held_out.t)} rows held out, in no epoch: the weights "
            "are those of the last. It may be that a class, or all rows but one, is not among them"
        )
    if best.weights:
        network.load_state_dict(best.weights)
    history = replace(trainer.history)
    return history, best.best_epoch or put_back or len(history)


def _put_back(callbacks: Sequence[Any]) -> int:
    """The epoch whose weights one of these has put back at the end of a training, or 0."""
    stopping = [one for one in callbacks if isinstance(one, EarlyStopping) and one.restore_best]
    return next((one.best_epoch for one in reversed(stopping) if one.best_epoch), 0)


def _groups(network: TabularNetwork, plan: Plan, steps: int) -> dict[str, dict[str, Any]]:
    """The scale learns six times as fast as the rest, frequencies a tenth: RealMLP's factors."""
    fast, slow = (four_cycles(plan.learning_rate * factor, steps=steps) for factor in (6.0, 0.1))
    groups: dict[str, dict[str, Any]] = {"scale": {"learning_rate": fast, "weight_decay": 0.0}}
    if any(name == "numbers.frequencies" for name, _ in network.named_parameters()):
        groups["numbers.frequencies"] = {"learning_rate": slow, "weight_decay": 0.0}
    return groups | {"*bias": {"weight_decay": 0.0}}


class _Members:
    """The mean of the members' losses. Not the loss of their mean, which would let them lean on each other: Gorishniy,
    Kotelnikov and Babenko, TabM: advancing tabular deep learning with parameter-efficient ensembling (2024), section 3.
    """

    def __init__(self, loss: Callable[..., Array]) -> None:
        self.loss = loss

    def __call__(self, y: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        members = int(y.shape[0])
        rows = namespace_of(y).reshape(y, (members * y.shape[1], y.shape[2]))
        xp = namespace_of(t)
        targets = xp.concat([t] * members, axis=0)
        if sample_weight is None:
            return self.loss(rows, targets)
        weight = namespace_of(sample_weight).concat([sample_weight] * members)
        return self.loss(rows, targets, sample_weight=weight)
