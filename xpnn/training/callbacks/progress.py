"""A bar that shows how far a training is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

from xpnn.training.callbacks.base import Callback

if TYPE_CHECKING:
    from xpnn.training.trainer import Trainer

__all__ = ["ProgressBar", "progress_bar"]


class ProgressBar(Callback):
    """Shows epochs and the last numbers on stderr, by tqdm."""

    only_looks: ClassVar[bool] = True

    def __init__(self) -> None:
        self._bar: Any = None

    def fit_starts(self, trainer: Trainer) -> None:
        """Show it."""
        from tqdm import tqdm

        goal = trainer.goal.epoch
        total = None if goal is None else goal - trainer.epoch
        self._bar = tqdm(total=total, unit="epoch", file=sys.stderr)

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """One epoch more."""
        shown = {k: f"{v:.4g}" for k, v in row.items() if k not in ("epoch", "seconds", "learning_rate")}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()
        return None

    def fit_ends(self, trainer: Trainer) -> None:
        """Leave the last line."""
        if self._bar is not None:
            self._bar.close()


def progress_bar(wanted: bool | None) -> ProgressBar | None:
    """A bar if one is wanted; None wants one on a terminal where tqdm is installed."""
    from importlib.util import find_spec

    there = find_spec("tqdm") is not None
    if wanted is None:
        wanted = sys.stderr.isatty() and there
    if wanted and not there:
        raise ModuleNotFoundError("progress=True needs tqdm: pip install 'xpnn[progress]'")
    return ProgressBar() if wanted else None
