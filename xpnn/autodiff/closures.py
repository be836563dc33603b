"""What a function reaches otherwise than by its arguments: through its closure, defaults, globals and objects.

Whoever runs a function again, on other arguments, has to know. Models and Tensors are looked for, in the places where
people put them and a few steps deep; what is hidden deeper has to be noticed in another way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from types import FunctionType, MethodType, ModuleType
from typing import Any

from xpnn.arrays.tree import Tree, flatten
from xpnn.autodiff.lifting import called
from xpnn.autodiff.tensor import Tensor

__all__ = ["buffers_of", "held_by", "refuse_hidden"]

_FEW = 100  # parts of a container that are looked at


def held_by(function: Any, name: str = "", depth: int = 4) -> Iterator[tuple[str, Any]]:
    """Models and Tensors that `function` reaches otherwise than as arguments, each with the name of the variable."""
    kind = type(function)
    if kind is Tensor or hasattr(kind, "tree_flatten"):
        yield name, function
    elif depth:
        for found, value in _parts(function):
            yield from held_by(value, found or name, depth - 1)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    kind = type(value)
    if kind is FunctionType:
        code = value.__code__
        for name, cell in zip(code.co_freevars, value.__closure__ or (), strict=True):
            with suppress(ValueError):  # a variable that has no value yet
                yield name, cell.cell_contents
        for name in code.co_names:
            if name in value.__globals__ and _may_hold(value.__globals__[name], value):
                yield name, value.__globals__[name]
        yield from zip(code.co_varnames[: code.co_argcount][::-1], (value.__defaults__ or ())[::-1], strict=False)
        yield from (value.__kwdefaults__ or {}).items()
    elif kind is partial:
        yield from (("", part) for part in (value.func, *value.args, *value.keywords.values()))
    elif isinstance(value, list | tuple | dict | set):
        parts = value.values() if isinstance(value, dict) else value
        yield from (("", part) for part in islice(parts, _FEW))
    elif kind is MethodType:
        yield from (("self", value.__self__), ("", value.__func__))
    elif isinstance(getattr(value, "__dict__", None), dict) and not isinstance(value, type | ModuleType):
        yield from islice(vars(value).items(), _FEW)


def _may_hold(value: Any, function: Any) -> bool:
    """Whether to look into a global: models, Tensors, and functions of the same file."""
    kind = type(value)
    if kind is FunctionType:
        return value.__globals__ is function.__globals__
    return kind is Tensor or hasattr(kind, "tree_flatten") or isinstance(value, list | tuple | dict)


def buffers_of(tree: Tree) -> Iterator[Any]:
    """The places of all buffers of the models in `tree`."""
    if hasattr(type(tree), "slots"):
        yield from tree.slots("buffer")
    elif isinstance(tree, dict | list | tuple):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from buffers_of(part)


def refuse_hidden(function: Any, name: str, value: Any) -> None:
    """Raise if `value`, which the function reaches by `name` and not as an argument, must be an argument."""
    leaves = flatten(value)[0] if type(value) is Tensor or hasattr(type(value), "tree_flatten") else []
    if any(type(leaf) is Tensor and leaf._tape is not None for leaf in leaves):
        raise TypeError(
            f"xpnn.recompute: {called(function)} uses `{name}`, which is or holds a Tensor on the way to a gradient; "
            "the gradient would be lost: make it an argument of the function"
        )
    for slot in buffers_of(value):
        if slot.module.training:
            raise TypeError(
                f"xpnn.recompute: {called(function)} uses the model `{name}`, in training and with the buffer "
                f"{slot.name}, which would be written twice: make it an argument of the function, or use model.eval()"
            )
