"""Modules that hold others: lists and dictionaries of them, and the residual block.

A plain list or dictionary as an attribute of a module does as well, and its modules get the same names; these are
modules themselves, so that they print, move and can be walked on their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from xpnn.arrays.namespaces import Array
from xpnn.nn.module import Module

__all__ = ["ModuleDict", "ModuleList", "Residual", "require_layer_name", "require_module"]


def require_module(who: str, module: Any, where: object) -> Module:
    """`module`, if it is one.

    Raises
    ------
    TypeError
        If it is not.

    Examples
    --------
    >>> require_module("Sequential", Module(), 0)
    Module()
    """
    if not isinstance(module, Module):
        raise TypeError(f"{who} expected modules, got {type(module).__name__} at {where}")
    return module


def require_layer_name(holder: Module, name: Any) -> str:
    """`name`, if a module in `holder` may have it: it becomes an attribute, and part of the names of parameters.

    Raises
    ------
    TypeError
        If it is not a string.
    ValueError
        If it is empty, has a dot in it, or is the name of something else.

    Examples
    --------
    >>> require_layer_name(Module(), "hidden")
    'hidden'
    """
    who = type(holder).__name__
    if not isinstance(name, str):
        raise TypeError(f"{who} expected names as strings, got {name!r}")
    if not name or "." in name:
        raise ValueError(f"{who} expected a name without dots, not empty, got {name!r}")
    if name not in holder._children and (hasattr(type(holder), name) or name in holder.__dict__):
        raise ValueError(f"{who} cannot name a module {name!r}: its attribute of that name is something else")
    return name


class ModuleList(Module):
    """A list of modules, named '0', '1', … as in PyTorch.

    It has the methods of a list that its users need: `len`, iteration, indexing by integers and slices, assignment,
    `del`, `append`, `extend`, `insert`. It has no `forward`: see `Sequential`.

    Raises
    ------
    TypeError
        If an element is not a `Module`.
    IndexError
        If there is no such element.

    Examples
    --------
    >>> from xpnn import nn
    >>> layers = nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])
    >>> layers.append(nn.Linear(2, 1))
    >>> len(layers), layers[-1]
    (3, Linear(2, 1))
    >>> [name for name, _ in layers.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._fill(modules)

    def _fill(self, modules: Iterable[Module]) -> None:
        """Hold these, checked first, in place of those before."""
        modules = [require_module("ModuleList", module, f"position {n}") for n, module in enumerate(modules)]
        for name in list(self._children):
            delattr(self, name)
        for position, module in enumerate(modules):
            setattr(self, str(position), module)

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Module]:
        return (self.__dict__[name] for name in self._children)

    @overload
    def __getitem__(self, position: int) -> Module: ...

    @overload
    def __getitem__(self, position: slice) -> ModuleList: ...

    def __getitem__(self, position: int | slice) -> Module | ModuleList:
        modules = list(self)
        return ModuleList(modules[position]) if isinstance(position, slice) else modules[position]

    def __setitem__(self, position: int, module: Module) -> None:
        modules = list(self)
        modules[position] = module
        self._fill(modules)

    def __delitem__(self, position: int | slice) -> None:
        modules = list(self)
        del modules[position]
        self._fill(modules)

    def append(self, module: Module) -> None:
        """Add a module at the end."""
        self.extend([module])

    def extend(self, modules: Iterable[Module]) -> None:
        """Add modules at the end."""
        self._fill([*self, *modules])

    def insert(self, position: int, module: Module) -> None:
        """Add a module before `position`; those behind it get other names."""
        modules = list(self)
        modules.insert(position, module)
        self._fill(modules)


class ModuleDict(Module):
    """A dictionary of modules, in order, whose keys are their names.

    It has the methods of a dictionary that its users need: `len`, iteration over the keys, `in`, indexing, assignment,
    `del`, `keys`, `values`, `items`, `update`. It has no `forward`.

    Raises
    ------
    TypeError
        If a value is not a `Module`, or a key not a string.
    ValueError
        If a key is empty, has a dot in it, or is the name of a method.
    KeyError
        If there is no such key.

    Examples
    --------
    >>> from xpnn import nn
    >>> heads = nn.ModuleDict({"age": nn.Linear(2, 1), "sex": nn.Linear(2, 2)})
    >>> list(heads), heads["age"]
    (['age', 'sex'], Linear(2, 1))
    >>> [name for name, _ in heads.named_parameters()]
    ['age.weight', 'age.bias', 'sex.weight', 'sex.bias']
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add modules, or put them in the place of those of the same names."""
        if not isinstance(modules, Mapping):
            raise TypeError(f"ModuleDict expected a dictionary of modules by name, got {type(modules).__name__}")
        for name, module in modules.items():
            require_module("ModuleDict", module, repr(require_layer_name(self, name)))
        for name, module in modules.items():
            setattr(self, name, module)

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._children))

    def __contains__(self, name: object) -> bool:
        return name in self._children

    def __getitem__(self, name: str) -> Module:
        if name not in self._children:
            raise KeyError(name)
        module: Module = self.__dict__[name]
        return module

    def __setitem__(self, name: str, module: Module) -> None:
        self.update({name: module})

    def __delitem__(self, name: str) -> None:
        if name not in self._children:
            raise KeyError(name)
        delattr(self, name)

    def keys(self) -> list[str]:
        """The names, in order."""
        return list(self._children)

    def values(self) -> list[Module]:
        """The modules, in order."""
        return [self.__dict__[name] for name in self._children]

    def items(self) -> list[tuple[str, Module]]:
        """Pairs of names and modules, in order."""
        return [(name, self.__dict__[name]) for name in self._children]


class Residual(Module):
    """shortcut(x) + layer(x): what the layer learns is added to its input, so that a deep network starts near it.

    He, Zhang, Ren and Sun, Deep residual learning for image recognition (2016), equations 1 and 2.

    Parameters
    ----------
    layer
        The branch.
    shortcut
        What its input passes on the way around, where the branch changes the shape; None: nothing.

    Raises
    ------
    TypeError
        If one of them is not a `Module`.
    ValueError
        If the two terms have different shapes.

    Examples
    --------
    >>> import numpy
    >>> from xpnn import nn
    >>> block = nn.Residual(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    >>> block(numpy.ones((2, 4), dtype="float32")).shape
    (2, 4)
    """

    def __init__(self, layer: Module, *, shortcut: Module | None = None) -> None:
        self.layer = require_module("Residual", layer, "layer")
        self.shortcut = None if shortcut is None else require_module("Residual", shortcut, "shortcut")

    def forward(self, x: Array) -> Array:
        around = x if self.shortcut is None else self.shortcut(x)
        y = self.layer(x)
        if y.shape != around.shape:  # and nothing is broadcast
            way = "give it a shortcut that does too" if self.shortcut is None else "its shortcut has to give the same"
            raise ValueError(f"Residual got {y.shape} of its layer beside {around.shape}: {way}")
        return around + y
