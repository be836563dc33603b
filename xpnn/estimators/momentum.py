"""scikit-learn's descent with momentum: the velocity is that of the weights, with the rate of each step in it.

`optim.SGD` follows PyTorch, whose velocity is a sum of gradients, to which the rate of now applies. At a constant rate
the steps are the same; where the rate goes down, scikit-learn's weights keep the speed that they had.
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array
from xpnn.nn.module import Module
from xpnn.optim.base import Optimizer
from xpnn.optim.schedules import Schedule

__all__ = ["Momentum"]


class Momentum(Optimizer):
    """v ← momentum v - learning_rate g;  p ← p + v, with Nesterov's p ← p + momentum v - learning_rate g.

    Sutskever, Martens, Dahl and Hinton, On the importance of initialization and momentum in deep learning (2013),
    equations 1 to 4, with weights where the next gradient is taken.
    """

    state_names = ("velocity",)

    def __init__(
        self, model: Module, *, learning_rate: float | Schedule, momentum: float, nesterov: bool = False
    ) -> None:
        # by another name than that of `optim`, which scikit-learn's 1.0 would be too much for
        super().__init__(model, {"learning_rate": learning_rate, "inertia": momentum, "nesterov": nesterov}, None)

    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        v = state["velocity"]
        g *= rate
        v *= options["inertia"]
        v -= g
        if options["nesterov"]:
            p += options["inertia"] * v
            p -= g
        else:
            p += v
