"""From a table that was read to a trained model, and what is known about it afterwards."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy

from xpnn.arrays.devices import Device
from xpnn.cli.folder import RunFolder
from xpnn.cli.labels import notes_on_labels
from xpnn.cli.model import TableModel
from xpnn.cli.network import TableNetwork, design_for
from xpnn.cli.plan import Plan, plan_for
from xpnn.cli.reading import RawTable
from xpnn.cli.settings import Settings
from xpnn.cli.splitting import Parts, split
from xpnn.nn.losses.binary import binary_cross_entropy_with_logits
from xpnn.nn.losses.classes import cross_entropy
from xpnn.nn.losses.regression import squared_error
from xpnn.optim.adam import AdamW
from xpnn.optim.cycles import warmup_cosine
from xpnn.tables.columns import Column, TableWarning
from xpnn.tables.features import Features
from xpnn.tables.preprocessing import Preprocessing
from xpnn.tables.table import Table
from xpnn.tables.target import Target
from xpnn.training.callbacks.csv_log import CSVLog
from xpnn.training.callbacks.early_stopping import EarlyStopping
from xpnn.training.checkpoints import Checkpoints
from xpnn.training.state import versions
from xpnn.training.threads import few_threads
from xpnn.training.trainer import Trainer

__all__ = ["Prepared", "Trained", "places_of", "prepared", "trained"]

_LOSSES: dict[str, Callable[..., Any]] = {
    "regression": squared_error,
    "binary": binary_cross_entropy_with_logits,
    "multiclass": cross_entropy,
}
_SAVE_EVERY = 10.0  # seconds
_log = logging.getLogger("xpnn")


@dataclass(eq=False)
class Prepared:
    """A table, divided into parts and made into numbers, and a network that was not trained yet.

    Attributes
    ----------
    raw
        The rows that have a target.
    rows_read
        How many rows the file has.
    notes
        What a person should know.
    features, targets
        Of the training, the validation and the held-out rows.
    """

    raw: RawTable
    rows_read: int
    column: Column
    parts: Parts
    model: TableModel
    plan: Plan
    notes: list[str]
    features: tuple[Features, Features, Features]
    targets: tuple[Column, Column, Column]


@dataclass(eq=False)
class Trained:
    """A trained model, with what happened.

    Attributes
    ----------
    history
        The rows of numbers, one per epoch.
    best_epoch
        The epoch whose weights the model has; 0 if none was completed.
    seconds
        In training, without validation; with those before the run was broken off.
    """

    prepared: Prepared
    model: TableModel
    history: list[dict[str, Any]]
    best_epoch: int
    seconds: float
    device: str
    about: dict[str, Any] = field(default_factory=dict)


def prepared(raw: RawTable, settings: Settings) -> Prepared:
    """The table made ready.

    Raises
    ------
    ValueError, TypeError
        If it cannot be: lines are named.
    """
    raw.require([settings.target], "the target")
    raw.require(list(settings.kinds), "of --kind")
    if settings.target in settings.kinds:
        raise ValueError(f"{settings.target!r} is the target: say what it is by --task, not --kind")
    rows_read = len(raw)
    with places_of(raw):
        raw, column, notes = _with_target(raw, settings.target)
    with places_of(raw):
        try:
            target = Target(task=settings.task).fit(column)
        except ValueError as error:  # some of which is for the rows that were left out
            raise ValueError("; ".join([str(error), *notes])) from error
        reason = target.reason
        classes = None if target.task == "regression" else target.codes(column)
        parts = split(len(raw), share=settings.valid, seed=settings.seed, classes=classes)
        notes += [raw.in_places(note) for note in notes_on_labels(target, column)]
        target = Target(task=target.task).fit(column.take(parts.training))
        target.reason = reason
        table = Table(raw.frame)
        preprocessing = Preprocessing(kinds=settings.kinds)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TableWarning)  # they are among its messages
            preprocessing.fit(table.take(parts.training), exclude=[settings.target])
        places = (parts.training, parts.validation, parts.held_out)
        features = tuple(preprocessing.transform(table.take(rows)) for rows in places)
    notes += [raw.in_places(_for_terminal(message)) for message in preprocessing.messages]
    model = _model(preprocessing, target, features[0], settings)
    plan = plan_for(
        len(parts.training),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
    )
    targets = tuple(column.take(rows) for rows in places)
    return Prepared(raw, rows_read, column, parts, model, plan, notes, features, targets)  # type: ignore[arg-type]


def _with_target(raw: RawTable, name: str) -> tuple[RawTable, Column, list[str]]:
    """The rows that have a target, the target, and what to say about the others."""
    if not len(raw):
        raise ValueError(f"{raw.name} has the names of columns but no rows")
    column = Table(raw.frame).column(name)
    missing = numpy.flatnonzero(column.missing)
    if not len(missing):
        return raw, column, []
    if len(missing) == len(column):
        raise ValueError(f"{raw.name} has no value of the target {name!r} in any of its {len(raw)} rows")
    what = "1 row" if len(missing) == 1 else f"{len(missing)} rows"
    note = f"left out {what} without a value of {name!r}, the first in {raw.place(int(missing[0]))}"
    kept = raw.take(~column.missing)
    return kept, Table(kept.frame).column(name), [note]


def _for_terminal(message: str) -> str:
    """What a message tells a program to write, as an option of the command."""
    import re

    message = message.replace("read the file with decimal=','", "read the file with --decimal ,")
    return re.sub(r"kinds=\{(['\"])(.*?)\1: '(\w+)'\}", r"--kind '\2=\3'", message)


def _model(preprocessing: Preprocessing, target: Target, features: Features, settings: Settings) -> TableModel:
    design = design_for(features, hidden=settings.hidden, outputs=target.outputs, dropout=settings.dropout)
    network = TableNetwork(design).initialize(seed=settings.seed)
    return TableModel(preprocessing, target, design, network)


@contextmanager
def places_of(raw: RawTable) -> Iterator[None]:
    """Inside, errors that name a row of the table name its line in the file instead."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise ValueError(raw.in_places(_for_terminal(str(error)))) from error


def trained(ready: Prepared, settings: Settings, place: Device, folder: RunFolder, *, resume: bool) -> Trained:
    """Train; the weights are then those of the best epoch.

    Raises
    ------
    FloatingPointError
        If the loss is not finite.
    KeyboardInterrupt, SystemExit
        After Ctrl-C or SIGTERM, when a checkpoint is saved.
    """
    model, plan = ready.model, ready.plan
    x, x_validation = (model.design.inputs(features) for features in ready.features[:2])
    t, t_validation = (model.target.transform(column) for column in ready.targets[:2])
    steps = plan.steps(len(t))
    schedule = warmup_cosine(plan.learning_rate, steps=steps, warmup_steps=steps // 20)
    optimizer = AdamW(
        model.network,
        learning_rate=schedule,
        beta2=0.95,
        weight_decay=plan.weight_decay,
        groups={"*bias": {"weight_decay": 0.0}},
    )
    trainer = Trainer(model.network, _LOSSES[model.target.task], optimizer, device=place, seed=settings.seed)
    best = EarlyStopping(patience=None)
    threads = few_threads(plan.batch_size, model.network.widest())
    quiet = numpy.errstate(over="ignore", invalid="ignore")  # the trainer looks, and says it in one line
    with _words_of_the_command(), threads, quiet:
        trainer.fit(
            x,
            t,
            epochs=plan.epochs,
            seconds=settings.seconds,
            batch_size=plan.batch_size,
            validation=(x_validation, t_validation),
            callbacks=[best, CSVLog(folder.file("history.csv"))],
            checkpoint=Checkpoints(folder.file("checkpoints"), every_epochs=None, every_seconds=_SAVE_EVERY),
            resume=resume,
        )
    # Those of a run that was broken off are among them
    seconds = sum(row["seconds"] for row in trainer.history.rows) + trainer.seconds_in_epoch
    found = Trained(ready, model, trainer.history.rows, best.best_epoch, seconds, trainer.history.device)
    model.about = found.about = {
        "data": {"name": ready.raw.name, "sha256": ready.raw.digest, "rows": ready.rows_read},
        "target": settings.target,
        "task": model.target.task,
        "settings": settings.as_json(),
        "plan": plan.as_json(),
        "epochs": len(trainer.history),
        "best_epoch": best.best_epoch,
        "device": trainer.history.device,
        "versions": versions(),
    }
    return found


class _Words(logging.Filter):
    """What the trainer says to programmers, said to people at a terminal."""

    def filter(self, record: logging.LogRecord) -> bool:
        words = record.getMessage().replace("fit(..., checkpoint=..., resume=True)", "the same command with --resume")
        record.msg, record.args = words, None
        return True


@contextmanager
def _words_of_the_command() -> Iterator[None]:
    words = _Words()
    _log.addFilter(words)
    try:
        yield
    finally:
        _log.removeFilter(words)
