"""The optimizers of `optim.adam` and `estimators.momentum` over (members, size), with numbers for each member."""

from __future__ import annotations

from typing import Any

import numpy

from xpnn.arrays.memory import aligned_rows

__all__ = ["Adam", "Descent", "rows_of"]

MANY = 256  # steps


def _column(value: Any, dtype: Any) -> Any:
    """One number for each row; one for all if they are equal, which takes a third of the time of a column."""
    value = numpy.asarray(value, dtype=dtype)
    return value[0] if (value == value[0]).all() else value[:, None]


def _columns(values: Any, dtype: Any) -> list[Any]:
    """The same for each step, from (steps, members)."""
    values = values.astype(dtype)
    same = (values == values[:, :1]).all(axis=1)
    if same.all():
        return list(values[:, 0])
    return [row[0] if equal else row[:, None] for row, equal in zip(values, same, strict=True)]


def rows_of(array: Any, which: Any) -> Any:
    """A copy of these rows, which begin at lines of the cache, as those of `array` do."""
    some = array[which]
    copy = aligned_rows(some.shape, some.dtype)
    copy[...] = some
    return copy


class Adam:
    """m ← beta1 m + g;  v ← beta2 v + g²;  p ← p - r m / (sqrt(v) + e).

    The running sums lack the factors 1 - beta1 and 1 - beta2 of the running means, which are in r and e instead: ten
    passes over the parameters, not thirteen. `columns` say which parameters are updated at once; `pieces` are the sums
    of these.
    """

    def __init__(self, theta: Any, columns: list[slice], nesterov: bool) -> None:
        self.first, self.second = (aligned_rows(theta.shape, theta.dtype) for _ in range(2))
        self.steps, self.columns = 0, columns

    def begins(self, numbers: dict[str, Any]) -> None:
        """The numbers of the members, when training begins and when some have left."""
        self.numbers, dtype = numbers, self.first.dtype
        self.beta1, self.beta2 = _column(numbers["beta_1"], dtype), _column(numbers["beta_2"], dtype)
        self.known = self.steps  # steps, whose rates are in the lists
        self.pieces = [(self.first[:, part], self.second[:, part]) for part in self.columns]

    def epoch_begins(self, rates: Any) -> None:
        """The learning rates of the members, which are the same in all epochs."""

    def _next(self) -> None:
        """The factors of the next steps: in numbers, they would take as long as the arrays of a step."""
        beta1, beta2 = self.numbers["beta_1"], self.numbers["beta_2"]
        count = self.steps + numpy.arange(1.0, MANY + 1)[:, None]
        scale = numpy.sqrt((1 - beta2) / (1 - beta2**count))
        factor = self.numbers["rate"] * (1 - beta1) / ((1 - beta1**count) * scale)
        dtype = self.first.dtype
        e = self.numbers["epsilon"] / scale
        self.many = list(zip(_columns(e, dtype), _columns(factor, dtype), strict=True))
        self.begun, self.known = self.steps, self.steps + MANY

    def step_begins(self) -> None:
        """All pieces are about to be updated once."""
        if self.steps == self.known:
            self._next()
        self.e, self.rate = self.many[self.steps - self.begun]
        self.steps += 1

    def step(self, p: Any, g: Any, m: Any, v: Any) -> None:
        """Update a piece of the parameters; `g` is overwritten."""
        m *= self.beta1
        m += g
        g *= g
        v *= self.beta2
        v += g
        numpy.sqrt(v, out=g)
        g += self.e
        numpy.divide(m, g, out=g)
        g *= self.rate
        p -= g

    def moments(self) -> dict[str, Any]:
        """The running means of `optim.Adam`, by its names."""
        beta1, beta2 = (self.numbers[name][:, None] for name in ("beta_1", "beta_2"))
        return {"mean": (1 - beta1) * self.first, "square": (1 - beta2) * self.second}

    def keep(self, stay: Any) -> None:
        """Forget the members that stopped."""
        self.first, self.second = rows_of(self.first, stay), rows_of(self.second, stay)


class Descent:
    """v ← momentum v - rate g;  p ← p + v, with Nesterov's p ← p + momentum v - rate g."""

    def __init__(self, theta: Any, columns: list[slice], nesterov: bool) -> None:
        self.velocity, self.nesterov = aligned_rows(theta.shape, theta.dtype), nesterov
        self.steps, self.columns = 0, columns

    def begins(self, numbers: dict[str, Any]) -> None:
        """The numbers of the members, when training begins and when some have left."""
        self.inertia = _column(numbers["momentum"], self.velocity.dtype)
        self.pieces = [(self.velocity[:, part],) for part in self.columns]

    def epoch_begins(self, rates: Any) -> None:
        """The learning rates of the members for an epoch."""
        self.rates = _column(rates, self.velocity.dtype)

    def step_begins(self) -> None:
        """All pieces are about to be updated once."""
        self.steps += 1

    def step(self, p: Any, g: Any, v: Any) -> None:
        """Update a piece of the parameters; `g` is overwritten."""
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
        self.velocity = rows_of(self.velocity, stay)
