"""Folders of runs: one run takes the place of another in one go, wherever it is broken off."""

import contextlib
import os
from pathlib import Path

import pytest

from xpnn.cli.folder import RunFolder

SETTINGS = {"seed": 1}


def write(folder, words):
    """What a run leaves, the page last."""
    for name in ("model.safetensors", "metrics.json", "history.csv", "held_out.csv", "plots/loss.svg", "report.html"):
        folder.write_text(name, words)
    folder.file("checkpoints").mkdir(exist_ok=True)


def content(path):
    files = [file for file in Path(path).rglob("*") if file.is_file() and file.name != "settings.json"]
    return {file.relative_to(path).as_posix(): file.read_text() for file in files}


@pytest.fixture
def replacing(tmp_path):
    """A folder in which a run is finished and another, that replaces it, has just begun."""
    folder = RunFolder(str(tmp_path / "R"))
    folder.start({"seed": 0})
    write(folder, "old")
    folder.finish()
    folder = RunFolder(str(tmp_path / "R"))
    folder.start(SETTINGS)
    return folder


def test_the_old_run_is_there_until_the_new_one_is_finished(replacing):
    old = content(replacing.path)
    assert set(old.values()) == {"old"}
    replacing.write_text("history.csv", "new")
    assert old.items() <= content(replacing.path).items()
    assert replacing.model_path().read_text() == "old"
    write(replacing, "new")
    replacing.finish()
    assert content(replacing.path) == dict.fromkeys(old, "new")
    assert replacing.complete


class PowerCut(BaseException):
    """What no program catches."""


CALLS = ("rename", "replace", "unlink", "rmdir")


@pytest.mark.parametrize("step", range(13))
def test_a_move_that_is_broken_off_is_taken_up(replacing, monkeypatch, step):
    done = []

    def counted(function):
        def call(*arguments, **options):
            if len(done) == step:
                raise PowerCut
            done.append(function)
            return function(*arguments, **options)

        return call

    names = set(content(replacing.path))
    write(replacing, "new")
    with monkeypatch.context() as moment:
        for name in CALLS:
            moment.setattr(os, name, counted(getattr(os, name)))
        with contextlib.suppress(PowerCut):
            replacing.finish()
    assert len(done) >= min(step, 9)  # the last are those of rmtree, and other Pythons have others
    again = RunFolder(str(replacing.path))
    assert again.model_path().exists()
    again.resume(SETTINGS)
    assert again.complete
    assert content(replacing.path) == dict.fromkeys(names, "new")
    assert {path.name for path in replacing.path.iterdir()} == {
        *(name.split("/")[0] for name in names),
        "settings.json",
    }


def test_a_run_that_was_broken_off_is_replaced_at_once(tmp_path):
    folder = RunFolder(str(tmp_path))
    folder.start({"seed": 0})
    folder.write_text("history.csv", "old")
    folder.start(SETTINGS)
    assert content(tmp_path) == {}


def test_folders_of_others_are_left_alone(tmp_path):
    (tmp_path / ".ready").mkdir()
    (tmp_path / ".ready" / "thesis.txt").write_text("ten years")
    with pytest.raises(FileExistsError, match="other things than a run"):
        RunFolder(str(tmp_path)).resume(SETTINGS)
    assert content(tmp_path) == {".ready/thesis.txt": "ten years"}
