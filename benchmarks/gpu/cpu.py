"""The compiled step on the CPU of the same machine: where a GPU begins to pay."""

from __future__ import annotations

from benchmarks.contenders import CONTENDERS
from benchmarks.gpu.findings import Findings
from benchmarks.networks import NETWORKS
from benchmarks.rounds import Started, microseconds

__all__ = ["steps_on_cpu"]

PREDICTED = (35, 146, 2000, 56000)  # as benchmarks/README.md has them, on another machine


def steps_on_cpu(findings: Findings, *, seconds: float) -> None:
    for network, predicted in zip(NETWORKS.values(), PREDICTED, strict=True):
        with findings.attempt(network.name):
            started = [Started(c, c.make(network)) for c in CONTENDERS if c.library == "xpnn"]
            times = microseconds(started, rounds=5, seconds=seconds)
            for contender, _ in started:
                expected = predicted if contender.way == "compiled" else None
                findings.measured(f"{network.name}, {contender.way}", times[contender.name], "µs", predicted=expected)
