"""Training that is killed again and again, and ends bit for bit where it would have ended in one go.

    python examples/resume.py                        # on a GPU if there is one, else on the CPU
    python examples/resume.py --kills 10 --seed 3

A process trains a network and keeps checkpoints. This program kills it at random moments, as a power cut or a cluster's
scheduler would (SIGKILL, which no process can catch), and starts it again. At the end it trains the same network once
more without any disturbance, and compares: every weight, the optimizer's state, the running statistics and the history
are equal to the last bit.

All there is to it is in `train`: the same call of `fit`, with `checkpoint=` and `resume=True`.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy

from xpnn import Device, nn, optim
from xpnn.cli.command import add_device_arguments, add_verbose_argument, device_for_command, run_command
from xpnn.training import Checkpoints, Trainer, load
from xpnn.training.callbacks import CSVLog

EPOCHS, BATCH_SIZE, ROWS = 40, 32, 4000


def train(folder: Path, device: Device) -> None:
    """Train from the newest checkpoint in `folder` on, or from the beginning if there is none."""
    rng = numpy.random.default_rng(0)
    x = rng.normal(size=(ROWS, 8)).astype("float32")
    t = numpy.sin(x[:, :1] * x[:, 1:2]) + numpy.abs(x[:, 2:3])
    layers = nn.Linear(8, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 1)
    model = nn.Sequential(*layers).initialize(seed=0).to(device)
    rate = optim.cosine_decay(0.01, steps=EPOCHS * ROWS // BATCH_SIZE)
    trainer = Trainer(model, nn.squared_error, optim.Adam(model, learning_rate=rate), average=0.99)
    checkpoints = Checkpoints(folder, every_steps=50)  # in the middle of epochs, too
    trainer.fit(
        x, t, epochs=EPOCHS, batch_size=BATCH_SIZE, validation=(x[:500], t[:500]), progress=False,
        checkpoint=checkpoints, resume=True, callbacks=[CSVLog(folder / "history.csv")],
    )  # fmt: skip


# Killing it


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    if arguments.train is not None:
        train(arguments.train, device_for_command(arguments.device, no_fallback=arguments.no_fallback))
        return
    if arguments.kills < 0:
        raise ValueError(f"expected --kills of 0 or more, got {arguments.kills}")
    print(f"device: {device_for_command(arguments.device, no_fallback=arguments.no_fallback).describe()}")
    with tempfile.TemporaryDirectory() as folder:
        killed, undisturbed = Path(folder) / "killed", Path(folder) / "undisturbed"
        kill_and_resume(killed, arguments)
        print("once more, undisturbed")
        finish(start(undisturbed, arguments))
        compare(killed, undisturbed)


def kill_and_resume(folder: Path, arguments: argparse.Namespace) -> None:
    """Let a process train, kill it so many times at random moments, and let it come to its end."""
    moments = random.Random(arguments.seed)
    for number in range(1, arguments.kills + 1):
        process, before = start(folder, arguments), newest(folder)
        wait_for_a_new_checkpoint(folder, before, process)
        time.sleep(moments.uniform(0, 0.2))
        if process.poll() is not None:
            print("it came to its end before it could be killed")
            break
        process.kill()
        process.wait()
        print(f"kill {number}: the newest checkpoint is of step {newest(folder)}")
    finish(start(folder, arguments))
    print(f"it came to its end at step {newest(folder)}")


def start(folder: Path, arguments: argparse.Namespace) -> subprocess.Popen[bytes]:
    """A process that trains."""
    words = [sys.executable, __file__, "--train", str(folder), "--device", arguments.device]
    return subprocess.Popen([*words, *(["--no-fallback"] if arguments.no_fallback else [])])


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for its end, which has to be a good one."""
    if (code := process.wait()) != 0:
        raise ValueError(f"the process that trains ended with exit code {code}")


def newest(folder: Path) -> int:
    """The step of the newest checkpoint, 0 if there is none."""
    return max((int(path.stem.partition("-")[2]) for path in folder.glob("checkpoint-*.safetensors")), default=0)


def wait_for_a_new_checkpoint(folder: Path, before: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until it has saved something, or ended."""
    while newest(folder) == before and process.poll() is None:
        time.sleep(0.005)


def compare(one: Path, other: Path) -> None:
    """Print whether two trainings came to the same end; raise if not."""
    (arrays, about), (expected, about_expected) = (load(max(f.glob("checkpoint-*.safetensors"))) for f in (one, other))
    different = [name for name in expected if arrays[name].tobytes() != expected[name].tobytes()]
    histories = [[{**row, "seconds": 0} for row in found["history"]] for found in (about, about_expected)]
    if different or histories[0] != histories[1]:
        raise ValueError(f"they differ in {', '.join(different) or 'the history'}")
    epochs = len((one / "history.csv").read_text().splitlines()) - 1
    print(f"equal to the last bit: {len(expected)} arrays and the history of {len(histories[0])} epochs")
    print(f"history.csv has {epochs} rows")


def main(words: list[str]) -> int:
    """Run a command line; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=3, metavar="N", help="how often it is killed (default: 3)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides at which moments")
    parser.add_argument("--train", type=Path, metavar="FOLDER", help="only train, with checkpoints in this folder")
    add_device_arguments(parser)
    add_verbose_argument(parser)
    return run_command(run, parser.parse_args(words))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
