"""Groups: parameters with the same options, their flat array, and the optimizer's state beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from numbers import Real
from typing import Any

from xpnn.arrays.namespaces import Array
from xpnn.nn.module import Slot
from xpnn.optim.flat import FlatLayout, write
from xpnn.optim.schedules import Schedule, constant

__all__ = ["Group", "StateOf", "check_numbers", "plain_options"]

_ANY = ("of 0 or more", lambda value: 0 <= value < inf)
_SHARE = ("from 0 to below 1", lambda value: 0 <= value < 1)
_RANGES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "learning_rate": _ANY,
    "weight_decay": _ANY,
    "epsilon": ("above 0", lambda value: 0 < value < inf),  # 0 would divide 0 by 0 where a gradient is 0
    "momentum": _SHARE,
    "dampening": ("from 0 to 1", lambda value: 0 <= value <= 1),
    "beta1": _SHARE,
    "beta2": _SHARE,
    "decay": _SHARE,
    "momentum_decay": _ANY,
    "rate_decay": _ANY,
    "initial_sum": _ANY,
}
_FLAGS = ("nesterov", "amsgrad", "centered", "decoupled_weight_decay", "used_rows_only")


def check_numbers(who: str, options: Mapping[str, Any]) -> None:
    """Raise ValueError if an option is out of range, TypeError if it is of another kind."""
    for name, (expected, fits) in _RANGES.items():
        value = options.get(name, 0.5)
        if name == "learning_rate" and callable(value):
            continue
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{who} expected {name} to be a number, got {value!r:.60}")
        if not fits(value):
            raise ValueError(f"{who} expected {name} {expected}, got {value!r}")
    for name in _FLAGS:
        if not isinstance(options.get(name, False), bool):
            raise TypeError(f"{who} expected {name} to be True or False, got {options[name]!r:.60}")


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers, maybe NumPy's, as Python's, which promote nothing."""
    return {name: float(v) if name in _RANGES and not callable(v) else v for name, v in options.items()}


class StateOf:
    """What a rule keeps between steps, for given options.

    Parameters
    ----------
    names
        Arrays like the parameters.
    only_with
        For some of them, the option that asks for it.
    start
        For some of them, the option that says what they are filled with at first; the others start at 0.
    numbers
        Numbers of a group, with their first values.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        only_with: Mapping[str, str],
        start: Mapping[str, str],
        numbers: Mapping[str, float],
    ) -> None:
        self.names, self.only_with, self.start, self.numbers = names, only_with, start, numbers

    def arrays(self, layout: FlatLayout, options: Mapping[str, Any]) -> dict[str, Array]:
        """The first state, arrays of `layout`."""
        wanted = [name for name in self.names if name not in self.only_with or options[self.only_with[name]]]
        found = {name: layout.zeros() for name in wanted}
        for name in wanted:
            if first := options.get(self.start.get(name, "")):
                found[name] += first
        return found


class Group:
    """Parameters with the same options, dtype and device: their flat array, and the optimizer's state beside it."""

    def __init__(self, slots: list[list[Slot]], options: dict[str, Any], state: StateOf) -> None:
        self.slots = slots  # for each parameter, all places that share it
        self.options = options
        arrays = [places[0].value for places in slots]
        self.layout = FlatLayout(arrays)
        self.used_rows_only = bool(options.get("used_rows_only"))
        self.parameters = self.layout.zeros()
        self.gradients = self.layout.zeros(0 if self.used_rows_only else None)
        self.views = self.layout.views(self.parameters)
        self.gradient_views = [] if self.used_rows_only else self.layout.views(self.gradients)
        self.state = state.arrays(self.layout, options)
        xp, device = self.layout.xp, self.layout.device
        self.numbers = {name: xp.full((), x, dtype=xp.float64, device=device) for name, x in state.numbers.items()}
        write(self.views, arrays)
        self.bind()

    @property
    def schedule(self) -> Schedule:
        """The rate as a function of the step, read from the options at each step: they may be changed by hand."""
        rate = self.options["learning_rate"]
        return rate if callable(rate) else constant(rate)

    def bind(self) -> None:
        """Make the model's attributes views into the flat array."""
        for places, view in zip(self.slots, self.views, strict=True):
            for place in places:
                place.module.__dict__[place.attribute] = view

    def named_state(self) -> list[tuple[str, Array]]:
        """Each parameter's part of the state by its name; numbers of the group count for each of its parameters."""
        found = []
        for name, flat in self.state.items():
            found += [
                (f"{slots[0].name}.{name}", view)
                for slots, view in zip(self.slots, self.layout.views(flat), strict=True)
            ]
        for name, number in self.numbers.items():
            found += [(f"{slots[0].name}.{name}", number) for slots in self.slots]
        return found

    def parts(self) -> list[tuple[Array, dict[str, Array]]]:
        """Each parameter, with its part of the state."""
        views = {name: self.layout.views(flat) for name, flat in self.state.items()}
        return [(p, {name: found[n] for name, found in views.items()}) for n, p in enumerate(self.views)]
