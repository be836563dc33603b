"""Replay on NumPy: one straight-line function whose calls put their results into arrays that are there already.

Making an array costs more than adding two small ones. So each value of the program gets a buffer when the plan is made
(one that is free by then, if there is one), views are made once, and what is left of a step is a list of lines such as

    add(b3, b7, b7)

that Python runs one after the other. `numpy_calls` says how each function is told where to put its result; functions
that cannot be told make an array that is copied, all others allocate nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate, groupby
from typing import Any

import numpy

from xpnn.compiler.buffers import Buffers
from xpnn.compiler.numpy_blocks import Blocks
from xpnn.compiler.numpy_calls import SCOPE, lines_of
from xpnn.compiler.numpy_numbers import Numbers
from xpnn.compiler.program import Call, Program, Ref, each_ref

__all__ = ["NumpyExecutor"]


PLAN = "<xpnn plan>"  # the name of the file that a generated function claims to be from


class NumpyExecutor:
    """A program as a function of the step's arrays.

    Parameters
    ----------
    program
        With the marks that rewrites have made.
    recorded
        The array of each value when the step was recorded; only shapes, dtypes and the order of axes are looked at.
    """

    def __init__(self, program: Program, recorded: Sequence[Any]) -> None:
        self.program, self.recorded = program, recorded
        self.buffers = Buffers(program, recorded)
        self.lines: list[str] = []
        self.starts: list[int] = []  # for each call, how many lines come before its own
        self.scope: dict[str, Any] = dict(SCOPE)  # what the names in the function stand for
        self.allocating: set[str] = set()  # functions that make an array at each replay
        self.classes: dict[int, int] = {}  # by value: labels that were seen to lie from 0 to below this
        self.numbers = Numbers(self)
        self.blocks = Blocks(self)
        self._named: dict[Any, str] = {}
        for block, calls in groupby(program.calls, lambda call: call.block):
            self._add(list(calls), block)
        self.run = self._compiled()
        self.numbers.w = self.blocks.w = None  # a plan that makes room is gone at once, and its memory with it
        program.places = self.buffers.places()

    def _add(self, calls: list[Call], block: int) -> None:
        if block >= 0:
            self.starts += [len(self.lines)] * len(calls)
            self.lines += self.blocks.lines_of(calls)
            return
        for call in calls:
            self.starts.append(len(self.lines))
            self.lines += lines_of(self, call)

    def reached(self, problem: BaseException) -> int:
        """The position of the call in which `problem` was raised."""
        line, trace = 0, problem.__traceback__
        while trace is not None:
            line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == PLAN else line
            trace = trace.tb_next
        starts = accumulate((text.count("\n") + 1 for text in self.lines), initial=2)  # after `def replay(...):`
        lines = list(starts)
        return sum(lines[start] <= line for start in self.starts) - 1

    # Names in the generated function

    def name(self, value: Any) -> str:
        """The name of a constant, or the constant itself where that is shorter."""
        if value is None or value is True or value is False or type(value) in (int, str):
            return repr(value)
        if type(value) is float and math.isfinite(value):
            return repr(value)
        return self._of(id(value), value)

    def _of(self, key: Any, value: Any) -> str:
        if key not in self._named:
            self._named[key] = f"c{len(self._named)}"
            self.scope[self._named[key]] = value  # which also keeps it, so that its identity stays its own
        return self._named[key]

    def array(self, number: int) -> str:
        """The name of a value."""
        array = self.buffers.arrays.get(number)
        if array is None:
            return f"a{number}"  # an argument, or a view of one
        part = self.blocks.part(number, array)
        if part:
            return part
        self.scope[f"b{number}"] = array
        return f"b{number}"

    def known(self, x: Any) -> Any:
        """The array behind a `Ref`, if there is one when the plan is made."""
        return self.buffers.arrays.get(x.number) if type(x) is Ref else None

    def term(self, x: Any) -> str:
        """An argument of a call, as source."""
        if type(x) is Ref:
            return self.array(x.number)
        if any(True for _ in each_ref(x)):
            if type(x) is list:
                return f"[{', '.join(map(self.term, x))}]"
            if type(x) is tuple:
                return f"({', '.join(map(self.term, x))},)"
            if isinstance(x, slice):
                return f"slice({self.term(x.start)}, {self.term(x.stop)}, {self.term(x.step)})"
        return self.name(x)

    def operand(self, x: Any, dtype: Any) -> str:
        """An argument of an elementwise call whose arrays have `dtype`: what is one number, as an array of shape ().

        A Python number costs NumPy a search for its type (0.3 µs), an axis of length 1 a loop of its own (0.5 µs).
        """
        if type(x) is Ref:
            array = self.known(x)
            if array is not None and array.ndim and array.size == 1:
                return self._of((x.number, "number"), array.reshape(()))
            return self.array(x.number)
        if type(x) in (int, float) and numpy.dtype(dtype).kind in "iufc":
            try:
                dtype = numpy.result_type(dtype, x)  # an integer array beside 0.5 is compared as floating-point numbers
                return self._of((x, type(x), repr(x), numpy.dtype(dtype).str), numpy.asarray(x, dtype=dtype))
            except OverflowError:  # a comparison with what no such integer can be
                pass
        return self.term(x)

    def filled(self, number: float, dtype: Any, shape: tuple[int, ...]) -> str:
        """An array with `number` everywhere; those of one number share their memory."""
        part = self.blocks.filled(number, dtype, shape)
        if part:
            return part
        return self._of((number, repr(number), numpy.dtype(dtype).str, shape), numpy.full(shape, number, dtype=dtype))

    def is_constant(self, ref: Ref) -> bool:
        return ref.number in self.buffers.constants

    def constant(self, ref: Ref, shape: tuple[int, ...]) -> str:
        """A constant array, stretched to `shape` once."""
        part = self.blocks.constant(ref.number, self.known(ref), shape)
        return part or self._of((ref.number, shape), numpy.broadcast_to(self.known(ref), shape).copy())

    def scratch(self, shape: tuple[int, ...], dtype: Any, place: int) -> str:
        """Memory for an argument of one call, the one at `place`: the next call may use it again."""
        part = self.blocks.scratch(shape, dtype, place)
        return part or self._of((shape, numpy.dtype(dtype).str, place), numpy.empty(shape, dtype=dtype))

    # The function

    def _compiled(self) -> Callable[..., Any]:
        outputs = ", ".join(map(self._output, self.program.outputs))
        arguments = ", ".join(f"a{n}" for n, value in enumerate(self.program.values) if value.kind == "argument")
        body = "\n    ".join([*self.lines, f"return [{outputs}]"])
        self.source = f"def replay({arguments}):\n    {body}\n"
        exec(compile(self.source, PLAN, "exec"), self.scope)
        run: Callable[..., Any] = self.scope.pop("replay")  # what it finds there would hold it in a circle
        return run

    def _output(self, output: Any) -> str:
        """What the step gives: copies, since the next replay writes into the buffers; what was there before, itself."""
        if type(output) is not Ref:
            return self.name(output)
        value, name = self.program.values[output.number], self.array(output.number)
        if value.kind != "result":
            return name
        if self.program.values[value.storage].kind != "result":
            return f"{name}[...]"  # a view of one of these, as in the step
        return f"{name}.copy()" if isinstance(self.recorded[output.number], numpy.ndarray) else f"{name}[()]"
