"""The training of an estimator of any module: a `Trainer`, what it is judged by, and when it stops."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from scipy import sparse
from sklearn import config_context
from sklearn.metrics import get_scorer, get_scorer_names

from xpnn.arrays.tree import Tree
from xpnn.estimators.fitting import HeldOut
from xpnn.estimators.modules_building import optimizer_of
from xpnn.estimators.modules_inputs import on_the_host, rows_of
from xpnn.estimators.quiet import unlogged
from xpnn.estimators.rows import SparseRows
from xpnn.estimators.scikit_callbacks import tasks_of
from xpnn.nn.module import Module
from xpnn.training.callbacks.base import Callback
from xpnn.training.callbacks.early_stopping import EarlyStopping
from xpnn.training.callbacks.table import PrintTable
from xpnn.training.interruption import CTRL_C
from xpnn.training.metrics.accumulating import METRICS
from xpnn.training.metrics.base import Metric
from xpnn.training.trainer import Trainer

__all__ = ["Judged", "metrics_of", "scorer_of", "trained", "trainer_of"]

_METRICS = {function.__name__: function for function in METRICS}


def metrics_of(given: Mapping[str, Any] | Iterable[str] | None) -> dict[str, Metric | Callable[..., Any]]:
    """Metrics by name, from a dictionary as `Trainer` takes it or the names of functions of `training.metrics`.

    Raises
    ------
    ValueError
        If a name is none of them.
    """
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    names = [given] if isinstance(given, str) else list(given)
    for name in names:
        if name not in _METRICS:
            raise ValueError(f"metrics expected names among {', '.join(_METRICS)}, or a dictionary, got {name!r}")
    return {name: _METRICS[name] for name in names}


def scorer_of(monitor: Any, metrics: Iterable[str]) -> Callable[..., float] | None:
    """The scorer that `monitor` is or names; None if it is 'loss', 'score' or a metric.

    Raises
    ------
    ValueError
        If it names nothing.
    """
    if callable(monitor):
        return monitor  # type: ignore[no-any-return]
    known = ["loss", "score", *metrics]
    if monitor in known:
        return None
    if monitor not in get_scorer_names():
        raise ValueError(f"monitor expected one of {', '.join(known)} or the name of a scorer, got {monitor!r}")
    return get_scorer(monitor)  # type: ignore[no-any-return]


class Judged(Callback):
    """Adds the estimator's score of held-out rows to each epoch, and what a scorer says of them.

    Parameters
    ----------
    estimator
        The estimator that is fitted; its `module_` is the one that is trained.
    held_out
        The rows.
    scorer
        One of scikit-learn's, or None.
    """

    only_looks: ClassVar[bool] = True

    def __init__(self, estimator: Any, held_out: HeldOut, scorer: Callable[..., float] | None) -> None:
        self.estimator, self.held_out, self.scorer = estimator, held_out, scorer

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """Judge this epoch."""
        held_out, estimator = self.held_out, self.estimator
        outputs = estimator._outputs_of(held_out.X)
        row["val_score"] = estimator._scored(held_out.y, estimator._predicted(outputs), held_out.sample_weight)
        if self.scorer is not None:
            weight = {} if held_out.sample_weight is None else {"sample_weight": held_out.sample_weight}
            with config_context(array_api_dispatch=False), warnings.catch_warnings():
                # rows of a table are an array by now
                warnings.filterwarnings("ignore", message="X does not have valid feature names")
                row["val_scorer"] = float(self.scorer(estimator, held_out.X, held_out.y, **weight))
        return None


def trainer_of(estimator: Any, module: Module, updates: int) -> Trainer:
    """A trainer of the module by the estimator's parameters."""
    return Trainer(
        module, estimator._objective.loss, optimizer_of(estimator, module, updates), compile=bool(estimator.compile),
        max_norm=estimator.max_norm, accumulate=int(estimator.accumulate), average=estimator.average,
        metrics=metrics_of(estimator.metrics),
    )  # fmt: skip


def trained(estimator: Any, trainer: Trainer, rows: tuple[Any, ...], held_out: HeldOut | None, epochs: int) -> Any:
    """Train with rows `(X, t)` or `(X, t, w)` for so many epochs, or until it gets no better; gives the callback that
    knows the best epoch, or None.
    """
    stopping = None if estimator._incremental else _stopping(estimator, held_out)
    callbacks: list[Any] = []
    if held_out is not None:
        callbacks.append(Judged(estimator, held_out, scorer_of(estimator.monitor, trainer.metrics)))
    callbacks += estimator.callbacks or ()
    if estimator.verbose:
        callbacks.append(PrintTable())
    if stopping is not None:
        callbacks.append(stopping)
    callbacks += tasks_of(estimator)
    arguments, options = _given(estimator, rows, trainer.seed)
    trainer._signals = CTRL_C
    with _interruptible(), unlogged():
        try:
            trainer.fit(
                *arguments, **options, epochs=epochs, validation=_validation(held_out), callbacks=callbacks,
                progress=int(estimator.verbose) > 1,
            )  # fmt: skip
        finally:
            trainer._feed = trainer._running = None  # they hold the rows
    return stopping


def _stopping(estimator: Any, held_out: HeldOut | None) -> EarlyStopping | None:
    """What ends the training early and keeps the best weights; where no rows are held out it goes by the loss."""
    if not estimator.early_stopping:
        return None
    monitor = estimator.monitor
    if held_out is None:
        return EarlyStopping("loss", patience=estimator.patience)
    if scorer_of(monitor, metrics_of(estimator.metrics)) is not None:
        return EarlyStopping("val_scorer", patience=estimator.patience, mode="max")
    return EarlyStopping(f"val_{monitor}", patience=estimator.patience)


def _given(estimator: Any, rows: tuple[Any, ...], seed: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What `Trainer.fit` takes."""
    X, t, *w = rows
    batch_size, shuffle = min(int(estimator.batch_size), rows_of(X)), bool(estimator.shuffle)
    if sparse.issparse(X):
        return (SparseRows(rows, batch_size, shuffle, seed),), {}
    weight = {"sample_weight": w[0]} if w else {}
    return (X, t), {"batch_size": batch_size, "shuffle": shuffle, **weight}


def _validation(held_out: HeldOut | None) -> tuple[Tree, ...] | None:
    if held_out is None:
        return None
    weight = () if held_out.loss_weight is None else (held_out.loss_weight,)
    return (on_the_host(held_out.X), held_out.t, *weight)


@contextmanager
def _interruptible() -> Any:
    """Ctrl-C ends a fit with a warning; the estimator has the weights of that moment."""
    try:
        yield
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=8)


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
