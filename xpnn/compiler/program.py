"""A recorded step: the calls it made, in order, and the arrays they read and made.

    %5 = add(%3, %4)        a call reads values and makes one (or several, or none)
    %5[...] = %6            a write puts elements into a value that is there already

A value is what one array was at one time: an argument of the step, an array of its state, an array that the step met
from outside, or the result of a call. A result may be a view, which shares the memory of another value; all values that
share memory form one storage, named by its first value. Calls are never reordered, so a value written into is simply
the same value afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from xpnn.arrays.namespaces import Array, dtype_name

__all__ = ["LEAVES", "Call", "Program", "Ref", "Value", "copied", "each_ref", "replaced"]

LEAVES = frozenset({int, float, bool, str, type(None)})  # neither arrays nor nests


@dataclass(frozen=True, slots=True)
class Ref:
    """A value of the program, in the place of an array among the arguments of a call."""

    number: int


@dataclass(slots=True)
class Value:
    """One array of a recorded step."""

    kind: str  # 'argument', 'state', 'outside' or 'result'
    shape: tuple[int, ...]
    dtype: Any
    storage: int  # the value whose memory this one shares, maybe its own number
    array: Array | None = None  # of state and outside: the array itself
    name: str = ""  # of arguments and state, for people


@dataclass(slots=True)
class Call:
    """One call: `function(*args, **kwargs)`, with `Ref`s in the places of arrays."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[int, ...]  # the values that it makes
    several: bool = False  # whether it gives a tuple of results, even if of one
    target: int = -1  # the value that it writes into
    whole: bool = False  # whether the target takes the result as it is, and is not an argument itself
    instead: int = -1  # the value that was copied into the target before the result was put there right away
    makes: bool = False  # whether it only makes an array, from numbers
    over: int = -1  # the argument, read for the last time, in whose memory the result may lie
    block: int = -1  # which run of elementwise calls on large arrays it belongs to
    way: str = ""  # another way to compute it that a rewrite chose: 'number', 'product'
    line: str = ""  # the user's line
    looked: Any = field(default=None, repr=False)  # the arguments that were gone through last, and the values in them


@dataclass
class Program:
    """All of a recorded step."""

    values: list[Value] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)  # Refs, or what the step gave that is no array
    xp: Any = None  # the library's namespace
    places: dict[int, str] = field(default_factory=dict)  # where results lie, once that is known, for people

    def reads(self, call: Call) -> list[int]:
        """The values that `call` reads; a write by key reads what it leaves as it was."""
        looked = call.looked
        if looked is not None and looked[0] is call.args and looked[1] is call.kwargs:
            return looked[2]  # type: ignore[no-any-return]
        found: list[Ref] = []
        _gather(call.args, found)
        if call.kwargs:
            _gather(call.kwargs, found)
        numbers = [ref.number for ref in found]
        call.looked = (call.args, call.kwargs, numbers)
        return numbers

    def storage(self, number: int) -> int:
        return self.values[number].storage

    def touches(self, call: Call) -> list[int]:
        """The values that `call` reads, makes or writes into."""
        return [*self.reads(call), *call.results, *([call.target] if call.target >= 0 else [])]

    def last_touches(self) -> dict[int, int]:
        """For each storage the position of the last call that touches it; what the step gives is touched at the end."""
        last: dict[int, int] = {}
        for position, call in enumerate(self.calls):
            for number in self.touches(call):
                last[self.storage(number)] = position
        for ref in self.outputs:
            if type(ref) is Ref:
                last[self.storage(ref.number)] = len(self.calls)
        return last

    def written(self) -> set[int]:
        """The storages that some call writes into."""
        return {self.storage(call.target) for call in self.calls if call.target >= 0}

    def signature(self) -> list[Any]:
        """What two recordings of one step must have in common."""
        return [
            [(v.kind, v.shape, dtype_name(v.dtype), v.storage, v.name) for v in self.values],
            [(c.name, c.results, c.several, c.target, c.makes) for c in self.calls],
        ]


def copied(program: Program) -> Program:
    """A program that rewrites may change."""
    values = [replace(value) for value in program.values]
    calls = [replace(call) for call in program.calls]
    return Program(values, calls, list(program.outputs), program.xp)


def each_ref(tree: Any) -> list[Ref]:
    """All `Ref`s in a nest of tuples, lists, dictionaries and slices."""
    found: list[Ref] = []
    _gather((tree,), found)
    return found


def _gather(tree: Any, found: list[Ref]) -> None:
    kind = type(tree)
    if kind is dict:
        tree = tree.values()
    elif kind is slice:
        tree = (tree.start, tree.stop, tree.step)
    elif not isinstance(tree, tuple | list):
        return
    for part in tree:
        kind = type(part)
        if kind is Ref:
            found.append(part)
        elif kind not in LEAVES:
            _gather(part, found)


def replaced(tree: Any, change: Callable[[Any], Any]) -> Any:
    """A nest of tuples, lists, dictionaries and slices with all else changed."""
    kind = type(tree)
    if kind is tuple:
        return tuple([replaced(part, change) for part in tree]) if tree else tree
    if kind is list:
        return [replaced(part, change) for part in tree]
    if kind is dict:
        return {key: replaced(part, change) for key, part in tree.items()} if tree else {}
    if kind is slice:
        return slice(*(replaced(part, change) for part in (tree.start, tree.stop, tree.step)))
    return change(tree)
