"""The variables that a step reads: those of its closure, of its module, and the attributes of the object it belongs to.

A replay does not run the step's Python, so what Python keeps must not change, or a plan must not be replayed. Numbers,
dictionaries and lists in such variables are watched; models and optimizers in them count as state.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any

__all__ = ["Variables"]

LONGEST = 200  # entries: longer lists and dictionaries are data, and looking through them would take time


class Variables:
    """The variables of `step` and of the functions that it reaches by them."""

    def __init__(self, step: Any) -> None:
        self._cells: list[tuple[str, types.CellType]] = []
        self._globals: list[tuple[str, dict[str, Any]]] = []  # of modules, and of the object that a method belongs to
        self._fixed: list[tuple[str, Any]] = []  # what belongs to the step itself
        self._seen: set[int] = set()
        if step is not None:
            self._follow(step, None)

    def _follow(self, function: Any, module: Any) -> None:
        """Note the variables of `function`, of what it wraps, and of functions in those variables."""
        if id(function) in self._seen:
            return
        self._seen.add(id(function))
        if isinstance(function, functools.partial):
            self._fixed += [("argument", value) for value in (*function.args, *function.keywords.values())]
            self._follow(function.func, module)
        elif isinstance(function, types.MethodType):
            self._fixed.append(("self", function.__self__))
            if hasattr(function.__self__, "__dict__") and not hasattr(function.__self__, "recordable_places"):
                own = vars(function.__self__)
                self._globals += [(name, own) for name in _attribute_names(function)]
            self._follow(function.__func__, module)
        elif isinstance(function, types.FunctionType):
            self._note(function, module)
        else:
            self._fixed.append(("step", function))
            inner = getattr(function, "__wrapped__", None) or getattr(function, "__call__", None)  # noqa: B004
            if isinstance(inner, types.FunctionType | types.MethodType) and not hasattr(function, "recordable_places"):
                self._follow(inner, module)

    def _note(self, function: types.FunctionType, module: Any) -> None:
        own = function.__globals__
        cells = list(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        names = [(name, own) for name in _global_names(function.__code__) if name in own]
        ours = str(own.get("__name__")).startswith("xpnn.")
        if ours or (module is not None and own is not module):  # of another module: only what it was given
            names = []
        self._cells += [] if ours else cells  # our own functions change no variables of theirs
        self._globals += [(name, _) for name, _ in names if not isinstance(own[name], types.ModuleType)]
        self._fixed += [("default", value) for value in (function.__defaults__ or ())]
        found = [value for _, value in _contents(cells)] + [own[name] for name, _ in names]
        self._fixed += [("inner", value) for value in found if ours]
        for value in found:
            if isinstance(value, types.FunctionType | types.MethodType | functools.partial):
                self._follow(value, own if module is None and not ours else module)

    def _values(self) -> Iterator[tuple[str, Any]]:
        yield from _contents(self._cells)
        yield from ((name, own[name]) for name, own in self._globals if name in own)
        yield from self._fixed

    def parts(self) -> list[Any]:
        """The models and optimizers among the values."""
        values = [value for _, value in self._values() if not isinstance(value, type)]
        inner = [part for value in values if hasattr(value, "is_compiled_step") for part in value.state.parts]
        return [value for value in values if hasattr(value, "recordable_places")] + inner

    def watched(self) -> list[Any]:
        """The dictionaries and lists to look at before each call, beside the variables themselves."""
        return [v for _, v in self._values() if type(v) in (list, dict) and len(v) <= LONGEST]

    def titles(self) -> dict[int, str]:
        """What to call these in messages, by identity."""
        return {id(value): name for name, value in self._values() if type(value) in (list, dict)}

    def names(self) -> list[str]:
        return [name for name, _ in (*self._cells, *self._globals)]

    def look(self) -> list[Any]:
        """The values of all variables."""
        try:
            cells = [cell.cell_contents for _, cell in self._cells]
        except ValueError:  # one is not set yet
            cells = [dict(_contents([pair])).get(pair[0]) for pair in self._cells]
        return cells + [own.get(name) for name, own in self._globals] if self._globals else cells


def _contents(cells: list[tuple[str, types.CellType]]) -> Iterator[tuple[str, Any]]:
    for name, cell in cells:
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue


def _global_names(code: types.CodeType) -> list[str]:
    """The names that `code`, and the functions in it, look up in their module."""
    import dis

    own = [step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    inner = [name for part in code.co_consts if isinstance(part, types.CodeType) for name in _global_names(part)]
    return list(dict.fromkeys(own + inner))


def _attribute_names(method: types.MethodType) -> list[str]:
    """The names of attributes that a method may read, in other methods of its object too."""
    kind: Any = type(method.__self__)
    found: dict[str, None] = {}
    todo: list[Any] = [method.__func__]
    while todo:
        code = getattr(todo.pop(), "__code__", None)
        for name in _all_names(code) if code is not None else ():
            if name not in found:
                found[name] = None
                todo.append(getattr(kind, name, None))
    return [name for name in found if not hasattr(kind, name)]


def _all_names(code: types.CodeType) -> list[str]:
    inner = [name for part in code.co_consts if isinstance(part, types.CodeType) for name in _all_names(part)]
    return [*code.co_names, *inner]
