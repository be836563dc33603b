"""Layers one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, overload

from xpnn.nn.containers import require_layer_name, require_module
from xpnn.nn.module import Module

__all__ = ["Sequential"]


class Sequential(Module):
    """Layers one after the other: `Sequential(Linear(30, 32), ReLU(), Linear(32, 1))`.

    The layers are named '0', '1', … as in PyTorch, or as a dictionary says, `Sequential({"hidden": Linear(30, 32)})`.
    `model[0]`, `model["hidden"]`, `model[:2]` and `len(model)` work, and `model.hidden`.

    Raises
    ------
    TypeError
        If a layer is not a `Module`, or a name not a string.
    ValueError
        If a name is empty, has a dot in it, or is the name of a method.

    Examples
    --------
    >>> from xpnn import nn
    >>> nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    Sequential(
      (0): Linear(2, 3)
      (1): ReLU()
    )
    >>> model = nn.Sequential({"hidden": nn.Linear(2, 3), "bend": nn.ReLU()})
    >>> model.hidden is model[0] is model["hidden"]
    True
    """

    def __init__(self, *layers: Module | Mapping[str, Module]) -> None:
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            named = dict(layers[0])
            for name, layer in named.items():
                require_module("Sequential", layer, repr(require_layer_name(self, name)))
        else:
            named = {str(n): require_module("Sequential", layer, f"position {n}") for n, layer in enumerate(layers)}
        for name, layer in named.items():
            setattr(self, name, layer)

    def forward(self, x: Any) -> Any:
        for name in self._children:
            x = self.__dict__[name](x)
        return x

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Module]:
        return (self.__dict__[name] for name in self._children)

    @overload
    def __getitem__(self, place: int | str) -> Module: ...

    @overload
    def __getitem__(self, place: slice) -> Sequential: ...

    def __getitem__(self, place: int | str | slice) -> Module | Sequential:
        layers = {name: self.__dict__[name] for name in self._children}
        if isinstance(place, slice):
            return Sequential(dict(list(layers.items())[place]))
        module: Module = layers[place] if isinstance(place, str) else list(layers.values())[place]
        return module
