"""L-BFGS: Newton's method whose curvature is remembered from the last steps, for small models and whole data sets.

    optimizer = LBFGS(model, line_search=True)
    for epoch in range(10):
        value = optimizer.step(lambda model: squared_error(model(x), t))

It computes the loss several times in a step and looks at its numbers, to decide how far to go: so it takes the loss
itself, not gradients, and a step cannot be recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf, isfinite
from typing import Any

from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import Array, dtype_name, is_complex, namespace_of
from xpnn.arrays.tree import flatten
from xpnn.autodiff.transforms import value_and_grad
from xpnn.nn.module import Module
from xpnn.optim.flat import FlatLayout, write
from xpnn.optim.groups import check_numbers
from xpnn.optim.line_search import Line, Point, dot, largest

__all__ = ["LBFGS"]


class LBFGS:
    """Limited-memory BFGS: steps -H g, where the inverse Hessian H is what the last steps and their gradients say.

    Nocedal, Updating quasi-Newton matrices with limited storage (1980); Nocedal and Wright, Numerical optimization
    (2006), algorithms 7.4 and 7.5. Without a line search the iterates are PyTorch's; the line search is the book's
    (algorithms 3.5 and 3.6, cubic interpolation, Wolfe's strong conditions) and may take other steps than PyTorch's
    'strong_wolfe'.

    Parameters
    ----------
    model
        The model to train; all its parameters have one dtype.
    learning_rate
        Length of a step, or the first length that a line search tries.
    iterations
        Of one call of `step`, at most.
    evaluations
        Of the loss in one call of `step`, at most; 5/4 of `iterations` if None.
    history
        How many steps are remembered.
    line_search
        Whether to look for a length that satisfies Wolfe's conditions. Without it a step may go too far.
    gradient_tolerance
        Stop when no element of the gradient is larger.
    change_tolerance
        Stop when no element of the parameters, nor the loss, changes by more.

    Attributes
    ----------
    stopped
        Why the last step ended, in words; '' before the first: a small gradient, a small change, a direction that does
        not lead down, no lower place along it, or that all iterations or evaluations are used up.

    Raises
    ------
    TypeError, ValueError
        If the model has no real parameters of one dtype, or an option is out of range.

    Examples
    --------
    >>> import numpy, xpnn
    >>> x = numpy.asarray([[1.0], [2.0], [3.0]])
    >>> model = xpnn.nn.Linear(1, 1, dtype="float64").initialize(seed=0)
    >>> optimizer = LBFGS(model, line_search=True)
    >>> before = optimizer.step(lambda model: xpnn.nn.squared_error(model(x), 3 * x + 1))
    >>> model.weight.round(5), model.bias.round(5)
    (array([[3.]]), array([1.]))
    """

    def __init__(
        self,
        model: Module,
        *,
        learning_rate: float = 1.0,
        iterations: int = 20,
        evaluations: int | None = None,
        history: int = 100,
        line_search: bool = False,
        gradient_tolerance: float = 1e-7,
        change_tolerance: float = 1e-9,
    ) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"LBFGS expected a model (a Module), got {type(model).__name__}")
        check_numbers("LBFGS", {"learning_rate": learning_rate})
        if callable(learning_rate):
            raise TypeError("LBFGS expected learning_rate to be a number, got a schedule")
        for name, n in (("iterations", iterations), ("evaluations", evaluations), ("history", history)):
            if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
                raise ValueError(f"LBFGS expected {name} to be a positive integer, got {n!r:.60}")
        for name, x in (("gradient_tolerance", gradient_tolerance), ("change_tolerance", change_tolerance)):
            if not isinstance(x, int | float) or not 0 <= x < inf:
                raise ValueError(f"LBFGS expected {name} of 0 or more, got {x!r:.60}")
        self.model = model
        self.learning_rate, self.iterations, self.history = float(learning_rate), iterations, history
        self.evaluations = iterations * 5 // 4 if evaluations is None else evaluations
        self.line_search = line_search
        self.gradient_tolerance, self.change_tolerance = float(gradient_tolerance), float(change_tolerance)
        self.stopped = ""
        self._layout()
        self._forget()

    def _parameters(self) -> list[tuple[str, tuple[int, ...], str]]:
        """Name, shape and dtype of each parameter: what is remembered is about these."""
        return [(name, p.shape, dtype_name(p.dtype)) for name, p in self.model.named_parameters()]

    def _forget(self) -> None:
        self.remembered_of = self._parameters()
        self.count = 0  # iterations so far
        self.changes: list[Array] = []  # of the parameters, in the last steps
        self.changes_of_gradient: list[Array] = []
        self.scale = 1.0  # of the first guess at H
        self.last_gradient: Array | None = None
        self.last_change: Array | None = None

    def _layout(self) -> FlatLayout:
        parameters = self.model.parameters()
        dtypes = {dtype_name(p.dtype) for p in parameters}
        if len(dtypes) != 1 or is_complex(parameters[0].dtype):
            raise TypeError(f"LBFGS expected real parameters of one dtype, got {', '.join(sorted(dtypes)) or 'none'}")
        return FlatLayout(parameters)

    def step(self, loss: Callable[[Module], Array]) -> float:
        """Make up to `iterations` iterations; gives the loss before.

        Parameters
        ----------
        loss
            A function of the model that gives one number, without chance in it (no dropout).

        Raises
        ------
        FloatingPointError
            If the loss or its gradient is not finite at the start; the model is then unchanged. Without a line search
            also if they are not where an iteration went; the model is then where it was before that iteration.
        """
        work = _Work(self._layout(), self.model, loss)
        x = work.flat(self.model.parameters())
        if self.remembered_of != self._parameters():
            self._forget()  # other parameters than before, maybe of the same total length
        value, gradient = first, _ = work.at(x)
        if not isfinite(first) or not isfinite(largest(gradient)):
            raise FloatingPointError(
                f"LBFGS got a loss of {first}, or a gradient that is not finite: nothing was changed"
            )
        if largest(gradient) <= self.gradient_tolerance:
            self.stopped = "the gradient is small"
            return first
        try:
            self.stopped = self._iterate(work, x, value, gradient)
        except BaseException:
            write(self.model.parameters(), work.layout.views(work.best))
            raise
        return first

    def _iterate(self, work: _Work, x: Array, value: float, gradient: Array) -> str:
        """Go on until there is a reason to stop, which it gives."""
        for n in range(1, self.iterations + 1):
            direction = self._direction(gradient)
            t = self.learning_rate * (min(1.0, 1.0 / _sum_of_magnitudes(gradient)) if self.count == 1 else 1.0)
            slope = dot(gradient, direction)
            self.last_gradient, self.last_change = gradient, t * direction
            if not slope <= -self.change_tolerance:
                return "the direction does not lead down"
            before = value
            if self.line_search:
                along = Line(work, x, direction, self.evaluations, self.change_tolerance)
                t, value, _, gradient = along.search(Point(0.0, value, slope, gradient), t)
                self.last_change = t * direction
            x = x + self.last_change
            if self.line_search or n == self.iterations:  # the last place of all is not looked at, as in PyTorch
                work.best = x
                write(self.model.parameters(), work.layout.views(x))
            if t == 0:
                return "no lower place was found along the direction"
            if n == self.iterations:
                break
            if not self.line_search:
                value, gradient = work.at(x)
                if not isfinite(value) or not isfinite(largest(gradient)):
                    self._forget()
                    raise FloatingPointError(
                        f"LBFGS went to where the loss is {value}, or its gradient not finite, in iteration {n} of "
                        "this step: use line_search=True or a smaller learning_rate"
                    )
                work.best = x
            if largest(gradient) <= self.gradient_tolerance:
                return "the gradient is small"
            if largest(self.last_change) <= self.change_tolerance or abs(value - before) < self.change_tolerance:
                return "the change is small"
            if work.evaluations >= self.evaluations:
                return "all evaluations are used up"
        return "all iterations are used up"

    def _direction(self, gradient: Array) -> Array:
        """-H g, after taking the last step into H."""
        self.count += 1
        if self.last_gradient is not None and self.last_change is not None:
            y, s = gradient - self.last_gradient, self.last_change
            if (ys := dot(y, s)) > 1e-10:  # else the loss does not curve upwards there
                self.changes = [*self.changes, s][-self.history :]
                self.changes_of_gradient = [*self.changes_of_gradient, y][-self.history :]
                self.scale = ys / dot(y, y)
        q, pairs = -gradient, list(zip(self.changes, self.changes_of_gradient, strict=True))
        shares = []
        for s, y in reversed(pairs):
            shares.append(dot(s, q) / dot(y, s))
            q = q - shares[-1] * y
        q = q * self.scale
        for (s, y), share in zip(pairs, reversed(shares), strict=True):
            q = q + (share - dot(y, q) / dot(y, s)) * s
        return q

    def state_dict(self) -> dict[str, Array]:
        """Copies of what is remembered, by name: of each parameter ('0.weight.remembered') one row for each step."""
        if self.remembered_of != self._parameters():
            self._forget()
        layout = self._layout()
        xp, device = layout.xp, layout.device
        last = [x for x in (self.last_gradient, self.last_change) if x is not None]
        rows = [layout.views(row) for row in (*last, *self.changes, *self.changes_of_gradient)]
        state = {
            "count": xp.asarray(self.count, device=device),
            "scale": xp.asarray(self.scale, dtype=xp.float64, device=device),
        }
        for n, (name, shape, _) in enumerate(self.remembered_of):
            empty = xp.zeros((0, *shape), dtype=layout.dtype, device=device)
            state[f"{name}.remembered"] = xp.stack([views[n] for views in rows]) if rows else empty
        return state

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over `state`, as `state_dict` gave it on any device.

        Raises
        ------
        ValueError
            If names or shapes do not fit; nothing is then changed.
        """
        layout, parameters = self._layout(), self._parameters()
        shapes = {name: getattr(array, "shape", ()) for name, array in state.items()}
        count = next((shape[0] for name, shape in shapes.items() if name.endswith(".remembered") and shape), 0)
        expected = {f"{name}.remembered": (count, *shape) for name, shape, _ in parameters}
        if shapes != {"count": (), "scale": (), **expected}:
            raise ValueError(f"the state does not fit this LBFGS: expected shapes {expected}, got {shapes}")
        own = device_of(self.model.parameters()[0])
        rows = [layout.zeros() for _ in range(count)]
        for n, row in enumerate(rows):
            write(layout.views(row), [own.asarray(state[name][n, ...], dtype=layout.dtype) for name in expected])
        kept = max(0, count - 2) // 2
        self.remembered_of = parameters
        self.count, self.scale = int(state["count"]), float(state["scale"])
        self.last_gradient, self.last_change = (rows[0], rows[1]) if rows else (None, None)
        self.changes, self.changes_of_gradient = rows[2 : 2 + kept], rows[2 + kept :]

    def __repr__(self) -> str:
        return f"LBFGS(learning_rate={self.learning_rate}, line_search={self.line_search}, history={self.history})"


class _Work:
    """The loss as a function of one vector."""

    def __init__(self, layout: FlatLayout, model: Module, loss: Callable[[Module], Any]) -> None:
        self.layout, self.model, self.both = layout, model, value_and_grad(loss)
        self.evaluations = 0
        self.best = self.flat(model.parameters())  # the last place that was decided on

    def flat(self, arrays: list[Array]) -> Array:
        x = self.layout.zeros()
        write(self.layout.views(x), arrays)
        return x

    def at(self, x: Array) -> tuple[float, Array]:
        """The loss and its gradient at `x`, where the model then is."""
        self.evaluations += 1
        write(self.model.parameters(), self.layout.views(x))
        value, gradients = self.both(self.model)
        return float(value), self.flat(flatten(gradients)[0])


def _sum_of_magnitudes(x: Array) -> float:
    xp = namespace_of(x)
    return float(xp.sum(xp.abs(x)))
