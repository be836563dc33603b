"""The optimizers of `optim.adam` and `estimators.momentum` over (members, size), with numbers for each member."""

from __future__ import annotations

from typing import Any

import numpy

__all__ = ["Adam", "Descent"]


def _column(value: Any, dtype: Any) -> Any:
    """One number for each row; one for all if they are equal, which takes a third of the time of a column."""
    value = numpy.asarray(value, dtype=dtype)
    return value[0] if (value == value[0]).all() else value[:, None]


def _columns(values: Any, dtype: Any) -> list[Any]:
    """The same for each step, from (steps, members)."""
    values = values.astype(dtype)
    same = (values == values[:, :1]).all(axis=1)
    return [row[0] if equal else row[:, None] for row, equal in zip(values, same, strict=True)]


class Adam:
    """m ← beta1 m + g;  v ← beta2 v + g²;  p ← p - r m / (sqrt(v) + e).

    The running sums lack the factors 1 - beta1 and 1 - beta2 of the running means, which are in r and e instead: ten
    passes over the parameters, not thirteen.
    """

    def __init__(self, theta: Any, numbers: dict[str, Any], nesterov: bool) -> None:
        self.first, self.second = numpy.zeros_like(theta), numpy.zeros_like(theta)
        self.numbers, self.steps = numbers, 0

    def epoch_begins(self, rates: Any, numbers: dict[str, Any], steps: int) -> None:
        """The numbers of the members for the steps of an epoch."""
        self.numbers = numbers
        dtype, beta1, beta2 = self.first.dtype, numbers["beta_1"], numbers["beta_2"]
        self.beta1, self.beta2 = _column(beta1, dtype), _column(beta2, dtype)
        count = self.steps + numpy.arange(1.0, steps + 1)[:, None]
        scale = numpy.sqrt((1 - beta2) / (1 - beta2**count))
        factor = rates * (1 - beta1) / ((1 - beta1**count) * scale)
        self.e, self.rates = _columns(numbers["epsilon"] / scale, dtype), _columns(factor, dtype)
        self.begun = self.steps

    def step(self, p: Any, g: Any) -> None:
        """Update `p`; `g` is overwritten."""
        m, v, now = self.first, self.second, self.steps - self.begun
        self.steps += 1
        m *= self.beta1
        m += g
        g *= g
        v *= self.beta2
        v += g
        numpy.sqrt(v, out=g)
        g += self.e[now]
        numpy.divide(m, g, out=g)
        g *= self.rates[now]
        p -= g

    def moments(self) -> dict[str, Any]:
        """The running means of `optim.Adam`, by its names."""
        beta1, beta2 = (self.numbers[name][:, None] for name in ("beta_1", "beta_2"))
        return {"mean": (1 - beta1) * self.first, "square": (1 - beta2) * self.second}

    def keep(self, stay: Any) -> None:
        """Forget the members that stopped."""
        self.first, self.second = self.first[stay], self.second[stay]


class Descent:
    """v ← momentum v - rate g;  p ← p + v, with Nesterov's p ← p + momentum v - rate g."""

    def __init__(self, theta: Any, numbers: dict[str, Any], nesterov: bool) -> None:
        self.velocity, self.nesterov = numpy.zeros_like(theta), nesterov
        self.steps = 0

    def epoch_begins(self, rates: Any, numbers: dict[str, Any], steps: int) -> None:
        """The numbers of the members for an epoch."""
        dtype = self.velocity.dtype
        self.rates, self.inertia = _column(rates, dtype), _column(numbers["momentum"], dtype)

    def step(self, p: Any, g: Any) -> None:
        """Update `p`; `g` is overwritten."""
        self.steps += 1
        v = self.velocity
        g *= self.rates
        v *= self.inertia
        v -= g
        if not self.nesterov:
            p += v
            return
        p -= g
        numpy.multiply(v, self.inertia, out=g)
        p += g

    def moments(self) -> dict[str, Any]:
        """The state of `estimators.momentum` or of `optim.SGD`."""
        return {"velocity": self.velocity}

    def keep(self, stay: Any) -> None:
        """Forget the members that stopped."""
        self.velocity = self.velocity[stay]
