"""What all optimizers share: parameters in groups, steps, saving and loading.

    loss, gradients = value_and_grad(loss_function)(model, x, t)
    optimizer.step(gradients)

Each rule is written for one array. The optimizer applies it to the flat array in which it keeps the parameters of a
group (see `flat`), in place. Rates and step counts are arrays, so a recorded step can be replayed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import Array, dtype_name, is_complex, namespace_of
from xpnn.arrays.tree import flatten
from xpnn.nn.module import Module, Slot
from xpnn.optim.flat import write
from xpnn.optim.groups import Group, StateOf, check_numbers, plain_options
from xpnn.optim.used_rows import update_used_rows

__all__ = ["Optimizer", "decay", "in_dtype_of"]

_QUIET = {"used_rows_only": False, "decoupled_weight_decay": False, "amsgrad": False, "dampening": 0.0}  # as a rule


class Optimizer(ABC):
    """What all optimizers share: groups of parameters in flat arrays, step counts, saving and loading.

    Parameters
    ----------
    model
        The model to train. Its parameters move into flat arrays that the optimizer updates in place.
    options
        The numbers of the rule by name, the same for all parameters. 'learning_rate' must be among them: 0 or more, or
        a schedule, a function of the step (`optim.schedules`).
    groups
        Other options for parameters whose names match a pattern: `{"*.bias": {"weight_decay": 0.0}}`. The first match
        counts. With `{"embedding.weight": {"used_rows_only": True}}` an update leaves rows (along the first axis) alone
        whose gradient is all zero, their state and weight decay too: so a large embedding costs what a batch uses.

    Notes
    -----
    A number is changed by hand where it is kept: `optimizer.options["learning_rate"] = 0.01`, and for parameters of a
    pattern `optimizer.patterns["*.bias"]["learning_rate"] = 0.01`. The next step uses it, a compiled one after it is
    recorded again; a rate that changes often is better a schedule.

    The step count is the optimizer's, not each parameter's as in PyTorch, and what is kept for a parameter is dropped
    once it is frozen. So one that is unfrozen later starts with empty means and no correction for that: its first step
    with Adam is 2.5 times as long as in PyTorch, after 1000 others. Make a new optimizer then, where that matters.

    Raises
    ------
    ValueError
        If an option is out of range, a pattern matches nothing, or the model has no parameters to train.
    TypeError
        If the model is not a Module, its arrays cannot be written in place (JAX, Dask), or an option is of a wrong
        kind.
    """

    state_names: ClassVar[tuple[str, ...]] = ()
    state_only_with: ClassVar[Mapping[str, str]] = {}  # which of these only an option asks for, and that option
    state_start: ClassVar[Mapping[str, str]] = {}  # which of these do not start at 0, and the option that says where
    number_names: ClassVar[Mapping[str, float]] = {}  # numbers of the state, float64 of shape (), with first values
    elementwise: ClassVar[bool] = True  # whether each element moves by itself; else the rule runs for each parameter
    takes_complex: ClassVar[bool] = False  # whether the rule is right for complex numbers, too

    def __init__(
        self, model: Module, options: dict[str, Any], groups: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"{type(self).__name__} expected a model (a Module), got {type(model).__name__}")
        groups = {} if groups is None else groups
        options = {**options, "used_rows_only": False}
        if not isinstance(groups, Mapping) or not all(isinstance(changed, Mapping) for changed in groups.values()):
            raise TypeError(
                f"{type(self).__name__} expected groups as a mapping from patterns to options, such as "
                f"{{'*.bias': {{'learning_rate': 0.1}}}}, got {groups!r:.80}"
            )
        for changed in groups.values():
            if unknown := changed.keys() - options.keys():
                raise ValueError(f"{type(self).__name__} has no option {_listed(unknown)}; it has {_listed(options)}")
        patterns = {pattern: {**options, **changed} for pattern, changed in groups.items()}
        for chosen in (options, *patterns.values()):
            self.check(chosen)
        self.model = model
        self.options = plain_options(options)
        self.patterns = {pattern: plain_options(chosen) for pattern, chosen in patterns.items()}
        self._check_patterns()
        self._bind()

    @abstractmethod
    def rule(
        self, p: Array, g: Array, state: dict[str, Array], rate: Array, step: Array, options: dict[str, Any]
    ) -> None:
        """Update `p` and `state` in place from the gradient `g`; `step` is the number of this update, from 1.

        All arrays of a group lie in one, so `p`, `g` and the state have one axis and one dtype; `g` may be overwritten.
        A rule that needs shapes is not `elementwise`, and gets one parameter after the other.
        `rate` is a number or an array of shape () and the dtype of `p`, `step` an int64 array of shape (): neither is
        read.
        """

    def check(self, options: dict[str, Any]) -> None:
        """Raise ValueError if an option is out of range, TypeError if it is no number; a rule with options of its own
        adds its checks.
        """
        check_numbers(type(self).__name__, options)
        if options.get("used_rows_only") and (self.number_names or not self.elementwise):
            raise ValueError(
                f"{type(self).__name__} cannot update used rows only: its rule is not one for each element"
            )

    def step(self, gradients: Module | Sequence[Array]) -> None:
        """Update the model's parameters in place.

        Parameters
        ----------
        gradients
            As `value_and_grad` gives them for the model, or a list of them in the order of its parameters.

        Raises
        ------
        ValueError, TypeError
            If the gradients do not fit the model's parameters; nothing is then changed.
        """
        self._rebind_if_changed()
        rates = [in_dtype_of(group.parameters, group.schedule(self.steps)) for group in self.groups]
        apart = self._take(gradients)
        self.steps += 1
        for group, rate, own in zip(self.groups, rates, apart, strict=True):
            if group.used_rows_only:
                for (p, state), g in zip(group.parts(), own, strict=True):
                    update_used_rows(self.rule, p, g, state, (rate, self.steps, group.options))
            elif not self.elementwise:
                for (p, state), g in zip(group.parts(), group.gradient_views, strict=True):
                    self.rule(p, g, state, rate, self.steps, group.options)
            else:
                state = {**group.state, **group.numbers} if group.numbers else group.state
                self.rule(group.parameters, group.gradients, state, rate, self.steps, group.options)

    def learning_rates(self) -> dict[str, float]:
        """The rate of the next update, for each group by its first parameter; reads the step count from the device."""
        return {group.slots[0][0].name: float(group.schedule(self.steps)) for group in self.groups}

    def own_rate(self) -> float:
        """The rate of the next update of parameters that no pattern names; if all are named, of the first group."""
        group = next((one for one in self.groups if one.options is self.options), self.groups[0])
        rate = group.options["learning_rate"]
        return float(rate(self.steps) if callable(rate) else rate)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("options", ()) or name == "lr":  # an attribute of that name would change nothing
            option = "learning_rate" if name == "lr" else name
            raise AttributeError(
                f"{type(self).__name__} keeps {option} in its options: write optimizer.options[{option!r}] = ..., for "
                "parameters of a pattern optimizer.patterns[pattern][...]"
            )
        object.__setattr__(self, name, value)

    # Binding

    def _pattern(self, name: str) -> str | None:
        """The first pattern that matches."""
        return next((pattern for pattern in self.patterns if fnmatchcase(name, pattern)), None)

    def _check_patterns(self) -> None:
        names = [slots[0].name for slots in self._places()]
        used = {self._pattern(name) for name in names}
        for pattern in self.patterns:
            if pattern not in used:
                raise ValueError(f"no parameter is left for {pattern!r}; there are {', '.join(names)}")

    def _bind(self) -> None:
        chosen: dict[Any, list[list[Slot]]] = {}
        for slots in self._places():
            chosen.setdefault((self._pattern(slots[0].name), slots[0].value.dtype), []).append(slots)
        state = StateOf(self.state_names, self.state_only_with, self.state_start, self.number_names)
        self.groups = [
            Group(slots, self.patterns.get(pattern, self.options), state) for (pattern, _), slots in chosen.items()
        ]
        layout = self.groups[0].layout
        self.steps = layout.xp.zeros((), dtype=layout.xp.int64, device=layout.device)
        self._order = [self._positions[slots[0].name] for group in self.groups for slots in group.slots]
        views = [view for group in self.groups for view in group.views]
        self._leaves = [view for _, view in sorted(zip(self._order, views, strict=True), key=lambda pair: pair[0])]
        self._identities = list(map(id, self._leaves))

    def _places(self) -> list[list[Slot]]:
        """For each trained array all places that hold it, in the order of the model's leaves."""
        places: dict[int, list[Slot]] = {}
        for slot in self.model.slots("parameter"):
            if is_complex(slot.value.dtype) and not self.takes_complex:
                who = type(self).__name__
                raise TypeError(f"{who} expected real parameters, got {slot.name} of {slot.value.dtype}")
            places.setdefault(id(slot.value), []).append(slot)
        if not places:
            raise ValueError(f"{type(self.model).__name__} has no parameters to train (all frozen, or none declared)")
        self._positions = {slots[0].name: n for n, slots in enumerate(places.values())}
        return list(places.values())

    def _rebind_if_changed(self) -> None:
        """If parameters were replaced, moved, added or frozen: bind anew, keeping the state of the others."""
        if list(map(id, flatten(self.model)[0])) == self._identities:
            return
        old, before = dict(self.__dict__), self._state()
        try:
            self._bind()
            kept = self._state()
            fits = {name: array for name, array in before.items() if name in kept and array.shape == kept[name].shape}
            for group in self.groups:  # a parameter that is new shares the numbers that the others have
                for number in group.numbers:
                    names = [f"{slots[0].name}.{number}" for slots in group.slots]
                    if known := [fits[name] for name in names if name in fits]:
                        fits |= dict.fromkeys(names, known[0])
            self._write({**kept, **fits})
        except BaseException:  # with the old groups back, the next step sees the change again
            self.__dict__.update(old)
            raise

    def _take(self, gradients: Module | Sequence[Array]) -> list[list[Array]]:
        """Copy the gradients into the flat arrays, once all of them are seen to fit.

        Those of groups of which only used rows are updated are given back instead, a list for each group.
        """
        if not isinstance(gradients, Module | list | tuple):  # a dictionary's order need not be the model's
            raise TypeError(
                f"expected gradients of the model, as value_and_grad gives them for it, got {type(gradients).__name__}"
            )
        leaves, _ = flatten(gradients)
        if len(leaves) != len(self._leaves):
            raise ValueError(
                f"expected gradients of the model's {len(self._leaves)} parameters, as value_and_grad gives them, "
                f"got {len(leaves)} arrays"
            )
        for p, leaf in zip(self._leaves, leaves, strict=True):
            if type(leaf) is not type(p) or leaf.dtype is not p.dtype or leaf.shape != p.shape:
                _check_gradient(p, leaf)
        ordered = [leaves[position] for position in self._order]
        done, apart = 0, []
        for group in self.groups:
            own = ordered[done : done + len(group.views)]
            done += len(group.views)
            apart.append(own if group.used_rows_only else [])
            if not group.used_rows_only:
                write(group.gradient_views, own)
        return apart

    # State

    def state_dict(self) -> dict[str, Array]:
        """Copies of the step count ('steps') and of each parameter's state ('0.weight.velocity'), by name."""
        self._rebind_if_changed()
        return self._state()

    def _state(self) -> dict[str, Array]:
        xp = self.groups[0].layout.xp
        state = {"steps": xp.asarray(self.steps, copy=True)}
        for group in self.groups:
            state |= {name: xp.asarray(view, copy=True) for name, view in group.named_state()}
        return state

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Write `state`, as `state_dict` gave it on any device, into the optimizer's own arrays.

        Raises
        ------
        ValueError
            If names, shapes or kinds of numbers do not fit; the optimizer is then unchanged.
        TypeError
            If `state` is not a mapping.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"expected a state as state_dict gives it, got {type(state).__name__}")
        own = self.state_dict()
        if own.keys() != state.keys():
            raise ValueError(
                f"the state does not fit this {type(self).__name__}: missing {_listed(own.keys() - state.keys())}, "
                f"unexpected {_listed(state.keys() - own.keys())}"
            )
        for name, array in own.items():
            shape = getattr(state[name], "shape", type(state[name]).__name__)
            if shape != array.shape:
                raise ValueError(f"{name} expected shape {array.shape}, got {shape}")
            if _kind(state[name]) != _kind(array):
                raise ValueError(f"{name} expected {dtype_name(array.dtype)}, got {dtype_name(state[name].dtype)}")
        self._write(state)

    def _write(self, state: Mapping[str, Array]) -> None:
        """Write the state into the optimizer's own arrays."""
        moved = {name: _moved(state[name], array) for name, array in self._state().items()}
        self.steps[...] = moved["steps"]
        for group in self.groups:
            for name, view in group.named_state():
                view[...] = moved[name]

    # Recording (see `compiler.state`)

    def recordable_places(self) -> list[tuple[Any, Any, str]]:
        """Where each array of the optimizer and of its model is kept: `(container, key, name)`."""
        self._rebind_if_changed()
        places: list[tuple[Any, Any, str]] = [*self.model.recordable_places(), (self.__dict__, "steps", "steps")]
        for n, group in enumerate(self.groups):
            places += [(group.__dict__, part, f"group {n} {part}") for part in ("parameters", "gradients")]
            places += [(group.state, part, f"group {n} {part}") for part in group.state]
            places += [(group.numbers, part, f"group {n} {part}") for part in group.numbers]
            for views in (group.views, group.gradient_views):
                places += [(views, position, f"group {n} part {position}") for position in range(len(views))]
        return places + [(self._leaves, position, f"parameter {position}") for position in range(len(self._leaves))]

    def recording_watch(self) -> list[Any]:
        """The dictionaries and lists that a recorded step depends on: those of the model, of this and of its groups."""
        groups = [part for group in self.groups for part in _watched(group)]
        return [*self.model.recording_watch(), self.__dict__, self.groups, *groups]

    def recording_swapped(self) -> None:
        """The arrays were replaced for a time: parameters are known by identity."""
        self._identities[:] = map(id, self._leaves)

    def __getstate__(self) -> dict[str, Any]:
        """For copying and pickling: views would come back as arrays of their own, so the copy binds its own model."""
        return {"model": self.model, "options": self.options, "patterns": self.patterns, "state": self.state_dict()}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.model, self.options, self.patterns = saved["model"], saved["options"], saved["patterns"]
        self._bind()
        self.load_state_dict(saved["state"])

    def __repr__(self) -> str:
        shown = {name: value for name, value in self.options.items() if name not in _QUIET or value != _QUIET[name]}
        options = ", ".join(f"{name}={value!r}" for name, value in shown.items())
        return f"{type(self).__name__}({options})"


def _watched(group: Group) -> list[dict[str, Any]]:
    return [group.__dict__, group.options, group.state, *([group.numbers] if group.numbers else [])]


def _check_gradient(p: Array, gradient: Any) -> None:
    """Raise if it cannot be written into the place of a gradient of `p`."""
    if getattr(gradient, "shape", None) != p.shape:
        given = getattr(gradient, "shape", type(gradient).__name__)
        raise ValueError(f"expected a gradient of shape {p.shape}, as its parameter, got {given}")
    namespace_of(p, gradient)  # raises if they are of two libraries
    if is_complex(gradient.dtype) and not is_complex(p.dtype):
        raise TypeError(f"expected a gradient of {p.dtype}, as its parameter, got {gradient.dtype}")


def decay(p: Array, g: Array, rate: Array, options: dict[str, Any]) -> None:
    """Weight decay, in place: added to the gradient, or taken off the parameters if it is decoupled."""
    share = options["weight_decay"]
    if not share:
        return
    if options.get("decoupled_weight_decay"):
        p *= in_dtype_of(p, 1 - rate * share)
    else:
        g += share * p


def in_dtype_of(p: Array, number: Any) -> Any:
    """An array of shape () in the dtype of `p`, so that nothing is promoted; Python numbers do not promote."""
    return namespace_of(p).astype(number, p.dtype, copy=False) if hasattr(number, "dtype") else number


def _moved(array: Array, like: Array) -> Array:
    return device_of(like).asarray(array, dtype=like.dtype)


def _kind(array: Array) -> str:
    return dtype_name(array.dtype).rstrip("0123456789")


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
