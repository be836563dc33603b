"""Saving checkpoints while being killed: the experiments of tests/training/test_killed_saves.py, to be run by hand too.

    python tests/killed_saves.py at-random FOLDER 200
    python tests/killed_saves.py at-each-call FOLDER
    python tests/killed_saves.py on-a-full-disk FOLDER

Each prints what it saw as JSON, or ends in an AssertionError. The first two fork, as SIGKILL is wanted: nothing of the
child's may clean up after it.
"""

import builtins
import errno
import json
import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy

from xpnn.training.checkpoint import load, save
from xpnn.training.checkpoints import Checkpoints

warnings.simplefilter("error")  # to pass over a damaged checkpoint is a failure here


def arrays(step: int) -> dict[str, numpy.ndarray]:
    """What a checkpoint of this step holds: 160 kB that only this step has."""
    return {"model.w": numpy.arange(20_000.0) + step, "optimizer.step": numpy.asarray(step)}


def check(folder: Path, least: int, most: int) -> int:
    """Every file is whole and right, and the newest is of a step from `least` to `most`, which is given."""
    for path in Checkpoints(folder).paths():
        got, metadata = load(path)
        step = int(path.stem.removeprefix("checkpoint-"))
        assert metadata["checkpoint"]["step"] == metadata["step"] == step, (path, metadata)
        assert {name: array.tobytes() for name, array in got.items()} == {
            name: array.tobytes() for name, array in arrays(step).items()
        }, path
    found = Checkpoints(folder).latest(strict=True)
    step = found[1]["step"] if found else 0
    assert least <= step <= most, f"the newest checkpoint is of step {step}, expected {least} to {most}"
    return step


def forked(action: Callable[[], Any]) -> int:
    """Start a process that does this and nothing else."""
    child = os.fork()
    if not child:
        try:
            action()
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
    return child


# Killed at random moments


def save_for_ever(folder: Path, told: int) -> None:
    """Save step after step, and tell of each that is done."""
    checkpoints = Checkpoints(folder, keep=2)
    found = checkpoints.start(resume=True)
    step = found[1]["step"] if found else 0
    while True:
        step += 1
        checkpoints.save(arrays(step), {"step": step}, epoch=0, step=step)
        os.write(told, step.to_bytes(4, "little"))


def at_random(folder: Path, kills: int) -> dict[str, int]:
    """Kill a process that saves, that many times, and look each time what is there."""
    drawn, last, cut_off, most_files = random.Random(0), 0, 0, 0
    for _ in range(kills):
        heard, told = os.pipe()
        child = forked(lambda told=told: save_for_ever(folder, told))
        os.close(told)
        first = os.read(heard, 4)  # it is saving
        time.sleep(drawn.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        steps = first
        while more := os.read(heard, 1 << 16):
            steps += more
        os.close(heard)
        done = int.from_bytes(steps[-4:], "little")
        assert done > last
        last = check(folder, done, done + 1)
        cut_off += any(path.suffix == ".part" for path in folder.iterdir())
        most_files = max(most_files, len(list(folder.iterdir())))
    assert most_files <= 5, f"{most_files} files: leftovers pile up"
    return {"kills": kills, "in the middle of a file": cut_off, "steps": last, "most files": most_files}


# Killed at each call that changes the disk


class Killed:
    """Calls are counted; at one of them the process dies, of a write after half of it."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def is_now(self) -> bool:
        """Count a call."""
        self.calls += 1
        return self.calls == self.at

    def die(self) -> None:
        """As of kill -9."""
        os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Take the place of what writes, flushes, renames and removes."""
        for name in ("fsync", "replace", "unlink", "chmod", "mkdir"):
            setattr(os, name, self.counted(getattr(os, name)))
        opened = open

        def watched(path: Any, mode: str = "r", **options: Any) -> Any:
            return Watched(opened(path, mode, buffering=0), self) if mode == "xb" else opened(path, mode, **options)

        builtins.open = watched

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Die before, or do it; the next call dies after it."""

        def call(*args: Any, **options: Any) -> Any:
            if self.is_now():
                self.die()
            return function(*args, **options)

        return call


class Watched:
    """A file whose writes count, twice each: half done, and done."""

    def __init__(self, file: Any, killed: Killed) -> None:
        self.file, self.killed = file, killed
        if killed.is_now():
            killed.die()

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *raised: object) -> None:
        self.file.close()

    def write(self, part: Any) -> int:
        """Write all of it, or die half-way."""
        part = memoryview(part)
        half = len(part) // 2
        self.file.write(part[:half])
        if self.killed.is_now():
            self.killed.die()
        self.file.write(part[half:])
        return len(part)

    def flush(self) -> None:
        """Nothing waits: the file has no buffer."""

    def fileno(self) -> int:
        """As of the file."""
        return int(self.file.fileno())


def save_next(folder: Path, step: int, killed: Killed | None = None) -> None:
    """Save one checkpoint, which makes another one superfluous."""
    if killed is not None:
        killed.watch()
    checkpoints = Checkpoints(folder, keep=2)
    checkpoints.start(resume=True)
    checkpoints.save(arrays(step), {"step": step}, epoch=0, step=step)


def at_each_call(folder: Path, kills: int = 0) -> dict[str, int]:
    """Kill it at the first call, at the second, and so on, until it comes to its end."""
    step = 2
    for first in (1, 2):
        save_next(folder, first)
    for at in range(1, 1000):
        step += 1
        child = forked(lambda at=at, step=step: save_next(folder, step, Killed(at)))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        check(folder, step - 1, step)
        if code == 0:
            names = sorted(path.name for path in folder.iterdir())
            assert names == [f"checkpoint-{n:010}.safetensors" for n in (step - 1, step)], names
            return {"calls": at - 1}
        assert code == -signal.SIGKILL, code
        save_next(folder, step)
    raise AssertionError("it never came to its end")


# A disk that is full


def on_a_full_disk(folder: Path, kills: int = 0) -> dict[str, int]:
    """Save larger and larger files on a small disk until one finds no room, then go on with small ones."""
    checkpoints = Checkpoints(folder, keep=2)
    step, full = 0, None
    while full is None:
        step += 1
        more = {"more": numpy.ones(step * 10_000)}
        full = no_room(lambda step=step, more=more: save_step(checkpoints, step, more))
    assert full.filename.endswith(f"checkpoint-{step:010}.safetensors"), full
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"checkpoint-{n:010}.safetensors" for n in (step - 2, step - 1)], names
    found = checkpoints.latest(strict=True)
    assert found
    assert found[1]["step"] == step - 1
    assert (found[0]["more"] == 1).all()
    save(folder / "model", {"w": numpy.zeros(3)})
    assert no_room(lambda: save(folder / "model", {"w": numpy.zeros(1 << 22)}))
    assert load(folder / "model")[0]["w"].shape == (3,)
    save_step(checkpoints, step, {})
    assert Checkpoints(folder).latest(strict=True)[1]["step"] == step  # type: ignore[index]
    return {"steps": step}


def save_step(checkpoints: Checkpoints, step: int, more: dict[str, numpy.ndarray]) -> None:
    """Save a checkpoint of this step."""
    checkpoints.save(arrays(step) | more, {"step": step}, epoch=0, step=step)


def no_room(action: Callable[[], Any]) -> OSError | None:
    """The error that there is no room, if there is none."""
    try:
        action()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return error
    return None


if __name__ == "__main__":
    what = {"at-random": at_random, "at-each-call": at_each_call, "on-a-full-disk": on_a_full_disk}[sys.argv[1]]
    print(json.dumps(what(Path(sys.argv[2]), *map(int, sys.argv[3:]))))
