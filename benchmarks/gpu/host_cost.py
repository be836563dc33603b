"""What a call of CuPy, and of PyTorch, keeps the host: 64 x 64 float32, nothing waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.gpu.clock import host_microseconds
from benchmarks.gpu.findings import Findings

__all__ = ["host_costs"]

# Predicted microseconds: (CuPy, PyTorch). CuPy published 11 for an elementwise call (2020), 12 for a sum, 28 for a
# product, on slower hosts; 60 % of that. PyTorch's dispatcher takes 3 to 5, its products 6 to 8.
PREDICTED = {
    "add": (6, 3.5), "add, out=": (5.5, 3), "x += y": (5.5, 3), "add of a number": (6.5, 3.5), "maximum": (6.5, 4),
    "sum along axis 0": (10, 6), "sum of all": (12, 6), "x @ y": (15, 6), "x @ y, out=": (16, 6), "x @ y.T": (16, 7),
    "copy": (5, 4), "empty": (1.5, 1.2), "x[1:]": (1, 1.8), "x.T": (0.6, 1.2), "x[...] = y": (4, 3.5),
    "astype float64": (6, 4), "greater": (6.5, 3.5), "take_along_axis": (60, 6),
}  # fmt: skip
KERNELS = {
    "ElementwiseKernel, 2 in, 1 out": 5, "ElementwiseKernel, out given": 4, "RawKernel": 2.5,
    "cupy.fuse, 3 operations": 8,
}  # fmt: skip


def host_costs(findings: Findings, *, seconds: float) -> None:
    import cupy

    wait = cupy.cuda.Stream.null.synchronize
    calls = _of_cupy(cupy)
    for name, call in calls.items():
        with findings.attempt(f"CuPy: {name}"):
            predicted = PREDICTED[name][0] if name in PREDICTED else KERNELS[name]
            findings.measured(f"CuPy: {name}", host_microseconds(call, wait), "µs", predicted=predicted)
    with findings.attempt("PyTorch"):
        import torch

        for name, call in _of_pytorch(torch).items():
            with findings.attempt(f"PyTorch: {name}"):
                times = host_microseconds(call, torch.cuda.synchronize)
                findings.measured(f"PyTorch: {name}", times, "µs", predicted=PREDICTED[name][1])


def _of_cupy(cupy: Any) -> dict[str, Callable[[], Any]]:
    x, y = (cupy.random.standard_normal((64, 64), dtype="float32") for _ in range(2))
    out, labels = cupy.empty_like(x), cupy.zeros((64, 1), dtype="int64")
    two = cupy.ElementwiseKernel("float32 x, float32 y", "float32 z", "z = x * 2 + y", "two_in")
    raw = cupy.RawKernel(
        """extern "C" __global__ void raw_add(const float* x, const float* y, float* z, int size) {
        int k = blockIdx.x * blockDim.x + threadIdx.x; if (k < size) z[k] = x[k] * 2 + y[k]; }""",
        "raw_add",
    )

    @cupy.fuse
    def fused(x: Any, y: Any) -> Any:  # CuPy makes the kernel's name of the function's
        return cupy.maximum(x * 2 + y, 0)

    return {
        "add": lambda: x + y,
        "add, out=": lambda: cupy.add(x, y, out=out),
        "x += y": lambda: x.__iadd__(y),
        "add of a number": lambda: x + 1.0,
        "maximum": lambda: cupy.maximum(x, 0.0),
        "greater": lambda: x > 0,
        "astype float64": lambda: x.astype("float64"),
        "ElementwiseKernel, 2 in, 1 out": lambda: two(x, y),
        "ElementwiseKernel, out given": lambda: two(x, y, out),
        "RawKernel": lambda: raw((32,), (128,), (x, y, out, 4096)),
        "cupy.fuse, 3 operations": lambda: fused(x, y),
        "sum along axis 0": lambda: cupy.sum(x, axis=0),
        "sum of all": lambda: cupy.sum(x),
        "x @ y": lambda: x @ y,
        "x @ y.T": lambda: x @ y.T,
        "x @ y, out=": lambda: cupy.matmul(x, y, out=out),
        "copy": lambda: x.copy(),
        "x[...] = y": lambda: out.__setitem__(..., y),
        "empty": lambda: cupy.empty((64, 64), dtype="float32"),
        "x[1:]": lambda: x[1:],
        "x.T": lambda: x.T,
        "take_along_axis": lambda: cupy.take_along_axis(x, labels, axis=-1),
    }


def _of_pytorch(torch: Any) -> dict[str, Callable[[], Any]]:
    x, y = (torch.randn(64, 64, device="cuda") for _ in range(2))
    out, labels = torch.empty_like(x), torch.zeros((64, 1), dtype=torch.int64, device="cuda")
    zero = torch.zeros((), device="cuda")
    return {
        "add": lambda: x + y,
        "add, out=": lambda: torch.add(x, y, out=out),
        "x += y": lambda: x.__iadd__(y),
        "add of a number": lambda: x + 1.0,
        "maximum": lambda: torch.maximum(x, zero),
        "greater": lambda: x > 0,
        "astype float64": lambda: x.to(torch.float64),
        "sum along axis 0": lambda: torch.sum(x, dim=0),
        "sum of all": lambda: torch.sum(x),
        "x @ y": lambda: x @ y,
        "x @ y.T": lambda: x @ y.T,
        "x @ y, out=": lambda: torch.mm(x, y, out=out),
        "copy": lambda: x.clone(),
        "x[...] = y": lambda: out.copy_(y),
        "empty": lambda: torch.empty((64, 64), device="cuda"),
        "x[1:]": lambda: x[1:],
        "x.T": lambda: x.T,
        "take_along_axis": lambda: torch.take_along_dim(x, labels, dim=-1),
    }
