"""Adam and AdamW: a step length of its own for each element, from running means of its gradient and of its square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.nn.module import Module
from xpnn.optim.base import Optimizer, decay, in_dtype_of
from xpnn.optim.schedules import Schedule

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adaptive moments: each parameter has its own step length, from running means of its gradient and of its square.

    m ← m + (1 - beta1)(g - m);  v ← v + (1 - beta2)(g² - v);
    p ← p - learning_rate / (1 - beta1ᵗ) · m / (sqrt(v) / sqrt(1 - beta2ᵗ) + epsilon).

    Kingma and Ba, Adam: a method for stochastic optimization (2015), algorithm 1. Epsilon is added after the
    correction of the root, as there and in PyTorch.

    Parameters
    ----------
    model, learning_rate, groups
        See `Optimizer`.
    beta1, beta2
        Decay of the running means of g and of g², each from 0 to below 1.
    epsilon
        Added to the root, so that it can divide; above 0.
    weight_decay
        Added to the gradient: g + weight_decay p. `AdamW` decays the parameters themselves.
    amsgrad
        Whether to divide by the root of the largest v so far. Reddi, Kale and Kumar, On the convergence of Adam and
        beyond (2018), algorithm 2.

    Examples
    --------
    >>> import numpy, xpnn
    >>> model = xpnn.nn.Linear(1, 1, bias=False, dtype="float64")
    >>> model.weight[...] = 2.0
    >>> optimizer = Adam(model, learning_rate=0.1)
    >>> loss, gradients = xpnn.value_and_grad(lambda m, x: xpnn.nn.squared_error(m(x), x))(model, numpy.ones((1, 1)))
    >>> optimizer.step(gradients)
    >>> model.weight.round(6)
    array([[1.9]])
    """

    state_names = ("mean", "square", "largest_square")
    state_only_with: ClassVar[Mapping[str, str]] = {"largest_square": "amsgrad"}

    def __init__(
        self,
        model: Module,
        *,
        learning_rate: float | Schedule = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        options = _adam_options(learning_rate, beta1, beta2, epsilon, weight_decay)
        super().__init__(model, {**options, "amsgrad": amsgrad}, groups)

    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        decay(p, g, rate, options)
        _adam(p, g, state, rate, step, options)


class AdamW(Optimizer):
    """Adam with decoupled weight decay: p ← p - learning_rate weight_decay p, then Adam's update.

    Loshchilov and Hutter, Decoupled weight decay regularization (2019), algorithm 2, with the decay scaled by the
    learning rate as in PyTorch.

    Parameters
    ----------
    model, learning_rate, groups
        See `Optimizer`.
    beta1, beta2, epsilon
        See `Adam`.
    weight_decay
        Share of the parameters taken off per unit of learning rate.
    amsgrad
        See `Adam`.

    Examples
    --------
    >>> import xpnn
    >>> AdamW(xpnn.nn.Linear(2, 1), weight_decay=0.1)
    AdamW(learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08, weight_decay=0.1)
    """

    state_names = ("mean", "square", "largest_square")
    state_only_with: ClassVar[Mapping[str, str]] = {"largest_square": "amsgrad"}

    def __init__(
        self,
        model: Module,
        *,
        learning_rate: float | Schedule = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        options = _adam_options(learning_rate, beta1, beta2, epsilon, weight_decay)
        super().__init__(model, {**options, "amsgrad": amsgrad}, groups)

    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        if options["weight_decay"]:
            p *= in_dtype_of(p, 1 - rate * options["weight_decay"])
        _adam(p, g, state, rate, step, options)


def _adam_options(
    learning_rate: float | Schedule, beta1: float, beta2: float, epsilon: float, weight_decay: float
) -> dict[str, Any]:
    return {
        "learning_rate": learning_rate,
        "beta1": beta1,
        "beta2": beta2,
        "epsilon": epsilon,
        "weight_decay": weight_decay,
    }


def _adam(p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]) -> None:
    xp = namespace_of(p)
    m, v, beta1, beta2 = state["mean"], state["square"], options["beta1"], options["beta2"]
    t = xp.astype(step, xp.float64)
    root = xp.sqrt(1 - beta2**t)  # of the correction: it divides sqrt(v), so both sides of the fraction take it instead
    length, epsilon = in_dtype_of(p, rate * root / (1 - beta1**t)), in_dtype_of(p, options["epsilon"] * root)
    m += (1 - beta1) * (g - m)
    g *= g
    g -= v
    g *= 1 - beta2
    v += g
    if options["amsgrad"]:
        v, largest = state["largest_square"], v
        v[...] = xp.maximum(v, largest)
    denominator = xp.sqrt(v)
    denominator += epsilon
    update = m / denominator
    update *= length
    p -= update
