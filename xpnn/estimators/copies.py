"""Copies of estimators: those that go to another process or machine, and those that stay here.

| copy | arrays | optimizer of `partial_fit` | `device` |
| --- | --- | --- | --- |
| a pickle | of the host only, those within parameters, too | no | a GPU's word |
| `copy.deepcopy` | where they are, and results are of the library they were of | of the MLPs | the same |

A deep copy of an MLP goes on as its original does. What was trained on a GPU is so used where there is none, and where
its library was never installed. An estimator that was given a module on a GPU, and trains it there since `device` is
None, has the GPU's word as `device` in a pickle: the workers of a search train where it would.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy
from sklearn.base import BaseEstimator

from xpnn.arrays.devices import Device, device_of
from xpnn.estimators.going_on import going_on
from xpnn.estimators.objectives import Objective
from xpnn.estimators.placement import on_host, place_for, results
from xpnn.nn.module import Module

__all__ = ["Copied", "hosted"]


class Copied(BaseEstimator):
    """An estimator whose `copy.deepcopy` computes where it does, and gives results where it does."""

    _trainer: Any
    _dtype: Any
    _home: Device | None
    _place_: Device
    classes_: Any

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        other = object.__new__(type(self))
        memo[id(self)] = other
        kept = {name: value for name, value in vars(self).items() if name not in ("_trainer", "_fit_task")}
        if kept.get("_begun") is not None and self._trainer is not None:
            kept["_begun"] = going_on(self, self._trainer)
        other.__dict__.update(copy.deepcopy(kept, memo))
        if "_trainer" in vars(self):
            other.__dict__["_trainer"] = None
        return other

    def __sklearn_array_api_convert__(self, converter: Any) -> Self:
        """A copy for arrays such as `converter` makes; scikit-learn's `move_estimator_to` asks for it."""
        moved = copy.deepcopy(self)
        if "_place_" in vars(moved):
            given = converter(numpy.zeros(1, dtype=self._dtype))
            moved._home = None if isinstance(given, numpy.ndarray) else device_of(given)
            moved._move(place_for(None, given, moved._home))
            if "classes_" in vars(moved):
                moved.classes_ = results(moved.classes_, moved._home)
        return moved

    @abstractmethod
    def _move(self, place: Device) -> None:
        """Let the network compute there."""


def hosted(state: dict[str, Any]) -> dict[str, Any]:
    """The same attributes with arrays of the host only: those of modules, of losses, within options and lists. What
    was one object in two places still is.

    Examples
    --------
    >>> from xpnn import nn
    >>> layer = nn.Linear(2, 1)
    >>> state = hosted({"module": layer, "options": {"device": Device(xp=None, name="cuda:0")}})
    >>> state["module"] is layer, state["options"]
    (False, {'device': 'cuda:0'})
    """
    memo: dict[int, Any] = {}
    found = {name: _hosted(value, memo) for name, value in state.items()}
    module = state.get("module")
    if isinstance(module, Module) and state.get("device") is None and module.parameters():
        place = device_of(module.parameters()[0])
        found["device"] = _word(place)
    return found


def _word(place: Device) -> str | None:
    """What `xpnn.device` finds it by; None where it has no word."""
    return place.name if place.name.startswith("cuda") else None


def _hosted(value: Any, memo: dict[int, Any]) -> Any:
    if id(value) not in memo:
        memo[id(value)] = _anew(value, memo)
    return memo[id(value)]


def _anew(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, Module):
        return copy.deepcopy(value).to("cpu")
    if isinstance(value, Device):
        return value if value.name == "cpu" else _word(value)
    if type(value) is dict:
        return {key: _hosted(one, memo) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_hosted(one, memo) for one in value)
    if type(value) is partial:
        return partial(value.func, *_hosted(value.args, memo), **_hosted(value.keywords, memo))
    if isinstance(value, Objective):
        return replace(value, loss=_hosted(value.loss, memo))
    return on_host(value)
