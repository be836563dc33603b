"""Neural networks on any array library: the same code on NumPy on a CPU and on CuPy on a CUDA GPU."""

from xpnn import nn, optim
from xpnn.arrays.devices import Device, DeviceUnavailable, device
from xpnn.arrays.namespaces import namespace_of
from xpnn.autodiff import Tensor, differentiable, grad, special, stop_gradient, value_and_grad, vjp

__version__ = "0.1.0"

__all__ = [
    "Device",
    "DeviceUnavailable",
    "Tensor",
    "device",
    "differentiable",
    "grad",
    "namespace_of",
    "nn",
    "optim",
    "special",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]
