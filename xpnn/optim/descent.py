"""Optimizers of one step length for all elements: down the gradient, or its running mean, or the sign of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.nn.module import Module
from xpnn.optim.base import Optimizer, decay, in_dtype_of
from xpnn.optim.schedules import Schedule

__all__ = ["SGD", "Lion"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    v ← momentum v + (1 - dampening) g;  p ← p - learning_rate v;
    with Nesterov's, p ← p - learning_rate (g + momentum v).

    Sutskever, Martens, Dahl and Hinton, On the importance of initialization and momentum in deep learning (2013), in
    PyTorch's form: the learning rate is outside the velocity, so that changing it acts at once.

    Parameters
    ----------
    model, learning_rate, groups
        See `Optimizer`.
    momentum
        From 0 (none) to below 1.
    dampening
        How little of each gradient goes into the velocity, from 0 (all of it) to 1; of the first all of it does.
    nesterov
        Whether to look ahead; needs momentum, and no dampening.
    weight_decay
        Added to the gradient, g + weight_decay p; or, if `decoupled_weight_decay`, the share of the parameters taken
        off per unit of learning rate.
    decoupled_weight_decay
        Whether weight decay is apart from the gradient, as in `AdamW`.

    Examples
    --------
    >>> import numpy, xpnn
    >>> model = xpnn.nn.Linear(1, 1, bias=False, dtype="float64")
    >>> model.weight[...] = 2.0
    >>> optimizer = SGD(model, learning_rate=0.1)
    >>> loss, gradients = xpnn.value_and_grad(lambda m, x: xpnn.nn.squared_error(m(x), x))(model, numpy.ones((1, 1)))
    >>> optimizer.step(gradients)
    >>> model.weight
    array([[1.8]])
    """

    def __init__(
        self,
        model: Module,
        *,
        learning_rate: float | Schedule,
        momentum: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        options = {
            "learning_rate": learning_rate,
            "momentum": momentum,
            "dampening": dampening,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(model, options, groups)

    takes_complex = True
    state_names = ("velocity",)

    def check(self, options: dict[str, Any]) -> None:
        super().check(options)
        if options["nesterov"] and not options["momentum"] > 0:
            raise ValueError("SGD with nesterov=True expected momentum above 0, got 0")
        if options["nesterov"] and options["dampening"]:
            raise ValueError(f"SGD with nesterov=True expected no dampening, got {options['dampening']}")

    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        momentum = options["momentum"]
        decay(p, g, rate, options)
        if momentum:
            v = state["velocity"]
            v *= momentum
            if options["dampening"]:
                later = in_dtype_of(g, step > 1)
                v += (1 - options["dampening"] * later) * g
            else:
                v += g
            if options["nesterov"]:
                g += momentum * v
            else:
                g = v
        p -= rate * g


class Lion(Optimizer):
    """Steps of one length: only the sign of a running mean of gradients counts.

    p ← p - learning_rate (sign(beta1 m + (1 - beta1) g) + weight_decay p);  m ← beta2 m + (1 - beta2) g.

    Chen et al., Symbolic discovery of optimization algorithms (2023). It wants a learning rate some 3 to 10 times
    smaller than `AdamW`, and a weight decay as much larger. PyTorch has none.

    Parameters
    ----------
    model, learning_rate, groups
        See `Optimizer`.
    beta1
        What the mean counts in the step, from 0 to below 1.
    beta2
        Decay of the running mean of g, from 0 to below 1.
    weight_decay
        Share of the parameters taken off per unit of learning rate.

    Examples
    --------
    >>> import xpnn
    >>> Lion(xpnn.nn.Linear(2, 1), weight_decay=0.1)
    Lion(learning_rate=0.0001, beta1=0.9, beta2=0.99, weight_decay=0.1)
    """

    state_names = ("mean",)

    def __init__(
        self,
        model: Module,
        *,
        learning_rate: float | Schedule = 1e-4,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        options = {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay}
        super().__init__(model, options, groups)

    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        xp = namespace_of(p)
        m, beta1, beta2 = state["mean"], options["beta1"], options["beta2"]
        if options["weight_decay"]:
            p *= in_dtype_of(p, 1 - rate * options["weight_decay"])
        p -= rate * xp.sign(beta1 * m + (1 - beta1) * g)
        m *= beta2
        g *= 1 - beta2
        m += g
