"""How long the first result takes: import of CuPy, the device's context, the first kernel and the first product."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks.gpu.findings import Findings

__all__ = ["starts"]

# Each part is printed as it ends: a process that breaks off says how far it came
PROGRAM = """
import time
begin = time.perf_counter()
def tick():
    global begin
    print(time.perf_counter() - begin, flush=True)
    begin = time.perf_counter()
import cupy; tick()
cupy.cuda.runtime.getDeviceCount(); cupy.cuda.runtime.free(0); tick()
x = cupy.ones((8, 8), dtype="float32"); x.sum().item(); tick()
(x @ x).sum().item(); tick()
cupy.exp(x).sum().item(); tick()
cupy.log1p(x).sum().item(); tick()
cupy.tanh(x * x).sum().item(); tick()
"""
PARTS = ["import cupy", "context", "ones and sum", "first product", "exp", "log1p", "product of elements and tanh"]
PREDICTED = {
    "no kernel compiled yet": (400, 300, 900, 500, 300, 300, 600),
    "kernels compiled before": (400, 300, 150, 400, 3, 3, 5),
}


def starts(findings: Findings, *, seconds: float) -> None:
    """In milliseconds; two processes with an empty cache of compiled kernels each, and two that find all of theirs."""
    with findings.attempt("no kernel compiled yet"), tempfile.TemporaryDirectory() as folder:
        empty = [{"CUPY_CACHE_DIR": f"{folder}/{position}"} for position in range(2)]
        _report(findings, "no kernel compiled yet", [_milliseconds(environment) for environment in empty])
    with findings.attempt("kernels compiled before"):
        _milliseconds({})
        _report(findings, "kernels compiled before", [_milliseconds({}) for _ in range(2)])


def _report(findings: Findings, name: str, runs: list[list[float]]) -> None:
    for part, predicted, times in zip(PARTS, PREDICTED[name], zip(*runs, strict=True), strict=True):
        findings.measured(f"{name}: {part}", times, "ms", predicted=predicted)


def _milliseconds(environment: dict[str, str]) -> list[float]:
    """Of each part, in a process of its own."""
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=25,
    )
    return [float(part) * 1e3 for part in answer.stdout.split()]
