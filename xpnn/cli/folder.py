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

Each file is written whole or not at all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpnn.training.files import write_whole

__all__ = ["RunFolder"]

_KIND, _FORMAT = "xpnn run", 1
_FILES = ("report.html", "model.safetensors", "metrics.json", "history.csv", "held_out.csv", "settings.json")
_FOLDERS = ("plots", "checkpoints")


class RunFolder:
    """The folder of a run.

    Parameters
    ----------
    path
        Where it is, or is to be.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def file(self, name: str) -> Path:
        """The path of a file in it."""
        return self.path / name

    @property
    def complete(self) -> bool:
        """Whether a run has come to its end here."""
        return self.file("report.html").exists()

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Raise FileExistsError unless a run may be written here."""
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise FileExistsError(f"{self.path} is a file, and a folder is needed there: take another --out")
        names = sorted(entry.name for entry in self.path.iterdir())
        if not names or resume:
            return
        if not self._is_run():
            raise FileExistsError(
                f"{self.path} holds other things ({', '.join(names[:3])}{', …' * (len(names) > 3)}): take another --out"
            )
        if not overwrite:
            state = "a finished run" if self.complete else "a run that was broken off"
            raise FileExistsError(
                f"{self.path} holds {state}: "
                + ("" if self.complete else "--resume goes on with it, ")
                + "--overwrite replaces it, another --out keeps both"
            )

    def start(self, settings: Mapping[str, Any]) -> None:
        """Begin a new run: remove the files of an old one and write down the settings."""
        self.path.mkdir(parents=True, exist_ok=True)
        if self._is_run():
            for name in _FILES:
                self.file(name).unlink(missing_ok=True)
            for name in _FOLDERS:
                shutil.rmtree(self.file(name), ignore_errors=True)
        self.write_json("settings.json", {"kind": _KIND, "format": _FORMAT, **settings})

    def resume(self, settings: Mapping[str, Any]) -> None:
        """Go on with the run that is here, or begin one if there is none.

        Raises
        ------
        ValueError
            If the run that is here was begun with other settings.
        """
        if not self._is_run():
            if self.path.exists() and any(self.path.iterdir()):
                raise FileExistsError(f"{self.path} holds other things than a run: take another --out")
            self.start(settings)
            return
        before = self.settings()
        changed = [name for name in settings if before.get(name) != json.loads(json.dumps(settings[name]))]
        if changed:
            words = ", ".join(f"{name} {_short(before.get(name))} (now {_short(settings[name])})" for name in changed)
            raise ValueError(f"the run in {self.path} was begun with {words}: --resume needs the same command")

    def finish(self) -> None:
        """Remove what only a run that is not complete needs."""
        shutil.rmtree(self.file("checkpoints"), ignore_errors=True)

    def settings(self) -> dict[str, Any]:
        """What was asked for."""
        try:
            found = json.loads(self.file("settings.json").read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.file('settings.json')} is damaged: {error}") from None
        if not isinstance(found, dict) or found.get("kind") != _KIND:
            raise ValueError(f"{self.file('settings.json')} is not of a run")
        return found

    def model_path(self) -> Path:
        """The file of the model; raises FileNotFoundError, saying why, if there is none."""
        if self.path.is_file():
            return self.path
        if not self.path.exists():
            raise FileNotFoundError(f"there is no folder {self.path}: expected one that `xpnn train` wrote")
        if not self.file("model.safetensors").exists():
            begun = self._is_run()
            why = "the run there is not complete, --resume goes on with it" if begun else "is it that of a run?"
            raise FileNotFoundError(f"{self.path} has no model.safetensors: {why}")
        return self.file("model.safetensors")

    def write_text(self, name: str, text: str) -> None:
        """Write a file whole; folders in its name are made."""
        self.file(name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.file(name), [text.encode("utf-8", "surrogatepass")])

    def write_json(self, name: str, data: Any) -> None:
        """Write plain data as JSON."""
        self.write_text(name, json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False) + "\n")

    def _is_run(self) -> bool:
        try:
            self.settings()
        except (OSError, ValueError):
            return False
        return True


def _short(value: Any) -> str:
    return f"{value!r:.40}"
