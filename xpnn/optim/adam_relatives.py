"""Relatives of Adam: by the largest gradient in the place of the root mean square, with Nesterov's look ahead, and
with a start that waits until the mean square is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.nn.module import Module
from xpnn.optim.base import Optimizer, decay, in_dtype_of
from xpnn.optim.schedules import Schedule

__all__ = ["Adamax", "NAdam", "RAdam"]


class Adamax(Optimizer):
    """Adam with the largest gradient, fading, in the place of the root mean square.

    m ← m + (1 - beta1)(g - m);  u ← max(beta2 u, |g| + epsilon);  p ← p - learning_rate / (1 - beta1ᵗ) · m / u.

    Kingma and Ba, Adam: a method for stochastic optimization (2015), algorithm 2; epsilon as in PyTorch.

    Parameters
    ----------
    model, learning_rate, groups
        See `Optimizer`.
    beta1, beta2
        Decay of the running mean of g, and of its largest magnitude, each from 0 to below 1.
    epsilon
        Added to |g|, so that it can divide; above 0.
    weight_decay
        Added to the gradient: g + weight_decay p.

    Examples
    --------
    >>> import xpnn
    >>> Adamax(xpnn.nn.Linear(2, 1))
    Adamax(learning_rate=0.002, beta1=0.9, beta2=0.999, epsilon=1e-08, weight_decay=0.0)
    """

    state_names = ("mean", "largest")

    def __init__(
        self,
        model: Module,
        *,
        learning_rate: float | Schedule = 2e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        options = {
            "learning_rate": learning_rate,
            "beta1": beta1,
            "beta2": beta2,
            "epsilon": epsilon,
            "weight_decay": weight_decay,
        }
        super().__init__(model, options, groups)

    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        xp = namespace_of(p)
        m, u, beta1 = state["mean"], state["largest"], options["beta1"]
        decay(p, g, rate, options)
        m += (1 - beta1) * (g - m)
        u *= options["beta2"]
        u[...] = xp.maximum(u, xp.abs(g) + options["epsilon"])
        length = in_dtype_of(p, rate / (1 - beta1 ** xp.astype(step, xp.float64)))
        p -= length * (m / u)


class NAdam(Optimizer):
    """Adam with Nesterov's look ahead, by a first decay that grows to beta1.

    muₜ = beta1 (1 - 0.96^(t momentum_decay) / 2), M = mu₁ … muₜ;  m and v as in Adam;
    r = sqrt(v / (1 - beta2ᵗ)) + epsilon;
    p ← p - learning_rate (muₜ₊₁ m / (1 - M muₜ₊₁) + (1 - muₜ) g / (1 - M)) / r.

    Dozat, Incorporating Nesterov momentum into Adam (2016), in PyTorch's form.

    Parameters
    ----------
    model, learning_rate, groups
        See `Optimizer`.
    beta1, beta2, epsilon
        See `Adam`.
    momentum_decay
        How fast mu grows; 0 or more.
    weight_decay
        Added to the gradient, g + weight_decay p; or, if `decoupled_weight_decay`, the share of the parameters taken
        off per unit of learning rate.
    decoupled_weight_decay
        Whether weight decay is apart from the gradient, as in `AdamW`.

    Examples
    --------
    >>> import xpnn
    >>> NAdam(xpnn.nn.Linear(2, 1), learning_rate=0.01).learning_rates()
    {'weight': 0.01}
    """

    state_names = ("mean", "square")
    number_names: ClassVar[Mapping[str, float]] = {"momentum_product": 1.0}

    def __init__(
        self,
        model: Module,
        *,
        learning_rate: float | Schedule = 2e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        momentum_decay: float = 4e-3,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        options = {
            "learning_rate": learning_rate,
            "beta1": beta1,
            "beta2": beta2,
            "epsilon": epsilon,
            "momentum_decay": momentum_decay,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(model, options, groups)

    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        xp = namespace_of(p)
        m, v, product = state["mean"], state["square"], state["momentum_product"]
        beta1, beta2, t = options["beta1"], options["beta2"], xp.astype(step, xp.float64)
        now, after = (beta1 * (1 - 0.5 * 0.96 ** ((t + ahead) * options["momentum_decay"])) for ahead in (0, 1))
        product *= now
        decay(p, g, rate, options)
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * g * g
        denominator = xp.sqrt(v / in_dtype_of(p, 1 - beta2**t)) + options["epsilon"]
        of_gradient, of_mean = rate * (1 - now) / (1 - product), rate * after / (1 - product * after)
        g *= in_dtype_of(p, of_gradient)
        g += in_dtype_of(p, of_mean) * m
        p -= g / denominator


class RAdam(Optimizer):
    """Adam whose first steps do without the mean square, until enough gradients are in it.

    With N = 2 / (1 - beta2) - 1 and n = N - 2 t beta2ᵗ / (1 - beta2ᵗ), m and v as in Adam:
    p ← p - learning_rate m / (1 - beta1ᵗ) · r,  where r = 1 while n is at most 5, and then
    r = sqrt((n - 4)(n - 2) N / ((N - 4)(N - 2) n)) sqrt(1 - beta2ᵗ) / (sqrt(v) + epsilon).

    Liu et al., On the variance of the adaptive learning rate and beyond (2020), algorithm 2.

    Parameters
    ----------
    model, learning_rate, groups
        See `Optimizer`.
    beta1, beta2, epsilon
        See `Adam`.
    weight_decay
        Added to the gradient, g + weight_decay p; or, if `decoupled_weight_decay`, the share of the parameters taken
        off per unit of learning rate.
    decoupled_weight_decay
        Whether weight decay is apart from the gradient, as in `AdamW`.

    Examples
    --------
    >>> import xpnn
    >>> RAdam(xpnn.nn.Linear(2, 1))
    RAdam(learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08, weight_decay=0.0)
    """

    state_names = ("mean", "square")

    def __init__(
        self,
        model: Module,
        *,
        learning_rate: float | Schedule = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        options = {
            "learning_rate": learning_rate,
            "beta1": beta1,
            "beta2": beta2,
            "epsilon": epsilon,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(model, options, groups)

    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        xp = namespace_of(p)
        m, v, beta1, beta2 = state["mean"], state["square"], options["beta1"], options["beta2"]
        t = xp.astype(step, xp.float64)
        decay(p, g, rate, options)
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * g * g
        most = 2 / (1 - beta2) - 1
        length = in_dtype_of(p, rate / (1 - beta1**t))
        if most <= 5:  # the mean square never counts
            p -= length * m
            return
        corrected = 1 - beta2**t
        n = most - 2 * t * beta2**t / corrected
        known = xp.astype(n > 5, xp.float64)
        n = n * known + 5 * (1 - known)  # so that the root is real
        factor = xp.sqrt((n - 4) * (n - 2) * (most / ((most - 4) * (most - 2))) / n) * xp.sqrt(corrected)
        scale = in_dtype_of(p, known * factor) / (xp.sqrt(v) + options["epsilon"]) + in_dtype_of(p, 1 - known)
        p -= length * m * scale
