"""Matrix products by cuBLASLt called directly: with a bias and an activation inside the product."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_float, c_int, c_int64, c_size_t, c_uint64, c_void_p
from typing import Any

from benchmarks.gpu.blas import BFLOAT16, COMPUTE, CUDA_R_16BF, CUDA_R_32F, WORKSPACE, CublasError, library, operand

__all__ = ["EPILOGUES", "BlasLt", "NoAlgorithm"]

# From cublasLt.h
EPILOGUES = {
    "DEFAULT": 1, "BIAS": 4, "RELU_BIAS": 6, "RELU_AUX_BIAS": 134, "DRELU_BGRAD": 152, "GELU_BIAS": 36,
    "GELU_AUX_BIAS": 164, "DGELU_BGRAD": 208, "BGRADB": 512,
}  # fmt: skip
DESC = {"TRANSA": 3, "TRANSB": 4, "EPILOGUE": 7, "BIAS_POINTER": 8, "AUX_POINTER": 11, "AUX_LD": 12}
MAX_WORKSPACE_BYTES = 1


class NoAlgorithm(CublasError):
    """cuBLASLt has none for these shapes, dtypes and epilogue."""


class _Algorithm(ctypes.Structure):
    _fields_ = [("data", c_uint64 * 8)]


class _Found(ctypes.Structure):
    _fields_ = [
        ("algorithm", _Algorithm), ("workspace", c_size_t), ("state", c_int), ("waves", c_float),
        ("reserved", c_int * 4),
    ]  # fmt: skip


class BlasLt:
    """A handle of cuBLASLt, with a workspace; calls go to one stream."""

    def __init__(self, stream: Any) -> None:
        import cupy

        self._library, self._handle, self._stream = library("cublasLt"), c_void_p(), stream
        self._call("cublasLtCreate", byref(self._handle))
        self._workspace = cupy.empty(WORKSPACE, dtype="uint8")
        self._plans: dict[Any, tuple[Any, ...]] = {}

    def product(
        self, a: Any, b: Any, out: Any, epilogue: str = "DEFAULT", *, bias: Any = None, aux: Any = None,
        compute: str = "float32",
    ) -> None:  # fmt: skip
        """`out[...] = epilogue(a @ b)`, all in C order or a transpose of it, `out` in C order.

        `bias` (columns of out,) is added, or for the gradients with BGRAD written: the sum of `out` along its rows; for
        BGRADB (rows of out,), the sum of `a` along its columns. `aux` (rows of out, columns of out rounded up) is what
        an AUX epilogue keeps for the gradient: a byte for 8 signs for RELU, the argument of the activation for GELU.
        """
        pointers = [None if x is None else x.data.ptr for x in (bias, aux)]
        key = (a.shape, operand(a), b.shape, operand(b), epilogue, compute, str(a.dtype), str(out.dtype), *pointers)
        if key not in self._plans:
            self._plans[key] = self._plan(a, b, out, epilogue, bias, aux, compute)
        description, of_a, of_b, of_out, algorithm = self._plans[key]
        one, zero = c_float(1.0), c_float(0.0)
        place = c_void_p(out.data.ptr)
        self._call(
            "cublasLtMatmul", self._handle, description, byref(one), c_void_p(b.data.ptr), of_b, c_void_p(a.data.ptr),
            of_a, byref(zero), place, of_out, place, of_out, byref(algorithm), c_void_p(self._workspace.data.ptr),
            c_size_t(WORKSPACE), c_void_p(self._stream.ptr),
        )  # fmt: skip

    def _plan(self, a: Any, b: Any, out: Any, epilogue: str, bias: Any, aux: Any, compute: str) -> tuple[Any, ...]:
        """Descriptions and the first algorithm proposed; cuBLAS counts by columns, so it makes `out.T = b.T @ a.T`."""
        description = c_void_p()
        self._call("cublasLtMatmulDescCreate", byref(description), COMPUTE[compute], CUDA_R_32F)
        settings: list[tuple[str, Any]] = [
            ("TRANSA", c_int(operand(b)[0])), ("TRANSB", c_int(operand(a)[0])), ("EPILOGUE", c_int(EPILOGUES[epilogue]))
        ]  # fmt: skip
        if bias is not None:
            settings.append(("BIAS_POINTER", c_void_p(bias.data.ptr)))
        if aux is not None:
            columns = aux.shape[1] * (8 if "RELU" in epilogue else 1)  # of bits, or of numbers
            settings += [("AUX_POINTER", c_void_p(aux.data.ptr)), ("AUX_LD", c_int64(columns))]
        for name, value in settings:
            self._call(
                "cublasLtMatmulDescSetAttribute", description, DESC[name], byref(value), c_size_t(ctypes.sizeof(value))
            )  # fmt: skip
        layouts = [self._layout(x) for x in (a, b, out)]
        return (description, *layouts, self._algorithm(description, layouts))

    def _layout(self, x: Any) -> c_void_p:
        """How `x` lies in memory, by columns: its transpose, or itself if it is one."""
        layout, (transposed, leading) = c_void_p(), operand(x)
        rows, columns = x.shape if transposed else x.shape[::-1]
        kind = CUDA_R_16BF if x.dtype == BFLOAT16 else CUDA_R_32F
        self._call(
            "cublasLtMatrixLayoutCreate", byref(layout), kind, c_uint64(rows), c_uint64(columns), c_int64(leading)
        )  # fmt: skip
        return layout

    def _algorithm(self, description: c_void_p, layouts: list[c_void_p]) -> _Algorithm:
        of_a, of_b, of_out = layouts
        preference, size = c_void_p(), c_uint64(WORKSPACE)
        self._call("cublasLtMatmulPreferenceCreate", byref(preference))
        self._call(
            "cublasLtMatmulPreferenceSetAttribute", preference, MAX_WORKSPACE_BYTES, byref(size), c_size_t(8)
        )  # fmt: skip
        found, count = _Found(), c_int()
        try:
            self._call(
                "cublasLtMatmulAlgoGetHeuristic", self._handle, description, of_b, of_a, of_out, of_out, preference, 1,
                byref(found), byref(count),
            )  # fmt: skip
        except CublasError as problem:
            raise NoAlgorithm(str(problem)) from None
        finally:
            self._library.cublasLtMatmulPreferenceDestroy(preference)
        if count.value < 1 or found.state:
            raise NoAlgorithm(f"cuBLASLt proposes none, state {found.state}")
        return found.algorithm

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise CublasError(f"{name} gave status {status}")
