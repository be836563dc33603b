"""The optimizers of `optim.adam` and `estimators.momentum` over (members, size), with numbers for each member."""

from __future__ import annotations

from typing import Any, ClassVar

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
    passes over the parameters, not thirteen.

    Parameters
    ----------
    state
        m and v, (members, size) each.
    numbers
        Those of `members.Members`, of these members.
    columns
        Which parameters are updated at once; `pieces` are the state of these.
    steps
        Made before.
    nesterov
        Of `Descent`.
    """

    ARRAYS: ClassVar[int] = 2

    def __init__(
        self, state: list[Any], numbers: dict[str, Any], columns: list[slice], *, steps: int, nesterov: bool
    ) -> None:
        self.numbers, self.dtype = numbers, state[0].dtype
        self.beta1, self.beta2 = _column(numbers["beta_1"], self.dtype), _column(numbers["beta_2"], self.dtype)
        self.pieces = [tuple([array[:, part] for array in state]) for part in columns]
        self.steps = self.known = steps  # known: whose rates are in the list

    def epoch_begins(self, rates: Any) -> None:
        """The learning rates of the members, which are the same in all epochs."""

    def _next(self) -> None:
        """The factors of the next steps: in numbers, they would take as long as the arrays of a step."""
        beta1, beta2 = self.numbers["beta_1"], self.numbers["beta_2"]
        count = self.steps + numpy.arange(1.0, MANY + 1)[:, None]
        scale = numpy.sqrt((1 - beta2) / (1 - beta2**count))
        factor = self.numbers["rate"] * (1 - beta1) / ((1 - beta1**count) * scale)
        e = self.numbers["epsilon"] / scale
        self.many = list(zip(_columns(e, self.dtype), _columns(factor, self.dtype), strict=True))
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

    @staticmethod
    def moments(state: list[Any], numbers: dict[str, Any]) -> dict[str, Any]:
        """The running means of `optim.Adam`, by its names."""
        beta1, beta2 = (numbers[name][:, None] for name in ("beta_1", "beta_2"))
        return {"mean": (1 - beta1) * state[0], "square": (1 - beta2) * state[1]}


class Descent:
    """v ← momentum v - rate g;  p ← p + v, with Nesterov's p ← p + momentum v - rate g. See `Adam`."""

    ARRAYS: ClassVar[int] = 1

    def __init__(
        self, state: list[Any], numbers: dict[str, Any], columns: list[slice], *, steps: int, nesterov: bool
    ) -> None:
        self.dtype, self.nesterov, self.steps = state[0].dtype, nesterov, steps
        self.inertia = _column(numbers["momentum"], self.dtype)
        self.pieces = [(state[0][:, part],) for part in columns]

    def epoch_begins(self, rates: Any) -> None:
        """The learning rates of the members for an epoch."""
        self.rates = _column(rates, self.dtype)

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

    @staticmethod
    def moments(state: list[Any], numbers: dict[str, Any]) -> dict[str, Any]:
        """The state of `estimators.momentum` or of `optim.SGD`."""
        return {"velocity": state[0]}
