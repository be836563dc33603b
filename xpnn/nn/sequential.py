"""Layers one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xpnn.nn.module import Module

__all__ = ["Sequential"]


class Sequential(Module):
    """Layers one after the other: `Sequential(Linear(30, 32), ReLU(), Linear(32, 1))`.

    The layers are named '0', '1', … as in PyTorch; `model[0]` and `len(model)` work.

    Raises
    ------
    TypeError
        If a layer is not a `Module`.

    Examples
    --------
    >>> from xpnn import nn
    >>> nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    Sequential(
      (0): Linear(2, 3)
      (1): ReLU()
    )
    """

    def __init__(self, *layers: Module) -> None:
        for position, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise TypeError(f"Sequential expected modules, got {type(layer).__name__} at position {position}")
            setattr(self, str(position), layer)

    def forward(self, x: Any) -> Any:
        for name in self._children:
            x = self.__dict__[name](x)
        return x

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Module]:
        return (self.__dict__[name] for name in self._children)

    def __getitem__(self, position: int) -> Module:
        module: Module = list(self)[position]
        return module
