"""A plan as text: a line for each call, with what it makes, where that lies, and how much work it is.

    %21  maximum(%20, 0.0)               (32, 32) float32   buffer 2   4096 bytes
    %23  matmul(%21, %22)                (32, 16) float32   buffer 3   2048 bytes   16384 multiply-adds

`%7` is the seventh value of the step: an argument, an array of its state, or the result of a call. A buffer is a piece
of memory that several values may use, one after the other; a value of the state lies where the state is.
"""

from __future__ import annotations

from math import prod
from typing import Any

from xpnn.arrays.namespaces import dtype_name
from xpnn.compiler.program import Call, Program, Ref

__all__ = ["multiply_adds", "printed"]


def printed(program: Program, places: dict[int, str] | None = None) -> str:
    """The calls of `program`, one a line; `places` says where each storage lies, if not as the program has it."""
    places = program.places if places is None else places
    rows = [_row(call, program, places) for call in program.calls]
    made = [call for call in program.calls if _result(call) is not None]
    work = sum(multiply_adds(call, program) for call in made)
    given = [f"%{n} {_title(v)}: {_kind(v)}" for n, v in enumerate(program.values) if v.kind != "result"]
    gives = ", ".join(_term(output) for output in program.outputs) or "nothing"
    head = f"{len(rows)} calls, {work} multiply-adds in products, gives {gives}"
    return "\n".join([head, *(f"  {line}" for line in given), *_aligned(rows)])


def _title(value: Any) -> str:
    return {"argument": "an argument", "outside": "from outside"}.get(value.kind, "state") + (
        f", {value.name}" if value.name else ""
    )


def _row(call: Call, program: Program, places: dict[int, str]) -> list[str]:
    number = _result(call)
    terms = [*map(_term, call.args), *(f"{key}={_term(option)}" for key, option in call.kwargs.items())]
    if number is None:
        return ["", f"{call.name}({', '.join(terms)})", "", "", "", "", call.line]
    value = program.values[number]
    storage = program.storage(number)
    shares = f"a view of %{storage}" if storage != number and call.target < 0 else ""
    root = program.values[storage]
    place = shares or places.get(storage, "") or ("" if root.kind == "result" else _title(root))
    size = f"{prod(value.shape) * _itemsize(value.dtype)} bytes" if not shares else ""
    work = multiply_adds(call, program)
    sign = f"%{number}" + ("[...]" if call.target >= 0 else "")
    counted = f"{work} multiply-adds" if work else ""
    return [sign, f"{call.name}({', '.join(terms)})", _kind(value), place, size, counted, call.line]


def _result(call: Call) -> int | None:
    """The value that a call makes or writes into."""
    return call.target if call.target >= 0 else call.results[0] if call.results else None


def multiply_adds(call: Call, program: Program) -> int:
    """How many products of two numbers a matrix product sums up; 0 for other calls.

    Examples
    --------
    >>> from xpnn.compiler.program import Value
    >>> values = [Value("argument", shape, "float32", n) for n, shape in enumerate([(2, 3), (3, 4), (2, 4)])]
    >>> multiply_adds(Call("matmul", abs, (Ref(0), Ref(1)), {}, (2,)), Program(values))
    24
    """
    number = _result(call)
    if call.name != "matmul" or number is None or type(call.args[0]) is not Ref:
        return 0
    return prod(program.values[number].shape) * program.values[call.args[0].number].shape[-1]


def _kind(value: Any) -> str:
    return f"{value.shape} {dtype_name(value.dtype)}"


def _itemsize(dtype: Any) -> int:
    name = dtype_name(dtype)
    digits = "".join(letter for letter in name if letter.isdigit())
    return int(digits) // 8 if digits else 1


def _term(x: Any) -> str:
    """An argument of a call, for people."""
    if type(x) is Ref:
        return f"%{x.number}"
    if isinstance(x, list | tuple):
        inside = ", ".join(map(_term, x))
        return f"[{inside}]" if isinstance(x, list) else f"({inside}{',' if len(x) == 1 else ''})"
    if isinstance(x, slice):
        parts = ["" if part is None else _term(part) for part in (x.start, x.stop, x.step)]
        return ":".join(parts[:2] if x.step is None else parts)
    if x is Ellipsis:
        return "..."
    if isinstance(x, float):
        return f"{x:.6g}"
    if hasattr(x, "dtype") and hasattr(x, "shape") and not isinstance(x, type):
        return f"{x.item():.6g}" if not x.shape else f"an array of shape {x.shape}"
    return dtype_name(x) if isinstance(x, type) or type(x).__name__.endswith("DType") else repr(x)


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(7)]
    used = [column for column, width in enumerate(widths) if width]
    return ["  ".join(row[column].ljust(widths[column]) for column in used).rstrip() for row in rows]
