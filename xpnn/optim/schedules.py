"""Learning-rate schedules: functions of the step.

`schedule(step)` is the rate of the update with that number; the first is 0. A schedule is written in array
operations, so `step` may be a Python integer or an integer array of shape () on any device, which is never read. Rates
are numbers or float64 arrays of shape (). An option out of range raises ValueError, one that is no number TypeError.

    optimizer = Adam(model, learning_rate=warmup(cosine_decay(1e-3, steps=10_000), steps=500))
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, pi
from numbers import Real
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


def _require(name: str, what: str, given: Any, least: float = 0) -> None:
    """Raise unless `given` is a finite number of at least `least`."""
    if isinstance(given, bool) or not isinstance(given, Real):
        raise TypeError(f"{name} expected {what} to be a number, got {given!r:.60}")
    if not least <= float(given) < inf:
        raise ValueError(f"{name} expected {what} of {least} or more, got {given!r}")


def constant(learning_rate: float) -> Schedule:
    """The same rate at every step.

    Examples
    --------
    >>> float(constant(0.1)(1000))
    0.1
    """
    _require("constant", "a learning_rate", learning_rate)

    return lambda step: learning_rate


def step_decay(learning_rate: float, *, steps: int, factor: float = 0.1) -> Schedule:
    """learning_rate * factor ** floor(step / steps), the rate times `factor` after every `steps` steps.

    PyTorch's StepLR.

    Examples
    --------
    >>> [round(float(step_decay(1.0, steps=10)(n)), 3) for n in (0, 9, 10, 25)]
    [1.0, 1.0, 0.1, 0.01]
    """
    _require("step_decay", "a learning_rate", learning_rate)
    _require("step_decay", "steps", steps, 1)
    _require("step_decay", "a factor", factor)

    def schedule(step: Any) -> Array:
        xp, n = _counted(step)
        return learning_rate * factor ** xp.floor(n / steps)

    return schedule


def exponential_decay(learning_rate: float, *, factor: float) -> Schedule:
    """learning_rate * factor ** step, the rate times `factor` at every step.

    PyTorch's ExponentialLR.

    Examples
    --------
    >>> float(exponential_decay(1.0, factor=0.5)(3))
    0.125
    """
    _require("exponential_decay", "a learning_rate", learning_rate)
    _require("exponential_decay", "a factor", factor)

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
    _require("cosine_decay", "a learning_rate", learning_rate)
    _require("cosine_decay", "steps", steps, 1)
    _require("cosine_decay", "a final rate", final)

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
    _require("warmup", "steps", steps, 1)
    if not callable(schedule):
        _require("warmup", "a schedule or a learning_rate", schedule)
    after = schedule if callable(schedule) else constant(schedule)

    def warmed(step: Any) -> Array:
        xp, n = _counted(step)
        return after(step) * xp.minimum((n + 1) / steps, xp.ones_like(n))

    return warmed
