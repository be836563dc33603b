"""What the card can do at most: memory, products, and the shortest step of a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.gpu.blas import BFLOAT16, Blas
from benchmarks.gpu.clock import host_microseconds, span_microseconds
from benchmarks.gpu.findings import Findings
from benchmarks.gpu.graphs import Captured

__all__ = ["ceilings"]

SIZE = 8192


def ceilings(findings: Findings, *, seconds: float) -> None:
    import cupy

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        for part in (_copies, _products, _graphs):
            with findings.attempt(part.__name__.strip("_")):
                part(findings, stream)


def _copies(findings: Findings, stream: Any) -> None:
    import cupy

    for name, size, predicted, why in [
        ("copy of 1 GiB", 1 << 30, 2.9, "3.35 TB/s of HBM3 by the data sheet, 87 % of it"),
        ("copy of 8 MiB, again and again", 8 << 20, 5.0, "both arrays fit in the L2 cache (50 MB)"),
    ]:
        a = cupy.random.random(size // 4, dtype="float32")
        b = cupy.empty_like(a)
        moves: dict[str, Callable[[], Any]] = {
            "cudaMemcpy": lambda a=a, b=b: b.data.copy_from_device_async(a.data, a.nbytes),
            "CuPy's add": lambda a=a, b=b: cupy.add(a, 1, out=b),
        }
        for how, move in moves.items():
            times = span_microseconds(move, stream, calls=10 if size > 1 << 25 else 200)
            rates = [2 * a.nbytes / t / 1e6 for t in times]
            findings.measured(f"{name}, {how}", rates, "TB/s", predicted=predicted, why=why, note="read and written")


def _products(findings: Findings, stream: Any) -> None:
    import cupy

    blas = Blas(stream)
    findings.found("cuBLAS", str(blas.version()))
    a, b = (cupy.random.standard_normal((SIZE, SIZE), dtype="float32") for _ in range(2))
    out = cupy.empty_like(a)
    halves = [(x.view("uint32") >> 16).astype(BFLOAT16) for x in (a, b)]
    for compute, operands, result, predicted, why in [
        ("float32", (a, b), out, 50, "67 TFLOP/s without matrix units, 75 % of it"),
        ("TF32", (a, b), out, 380, "495 TFLOP/s by the data sheet, 77 % of it (power)"),
        ("emulated by bfloat16", (a, b), out, 80, "9 bfloat16 products for one, 780 / 9; maybe not on this card"),
        ("bfloat16", halves, out.view(BFLOAT16)[:, :SIZE].copy(), 750, "989 TFLOP/s by the data sheet, 76 % of it"),
    ]:
        with findings.attempt(f"product of {SIZE}, {compute}"):
            kind = "float32" if compute == "bfloat16" else compute
            times = span_microseconds(
                lambda o=operands, r=result, k=kind: blas.product(*o, r, k), stream, calls=4, rounds=5
            )
            rates = [2 * SIZE**3 / t / 1e6 for t in times]
            findings.measured(f"product of {SIZE}, {compute}", rates, "TFLOP/s", predicted=predicted, why=why)


def _graphs(findings: Findings, stream: Any) -> None:
    import cupy

    nothing = cupy.RawKernel('extern "C" __global__ void nothing() {}', "nothing")
    x = cupy.zeros(1000, dtype="float32")
    one = Captured(lambda: nothing((1,), (32,), ()), stream)
    many = Captured(lambda: [nothing((1,), (32,), ()) for _ in range(1000)], stream)
    adding = Captured(lambda: [cupy.add(x, 1, out=x) for _ in range(1000)], stream)
    wait = stream.synchronize
    findings.measured(
        "launch of a graph, host",
        host_microseconds(one.launch, wait),
        "µs",
        predicted=4,
        why="2 to 3 of the driver, CuPy's call",
    )
    findings.measured(
        "graphs of one empty kernel, one after another", span_microseconds(one.launch, stream, calls=200), "µs",
        predicted=4, why="the host is slower than the device",
    )  # fmt: skip
    for name, graph, predicted in [("an empty kernel", many, 1.2), ("CuPy's add of 1000 numbers", adding, 1.6)]:
        times = [t / 1000 for t in span_microseconds(graph.launch, stream, calls=3)]
        findings.measured(
            f"{name} inside a graph, each after the last",
            times,
            "µs",
            predicted=predicted,
            why="start and drain of a kernel",
        )
    waited = host_microseconds(lambda: (one.launch(), wait()), wait)
    findings.measured(
        "graph of one empty kernel, launched and waited for",
        waited,
        "µs",
        predicted=12,
        why="launch 4, device 3, wake-up 5",
    )
