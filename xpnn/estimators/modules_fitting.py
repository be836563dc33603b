"""The training of an estimator of any module: a `Trainer`, what it is judged by, and when it stops."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from scipy import sparse

from xpnn.arrays.tree import Tree, tree_map
from xpnn.estimators.alike import kept
from xpnn.estimators.modules_building import optimizer_of
from xpnn.estimators.modules_inputs import on_the_host, rows_of, taken
from xpnn.estimators.modules_metrics import judged, metrics_for, metrics_of, said_by, scorer_of
from xpnn.estimators.progress import HeldOut
from xpnn.estimators.quiet import unlogged
from xpnn.estimators.reporting import printers
from xpnn.estimators.rows import HeldOutRows, SparseRows
from xpnn.estimators.scikit_callbacks import tasks_of
from xpnn.estimators.user_line import warn
from xpnn.nn.module import Module
from xpnn.training.callbacks.base import Callback
from xpnn.training.callbacks.early_stopping import EarlyStopping
from xpnn.training.interruption import CTRL_C
from xpnn.training.steps import applied
from xpnn.training.trainer import Trainer

__all__ = ["PREDICTED", "Judged", "asked_of_step", "outputs_of", "rows_at_once", "trained", "trainer_of"]

AUTO, PREDICTED = 128, 1024  # rows of a batch, and of a prediction
_OF_STEP = ("loss", "loss_options", "label_smoothing", "compile", "max_norm", "accumulate", "metrics")


class Judged(Callback):
    """Adds metrics and the estimator's score of held-out rows to each epoch, and what a scorer says of them. They count
    rows by their own weights; those of classes are the loss's.

    Parameters
    ----------
    estimator
        The estimator that is fitted; its `module_` is the one that is trained.
    held_out
        The rows.
    metrics
        As `Trainer` takes them.
    scorer
        One of scikit-learn's, or None.
    """

    only_looks: ClassVar[bool] = True

    def __init__(
        self, estimator: Any, held_out: HeldOut, metrics: Mapping[str, Any], scorer: Callable[..., float] | None
    ) -> None:
        self.estimator, self.held_out, self.metrics, self.scorer = estimator, held_out, metrics, scorer

    def fit_starts(self, trainer: Trainer) -> None:
        """Say which numbers will be in the rows, and try the metrics: what fails is found before any training."""
        others = ["score", *([] if self.scorer is None else ["scorer"])]
        trainer.reports = [*trainer.reports, *(f"val_{name}" for name in (*self.metrics, *others))]
        if self.metrics:
            self._judged(self.estimator._outputs_of(self.held_out.X))

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """Judge this epoch."""
        held_out, estimator = self.held_out, self.estimator
        outputs = estimator._outputs_of(held_out.X)
        row |= {f"val_{name}": number for name, number in self._judged(outputs).items()}
        row["val_score"] = estimator._scored(held_out.y, estimator._predicted(outputs), held_out.sample_weight)
        if self.scorer is not None:
            row["val_scorer"] = said_by(self.scorer, estimator, held_out)
        return None

    def _judged(self, outputs: Any) -> dict[str, Any]:
        return judged(self.metrics, outputs, self.held_out.t, self.held_out.sample_weight)


def trainer_of(estimator: Any, module: Module, updates: int, before: Trainer | None = None) -> Trainer:
    """A trainer of the module by the estimator's parameters; with the optimizer and average of the one `before`."""
    optimizer = optimizer_of(estimator, module, updates) if before is None else before.optimizer
    return Trainer(
        module, estimator._objective.loss, optimizer, compile=bool(estimator.compile), max_norm=estimator.max_norm,
        accumulate=int(estimator.accumulate), average=estimator.average if before is None else before.average,
        metrics=metrics_for(estimator._objective, estimator.metrics),
    )  # fmt: skip


def asked_of_step(estimator: Any) -> list[Any]:
    """What a trainer was made by beside its optimizer, as it is now: another one is needed where it changes."""
    asked = [kept(getattr(estimator, name, None)) for name in _OF_STEP]
    return [copy.deepcopy(one) if isinstance(one, Module) else one for one in asked]


def trained(
    estimator: Any, trainer: Trainer, rows: tuple[Any, ...], batch_size: int, held_out: HeldOut | None, epochs: int,
    metrics: Mapping[str, Any],
) -> Any:  # fmt: skip
    """Train with rows `(X, t)` or `(X, t, w)` for so many epochs, or until it gets no better; gives the callback that
    knows the best epoch, or None. Metrics are those of the rows held out, or of those trained with. Ctrl-C ends it with
    a warning: weights are those of that moment, or of the best epoch before.
    """
    stopping = None if estimator._incremental else _stopping(estimator, held_out)
    callbacks: list[Any] = []
    if held_out is not None:
        callbacks.append(Judged(estimator, held_out, metrics, scorer_of(estimator.monitor, metrics)))
    callbacks += estimator.callbacks or ()
    callbacks += printers(estimator.verbose, incremental=estimator._incremental)
    if stopping is not None:
        callbacks.append(stopping)
    callbacks += tasks_of(estimator)
    arguments, options = _given(batch_size, bool(estimator.shuffle), rows, trainer.seed)
    trainer.metrics = metrics if held_out is None else {}
    trainer.training_metrics = bool(trainer.metrics)
    trainer._signals = CTRL_C
    try:
        with unlogged():
            trainer.fit(
                *arguments, **options, epochs=epochs, validation=_validation(held_out), callbacks=callbacks,
                progress=False,
            )  # fmt: skip
    except KeyboardInterrupt:
        warn("Training interrupted by user.")
        if stopping is not None:
            stopping.fit_ends(trainer)  # which was told that it may go on
    finally:
        trainer._feed = trainer._running = None  # they hold the rows
    return stopping


def _stopping(estimator: Any, held_out: HeldOut | None) -> EarlyStopping | None:
    """What ends the training early and keeps the best weights; where no rows are held out it goes by the loss."""
    if not estimator.early_stopping:
        return None
    if held_out is None:
        return EarlyStopping("loss", patience=estimator.patience)
    says = scorer_of(estimator.monitor, metrics_of(estimator.metrics)) is not None
    return EarlyStopping(f"val_{'scorer' if says else estimator.monitor}", patience=estimator.patience)


def _given(batch_size: int, shuffle: bool, rows: tuple[Any, ...], seed: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What `Trainer.fit` takes."""
    X, t, *w = rows
    if sparse.issparse(X):
        return (SparseRows(rows, batch_size, shuffle, seed),), {}
    weight = {"sample_weight": w[0]} if w else {}
    return (X, t), {"batch_size": batch_size, "shuffle": shuffle, **weight}


def rows_at_once(estimator: Any, X: Tree) -> int:
    """The batch size. A module that cannot be trained with one row, such as one with batch norm, gets no such batch.

    Raises
    ------
    ValueError
        If the batch size that was asked for leaves one.
    """
    rows, auto = rows_of(X), estimator.batch_size == "auto"
    batch_size = min(AUTO if auto else int(estimator.batch_size), rows)
    if (batch_size > 1 and rows % batch_size != 1) or not _needs_more_than(estimator, taken(X, slice(0, 1))):
        return batch_size
    found = next((n for n in range(batch_size, 1, -1) if rows % n != 1), None) if auto else None
    if found is None:
        raise ValueError(
            f"batch norm needs at least two rows in each batch, got {rows} rows in batches of {batch_size}: give "
            f"another batch_size{'' if auto else ', or auto'}"
        )
    return found


def _needs_more_than(estimator: Any, row: Tree) -> bool:
    """Whether a module with batch norm refuses a row alone; a copy is asked, since training changes statistics."""
    module = estimator.module_
    if not any("BatchNorm" in type(one).__name__ for _, one in module.named_modules()):
        return False
    try:
        applied(copy.deepcopy(module).train(), tree_map(estimator._place_.asarray, on_the_host(row)))
    except ValueError:
        return True
    return False


def _validation(held_out: HeldOut | None) -> Any:
    """What `Trainer.fit` takes."""
    if held_out is None:
        return None
    weight = () if held_out.loss_weight is None else (held_out.loss_weight,)
    rows = (held_out.X, held_out.t, *weight)
    return HeldOutRows(rows, PREDICTED) if sparse.issparse(held_out.X) else rows


def outputs_of(y: Any) -> Any:
    """The outputs of a module, if they can be those of an estimator.

    Raises
    ------
    ValueError
        If they are not one array of shape (n, outputs).
    """
    if not hasattr(y, "shape") or len(y.shape) != 2:
        given = f"an array of shape {y.shape}" if hasattr(y, "shape") else f"a {type(y).__name__}"
        raise ValueError(f"the module expected to give outputs of shape (n, outputs), got {given}")
    return y
