"""How long the first result takes: import of CuPy, the device's context, the first kernel and the first product."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks.gpu.findings import Findings

__all__ = ["starts"]

PROGRAM = """
import time
clock = [time.perf_counter()]
def tick(): clock.append(time.perf_counter())
import cupy; tick()
cupy.cuda.runtime.getDeviceCount(); cupy.cuda.runtime.free(0); tick()
x = cupy.ones((8, 8), dtype="float32"); x.sum().item(); tick()
(x @ x).sum().item(); tick()
(cupy.exp(x) + 1).sum().item(); tick()
print(*[b - a for a, b in zip(clock, clock[1:])])
"""
PARTS = ["import cupy", "context", "first kernels", "first product", "two more kernels"]
PREDICTED = {"kernels compiled before": (400, 300, 150, 400, 5), "no kernel compiled yet": (400, 300, 900, 500, 600)}


def starts(findings: Findings, *, seconds: float) -> None:
    """In milliseconds; three processes with a cache of compiled kernels, two without."""
    for name, count in [("no kernel compiled yet", 2), ("kernels compiled before", 3)]:
        with findings.attempt(name), tempfile.TemporaryDirectory() as folder:
            environment = dict(os.environ)
            if name.startswith("no"):
                environment |= {"CUPY_CACHE_DIR": folder, "CUDA_CACHE_PATH": folder}
            runs = []
            for position in range(count):
                if name.startswith("no"):
                    environment["CUPY_CACHE_DIR"] = f"{folder}/{position}"
                answer = subprocess.run(
                    [sys.executable, "-c", PROGRAM],
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=True,
                    timeout=50,
                )
                runs.append([float(part) * 1e3 for part in answer.stdout.split()])
            for part, predicted, times in zip(PARTS, PREDICTED[name], zip(*runs, strict=True), strict=True):
                findings.measured(f"{name}: {part}", times, "ms", predicted=predicted)
