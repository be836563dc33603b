"""TF32 and bfloat16 products of the networks: time on the device, and error against float64; how CuPy switches."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from benchmarks.gpu.blas import Blas
from benchmarks.gpu.clock import replayed_microseconds
from benchmarks.gpu.epilogues import to_bfloat16
from benchmarks.gpu.findings import Findings
from benchmarks.gpu.products import worst_error
from benchmarks.gpu.shapes import operands_of, products_of
from benchmarks.networks import NETWORKS, Network

__all__ = ["precisions"]

# Predicted: microseconds of all products of a step for the four networks, and the relative error of one. TF32 keeps 10
# bits of 24 of each operand, bfloat16 7: roundings of 2^-11 and 2^-8, which average to the given.
PREDICTED = {
    "float32": ((28, 18, 56, 300), 3e-7), "pedantic": ((28, 18, 56, 300), 3e-7),
    "emulated by bfloat16": ((30, 20, 50, 250), 3e-7), "TF32": ((28, 18, 30, 80), 3e-4),
    "bfloat16 inside": ((28, 18, 30, 80), 2.3e-3), "bfloat16": ((24, 15, 25, 45), 2.3e-3),
}  # fmt: skip


def precisions(findings: Findings, *, seconds: float) -> None:
    import cupy

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        blas = Blas(stream)
        for position, network in enumerate(NETWORKS.values()):
            triples = operands_of(
                network, lambda shape: cupy.random.standard_normal(shape, dtype="float32"),
                lambda shape: cupy.empty(shape, dtype="float32"),
            )  # fmt: skip
            for compute in PREDICTED:
                with findings.attempt(f"{network.name}, {compute}"):
                    _measure(findings, network, compute, triples, blas, stream, position)
    for name, asked in [("CuPy as it is", {}), ("CuPy with CUPY_TF32=1", {"CUPY_TF32": "1"})]:
        with findings.attempt(name):
            findings.measured(name, [_error_of_cupy(asked)], "error", predicted=3e-4 if asked else 3e-7)
    with findings.attempt("CuPy switched in the program"):
        findings.found(
            "CuPy switched in the program", _switched(), predicted="3e-7, 3e-4, 3e-7",
            why="set_compute_type, which is not public, acts on the next product",
        )  # fmt: skip


def _measure(
    findings: Findings, network: Network, compute: str, triples: list[Any], blas: Blas, stream: Any, position: int
) -> None:
    given = triples
    if compute == "bfloat16":  # the operands come rounded, the result is float32
        given = [(_rounded(a), _rounded(b), out) for a, b, out in triples]
    kind = "float32" if compute == "bfloat16" else compute

    def work() -> None:
        for a, b, out in given:
            blas.product(a, b, out, kind)

    for *_, out in triples:
        out[...] = float("nan")
    work()
    times, error = PREDICTED[compute]
    found = worst_error(triples)
    replayed = replayed_microseconds(work, stream, times=10)
    findings.measured(
        f"{network.name}, {compute}: all {len(products_of(network))} products",
        replayed,
        "µs",
        predicted=times[position],
    )
    findings.measured(f"{network.name}, {compute}: largest error", [found], "", predicted=error)


def _rounded(x: Any) -> Any:
    """As bits of bfloat16, a transpose staying one."""
    return to_bfloat16(x) if x.flags.c_contiguous else to_bfloat16(x.T).T


PROGRAM = """
import cupy
a, b = (cupy.random.standard_normal((512, 512), dtype="float32") for _ in range(2))
exact = a.astype("float64") @ b.astype("float64")
print(float(cupy.linalg.norm(a @ b - exact) / cupy.linalg.norm(exact)))
"""


def _error_of_cupy(asked: dict[str, str]) -> float:
    """In a process of its own: CuPy reads the variable once, at its first product."""
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
        timeout=40,
    )
    return float(answer.stdout)


def _switched() -> str:
    import cupy
    from cupy._core import _routines_linalg as of_cupy

    a, b = (cupy.random.standard_normal((512, 512), dtype="float32") for _ in range(2))
    exact = a.astype("float64") @ b.astype("float64")
    before, errors = of_cupy.get_compute_type(a.dtype), []
    for kind in (of_cupy.COMPUTE_TYPE_DEFAULT, of_cupy.COMPUTE_TYPE_TF32, of_cupy.COMPUTE_TYPE_DEFAULT):
        of_cupy.set_compute_type(a.dtype, kind)
        errors.append(float(cupy.linalg.norm(a @ b - exact) / cupy.linalg.norm(exact)))
    of_cupy.set_compute_type(a.dtype, before)
    return ", ".join(f"{error:.1e}" for error in errors)
