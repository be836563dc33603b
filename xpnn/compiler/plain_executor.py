"""Replay on any library: the recorded calls, one after the other.

No buffers and no rewrites: the calls make their arrays as they did in the step. What is saved is the Python around
them, the differentiation above all. Since each call does what it did, arguments may share memory in any way.
"""

from __future__ import annotations

from typing import Any

from xpnn.compiler.program import Call, Program, Ref, each_ref, replaced

__all__ = ["PlainExecutor"]


class PlainExecutor:
    """A program as a function of the step's arrays; `reason` says why it is not replayed faster, if it might be."""

    def __init__(self, program: Program, reason: str = "") -> None:
        self.program, self.reason = program, reason
        self._position = 0
        self._fixed = {n: value.array for n, value in enumerate(program.values) if value.array is not None}
        self._arguments = [n for n, value in enumerate(program.values) if value.kind == "argument"]
        self._ends = _last_reads(program)

    def run(self, *arguments: Any) -> list[Any]:
        """The results of the step for these arrays."""
        arrays = {**self._fixed, **dict(zip(self._arguments, arguments, strict=True))}

        def found(x: Any) -> Any:
            return arrays[x.number] if type(x) is Ref else x

        for position, call in enumerate(self.program.calls):
            self._position = position
            self._make(call, arrays, found)
            for number in self._ends.get(position, ()):
                del arrays[number]  # memory as in the step
        return [found(output) for output in self.program.outputs]

    def __str__(self) -> str:
        return f"replayed call by call{f', not as one CUDA graph: {self.reason}' if self.reason else ''}"

    def reached(self, problem: BaseException) -> int:
        """The position of the call in which `problem` was raised."""
        return self._position

    def _make(self, call: Call, arrays: dict[int, Any], found: Any) -> None:
        args, kwargs = replaced(call.args, found), replaced(call.kwargs, found)
        if call.target >= 0 and call.name == "setitem":
            call.function(arrays[call.target], *args)
            return
        result = call.function(*args, **kwargs)  # in place, if it has a target
        parts = result if call.several else (result,)
        for number, part in zip(call.results, [part for part in parts if hasattr(part, "dtype")], strict=False):
            arrays[number] = part


def _last_reads(program: Program) -> dict[int, list[int]]:
    """For each call, the results that nothing uses after it."""
    last: dict[int, int] = {}
    for position, call in enumerate(program.calls):
        touched = [*program.reads(call), *call.results, *([call.target] if call.target >= 0 else [])]
        last.update(dict.fromkeys(touched, position))
    kept = {ref.number for ref in each_ref(program.outputs)}
    ends: dict[int, list[int]] = {}
    for number, position in last.items():
        if number not in kept and program.values[number].kind == "result":
            ends.setdefault(position, []).append(number)
    return ends
