"""A table of the epochs, printed line by line while a model is trained."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from xpnn.training.callbacks.base import Callback
from xpnn.training.callbacks.numbers import beats, shown, single

if TYPE_CHECKING:
    from xpnn.training.trainer import Trainer

__all__ = ["PrintTable", "beside_bars"]

_UNMARKED = ("epoch", "learning_rate", "seconds", "skipped")
_LEAST = 8  # characters of a number


class PrintTable(Callback):
    """Prints a line of numbers after each epoch, under a header; a value better than all before it has a star.

    What is better is decided by the name, as in `EarlyStopping`: larger for accuracies and the like, else smaller.

    Parameters
    ----------
    stream
        Where to print: a text file that is open; None is what `sys.stdout` then is.
    names
        Which numbers, in this order; None takes all of the first row. A number that a row lacks stays blank.

    Examples
    --------
    >>> import numpy, xpnn
    >>> x = numpy.linspace(-1, 1, 64).reshape(-1, 1)
    >>> model = xpnn.nn.Linear(1, 1).initialize(seed=0)
    >>> trainer = xpnn.training.Trainer(model, xpnn.nn.squared_error, xpnn.optim.SGD(model, learning_rate=0.5))
    >>> table = PrintTable(names=["epoch", "loss", "learning_rate"])
    >>> _ = trainer.fit(x, 3 * x + 1, epochs=3, callbacks=[table])
    epoch      loss   learning_rate
    -----  --------   -------------
        1    4.6516*         0.5000
        2    0.7261*         0.5000
        3    0.1147*         0.5000
    """

    only_looks: ClassVar[bool] = True

    def __init__(self, stream: TextIO | None = None, *, names: list[str] | None = None) -> None:
        self.stream, self.names = stream, names
        self._columns: dict[str, int] = {}
        self._best: dict[str, float] = {}

    def fit_starts(self, trainer: Trainer) -> None:
        """A new table; what was best in the epochs before counts."""
        self._columns, self._best = {}, {}
        for row in trainer.history.rows:
            self._improved(row)

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """Print the epoch."""
        if not self._columns:
            names = self.names or list(single(row))
            self._columns = {name: max(len(name), 5 if name == "epoch" else _LEAST) for name in names}
            self._print(self._line({name: name for name in names}, set()))
            self._print(self._line({name: "-" * width for name, width in self._columns.items()}, set()))
        marked = self._improved(row)
        self._print(self._line({name: shown(row.get(name)) for name in self._columns}, marked))
        return None

    def _improved(self, row: dict[str, Any]) -> set[str]:
        """The names whose value is better than all before it."""
        better = {n for n, v in single(row).items() if n not in _UNMARKED and beats(n, v, self._best.get(n))}
        self._best |= {name: row[name] for name in better}
        return better

    def _line(self, cells: dict[str, str], marked: set[str]) -> str:
        return "  ".join(
            f"{cells[name]:>{width}}"
            if name in _UNMARKED
            else f"{cells[name]:>{width}}{'*' if name in marked else ' '}"
            for name, width in self._columns.items()
        ).rstrip()

    def _print(self, line: str) -> None:
        stream = self.stream or sys.stdout
        with beside_bars(stream):
            stream.write(line + "\n")
            stream.flush()


def beside_bars(stream: TextIO) -> AbstractContextManager[Any]:
    """Takes the bars of tqdm away for the moment of a line on the same terminal."""
    tqdm = sys.modules.get("tqdm")
    return nullcontext() if tqdm is None else tqdm.tqdm.external_write_mode(file=stream)
