"""A recorded program as the work that a CUDA graph is captured from.

The calls run one after the other as in the plain executor, with three differences: products go to a library whose
calls may be captured, runs of elementwise calls are one kernel each, and arrays that are only made from numbers are
made once. What differs between CuPy and its stand-in in the tests is behind `Library`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.products import products_by
from xpnn.compiler.cuda_kernels import Run
from xpnn.compiler.kernel_runs import in_runs
from xpnn.compiler.program import Call, Program, Ref, each_ref, replaced

__all__ = ["Graph", "Library", "Steps"]

JOINED = 8  # arrays, up to which CuPy joins them one by one

# Which look at nothing on a GPU
_CHECKS = ("require_labels", "require_not_negative", "require_shares", "require_signs")


class Graph(Protocol):
    """Work that can be started as a whole."""

    result: list[Any]

    def launch(self) -> None: ...


class Library(Protocol):
    """What graphs need beside the recorded calls."""

    @property
    def lock(self) -> AbstractContextManager[Any]: ...
    def empty(self, shape: tuple[int, ...], dtype: Any, order: str) -> Any: ...
    def like(self, x: Any) -> Any: ...
    def put(self, place: Any, x: Any) -> None: ...
    def copy(self, x: Any) -> Any: ...
    def product(self, a: Any, b: Any, out: Any) -> Any: ...
    def vecdot(self, function: Callable[..., Any], a: Any, b: Any, *, axis: int = -1) -> Any: ...
    def kernel(self, run: Run, program: Program) -> Callable[..., Any]: ...
    def private(self) -> AbstractContextManager[None]: ...
    def capture(self, work: Callable[[], list[Any]]) -> Graph: ...
    def is_here(self) -> bool: ...
    def aligned(self, x: Any) -> bool: ...
    def begin(self) -> None: ...
    def end(self) -> None: ...
    def bytes_held(self) -> int: ...


class Steps:
    """A program as a function of its arguments, all of whose work may be captured.

    `recorded` are the arrays of its values when it was recorded: made by a kernel, they are stored in the same order,
    since on that it depends what is a view of them.
    """

    def __init__(self, program: Program, library: Library, recorded: Sequence[Any], *, fuse: bool) -> None:
        self.program, self.library = program, library
        self.fixed = {n: value.array for n, value in enumerate(program.values) if value.array is not None}
        self._arguments = [n for n, value in enumerate(program.values) if value.kind == "argument"]
        written = program.written()
        calls: list[Call] = []
        for call in program.calls:
            if call.makes and len(call.results) == 1 and program.storage(call.results[0]) not in written:
                self.fixed[call.results[0]] = call.function(*call.args, **call.kwargs)
            elif call.name not in _CHECKS or call.results:
                calls.append(call)
        self.steps: list[Call | Run] = in_runs(calls, program) if fuse else list(calls)
        self.kernels = {n: library.kernel(step, program) for n, step in enumerate(self.steps) if type(step) is Run}
        self._by_columns = {n for n, x in enumerate(recorded) if x.flags.f_contiguous and not x.flags.c_contiguous}
        self._ends = self._last_reads()

    def run(self, arguments: Sequence[Any]) -> list[Any]:
        """What the step gives, not copied."""
        arrays = {**self.fixed, **dict(zip(self._arguments, arguments, strict=True))}
        with products_by(self.library.product):
            self._run(arrays)
        return [arrays[x.number] if type(x) is Ref else x for x in self.program.outputs]

    def _run(self, arrays: dict[int, Any]) -> None:
        for position, step in enumerate(self.steps):
            if isinstance(step, Run):
                outputs = [self._place(arrays, number) for number in step.outputs]
                self.kernels[position](*[arrays[number] for number in step.inputs], *outputs)
            else:
                self._make(step, arrays)
            for number in self._ends.get(position, ()):
                arrays.pop(number, None)

    def _place(self, arrays: dict[int, Any], number: int) -> Any:
        """The array of a value, made if it is not there yet."""
        if number not in arrays:
            value = self.program.values[number]
            arrays[number] = self.library.empty(value.shape, value.dtype, "F" if number in self._by_columns else "C")
        return arrays[number]

    def _make(self, call: Call, arrays: dict[int, Any]) -> None:
        args, kwargs = (
            replaced(part, lambda x: arrays[x.number] if type(x) is Ref else x) for part in (call.args, call.kwargs)
        )
        target = arrays[call.target] if call.target >= 0 else None
        if target is not None and call.name == "setitem":
            call.function(target, *args)
            return
        if call.name == "matmul" and not kwargs and (target is None or call.whole):
            a, b = args
            result = self.library.product(a, b, target)
        elif call.name in ("concat", "stack") and len(args) == 1 and set(kwargs) <= {"axis"}:
            result = joined(call.name, *args, **kwargs)
        elif call.name == "vecdot":
            result = self.library.vecdot(call.function, *args, **kwargs)
        else:
            result = call.function(*args, **kwargs)  # in place, if it has a target
        if call.whole:
            if target is not None and result is not target:
                target[...] = result
            return
        parts = result if call.several else (result,)
        for number, part in zip(call.results, [part for part in parts if hasattr(part, "dtype")], strict=False):
            arrays[number] = part

    def _last_reads(self) -> dict[int, list[int]]:
        """For each step, the results that nothing uses after it."""
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


def joined(name: str, arrays: Sequence[Any], *, axis: int | None = 0) -> Any:
    """`xp.concat` or `xp.stack`, of some arrays at a time: of more than 8 CuPy copies the addresses from the host."""
    xp = namespace_of(*arrays)
    parts = [getattr(xp, name)(arrays[start : start + JOINED], axis=axis) for start in range(0, len(arrays), JOINED)]
    return parts[0] if len(parts) == 1 else joined("concat", parts, axis=axis or 0)
