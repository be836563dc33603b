"""A copy of all that a step changes, quickly made and quickly put back.

`state_dict` names every parameter and copies each; of a small network that takes as long as two steps. While it is
trained its parameters lie in the optimizer's flat arrays, a few copies of which are all that is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.nn.module import Module
from xpnn.optim.base import Optimizer

__all__ = ["Snapshot"]

_BINDING = ("groups", "steps", "_positions", "_order", "_leaves", "_identities")  # what `Optimizer._bind` sets


class Snapshot:
    """The state of a model, its optimizer and other things at one moment.

    Parameters
    ----------
    model, optimizer
        A model and the optimizer that was made for it.
    models
        Further models.
    others
        Further things with `state_dict` and `load_state_dict`.
    """

    def __init__(self, model: Module, optimizer: Optimizer, models: Sequence[Module], others: Sequence[Any]) -> None:
        optimizer._rebind_if_changed()
        self._model, self._optimizer, self._groups = model, optimizer, optimizer.groups
        self._bound = {name: optimizer.__dict__[name] for name in _BINDING}
        self._flat = [(array, _copied(array)) for array in _flat_arrays(optimizer)]
        in_groups = {id(view) for group in optimizer.groups for view in group.views}
        slots = [slot for one in (model, *models) for slot in one.slots()]
        values = [(slot, slot.value) for slot in slots]
        self._views = [(slot, value) for slot, value in values if id(value) in in_groups]
        self._apart = [(slot, value, _copied(value)) for slot, value in values if id(value) not in in_groups]
        self._others = [(one, one.state_dict()) for one in others]

    def update(self) -> bool:
        """Copy everything once more, into the same copies; False, with nothing done, if arrays were replaced."""
        self._optimizer._rebind_if_changed()
        if not self._fits() or not all(slot.value is value for slot, value, _ in self._apart):
            return False
        for array, copy in self._flat:
            copy[...] = array
        for _, value, copy in self._apart:
            copy[...] = value
        self._others = [(one, one.state_dict()) for one, _ in self._others]
        return True

    def restore(self) -> None:
        """Write everything back."""
        if self._fits():
            for array, copy in self._flat:
                array[...] = copy
        else:  # parameters were replaced, moved or frozen since: what they are now takes the values by name
            self._restore_by_name()
        for slot, _, copy in self._apart:
            slot.value[...] = copy
        for one, state in self._others:
            one.load_state_dict(state)

    def _fits(self) -> bool:
        return self._optimizer.groups is self._groups and all(slot.value is value for slot, value in self._views)

    def _restore_by_name(self) -> None:
        """Let the optimizer see what was kept for what it had, and bind itself anew: it then takes over what it can by
        name, and whatever is new to it starts as in a new optimizer.
        """
        for array, copy in self._flat:
            array[...] = copy
        for group in self._groups:
            for slots, view in zip(group.slots, group.views, strict=True):
                for slot in slots:
                    slot.value[...] = device_of(slot.value).asarray(view, dtype=slot.value.dtype)
        self._optimizer.__dict__.update(self._bound)
        self._optimizer._rebind_if_changed()


def _flat_arrays(optimizer: Optimizer) -> list[Array]:
    """The step count first, then all that the groups hold."""
    found = [optimizer.steps]
    for group in optimizer.groups:
        found += [group.parameters, *group.state.values(), *group.numbers.values()]
    return found


def _copied(array: Array) -> Array:
    return namespace_of(array).asarray(array, copy=True)
