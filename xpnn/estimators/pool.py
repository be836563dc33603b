"""Trainers that are kept for the next fit of the same kind, with their compiled steps.

To record a step takes as long as fifty plain ones. A search or a cross-validation fits the same network again and
again, from other weights and on other rows: it records once. A fit borrows a trainer, writes its own first weights into
the trainer's network, and takes the trained ones out; two fits at a time never have the same one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Number
from typing import Any

from xpnn.arrays.namespaces import Array
from xpnn.estimators.rows import Dense
from xpnn.estimators.solvers import scales_inversely, set_rate
from xpnn.nn.module import Module
from xpnn.training.history import History
from xpnn.training.trainer import Trainer

__all__ = ["POOL", "Kept", "Pool", "key_of"]

KEPT = 8  # trainers at most
LARGEST = 2**20  # parameters of one that is kept
_DECIDE = (
    "activation", "solver", "alpha", "learning_rate", "learning_rate_init", "power_t", "momentum",
    "nesterovs_momentum", "beta_1", "beta_2", "epsilon", "dropout", "normalization", "schedule", "max_norm",
    "compile", "loss", "label_smoothing", "quantiles", "delta", "tweedie_power", "n_ens",
)  # fmt: skip


def key_of(estimator: Any, batches: Dense) -> Any:
    """What has to be equal for a trainer to serve again; None if it cannot be told: a function may hide anything."""
    values = [getattr(estimator, name, None) for name in _DECIDE]
    if not all(_is_plain(value) for value in values):
        return None
    if estimator.schedule is not None:
        values.append(estimator.max_iter)  # a schedule knows where it ends
    if scales_inversely(estimator):
        values.append(estimator.t_)  # of the fits before, with warm_start
    labels = getattr(estimator, "_labels", None)
    return (
        type(estimator).__name__, repr(values), tuple(estimator._widths), str(estimator._dtype),
        None if labels is None else labels.shape(), estimator._place_.describe(), type(batches).__name__, batches.rows,
        batches.batch_size, len(batches.arrays),
    )  # fmt: skip


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | bool | Number)


class Kept:
    """A place for a trainer, with its first state."""

    def __init__(self) -> None:
        self.trainer: Trainer | None = None
        self._optimizer: dict[str, Array] = {}
        self._rate: Any = None

    def takes(self, network: Module) -> bool:
        """Whether a trainer of this network is worth its memory."""
        return sum(int(p.size) for p in network.parameters()) <= LARGEST

    def keep(self, trainer: Trainer) -> None:
        """Keep a trainer that has not trained yet, of a network that nobody else has."""
        self.trainer = trainer
        self._optimizer = trainer.optimizer.state_dict()
        self._rate = trainer.optimizer.options["learning_rate"]

    def trainer_for(self, network: Module) -> Trainer | None:
        """The trainer as it was at first, with the weights of `network`; None if there is none yet."""
        trainer = self.trainer
        if trainer is None:
            return None
        trainer.model.load_state_dict(network.state_dict())
        trainer.optimizer.load_state_dict(self._optimizer)
        if trainer.optimizer.options["learning_rate"] is not self._rate:
            set_rate(trainer.optimizer, self._rate)
        trainer.history = History(trainer.history.device)
        trainer.epoch = trainer.batch = trainer.step = 0
        return trainer


class Pool:
    """The places, by key; those used longest ago make room."""

    def __init__(self) -> None:
        self._free: OrderedDict[Any, Kept] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def borrowed(self, key: Any) -> Iterator[Kept | None]:
        """A place that nobody else has meanwhile; None for the key None. After an error it is not taken back."""
        if key is None:
            yield None
            return
        with self._lock:
            kept = self._free.pop(key, None) or Kept()
        yield kept
        with self._lock:
            self._free[key] = kept
            while len(self._free) > KEPT:
                self._free.popitem(last=False)

    def clear(self) -> None:
        """Forget all trainers."""
        with self._lock:
            self._free.clear()


POOL = Pool()
"""The trainers of this process; those of another are its own."""
