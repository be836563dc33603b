"""Optimizers that divide by the root of squared gradients, summed or averaged, each element by its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.nn.module import Module
from xpnn.optim.base import Optimizer, decay, in_dtype_of
from xpnn.optim.schedules import Schedule

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Each element's step shrinks with the gradients it has had: for rare features.

    s ← s + g²;  p ← p - learning_rate / (1 + (t - 1) rate_decay) · g / (sqrt(s) + epsilon).

    Duchi, Hazan and Singer, Adaptive subgradient methods for online learning and stochastic optimization (2011), figure
    1, with a diagonal matrix.

    Parameters
    ----------
    model, learning_rate, groups
        See `Optimizer`.
    rate_decay
        How fast the learning rate falls besides; 0 or more. PyTorch's `lr_decay`.
    initial_sum
        What s starts at; 0 or more. PyTorch's `initial_accumulator_value`.
    epsilon
        Added to the root, so that it can divide; above 0.
    weight_decay
        Added to the gradient, g + weight_decay p; or, if `decoupled_weight_decay`, the share of the parameters taken
        off per unit of learning rate.
    decoupled_weight_decay
        Whether weight decay is apart from the gradient, as in `AdamW`.

    Examples
    --------
    >>> import xpnn
    >>> Adagrad(xpnn.nn.Linear(2, 1), learning_rate=0.1).state_dict()["weight.sum"]
    array([[0., 0.]], dtype=float32)
    """

    state_names = ("sum",)
    state_start: ClassVar[Mapping[str, str]] = {"sum": "initial_sum"}

    def __init__(
        self,
        model: Module,
        *,
        learning_rate: float | Schedule = 1e-2,
        rate_decay: float = 0.0,
        initial_sum: float = 0.0,
        epsilon: float = 1e-10,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        options = {
            "learning_rate": learning_rate,
            "rate_decay": rate_decay,
            "initial_sum": initial_sum,
            "epsilon": epsilon,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(model, options, groups)

    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        xp = namespace_of(p)
        decay(p, g, rate, options)
        total = state["sum"]
        total += g * g
        if options["rate_decay"]:
            rate = in_dtype_of(p, rate / (1 + (xp.astype(step, xp.float64) - 1) * options["rate_decay"]))
        p -= rate * (g / (xp.sqrt(total) + options["epsilon"]))


class Adadelta(Optimizer):
    """Steps as long as the last ones, by running means of squared gradients and of squared steps: no unit to choose.

    s ← decay s + (1 - decay) g²;  d = sqrt(u + epsilon) / sqrt(s + epsilon) · g;
    u ← decay u + (1 - decay) d²;  p ← p - learning_rate d.

    Zeiler, ADADELTA: an adaptive learning rate method (2012), algorithm 1.

    Parameters
    ----------
    model, learning_rate, groups
        See `Optimizer`.
    decay
        Of both running means, from 0 to below 1. PyTorch's `rho`.
    epsilon
        Starts the steps, and lets the root divide; above 0.
    weight_decay
        Added to the gradient, g + weight_decay p; or, if `decoupled_weight_decay`, the share of the parameters taken
        off per unit of learning rate.
    decoupled_weight_decay
        Whether weight decay is apart from the gradient, as in `AdamW`.

    Examples
    --------
    >>> import xpnn
    >>> Adadelta(xpnn.nn.Linear(2, 1))
    Adadelta(learning_rate=1.0, decay=0.9, epsilon=1e-06, weight_decay=0.0)
    """

    state_names = ("square", "square_of_steps")

    def __init__(
        self,
        model: Module,
        *,
        learning_rate: float | Schedule = 1.0,
        decay: float = 0.9,
        epsilon: float = 1e-6,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        options = {
            "learning_rate": learning_rate,
            "decay": decay,
            "epsilon": epsilon,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(model, options, groups)

    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        xp = namespace_of(p)
        s, u, share, epsilon = state["square"], state["square_of_steps"], options["decay"], options["epsilon"]
        decay(p, g, rate, options)
        s *= share
        s += (1 - share) * g * g
        g *= xp.sqrt(u + epsilon) / xp.sqrt(s + epsilon)
        u *= share
        u += (1 - share) * g * g
        p -= rate * g


class RMSprop(Optimizer):
    """Gradients divided by the root of the running mean of their squares.

    s ← decay s + (1 - decay) g²;  r = sqrt(s) + epsilon;  p ← p - learning_rate g / r, or with momentum
    b ← momentum b + g / r;  p ← p - learning_rate b.

    Tieleman and Hinton, Neural networks for machine learning, lecture 6.5 (2012); `centered` as in Graves, Generating
    sequences with recurrent neural networks (2013). Epsilon is outside the root, as in PyTorch. The
    variance is kept at 0 or above, where rounding gives PyTorch NaN after many equal gradients.

    Parameters
    ----------
    model, learning_rate, groups
        See `Optimizer`.
    decay
        Of the running mean, from 0 to below 1. PyTorch's `alpha`.
    momentum
        From 0 (none) to below 1.
    centered
        Whether to divide by the root of the variance, s less the square of the running mean of g.
    epsilon
        Added to the root, so that it can divide; above 0.
    weight_decay
        Added to the gradient, g + weight_decay p; or, if `decoupled_weight_decay`, the share of the parameters taken
        off per unit of learning rate.
    decoupled_weight_decay
        Whether weight decay is apart from the gradient, as in `AdamW`.

    Examples
    --------
    >>> import xpnn
    >>> RMSprop(xpnn.nn.Linear(2, 1), momentum=0.9)
    RMSprop(learning_rate=0.01, decay=0.99, momentum=0.9, centered=False, epsilon=1e-08, weight_decay=0.0)
    """

    state_names = ("square", "mean", "velocity")
    state_only_with: ClassVar[Mapping[str, str]] = {"mean": "centered", "velocity": "momentum"}

    def __init__(
        self,
        model: Module,
        *,
        learning_rate: float | Schedule = 1e-2,
        decay: float = 0.99,
        momentum: float = 0.0,
        centered: bool = False,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        options = {
            "learning_rate": learning_rate,
            "decay": decay,
            "momentum": momentum,
            "centered": centered,
            "epsilon": epsilon,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(model, options, groups)

    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        xp = namespace_of(p)
        s, share = state["square"], options["decay"]
        decay(p, g, rate, options)
        s *= share
        s += (1 - share) * g * g
        if options["centered"]:
            m = state["mean"]
            m += (1 - share) * (g - m)
            root = xp.sqrt(xp.maximum(s - m * m, 0.0))  # rounding may leave less than 0
        else:
            root = xp.sqrt(s)
        root += options["epsilon"]
        g /= root
        if options["momentum"]:
            v = state["velocity"]
            v *= options["momentum"]
            v += g
            g = v
        p -= rate * g
