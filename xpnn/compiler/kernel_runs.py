"""Which calls of a recorded step become one kernel: neighbours that compute elementwise on one shape.

Calls keep their order. Only a view of something that was there before a run may come before the run: it computes
nothing.
"""

from __future__ import annotations

from xpnn.compiler.cuda_kernels import Run, is_elementwise, result
from xpnn.compiler.program import Call, Program, each_ref

__all__ = ["in_runs"]

LONGEST = 64  # calls: registers and the time to compile are finite
ARRAYS = 40  # a kernel takes 4 kB of arguments, some 50 to 100 bytes for each array


def in_runs(calls: list[Call], program: Program) -> list[Call | Run]:
    """The calls, with each run of elementwise calls of one shape as one."""
    steps: list[Call | Run] = []
    run: Run | None = None
    for call in calls:
        if run is not None and _only_view(call, program) and not _follows(call, run, program):
            steps.append(call)
            continue
        fits = is_elementwise(call, program)
        shape = program.values[result(call)].shape if fits else ()
        if fits and run is not None and run.shape == shape and _may_join(call, run, program):
            run.calls.append(call)
            continue
        if run is not None:
            steps.append(run)
        run = Run(shape, [call]) if fits else None
        if run is None:
            steps.append(call)
    if run is not None:
        steps.append(run)
    steps = [_alone(step) for step in steps]
    for position, step in enumerate(steps):
        if isinstance(step, Run):
            _settle(step, steps[position + 1 :], program)
    return steps


def _alone(step: Call | Run) -> Call | Run:
    """A run of one call as that call, which needs no new kernel."""
    single = isinstance(step, Run) and len(step.calls) == 1 and not step.calls[0].whole
    return step.calls[0] if single else step  # type: ignore[union-attr]


def _only_view(call: Call, program: Program) -> bool:
    return call.target < 0 and len(call.results) == 1 and program.storage(call.results[0]) != call.results[0]


def _follows(call: Call, run: Run, program: Program) -> bool:
    """Whether a view is of something made in the run."""
    made = {program.storage(c.results[0]) for c in run.calls if c.results}
    return any(program.storage(number) in made for number in program.reads(call))


def _may_join(call: Call, run: Run, program: Program) -> bool:
    """Whether the run stays a kernel of fair size, and no memory is written by one value and touched by another."""
    touched = {number for c in (*run.calls, call) for number in program.touches(c)}
    if len(run.calls) >= LONGEST or len(touched) > ARRAYS:
        return False
    written = {c.target for c in (*run.calls, call) if c.target >= 0}
    storages = {program.storage(number): number for number in written}
    return len(storages) == len(written) and all(
        storages.get(program.storage(number), number) == number for number in touched
    )


def _settle(run: Run, after: list[Call | Run], program: Program) -> None:
    """Find what the run reads and what it has to write."""
    later = {program.storage(ref.number) for ref in each_ref(program.outputs)}
    for step in after:
        for call in step.calls if isinstance(step, Run) else [step]:
            later |= {program.storage(number) for number in program.touches(call)}
    made: set[int] = set()
    first_read: dict[int, None] = {}
    for call in run.calls:
        first_read.update({number: None for number in program.reads(call) if number not in made})
        made.add(result(call))
    run.outputs = [number for number in sorted(made) if _is_wanted(number, later, program)]
    run.inputs = [number for number in first_read if number not in run.outputs]


def _is_wanted(number: int, later: set[int], program: Program) -> bool:
    storage = program.storage(number)
    return storage in later or program.values[storage].kind != "result"
