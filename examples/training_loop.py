"""A training loop of one's own, without `Trainer`: what happens at each step stands in twenty lines.

    python examples/training_loop.py                 # on a GPU if there is one, else on the CPU
    python examples/training_loop.py --device cuda --epochs 30

The network learns to read 1797 handwritten digits of 8 x 8 pixels (examples/data/README.md); a fifth of them is held
out. `train` is all there is to it: gradients are returned by a function of the model, the optimizer takes them, and
`xpnn.compile` leaves the Python out of a step that comes often. Whatever you want to be different, write it so.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy

import xpnn
from xpnn import nn, optim
from xpnn.cli.command import add_device_arguments, add_verbose_argument, device_for_command, run_command
from xpnn.training import batch_indices, split
from xpnn.training.metrics import accuracy

DATA = Path(__file__).resolve().parent / "data" / "digits.csv.gz"


def train(device: xpnn.Device, epochs: int, seed: int) -> float:
    """Train a network; gives the share of held-out digits that it reads rightly."""
    x, x_held_out, t, t_held_out = read_digits(seed)
    x, t = device.asarray(x), device.asarray(t)  # all of it, once: a batch is then a look-up on the device
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10)).initialize(seed).to(device)
    optimizer = optim.AdamW(model, learning_rate=3e-3, weight_decay=0.01)

    def loss(model: nn.Module, x: Any, t: Any) -> Any:
        return nn.cross_entropy(model(x), t)

    def step(x: Any, t: Any) -> Any:
        value, gradients = xpnn.value_and_grad(loss)(model, x, t)
        optimizer.step(gradients)
        return value

    fast_step = xpnn.compile(step, state=(model, optimizer))
    for epoch in range(epochs):
        model.train()
        losses = [
            fast_step(device.xp.take(x, rows, axis=0), device.xp.take(t, rows))
            for rows in map(device.asarray, batch_indices(x.shape[0], 32, seed=seed, epoch=epoch))
        ]
        mean = sum(map(float, losses)) / len(losses)  # the only look at the device in an epoch
        y = device.to_host(model.eval()(device.asarray(x_held_out)))
        print(f"epoch {epoch + 1:2}: loss {mean:.4f}, held-out accuracy {accuracy(y, t_held_out):.4f}")
    return accuracy(y, t_held_out)


def read_digits(seed: int) -> list[numpy.ndarray]:
    """Pixels from 0 to 1, shape (n, 64), and digits, shape (n,): both to learn from, and both held out, in turn."""
    table = numpy.loadtxt(DATA, delimiter=",", dtype="float32")
    x, t = table[:, :-1] / 16, table[:, -1].astype("int64")
    return list(split(x, t, fraction=0.2, seed=seed, stratify=t))


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    if arguments.epochs < 1:
        raise ValueError(f"expected --epochs of 1 or more, got {arguments.epochs}")
    device = device_for_command(arguments.device, no_fallback=arguments.no_fallback)
    print(f"device: {device.describe()}")
    train(device, arguments.epochs, arguments.seed)


def main(words: list[str]) -> int:
    """Run a command line; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10, metavar="N", help="times through all images (default: 10)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides weights, batches and the split")
    add_device_arguments(parser)
    add_verbose_argument(parser)
    arguments = parser.parse_args(words)
    return run_command(run, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
