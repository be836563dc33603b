"""Muon: matrices move by matrices whose singular values are near 1."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, ClassVar, Literal

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.nn.module import Module
from xpnn.optim.base import Optimizer, in_dtype_of
from xpnn.optim.schedules import Schedule

__all__ = ["Muon"]


class Muon(Optimizer):
    """For weight matrices: momentum, made nearly orthogonal, so that all directions move alike.

    v ← v + (1 - momentum)(g - v);  u = g + momentum (v - g), or v;  p ← p - learning_rate weight_decay p;
    p ← p - learning_rate · scale · O(u), where O(u) has u's singular vectors, and singular values about 1.

    Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024): O by five steps of Newton's and
    Schulz's iteration, x ← a x + (b x xᵀ + c (x xᵀ)²) x. Computed in the parameters' dtype, where PyTorch rounds to
    bfloat16 first, so results agree to two digits. Biases, embeddings and the last layer are for another optimizer:
    give each optimizer a part of the model.

    Parameters
    ----------
    model, learning_rate, groups
        See `Optimizer`; all parameters have two axes.
    momentum
        From 0 to below 1.
    nesterov
        Whether to look ahead.
    weight_decay
        Share of the parameters taken off per unit of learning rate.
    scale
        'original': sqrt(max(1, rows / columns)); 'adamw': 0.2 sqrt(max(rows, columns)), so that steps are as long as
        `AdamW`'s and learning rates carry over (Liu et al., Muon is scalable for LLM training, 2025).
    iterations
        Steps of the iteration, 1 or more.
    coefficients
        a, b and c.
    epsilon
        Least norm that u is divided by; above 0.

    Raises
    ------
    ValueError
        If a parameter has not two axes, or an option is out of range.

    Examples
    --------
    >>> import numpy, xpnn
    >>> model = xpnn.nn.Linear(2, 2, bias=False, dtype="float64")
    >>> model.weight[...] = 0.0
    >>> optimizer = Muon(model, learning_rate=1.0, weight_decay=0.0)
    >>> optimizer.step([numpy.asarray([[3.0, 0.0], [0.0, 0.5]])])
    >>> model.weight.round(1)  # singular values 3 and 0.5 both became about 1
    array([[-0.7,  0. ],
           [ 0. , -1. ]])
    """

    state_names = ("velocity",)
    elementwise: ClassVar[bool] = False

    def __init__(
        self,
        model: Module,
        *,
        learning_rate: float | Schedule = 1e-3,
        momentum: float = 0.95,
        nesterov: bool = True,
        weight_decay: float = 0.1,
        scale: Literal["original", "adamw"] = "original",
        iterations: int = 5,
        coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        epsilon: float = 1e-7,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        options = {
            "learning_rate": learning_rate,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "scale": scale,
            "iterations": iterations,
            "coefficients": coefficients,
            "epsilon": epsilon,
        }
        if isinstance(model, Module):
            for name, p in model.named_parameters():
                if p.ndim != 2:
                    raise ValueError(
                        f"Muon expected parameters with two axes, got {name} of shape {p.shape}: freeze it"
                    )
        super().__init__(model, options, groups)

    def check(self, options: dict[str, Any]) -> None:
        super().check(options)
        iterations, coefficients = options["iterations"], options["coefficients"]
        if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 1:
            raise ValueError(f"Muon expected iterations to be a positive integer, got {iterations!r:.60}")
        if not isinstance(coefficients, tuple) or len(coefficients) != 3:
            raise ValueError(f"Muon expected three coefficients, got {coefficients!r:.60}")
        if options["scale"] not in ("original", "adamw"):
            raise ValueError(f"Muon expected scale to be 'original' or 'adamw', got {options['scale']!r:.60}")

    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        v, momentum = state["velocity"], options["momentum"]
        v += (1 - momentum) * (g - v)
        update = g + momentum * (v - g) if options["nesterov"] else v
        if options["weight_decay"]:
            p *= in_dtype_of(p, 1 - rate * options["weight_decay"])
        rows, columns = p.shape
        scale = sqrt(max(1, rows / columns)) if options["scale"] == "original" else 0.2 * sqrt(max(rows, columns))
        p -= (rate * scale) * _orthogonalized(update, options)


def _orthogonalized(x: Array, options: dict[str, Any]) -> Array:
    """A matrix with the singular vectors of `x`, and singular values about 1."""
    if 0 in x.shape:
        return x
    xp = namespace_of(x)
    a, b, c = options["coefficients"]
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / xp.maximum(xp.sqrt(xp.sum(x * x)), options["epsilon"])  # so that no singular value is above 1
    for _ in range(options["iterations"]):
        products = x @ x.T
        x = a * x + (b * products + c * (products @ products)) @ x
    return x.T if tall else x
