"""What all optimizers share: parameters in groups, steps, saving and loading.

    loss, gradients = value_and_grad(loss_function)(model, x, t)
    optimizer.step(gradients)

Each rule is written for one array. The optimizer applies it to the flat array in which it keeps the parameters of a
group (see `flat`), in place. Rates and step counts are arrays, so a recorded step can be replayed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import Array
from xpnn.arrays.tree import flatten
from xpnn.nn.module import Module, Slot
from xpnn.optim.flat import FlatLayout, write
from xpnn.optim.schedules import Schedule, constant

__all__ = ["Optimizer"]


class Group:
    """Parameters with the same options, dtype and device: their flat array, and the optimizer's state beside it."""

    def __init__(self, slots: list[list[Slot]], options: dict[str, Any], state_names: tuple[str, ...]) -> None:
        self.slots = slots  # for each parameter, all places that share it
        self.options = options
        rate = options["learning_rate"]
        self.schedule: Schedule = rate if callable(rate) else constant(rate)
        arrays = [places[0].value for places in slots]
        self.layout = FlatLayout(arrays)
        self.parameters, self.gradients = self.layout.zeros(), self.layout.zeros()
        self.views, self.gradient_views = self.layout.views(self.parameters), self.layout.views(self.gradients)
        self.state = {name: self.layout.zeros() for name in state_names}
        write(self.views, arrays)
        self.bind()

    def bind(self) -> None:
        """Make the model's attributes views into the flat array."""
        for places, view in zip(self.slots, self.views, strict=True):
            for place in places:
                place.module.__dict__[place.attribute] = view

    def is_bound(self) -> bool:
        """Whether the model still holds the views: nothing was replaced or moved."""
        return all(
            place.module.__dict__.get(place.attribute) is view
            for places, view in zip(self.slots, self.views, strict=True)
            for place in places
        )


class Optimizer(ABC):
    """What all optimizers share: groups of parameters in flat arrays, step counts, saving and loading.

    Parameters
    ----------
    model
        The model to train. Its parameters move into flat arrays that the optimizer updates in place.
    learning_rate
        A number, or a schedule: a function of the step (`optim.schedules`).
    groups
        Other options for parameters whose names match a pattern: `{"*.bias": {"weight_decay": 0.0}}`. The first match
        counts.

    Raises
    ------
    ValueError
        If an option is out of range, a pattern matches nothing, or the model has no parameters to train.
    TypeError
        If the model is not a Module, or its arrays cannot be written in place (JAX, Dask).
    """

    state_names: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, model: Module, options: dict[str, Any], groups: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"{type(self).__name__} expected a model (a Module), got {type(model).__name__}")
        self.model = model
        self.options = options
        self.patterns = {pattern: {**options, **changed} for pattern, changed in (groups or {}).items()}
        for changed in (groups or {}).values():
            if unknown := changed.keys() - options.keys():
                raise ValueError(f"{type(self).__name__} has no option {_listed(unknown)}; it has {_listed(options)}")
        for chosen in (options, *self.patterns.values()):
            self.check(chosen)
        self._bind()

    @abstractmethod
    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        """Update `p` and `state` in place from the gradient `g`; `step` is the number of this update, from 1."""

    def check(self, options: dict[str, Any]) -> None:
        """Raise if an option is out of range."""
        rate = options["learning_rate"]
        if not callable(rate) and not rate >= 0:
            raise ValueError(f"{type(self).__name__} expected a learning_rate of 0 or more, got {rate!r}")
        for name in ("weight_decay", "epsilon"):
            if name in options and not options[name] >= 0:
                raise ValueError(f"{type(self).__name__} expected {name} of 0 or more, got {options[name]!r}")
        for name in ("momentum", "beta1", "beta2"):
            if name in options and not 0 <= options[name] < 1:
                raise ValueError(f"{type(self).__name__} expected {name} from 0 to below 1, got {options[name]!r}")

    def step(self, gradients: Module) -> None:
        """Update the model's parameters in place.

        Parameters
        ----------
        gradients
            As `value_and_grad` gives them for the model.

        Raises
        ------
        ValueError
            If the gradients do not fit the model's parameters; nothing is then changed.
        """
        self._rebind_if_changed()
        self._take(gradients)
        self.steps += 1
        for group in self.groups:
            rate = group.schedule(self.steps - 1)
            self.rule(group.parameters, group.gradients, group.state, rate, self.steps, group.options)

    def learning_rates(self) -> dict[str, float]:
        """The rate of the next update, for each group by its first parameter; reads the step count from the device."""
        return {group.slots[0][0].name: float(group.schedule(self.steps)) for group in self.groups}

    # Binding

    def _bind(self) -> None:
        places = self._places()
        chosen: dict[Any, list[list[Slot]]] = {}
        for slots in places:
            pattern = next((p for p in self.patterns if fnmatchcase(slots[0].name, p)), None)
            chosen.setdefault((pattern, slots[0].value.dtype), []).append(slots)
        for pattern in self.patterns:
            if all(key[0] != pattern for key in chosen):
                raise ValueError(
                    f"no parameter is left for {pattern!r}; there are {', '.join(s[0].name for s in places)}"
                )
        self.groups = [
            Group(slots, self.patterns.get(pattern, self.options), self.state_names)
            for (pattern, _), slots in chosen.items()
        ]
        layout = self.groups[0].layout
        self.steps = layout.xp.zeros((), dtype=layout.xp.int64, device=layout.device)
        self._order = [self._positions[slots[0].name] for group in self.groups for slots in group.slots]

    def _places(self) -> list[list[Slot]]:
        """For each trained array all places that hold it, in the order of the model's leaves."""
        places: dict[int, list[Slot]] = {}
        for slot in self.model.slots("parameter"):
            places.setdefault(id(slot.value), []).append(slot)
        if not places:
            raise ValueError(f"{type(self.model).__name__} has no parameters to train (all frozen, or none declared)")
        self._positions = {slots[0].name: n for n, slots in enumerate(places.values())}
        return list(places.values())

    def _rebind_if_changed(self) -> None:
        """If parameters were replaced, moved, added or frozen: bind anew, keeping the state of the others."""
        count = len(flatten(self.model)[0])
        if count == len(self._order) and all(group.is_bound() for group in self.groups):
            return
        before = self.state_dict()
        self._bind()
        kept = self.state_dict()
        kept.update({name: array for name, array in before.items() if name in kept and array.shape == kept[name].shape})
        self.load_state_dict(kept)

    def _take(self, gradients: Module) -> None:
        """Copy the gradients into the flat arrays, once all of them are seen to fit."""
        leaves, _ = flatten(gradients)
        shapes = [shape for group in self.groups for shape in group.layout.shapes]
        if len(leaves) != len(shapes):
            raise ValueError(
                f"expected gradients of the model's {len(shapes)} parameters, as value_and_grad gives them, "
                f"got {len(leaves)} arrays"
            )
        ordered = [leaves[position] for position in self._order]
        for shape, leaf in zip(shapes, ordered, strict=True):
            if leaf.shape != shape:
                raise ValueError(f"expected a gradient of shape {shape}, as its parameter, got {leaf.shape}")
        done = 0
        for group in self.groups:
            write(group.gradient_views, ordered[done : done + len(group.views)])
            done += len(group.views)

    # State

    def state_dict(self) -> dict[str, Array]:
        """Copies of the step count ('steps') and of each parameter's state ('0.weight.momentum'), by name."""
        xp = self.groups[0].layout.xp
        state = {"steps": xp.asarray(self.steps, copy=True)}
        for group in self.groups:
            for name, flat in group.state.items():
                for slots, view in zip(group.slots, group.layout.views(flat), strict=True):
                    state[f"{slots[0].name}.{name}"] = xp.asarray(view, copy=True)
        return state

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Write `state`, as `state_dict` gave it on any device, into the optimizer's own arrays.

        Raises
        ------
        ValueError
            If names or shapes do not fit; the optimizer is then unchanged.
        """
        own = self.state_dict()
        if own.keys() != state.keys():
            raise ValueError(
                f"the state does not fit this {type(self).__name__}: missing {_listed(own.keys() - state.keys())}, "
                f"unexpected {_listed(state.keys() - own.keys())}"
            )
        for name, array in own.items():
            if state[name].shape != array.shape:
                raise ValueError(f"{name} expected shape {array.shape}, got {state[name].shape}")
        moved = {name: _moved(state[name], array) for name, array in own.items()}
        self.steps[...] = moved["steps"]
        for group in self.groups:
            for name, flat in group.state.items():
                write(group.layout.views(flat), [moved[f"{slots[0].name}.{name}"] for slots in group.slots])

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{type(self).__name__}({options})"


def _moved(array: Array, like: Array) -> Array:
    return device_of(like).asarray(array, dtype=like.dtype)


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
