"""Matrix products by cuBLAS called directly, since CuPy refuses them while a stream is captured."""

from __future__ import annotations

import ctypes
import os
from ctypes import byref, c_float, c_int, c_size_t, c_void_p
from pathlib import Path
from typing import Any

__all__ = ["BFLOAT16", "COMPUTE", "Blas", "CublasError", "library", "operand"]

# From cublas_api.h and library_types.h
OP_N, OP_T = 0, 1
CUDA_R_32F, CUDA_R_16BF = 0, 14
COMPUTE = {"float32": 68, "pedantic": 69, "bfloat16 inside": 75, "TF32": 77, "emulated by bfloat16": 78}
GEMM_DEFAULT = -1
BFLOAT16 = "uint16"  # the dtype of arrays that hold bits of bfloat16: CuPy needs another package to have its own
WORKSPACE = 32 << 20  # bytes: what cuBLAS takes for itself on Hopper


class CublasError(RuntimeError):
    """A call of cuBLAS gave another status than 0."""


def library(name: str) -> ctypes.CDLL:
    """cuBLAS or cuBLASLt ('cublas', 'cublasLt'): the one that CuPy uses, else the system's."""
    from cupy_backends.cuda.libs import cublas  # noqa: F401  loads both

    tried = []
    for path in _candidates(name):
        try:
            return ctypes.CDLL(path)
        except OSError as problem:
            tried.append(str(problem))
    raise CublasError(f"no library {name} can be loaded: {'; '.join(tried) or 'nothing found'}")


def _candidates(name: str) -> list[str]:
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    loaded = {line.split()[-1] for line in lines if f"lib{name}.so" in line}
    home = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))
    return [*sorted(loaded), f"lib{name}.so.13", f"lib{name}.so.12", str(home / "lib64" / f"lib{name}.so")]


def operand(x: Any) -> tuple[int, int]:
    """How cuBLAS, which counts by columns, reads a 2-D array as the transpose of it: (operation, leading dimension)."""
    if x.flags.c_contiguous:
        return OP_N, max(1, x.shape[1])
    if x.flags.f_contiguous:
        return OP_T, max(1, x.shape[0])
    raise ValueError(f"expected a contiguous array or its transpose, got strides {x.strides} for shape {x.shape}")


class Blas:
    """A handle of cuBLAS for one stream, with a workspace of its own."""

    def __init__(self, stream: Any) -> None:
        import cupy

        self._library = library("cublas")
        self._handle = c_void_p()
        self._call("cublasCreate_v2", byref(self._handle))
        self._call("cublasSetStream_v2", self._handle, c_void_p(stream.ptr))
        # After the stream, since setting that resets the workspace; without one the graph would hold allocations
        self._workspace = cupy.empty(WORKSPACE, dtype="uint8")
        self._call(
            "cublasSetWorkspace_v2", self._handle, c_void_p(self._workspace.data.ptr), c_size_t(WORKSPACE)
        )  # fmt: skip
        self._one, self._zero = c_float(1.0), c_float(0.0)

    def version(self) -> int:
        found = c_int()
        self._call("cublasGetVersion_v2", self._handle, byref(found))
        return found.value

    def product(self, a: Any, b: Any, out: Any, compute: str = "float32") -> None:
        """`out[...] = a @ b` for float32 arrays, or for bits of bfloat16 as `a` and `b` with a float32 `out`.

        All are 2-D, `out` in C order; cuBLAS counts by columns, so it is told `out.T = b.T @ a.T`.
        """
        (m, k), n = a.shape, b.shape[1]
        (op_b, ld_b), (op_a, ld_a) = operand(b), operand(a)
        kind = CUDA_R_16BF if a.dtype == BFLOAT16 else CUDA_R_32F
        result = CUDA_R_16BF if out.dtype == BFLOAT16 else CUDA_R_32F
        self._call(
            "cublasGemmEx", self._handle, op_b, op_a, c_int(n), c_int(m), c_int(k), byref(self._one),
            c_void_p(b.data.ptr), kind, c_int(ld_b), c_void_p(a.data.ptr), kind, c_int(ld_a), byref(self._zero),
            c_void_p(out.data.ptr), result, c_int(max(1, n)), COMPUTE[compute], c_int(GEMM_DEFAULT),
        )  # fmt: skip

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise CublasError(f"{name} gave status {status}")
