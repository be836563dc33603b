"""Learning-rate schedules: functions of the step.

`schedule(step)` is the rate of the update with that number; the first is 0. A schedule is written in array
operations, so `step` may be a Python integer or an integer array of shape () on any device, and a compiled step sees
the rate change.

    optimizer = Adam(model, learning_rate=warmup(cosine_decay(1e-3, steps=10_000), steps=500))
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi
from typing import Any, TypeAlias

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import from_number

__all__ = ["Schedule", "constant", "cosine_decay", "exponential_decay", "step_decay", "warmup"]

Schedule: TypeAlias = Callable[[Any], Array]
"""A function from the number of a step to a learning rate, a number or an array of shape ()."""


def _counted(step: Any) -> tuple[Any, Array]:
    """The namespace, and the step as a float64 array of shape ()."""
    step = step if hasattr(step, "dtype") else from_number(step)
    xp = namespace_of(step)
    return xp, xp.astype(step, xp.float64)


def _require(name: str, ok: bool, expected: str, given: Any) -> None:
    if not ok:
        raise ValueError(f"{name} expected {expected}, got {given!r}")


def constant(learning_rate: float) -> Schedule:
    """The same rate at every step.

    Examples
    --------
    >>> float(constant(0.1)(1000))
    0.1
    """
    _require("constant", learning_rate >= 0, "a learning rate of 0 or more", learning_rate)

    return lambda step: learning_rate


def step_decay(learning_rate: float, *, steps: int, factor: float = 0.1) -> Schedule:
    """The rate times `factor` after every `steps` steps: PyTorch's StepLR.

    Examples
    --------
    >>> [round(float(step_decay(1.0, steps=10)(n)), 3) for n in (0, 9, 10, 25)]
    [1.0, 1.0, 0.1, 0.01]
    """
    _require("step_decay", steps >= 1, "steps of 1 or more", steps)

    def schedule(step: Any) -> Array:
        xp, n = _counted(step)
        return learning_rate * factor ** xp.floor(n / steps)

    return schedule


def exponential_decay(learning_rate: float, *, factor: float) -> Schedule:
    """The rate times `factor` at every step: PyTorch's ExponentialLR.

    Examples
    --------
    >>> float(exponential_decay(1.0, factor=0.5)(3))
    0.125
    """
    _require("exponential_decay", factor > 0, "a factor above 0", factor)

    def schedule(step: Any) -> Array:
        _, n = _counted(step)
        return learning_rate * factor**n

    return schedule


def cosine_decay(learning_rate: float, *, steps: int, final: float = 0.0) -> Schedule:
    """Half a cosine from the rate down to `final` in `steps` steps, then `final`.

    Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts (2017), equation 5, without restarts.
    PyTorch's CosineAnnealingLR rises again after `steps`; this one stays.

    Examples
    --------
    >>> [round(float(cosine_decay(1.0, steps=100)(n)), 3) for n in (0, 50, 100, 200)]
    [1.0, 0.5, 0.0, 0.0]
    """
    _require("cosine_decay", steps >= 1, "steps of 1 or more", steps)

    def schedule(step: Any) -> Array:
        xp, n = _counted(step)
        done = xp.minimum(n / steps, xp.ones_like(n))
        return final + (learning_rate - final) * 0.5 * (1 + xp.cos(pi * done))

    return schedule


def warmup(schedule: Schedule | float, *, steps: int) -> Schedule:
    """`schedule` with its rate growing linearly over the first `steps` steps: times (step + 1) / steps.

    Goyal et al., Accurate, large minibatch SGD (2017), section 2.2.

    Examples
    --------
    >>> [float(warmup(1.0, steps=4)(n)) for n in (0, 1, 3, 10)]
    [0.25, 0.5, 1.0, 1.0]
    """
    _require("warmup", steps >= 1, "steps of 1 or more", steps)
    after = schedule if callable(schedule) else constant(schedule)

    def warmed(step: Any) -> Array:
        xp, n = _counted(step)
        return after(step) * xp.minimum((n + 1) / steps, xp.ones_like(n))

    return warmed
