"""Runs of elementwise calls on large arrays, block after block, so that a block stays in the cache from call to call.

    for s3, s7, s9 in k0:
        multiply(s3, s3, s3)
        subtract(s3, s7, s3)
        …

The parts of all arrays are made once. A value that no call outside the run touches needs no memory but for one block.
"""

from __future__ import annotations

from typing import Any

import numpy

from xpnn.compiler.program import Call, Ref, each_ref

__all__ = ["Blocks"]

BYTES = 1 << 18  # of one array in a block: smaller ones cost more calls than the cache gives (0.35 µs each)


class Blocks:
    """Writes the lines of a run; `inside` while it does."""

    def __init__(self, writer: Any) -> None:
        self.w = writer
        self.inside = False
        self._count = 0
        self._parts: dict[str, list[Any]] = {}
        self._shape: tuple[int, ...] = ()
        self._rows = 0
        self._local: set[int] = set()
        self._scratch: dict[Any, Any] = {}
        self._whole: dict[str, Any] = {}
        self._before: list[str] = []

    def lines_of(self, calls: list[Call]) -> list[str]:
        from xpnn.compiler.numpy_calls import lines_of

        lines: list[str] = []
        run: list[Call] = []
        made = self.w.buffers.made  # constants, which need no line
        for call in [*(call for call in calls if not made & set(call.results)), None]:
            if call is not None and self._fits([*run, call]):
                run.append(call)
                continue
            lines += self._loop(run) if run else []
            run = []
            if call is not None:
                if self._fits([call]):
                    run = [call]
                else:
                    lines += lines_of(self.w, call)
        return lines

    # Whether calls may run block by block

    def _numbers(self, call: Call) -> list[int]:
        return [ref.number for ref in each_ref(call.args)] + [self._made(call)]

    def _made(self, call: Call) -> int:
        return call.target if call.target >= 0 else call.results[0]

    def _fits(self, calls: list[Call]) -> bool:
        """Whether no call sees, in another block's rows, what another call writes there."""
        arrays = self.w.buffers.arrays
        numbers = {number for call in calls for number in self._numbers(call)}
        if any(number not in arrays for number in numbers) or calls[-1].kwargs:
            return False
        shape = arrays[self._made(calls[0])].shape
        written = {self._made(call) for call in calls}
        if any(arrays[n].shape != shape or not self._sliced(arrays[n], shape) for n in written):
            return False
        last = self._numbers(calls[-1])
        if not all(self._sliced(arrays[n], shape) or self._stretched(arrays[n], shape) for n in last):
            return False
        pairs = {tuple(sorted((a, b))) for a in last for b in numbers if a != b and (a in written or b in written)}
        return all(self._apart(arrays[a], arrays[b], shape) for a, b in pairs)

    def _sliced(self, array: Any, shape: tuple[int, ...]) -> bool:
        return bool(array.ndim == len(shape) and array.shape[0] == shape[0] > 1 and array.flags.c_contiguous)

    def _stretched(self, array: Any, shape: tuple[int, ...]) -> bool:
        """The same for every row: a row, a number."""
        return bool(array.ndim < len(shape) or array.shape[0] == 1)

    def _apart(self, a: Any, b: Any, shape: tuple[int, ...]) -> bool:
        if not numpy.may_share_memory(a, b):
            return True
        same = a.ctypes.data == b.ctypes.data and a.strides == b.strides and a.shape == b.shape == shape
        return bool(same)

    # The loop

    def _loop(self, run: list[Call]) -> list[str]:
        from xpnn.compiler.numpy_calls import lines_of

        first = self.w.buffers.arrays[self._made(run[0])]
        self._shape = first.shape
        self._rows = max(1, BYTES // max(1, first.nbytes // first.shape[0]))
        self._parts, self._scratch, self._whole, self._before = {}, {}, {}, []
        self._local = self._local_values(run)
        self.inside = True
        body = [line for call in run for line in lines_of(self.w, call)]
        self.inside = False
        name = f"k{self._count}"
        self._count += 1
        self.w.scope[name] = list(zip(*self._parts.values(), strict=True))
        return [*self._before, f"for {', '.join(self._parts)}, in {name}:", *(f"    {line}" for line in body)]

    def _local_values(self, run: list[Call]) -> set[int]:
        """Results that no other call touches, nor does one that shares their memory while they live."""
        program, arrays = self.w.program, self.w.buffers.arrays
        inside = {id(call) for call in run}
        touched = {program.storage(n) for c in program.calls if id(c) not in inside for n in program.touches(c)}
        touched |= {program.storage(ref.number) for ref in program.outputs if type(ref) is Ref}
        made = {self._made(call) for call in run}
        local = {n for n in made if program.values[n].kind == "result" and program.storage(n) not in touched}
        others = {arrays[n].ctypes.data for call in run for n in self._numbers(call) if n not in local}
        return {n for n in local if arrays[n].ctypes.data not in others}

    def part(self, number: int, array: Any) -> str:
        """The name of a block's part of a value, if one is being written and the value has parts."""
        if not self.inside or not self._sliced(array, self._shape):
            return ""
        name = f"s{number}"
        if name not in self._parts:
            self._parts[name] = self._cut(self._memory(array) if number in self._local else array)
        return name

    def filled(self, number: float, dtype: Any, shape: tuple[int, ...]) -> str:
        """The same of an array with one number everywhere: the same memory for each block."""
        if not self.inside or shape != self._shape:
            return ""
        return self._block(numpy.full(self._block_shape(), number, dtype=dtype))

    def scratch(self, shape: tuple[int, ...], dtype: Any, place: int) -> str:
        """The same of memory for one argument of a call."""
        if not self.inside or shape != self._shape:
            return ""
        return self._block(numpy.empty(self._block_shape(), dtype=dtype))

    def fills_once(self, name: str, source: str) -> bool:
        """Whether memory of `scratch` gets the same from `source` in each block, and so is filled before the loop.

        In place of each time: batch norm and ReLU of (256, 1024), there and back, 0.66 ms for 0.73.
        """
        if not self.inside or name not in self._whole or source in self._parts:
            return False
        whole = f"{name}_{self._count}"
        self.w.scope[whole] = self._whole[name]
        self._before.append(f"{whole}[...] = {source}")
        return True

    def constant(self, number: int, array: Any, shape: tuple[int, ...]) -> str:
        """The same of a constant that is stretched: written out whole."""
        if not self.inside or shape != self._shape:
            return ""
        name = f"s{number}"
        self._parts[name] = self._cut(numpy.broadcast_to(array, shape).copy())
        return name

    def _block_shape(self) -> tuple[int, ...]:
        return (min(self._rows, self._shape[0]), *self._shape[1:])

    def _block(self, array: Any) -> str:
        name = f"f{len(self._parts)}"
        self._parts[name] = self._cut(array)
        self._whole[name] = array
        return name

    def _memory(self, array: Any) -> Any:
        """One block's memory in place of an array's; arrays that were to lie in one place still do."""
        place = (array.ctypes.data, array.dtype)
        if place not in self._scratch:
            self._scratch[place] = numpy.empty(self._block_shape(), dtype=array.dtype)
        return self._scratch[place]

    def _cut(self, array: Any) -> list[Any]:
        """The parts of an array, or of the one block that serves for all."""
        total, rows = self._shape[0], self._rows
        if array.shape[0] == total:
            return [array[start : start + rows] for start in range(0, total, rows)]
        return [array[: min(rows, total - start)] for start in range(0, total, rows)]
