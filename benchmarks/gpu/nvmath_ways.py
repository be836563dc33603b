"""Products by nvmath-python: its thin bindings of cuBLAS, and its `Matmul`, which plans by cuBLASLt."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from benchmarks.gpu.blas import COMPUTE, CUDA_R_32F, GEMM_DEFAULT, WORKSPACE, operand

__all__ = ["matmul_with_epilogue", "product_by_cublas", "product_by_matmul"]


def product_by_cublas(stream: Any, compute: str) -> Callable[[Any, Any, Any], None]:
    import cupy
    from nvmath.bindings import cublas

    handle, workspace = cublas.create(), cupy.empty(WORKSPACE, dtype="uint8")
    cublas.set_stream(handle, stream.ptr)
    cublas.set_workspace(handle, workspace.data.ptr, WORKSPACE)
    one, zero = ctypes.c_float(1.0), ctypes.c_float(0.0)
    at = ctypes.addressof

    def product(a: Any, b: Any, out: Any) -> None:
        (m, k), n = a.shape, b.shape[1]
        (op_b, ld_b), (op_a, ld_a) = operand(b), operand(a)
        cublas.gemm_ex(
            handle, op_b, op_a, n, m, k, at(one), b.data.ptr, CUDA_R_32F, ld_b, a.data.ptr, CUDA_R_32F, ld_a, at(zero),
            out.data.ptr, CUDA_R_32F, max(1, n), COMPUTE[compute], GEMM_DEFAULT,
        )  # fmt: skip

    product.workspace = workspace  # type: ignore[attr-defined]  # kept as long as the handle
    return product


def product_by_matmul(stream: Any) -> Callable[[Any, Any, Any], None]:
    """`Matmul` writes into `out` if that is its operand c, times beta 0; each is planned once, at its first use."""
    from nvmath.linalg.advanced import Matmul

    plans: dict[Any, Any] = {}

    def product(a: Any, b: Any, out: Any) -> None:
        key = tuple((x.data.ptr, x.shape, x.strides) for x in (a, b, out))
        if key not in plans:
            plans[key] = Matmul(a, b, c=out, beta=0.0, options={"inplace": True}, stream=stream)
            plans[key].plan(stream=stream)
        plans[key].execute(stream=stream)

    return product


def matmul_with_epilogue(stream: Any, a: Any, b: Any, epilogue: str, inputs: dict[str, Any]) -> Any:
    """A planned `Matmul` of `a @ b` with an epilogue; its bias is added to rows, so operands come transposed."""
    from nvmath.linalg.advanced import Matmul, MatmulEpilog

    made = Matmul(a, b, stream=stream)
    made.plan(epilog=getattr(MatmulEpilog, epilogue), epilog_inputs=inputs, stream=stream)
    return made
