"""The folder of a run: what is in it, and that no run is destroyed by accident.

| file | what |
| --- | --- |
| `report.html` | one page to look at; written last, so it says that the run is complete |
| `model.safetensors` | preprocessing, network and weights: what `xpnn predict` and `xpnn evaluate` need |
| `metrics.json` | scores, importance and how it was trained, for programs |
| `history.csv` | a row per epoch |
| `held_out.csv` | true and predicted targets of the rows that were held out |
| `plots/` | the report's pictures |
| `settings.json` | what was asked for; `--resume` compares it |
| `checkpoints/` | while it is trained: what `--resume` goes on from |
| `.next/` | while a finished run is being replaced: the same files of the new one |
| `.ready/` | `.next` when it is finished, and until its files are all in the place of the old ones |

Each file is written whole or not at all. A finished run is there until the one that replaces it is finished, too: a new
training may diverge, or be stopped. Where `.ready` is found, moving its files was broken off, and is taken up.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from xpnn.training.files import write_whole

__all__ = ["RunFolder"]

_KIND, _FORMAT = "xpnn run", 1
_FILES = ("report.html", "model.safetensors", "metrics.json", "history.csv", "held_out.csv", "settings.json")
_FOLDERS = ("plots", "checkpoints")
_NEXT, _READY = ".next", ".ready"


class RunFolder:
    """The folder of a run.

    Parameters
    ----------
    path
        Where it is, or is to be.

    Attributes
    ----------
    path
        The folder.
    writing
        Where files are written: the folder, or the one in it that is to replace a finished run.
    """

    def __init__(self, path: str) -> None:
        self.path = self.writing = Path(path)

    def file(self, name: str) -> Path:
        """Where a file of the run that is being written is."""
        return self.writing / name

    @property
    def complete(self) -> bool:
        """Whether a run has come to its end here, and none is begun to replace it."""
        return self._finished and not _is_run(self.path / _NEXT)

    @property
    def _finished(self) -> bool:
        return (self.path / "report.html").exists()

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Raise FileExistsError unless a run may be written here."""
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise FileExistsError(f"{self.path} is a file, and a folder is needed there: take another --out")
        names = sorted(entry.name for entry in self.path.iterdir())
        if not names or resume:
            return
        if not _is_run(self.path):
            raise FileExistsError(
                f"{self.path} holds other things ({', '.join(names[:3])}{', …' * (len(names) > 3)}): take another --out"
            )
        if not overwrite:
            state = "a finished run" if self._finished else "a run that was broken off"
            if self._finished and not self.complete:
                state = "a finished run, and one begun to replace it that was broken off"
            raise FileExistsError(
                f"{self.path} holds {state}: "
                + ("" if self.complete else "--resume goes on with it, ")
                + "--overwrite replaces it, another --out keeps both"
            )

    def start(self, settings: Mapping[str, Any]) -> None:
        """Begin a new run and write down its settings: beside a finished one, in place of one that was broken off."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._move_ready()
        if _is_run(self.path):
            self._make_room()
        self.write_json("settings.json", {"kind": _KIND, "format": _FORMAT, **settings})

    def _make_room(self) -> None:
        """For a new run where there is one: a folder beside a finished one, else the files of the old one go."""
        shutil.rmtree(self.path / _NEXT, ignore_errors=True)
        if self._finished:
            self.writing = self.path / _NEXT
            self.writing.mkdir()
            return
        self._empty()

    def _empty(self) -> None:
        for name in _FILES:
            self.file(name).unlink(missing_ok=True)
        for name in _FOLDERS:
            shutil.rmtree(self.file(name), ignore_errors=True)

    def discard(self) -> None:
        """Remove the run that was begun, of which nothing can come; a finished one that it was to replace stays."""
        if self.complete:
            return
        self._empty()
        if not any(self.writing.iterdir()):
            with suppress(OSError):  # of --out . for one
                self.writing.rmdir()
        self.writing = self.path

    def resume(self, settings: Mapping[str, Any]) -> None:
        """Go on with the run that is here, the one that replaces another first, or begin one if there is none.

        Raises
        ------
        ValueError
            If the run that is here was begun with other settings.
        """
        self._move_ready()
        if not _is_run(self.path):
            if self.path.exists() and any(self.path.iterdir()):
                raise FileExistsError(f"{self.path} holds other things than a run: take another --out")
            self.start(settings)
            return
        if _is_run(self.path / _NEXT):
            self.writing = self.path / _NEXT
        before = _settings_in(self.writing)
        changed = [name for name in settings if before.get(name) != json.loads(json.dumps(settings[name]))]
        if changed:
            words = ", ".join(f"{name} {_short(before.get(name))} (now {_short(settings[name])})" for name in changed)
            raise ValueError(f"the run in {self.path} was begun with {words}: --resume needs the same command")
        if self.file("report.html").exists():
            self.finish()

    def finish(self) -> None:
        """Remove what only a run that is not complete needs, and let it replace the one that was here."""
        shutil.rmtree(self.file("checkpoints"), ignore_errors=True)
        if self.writing != self.path:
            self.writing.rename(self.path / _READY)
            self.writing = self.path
            self._move_ready()

    def _move_ready(self) -> None:
        """Move what is ready into the place of the old files, the page last."""
        ready = self.path / _READY
        if not ready.exists() or not _is_run(self.path):
            return
        if (ready / "report.html").exists():
            self.file("report.html").unlink(missing_ok=True)
        for name in _FOLDERS:
            if (ready / name).exists():
                shutil.rmtree(self.file(name), ignore_errors=True)
                (ready / name).rename(self.file(name))
        for name in reversed(_FILES):
            if (ready / name).exists():
                (ready / name).replace(self.file(name))
        shutil.rmtree(ready)

    def model_path(self) -> Path:
        """The file of the model; raises FileNotFoundError, saying why, if there is none.

        A file may be given in place of the folder; one that does not begin as a model's does raises ValueError.
        """
        if self.path.is_file():
            with open(self.path, "rb") as file:
                if file.read(9)[8:] != b"{":
                    raise ValueError(
                        f"{self.path} is no folder of a run, and no model: give first what `xpnn train` wrote, then "
                        "the table"
                    )
            return self.path
        if not self.path.exists():
            raise FileNotFoundError(f"there is no folder {self.path}: expected one that `xpnn train` wrote")
        found = self.path / "model.safetensors"
        if not found.exists():
            begun = _is_run(self.path)
            why = "the run there is not complete, --resume goes on with it" if begun else "is it that of a run?"
            raise FileNotFoundError(f"{self.path} has no model.safetensors: {why}")
        return found

    def holds(self, path: str | os.PathLike[str]) -> bool:
        """Whether a path is that of a file of the run, or would be in one of its folders, behind links too."""
        place, folder = Path(os.path.realpath(path)), Path(os.path.realpath(self.path))
        if place == folder:
            return True
        return folder in place.parents and place.relative_to(folder).parts[0] in (*_FILES, *_FOLDERS, _NEXT, _READY)

    def write_text(self, name: str, text: str) -> None:
        """Write a file whole; folders in its name are made."""
        self.file(name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.file(name), [text.encode("utf-8", "surrogatepass")])

    def write_json(self, name: str, data: Any) -> None:
        """Write plain data as JSON."""
        self.write_text(name, json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def _settings_in(folder: Path) -> dict[str, Any]:
    """What was asked of the run in a folder."""
    path = folder / "settings.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if not isinstance(found, dict) or found.get("kind") != _KIND:
        raise ValueError(f"{path} is not of a run")
    return found


def _is_run(folder: Path) -> bool:
    try:
        _settings_in(folder)
    except (OSError, ValueError):
        return False
    return True


def _short(value: Any) -> str:
    return f"{value!r:.40}"
