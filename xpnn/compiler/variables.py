"""The variables that a step reads: of its closure and its modules, and attributes of the objects that it finds in them.

A replay does not run the step's Python, so what Python keeps must not change, or a plan must not be replayed. Numbers,
dictionaries and lists in such variables are watched; models and optimizers in them count as state.

What a step may read is found from its code: the names of variables and attributes in it, and in the functions that it
reaches by these names. Nothing is watched in libraries. Not seen are files, and what is found by a name made while the
step runs (`getattr(config, key)`).
"""

from __future__ import annotations

import builtins
import functools
import sysconfig
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Variables", "groups_of", "is_of_library"]

LONGEST = 200  # entries: longer lists and dictionaries are data, and looking through them would take time
_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_PLAIN = (int, float, complex, str, bytes, type(None), types.BuiltinFunctionType)


class Variables:
    """The variables of `step`, of its state's own code (layers, rules), and of what it reaches by them."""

    def __init__(self, step: Any, state: Any = None) -> None:
        self._step, self._state = step, state
        self.find()

    def find(self) -> None:
        """Find them, as they are now: another function in a variable has variables of its own."""
        self._cells: list[tuple[str, types.CellType]] = []
        self._named: list[tuple[str, Any]] = []  # and where the name is looked up: a module's variables, an object's
        self._fixed: list[tuple[str, Any]] = []  # what belongs to the step itself
        self._containers: list[Any] = []
        self._lengthy: list[Any] = []
        self._parts: list[Any] = []
        self._names: set[str] = set()  # of attributes that may be read
        self._objects: list[Any] = []  # whose attributes they may be
        self._seen: dict[int, Any] = {}
        if self._step is not None:
            self._fixed.append(("step", self._step))
            self._visit(self._step, first=True)
        self._visit(self._state)
        self._follow_attributes()
        self._seen = {}

    def _visit(self, value: Any, *, first: bool = False) -> None:
        """Note what of `value` may change."""
        if isinstance(value, _PLAIN) or id(value) in self._seen:
            return
        self._seen[id(value)] = value  # which also keeps it for a while, so that its identity stays its own
        if isinstance(value, types.FunctionType):
            self._note(value)
        elif isinstance(value, types.MethodType):
            self._fixed.append(("self", value.__self__))
            self._visit(value.__self__)
            self._visit(value.__func__)
        elif isinstance(value, functools.partial):
            self._fixed += [("argument", part) for part in (*value.args, *value.keywords.values())]
            for part in (value.func, *value.args, *value.keywords.values()):
                self._visit(part)
        elif hasattr(type(value), "is_compiled_step"):  # of the type: stand-ins of tests have every attribute
            self._parts += value.state.parts
        elif hasattr(type(value), "recordable_places"):
            self._parts.append(value)
            self._code_of(value)
        elif isinstance(value, list | dict | tuple):
            self._contained(value)
        elif isinstance(value, deque | set):
            self._lengthy.append(value)
        elif not hasattr(type(value), "dtype") and not is_of_library(value):
            self._objects.append(value)
            self._called(value, first)

    def _called(self, value: Any, first: bool) -> None:
        """The function behind an object that can be called."""
        inner = getattr(value, "__wrapped__", None) if first else None
        self._visit(inner or getattr(type(value), "__call__", None))  # noqa: B004 (the function itself)

    def _code_of(self, part: Any) -> None:
        """The code of a model's or optimizer's classes, and functions that it holds: layers, rules, schedules."""
        modules = [module for _, module in part.named_modules()] if hasattr(part, "named_modules") else [part]
        options = [value for group in groups_of(part) for value in group.options.values()]
        for value in (*options, *(value for module in modules for value in vars(module).values())):
            if callable(value) and not isinstance(value, type) and not hasattr(type(value), "recordable_places"):
                self._visit(value)
        for kind in {kind: None for module in modules for kind in type(module).__mro__ if not is_of_library(kind)}:
            self._objects.append(kind)
            for name in ("forward", "__call__", "rule"):
                self._visit(vars(kind).get(name))

    def _contained(self, value: Any) -> None:
        if len(value) > LONGEST:
            self._lengthy += [] if isinstance(value, tuple) else [value]
            return
        self._containers += [] if isinstance(value, tuple) else [value]
        for part in list(value.values() if isinstance(value, dict) else value):
            self._visit(part)

    def _note(self, function: types.FunctionType) -> None:
        """The variables of a function and of functions in them. Ours, and those of libraries, change none of theirs."""
        own, code = function.__globals__, function.__code__
        if own.get("__name__") == "xpnn.arrays.recording":
            return  # one call of the recording, which a replay makes again
        cells = list(zip(code.co_freevars, function.__closure__ or (), strict=True))
        inner = [value for _, value in _contents(cells)]
        if _is_library(own):
            self._fixed += [("inner", value) for value in inner]
        else:
            self._cells += cells
            self._names.update(_all_names(code))
            found = [(name, own) for name in _global_names(code) if name in own or not hasattr(builtins, name)]
            self._named += [(name, own) for name, _ in found if not isinstance(own.get(name), types.ModuleType)]
            inner += [own[name] for name, _ in found if name in own]
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        self._fixed += [("default", value) for value in defaults]
        for value in (*inner, *defaults, *([function.__wrapped__] if hasattr(function, "__wrapped__") else [])):
            self._visit(value)

    def _follow_attributes(self) -> None:
        """Look for each name among the attributes of each object, until no more of either are found."""
        done: set[tuple[int, str]] = set()
        while True:
            new = [(value, name) for value in self._objects for name in self._names if (id(value), name) not in done]
            if not new:
                break
            for value, name in new:
                done.add((id(value), name))
                self._attribute(value, name)
        self._lengthy += [vars(value) for value in self._objects if _holds_more(value)]
        self._named = list({(name, id(place)): (name, place) for name, place in self._named}.values())

    def _attribute(self, value: Any, name: str) -> None:
        kinds = () if isinstance(value, types.ModuleType) else getattr(value, "__mro__", type(value).__mro__)
        own = [] if isinstance(value, type) else [_attributes(value)]
        for place in (*own, *(vars(kind) for kind in kinds if not is_of_library(kind))):
            if name not in place:
                continue
            found = place.get(name)
            if isinstance(found, types.MemberDescriptorType):  # of __slots__
                continue
            function = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
            if not isinstance(function, types.FunctionType | types.ModuleType | type):
                self._named.append((name, place))
            elif place is own[0] if own else False:
                self._named += [] if isinstance(function, types.ModuleType | type) else [(name, place)]
            self._visit(function)
            return

    def _values(self) -> Iterator[tuple[str, Any]]:
        yield from _contents(self._cells)
        yield from ((name, place.get(name)) for name, place in self._named)
        yield from self._fixed

    def parts(self) -> list[Any]:
        """The models and optimizers among the values."""
        return self._parts

    def watched(self) -> list[Any]:
        """The dictionaries and lists to look at before each call, beside the variables themselves."""
        return self._containers

    def lengthy(self) -> list[Any]:
        """Those too long to look through, and attributes that may come or go: only their lengths are looked at."""
        return self._lengthy

    def reached(self) -> list[tuple[str, Any]]:
        """All that was found, whose contents a recorded run is not to change, with names."""
        attributes = {id(_attributes(value)) for value in self._objects}
        long = [value for value in self._lengthy if id(value) not in attributes]
        names = {id(value): name for name, value in self._values()}
        found = [(names.get(id(value), type(value).__name__), value) for value in (*self._objects, *long)]
        return [*self._values(), *self._fixed, *found]

    def titles(self) -> dict[int, str]:
        """What to call these in messages, by identity."""
        named = {id(value): name for name, value in self._values() if isinstance(value, list | dict)}
        return {**{id(_attributes(value)): type(value).__name__ for value in self._objects}, **named}

    def names(self) -> list[str]:
        return [name for name, _ in (*self._cells, *self._named)]

    def look(self) -> list[Any]:
        """The values of all variables."""
        try:
            cells = [cell.cell_contents for _, cell in self._cells]
        except ValueError:  # one is not set yet
            cells = [dict(_contents([pair])).get(pair[0]) for pair in self._cells]
        return cells + [place.get(name) for name, place in self._named] if self._named else cells

    def ways(self) -> list[tuple[str, Any]]:
        """How to ask for each of these values, as source, and whom."""
        cells = [("{}.cell_contents", cell) for _, cell in self._cells]
        return cells + [(f"{{}}.get({name!r})", place) for name, place in self._named]


class _Slots(Mapping[str, Any]):
    """The attributes of an object without a dictionary."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self.held, name)
        except AttributeError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return (name for kind in type(self.held).__mro__ for name in _slots(kind) if hasattr(self.held, name))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return any(name in _slots(kind) for kind in type(self.held).__mro__) and hasattr(self.held, str(name))


def _slots(kind: type) -> tuple[str, ...]:
    found = vars(kind).get("__slots__", ())
    return (found,) if isinstance(found, str) else tuple(found)


def groups_of(part: Any) -> list[Any]:
    """The parameter groups of an optimizer; the `groups` of a convolution are a number."""
    found = getattr(part, "groups", None)
    return found if isinstance(found, list) else []


def _holds_more(value: Any) -> bool:
    """Whether attributes may be added to an object; of a module anybody may, which has nothing to do with the step."""
    return type(getattr(value, "__dict__", None)) is dict and not isinstance(value, types.ModuleType)


def _attributes(value: Any) -> Any:
    return value.__dict__ if hasattr(value, "__dict__") else _Slots(value)


def _is_library(own: Mapping[str, Any]) -> bool:
    """Whether a module with these variables is ours, or an installed one."""
    name, file = str(own.get("__name__")), own.get("__file__")
    if name.partition(".")[0] == "xpnn":
        return True
    return str(file).startswith(_LIBRARIES) if file else name in _BUILT_IN


_BUILT_IN = frozenset({"builtins", "sys", "time", "math", "itertools", "_thread", "gc", "marshal"})


def is_of_library(value: Any) -> bool:
    """Whether `value` is a module or class of a library; instances of such a class have attributes of their own."""
    if isinstance(value, types.ModuleType):
        return _is_library(vars(value))
    if isinstance(value, type):
        import sys

        return value is object or _is_library(vars(sys.modules.get(value.__module__, builtins)))
    return False


def _contents(cells: list[tuple[str, types.CellType]]) -> Iterator[tuple[str, Any]]:
    for name, cell in cells:
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue


@functools.lru_cache(maxsize=4096)
def _global_names(code: types.CodeType) -> tuple[str, ...]:
    """The names that `code`, and the functions in it, look up in their module."""
    import dis

    own = [step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    inner = [name for part in code.co_consts if isinstance(part, types.CodeType) for name in _global_names(part)]
    return tuple(dict.fromkeys(own + inner))


@functools.lru_cache(maxsize=4096)
def _all_names(code: types.CodeType) -> tuple[str, ...]:
    """The names of variables and attributes in `code`, and in the functions in it."""
    inner = [name for part in code.co_consts if isinstance(part, types.CodeType) for name in _all_names(part)]
    return tuple(dict.fromkeys([*code.co_names, *inner]))
