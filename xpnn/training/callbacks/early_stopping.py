"""Stop when it gets no better, and keep the best weights."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from math import inf, isnan
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from xpnn.training.callbacks.base import Callback
from xpnn.training.data import require_whole
from xpnn.training.direction import mode_of

if TYPE_CHECKING:
    from xpnn.training.trainer import Trainer

__all__ = ["EarlyStopping"]

_log = logging.getLogger("xpnn")


class EarlyStopping(Callback):
    """Ends the training when a number of the history has not become better for some epochs, and takes the best weights.

    Parameters
    ----------
    monitor
        The number: 'val_loss' by default, or 'loss', or 'val_' and the name of a metric.
    patience
        How many epochs without a better value it waits: 1 or more, or None to wait for ever and only keep the best
        weights.
    least
        By how much a value must be better to count, 0 or more.
    mode
        Whether a smaller ('min') or a larger ('max') value is better; 'auto' takes 'min' for names with loss, error,
        perplexity, brier or the like in them, else 'max' for those with accuracy, auc, precision, recall, f1, r2 or
        score. Of any other name you have to say it.
    restore_best
        Whether the model has the weights of the best epoch at the end of `fit`, its buffers included, and the average
        of the weights, too, if there is one. After an error or an interruption they stay as they are, so that training
        can go on.

    Attributes
    ----------
    best
        The best value, None before the first.
    best_epoch
        Its epoch.

    Raises
    ------
    ValueError
        If an argument is out of range, or `mode` is 'auto' and the name does not say which is better; in
        `fit`, if epochs have no number of that name.

    Examples
    --------
    >>> EarlyStopping(patience=3)
    EarlyStopping(monitor='val_loss', patience=3)
    """

    only_looks: ClassVar[bool] = True  # while a model is trained: it takes the weights after that

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int | None = 10,
        least: float = 0.0,
        mode: Literal["auto", "min", "max"] = "auto",
        restore_best: bool = True,
    ) -> None:
        if patience is not None:
            require_whole("patience", patience, 1)
        if not least >= 0:
            raise ValueError(f"EarlyStopping expected least of 0 or more, got {least}")
        self.monitor, self.patience, self.least, self.restore_best = monitor, patience, float(least), restore_best
        self.mode = mode_of("EarlyStopping", monitor, mode)
        self._start()

    def _start(self) -> None:
        self.best: float | None = None
        self.best_epoch = self._waited = 0
        self._weights: dict[str, Any] = {}

    def fit_starts(self, trainer: Trainer) -> None:
        """Begin anew, unless this goes on from a checkpoint; refuse what will not be reported."""
        known = self.monitor.removeprefix("val_") in ("loss", *trainer.metrics)  # others a callback may add to the row
        if known and self.monitor not in trainer.reports:
            self._refuse(trainer, trainer.reports)
        if not trainer.resumed:
            self._start()

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """Compare this epoch with the best so far."""
        if self.monitor not in row:
            self._refuse(trainer, row)
        value = row[self.monitor]
        if self._is_better(value):
            self.best, self.best_epoch, self._waited = value, int(row["epoch"]), 0
            if self.restore_best:
                self._weights = trainer.evaluated.state_dict()
            return None
        self._waited += 1
        if self.patience is None or self._waited < self.patience:
            return None
        _log.info(
            "stopped after epoch %d: %s was best, %.6g, in epoch %d", row["epoch"], self.monitor, self.best or 0.0,
            self.best_epoch,
        )  # fmt: skip
        return True

    def _refuse(self, trainer: Trainer, names: Iterable[str]) -> NoReturn:
        remedy = ""
        if self.monitor.startswith("val_") and not any(name.startswith("val_") for name in names):
            remedy = ": give fit validation=(x, t)"
        elif self.monitor in trainer.metrics:
            remedy = ": give Trainer training_metrics=True"
        given = ", ".join(names)
        raise ValueError(f"EarlyStopping expected a number {self.monitor!r} in each epoch, got {given}{remedy}")

    def _is_better(self, value: float) -> bool:
        if isnan(value):
            return False
        if self.best is None:
            return True
        gain = value - self.best if self.mode == "max" else self.best - value
        return gain > self.least if self.best not in (inf, -inf) else gain > 0

    def fit_ends(self, trainer: Trainer) -> None:
        """Take the best weights, unless training was broken off: then it may go on from its own."""
        if self._weights and not trainer.interrupted:
            trainer.take_weights(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """The best value, its epoch and its weights."""
        numbers = {"best": self.best, "best_epoch": self.best_epoch, "waited": self._waited}
        return {**numbers, **{f"weights.{name}": array for name, array in self._weights.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.best, self.best_epoch, self._waited = state["best"], state["best_epoch"], state["waited"]
        self._weights = {k.removeprefix("weights."): v for k, v in state.items() if k.startswith("weights.")}

    def __repr__(self) -> str:
        return f"EarlyStopping(monitor={self.monitor!r}, patience={self.patience})"
