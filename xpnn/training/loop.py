"""The loop: batches become steps, steps epochs, until the goal is reached, a callback has enough, or a signal comes.

    while not reached:
        for calls in feed:          # the arguments of a few steps of equal shapes
            make the steps
            now and then: is all finite? report; save
        the epoch's row, validation, callbacks, a checkpoint

Every so many steps, and at the end of an epoch, the loop looks whether all is finite and keeps a copy of the state.
Whatever goes wrong after that takes model, optimizer and position back to the copy, so they always belong together.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from xpnn.arrays.namespaces import is_floating
from xpnn.nn.module import Slot
from xpnn.training.callbacks.base import Callbacks
from xpnn.training.feeds import Call, Feed, Held
from xpnn.training.interruption import Interruption, noticed
from xpnn.training.nonfinite import all_finite
from xpnn.training.retracing import Retracing
from xpnn.training.running import Running
from xpnn.training.state import POSITION
from xpnn.training.steps import Layout, Steps

if TYPE_CHECKING:
    from xpnn.training.trainer import Trainer

__all__ = ["Goal", "Loop"]

_log = logging.getLogger("xpnn")

IN_ONE_GO = 0.05  # seconds of steps between which nobody looks at the clock or for signals


@dataclass
class Goal:
    """When training ends: at the first of these that is reached.

    Attributes
    ----------
    epoch
        After this epoch, counted from the trainer's first.
    step
        After this update.
    seconds
        After so much time.
    epoch_steps
        How many updates an epoch has, if that is known.
    """

    epoch: int | None
    step: int | None
    seconds: float | None
    epoch_steps: int | None = None


def _is_true(given: Any) -> bool:
    """Whether a callback gave True, and not some other value that happens to be one of its last line."""
    return isinstance(given, bool | numpy.bool_) and bool(given)


class Loop:
    """One call of `fit`."""

    def __init__(
        self, trainer: Trainer, feed: Feed, goal: Goal, callbacks: Callbacks, *,
        running: Running, accumulate: int, report_every: int, held_out: Any, checkpoint: Any,
    ) -> None:  # fmt: skip
        self.trainer, self.feed, self.goal, self.callbacks = trainer, feed, goal, callbacks
        self.running, self.accumulate, self.report_every = running, accumulate, report_every
        self.held_out, self.checkpoint = held_out, checkpoint
        self.interruption = Interruption()
        self._started = time.perf_counter()
        self._epoch_started = 0.0
        self._copy: tuple[Any, ...] = ()
        self._spare: Any = None
        self.saved_to: Any = None
        self._retracing = Retracing(self)
        self._most = 1  # steps that are made in one go: first one, then as many as the clock allows
        self._saved_step = trainer.step if trainer.resumed else -1
        self._scored: tuple[int, float | None] = -1, None  # after which step there was which score
        self._buffers: list[Slot] = []  # that have to be finite

    def run(self) -> None:
        """Train until the goal is reached."""
        with noticed(self.trainer._signals) as self.interruption:
            self._buffers = self._finite_buffers()
            self._keep()
            self.trainer.ended = self.trainer.ended and self.trainer.resumed
            while not (self.trainer.ended or self._reached()):
                self.trainer.ended = self._epoch()
            if self.checkpoint is not None:
                self.save_at_end()
            self._heed()

    @property
    def steps(self) -> Steps:
        """The trainer's, which a callback may have given another loss."""
        return self.trainer._steps()

    # The goal

    def _reached(self) -> bool:
        trainer, goal = self.trainer, self.goal
        return (
            (goal.epoch is not None and trainer.epoch >= goal.epoch)
            or (goal.step is not None and trainer.step >= goal.step)
            or (goal.seconds is not None and time.perf_counter() - self._started >= goal.seconds)
        )

    def _ahead(self, calls: list[Call]) -> tuple[int, int]:
        """How many steps of the kind of these are likely to come, and how many of them before other code runs."""
        if self.feed.epoch_batches is None:
            return 0, 0
        rows = calls[0][0].shape[0]
        held = self.feed if isinstance(self.feed, Held) else None
        whole = held is None or self.accumulate > 1 or rows == held.batch_size
        times = self.feed.epoch_batches // self.accumulate if whole else 1
        if held is not None and whole and self.accumulate == 1:
            times = (held.rows or 0) // held.batch_size
        left = 1
        if self.goal.epoch is not None:
            left = max(1, self.goal.epoch - self.trainer.epoch)
        elif self.goal.step is not None and self.goal.epoch_steps:
            left = -(-(self.goal.step - self.trainer.step) // self.goal.epoch_steps)
        ahead = left * times
        if self.goal.step is not None:
            ahead = min(ahead, self.goal.step - self.trainer.step)
        return ahead, min(ahead, times) if self.callbacks.may_change else ahead

    # An epoch

    def _epoch(self) -> bool:
        """One epoch, or what is left of it; whether a callback wants to end the training."""
        trainer = self.trainer
        self._epoch_started = time.perf_counter() - trainer.seconds_in_epoch
        trainer.model.train()
        try:
            self.callbacks.tell("epoch_starts", trainer)
            if self.callbacks.may_change:
                self._keep_anew()
            finished = self._batches()
            if not finished:
                return False
            row = self._row()
        finally:
            trainer.model.eval()
        trainer.epoch += 1
        trainer.batch, trainer.seconds_in_epoch = 0, 0.0
        self.running.start()
        trainer.history.rows.append(row)
        self._keep_position()
        if self.held_out is not None:
            row |= {f"val_{name}": number for name, number in self.held_out().items()}
        trainer.ended = any(map(_is_true, self.callbacks.tell("epoch_ends", trainer, row)))
        if self.callbacks.may_change:  # they may have changed anything
            self.steps.training.doubt()
            self._keep_anew()
        self._score(row)
        self._checkpoint(row)
        self._heed()
        return trainer.ended

    def _batches(self) -> bool:
        """The steps of an epoch from the trainer's position on; whether it came to the epoch's end."""
        trainer = self.trainer
        with self._undoing():
            for calls in self.feed.calls(trainer.epoch, trainer.batch, self.accumulate):
                while calls:
                    some = min(len(calls), self._until_event(), self._most)
                    self._advance(calls[:some])
                    calls = calls[some:]
                    self._between()
                    if self._reached():
                        return self._broke_off(calls)
            if trainer.batch == 0:
                raise ValueError("the loader gave no batches in this epoch")
            self.running.sum_up()
            self._look(summed=True)
        return True

    def _broke_off(self, calls: Sequence[Call]) -> bool:
        """The goal is reached within an epoch, unless this was its last step."""
        trainer = self.trainer
        if not calls and self.feed.epoch_batches is not None and trainer.batch >= self.feed.epoch_batches:
            self.running.sum_up()
            self._look(summed=True)
            return True
        self._look()
        self._checkpoint(None, now=True)
        return False

    def _until_event(self) -> int:
        """How many steps until the next look, the end, or a checkpoint."""
        trainer = self.trainer
        until = self.report_every - self._steps_in_epoch() % self.report_every
        if self.goal.step is not None:
            until = min(until, self.goal.step - trainer.step)
        if every := getattr(self.checkpoint, "every_steps", None):
            until = min(until, every - trainer.step % every)
        return until

    def _steps_in_epoch(self) -> int:
        return -(-self.trainer.batch // self.accumulate)

    def _advance(self, calls: list[Call]) -> None:
        """Make these steps."""
        ahead, undisturbed = self._ahead(calls)
        steps, start = self.steps, time.perf_counter()
        full = self._retracing.keeps and self._retracing.note(calls)
        self._count(steps.training.each(calls, ahead=ahead, undisturbed=undisturbed), calls, steps.layout)
        self._most = max(1, int(IN_ONE_GO * len(calls) / (time.perf_counter() - start + 1e-9)))
        if full:
            self._look()

    def _count(self, results: list[Any], calls: list[Call], layout: Layout | None) -> None:
        """Add what steps of equal shapes gave to the sums, and move on by their batches."""
        assert layout is not None
        first, width = calls[0], layout.arrays
        rows = float(sum(first[n].shape[0] for n in range(width - 1, len(first), width)))
        if not isinstance(results[0], tuple):
            self.running.add(results, [rows] * len(results), [])
        elif len(results[0]) == 2:
            outputs = [[(y, call[1])] for (_, y), call in zip(results, calls, strict=True)]
            self.running.add([value for value, _ in results], [rows] * len(results), outputs)
        else:
            several = [layout.batches(call) if ys else [] for (*_, ys), call in zip(results, calls, strict=True)]
            outputs = [
                [(y, *batch[1:]) for y, batch in zip(ys, batches, strict=True)]
                for (*_, ys), batches in zip(results, several, strict=True)
            ]
            shares = [rows if share is None else share for _, share, _ in results]
            self.running.add([value for value, *_ in results], shares, outputs)
        self.trainer.batch += len(results) * (len(first) // width)
        self.trainer.step += len(results)

    def _between(self) -> None:
        """After some steps: look and report where it is time, save, and see whether a signal came."""
        trainer = self.trainer
        trainer.seconds_in_epoch = time.perf_counter() - self._epoch_started
        last = self.feed.epoch_batches is not None and trainer.batch >= self.feed.epoch_batches
        if self._steps_in_epoch() % self.report_every == 0 and not last:
            self.running.sum_up()
            self._look(summed=True)
            self._report()
        if not last:
            self._checkpoint(None)
            self._heed()

    def _report(self) -> None:
        trainer = self.trainer
        row = {"epoch": trainer.epoch + 1, "batch": trainer.batch, "step": trainer.step, "loss": self.running.loss()}
        row |= self.running.numbers()
        self.callbacks.tell("report", trainer, row)
        if self.callbacks.may_change:
            self.steps.training.doubt()
            self._keep_anew()

    def _row(self) -> dict[str, Any]:
        trainer = self.trainer
        row: dict[str, Any] = {"epoch": trainer.epoch + 1, "loss": self.running.loss(), **self.running.numbers()}
        row["learning_rate"] = trainer.learning_rate()
        if trainer.skipped_in_epoch:
            row["skipped"] = trainer.skipped_in_epoch
            trainer.skipped_in_epoch = 0
        row["seconds"] = time.perf_counter() - self._epoch_started
        return row

    # Looks, and going back

    def _state(self) -> list[Any]:
        """Arrays that have to be finite."""
        groups = self.trainer.optimizer.groups
        own = [array for group in groups for array in (group.parameters, *group.state.values())]
        own += [slot.value for slot in self._buffers]
        return own + [array for one in self.trainer.also.values() for array in one.state_dict().values()]

    def _finite_buffers(self) -> list[Slot]:
        """Floating-point buffers of the model, such as running means, that are finite at the beginning: a mask of
        minus infinity is meant to be.
        """
        slots = [slot for slot in self.trainer.model.slots("buffer") if is_floating(slot.value.dtype)]
        return [slot for slot in slots if all_finite([slot.value], self.trainer.place)]

    def _keep(self) -> None:
        """Keep a copy of all that a step changes, in the place of the copy before the last: while it is made, the last
        one is whole.
        """
        copy = (*self.trainer._copy(self._spare), self.running.saved())
        self._spare = self._copy[1] if self._copy else None
        self._copy = copy
        self._retracing.forget()

    def _keep_anew(self) -> None:
        """Keep a copy after a callback that may have changed anything: what it froze or replaced makes other arrays."""
        self._spare = None
        self._keep()

    def _keep_position(self) -> None:
        """An epoch ended where the copy was made: only the position is another."""
        _, snapshot, _ = self._copy
        self._copy = ({name: getattr(self.trainer, name) for name in POSITION}, snapshot, self.running.saved())

    def _go_back(self, copy: tuple[Any, ...] | None = None) -> None:
        *trainer, running = copy or self._copy
        self.trainer._go_back(trainer)
        self.running.restore(running)

    def _look(self, *, summed: bool = False) -> None:
        """Raise, or undo steps, if something is not finite; else keep a copy. `summed` says whether the sums of the
        epoch were just added up.
        """
        trainer = self.trainer
        if trainer.nonfinite != "ignore" and not self._all_finite():
            self._retracing.undo(summed)
        elif trainer.step > self._copy[0]["step"]:
            self._retracing.undone_in_a_row = 0
        self._keep()

    def _all_finite(self) -> bool:
        return all_finite([*self.running.to_check(), *self._state()], self.trainer.place)

    @contextmanager
    def _undoing(self) -> Iterator[None]:
        """Whatever goes wrong inside, model, optimizer and position go back to the last look."""
        try:
            yield
        except BaseException as error:  # an interruption too
            broke_off = self.trainer.epoch + 1
            try:
                self._go_back()
            except Exception as another:  # the first error is the one to see
                error.add_note(
                    f"Model and optimizer could not be taken back to the last look: {type(another).__name__}: {another}"
                )
            self._explain(error, broke_off)
            raise

    def _explain(self, error: BaseException, epoch: int) -> None:
        trainer = self.trainer
        if isinstance(error, MemoryError):  # CuPy's OutOfMemoryError is one
            error.add_note(
                f"It broke off in epoch {epoch} on {trainer.place.name}: model and optimizer are as after step "
                f"{trainer.step}. A smaller batch_size needs less memory"
            )
        held = self.feed if isinstance(self.feed, Held) else None
        if isinstance(error, ValueError) and held and (rows := held.rows or 0) > 1 and rows % held.batch_size == 1:
            error.add_note(
                f"The last batch of an epoch has 1 of {rows} rows; if that is too few, as for BatchNorm1d, take "
                f"another batch_size than {held.batch_size}"
            )

    # Saving and signals

    def _checkpoint(self, row: dict[str, Any] | None, *, now: bool = False) -> None:
        """Save if it is time to; `row` is given at the end of an epoch."""
        if self.checkpoint is None or not (now or self._is_due(row)):
            return
        trainer = self.trainer
        if row is None:
            self._look()
        arrays, metadata = trainer.state_dict()
        step, score = self._scored
        score = score if step == trainer.step else None
        self.saved_to = self.checkpoint.save(arrays, metadata, epoch=trainer.epoch, step=trainer.step, score=score)
        self._saved_step = trainer.step

    def _score(self, row: dict[str, Any]) -> None:
        """Note the number of this row that decides which checkpoint is the best."""
        name = None if self.checkpoint is None else self.checkpoint.score_name
        if name is None:
            return
        if name not in row and self._scored[0] < 0:
            warnings.warn(
                f"Checkpoints(best={name!r}) expected a number of that name in each epoch, got {', '.join(row)}: this "
                "epoch is not among the best",
                UserWarning,
                stacklevel=5,
            )
        self._scored = self.trainer.step, row.get(name)

    def _is_due(self, row: dict[str, Any] | None) -> bool:
        due: bool = self.checkpoint.due(step=self.trainer.step, epoch=None if row is None else self.trainer.epoch)
        return due

    def save_at_end(self) -> None:
        """A last checkpoint, unless this step has one."""
        if self._saved_step != self.trainer.step:
            self._checkpoint(None, now=True)

    def _heed(self) -> None:
        """If a signal came: save, say how to go on, and end."""
        if self.interruption.signal is None:
            return
        trainer = self.trainer
        self._look()
        trainer.interrupted = True
        self.save_at_end()
        where = f"stopped after step {trainer.step}, batch {trainer.batch} of epoch {trainer.epoch + 1}"
        if self.checkpoint is None:
            message = f"{where}: call fit again to go on from there"
        else:
            message = f"{where}; saved as {self.saved_to}. To go on: fit(..., checkpoint=..., resume=True)"
        _log.warning(message)
        self.interruption.end(message)
