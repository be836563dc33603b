"""Sums over steps: an average of the weights, which is better than the last ones, and gradients of several batches."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from math import inf
from numbers import Real
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.tree import flatten
from xpnn.nn.module import Module
from xpnn.optim.base import Optimizer, in_dtype_of

__all__ = ["GradientAccumulator", "WeightAverage"]


class WeightAverage:
    """An exponential moving average of a model's weights: a ← a + (1 - decay)(p - a) after each update.

    Polyak and Juditsky, Acceleration of stochastic approximation by averaging (1992); in this form Tarvainen and
    Valpola, Mean teachers are better role models (2017). PyTorch's AveragedModel with
    `get_ema_multi_avg_fn(decay)`, whose first update copies the weights, as making this does.

    Parameters
    ----------
    model
        The model whose weights are averaged.
    decay
        What the average keeps of itself at each update, from 0 to below 1: it reaches back 1 / (1 - decay) updates.

    Attributes
    ----------
    model
        A copy of the model, with the averages as its parameters and the last buffers: evaluate and save this one. In a
        compiled step it is part of the state: `xpnn.compile(step, state=(model, optimizer, average.model))`.

    Raises
    ------
    TypeError, ValueError
        If `model` is no Module, or `decay` no such number.

    Examples
    --------
    >>> import xpnn
    >>> model = xpnn.nn.Linear(1, 1, bias=False)
    >>> model.weight[...] = 0.0
    >>> average = WeightAverage(model, decay=0.75)
    >>> model.weight[...] = 1.0
    >>> average.update()
    >>> average.model.weight
    array([[0.25]], dtype=float32)
    """

    decay: float
    of: Module
    model: Module

    def __init__(self, model: Module, *, decay: float = 0.999) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"WeightAverage expected a model (a Module), got {type(model).__name__}")
        if isinstance(decay, bool) or not isinstance(decay, Real):
            raise TypeError(f"WeightAverage expected decay to be a number, got {decay!r:.60}")
        if not 0 <= float(decay) < 1:
            raise ValueError(f"WeightAverage expected decay from 0 to below 1, got {decay!r}")
        self.decay = float(decay)
        self.of = model
        self.model = copy.deepcopy(model).eval()

    def update(self) -> None:
        """Move the averages towards the weights; after each step of the optimizer.

        Raises
        ------
        ValueError
            If the model has other parameters than when this was made.
        """
        pairs = list(zip(self.model.slots(), self.of.slots(), strict=False))
        fits = len(pairs) == len(self.of.slots()) == len(self.model.slots())
        if not fits or any(a.name != p.name or a.value.shape != p.value.shape for a, p in pairs):
            raise ValueError("WeightAverage expected the parameters that the model had when it was made: make another")
        seen: set[int] = set()
        for mine, other in pairs:
            average, p = mine.value, other.value
            if id(average) in seen:  # shared by several layers
                continue
            seen.add(id(average))
            try:
                if other.kind == "buffer":
                    average[...] = p
                else:
                    average += (1 - self.decay) * (p - average)
            except RuntimeError as error:  # a step that is being recorded, which does not know of these arrays
                if getattr(type(p), "records_calls", False) and not getattr(type(average), "records_calls", False):
                    error.args = (f"{error}. Is average.model of the WeightAverage part of state=(...)?",)
                raise


class GradientAccumulator:
    """Gradients of several batches as one: their mean, weighted by the items of each.

    So a step on four batches of 8 items, or of 8, 8, 8 and 3, is the step on all of them at once, in the memory of one.

    Parameters
    ----------
    optimizer
        What makes the step.

    Raises
    ------
    TypeError
        If `optimizer` is no Optimizer.

    Examples
    --------
    >>> import numpy, xpnn
    >>> model = xpnn.nn.Linear(1, 1, bias=False, dtype="float64")
    >>> model.weight[...] = 0.0
    >>> accumulator = GradientAccumulator(xpnn.optim.SGD(model, learning_rate=1.0))
    >>> accumulator.add([numpy.asarray([[1.0]])], items=3)
    >>> accumulator.add([numpy.asarray([[5.0]])], items=1)
    >>> accumulator.step()
    >>> model.weight
    array([[-2.]])
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"GradientAccumulator expected an optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self._start()

    def _start(self) -> None:
        parameters, _ = flatten(self.optimizer.model)
        self.sums = [namespace_of(p).zeros_like(p) for p in parameters]
        xp = namespace_of(parameters[0])
        self.weight = xp.zeros((), dtype=xp.float64, device=parameters[0].device)

    def add(self, gradients: Any, *, items: float | Array = 1.0) -> None:
        """Add the gradients of a mean loss over `items` items: a number, or an array of shape () such as the sum of
        their weights, which is not read.

        Raises
        ------
        ValueError, TypeError
            If the gradients do not fit the model's parameters, or `items` is below 0 or no number; nothing is then
            changed.
        """
        if not hasattr(items, "dtype"):
            if isinstance(items, bool) or not isinstance(items, Real):
                raise TypeError(f"GradientAccumulator.add expected items to be a number, got {items!r:.60}")
            if not 0 <= float(items) < inf:
                raise ValueError(f"GradientAccumulator.add expected items of 0 or more, got {items!r}")
            items = float(items)
        leaves, _ = flatten(gradients)
        self._fit()
        shapes = [getattr(leaf, "shape", None) for leaf in leaves]
        if shapes != [total.shape for total in self.sums]:
            expected = [total.shape for total in self.sums]
            raise ValueError(f"GradientAccumulator.add expected gradients of shapes {expected}, got {shapes}")
        for total, leaf in zip(self.sums, leaves, strict=True):
            total += leaf * in_dtype_of(total, items)
        self.weight += items if isinstance(items, float) else namespace_of(self.weight).astype(items, self.weight.dtype)

    def _fit(self) -> None:
        """Start again if the model's parameters are others than before, by number, shape, dtype or place."""
        parameters, _ = flatten(self.optimizer.model)
        own = [(type(x), x.shape, x.dtype) for x in self.sums]
        if own != [(type(x), x.shape, x.dtype) for x in parameters]:
            self._start()

    def step(self) -> None:
        """Make a step by the mean of what was added, and begin anew; without any item the gradient is 0."""
        self._fit()
        weight = self.weight + namespace_of(self.weight).astype(self.weight == 0, self.weight.dtype)
        self.optimizer.step([total / in_dtype_of(total, weight) for total in self.sums])
        for total in (*self.sums, self.weight):
            total[...] = 0

    def state_dict(self) -> dict[str, Array]:
        """Copies of the sums and of the weight so far, by name."""
        xp = namespace_of(self.weight)
        return {str(n): xp.asarray(x, copy=True) for n, x in enumerate(self.sums)} | {
            "weight": xp.asarray(self.weight, copy=True)
        }

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Write `state`, as `state_dict` gave it, into the accumulator's own arrays.

        Raises
        ------
        ValueError
            If names or shapes do not fit; nothing is then changed.
        """
        own = {**{str(n): x for n, x in enumerate(self.sums)}, "weight": self.weight}
        if {k: getattr(x, "shape", None) for k, x in state.items()} != {k: x.shape for k, x in own.items()}:
            raise ValueError(f"the state does not fit this accumulator of {len(self.sums)} parameters")
        for name, array in own.items():
            xp = namespace_of(array)
            array[...] = xp.asarray(state[name], dtype=array.dtype, device=array.device)

    # Recording (see `compiler.state`)

    def recordable_places(self) -> list[tuple[Any, Any, str]]:
        """Where each array is kept: `(container, key, name)`."""
        self._fit()
        return [
            *((self.sums, n, f"sum of gradient {n}") for n in range(len(self.sums))),
            (self.__dict__, "weight", "items so far"),
        ]

    def recording_watch(self) -> list[Any]:
        """What a recorded step depends on."""
        return [self.__dict__, self.sums]

    def recording_swapped(self) -> None:
        """The arrays were replaced for a time; nothing else refers to them."""
