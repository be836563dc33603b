"""Derivatives of array programs."""

from xpnn.autodiff.jacobians import hessian, hvp, jacobian, jvp
from xpnn.autodiff.namespace import DifferentiableNamespace
from xpnn.autodiff.recompute import recompute
from xpnn.autodiff.rules import special
from xpnn.autodiff.tape import differentiable
from xpnn.autodiff.tensor import Tensor
from xpnn.autodiff.transforms import grad, stop_gradient, value_and_grad, vjp

__all__ = [
    "DifferentiableNamespace",
    "Tensor",
    "differentiable",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "recompute",
    "special",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]
