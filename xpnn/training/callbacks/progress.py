"""A bar that shows how far a training is.

It moves at the trainer's reports and at the end of an epoch, never at a step: of a step of 30 µs, a call more would be
noticed, and a look at the loss on a GPU would make it wait.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import util
from typing import TYPE_CHECKING, Any, ClassVar

from xpnn.training.callbacks.base import Callback
from xpnn.training.callbacks.numbers import shown, single

if TYPE_CHECKING:
    from xpnn.training.trainer import Trainer

__all__ = ["ProgressBar", "progress_bar"]

_NOT_SHOWN = ("epoch", "batch", "step", "seconds", "learning_rate")


class ProgressBar(Callback):
    """Shows how far a training is: epoch, steps, time left, loss and metrics; on stderr, or as a widget in a notebook.

    `fit(progress=True)` adds one. It needs tqdm.

    Parameters
    ----------
    show
        Whether to show it; None shows it on a terminal or in a notebook only, so that log files stay readable.

    Raises
    ------
    ModuleNotFoundError
        In `fit`, if it is to be shown and tqdm is not installed.

    Examples
    --------
    >>> ProgressBar()
    ProgressBar(show=None)
    """

    only_looks: ClassVar[bool] = True

    def __init__(self, show: bool | None = None) -> None:
        self.show = show
        self._bar: Any = None
        self._numbers: dict[str, str] = {}

    def fit_starts(self, trainer: Trainer) -> None:
        """Show it."""
        self._bar, self._numbers = None, {}
        if not (self.show or (self.show is None and (_in_notebook() or sys.stderr.isatty()))):
            return
        total, done = _steps_in_all(trainer), trainer.step
        self._bar = _bar_class()(total=total, initial=done, unit="step", file=sys.stderr, dynamic_ncols=True)
        self._say(trainer, trainer.epoch + 1, {})

    def epoch_starts(self, trainer: Trainer) -> None:
        """Say which epoch it is."""
        if self._bar is not None:
            self._say(trainer, trainer.epoch + 1, {})

    def report(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        """Go on by the steps since the last report."""
        if self._bar is not None:
            self._say(trainer, trainer.epoch + 1, row)

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """Show the epoch's numbers."""
        if self._bar is not None:
            self._say(trainer, trainer.epoch, row)
        return None

    def fit_ends(self, trainer: Trainer) -> None:
        """Leave the last line."""
        if self._bar is not None:
            self._bar.update(trainer.step - self._bar.n)
            self._bar.close()
            self._bar = None

    def _say(self, trainer: Trainer, epoch: int, row: Mapping[str, Any]) -> None:
        """Move to the trainer's step, with these numbers beside those that are known already."""
        goal = trainer.goal.epoch
        epoch = epoch if goal is None else min(epoch, goal)
        self._bar.set_description_str(f"epoch {epoch}" + (f"/{goal}" if goal is not None else ""), refresh=False)
        self._numbers |= {name: shown(value) for name, value in single(row).items() if name not in _NOT_SHOWN}
        self._bar.set_postfix(self._numbers, refresh=False)
        self._bar.update(trainer.step - self._bar.n)

    def __repr__(self) -> str:
        return f"ProgressBar(show={self.show})"


def progress_bar(wanted: bool | None) -> ProgressBar | None:
    """A bar if one is wanted; None wants one on a terminal or in a notebook, where tqdm is installed."""
    there = util.find_spec("tqdm") is not None
    if wanted is None:
        wanted = there and (_in_notebook() or sys.stderr.isatty())
    if wanted and not there:
        raise ModuleNotFoundError("progress=True needs tqdm: pip install 'xpnn[progress]'")
    return ProgressBar(show=True) if wanted else None


def _steps_in_all(trainer: Trainer) -> int | None:
    """After which update training will end, if that is known."""
    goal = trainer.goal
    ends = [] if goal.step is None else [goal.step]
    if goal.epoch is not None and goal.epoch_steps is not None:
        begun = -(-trainer.batch // trainer.accumulate)
        ends.append(trainer.step + max(0, goal.epoch - trainer.epoch) * goal.epoch_steps - begun)
    return min(ends, default=None)


def _in_notebook() -> bool:
    """Whether this runs in a notebook's kernel."""
    ipython = sys.modules.get("IPython")  # nobody runs in one without having loaded it
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def _bar_class() -> Any:
    """tqdm's bar for where this runs: of widgets in a notebook that has them."""
    if util.find_spec("tqdm") is None:
        raise ModuleNotFoundError("ProgressBar needs tqdm: pip install 'xpnn[progress]'")
    if _in_notebook() and util.find_spec("ipywidgets") is not None:
        from tqdm.notebook import tqdm as widget

        return widget
    from tqdm import tqdm

    return tqdm
