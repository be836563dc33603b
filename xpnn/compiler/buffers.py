"""Where the values of a program lie in memory.

State and what the step met from outside lie where they are. What is made from numbers alone is made once. Every other
result gets a piece of memory, in the order of axes that the recorded array had (a transposed product stays transposed,
so that its views stay views). A piece is free again after the last call that touches what lies in it, and is then
given to the next result of its size, or handed on by a call that may write over its argument. Views are made once, of
whatever they are views of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from xpnn.arrays.memory import ALIGNMENT, aligned_bytes
from xpnn.compiler.program import Program, Ref, replaced

__all__ = ["Buffers"]


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

    def places(self) -> dict[int, str]:
        """What to call where each result lies; those of one name lie in one piece of memory, one after the other."""
        found: dict[int, str] = {}
        numbers: dict[int, int] = {}
        for number, value in enumerate(self.program.values):
            if number in self.constants:
                found[number] = "made once"
            elif value.kind == "result" and value.storage == number and number in self.arrays:
                start = self.arrays[number].ctypes.data
                found[number] = f"buffer {numbers.setdefault(start, len(numbers))}"
        return found

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
            self.arrays[number] = self._constant(call, number)
            self.made.add(number)
            self.constants.add(number)
        else:
            self.arrays[number] = self._over(call.over, number) if call.over in self._blocks else self._buffer(number)

    def _is_constant(self, call: Any, storage: int) -> bool:
        """Whether a result depends on numbers alone, and is never written into."""
        reads = set(self.program.reads(call))
        pure = call.makes or (bool(reads) and reads <= self.constants)
        return pure and not call.several and storage not in self._written

    def _constant(self, call: Any, number: int) -> Any:
        """What a call makes, in the recorded order of axes: `ones` for `ones_like` of a transposed array, say."""
        array, like = numpy.asarray(self._once(call)), self.recorded[number]
        if array.strides == like.strides or array.size <= 1 or call.name == "broadcast_to":
            return array
        again = numpy.empty_like(like, order="K", subok=False)
        again[...] = array
        return again

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
        args, kwargs = replaced((call.args, call.kwargs), self._as_recorded)
        return call.function(*args, **kwargs)

    def _as_recorded(self, x: Any) -> Any:
        """The array behind a `Ref`; where the step had a scalar of NumPy's, such a one, whose powers differ."""
        if type(x) is not Ref:
            return x
        array = self.arrays[x.number]
        return array[()] if isinstance(self.recorded[x.number], numpy.generic) else array

    def _buffer(self, number: int) -> Any:
        like = self.recorded[number]
        strides = _strides(like)
        size = _reach(like.shape, strides, like.dtype.itemsize)
        units = max(1, -(-size // ALIGNMENT))
        free = self._free.get(units)
        if free:
            block = free.pop()
        else:
            block = aligned_bytes(units * ALIGNMENT)
            self.bytes += units * ALIGNMENT
        self._blocks[number] = (units, block)
        return numpy.ndarray(like.shape, like.dtype, buffer=block, strides=strides)

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
    """The distances in memory that an array in the place of `like` has.

    Those of a view with gaps (`xp.broadcast_arrays` gives such, and shares no memory here) are kept: in what order
    NumPy adds depends on them. Of others the order of the axes is.
    """
    strides: tuple[int, ...] = like.strides
    if all(step >= 0 for step in strides) and 0 not in like.shape:
        return strides
    strides = numpy.empty_like(like, order="K", subok=False).strides
    return strides


def _reach(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> int:
    """How many bytes lie between the first and the end of the last element."""
    return sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + itemsize if 0 not in shape else 0
