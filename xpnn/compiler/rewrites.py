"""What makes a program shorter before it is planned; each rewrite is one function, and each can be left out.

A rewrite takes a program and changes it. None changes a number, but for those in `LOOSE`, which add in another order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from xpnn.compiler.program import Call, Program, Ref

__all__ = ["ALL", "drop_dead", "write_straight"]


def drop_dead(program: Program) -> None:
    """Leave out calls whose results nobody needs: not the step's results, not its state, not a later call."""
    fixed = {n for n, value in enumerate(program.values) if value.kind != "result"}
    needed = {program.storage(ref.number) for ref in program.outputs if type(ref) is Ref}
    needed |= {program.storage(n) for n in fixed}
    alive: list[Call] = []
    for call in reversed(program.calls):
        touched = [*call.results, *([call.target] if call.target >= 0 else [])]
        view_only = call.target < 0 and all(program.storage(n) != n for n in call.results)
        wanted = any(program.storage(n) in needed for n in touched)
        if not touched or (wanted and (not view_only or _is_read(call, alive, program))):
            alive.append(call)
            needed |= {program.storage(n) for n in program.reads(call)}
    program.calls[:] = reversed(alive)


def _is_read(call: Call, later: list[Call], program: Program) -> bool:
    """Whether a view is used by a later call, or is what the step gives."""
    own = set(call.results)
    if any(type(ref) is Ref and ref.number in own for ref in program.outputs):
        return True
    return any(own & {*program.reads(other), other.target} for other in later)


def write_straight(program: Program) -> None:
    """Let a result that is only copied into an array be made there: gradients in the optimizer's flat array."""
    readers = Counter(n for call in program.calls for n in program.reads(call))
    readers.update(ref.number for ref in program.outputs if type(ref) is Ref)
    shares = Counter(program.storage(n) for call in program.calls for n in call.results)
    made = {call.results[0]: position for position, call in enumerate(program.calls) if len(call.results) == 1}
    written = Counter(program.storage(call.target) for call in program.calls if call.target >= 0)
    gone = set()
    for position, call in enumerate(program.calls):
        source = _whole_copy(call, program)
        if source is None or source not in made or readers[source] != 1 or shares[source] != 1 or written[source]:
            continue
        producer = program.calls[made[source]]
        between = program.calls[made[source] + 1 : position]
        storage = program.storage(call.target)
        if producer.makes or any(_touches(other, storage, program) for other in (producer, *between)):
            continue
        view = program.calls[made[call.target]] if call.target in made else None
        if view is not None and made[call.target] > made[source]:
            continue  # the place to write to is known only later
        producer.results = ()
        producer.target = call.target
        producer.whole = True
        gone.add(position)
    program.calls[:] = [call for position, call in enumerate(program.calls) if position not in gone]


def _whole_copy(call: Call, program: Program) -> int | None:
    """The value that `call` copies whole into another of the same shape and dtype, if that is what it does."""
    if call.name != "setitem" or call.args[0] is not Ellipsis or type(call.args[1]) is not Ref:
        return None
    source, target = program.values[call.args[1].number], program.values[call.target]
    same = source.kind == "result" and source.shape == target.shape and source.dtype == target.dtype
    return call.args[1].number if same and source.storage == call.args[1].number else None


def _touches(call: Call, storage: int, program: Program) -> bool:
    touched = [*program.reads(call), *([call.target] if call.target >= 0 else [])]
    return any(program.storage(n) == storage for n in touched)


ALL: tuple[Callable[[Program], None], ...] = (drop_dead, write_straight)
