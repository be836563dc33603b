"""Rewrites that leave calls out: what nobody needs, what is known, what was computed already, what is only copied."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from xpnn.arrays.namespaces import array_device
from xpnn.compiler.names import PURE, ROUNDED
from xpnn.compiler.program import Call, Program, Ref, replaced

__all__ = ["drop_dead", "fold_constants", "share_equal", "write_straight"]


def fold_constants(program: Program) -> None:
    """Let results that do not depend on numbers of the arguments be made once: x⁰, `ones_like`, `full_like`.

    The gradient of a loss with respect to itself is such a one, and what it is divided by and stretched to follows.
    """
    device = next((array_device(value.array) for value in program.values if value.array is not None), None)
    if device is None:
        return
    for position, call in enumerate(program.calls):
        filled = _filled_with(call)
        if filled is not None and len(call.results) == 1 and program.storage(call.results[0]) == call.results[0]:
            value = program.values[call.results[0]]
            args, options = (value.shape, *filled[1:]), {"dtype": value.dtype, "device": device}
            function = getattr(program.xp, filled[0])
            program.calls[position] = replace(
                call, name=filled[0], function=function, args=args, kwargs=options, makes=True
            )


def _filled_with(call: Call) -> tuple[Any, ...] | None:
    """The maker and its number, if the result of a call does not depend on the numbers in its argument."""
    if call.target >= 0 or not call.args or type(call.args[0]) is not Ref:
        return None
    if call.name == "pow" and type(call.args[1]) in (int, float) and call.args[1] == 0:
        return ("ones",)  # for infinity and NaN, too
    if call.name in ("ones_like", "zeros_like"):
        return (call.name.removesuffix("_like"),)
    if call.name == "full_like" and len(call.args) == 2 and type(call.args[1]) in (bool, int, float, complex):
        return ("full", call.args[1])
    return None


def share_equal(program: Program) -> None:
    """Let equal calls on values that did not change between them be one call.

    A loss of logits and its derivative both need e^-|z|, each written without knowing of the other.
    """
    written, writes = program.written(), Counter[int]()
    seen: dict[Any, int] = {}
    instead: dict[int, int] = {}
    kept: list[Call] = []
    for call in program.calls:
        if instead:
            _redirect(call, instead)
        if call.target >= 0:
            writes[program.storage(call.target)] += 1
        key = _same_if(call, program, writes, written)
        if key in seen and program.values[call.results[0]].dtype == program.values[seen[key]].dtype:
            _merge(program, call.results[0], seen[key], instead)
            continue
        if key is not None:
            seen[key] = call.results[0]
        kept.append(call)
    program.calls[:] = kept
    program.outputs = [Ref(instead.get(x.number, x.number)) if type(x) is Ref else x for x in program.outputs]


def _same_if(call: Call, program: Program, writes: Counter[int], written: set[int]) -> Any:
    """What another call must have in common to give the same; None if none can."""
    if call.name not in PURE or call.target >= 0 or len(call.results) != 1 or call.several:
        return None
    result = call.results[0]
    if program.storage(result) != result or result in written:
        return None
    versions = tuple([writes[program.storage(n)] for n in program.reads(call)])
    options = tuple(sorted([(name, repr(option)) for name, option in call.kwargs.items()]))
    how = 0 if call.name in ROUNDED else id(call.function)  # `x**0.5` and `xp.pow(x, 0.5)` may differ in the last bit
    args = tuple([x.number if type(x) is Ref else (type(x), repr(x)) for x in call.args])
    return call.name, how, args, options, versions


def _merge(program: Program, gone: int, kept: int, instead: dict[int, int]) -> None:
    instead[gone] = kept
    for value in program.values:
        if value.storage == gone:
            value.storage = kept


def _redirect(call: Call, instead: dict[int, int]) -> None:
    def change(x: Any) -> Any:
        return Ref(instead.get(x.number, x.number)) if type(x) is Ref else x

    call.args, call.kwargs = replaced(call.args, change), replaced(call.kwargs, change)
    call.target = instead.get(call.target, call.target)


def drop_dead(program: Program) -> None:
    """Leave out calls whose results nobody needs: not the step's results, not its state, not a later call."""
    fixed = {n for n, value in enumerate(program.values) if value.kind != "result"}
    given = {ref.number for ref in program.outputs if type(ref) is Ref}
    needed = {program.storage(n) for n in fixed | given}
    read = set(given)  # values, as a view is needed only if it is itself read or written into
    alive: list[Call] = []
    for call in reversed(program.calls):
        touched = [*call.results, *([call.target] if call.target >= 0 else [])]
        view_only = call.target < 0 and all(program.storage(n) != n for n in call.results)
        wanted = any(program.storage(n) in needed for n in touched)
        if not touched or (wanted and (not view_only or any(n in read for n in call.results))):
            alive.append(call)
            needed |= {program.storage(n) for n in program.reads(call)}
            read.update(program.reads(call), touched)
    program.calls[:] = reversed(alive)


def write_straight(program: Program) -> None:
    """Let a result that is only copied into an array be made there: gradients in the optimizer's flat array.

    Nothing between the two may touch that place: an optimizer that reads the old gradient there keeps its copy.
    """
    readers = Counter(n for call in program.calls for n in program.reads(call))
    readers.update(ref.number for ref in program.outputs if type(ref) is Ref)
    shares = Counter(program.storage(n) for call in program.calls for n in call.results)
    made = {call.results[0]: position for position, call in enumerate(program.calls) if len(call.results) == 1}
    written = program.written()
    passed = {value.storage for value in program.values if value.kind == "argument"}  # not there when plans are made
    gone = set()
    for position, call in enumerate(program.calls):
        source = _whole_copy(call, program)
        if source is None or source not in made or readers[source] != 1 or shares[source] != 1 or source in written:
            continue
        producer = program.calls[made[source]]
        between = program.calls[made[source] + 1 : position]
        if program.storage(call.target) in passed or producer.makes:
            continue
        if any(_touches(other, call.target, program) for other in (producer, *between)):
            continue
        if made.get(call.target, -1) > made[source]:
            continue  # the place to write to is known only later
        producer.results = ()
        producer.target = call.target
        producer.whole, producer.instead = True, source
        gone.add(position)
    program.calls[:] = [call for position, call in enumerate(program.calls) if position not in gone]


def _whole_copy(call: Call, program: Program) -> int | None:
    """The value that `call` copies whole into another of the same shape and dtype, if that is what it does."""
    if call.name != "setitem" or call.args[0] is not Ellipsis or type(call.args[1]) is not Ref:
        return None
    source, target = program.values[call.args[1].number], program.values[call.target]
    same = source.kind == "result" and source.shape == target.shape and source.dtype == target.dtype
    return call.args[1].number if same and source.storage == call.args[1].number else None


def _touches(call: Call, place: int, program: Program) -> bool:
    return any(_overlap(n, place, program) for n in program.touches(call))


def _overlap(a: int, b: int, program: Program) -> bool:
    """Whether two values may share memory: of two parts of one array the library can tell."""
    if program.storage(a) != program.storage(b):
        return False
    x, y = program.values[a].array, program.values[b].array
    told = getattr(program.xp, "may_share_memory", None)
    return told is None or x is None or y is None or bool(told(x, y))
