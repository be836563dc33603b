"""Epochs of `Trainer`, compiled and plain: what a user waits for.

With shuffling, gathering, the last smaller batch, and what it costs to find out that compiling does not pay.

Two trainers of the same network train in turn. The warm ones have trained long before, without or with a callback; the
others are new at each fit of a few epochs, so that recording counts too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy

from benchmarks.networks import Network
from benchmarks.report import aligned, number, spread, summary
from xpnn import nn, optim
from xpnn.training import Trainer

__all__ = ["measured", "table"]

ROWS = {"30-32-16-1": 569, "64-100-10": 1797, "784-256-128-10": 6000, "784-1024-1024-10": 2560}
NEW = (1, 3, 10, 30)  # epochs of a new trainer, each of ten batches and a smaller one
CALLS = 100_000_000_000  # multiply-adds that a fit of a new trainer may take: the longer ones say nothing new


def measured(network: Network, *, rounds: int) -> dict[str, Any]:
    """Milliseconds of an epoch, and of fits of new trainers, plain and compiled, round by round."""
    found = {
        "warm": _warm(network, rounds, []),
        "warm, a callback": _warm(network, rounds, [lambda trainer, row: None]),
    }
    work = 3 * 10 * network.batch * sum(a * b for a, b in pairwise(network.sizes))
    for epochs in NEW:
        if epochs * work * rounds < CALLS:
            found[f"new, {epochs} epoch{'s' if epochs > 1 else ''}"] = _new(network, rounds, epochs)
    return {"network": network.name, "batch": network.batch, "fits": {k: _compared(v) for k, v in found.items()}}


def _warm(network: Network, rounds: int, callbacks: list[Any]) -> list[tuple[float, float]]:
    x, t = _data(network, ROWS[network.name])
    trainers = [_trainer(network, compiled) for compiled in (False, True)]
    few = 100 * network.batch // len(x) + 1
    trainers[1].fit(x, t, epochs=few if network.sizes[0] > 100 else 110, batch_size=network.batch)
    epochs = 2 if network.sizes[0] > 100 else 20

    def epoch(trainer: Trainer) -> float:
        trainer.fit(x, t, epochs=epochs, batch_size=network.batch, callbacks=callbacks)
        return float(numpy.median(trainer.history["seconds"][-epochs:])) * 1e3  # type: ignore[arg-type]

    return [_in_turn(lambda compiled: epoch(trainers[compiled]), n) for n in range(rounds)]


def _new(network: Network, rounds: int, epochs: int) -> list[tuple[float, float]]:
    x, t = _data(network, 10 * network.batch + network.batch // 2)

    def fit(compiled: bool) -> float:
        trainer, start = _trainer(network, compiled), time.perf_counter()
        trainer.fit(x, t, epochs=epochs, batch_size=network.batch)
        return (time.perf_counter() - start) * 1e3

    return [_in_turn(fit, n) for n in range(rounds)]


def _in_turn(time_of: Callable[[bool], float], turn: int) -> tuple[float, float]:
    """The times of the plain and the compiled one; which comes first changes from turn to turn."""
    times = {compiled: time_of(compiled) for compiled in ((False, True), (True, False))[turn % 2]}
    return times[False], times[True]


def _compared(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    plain, compiled = (summary(times) for times in zip(*pairs, strict=True))
    return {"rounds": pairs, "plain": plain, "compiled": compiled, "ratio": summary([p / c for p, c in pairs])}


def _data(network: Network, rows: int) -> tuple[Any, Any]:
    generator = numpy.random.default_rng(0)
    x = generator.standard_normal((rows, network.sizes[0]), dtype=numpy.float32)
    if network.binary:
        return x, generator.integers(0, 2, size=(rows, 1)).astype(numpy.float32)
    return x, generator.integers(0, network.sizes[-1], size=rows)


def _trainer(network: Network, compiled: bool) -> Trainer:
    layers = [layer for n, m in pairwise(network.sizes) for layer in (nn.Linear(n, m), nn.ReLU())]
    model = nn.Sequential(*layers[:-1]).initialize(seed=0)
    loss = nn.binary_cross_entropy_with_logits if network.binary else nn.cross_entropy
    return Trainer(model, loss, optim.Adam(model, learning_rate=1e-3), compile=compiled)


def table(result: dict[str, Any]) -> str:
    rows = [
        [f"{result['network']}, batch {result['batch']}", "plain, ms", "compiled, ms", "plain / compiled", "quartiles"]
    ]
    for name, fit in result["fits"].items():
        medians = [number(fit[key]["median"]) for key in ("plain", "compiled", "ratio")]
        rows.append([f"  {name}", *medians, spread(fit["ratio"])])
    return aligned(rows)
