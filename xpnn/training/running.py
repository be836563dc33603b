"""The loss and the metrics of an epoch so far, kept on the device.

Looking at a device value at each step would make a GPU wait, and a call for each step of a small network would cost as
much as the step. So what steps give is put aside and summed up some steps at a time. Where that happens depends only on
the position in the epoch and on sizes, so a training that was broken off and resumed sums in the same order, to the
same last bit; what was put aside and not summed up yet goes into a checkpoint as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import nan
from typing import Any

from xpnn.arrays.devices import Device
from xpnn.arrays.namespaces import Array
from xpnn.arrays.native import stack_scalars
from xpnn.arrays.tree import Tree, flatten
from xpnn.training.metrics.base import Metric

__all__ = ["Running", "of_metric"]

TOGETHER = 2**18  # numbers of outputs and targets that are put aside at most


class Running:
    """Sums over the batches of an epoch.

    Parameters
    ----------
    place
        Where the arrays are.
    metrics
        What to compute of outputs and targets, by name; none if steps give no outputs.
    """

    def __init__(self, place: Device, metrics: Mapping[str, Metric]) -> None:
        self.place, self.metrics = place, dict(metrics)
        xp = place.xp
        self._dtype = xp.float64
        self.start()

    def start(self) -> None:
        """A new epoch."""
        self.total, self.weight = (self._zero() for _ in range(2))
        self._values: list[Array] = []
        self._shares: list[Any] = []
        self._outputs: list[tuple[Tree, ...]] = []  # y, t and maybe w of a batch
        self._numbers = 0
        self._added = False  # whether metrics saw something
        for metric in self.metrics.values():
            metric.start()

    def describe(self) -> dict[str, str]:
        """What the metrics are, by name, with those of their options that are numbers or words."""
        return {name: _named(metric) for name, metric in self.metrics.items()}

    def _zero(self) -> Array:
        return self.place.xp.zeros((), dtype=self._dtype, device=self.place.array_device)

    def add(self, values: list[Array], shares: list[Any], outputs: list[list[tuple[Tree, ...]]]) -> None:
        """What steps of equal shapes gave: losses (if there are some), what each counts for, and for each of its
        batches outputs, targets and maybe weights.
        """
        self._values += values
        self._shares += shares
        if not (self.metrics and outputs and outputs[0]):
            return
        numbers = sum(leaf.size for batch in outputs[0] for leaf in flatten(batch)[0])
        for step in outputs:
            self._outputs += step
            self._numbers += numbers
            if self._numbers > TOGETHER:
                self._sum_outputs()

    def sum_up(self) -> None:
        """Add what was put aside to the sums; only at places that the position in the epoch decides."""
        if self._values:
            xp = self.place.xp
            values = xp.astype(stack_scalars(self._values), self._dtype)
            first = self._shares[0]
            if isinstance(first, float) and self._shares.count(first) == len(self._shares):
                self.total = self.total + xp.sum(values) * first
                self.weight = self.weight + first * len(self._shares)
            else:
                shares = self._in_one(self._shares)
                self.total = self.total + xp.sum(values * shares)
                self.weight = self.weight + xp.sum(shares)
            self._values, self._shares = [], []
        self._sum_outputs()

    def _in_one(self, shares: list[Any]) -> Array:
        xp = self.place.xp
        if hasattr(shares[0], "dtype"):
            return xp.astype(stack_scalars(shares), self._dtype)
        return self.place.asarray(xp.asarray(shares, dtype=self._dtype))

    def _sum_outputs(self) -> None:
        self._added |= bool(self._outputs)
        for batch in self._joined():
            for name, metric in self.metrics.items():
                with of_metric(name):
                    metric.update(*batch)
        self._outputs, self._numbers = [], 0

    def _joined(self) -> list[tuple[Tree, ...]]:
        """Batches of arrays, each after the other in one; trees one by one."""
        batches = self._outputs
        if len(batches) < 2 or any(not hasattr(part, "dtype") for batch in batches for part in batch):
            return batches
        shapes = {tuple([part.shape[1:] for part in batch]) for batch in batches}
        if len(shapes) > 1:
            return batches
        return [tuple([self.place.xp.concat(parts, axis=0) for parts in zip(*batches, strict=True)])]

    def to_check(self) -> list[Array]:
        """Arrays that are finite if all losses of the epoch are."""
        return [self.total, *([stack_scalars(self._values)] if self._values else [])]

    def loss(self) -> float:
        """The mean of the losses so far; looks at the device."""
        xp = self.place.xp
        total, weight = self.total, self.weight
        if self._values:
            shares = self._in_one(self._shares)
            total = total + xp.sum(xp.astype(stack_scalars(self._values), self._dtype) * shares)
            weight = weight + xp.sum(shares)
        count = float(weight)
        return float(total) / count if count else nan

    def last_value(self) -> float | None:
        """The loss of the last step, if it was not summed up yet; looks at the device."""
        return float(self._values[-1]) if self._values else None

    def numbers(self) -> dict[str, Any]:
        """The metrics so far, of what was summed up, NaN where nothing was; looks at the device."""
        if not self._added:
            return dict.fromkeys(self.metrics, nan)
        numbers = {}
        for name, metric in self.metrics.items():
            with of_metric(name):
                numbers[name] = metric.result()
        return numbers

    def saved(self) -> tuple[Any, ...]:
        """What `restore` needs to come back to this moment."""
        states = {name: metric.state() for name, metric in self.metrics.items()}
        aside = [*self._values], [*self._shares], [*self._outputs], self._numbers
        return self.total, self.weight, *aside, self._added, states

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Come back to the moment of `saved`."""
        self.start()
        self.total, self.weight, values, shares, outputs, self._numbers, self._added, states = saved
        self._values, self._shares, self._outputs = [*values], [*shares], [*outputs]
        for name, metric in self.metrics.items():
            metric.load_state(states[name])

    def state_dict(self) -> dict[str, Array]:
        """Copies of all sums, and of what was put aside."""
        state: dict[str, Array] = {"running.total": self.total, "running.weight": self.weight}
        if self._values:
            state |= {"pending.values": stack_scalars(self._values), "pending.shares": self._in_one(self._shares)}
        for n, batch in enumerate(self._outputs):
            state |= {f"pending.outputs.{n}.{k}": leaf for k, leaf in enumerate(flatten(batch)[0])}
        for name, metric in self.metrics.items() if self._added else ():
            state |= {f"metrics.{name}.{key}": array for key, array in metric.state().items()}
        return state

    def load_state_dict(self, state: Mapping[str, Array], like: tuple[Tree, ...]) -> None:
        """Go on from what `state_dict` gave; `like` is a batch of outputs, targets and maybe weights."""
        self.start()
        move = self.place.asarray
        self.total, self.weight = move(state["running.total"]), move(state["running.weight"])
        if "pending.values" in state:
            values, shares = move(state["pending.values"]), move(state["pending.shares"])
            self._values = [values[n, ...] for n in range(values.shape[0])]
            host = self.place.to_host(shares)
            weighted = len(like) == 3
            self._shares = [shares[n, ...] for n in range(len(host))] if weighted else [float(one) for one in host]
        _, rebuild = flatten(like)
        for _, batch in sorted(_by_number(state, "pending.outputs.").items()):
            self._outputs.append(rebuild([move(batch[k]) for k in sorted(batch)]))
            self._numbers += sum(array.size for array in batch.values())
        for name, metric in self.metrics.items():
            start = f"metrics.{name}."
            own = {key.removeprefix(start): move(array) for key, array in state.items() if key.startswith(start)}
            if own:
                metric.load_state(own)
                self._added = True


@contextmanager
def of_metric(name: str) -> Iterator[None]:
    """Adds to an error which metric it comes from."""
    try:
        yield
    except Exception as error:
        error.add_note(f"It comes from the metric {name!r}")
        raise


def _named(metric: Metric) -> str:
    """A metric as one writes it."""
    options = {name: value for name, value in vars(metric).items() if not name.startswith("_")}
    function = options.pop("function", None)
    known = [f"{name}={value!r}" for name, value in options.items() if isinstance(value, bool | int | float | str)]
    if callable(function):
        known.insert(0, getattr(function, "__qualname__", type(function).__qualname__))
    return f"{type(metric).__name__}({', '.join(known)})"


def _by_number(state: Mapping[str, Array], start: str) -> dict[int, dict[int, Array]]:
    """The arrays named `start` and two numbers."""
    found: dict[int, dict[int, Array]] = {}
    for name, array in state.items():
        if name.startswith(start):
            n, k = map(int, name.removeprefix(start).split("."))
            found.setdefault(n, {})[k] = array
    return found
