"""Neural networks on any array library: the same code on NumPy on a CPU and on CuPy on a CUDA GPU."""

from importlib import import_module
from typing import Any

from xpnn import nn, optim, special
from xpnn.arrays.devices import Device, DeviceUnavailable, device
from xpnn.arrays.namespaces import namespace_of
from xpnn.autodiff import (
    Tensor,
    differentiable,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    recompute,
    stop_gradient,
    value_and_grad,
    vjp,
)
from xpnn.autodiff.rules.einsum import einsum
from xpnn.compiler.compile import CannotRecord, CompileWarning, compile

__version__ = "0.1.0"

__all__ = [
    "CannotRecord",
    "CompileWarning",
    "Device",
    "DeviceUnavailable",
    "Tensor",
    "compile",
    "device",
    "differentiable",
    "einsum",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "namespace_of",
    "nn",
    "optim",
    "recompute",
    "special",
    "stop_gradient",
    "tables",
    "testing",
    "training",
    "value_and_grad",
    "vjp",
]


def __getattr__(name: str) -> Any:
    """Load these when first used: files, tables and checks need more of Python's library."""
    if name in ("tables", "training", "testing"):
        return import_module(f"xpnn.{name}")
    raise AttributeError(f"module 'xpnn' has no attribute {name!r}")
