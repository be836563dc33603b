"""`xpnn bench`: how fast this machine trains, in a few seconds.

A training step is forward, gradient and an update of Adam, in float32, on random numbers: plain, and compiled by
`xpnn.compile`. The two run in turn, in rounds, so that both meet the same disturbances; shown is the median. Products
take one
thread, unless the environment names a number. Figures
beside other libraries come from the folder `benchmarks` of the project, which is not part of the installed package.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy

from xpnn.arrays.devices import Device
from xpnn.arrays.devices import device as find_device
from xpnn.arrays.namespaces import Array
from xpnn.autodiff.transforms import value_and_grad
from xpnn.cli import options
from xpnn.cli.command import add_device_arguments, add_verbose_argument, device_for_command
from xpnn.cli.doctor import version_of
from xpnn.compiler.compile import compile as compiled
from xpnn.nn.activations import ReLU
from xpnn.nn.dense import Linear
from xpnn.nn.losses.classes import cross_entropy
from xpnn.nn.module import Module
from xpnn.nn.sequential import Sequential
from xpnn.optim.adam import Adam
from xpnn.training.threads import few_threads

__all__ = ["add_to", "measured"]

NETWORKS: dict[str, tuple[tuple[int, ...], int]] = {
    "30-32-16-2": ((30, 32, 16, 2), 32),
    "64-128-128-10": ((64, 128, 128, 10), 256),
    "784-256-128-10": ((784, 256, 128, 10), 128),
}
_ROUNDS = 7


def add_to(subparsers: Any) -> None:
    """Adds the parser of `xpnn bench`."""
    summary = "measure how fast this machine trains"
    parser = subparsers.add_parser("bench", help=summary, description=f"{summary.capitalize()}.")
    parser.add_argument(
        "--seconds",
        type=options.positive_number,
        default=1.0,
        metavar="S",
        help="for each network and way (default: 1)",
    )
    parser.add_argument("--json", action="store_true", help="the same for machines")
    add_device_arguments(parser)
    add_verbose_argument(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    place = device_for_command(arguments.device, no_fallback=arguments.no_fallback)
    places = [place] if place.name == "cpu" else [find_device("cpu"), place]
    with few_threads(0, 0):
        found = [measured(name, where, arguments.seconds) for where in places for name in NETWORKS]
    if arguments.json:
        about = {"xpnn": version_of("xpnn"), "numpy": numpy.__version__}
        print(json.dumps({**about, "steps": found}, indent=2))
        return
    for where in places:
        print(f"training steps on {where.name}")
        print(f"{'network':16}{'batch':>6}{'plain, µs':>12}{'compiled, µs':>14}{'rows per second':>18}")
        for row in (row for row in found if row["device"] == where.name):
            words = f"{row['network']:16}{row['batch']:>6}{row['plain'] * 1e6:>12.1f}{row['compiled'] * 1e6:>14.1f}"
            print(f"{words}{row['batch'] / row['compiled']:>18,.0f}")
        print()


def measured(name: str, place: Device, seconds: float) -> dict[str, Any]:
    """Seconds of one training step of a network, plain and compiled: medians over rounds."""
    widths, batch = NETWORKS[name]
    plain, x, t = _step(widths, batch, place)
    other, _, _ = _step(widths, batch, place, compiled_too=True)
    ways = {"plain": plain, "compiled": other}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for step in ways.values():
        for _ in range(4):  # recorded in the first two
            step(x, t)
    for _ in range(_ROUNDS):
        for way, step in ways.items():
            times[way].append(_time(step, x, t, place, seconds / _ROUNDS))
    medians = {way: statistics.median(several) for way, several in times.items()}
    return {"network": name, "batch": batch, "device": place.name, **medians}


def _step(
    widths: tuple[int, ...], batch: int, place: Device, *, compiled_too: bool = False
) -> tuple[Any, Array, Array]:
    """A training step, with inputs and targets for it."""
    layers: list[Module] = []
    for ins, outs in pairwise(widths):
        layers += [Linear(ins, outs), ReLU()]
    model = Sequential(*layers[:-1]).initialize(seed=0).to(place)
    optimizer = Adam(model)
    generator = numpy.random.default_rng(0)
    x = place.asarray(generator.standard_normal((batch, widths[0]), dtype=numpy.float32))
    t = place.asarray(generator.integers(0, widths[-1], batch))
    gradients = value_and_grad(lambda model, x, t: cross_entropy(model(x), t))

    def step(x: Array, t: Array) -> Array:
        value, found = gradients(model, x, t)
        optimizer.step(found)
        return value

    return (compiled(step, state=(model, optimizer)) if compiled_too else step), x, t


def _time(step: Callable[[Array, Array], Any], x: Array, t: Array, place: Device, seconds: float) -> float:
    """Seconds of one step: of as many as fill the time, five at least."""
    place.synchronize()
    start = time.perf_counter()
    count = 0
    while count < 5 or time.perf_counter() - start < seconds:
        step(x, t)
        count += 1
    place.synchronize()
    return (time.perf_counter() - start) / count
