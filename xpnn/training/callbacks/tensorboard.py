"""The numbers of a training for TensorBoard, by tensorboardX."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import util
from typing import TYPE_CHECKING, Any, ClassVar

from xpnn.training.callbacks.base import Callback
from xpnn.training.callbacks.numbers import single

if TYPE_CHECKING:
    from xpnn.training.trainer import Trainer

__all__ = ["TensorBoardLog"]

_POSITION = ("epoch", "batch", "step")


class TensorBoardLog(Callback):
    """Writes numbers for TensorBoard (`tensorboard --logdir FOLDER`), by the number of updates. It needs tensorboardX.

    Training and validation come as 'loss/training' and 'loss/validation', which are shown side by side; what the
    trainer reports within an epoch as 'loss/running'. After a resume, what was written after the checkpoint is dropped
    from view and written again.

    Parameters
    ----------
    folder
        Where to; each training wants one of its own.

    Raises
    ------
    ModuleNotFoundError
        If tensorboardX is not installed.
    """

    only_looks: ClassVar[bool] = True

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        if util.find_spec("tensorboardX") is None:
            raise ModuleNotFoundError("TensorBoardLog needs tensorboardX: pip install 'xpnn[tensorboard]'")
        self.folder = os.fspath(folder)
        self._writer: Any = None

    def fit_starts(self, trainer: Trainer) -> None:
        """Open a file of events."""
        from tensorboardX import SummaryWriter

        # by the step, too: its files are named by the second, and one of the same name would be overwritten
        suffix = f".{trainer.step:010}"
        purge = trainer.step + 1 if trainer.step else None
        self._writer = SummaryWriter(self.folder, purge_step=purge, filename_suffix=suffix)

    def report(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        """Write the numbers of the epoch so far."""
        for name, value in single(row).items():
            if name not in _POSITION:
                self._writer.add_scalar(f"{name}/running", value, trainer.step)

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """Write the numbers of the epoch."""
        for name, value in single(row).items():
            if name not in _POSITION:
                self._writer.add_scalar(_tag(name), value, trainer.step)
        self._writer.flush()
        return None

    def fit_ends(self, trainer: Trainer) -> None:
        """Close it."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __repr__(self) -> str:
        return f"TensorBoardLog({self.folder!r})"


def _tag(name: str) -> str:
    if name in ("learning_rate", "seconds", "skipped"):
        return f"training/{name}"
    return f"{name.removeprefix('val_')}/{'validation' if name.startswith('val_') else 'training'}"
