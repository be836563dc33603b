"""What the fit of an estimator says while it trains: nothing, scikit-learn's lines, a table, or a table under a bar.

| `verbose` | what is said |
| --- | --- |
| False, 0 | nothing |
| True, 1 | scikit-learn's lines: 'Iteration 1, loss = 0.69314718' |
| 2 | a table: epoch, loss, validation loss and score, seconds; a star at what is better than all before |
| 3 | the table, and a progress bar on stderr (tqdm) |
| more | the same, without the bar where tqdm is not installed: scikit-learn takes any number, so they are no mistake |

`partial_fit` is one epoch of a loop that others write: it says its line, whatever the number. The iterations of 'lbfgs'
are said as epochs are, without a bar: nobody knows how far it is before the end.

The callbacks here print the rows of a `Trainer`: its 'epoch' and 'loss', and what begins with 'val_'.
"""

from __future__ import annotations

import sys
import time
from importlib import util
from typing import Any, ClassVar

from xpnn.training.callbacks.base import Callback
from xpnn.training.callbacks.numbers import single
from xpnn.training.callbacks.progress import ProgressBar
from xpnn.training.callbacks.table import PrintTable, beside_bars
from xpnn.training.trainer import Trainer

__all__ = ["PrintLines", "Report", "bars", "printers", "require_bars"]

TABLE, BAR = 2, 3


class PrintLines(Callback):
    """Prints scikit-learn's lines after each epoch: its loss, and what held-out rows say beside their loss.

    Examples
    --------
    >>> PrintLines().epoch_ends(None, {"epoch": 2, "loss": 0.5, "val_loss": 0.75, "val_score": 0.875})
    Iteration 2, loss = 0.50000000
    Validation score: 0.875000
    """

    only_looks: ClassVar[bool] = True

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """Print the epoch."""
        with beside_bars(sys.stdout):
            print(f"Iteration {int(row['epoch'])}, loss = {row['loss']:.8f}")
            for name, value in single(row).items():
                if name.startswith("val_") and name != "val_loss":
                    print(f"Validation {name.removeprefix('val_')}: {value:f}")
        return None


def printers(verbose: bool | int, *, incremental: bool = False) -> list[Callback]:
    """What prints the epochs of a fit, as callbacks of its `Trainer`, the last ones that look at a row.

    Parameters
    ----------
    verbose
        See above.
    incremental
        Whether this is one epoch of `partial_fit`.

    Examples
    --------
    >>> [type(one).__name__ for one in printers(3)]
    ['PrintTable', 'ProgressBar']
    """
    if not verbose:
        return []
    if incremental or int(verbose) < TABLE:
        return [PrintLines()]
    return [PrintTable(), *bars(verbose)]


def bars(verbose: bool | int, *, incremental: bool = False) -> list[Callback]:
    """The progress bar of a fit, as a list of none or one."""
    shown = not incremental and int(verbose) >= BAR and util.find_spec("tqdm") is not None
    return [ProgressBar(show=True)] if shown else []


class Report:
    """Prints the epochs of a fit of an MLP, and why it ends.

    Parameters
    ----------
    estimator
        Whose numbers: its curves have those of an epoch when it is told of.
    incremental
        Whether this is one epoch of `partial_fit`.
    """

    def __init__(self, estimator: Any, *, incremental: bool = False) -> None:
        self.estimator, self.verbose = estimator, int(estimator.verbose)
        self._printer = PrintTable() if self.verbose >= TABLE and not incremental else PrintLines()
        self._before = time.perf_counter()

    def epoch(self, row: dict[str, float]) -> None:
        """Print an epoch, with the loss of `loss_curve_`."""
        if not self.verbose:
            return
        estimator = self.estimator
        of_held_out = {name: value for name, value in row.items() if name in ("val_loss", "val_score", "val_scorer")}
        numbers = {"epoch": estimator.n_iter_, "loss": estimator.loss_}
        self._print({**numbers, **of_held_out, "seconds": row["seconds"]})

    def iteration(self, number: int, loss: float) -> None:
        """Print an iteration of L-BFGS."""
        now = time.perf_counter()
        self._print({"epoch": number, "loss": loss, "seconds": now - self._before})
        self._before = now

    def _print(self, row: dict[str, float]) -> None:
        nobody: Any = None  # they look at the row only
        self._printer.epoch_ends(nobody, row)

    def say(self, text: str) -> None:
        """Print a line of words."""
        if self.verbose:
            with beside_bars(sys.stdout):
                print(text)


def require_bars(estimator: Any) -> None:
    """Raise if a bar is wanted and there is none.

    Raises
    ------
    ModuleNotFoundError
        If tqdm is not installed.
    """
    if int(estimator.verbose) == BAR and util.find_spec("tqdm") is None:
        raise ModuleNotFoundError(f"verbose={estimator.verbose} needs tqdm: pip install 'xpnn[progress]'")
