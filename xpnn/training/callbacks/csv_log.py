"""The history as a table in a file, which other programs can read while a model is trained.

The file is always that of the trainer's history. A row is appended and flushed at the end of each epoch, so that a
process that is killed leaves all rows before. At the beginning of a fit, where a row has a number that the header
lacks, and where the file is gone, the whole file is written anew from the history, whole or not at all: after a resume
it neither lacks rows nor has one twice, whichever epoch the checkpoint was of.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from xpnn.training.callbacks.base import Callback
from xpnn.training.callbacks.numbers import single
from xpnn.training.files import write_whole

if TYPE_CHECKING:
    from xpnn.training.trainer import Trainer

__all__ = ["CSVLog"]


class CSVLog(Callback):
    """Keeps the history in a file of comma-separated values: a header and a row per epoch, with all digits.

    A file of that name is replaced when training starts, by the epochs that the trainer had before. Numbers that other
    callbacks add are seen if those come before it in the list. What is no single number, such as a confusion matrix, is
    left out.

    Parameters
    ----------
    path
        The file; its folder is made if need be.

    Raises
    ------
    OSError
        In `fit`, if the file cannot be written.

    Examples
    --------
    >>> import numpy, tempfile, xpnn
    >>> path = Path(tempfile.mkdtemp()) / "history.csv"
    >>> x = numpy.linspace(-1, 1, 64).reshape(-1, 1)
    >>> model = xpnn.nn.Linear(1, 1).initialize(seed=0)
    >>> trainer = xpnn.training.Trainer(model, xpnn.nn.squared_error, xpnn.optim.SGD(model, learning_rate=0.5))
    >>> _ = trainer.fit(x, 3 * x + 1, epochs=2, callbacks=[CSVLog(path)])
    >>> path.read_text().splitlines()[0]
    'epoch,loss,learning_rate,seconds'
    >>> float(path.read_text().splitlines()[2].split(",")[1]) == trainer.history["loss"][1]
    True
    """

    only_looks: ClassVar[bool] = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._header: list[str] = []

    def fit_starts(self, trainer: Trainer) -> None:
        """Write the epochs so far."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write_whole(trainer.history.rows)

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """Add a row."""
        numbers = single(row)
        if not self._header or set(numbers) - set(self._header) or not self.path.exists():
            self._write_whole([*trainer.history.rows[:-1], row])
        else:
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                file.write(_lines([self._cells(numbers)]))
        return None

    def _write_whole(self, rows: list[dict[str, Any]]) -> None:
        known = [single(row) for row in rows]
        self._header = list(dict.fromkeys(name for row in known for name in row))
        lines = [self._header, *map(self._cells, known)] if known else []
        write_whole(self.path, [_lines(lines).encode("utf-8")])

    def _cells(self, numbers: dict[str, float]) -> list[Any]:
        return [_exact(numbers[name]) if name in numbers else "" for name in self._header]

    def __repr__(self) -> str:
        return f"CSVLog({str(self.path)!r})"


def _exact(value: Any) -> str:
    """A number with all its digits."""
    return str(int(value)) if isinstance(value, int) else repr(float(value))


def _lines(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
