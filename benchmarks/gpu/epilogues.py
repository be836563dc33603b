"""Bias and activation inside a product, in a CUDA graph: is it right, and what is saved against a kernel of its own.

Forward `y = f(x @ w.T + b)`; backward `dx = (dy @ w) f'`, with the sum over the batch, the gradient of the bias before,
made on the way; and `dw = dy.T @ x` with the gradient of this layer's own bias.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.gpu.blas import BFLOAT16, CublasError
from benchmarks.gpu.blas_lt import BlasLt, NoAlgorithm
from benchmarks.gpu.clock import replayed_microseconds
from benchmarks.gpu.findings import Findings
from benchmarks.gpu.graphs import Captured

__all__ = ["epilogues", "from_bfloat16", "to_bfloat16"]

LAYERS = [(32, 30, 32), (200, 64, 100), (128, 784, 256), (512, 1024, 1024)]  # batch, in, out
BOUNDS = {"float32": 1e-5, "TF32": 2e-3, "bfloat16": 1e-2}
# Predicted microseconds in a replay, for the four layers, without an epilogue and with one: it saves a kernel of 1.6
PREDICTED = {"float32": (3.5, 3.5, 7, 40), "TF32": (3.5, 3.5, 4.5, 10), "bfloat16": (3, 3, 4, 7)}
APART = 1.8


def to_bfloat16(x: Any) -> Any:
    """The bits of `x`, float32, rounded to the nearest bfloat16, as uint16."""
    bits = x.view("uint32")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(BFLOAT16)


def from_bfloat16(x: Any) -> Any:
    return (x.astype("uint32") << 16).view("float32")


def epilogues(findings: Findings, *, seconds: float) -> None:
    import cupy

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        blas = BlasLt(stream)
        for compute in BOUNDS:
            for position, layer in enumerate(LAYERS):
                case = _Layer(cupy, blas, layer, compute)
                for name in (
                    "BIAS",
                    "RELU_BIAS",
                    "RELU_AUX_BIAS",
                    "GELU_AUX_BIAS",
                    "DRELU_BGRAD",
                    "DGELU_BGRAD",
                    "BGRADB",
                ):
                    tried = f"{compute}, {'-'.join(map(str, layer))}: {name}"
                    with findings.attempt(tried):
                        _examine(findings, tried, case, name, stream, PREDICTED[compute][position])
                with findings.attempt(f"{compute}, {layer}: apart"):
                    _apart(findings, case, stream, PREDICTED[compute][position])
        for layer in LAYERS:
            with findings.attempt(f"nvmath-python's Matmul, {layer}"):
                _nvmath(findings, cupy, layer, stream)


class _Layer:
    """A layer's arrays, and what each epilogue should give, in float64."""

    def __init__(self, cupy: Any, blas: BlasLt, layer: tuple[int, int, int], compute: str) -> None:
        self.cupy, self.blas, self.compute = cupy, blas, compute
        batch, m, n = layer
        self.half = compute == "bfloat16"
        self.x, self.w, self.b = self._made((batch, m)), self._made((n, m)), self._made((n,))
        self.dy = self._made((batch, n))
        self.y, self.dx, self.dw = (self._made(shape) for shape in ((batch, n), (batch, m), (n, m)))
        self.bias_before, self.bias_own = self._made((m,)), self._made((n,))
        # One for each use, so that no epilogue reads what another left: (rows, bits or numbers, rounded up)
        self.signs = cupy.zeros((batch, -(-n // 128) * 16), dtype="uint8")
        self.arguments = self._made((batch, -(-n // 8) * 8))
        self.signs_before = cupy.zeros((batch, -(-m // 128) * 16), dtype="uint8")
        self.z_before = self._made((batch, -(-m // 8) * 8))

    def _made(self, shape: tuple[int, ...]) -> Any:
        x = self.cupy.random.standard_normal(shape, dtype="float32")
        return to_bfloat16(x) if self.half else x

    def renew(self) -> None:
        """New numbers in the same arrays, and NaN or zeros where results come."""
        for x in (self.x, self.w, self.b, self.dy, self.z_before):
            x[...] = self._made(x.shape)
        bits = self.cupy.random.randint(0, 256, self.signs_before.shape).astype("uint8")
        self.signs_before[...] = bits
        for x in (self.y, self.dx, self.dw, self.bias_before, self.bias_own):
            x[...] = 0x7FC0 if self.half else self.cupy.nan
        self.signs[...] = 0

    def run(self, name: str) -> None:
        compute = "float32" if self.half else self.compute
        product = self.blas.product
        if name.endswith("BIAS") or name == "DEFAULT":
            bias = None if name == "DEFAULT" else self.b
            aux = {"RELU_AUX_BIAS": self.signs, "GELU_AUX_BIAS": self.arguments}.get(name)
            product(self.x, self.w.T, self.y, name, bias=bias, aux=aux, compute=compute)
        elif name == "BGRADB":
            product(self.dy.T, self.x, self.dw, name, bias=self.bias_own, compute=compute)
        else:
            aux = self.signs_before if "RELU" in name else self.z_before
            product(self.dy, self.w, self.dx, name, bias=self.bias_before, aux=aux, compute=compute)

    def errors(self, name: str) -> dict[str, float]:
        """The relative error of each result against float64."""
        cupy = self.cupy
        x, w, b, dy = (self._exact(part) for part in (self.x, self.w, self.b, self.dy))
        z = x @ w.T + b
        if name == "BGRADB":
            return {"dw": self._error(self.dw, dy.T @ x), "db": self._error(self.bias_own, dy.sum(axis=0))}
        if name.endswith("BIAS"):
            found = {"y": self._error(self.y, {"B": z, "R": cupy.maximum(z, 0), "G": _gelu(cupy, z)}[name[0]])}
            if name == "RELU_AUX_BIAS":
                kept = cupy.unpackbits(self.signs, bitorder="little").reshape(len(x), -1)[:, : z.shape[1]]
                found["signs"] = float(cupy.mean(kept != (z > 0)))
            if name == "GELU_AUX_BIAS":
                found["arguments"] = self._error(self.arguments[:, : z.shape[1]], z)
            return found
        through = dy @ w
        if name == "DRELU_BGRAD":
            kept = cupy.unpackbits(self.signs_before, bitorder="little").reshape(len(x), -1)[:, : x.shape[1]]
            dx = through * kept
        else:
            dx = through * _gelu_derivative(cupy, self._exact(self.z_before)[:, : x.shape[1]])
        return {"dx": self._error(self.dx, dx), "db before": self._error(self.bias_before, dx.sum(axis=0))}

    def _exact(self, x: Any) -> Any:
        return (from_bfloat16(x) if self.half else x).astype("float64")

    def _error(self, found: Any, exact: Any) -> float:
        norm = self.cupy.linalg.norm
        return float(norm(self._exact(found) - exact) / norm(exact))


def _gelu(cupy: Any, z: Any) -> Any:
    """With the hyperbolic tangent, as cuBLASLt has it."""
    return 0.5 * z * (1 + cupy.tanh(0.7978845608028654 * (z + 0.044715 * z**3)))


def _gelu_derivative(cupy: Any, z: Any) -> Any:
    t = cupy.tanh(0.7978845608028654 * (z + 0.044715 * z**3))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * 0.7978845608028654 * (1 + 3 * 0.044715 * z * z)


def _examine(findings: Findings, tried: str, case: _Layer, name: str, stream: Any, predicted: float) -> None:
    try:
        graph = Captured(lambda: case.run(name), stream)
    except (NoAlgorithm, CublasError) as problem:
        findings.found(f"{tried}", "not supported", predicted="works", note=str(problem)[:60])
        return
    case.renew()
    graph.launch()
    stream.synchronize()
    errors = case.errors(name)
    bound = BOUNDS[case.compute]
    # Signs differ only where a number is nearly 0
    right = all(error < (max(10 * bound, 1e-3) if part == "signs" else bound) for part, error in errors.items())
    shown = ", ".join(f"{part} {error:.1e}" for part, error in errors.items())
    if not right:
        findings.found(f"{tried}: replayed", "WRONG", predicted="right", note=shown)
    times = replayed_microseconds(lambda: case.run(name), stream, times=50)
    findings.measured(tried, times, "µs", predicted=predicted, note=f"{'right' if right else 'WRONG'}: {shown}")


def _apart(findings: Findings, case: _Layer, stream: Any, predicted: float) -> None:
    """The product alone, and with bias and ReLU by a kernel of its own."""
    import cupy

    size = f"{case.compute}, {case.x.shape[0]}-{case.x.shape[1]}-{case.w.shape[0]}"
    times = replayed_microseconds(lambda: case.run("DEFAULT"), stream, times=50)
    findings.measured(f"{size}: the product alone", times, "µs", predicted=predicted)
    if case.half:
        return
    activate: Callable[..., Any] = cupy.ElementwiseKernel(
        "float32 b", "float32 y", "y += b; y = (y > 0 || y != y) ? y : 0", "bias_and_relu", no_return=True
    )

    def work() -> None:
        case.run("DEFAULT")
        activate(case.b, case.y)

    findings.measured(
        f"{size}: product, then a kernel for bias and ReLU", replayed_microseconds(work, stream, times=50), "µs",
        predicted=predicted + APART, why="one more node",
    )  # fmt: skip


def _nvmath(findings: Findings, cupy: Any, layer: tuple[int, int, int], stream: Any) -> None:
    """Its bias is added along rows, so it computes y.T = w @ x.T."""
    from benchmarks.gpu.nvmath_ways import matmul_with_epilogue

    batch, m, n = layer
    x, w, b = (cupy.random.standard_normal(shape, dtype="float32") for shape in ((batch, m), (n, m), (n,)))
    planned = matmul_with_epilogue(stream, w, x.T, "RELU_BIAS", {"bias": b})
    graph = Captured(lambda: planned.execute(stream=stream), stream)
    for part in (x, w, b):
        part[...] = cupy.random.standard_normal(part.shape, dtype="float32")
    result = graph.launch()
    stream.synchronize()
    exact = cupy.maximum(w.astype("float64") @ x.T.astype("float64") + b.astype("float64")[:, None], 0)
    error = float(cupy.linalg.norm(result - exact) / cupy.linalg.norm(exact))
    times = replayed_microseconds(lambda: planned.execute(stream=stream), stream, times=50)
    findings.measured(
        f"nvmath-python's Matmul, {'-'.join(map(str, layer))}: RELU_BIAS", times, "µs",
        predicted=PREDICTED["float32"][LAYERS.index(layer)],
        note=f"{'right' if error < 1e-5 else 'WRONG'}: {error:.1e}",
    )  # fmt: skip
