"""Training that is killed and resumed gives what training without a break gives, to the last bit.

    python tests/resumed_training.py arrays FOLDER
    python tests/resumed_training.py loader FOLDER
    python tests/resumed_training.py compiled FOLDER

Each trains once without a break, then kills a training (SIGKILL) at each of some places, resumes it in another process,
and compares all checkpoints, numbers and batches of the two. What it killed is printed as JSON; a difference is an
AssertionError. There is dropout, batch norm, a shuffled order, several batches to an update, a smaller last batch,
clipping, a schedule, averaged weights, metrics of training and validation, and a callback with a state.
"""

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy

from xpnn import nn, optim
from xpnn.training import Checkpoints, Loader, Trainer, load
from xpnn.training.callbacks import Callback, EarlyStopping
from xpnn.training.metrics import accuracy

warnings.simplefilter("error")

ROWS, FEATURES, CLASSES, BATCH = 50, 6, 3, 8
X = numpy.random.default_rng(0).normal(size=(ROWS, FEATURES)).astype("float32")
X[:, 0] = numpy.arange(ROWS) / ROWS  # by which a row is known again
T = numpy.arange(ROWS) % CLASSES
SECONDS = {"seconds", "seconds_in_epoch"}  # what may differ

# kind: epochs, how often a checkpoint is saved, and where to kill: when step n "saved" its checkpoint, while it is
# "saving" it, or in the model at the n-th "batch" since the start
KINDS: dict[str, tuple[int, int, list[tuple[str, int]]]] = {
    "arrays": (3, 1, [("saved", n) for n in (1, 2, 4, 5, 8, 11, 12)] + [("saving", n) for n in (1, 4, 6)]),
    "loader": (3, 3, [("saved", n) for n in (3, 9)] + [("batch", n) for n in (0, 9, 13, 20)]),
    "compiled": (40, 20, [("saved", 20), ("saving", 60), ("saved", 140)]),
}


class Noted(nn.Module):
    """A network that shows each batch it is trained on."""

    def __init__(self, layers: nn.Module, show: Callable[[Any], None] | None) -> None:
        super().__init__()
        self.layers, self.show = layers, show

    def forward(self, x: Any) -> Any:
        """Of the layers."""
        if self.show is not None and self.training:
            self.show(x)
        return self.layers(x)


class Place(Callback):
    """Writes down where a fit begins."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.note = note

    def fit_starts(self, trainer: Trainer) -> None:
        """At which batch since the first of all."""
        self.note(json.dumps({"batch": trainer.epoch * -(-ROWS // BATCH) + trainer.batch}))


def die() -> None:
    """As of kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def train(kind: str, folder: Path, kill: tuple[str, int] | None) -> None:
    """The same training each time, from the newest checkpoint in `folder`."""
    epochs, every_steps, _ = KINDS[kind]
    how, at = kill or ("never", -1)
    layers = nn.Sequential(
        nn.Linear(FEATURES, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, CLASSES)
    )
    log = os.open(folder / "batches", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(line: str) -> None:
        os.write(log, line.encode() + b"\n")

    seen = iter(range(1000))

    def show(x: Any) -> None:
        if next(seen) == at and how == "batch":
            die()
        note(json.dumps(numpy.round(numpy.asarray(x)[:, 0] * ROWS).astype(int).tolist()))

    compiled = kind == "compiled"  # there the model's Python does not run
    model = Noted(layers, None if compiled else show).initialize(seed=3)
    rate = optim.warmup_cosine(0.01, steps=epochs * 4, warmup_steps=3)
    trainer = Trainer(
        model, nn.cross_entropy, optim.AdamW(model, learning_rate=rate), seed=5, metrics={"accuracy": accuracy},
        training_metrics=True, max_norm=1.0, accumulate=2, average=0.9, compile=compiled,
    )  # fmt: skip
    data: tuple[Any, ...] = (X, T)
    if kind == "loader":
        loader = Loader(X, T, batch_size=BATCH, seed=7, transform=noisy, workers=1)
        data = (loader,)
    kept = [EarlyStopping(patience=None)] if kind == "loader" else []
    trainer.fit(
        *data, epochs=epochs, batch_size=BATCH if len(data) > 1 else None, validation=(X[:10], T[:10]),
        callbacks=[*kept, Place(note)],
        checkpoint=deadly(Checkpoints(folder, keep=None, every_steps=every_steps), how, at), resume=True,
    )  # fmt: skip
    if compiled:
        (folder / "compiled").write_text(str(sum(trainer._steps().training._compiled.values())))


def noisy(x: Any, t: Any, random: numpy.random.Generator) -> tuple[Any, Any]:
    """Random numbers in all columns but that of the row's number."""
    noise = random.normal(0, 0.1, x.shape).astype(x.dtype)
    noise[:, 0] = 0
    return x + noise, t


def deadly(checkpoints: Checkpoints, how: str, at: int) -> Checkpoints:
    """Checkpoints in whose hands the process dies at step `at`: after saving, or just before the file gets its name."""
    save = checkpoints.save

    def save_and_die(*args: Any, **place: Any) -> Path:
        if how == "saving" and place["step"] == at:
            os.replace = lambda *paths: die()
        path = save(*args, **place)
        if how == "saved" and place["step"] == at:
            die()
        return path

    checkpoints.save = save_and_die  # type: ignore[method-assign]
    return checkpoints


def run(kind: str, folder: Path, kill: tuple[str, int] | None) -> int:
    """Train in a process of its own; what became of it."""
    folder.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if not child:
        try:
            train(kind, folder, kill)
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# What is compared


def without_seconds(value: Any) -> Any:
    """What was measured by the clock left out."""
    if isinstance(value, dict):
        return {key: without_seconds(part) for key, part in value.items() if key not in SECONDS}
    return [without_seconds(part) for part in value] if isinstance(value, list) else value


def content(path: Path) -> tuple[dict[str, tuple[str, tuple[int, ...], bytes]], Any]:
    """A checkpoint as bits."""
    arrays, metadata = load(path)
    return {name: (a.dtype.name, a.shape, a.tobytes()) for name, a in arrays.items()}, without_seconds(metadata)


def runs(folder: Path) -> Iterator[tuple[int, list[list[int]]]]:
    """Of each process that trained: the batch it began at, and the rows of its batches."""
    for line in (folder / "batches").read_text().splitlines():
        found = json.loads(line)
        if isinstance(found, dict):
            begun: tuple[int, list[list[int]]] = (found["batch"], [])
            yield begun
        else:
            begun[1].append(found)


def compare(whole: Path, broken: Path) -> None:
    """Raise an AssertionError where the two trainings differ."""
    names = [path.name for path in Checkpoints(whole).paths()]
    assert [path.name for path in Checkpoints(broken).paths()] == names
    for name in names:
        (one, about_one), (two, about_two) = content(whole / name), content(broken / name)
        assert one.keys() == two.keys(), (name, one.keys() ^ two.keys())
        different = [key for key in one if one[key] != two[key]]
        assert not different, f"{broken.name}: {name} differs in {different}"
        assert about_one == about_two, f"{broken.name}: {name}: {about_one} and {about_two}"
    ((_, expected),) = list(runs(whole))
    for begun, rows in list(runs(broken)):
        assert rows == expected[begun : begun + len(rows)], f"{broken.name}: other batches from {begun} on"


def experiment(kind: str, folder: Path) -> dict[str, int]:
    """At which batch the training went on, of each kill."""
    assert run(kind, folder / "whole", None) == 0
    assert kind != "compiled" or int((folder / "whole" / "compiled").read_text()) > 50, "it did not run compiled"
    went_on = {}
    for how, at in KINDS[kind][2]:
        broken = folder / f"{how}-{at}"
        assert run(kind, broken, (how, at)) == -signal.SIGKILL, "it was not killed"
        assert run(kind, broken, None) == 0
        compare(folder / "whole", broken)
        went_on[broken.name] = list(runs(broken))[-1][0]
    return went_on


if __name__ == "__main__":
    print(json.dumps(experiment(sys.argv[1], Path(sys.argv[2]))))
