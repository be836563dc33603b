"""The search for steps that left something not finite: those since the last look are made again, plainly, one by one.

Each step is a function of the state and of its batch, so the same comes out as before, and the first bad step is found.
What data a step had comes from the feed once more; a stream may be one that can be read only once, so of a stream the
batches since the last look are kept, and at 64 MiB of them it is time for a look.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from xpnn.training.feeds import Call
from xpnn.training.nonfinite import all_finite, cause

if TYPE_CHECKING:
    from xpnn.training.loop import Loop

__all__ = ["Retracing"]

_log = logging.getLogger("xpnn")

SKIPPED_AT_MOST = 100  # steps in a row
KEPT_AT_MOST = 2**26  # bytes of batches of a stream


class Retracing:
    """What a loop needs to make the steps since its last look again."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.trainer = loop, loop.trainer
        self.keeps = loop.feed.read_once and loop.trainer.nonfinite != "ignore"
        self.undone_in_a_row = 0
        self._kept: list[Call] = []
        self._bytes = 0

    def note(self, calls: Sequence[Call]) -> bool:
        """Keep the arguments of steps of a stream; whether it is time for a look."""
        self._kept += calls
        self._bytes += sum(array.size * getattr(array.dtype, "itemsize", 8) for call in calls for array in call)
        return self._bytes >= KEPT_AT_MOST

    def forget(self) -> None:
        """There was a look."""
        self._kept, self._bytes = [], 0

    def undo(self, summed: bool) -> None:
        """Undo the steps since the last look that leave something not finite, or raise an error that names the first;
        `summed` says whether the sums of the epoch were just added up.

        Raises
        ------
        FloatingPointError
            If the policy is to raise, if too many steps in a row were bad, or if none is when it is made again.
        """
        trainer, loop = self.trainer, self.loop
        what, target = self._what(), trainer.step
        loop._go_back()
        first, undone = trainer.step, 0
        for call in self._calls_until(target):
            before = (*trainer._copy(), loop.running.saved())
            loop._count([loop.steps.training.step(*call)], [call], loop.steps.layout)
            if loop._all_finite():
                self.undone_in_a_row = 0
                continue
            what = self._what()
            loop._go_back(before)
            if trainer.nonfinite == "raise":
                raise self._error(what, call)
            self._pass_over(call)
            undone += 1
            self.undone_in_a_row += 1
            self._require_some_good()
        if summed:
            loop.running.sum_up()
        if not undone:  # what was not finite does not come again: the step is no function of its arguments
            raise self._error(what, None)
        trainer.skipped_in_epoch += undone
        _log.warning("undid %d of %d steps that gave NaN or infinity", undone, target - first)

    def _require_some_good(self) -> None:
        """Raise if an epoch of steps in a row, or a hundred, had to be undone."""
        undone = self.undone_in_a_row
        if undone >= min(SKIPPED_AT_MOST, self.loop.goal.epoch_steps or SKIPPED_AT_MOST):
            raise FloatingPointError(
                f"each of the last {undone} steps gave NaN or infinity and was undone: the model does not train"
            )

    def _calls_until(self, target: int) -> Iterator[Call]:
        """The arguments of the steps from the trainer's position up to that one."""
        loop, trainer = self.loop, self.trainer
        lists = [self._kept] if self.keeps else loop.feed.calls(trainer.epoch, trainer.batch, loop.accumulate)
        for calls in lists:
            for call in calls:
                yield call
                if trainer.step >= target:
                    return

    def _pass_over(self, call: Call) -> None:
        layout = self.loop.steps.layout
        assert layout is not None
        self.trainer.batch += len(call) // layout.arrays
        self.trainer.step += 1

    def _what(self) -> str:
        """What is not finite."""
        trainer, running = self.trainer, self.loop.running
        loss = running.last_value()
        if loss is not None and not isfinite(loss):
            return f"the training loss became {loss}"
        if not isfinite(loss := running.loss()):
            return f"the training loss became {loss}"
        if not all_finite(trainer.model.parameters(), trainer.place):
            return "a parameter became NaN or infinite"
        for name, one in trainer.also.items():
            if not all_finite(list(one.state_dict().values()), trainer.place):
                return f"also[{name!r}] became NaN or infinite"
        for slot in self.loop._buffers:
            if not all_finite([slot.value], trainer.place):
                return f"the buffer {slot.name} became NaN or infinite"
        return "the optimizer's state became NaN or infinite"

    def _error(self, what: str, call: Call | None) -> FloatingPointError:
        trainer = self.trainer
        where = f"in epoch {trainer.epoch + 1}"
        if call is not None:
            where += f", step {trainer.step + 1} (batch {trainer.batch + 1} of the epoch)"
            if found := self._cause(call):
                where += f": {found}"
        steps = self.loop._copy[0]["step"]
        return FloatingPointError(
            f"{what} {where}. Model and optimizer are as after step {steps}. Try a smaller learning rate, standardised "
            "inputs, or max_norm"
        )

    def _cause(self, call: Call) -> str:
        trainer, layout = self.trainer, self.loop.steps.layout
        assert layout is not None
        batches = layout.batches(call)
        rows = [self.loop.feed.rows_of(trainer.epoch, trainer.batch + n) for n in range(len(batches))]
        try:
            return cause(trainer.model, None if trainer.step_function else trainer.loss, batches, rows)
        except Exception as error:  # of a loss that fails now and then: the error to show is the other one
            _log.debug("could not trace it: %s", error)
            return ""
