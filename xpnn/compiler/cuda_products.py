"""Matrix products for a CUDA graph: cuBLAS called directly, since CuPy refuses it while a stream is captured.

A product takes the very call that CuPy's `matmul` would make (routine, transposes, leading dimensions, compute type,
workspace), so its bits are the same. What CuPy computes without cuBLAS (integers, empty arrays, the product of a row
with a column) goes to CuPy. cuBLAS counts by columns, so it is told `out.T = b.T @ a.T`.
"""

from __future__ import annotations

import ctypes
import math
import os
import weakref
from ctypes import byref, c_double, c_float, c_int, c_longlong, c_size_t, c_void_p
from pathlib import Path
from typing import Any

import numpy

__all__ = ["Blas", "CublasError", "operand", "workspace_bytes"]

# From cublas_api.h and library_types.h
_KINDS = {"f": 0, "d": 1, "F": 4, "D": 5}
_COMPUTE = {"f": (68, 69, 77), "d": (70, 71, 70)}  # as it is, pedantic, TF32
_LETTERS = {"f": "S", "d": "D", "F": "C", "D": "Z"}
_DEFAULT, _DEFAULT_TENSOR_OP = -1, 99
_PEDANTIC, _TF32 = 2, 7  # of CuPy


class CublasError(RuntimeError):
    """A call of cuBLAS gave another status than 0."""


def workspace_bytes(capability: int) -> int:
    """What cuBLAS takes for itself: the algorithm that it chooses depends on it."""
    return {9: 32, 10: 32, 12: 12}.get(capability // 10, 4) << 20


def operand(x: Any, operation: int) -> tuple[Any, int, int]:
    """How cuBLAS reads a matrix: the matrix, copied if it has gaps; the operation; the leading dimension.

    As CuPy decides it: `operation` is that of a matrix stored by columns, the other one is for one stored by rows.
    """
    if x.flags.f_contiguous:
        return x, operation, max(x.strides[1] // x.itemsize, x.shape[0])
    if not x.flags.c_contiguous:
        x = x.copy()
    return x, 1 - operation, x.strides[0] // x.itemsize


class Blas:
    """A handle of cuBLAS on one device, with a workspace of its own."""

    def __init__(self, library: Any = None) -> None:
        import cupy

        self._cupy = cupy
        self._library = _loaded() if library is None else library
        self._handle = c_void_p()
        self._call("cublasCreate_v2", byref(self._handle))
        weakref.finalize(self, self._library.cublasDestroy_v2, self._handle).atexit = False  # CUDA may be gone by then
        self._capability = int(cupy.cuda.Device().compute_capability)
        self._workspace = cupy.cuda.Memory(workspace_bytes(self._capability))

    def use(self, stream: Any) -> None:
        """Let the next calls work on `stream`."""
        self._call("cublasSetStream_v2", self._handle, c_void_p(stream.ptr))
        # After the stream, since setting that resets the workspace; without one, graphs would hold allocations
        size = c_size_t(self._workspace.size)
        self._call("cublasSetWorkspace_v2", self._handle, c_void_p(self._workspace.ptr), size)

    def product(self, a: Any, b: Any, out: Any = None) -> Any:
        """`a @ b` of CuPy arrays, in `out` where that fits."""
        dtype = numpy.promote_types(a.dtype, b.dtype)
        if dtype.char not in _KINDS or not a.size or not b.size or not a.ndim or not b.ndim:
            return self._cupy.matmul(a, b)
        if a.shape[-1] != b.shape[max(0, b.ndim - 2)]:
            return self._cupy.matmul(a, b)  # which says what is wrong
        return (self._matrices if a.ndim <= 2 and b.ndim <= 2 else self._stacks)(a, b, out, dtype)

    def _place(self, shape: tuple[int, ...], dtype: Any, out: Any, *given: Any) -> Any:
        """`out` if cuBLAS can write there, else a new array."""
        fits = out is not None and out.dtype == dtype and out.shape == shape and out.flags.c_contiguous
        if fits and not any(self._cupy.may_share_memory(out, x) for x in given):
            return out
        return self._cupy.empty(shape, dtype)

    def _matrices(self, a: Any, b: Any, out: Any, dtype: Any) -> Any:
        shape = a.shape[: a.ndim - 1] + b.shape[1:]
        k = b.shape[0]
        n, m = a.size // k, b.size // k
        if m == n == 1:
            return self._cupy.matmul(a, b)
        a = a.astype(dtype, order="K", copy=False).reshape(n, k)
        b = b.astype(dtype, order="K", copy=False).reshape(k, m)
        a, of_a, ld_a = operand(a.T, 0)
        b, of_b, ld_b = operand(b, 1)
        c = self._place(shape, dtype, out, a, b)
        kind, compute = _KINDS[dtype.char], self._compute(dtype)
        one, zero = _number(1, dtype.char), _number(0, dtype.char)
        algorithm = _DEFAULT_TENSOR_OP if self._capability >= 80 else _DEFAULT
        self._call(
            "cublasGemmEx", self._handle, of_b, of_a, c_int(m), c_int(n), c_int(k), one, c_void_p(b.data.ptr), kind,
            c_int(ld_b), c_void_p(a.data.ptr), kind, c_int(ld_a), zero, c_void_p(c.data.ptr), kind, c_int(m), compute,
            c_int(algorithm),
        )  # fmt: skip
        return c

    def _compute(self, dtype: Any) -> c_int:
        """The compute type: CuPy's setting is CUPY_TF32."""
        from cupy._core._routines_linalg import get_compute_type

        chosen = {_PEDANTIC: 1, _TF32: 2}.get(get_compute_type(dtype), 0)
        return c_int(_COMPUTE[dtype.char.lower()][chosen])

    def _stacks(self, a: Any, b: Any, out: Any, dtype: Any) -> Any:
        """Of stacks of matrices: equally long ones by their strides, others by the addresses of the matrices."""
        cupy, shape_a, shape_b = self._cupy, a.shape, b.shape
        ends = (*(shape_a[-2:-1] if a.ndim > 1 else ()), *(shape_b[-1:] if b.ndim > 1 else ()))
        a = a.reshape(1, -1) if a.ndim == 1 else a
        b = b.reshape(-1, 1) if b.ndim == 1 else b
        a, b = cupy.ascontiguousarray(a, dtype), cupy.ascontiguousarray(b, dtype)
        a = a.reshape((1,) * (b.ndim - a.ndim) + a.shape)
        b = b.reshape((1,) * (a.ndim - b.ndim) + b.shape)
        stack = numpy.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        (m, k), n = a.shape[-2:], b.shape[-1]
        c = self._place((*stack, *ends), dtype, out, a, b)
        letter, count = dtype.char, c_int(math.prod(stack))
        sizes = (self._handle, 0, 0, c_int(n), c_int(m), c_int(k))
        one, zero = _number(1, letter), _number(0, letter)
        if a.shape[:-2] == b.shape[:-2]:
            kind, compute = _KINDS[letter], c_int(_COMPUTE[letter.lower()][0])
            self._call(
                "cublasGemmStridedBatchedEx", *sizes, one, c_void_p(b.data.ptr), kind, c_int(n), c_longlong(k * n),
                c_void_p(a.data.ptr), kind, c_int(k), c_longlong(m * k), zero, c_void_p(c.data.ptr), kind, c_int(n),
                c_longlong(m * n), count, compute, c_int(_DEFAULT),
            )  # fmt: skip
            return c
        whole = c.reshape(*stack, m, n)  # a view
        of_a, of_b = (self._addresses(cupy.broadcast_to(x, (*stack, *x.shape[-2:]))) for x in (a, b))
        of_c = self._addresses(whole)
        self._call(
            f"cublas{_LETTERS[letter]}gemmBatched", *sizes, one, c_void_p(of_b.data.ptr), c_int(n),
            c_void_p(of_a.data.ptr), c_int(k), zero, c_void_p(of_c.data.ptr), c_int(n), count,
        )  # fmt: skip
        return c

    def _addresses(self, x: Any) -> Any:
        """Where the matrices of a stack begin, as an array on the device."""
        cupy = self._cupy
        found = cupy.full((1,), x.data.ptr, dtype="uint64")
        for length, stride in zip(x.shape[:-2], x.strides[:-2], strict=True):
            found = (found[:, None] + cupy.arange(length, dtype="uint64") * stride).reshape(-1)
        return found

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise CublasError(f"{name} gave status {status}")


def _number(x: float, letter: str) -> Any:
    """A factor, where cuBLAS looks for it."""
    kind: Any = c_float if letter in "fF" else c_double
    return (kind * 2)(x, 0) if letter in "FD" else byref(kind(x))


def _loaded() -> ctypes.CDLL:
    """cuBLAS: the one that CuPy uses. Other packages may have loaded others, which would choose other algorithms."""
    import cupy
    from cupy_backends.cuda.libs import cublas  # loads it

    wanted = int(cublas.getVersion(cupy.cuda.device.get_cublas_handle()))
    tried = []
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError as problem:
            tried.append(str(problem))
            continue
        found = _version(library)
        if found == wanted:
            return library
        tried.append(f"{path} is of version {found}, CuPy's of {wanted}")
    raise CublasError(f"cuBLAS cannot be loaded: {'; '.join(tried)}")


def _version(library: Any) -> int:
    handle, version = c_void_p(), c_int()
    status = library.cublasCreate_v2(byref(handle))
    if status:
        raise CublasError(f"cublasCreate_v2 gave status {status}")
    try:
        status = library.cublasGetVersion_v2(handle, byref(version))
        return -1 if status else version.value
    finally:
        library.cublasDestroy_v2(handle)


def _candidates() -> list[str]:
    maps = Path("/proc/self/maps")
    loaded = _mapped(maps.read_text(errors="surrogateescape")) if maps.exists() else []
    home = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))
    return [*loaded, "libcublas.so.13", "libcublas.so.12", str(home / "lib64" / "libcublas.so")]


def _mapped(maps: str) -> list[str]:
    """The libraries of cuBLAS among the files in a process's memory: the sixth field of a line, spaces and all."""
    paths = [fields[5] for line in maps.splitlines() if len(fields := line.split(maxsplit=5)) == 6]
    named = {path for path in paths if path.rsplit("/", 1)[-1].startswith("libcublas.so")}
    return sorted(path for path in named if not path.endswith(" (deleted)"))
