"""Rewrites that mark calls to be run another way: as Python numbers, in place, in blocks, as products.

A mark is a permission, which an executor may leave unused.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xpnn.arrays.namespaces import dtype_name
from xpnn.compiler.names import ELEMENTWISE, ROUNDED
from xpnn.compiler.program import Call, Program, Ref

__all__ = [
    "as_numbers",
    "in_blocks",
    "powers_as_numbers",
    "reuse_arguments",
    "rows_by_columns",
    "sums_as_products",
]

_OF_NUMBERS = frozenset("add subtract multiply divide negative sqrt astype".split())
LARGE = 1 << 16  # elements: two such arrays of float32 fill the second cache
ADDED = 1 << 16  # terms: beyond, a sum in pairs is notably closer than one in the few lanes of a product
NARROW, ROWS = 16, 32


def as_numbers(program: Program) -> None:
    """Compute with float64 arrays of shape () as Python numbers, which have the same arithmetic at a tenth of the cost.

    Bias corrections and schedules are chains of these. Only operations that IEEE 754 rounds exactly: NumPy's own powers
    and exponentials may differ from Python's in the last bit.
    """
    written = program.written()
    for call in program.calls:
        args = call.args[:1] if call.name == "astype" else call.args
        if call.name in _OF_NUMBERS and _gives_number(call, args, program, written):
            call.way = "number"


def powers_as_numbers(program: Program) -> None:
    """Do the same with powers of a number from 0 to 1, as in Adam's corrections: 0.04 for 0.3 to 0.5 µs.

    NumPy and Python may round a power differently, in the last of 53 bits.
    """
    written = program.written()
    for call in program.calls:
        if call.name == "pow" and not call.kwargs and _gives_number(call, call.args, program, written):
            base, exponent = call.args
            if type(base) is float and 0 < base <= 1 and type(exponent) is Ref:
                call.way = "number"


def _gives_number(call: Call, args: Sequence[object], program: Program, written: set[int]) -> bool:
    """Whether a call makes a float64 number of its own from numbers."""
    if call.target >= 0 or len(call.results) != 1 or call.several:
        return False
    result = call.results[0]
    value = program.values[result]
    own = value.storage == result and result not in written
    return own and _is_number(value, ("float64",)) and all(_may_be_number(x, program) for x in args)


def _may_be_number(x: object, program: Program) -> bool:
    if type(x) is Ref:
        return _is_number(program.values[x.number], ("float64", "int64", "int32"))
    return type(x) in (int, float)  # not a scalar of NumPy's, which has a dtype of its own


def _is_number(value: object, names: tuple[str, ...]) -> bool:
    return value.shape == () and dtype_name(value.dtype) in names  # type: ignore[attr-defined]


def reuse_arguments(program: Program) -> None:
    """Let an elementwise result lie in the memory of an argument that nobody reads any more: fewer bytes to touch.

    Not of one number: NumPy takes 0.7 µs, for 0.2, to see that it may write where it reads.
    """
    last = program.last_touches()
    for position, call in enumerate(program.calls):
        if call.name not in ELEMENTWISE or call.target >= 0 or len(call.results) != 1:
            continue
        result = program.values[call.results[0]]
        if prod(result.shape) <= 1:
            continue
        reads = set(program.reads(call))
        for number in reads:
            value = program.values[number]
            own = value.kind == "result" and value.storage == number and last[number] == position
            alone = sum(program.storage(n) == number for n in reads) == 1
            if own and alone and value.shape == result.shape and value.dtype == result.dtype:
                call.over = number
                break


def in_blocks(program: Program) -> None:
    """Group runs of elementwise calls on large arrays of one shape, to be run block after block.

    A block stays in the cache from one call to the next, where a large array may go to memory and back in each: Adam
    passes over its arrays thirteen times. On a machine whose third cache holds all of them it gave nothing measurable.
    """
    run: list[Call] = []
    block = 0
    for call in [*program.calls, None]:
        shape = _large(call, program) if call is not None else None
        if run and shape != _large(run[0], program):
            for member in run:
                member.block = block
            run, block = [], block + 1
        if call is not None and shape is not None:
            run.append(call)


def _large(call: Call, program: Program) -> tuple[int, ...] | None:
    """The shape of what a call makes, if the call is elementwise and that is large."""
    number = call.target if call.target >= 0 else call.results[0] if len(call.results) == 1 else None
    if number is None or call.name not in ROUNDED | {"astype"}:
        return None
    if call.target < 0 and program.storage(number) != number:
        return None  # a view
    shape = program.values[number].shape
    return shape if prod(shape) >= LARGE else None


def sums_as_products(program: Program) -> None:
    """Sum a matrix along an axis, or all of an array, as its product with ones: BLAS starts in a quarter of the time.

    The terms are added in another order, so the last bits may differ. Up to 65536 terms.
    """
    for call in program.calls:
        if call.name != "sum" or type(call.args[0]) is not Ref or call.several or len(call.args) > 1:
            continue
        x = program.values[call.args[0].number]
        number = call.target if call.target >= 0 else call.results[0]
        axis = call.kwargs.get("axis")
        terms = prod(x.shape) if axis is None else x.shape[axis] if len(x.shape) == 2 and type(axis) is int else 0
        real = dtype_name(x.dtype) in ("float32", "float64") and program.values[number].dtype == x.dtype
        if real and 0 < terms <= ADDED and prod(x.shape):
            call.way = "product"


def rows_by_columns(program: Program) -> None:
    """Take the maximum (or minimum) of each of many short rows over a transposed copy: all rows at once, term by term.

    NumPy runs a loop of its own for each row: 14.7 µs for (200, 10), 3 with the copy. Where 0.0 and -0.0 are both the
    largest, the sign of the zero may differ.
    """
    for call in program.calls:
        if call.name not in ("max", "min") or type(call.args[0]) is not Ref or call.several or len(call.args) > 1:
            continue
        shape = program.values[call.args[0].number].shape
        if len(shape) == 2 and call.kwargs.get("axis") in (-1, 1) and 1 < shape[1] <= NARROW and shape[0] >= ROWS:
            call.way = "columns"
