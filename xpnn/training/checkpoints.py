"""A folder of checkpoints: when to save, which to keep, and which to go on from.

    checkpoints = Checkpoints("run/checkpoints", keep=2, best="val_loss")
    trainer.fit(x, t, epochs=100, checkpoint=checkpoints, resume=True)

A training that takes days will be killed one day: by a power cut, a full disk, a queue whose time is up. What it needs
then is the newest file that is whole. There is no file that points to it, as that one could be damaged too: the folder
is looked through from the newest step down, and what is damaged is passed over, with a warning. An old file is removed
only when the new one is safely on the disk.
"""

from __future__ import annotations

import errno
import os
import re
import time
import warnings
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy

from xpnn.arrays.namespaces import Array
from xpnn.training.checkpoint import load, metadata_of, save
from xpnn.training.data import require_whole
from xpnn.training.direction import mode_of
from xpnn.training.files import remove_leftovers, write_whole
from xpnn.training.layout import CheckpointError

__all__ = ["Checkpoints"]

Loaded: TypeAlias = tuple[dict[str, numpy.ndarray], dict[str, Any], Path]

_NAME = r"checkpoint-([0-9]{10,})\.safetensors"


class Checkpoints:
    """Saves checkpoints of one training into a folder, removes old ones, and finds the newest or the best again.

    Files are named by the step, `checkpoint-0000001200.safetensors`, and can be read with `load`. The key 'checkpoint'
    of their metadata holds epoch, step and score. Two trainings want two folders; if two are by mistake given the same,
    neither removes what the other writes meanwhile.

    Parameters
    ----------
    folder
        Where to; it is made when needed.
    keep
        How many of the newest to keep, 1 or more, or None for all. With 1 there is nothing to fall back to if the file
        is damaged later.
    best
        A number of the history, such as 'val_loss': the checkpoint with the best score is kept too. None: no such.
    mode
        Whether a smaller ('min') or a larger ('max') score is better; 'auto' decides by the name, as
        `EarlyStopping`, and a name that does not say so is an error.
    every_epochs, every_steps, every_seconds
        When a checkpoint is due: at the end of each n-th epoch, after each n-th step, or when so many seconds have
        passed since the last. Each may be None, for not; several may hold.

    Attributes
    ----------
    folder
        The folder, a `pathlib.Path`.
    score_name
        What `best` was given.
    every_epochs, every_steps, every_seconds
        What was given.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range or of the wrong kind.
    NotADirectoryError
        If `folder` is a file.

    Examples
    --------
    >>> import numpy, tempfile
    >>> checkpoints = Checkpoints(tempfile.mkdtemp(), keep=2, best="val_loss")
    >>> for epoch, score in enumerate([0.5, 0.3, 0.4, 0.6], start=1):
    ...     path = checkpoints.save({"w": numpy.ones(3)}, {}, epoch=epoch, step=10 * epoch, score=score)
    >>> [path.name for path in checkpoints.paths()]
    ['checkpoint-0000000020.safetensors', 'checkpoint-0000000030.safetensors', 'checkpoint-0000000040.safetensors']
    >>> arrays, metadata, path = checkpoints.best()
    >>> metadata
    {'checkpoint': {'epoch': 2, 'step': 20, 'score': 0.3}}
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        keep: int | None = 2,
        best: str | None = None,
        mode: Literal["auto", "min", "max"] = "auto",
        every_epochs: int | None = 1,
        every_steps: int | None = None,
        every_seconds: float | None = None,
    ) -> None:
        for name, number in (("keep", keep), ("every_epochs", every_epochs), ("every_steps", every_steps)):
            if number is not None:
                require_whole(name, number, 1)
        if every_seconds is not None and not every_seconds > 0:
            raise ValueError(f"Checkpoints expected every_seconds above 0, got {every_seconds}")
        if best is not None and not isinstance(best, str):
            raise TypeError(f"Checkpoints expected best to name a number such as 'val_loss', got {best!r}")
        self.folder, self.keep, self.score_name = Path(folder), keep, best
        self.mode = mode_of("Checkpoints", "loss" if best is None else best, mode)
        self.every_epochs, self.every_steps, self.every_seconds = every_epochs, every_steps, every_seconds
        self._last = time.monotonic()
        self._known: set[Path] = set()  # files of this training
        self._scores: dict[Path, float | None] | None = None  # of the files that are ours to remove
        self._unread: set[Path] = set()  # that cannot be read now and may be the best
        self._damaged: set[Path] = set()
        _require_folder(self.folder)

    # When

    def start(self, *, resume: bool = False) -> Loaded | None:
        """Get ready for a training: make the folder, try to write there, and remove what killed processes left.

        Gives what `latest` gives if `resume`, else None.

        Raises
        ------
        FileExistsError
            If not `resume`, and the folder holds checkpoints of another training.
        CheckpointError
            If `resume`, and there are checkpoints, but none of them is whole.
        OSError
            If the folder cannot be made or written to.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        found = self.latest() if resume else None
        others = [path for path in self.paths() if path not in self._known]
        if others and not resume:
            raise FileExistsError(
                errno.EEXIST,
                f"expected a folder without checkpoints, found some of an earlier training, up to step "
                f"{_step(others[-1])}: pass resume=True to go on with it, or take another folder",
                str(self.folder),
            )
        self._known |= {*others}
        probe = self.folder / "checkpoint-0000000000.probe"
        write_whole(probe, [b"can this be written?"])
        probe.unlink(missing_ok=True)
        remove_leftovers(self.folder, rf"{_NAME}|{re.escape(probe.name)}")
        self._last = time.monotonic()
        return found

    def due(self, *, step: int, epoch: int | None = None) -> bool:
        """Whether to save now, after `step` updates: at the end of epoch `epoch`, or (None) inside one."""
        if epoch is not None and self.every_epochs is not None and epoch % self.every_epochs == 0:
            return True
        if self.every_steps is not None and step > 0 and step % self.every_steps == 0:
            return True
        return self.every_seconds is not None and time.monotonic() - self._last >= self.every_seconds

    # Saving

    def save(
        self,
        arrays: Mapping[str, Array],
        metadata: Mapping[str, Any],
        *,
        epoch: int,
        step: int,
        score: float | None = None,
    ) -> Path:
        """Write a checkpoint and then remove those that are no longer to be kept; gives its path.

        Raises
        ------
        TypeError, ValueError
            As `save`; if metadata have a key 'checkpoint' of their own.
        OSError
            If it cannot be written; all older checkpoints are then still there.
        """
        require_whole("epoch", epoch, 0)
        require_whole("step", step, 0)
        score = _finite(score)
        if "checkpoint" in metadata:
            raise ValueError("expected metadata without the key 'checkpoint', which holds epoch, step and score")
        self.folder.mkdir(parents=True, exist_ok=True)
        scores = self._own_scores()
        path = self.folder / f"checkpoint-{step:010}.safetensors"
        save(path, arrays, {**metadata, "checkpoint": {"epoch": int(epoch), "step": int(step), "score": score}})
        self._known.add(path)
        self._damaged.discard(path)
        self._unread.discard(path)
        scores[path] = score
        self._remove_old(scores, step)
        self._last = time.monotonic()
        return path

    def _own_scores(self) -> dict[Path, float | None]:
        """The scores of the files that were there when this began, or were written here since."""
        if self._scores is None:
            remove_leftovers(self.folder, _NAME)
            self._unread = set(self.paths()) if self.score_name is not None else set()
            self._scores = {path: None for path in self.paths() if path not in self._unread}
        for path in sorted(self._unread):
            self._read_score(path, self._scores)
        return self._scores

    def _read_score(self, path: Path, scores: dict[Path, float | None]) -> None:
        """Note a file's score; one that cannot be read, for a moment or by this xpnn, is not ours to remove."""
        try:
            scores[path] = _score_of(path)
        except FileNotFoundError:
            pass
        except OSError:
            return
        except CheckpointError as error:
            if error.newer:
                return
            scores[path] = None
            self._damaged.add(path)
        self._unread.discard(path)

    def _remove_old(self, scores: dict[Path, float | None], step: int) -> None:
        """Remove what is older than the newest few, unless it is the best; what is ahead of `step` stays."""
        if self.keep is None:
            return
        whole = sorted((path for path in scores if path not in self._damaged and _step(path) <= step), key=_step)
        kept = {*whole[-self.keep :], *self._by_score(scores)[:1]}
        for path in [path for path in scores if path not in kept and _step(path) <= step]:
            try:
                path.unlink(missing_ok=True)
            except PermissionError:  # open elsewhere, on Windows: next time
                continue
            del scores[path]

    def _by_score(self, scores: Mapping[Path, float | None]) -> list[Path]:
        """The files that have a score, the best first, and of equal ones the earliest."""
        if self.score_name is None:
            return []
        sign = -1.0 if self.mode == "max" else 1.0
        found = [(sign * score, _step(path), path) for path, score in scores.items() if score is not None]
        return [path for _, _, path in sorted(found) if path not in self._damaged]

    # Finding

    def paths(self) -> list[Path]:
        """The checkpoints in the folder, by step, the newest last; whether they are whole is not looked at."""
        _require_folder(self.folder)
        if not self.folder.exists():
            return []
        return sorted((path for path in self.folder.iterdir() if re.fullmatch(_NAME, path.name)), key=_step)

    def latest(self, *, strict: bool = False) -> Loaded | None:
        """Arrays, metadata and path of the newest checkpoint that is whole, or None if there is no checkpoint at all.

        A damaged one is passed over with a warning that names it and the reason.

        Parameters
        ----------
        strict
            Whether to raise instead of passing over.

        Raises
        ------
        CheckpointError
            If there are checkpoints, but none is whole; if the newest is of a newer format than this xpnn reads; if
            `strict`, and the newest is damaged.
        """
        return self._first_whole(reversed(self.paths()), strict)

    def best(self, *, strict: bool = False) -> Loaded | None:
        """As `latest`, of the checkpoint with the best score; None if none has a score.

        Parameters
        ----------
        strict
            Whether to raise instead of passing over a damaged one.

        Raises
        ------
        ValueError
            If these Checkpoints were made without `best`.
        CheckpointError
            As in `latest`.
        OSError
            If a file that may be the best cannot be read.
        """
        if self.score_name is None:
            raise ValueError("expected Checkpoints that were told what is best, such as best='val_loss', got best=None")
        scores: dict[Path, float | None] = {}
        for path in self.paths():
            try:
                scores[path] = _score_of(path)
            except FileNotFoundError:
                continue
            except (CheckpointError, OSError) as error:
                if not _is_damage(error):
                    raise
        return self._first_whole(self._by_score(scores), strict)

    def _first_whole(self, paths: Iterable[Path], strict: bool) -> Loaded | None:
        reasons = []
        for path in paths:
            try:
                return *load(path), path
            except FileNotFoundError:  # another process has removed it since
                continue
            except (CheckpointError, OSError) as error:
                if strict or not _is_damage(error):
                    raise
                warnings.warn(f"passed over a damaged checkpoint: {error}", UserWarning, stacklevel=3)
                self._damaged.add(path)
                reasons.append(str(error))
        if reasons:
            raise CheckpointError(f"{self.folder} has no checkpoint that is whole: {'; '.join(reasons)}")
        return None

    def __repr__(self) -> str:
        return f"Checkpoints({str(self.folder)!r}, keep={self.keep}, best={self.score_name!r})"


def _require_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "Checkpoints expected a folder, got a file", str(folder))


def _step(path: Path) -> int:
    return int(path.name.removeprefix("checkpoint-").removesuffix(".safetensors"))


def _score_of(path: Path) -> float | None:
    """The score that a checkpoint was saved with, None if it had none; raises as `load`."""
    about = metadata_of(path).get("checkpoint")
    score = about.get("score") if isinstance(about, dict) else None
    return _finite(score) if isinstance(score, int | float) else None


def _finite(score: float | None) -> float | None:
    """A score as a float, None if it is none or not finite; JSON may hold a whole number of any length."""
    try:
        return None if score is None or not isfinite(score) else float(score)
    except OverflowError:
        return None


def _is_damage(error: Exception) -> bool:
    """Whether an older file may do better: not if this one may not be read, or needs a newer xpnn."""
    if isinstance(error, OSError):
        return error.errno == errno.EIO
    return isinstance(error, CheckpointError) and not error.newer
