"""An experiment: a recorded step with its products done elsewhere, and runs of elementwise calls in one kernel each.

`Replay.run` walks the program as the plain executor does. It asks a `Library` for what is not CuPy's own: on a GPU
`OnCuda`, whose calls may all be captured. In the tests the same walk runs on NumPy, with kernels compiled as C.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

from benchmarks.gpu.fused import Run, is_elementwise, is_raw, source
from xpnn.arrays.namespaces import dtype_name
from xpnn.compiler.program import Call, Program, Ref, each_ref, replaced
from xpnn.compiler.rewrites.shorter import drop_dead, fold_constants, share_equal, write_straight

__all__ = ["Library", "OnCuda", "Replay", "copied", "shortened"]

Kernel = Callable[[list[Any], list[Any]], None]


class Library(Protocol):
    """What a replay needs beside the recorded calls."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any: ...
    def ones(self, shape: tuple[int, ...]) -> Any: ...
    def product(self, a: Any, b: Any, out: Any) -> None: ...
    def kernel(self, run: Run, program: Program) -> Kernel: ...


class OnCuda:
    """Products by cuBLAS, kernels by CuPy's `ElementwiseKernel`."""

    def __init__(self, blas: Any, compute: str = "float32") -> None:
        self.blas, self.compute = blas, compute

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        import cupy

        return cupy.empty(shape, dtype=dtype)

    def ones(self, shape: tuple[int, ...]) -> Any:
        import cupy

        return cupy.ones(shape, dtype="float32")

    def product(self, a: Any, b: Any, out: Any) -> None:
        self.blas.product(a, b, out, self.compute)

    def kernel(self, run: Run, program: Program) -> Kernel:
        made = elementwise_kernel(run, program)
        return lambda inputs, outputs: made(*inputs, *outputs)


def elementwise_kernel(run: Run, program: Program) -> Any:
    import cupy

    def declared(number: int, letter: str) -> str:
        raw = "raw " if letter == "i" and is_raw(run, program, number) else ""
        return f"{raw}{dtype_name(program.values[number].dtype)} {letter}{number}"

    inputs = ", ".join(declared(number, "i") for number in run.inputs)
    outputs = ", ".join(declared(number, "o") for number in run.outputs)
    name = f"run_of_{len(run.calls)}_to_{run.outputs[0]}"
    return cupy.ElementwiseKernel(inputs, outputs, source(run, program), name, no_return=True)


def copied(program: Program) -> Program:
    """A program that rewrites may change."""
    values = [dataclasses.replace(value) for value in program.values]
    calls = [dataclasses.replace(call) for call in program.calls]
    return Program(values, calls, list(program.outputs), program.xp)


def shortened(program: Program) -> Program:
    """A copy with the rewrites that do not depend on the library."""
    made = copied(program)
    for rewrite in (fold_constants, share_equal, drop_dead, write_straight):
        rewrite(made)
    return made


class Replay:
    """A program as a function of its arguments."""

    def __init__(
        self, program: Program, library: Library, *, fuse: bool = True, sums_as_products: bool = False
    ) -> None:
        self.program, self.library, self.sums_as_products = program, library, sums_as_products
        self.fixed = {n: value.array for n, value in enumerate(program.values) if value.array is not None}
        self.arguments = [n for n, value in enumerate(program.values) if value.kind == "argument"]
        written = program.written()
        calls = [call for call in program.calls if call.name not in ("require_labels", "require_shares")]
        self.steps: list[Call | Run] = []
        for call in calls:
            if call.makes and call.results and program.storage(call.results[0]) not in written:
                self.fixed[call.results[0]] = call.function(*call.args, **call.kwargs)  # once, not in each step
            else:
                self.steps.append(call)
        if fuse:
            self.steps = _in_runs([step for step in self.steps if isinstance(step, Call)], program)
        self.ends = self._last_reads()
        self.kernels = {n: library.kernel(s, program) for n, s in enumerate(self.steps) if isinstance(s, Run)}
        rows = {program.values[call.args[0].number].shape[0] for call in calls if _sums_rows(call, program)}
        self.ones = {n: library.ones((1, n)) for n in rows} if sums_as_products else {}

    def run(self, *arguments: Any) -> list[Any]:
        """The results for these arguments."""
        arrays = {**self.fixed, **dict(zip(self.arguments, arguments, strict=True))}
        for position, step in enumerate(self.steps):
            if isinstance(step, Run):
                outputs = [self._place(arrays, number) for number in step.outputs]
                self.kernels[position]([arrays[number] for number in step.inputs], outputs)
            else:
                self._make(step, arrays)
            for number in self.ends.get(position, ()):
                arrays.pop(number, None)
        return [arrays[x.number] if type(x) is Ref else x for x in self.program.outputs]

    def _place(self, arrays: dict[int, Any], number: int) -> Any:
        """The array of a value, made if it is not there yet."""
        if number not in arrays:
            value = self.program.values[number]
            arrays[number] = self.library.empty(value.shape, value.dtype)
        return arrays[number]

    def _make(self, call: Call, arrays: dict[int, Any]) -> None:
        program = self.program
        args, kwargs = (
            replaced(part, lambda x: arrays[x.number] if type(x) is Ref else x) for part in (call.args, call.kwargs)
        )
        if call.name == "setitem":
            call.function(arrays[call.target], *args)
            return
        number = call.target if call.target >= 0 else call.results[0] if call.results else -1
        if _is_product(call, program):
            self.library.product(*args, self._place(arrays, number))
        elif self.sums_as_products and _sums_rows(call, program):
            out = self._place(arrays, number)
            self.library.product(self.ones[args[0].shape[0]], args[0], out.reshape(1, -1))
        elif call.whole and call.name in ("sum", "max"):
            call.function(*args, out=arrays[number], **kwargs)
        elif call.whole:
            arrays[number][...] = call.function(*args, **kwargs)
        else:
            result = call.function(*args, **kwargs)
            parts = result if call.several else (result,)
            for place, part in zip(call.results, [part for part in parts if hasattr(part, "dtype")], strict=False):
                arrays[place] = part

    def _last_reads(self) -> dict[int, list[int]]:
        last: dict[int, int] = {}
        for position, step in enumerate(self.steps):
            touched = [*step.inputs, *step.outputs] if isinstance(step, Run) else self.program.touches(step)
            last.update(dict.fromkeys(touched, position))
        kept = {ref.number for ref in each_ref(self.program.outputs)} | set(self.fixed)
        ends: dict[int, list[int]] = {}
        for number, position in last.items():
            if number not in kept and self.program.values[number].kind == "result":
                ends.setdefault(position, []).append(number)
        return ends


def _is_product(call: Call, program: Program) -> bool:
    if call.name != "matmul" or not all(type(x) is Ref for x in call.args):
        return False
    values = [program.values[x.number] for x in call.args]
    return all(len(value.shape) == 2 and dtype_name(value.dtype) == "float32" for value in values)


def _sums_rows(call: Call, program: Program) -> bool:
    """Whether a call is the sum of a float32 matrix along its first axis."""
    if call.name != "sum" or call.kwargs != {"axis": 0} or len(call.args) != 1:
        return False
    value = program.values[call.args[0].number]
    return len(value.shape) == 2 and dtype_name(value.dtype) == "float32"


# Runs


def _in_runs(calls: list[Call], program: Program) -> list[Call | Run]:
    """The calls, with runs of elementwise ones of one shape in one; views of what was there before go first."""
    steps: list[Call | Run] = []
    run: Run | None = None
    for call in calls:
        number = call.target if call.target >= 0 else call.results[0] if call.results else -1
        if run is not None and _only_view(call, program) and not _follows(call, run, program):
            steps.append(call)
            continue
        fits = number >= 0 and is_elementwise(call, program)
        if fits and run is not None and run.shape == program.values[number].shape and _apart(call, run, program):
            run.calls.append(call)
            continue
        if run is not None:
            steps.append(run)
            run = None
        if fits:
            run = Run(program.values[number].shape, [call])
        else:
            steps.append(call)
    if run is not None:
        steps.append(run)
    for position, step in enumerate(steps):
        if isinstance(step, Run):
            _settle(step, steps[position + 1 :], program)
    return steps


def _only_view(call: Call, program: Program) -> bool:
    return call.target < 0 and len(call.results) == 1 and program.storage(call.results[0]) != call.results[0]


def _follows(call: Call, run: Run, program: Program) -> bool:
    """Whether a view is of something made in the run."""
    made = {program.storage(c.results[0]) for c in run.calls if c.results}
    return any(program.storage(number) in made for number in program.reads(call))


def _apart(call: Call, run: Run, program: Program) -> bool:
    """Whether no memory is written by one value and touched by another: places in them need not correspond."""
    touched = {number for c in (*run.calls, call) for number in program.touches(c)}
    written = {c.target for c in (*run.calls, call) if c.target >= 0}
    storages = {program.storage(number): number for number in written}
    return len(storages) == len(written) and all(
        storages.get(program.storage(number), number) == number for number in touched
    )


def _settle(run: Run, after: list[Call | Run], program: Program) -> None:
    """Find what the run reads and what it has to write."""
    later: set[int] = {program.storage(ref.number) for ref in each_ref(program.outputs)}
    for step in after:
        for call in step.calls if isinstance(step, Run) else [step]:
            later |= {program.storage(number) for number in program.touches(call)}
    made: set[int] = set()
    first_read: list[int] = []
    for call in run.calls:
        first_read += [number for number in program.reads(call) if number not in made and number not in first_read]
        made.add(run.result(call))
    for number in (n for n in sorted(made) if _is_wanted(n, later, program)):
        run.outputs.append(number)
    run.inputs = [number for number in first_read if number not in run.outputs]


def _is_wanted(number: int, later: set[int], program: Program) -> bool:
    storage = program.storage(number)
    return storage in later or program.values[storage].kind != "result"
