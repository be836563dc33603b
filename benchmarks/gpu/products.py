"""Products inside a CUDA graph: does it work, are replays right for new numbers, and how long do they take?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.gpu.blas import Blas
from benchmarks.gpu.clock import replayed_microseconds, span_microseconds
from benchmarks.gpu.findings import Findings
from benchmarks.gpu.graphs import Captured
from benchmarks.gpu.shapes import operands, operands_of, products_of
from benchmarks.networks import NETWORKS, Network

__all__ = ["Product", "products", "worst_error"]

Product = Callable[[Any, Any, Any], None]  # of a, b and out
PRECISIONS = ("float32", "TF32")
REPEATS = 10  # of all products of a network in the graph that is timed

# Predicted microseconds of one product in a replay, for the four networks: a node takes 2.5 at least; most products of
# the large one are 1.1 GFLOP, 27 µs at 40 TFLOP/s.
PREDICTED = {
    "cublas": (3.5, 3.5, 7, 35), "cublaslt": (3.5, 3.5, 6, 35), "nvmath-cublas": (3.5, 3.5, 7, 35),
    "nvmath-matmul": (3.5, 3.5, 7, 35), "cutensor": (4, 4, 8, 40), "TF32": (3.5, 3.5, 4, 12),
    "CuPy": (14, 14, 14, 35), "torch.mm": (6, 6, 7, 35), "torch.mm in a graph": (3.5, 3.5, 7, 35),
}  # fmt: skip


def products(findings: Findings, way: str, *, seconds: float) -> None:
    """All of one way; 'eager' is what the others are compared with, 'each' times products one by one."""
    import cupy

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        if way == "each":
            _each(findings, stream)
            return
        if way == "eager":
            _eager(findings, stream)
            return
        try:
            made = MAKERS[way](stream)
        except ImportError as problem:
            findings.found(way, "not available", predicted="works", note=" ".join(str(problem).split())[:100])
            return
        for compute, product in made.items():
            for position, network in enumerate(NETWORKS.values()):
                predicted = PREDICTED["TF32" if compute == "TF32" else way][position]
                with findings.attempt(f"{compute}, {network.name}"):
                    _examine(findings, compute, product, network, stream, predicted)


def _examine(
    findings: Findings, compute: str, product: Product, network: Network, stream: Any, predicted: float
) -> None:
    import cupy

    def random(shape: tuple[int, ...]) -> Any:
        return cupy.random.standard_normal(shape, dtype="float32")

    triples = operands_of(network, random, lambda shape: cupy.full(shape, cupy.nan, dtype="float32"))
    bound = 2e-3 if compute == "TF32" else 1e-5
    tried = f"{compute}, {network.name}"

    def work() -> None:
        for a, b, out in triples:
            product(a, b, out)

    work()
    before = worst_error(triples)
    if not before < bound:
        findings.found(f"{tried}: without a graph", f"WRONG by {before:.1e}", predicted="right")
    graph = Captured(work, stream)
    for a, b, out in triples:  # new numbers in the same arrays
        a[...], b[...] = random(a.shape), random(b.shape)
        out[...] = cupy.nan
    graph.launch()
    after = worst_error(triples)
    right = "right" if after < bound else "WRONG"
    findings.found(
        f"{tried}: captured, replayed",
        f"{right}, {after:.1e}",
        predicted="right",
        note=f"{graph.nodes()} nodes for {len(triples)} products",
    )
    times = replayed_microseconds(work, stream, times=REPEATS)
    each = [t / len(triples) for t in times]
    findings.measured(f"{tried}: a product in a replay", each, "µs", predicted=predicted)


def worst_error(triples: list[tuple[Any, Any, Any]]) -> float:
    """The largest relative error of a product, in the norm, against float64; NaN if one has NaN."""
    import cupy

    errors = []
    for a, b, out in triples:
        exact = cupy.matmul(a.astype("float64"), b.astype("float64"))
        errors.append(float(cupy.linalg.norm(out.astype("float64") - exact) / cupy.linalg.norm(exact)))
    return max(errors, key=lambda error: float("inf") if error != error else error)


# The ways


def _cublas(stream: Any) -> dict[str, Product]:
    blas = Blas(stream)
    return {
        "float32": lambda a, b, out: blas.product(a, b, out),
        "TF32": lambda a, b, out: blas.product(a, b, out, "TF32"),
    }


def _cublaslt(stream: Any) -> dict[str, Product]:
    from benchmarks.gpu.blas_lt import BlasLt

    blas = BlasLt(stream)
    return {
        "float32": lambda a, b, out: blas.product(a, b, out),
        "TF32": lambda a, b, out: blas.product(a, b, out, compute="TF32"),
    }


def _nvmath_cublas(stream: Any) -> dict[str, Product]:
    from benchmarks.gpu.nvmath_ways import product_by_cublas

    return {kind: product_by_cublas(stream, kind) for kind in ("float32", "TF32")}


def _nvmath_matmul(stream: Any) -> dict[str, Product]:
    from benchmarks.gpu.nvmath_ways import product_by_matmul

    return {"float32": product_by_matmul(stream)}


def _cutensor(stream: Any) -> dict[str, Product]:
    from cupyx import cutensor

    def product(a: Any, b: Any, out: Any) -> None:
        cutensor.contraction(1.0, a, ("m", "k"), b, ("k", "n"), 0.0, out, ("m", "n"))

    return {"float32": product}


MAKERS: dict[str, Callable[[Any], dict[str, Product]]] = {
    "cublas": _cublas, "cublaslt": _cublaslt, "nvmath-cublas": _nvmath_cublas, "nvmath-matmul": _nvmath_matmul,
    "cutensor": _cutensor,
}  # fmt: skip


def _each(findings: Findings, stream: Any) -> None:
    """Every product apart, and those with 10 rows or columns with 16 instead: what the float32 time goes to.

    Predicted: the last layer's three take 21 µs, what the sums above leave for them, since their rows of 40 bytes begin
    at no multiple of 16; with 16 columns 5; the others 5, or their arithmetic at 40 TFLOP/s.
    """
    blas = Blas(stream)
    for network in NETWORKS.values():
        for kind, m, k, n in products_of(network):
            padded = {m, k, n} & {10} and tuple(16 if size == 10 else size for size in (m, k, n))
            for sizes in ((m, k, n), padded) if padded else ((m, k, n),):
                name = f"{network.name}, {kind} {'x'.join(map(str, sizes))}"
                predicted = 21 if 10 in sizes else max(5, 2 * m * k * n / 40e6)
                with findings.attempt(name):
                    times = {compute: _microseconds_of(blas, kind, sizes, compute, stream) for compute in PRECISIONS}
                    findings.measured(f"{name}, float32", times["float32"], "µs", predicted=predicted)
                    findings.measured(f"{name}, TF32", times["TF32"], "µs", predicted=4)


def _microseconds_of(blas: Blas, kind: str, sizes: tuple[int, ...], compute: str, stream: Any) -> list[float]:
    import cupy

    def empty(shape: tuple[int, ...]) -> Any:
        return cupy.empty(shape, dtype="float32")

    a, b, out = operands(kind, *sizes, lambda shape: cupy.random.standard_normal(shape, dtype="float32"), empty)
    return replayed_microseconds(lambda: blas.product(a, b, out, compute), stream, times=20, rounds=5)


def _eager(findings: Findings, stream: Any) -> None:
    import cupy

    with findings.attempt("CuPy's own product while a stream is captured"):
        x = cupy.ones((8, 8), dtype="float32")
        try:
            Captured(lambda: x @ x, stream)
            findings.found("CuPy's own product while a stream is captured", "works", predicted="refused")
        except NotImplementedError as problem:
            findings.found(
                "CuPy's own product while a stream is captured", "refused", predicted="refused", note=str(problem)[:80]
            )
    fresh = cupy.cuda.Stream(non_blocking=True)
    for position, network in enumerate(NETWORKS.values()):
        with findings.attempt(f"CuPy, {network.name}"), fresh:
            triples = operands_of(
                network, lambda shape: cupy.random.standard_normal(shape, dtype="float32"),
                lambda shape: cupy.empty(shape, dtype="float32"),
            )  # fmt: skip
            times = span_microseconds(lambda t=triples: [a @ b for a, b, _ in t], fresh)
            findings.measured(
                f"CuPy, {network.name}: a product, eager",
                [t / len(triples) for t in times],
                "µs",
                predicted=PREDICTED["CuPy"][position],
            )
        with findings.attempt(f"torch.mm, {network.name}"):
            _of_pytorch(findings, network, position)


def _of_pytorch(findings: Findings, network: Network, position: int) -> None:
    import torch

    triples = operands_of(
        network, lambda shape: torch.randn(shape, device="cuda"), lambda shape: torch.empty(shape, device="cuda")
    )

    def work() -> None:
        for a, b, out in triples:
            torch.mm(a, b, out=out)

    def spans(call: Callable[[], Any], calls: int) -> list[float]:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        times = []
        for _ in range(9):
            torch.cuda.synchronize()
            begin.record()
            for _ in range(calls):
                call()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end) / calls * 1e3 / len(triples))
        return times

    work()
    findings.measured(
        f"torch.mm, {network.name}: a product, eager", spans(work, 20), "µs", predicted=PREDICTED["torch.mm"][position]
    )
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(REPEATS):
            work()
    graph.replay()
    times = [t / REPEATS for t in spans(graph.replay, 3)]
    findings.measured(
        f"torch.mm, {network.name}: a product in a replay",
        times,
        "µs",
        predicted=PREDICTED["torch.mm in a graph"][position],
    )
