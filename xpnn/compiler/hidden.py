"""What Python keeps within reach of a step, looked at before and after a recorded run.

A replay does not run the step's Python, so a step that draws from a random generator, or counts in an array that its
recording does not see, must not be replayed. Two recorded runs do not always tell: a branch that is taken with
probability 1/2 falls the same way twice in half of all cases. The state of the generator tells at once.

Before a replay nobody looks at all this, which is what lets it be thorough: the contents of what the variables and
attributes of the step lead to, through objects of the user's classes, up to a bound.
"""

from __future__ import annotations

import functools
import io
import random
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy

from xpnn.compiler.recorder import digest
from xpnn.compiler.variables import is_of_library

__all__ = ["Hidden"]

MOST = 20_000  # objects that are looked at, which takes 20 ms
BYTES = 2**26  # of arrays, which take 100 ms
_OWN = ("_kinds", "_children")  # of modules: notes that are replaced, never changed
_ATOMS = frozenset({int, float, complex, str, bytes, bool, type(None), types.BuiltinFunctionType})


class Hidden:
    """The contents of all that `roots`, pairs of a name and an object, lead to.

    Parameters
    ----------
    roots
        Names, for messages, and objects.
    known
        Arrays that the recording sees: those of the state and the arguments.

    Examples
    --------
    >>> counter = numpy.zeros(1)
    >>> before = Hidden([("counter", counter)], [])
    >>> counter += 1
    >>> before.changes(lambda array: False)
    'counter'
    """

    def __init__(self, roots: Iterable[tuple[str, Any]], known: Iterable[Any]) -> None:
        self._roots, self._known = list(roots), list(known)
        self.iterator = ""  # the name of one that cannot be looked into
        self._marks: dict[int, tuple[Any, str, Any]] = {}  # by identity: the object, its name, what is in it
        self._bytes = 0
        self._libraries: dict[type, bool] = {}
        self._look()

    def changes(self, is_seen: Callable[[Any], bool]) -> str:
        """The name of what holds something else now, or ''. Arrays of which `is_seen` is true may change."""
        now = Hidden(self._roots, self._known)
        for number, (held, name, mark) in self._marks.items():
            if number in now._marks and now._marks[number][2] != mark:
                if hasattr(type(held), "dtype") and is_seen(held):
                    continue
                return name
        return ""

    def _look(self) -> None:
        seen = {id(array) for array in self._known}
        for number, (held, name, mark) in enumerate(_of_everybody()):
            self._marks[-1 - number] = (held, name, mark)
        left = self._roots[::-1]
        while left and len(self._marks) < MOST:
            name, held = left.pop()
            if type(held) in _ATOMS or id(held) in seen or isinstance(held, types.ModuleType | type):
                continue
            seen.add(id(held))
            mark, parts = self._content(name, held)
            if mark is not None:
                self._marks[id(held)] = (held, name, mark)  # held, so that its identity stays its own
            left += parts

    def _content(self, name: str, held: Any) -> tuple[Any, list[tuple[str, Any]]]:
        """What is in an object, with others by identity, and the others with their names."""
        if isinstance(held, list | tuple | deque):
            return tuple(map(_shown, held)), [(name, part) for part in held]
        if isinstance(held, dict):
            items = list(held.items())
            return tuple([(_shown(key), _shown(part)) for key, part in items]), [(name, part) for _, part in items]
        if isinstance(held, set | frozenset):
            return frozenset(map(_shown, held)), []
        if hasattr(type(held), "dtype"):
            return self._numbers(held), []
        if (mark := _generator(held)) is not None:
            return mark, []
        if isinstance(held, ContextVar):
            return _shown(held.get(None)), []
        parts = self._parts(name, held)
        if parts or not hasattr(type(held), "__next__") or isinstance(held, io.IOBase):
            return tuple([(part, _shown(value)) for part, value in parts]), parts
        self.iterator = self.iterator or f"{name}, a {type(held).__name__}"
        return None, []

    def _parts(self, name: str, held: Any) -> list[tuple[str, Any]]:
        """What an object of the user's, or a function, refers to."""
        if isinstance(held, types.FunctionType):
            cells = zip(held.__code__.co_freevars, held.__closure__ or (), strict=True)
            own = [] if (held.__module__ or "").startswith("xpnn.") else list(_contents(cells))
            kept = [*(held.__defaults__ or ()), *(held.__kwdefaults__ or {}).values()]
            return [*own, *((name, value) for value in kept), *_attributes(name, held)]
        if isinstance(held, types.MethodType):
            return [(name, held.__self__), (name, held.__func__)]
        if isinstance(held, functools.partial):
            return [(name, part) for part in (held.func, *held.args, *held.keywords.values())]
        kind = type(held)
        if kind not in self._libraries:
            self._libraries[kind] = is_of_library(kind) and kind is not types.SimpleNamespace
        if self._libraries[kind] or hasattr(kind, "is_compiled_step") or hasattr(kind, "stands_on_another"):
            return []
        return list(_attributes(kind.__name__, held))

    def _numbers(self, array: Any) -> bytes | None:
        """A fingerprint of the numbers in an array that anybody may write into."""
        flags = getattr(array, "flags", None)  # of NumPy and CuPy; other libraries' arrays are hard to write into
        if isinstance(array, numpy.generic) or flags is None or not getattr(flags, "writeable", True):
            return None
        self._bytes += array.nbytes
        return digest(array) if self._bytes <= BYTES else None


def _of_everybody() -> Iterator[tuple[Any, str, Any]]:
    """The generators behind the functions of `random` and `numpy.random`."""
    yield random, "the state of Python's random", hash(random.getstate())
    if "numpy.random" in sys.modules:
        yield numpy.random, "the state of numpy.random", _frozen(numpy.random.get_state(legacy=False))


def _generator(held: Any) -> Any:
    """The state of a random generator; None if `held` is none."""
    if isinstance(held, random.Random) and not isinstance(held, random.SystemRandom):
        return hash(held.getstate())
    if "numpy.random" not in sys.modules:
        return None
    if isinstance(held, numpy.random.RandomState):
        return _frozen(held.get_state(legacy=False))
    if isinstance(held, numpy.random.Generator):
        return _frozen(held.bit_generator.state)
    return _frozen(held.state) if isinstance(held, numpy.random.BitGenerator) else None


def _frozen(state: Any) -> Any:
    if isinstance(state, dict):
        return tuple([(key, _frozen(value)) for key, value in state.items()])
    return state.tobytes() if isinstance(state, numpy.ndarray) else state


def _attributes(name: str, held: Any) -> Iterator[tuple[str, Any]]:
    found = getattr(held, "__dict__", None)
    for key, value in list(found.items()) if type(found) is dict else ():
        if key not in _OWN:
            yield f"{name}.{key}", value
    for kind in type(held).__mro__ if not isinstance(held, types.FunctionType) else ():
        for key in (slots,) if isinstance(slots := vars(kind).get("__slots__", ()), str) else slots:
            if key not in ("__dict__", "__weakref__") and hasattr(held, key):
                yield f"{name}.{key}", getattr(held, key)


def _contents(cells: Iterable[tuple[str, types.CellType]]) -> Iterator[tuple[str, Any]]:
    for name, cell in cells:
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue


def _shown(value: Any) -> Any:
    """What tells two values apart: numbers and words by what they are, all else by identity."""
    kind = type(value)
    if kind is float or isinstance(value, numpy.generic):
        return kind, repr(value)
    return (kind, value) if kind in (int, str, bool, type(None), bytes) else (kind, id(value))
