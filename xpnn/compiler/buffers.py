"""Where the values of a program lie in memory.

State and what the step met from outside lie where they are. What is made from numbers alone is made once. Every other
result gets a piece of memory, in the order of axes that the recorded array had (a transposed product stays transposed,
so that its views stay views). A piece is free again after the last call that touches what lies in it, and is then
given to the next result of its size, or handed on by a call that may write over its argument. Views are made once, of
whatever they are views of.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy

from xpnn.compiler.program import Program, Ref, replaced

__all__ = ["Buffers"]

ALIGNMENT = 64  # bytes: a line of the cache


class Buffers:
    """The arrays of a program's values, by number; arguments and views of them have none."""

    def __init__(self, program: Program, recorded: Sequence[Any]) -> None:
        self.program, self.recorded = program, recorded
        self.arrays: dict[int, Any] = {n: v.array for n, v in enumerate(program.values) if v.array is not None}
        self.made: set[int] = set()  # results that need no call in a replay
        self.bytes = 0
        self._written = program.written()
        self.constants: set[int] = set()  # those of them that depend on numbers alone
        self._free: dict[int, list[Any]] = {}
        self._blocks: dict[int, Any] = {}
        ends = self._ends()
        for position, call in enumerate(program.calls):
            for number in call.results:
                self._place(position, call, number)
            for storage in ends.get(position, ()):
                self._release(storage)

    def _ends(self) -> dict[int, list[int]]:
        """For each call, the storages that nothing touches after it."""
        ends: dict[int, list[int]] = {}
        for storage, position in self.program.last_touches().items():
            ends.setdefault(position, []).append(storage)
        return ends

    def _place(self, position: int, call: Any, number: int) -> None:
        value = self.program.values[number]
        if value.storage != number:
            self._view(call, number)
        elif self._is_constant(call, value.storage):
            self.arrays[number] = self._once(call)
            self.made.add(number)
            self.constants.add(number)
        else:
            self.arrays[number] = self._over(call.over, number) if call.over in self._blocks else self._buffer(number)

    def _is_constant(self, call: Any, storage: int) -> bool:
        """Whether a result depends on numbers alone, and is never written into."""
        reads = set(self.program.reads(call))
        pure = call.makes or (bool(reads) and reads <= self.constants)
        return pure and not call.several and storage not in self._written

    def _view(self, call: Any, number: int) -> None:
        base = call.args[0].number
        if base not in self.arrays:
            return  # of an argument: made anew in each replay
        array = self._once(call)
        if not numpy.may_share_memory(array, self.arrays[base]):
            raise AssertionError(f"{call.name} gave a copy in the plan where it gave a view in the recording")
        self.arrays[number] = array
        self.made.add(number)
        if base in self.constants:
            self.constants.add(number)

    def _once(self, call: Any) -> Any:
        arguments = replaced((call.args, call.kwargs), lambda x: self.arrays[x.number] if type(x) is Ref else x)
        return call.function(*arguments[0], **arguments[1])

    def _buffer(self, number: int) -> Any:
        like = self.recorded[number]
        size = prod(like.shape) * like.dtype.itemsize
        units = max(1, -(-size // ALIGNMENT))
        free = self._free.get(units)
        if free:
            block = free.pop()
        else:
            block = _aligned(units * ALIGNMENT)
            self.bytes += units * ALIGNMENT
        self._blocks[number] = (units, block)
        return numpy.ndarray(like.shape, like.dtype, buffer=block, strides=_strides(like))

    def _over(self, argument: int, number: int) -> Any:
        """The memory of an argument that dies here, if the result has its order of axes."""
        array = self.arrays[argument]
        if array.strides != _strides(self.recorded[number]):
            return self._buffer(number)
        self._blocks[number] = self._blocks.pop(argument)
        return array

    def _release(self, storage: int) -> None:
        if storage in self._blocks:
            units, block = self._blocks.pop(storage)
            self._free.setdefault(units, []).append(block)


def _strides(like: Any) -> tuple[int, ...]:
    """The distances in memory of an array without gaps whose axes lie in the order of those of `like`."""
    strides: tuple[int, ...] = numpy.empty_like(like, order="K", subok=False).strides
    return strides


def _aligned(size: int) -> Any:
    raw = numpy.empty(size + ALIGNMENT, dtype=numpy.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]
