"""Training steps: how long a step takes in xpnn, in other libraries, and at the least on NumPy.

Each network and number of threads is measured in a process of its own, whose environment fixes the threads before any
library is loaded; `rounds` is what runs there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.machine import cores
from benchmarks.networks import Network
from benchmarks.report import aligned, number, spread, summary

__all__ = ["measured", "table"]

BLAS_THREADS = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
ONE_XLA_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
PAUSE = 0.05  # seconds: threads of OpenBLAS and OpenMP keep a core busy for some time after their last product


def measured(network: Network, threads: int, *, rounds: int, seconds: float) -> dict[str, Any]:
    """The times of all contenders and their ratios to xpnn's compiled step.

    Raises
    ------
    subprocess.CalledProcessError
        If the process fails, for one because the libraries do not compute the same; its message is on stderr.
    """
    asked = {"network": network.name, "rounds": rounds, "seconds": seconds, "pause": PAUSE if threads > 1 else 0.0}
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.rounds", json.dumps(asked)],
        env=_environment(threads),
        preexec_fn=_pinned_to(threads),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    contenders = json.loads(answer.stdout.splitlines()[-1])
    _compare(contenders)
    return {"network": network.name, "batch": network.batch, "threads": threads, "contenders": contenders}


def _environment(threads: int) -> dict[str, str]:
    environment = {**os.environ, **dict.fromkeys(BLAS_THREADS, str(threads)), "JAX_PLATFORMS": "cpu"}
    if threads == 1:
        environment["XLA_FLAGS"] = ONE_XLA_THREAD
    return environment


def _pinned_to(threads: int) -> Callable[[], None] | None:
    """What binds a new process to as many cores as threads; not every system can."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    chosen = cores()[-threads:]
    return lambda: os.sched_setaffinity(0, chosen)


def _compare(contenders: list[dict[str, Any]]) -> None:
    """Add to each contender its summary, that of the ratios round by round, and whether it is its library's fastest."""
    present = [contender for contender in contenders if "rounds" in contender]
    ours = next((c for c in present if (c["library"], c["way"]) == ("xpnn", "compiled")), present[0])["rounds"]
    for contender in present:
        contender["microseconds"] = summary(contender["rounds"])
        contender["ratio"] = summary([time / own for time, own in zip(contender["rounds"], ours, strict=True)])
    for contender in present:
        same = [c["microseconds"]["median"] for c in present if c["library"] == contender["library"]]
        contender["fastest"] = contender["microseconds"]["median"] == min(same)


def table(result: dict[str, Any]) -> str:
    threads = result["threads"]
    title = f"{result['network']}, batch {result['batch']}, {threads} thread{'s' if threads > 1 else ''}"
    rows = [[title, "µs a step", "quartiles", "time / compiled", "quartiles", ""]]
    for contender in result["contenders"]:
        name = f"  {contender['library']}, {contender['way']}"
        if "missing" in contender:
            rows.append([name, contender["missing"], "", "", "", ""])
            continue
        time, ratio = contender["microseconds"], contender["ratio"]
        several = sum(c["library"] == contender["library"] for c in result["contenders"]) > 1
        mark = "fastest" if several and contender["fastest"] else ""
        rows.append([name, number(time["median"]), spread(time), number(ratio["median"]), spread(ratio), mark])
    return aligned(rows)
