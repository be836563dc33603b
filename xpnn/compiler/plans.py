"""A plan: one recorded step, made shorter, and what replays it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from xpnn.arrays.namespaces import Array
from xpnn.arrays.tree import Tree
from xpnn.compiler.arguments import Arguments
from xpnn.compiler.program import Call, Program
from xpnn.compiler.recorder import digest
from xpnn.compiler.recording import Recording

__all__ = ["Plan"]


class Plan:
    """One recorded step and what replays it; prints as a list of its calls.

    Attributes
    ----------
    program
        The calls, after rewriting.
    executor
        What runs them.
    """

    def __init__(self, recording: Recording, given: Arguments, rewriting: Sequence[Callable[[Program], None]]) -> None:
        self.program, recorder = recording.program, recording.recorder
        assert recording.results is not None
        self.results = recording.results
        self.held = given.held  # so that identities in the key stay theirs
        kinds = [(type(x), x.shape, x.dtype, getattr(x, "strides", None)) for x in given.args if hasattr(x, "shape")]
        plain = not given.kwargs and len(kinds) == len(given.args) and all(type(k[3]) is tuple for k in kinds)
        self.kinds = kinds if plain and all(hasattr(x, "base") for x in given.args) else None
        numbers = [recorder.by_id[id(x)] for x in given.arrays]
        first = {number: position for position, number in reversed(list(enumerate(numbers)))}
        arguments = [n for n, value in enumerate(self.program.values) if value.kind == "argument"]
        self._positions = [first[number] for number in arguments]
        self._all = self._positions == list(range(len(given.arrays)))
        checks_first(self.program)
        examples = [given.arrays[position] for position in self._positions]
        self.executor: Any = self._executor(recorder, rewriting, examples)
        self.sources: list[tuple[Array, bytes]] = []
        self.run = self.executor.run
        self._single = self.results.single and self.results.plain

    def _executor(self, recorder: Any, rewriting: Any, examples: list[Array]) -> Any:
        library = getattr(recorder.xp, "__name__", "")
        if library.endswith("compat.numpy"):
            from xpnn.compiler.numpy_executor import NumpyExecutor

            for rewrite in rewriting:
                rewrite(self.program)
            return NumpyExecutor(self.program, recorder.kept)
        if library.endswith("compat.cupy"):
            from xpnn.compiler.cupy_executor import cupy_executor

            return cupy_executor(self.program, recorder.kept, examples, rewriting)
        from xpnn.compiler.plain_executor import PlainExecutor

        return PlainExecutor(self.program)

    def depend_on(self, arrays: Sequence[Array]) -> None:
        """The plan holds as long as the numbers in these arrays are those of now."""
        self.sources = [(array, digest(array)) for array in arrays]

    def is_stale(self) -> bool:
        """Whether numbers have changed that the step handed to the library itself."""
        return any(digest(array) != mark for array, mark in self.sources)

    def replay(self, arrays: Sequence[Array]) -> Tree:
        """The step's result for these arguments."""
        try:
            if self._all:
                found = self.run(*arrays)
            else:
                found = self.run(*[arrays[position] for position in self._positions])
        except BaseException as problem:
            self._explain(problem)
            raise
        return found[0] if self._single else self.results.build(found)

    def _explain(self, problem: BaseException) -> None:
        """Say which arrays of the state were written before a replay broke off."""
        calls = self.program.calls[: self.executor.reached(problem) + 1]
        names = list(dict.fromkeys(name for call in calls if (name := self._written_name(call))))
        if names:
            problem.add_note(
                "The compiled step broke off in the middle. It may have written, in whole or in part: "
                + ", ".join(names)
            )

    def _written_name(self, call: Call) -> str:
        if call.target < 0:
            return ""
        value = self.program.values[call.target]
        root = self.program.values[value.storage]
        return "" if root.kind == "result" else value.name or root.name or root.kind

    def __str__(self) -> str:
        from xpnn.compiler.printing import printed

        how = f"\n{self.executor}" if getattr(self.executor, "reason", None) is not None else ""
        return printed(self.program) + how

    __repr__ = __str__


def checks_first(program: Program) -> None:
    """Move checks of arguments (labels in range) to the front, so that they raise before anything is written."""
    values = program.values
    written = {program.storage(call.target) for call in program.calls if call.target >= 0}

    def is_check(call: Call) -> bool:
        if call.results or call.target >= 0:
            return False
        return all(values[n].kind != "result" and values[n].storage not in written for n in program.reads(call))

    program.calls.sort(key=is_check, reverse=True)  # which keeps the order among each kind
