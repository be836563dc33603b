"""Learning-rate schedules: functions of the step.

`schedule(step)` is the rate of the update with that number; the first is 0. A schedule is written in array
operations, so `step` may be a Python integer or an integer array of shape () on any device, which is never read. Rates
are numbers or float64 arrays of shape (). An option out of range raises ValueError, one that is no number TypeError.
Those that go up and down are in `cycles`. PyTorch's MultiplicativeLR and ReduceLROnPlateau have no counterpart: their
rates depend on what came before, not on the step alone.

    optimizer = Adam(model, learning_rate=warmup(cosine_decay(1e-3, steps=10_000), steps=500))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, pi
from numbers import Real
from typing import Any, TypeAlias

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import from_number

__all__ = [
    "Schedule",
    "constant",
    "cosine_decay",
    "counted",
    "exponential_decay",
    "factor_at_start",
    "joined",
    "linear",
    "milestones",
    "polynomial_decay",
    "product",
    "require_count",
    "require_number",
    "step_decay",
    "warmup",
]

Schedule: TypeAlias = Callable[[Any], Array]
"""A function from the number of a step to a learning rate, a number or an array of shape ()."""


def counted(step: Any) -> tuple[Any, Array]:
    """The namespace, and the step as a float64 array of shape ()."""
    step = step if hasattr(step, "dtype") else from_number(step)
    xp = namespace_of(step)
    return xp, xp.astype(step, xp.float64)


def require_number(name: str, what: str, given: Any, least: float = 0) -> None:
    """Raise unless `given` is a finite number of at least `least`."""
    if isinstance(given, bool) or not isinstance(given, Real):
        raise TypeError(f"{name} expected {what} to be a number, got {given!r:.60}")
    if not least <= float(given) < inf:
        raise ValueError(f"{name} expected {what} of {least} or more, got {given!r}")


def require_count(name: str, what: str, given: Any, least: float = 0) -> None:
    """Raise unless `given` is a whole number of at least `least`: 1000, or 1e3."""
    require_number(name, what, given, least)
    if given != int(given):
        raise ValueError(f"{name} expected {what} to be a whole number, got {given!r}")


def constant(learning_rate: float) -> Schedule:
    """The same rate at every step.

    Examples
    --------
    >>> float(constant(0.1)(1000))
    0.1
    """
    require_number("constant", "a learning_rate", learning_rate)

    return lambda step: learning_rate


def step_decay(learning_rate: float, *, steps: int, factor: float = 0.1) -> Schedule:
    """learning_rate * factor ** floor(step / steps), the rate times `factor` after every `steps` steps.

    PyTorch's StepLR.

    Examples
    --------
    >>> [round(float(step_decay(1.0, steps=10)(n)), 3) for n in (0, 9, 10, 25)]
    [1.0, 1.0, 0.1, 0.01]
    """
    require_number("step_decay", "a learning_rate", learning_rate)
    require_count("step_decay", "steps", steps, 1)
    require_number("step_decay", "a factor", factor)

    def schedule(step: Any) -> Array:
        xp, n = counted(step)
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
    require_number("exponential_decay", "a learning_rate", learning_rate)
    require_number("exponential_decay", "a factor", factor)

    def schedule(step: Any) -> Array:
        _, n = counted(step)
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
    require_number("cosine_decay", "a learning_rate", learning_rate)
    require_count("cosine_decay", "steps", steps, 1)
    require_number("cosine_decay", "a final rate", final)

    def schedule(step: Any) -> Array:
        xp, n = counted(step)
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
    require_count("warmup", "steps", steps, 1)
    if not callable(schedule):
        require_number("warmup", "a schedule or a learning_rate", schedule)
    after = schedule if callable(schedule) else constant(schedule)

    def warmed(step: Any) -> Array:
        xp, n = counted(step)
        return after(step) * xp.minimum((n + 1) / steps, xp.ones_like(n))

    return warmed


def milestones(learning_rate: float, *, steps: Sequence[int], factor: float = 0.1) -> Schedule:
    """The rate times `factor` at each of the given `steps`.

    PyTorch's MultiStepLR.

    Examples
    --------
    >>> [round(float(milestones(1.0, steps=[10, 30])(n)), 3) for n in (9, 10, 29, 30)]
    [1.0, 0.1, 0.1, 0.01]
    """
    require_number("milestones", "a learning_rate", learning_rate)
    require_number("milestones", "a factor", factor)
    steps = _checked_steps("milestones", steps)

    def schedule(step: Any) -> Array:
        xp, n = counted(step)
        return learning_rate * factor ** sum((xp.astype(n >= at, xp.float64) for at in steps), 0 * n)

    return schedule


def linear(learning_rate: float, *, steps: int, start_factor: float = 1 / 3, end_factor: float = 1.0) -> Schedule:
    """The rate times a factor that goes straight from `start_factor` to `end_factor` in `steps` steps, and stays.

    PyTorch's LinearLR.

    Examples
    --------
    >>> [round(float(linear(1.0, steps=4, start_factor=0.5)(n)), 3) for n in (0, 1, 4, 9)]
    [0.5, 0.625, 1.0, 1.0]
    """
    require_number("linear", "a learning_rate", learning_rate)
    require_count("linear", "steps", steps, 1)
    require_number("linear", "a start_factor", start_factor)
    require_number("linear", "an end_factor", end_factor)

    def schedule(step: Any) -> Array:
        xp, n = counted(step)
        done = xp.minimum(n / steps, xp.ones_like(n))
        return learning_rate * (start_factor + (end_factor - start_factor) * done)

    return schedule


def factor_at_start(learning_rate: float, *, steps: int, factor: float = 1 / 3) -> Schedule:
    """The rate times `factor` in the first `steps` steps, the rate itself from then on.

    PyTorch's ConstantLR.

    Examples
    --------
    >>> [float(factor_at_start(1.0, steps=5, factor=0.5)(n)) for n in (0, 4, 5)]
    [0.5, 0.5, 1.0]
    """
    require_number("factor_at_start", "a learning_rate", learning_rate)
    require_count("factor_at_start", "steps", steps)
    require_number("factor_at_start", "a factor", factor)

    def schedule(step: Any) -> Array:
        xp, n = counted(step)
        return learning_rate * (1 + (factor - 1) * xp.astype(n < steps, xp.float64))

    return schedule


def polynomial_decay(learning_rate: float, *, steps: int, power: float = 1.0) -> Schedule:
    """learning_rate * (1 - step / steps) ** power, and 0 after `steps` steps.

    PyTorch's PolynomialLR.

    Examples
    --------
    >>> [round(float(polynomial_decay(1.0, steps=4, power=2.0)(n)), 4) for n in (0, 1, 4, 9)]
    [1.0, 0.5625, 0.0, 0.0]
    """
    require_number("polynomial_decay", "a learning_rate", learning_rate)
    require_count("polynomial_decay", "steps", steps, 1)
    require_number("polynomial_decay", "a power", power)

    def schedule(step: Any) -> Array:
        xp, n = counted(step)
        return learning_rate * (1 - xp.minimum(n / steps, xp.ones_like(n))) ** power

    return schedule


def joined(schedules: Sequence[Schedule | float], *, steps: Sequence[int]) -> Schedule:
    """One schedule after the other: each of `steps` is where the next begins, which counts its own steps from 0.

    PyTorch's SequentialLR.

    Examples
    --------
    >>> parts = joined([linear(1.0, steps=2, start_factor=0.5), exponential_decay(1.0, factor=0.5)], steps=[2])
    >>> [float(parts(n)) for n in (0, 1, 2, 3)]
    [0.5, 0.75, 1.0, 0.5]
    """
    parts = [_schedule("joined", part) for part in schedules]
    steps = _checked_steps("joined", steps)
    if len(steps) != len(parts) - 1:
        raise ValueError(f"joined expected a step between each two schedules, got {len(steps)} for {len(parts)}")

    def schedule(step: Any) -> Array:
        xp, n = counted(step)
        rate = parts[0](step)
        for part, begin in zip(parts[1:], steps, strict=True):
            there = n >= begin
            own = xp.maximum(n - begin, xp.zeros_like(n))  # so that no part sees a step below 0
            new = part(own)
            rate = xp.where(there, new + xp.zeros_like(n), rate + xp.zeros_like(n))
        return rate

    return schedule


def product(learning_rate: float, factors: Sequence[Schedule]) -> Schedule:
    """The rate times all `factors`, schedules of their own: `product(0.1, [warm, decay])`.

    PyTorch's ChainedScheduler, if each factor is a schedule for a learning rate of 1; LambdaLR with one factor.

    Examples
    --------
    >>> float(product(0.1, [exponential_decay(1.0, factor=0.5), lambda step: 1 / (1 + step)])(1)) == 0.025
    True
    """
    require_number("product", "a learning_rate", learning_rate)
    parts = [_schedule("product", part) for part in factors]

    def schedule(step: Any) -> Array:
        rate: Any = learning_rate
        for part in parts:
            rate = rate * part(step)
        return rate

    return schedule


def _schedule(who: str, given: Any) -> Schedule:
    if callable(given):
        return given  # type: ignore[no-any-return]
    require_number(who, "a schedule or a learning_rate", given)
    return constant(given)


def _checked_steps(who: str, steps: Any) -> list[int]:
    """Numbers of steps, each larger than the one before."""
    found = list(steps) if isinstance(steps, Sequence) else None
    if found is None or any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in found):
        raise ValueError(f"{who} expected steps to be a list of integers of 0 or more, got {steps!r:.60}")
    if sorted(set(found)) != found:
        raise ValueError(f"{who} expected steps to grow, got {found}")
    return found
