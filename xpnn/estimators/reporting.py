"""What a fit of the MLPs says while it trains: nothing, scikit-learn's lines, a table, or a table under a bar.

| `verbose` | what is said |
| --- | --- |
| False, 0 | nothing |
| True, 1 | scikit-learn's lines: 'Iteration 1, loss = 0.69314718' |
| 2 | a table: epoch, loss, validation loss and score, seconds; a star at what is better than all before |
| 3 and more | the table, and a progress bar on stderr (tqdm) |

`partial_fit` is one epoch of a loop that others write: it says its line, whatever the number.
"""

from __future__ import annotations

import sys
from importlib import util
from typing import Any

from xpnn.training.callbacks.base import Callback
from xpnn.training.callbacks.progress import ProgressBar
from xpnn.training.callbacks.table import PrintTable, beside_bars
from xpnn.training.trainer import Trainer

__all__ = ["Report", "bars", "require_bars"]

TABLE, BAR = 2, 3


class Report:
    """Prints the epochs of a fit, and why it ends.

    Parameters
    ----------
    estimator
        Whose numbers: its curves have those of an epoch when it is told of.
    incremental
        Whether this is one epoch of `partial_fit`.
    """

    def __init__(self, estimator: Any, *, incremental: bool) -> None:
        self.estimator, self.verbose = estimator, int(estimator.verbose)
        self._table = None if incremental or self.verbose < TABLE else PrintTable()

    def epoch(self, trainer: Trainer, row: dict[str, float], *, validated: bool) -> None:
        """Print an epoch; of `row` only the seconds: the loss is that of `loss_curve_`."""
        estimator = self.estimator
        if not self.verbose:
            return
        if self._table is None:
            print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
            if validated:
                print(f"Validation score: {estimator.validation_scores_[-1]:f}")
            return
        numbers = {"epoch": estimator.n_iter_, "loss": estimator.loss_}
        if validated:
            numbers["val_loss"] = estimator.validation_loss_curve_[-1]
            numbers["val_score"] = estimator.validation_scores_[-1]
        self._table.epoch_ends(trainer, {**numbers, "seconds": row["seconds"]})

    def say(self, text: str) -> None:
        """Print a line of words."""
        if self.verbose:
            with beside_bars(sys.stdout):
                print(text)


def bars(estimator: Any, *, incremental: bool) -> list[Callback]:
    """The progress bar of a fit, as a list of none or one."""
    return [] if incremental or int(estimator.verbose) < BAR else [ProgressBar(show=True)]


def require_bars(estimator: Any) -> None:
    """Raise if a bar is wanted and there is none.

    Raises
    ------
    ModuleNotFoundError
        If tqdm is not installed.
    """
    if int(estimator.verbose) >= BAR and util.find_spec("tqdm") is None:
        raise ModuleNotFoundError(f"verbose={estimator.verbose} needs tqdm: pip install 'xpnn[progress]'")
