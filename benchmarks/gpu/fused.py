"""Runs of elementwise calls of a recorded step, each as the source of one kernel.

    %20 = add(%20, %12)        with %20 of shape (32, 32), %12 of shape (32,)
    %21 = maximum(%20, 0.0)

becomes `float v20 = o20; v20 = (v20 + i12); float v21 = (v20 > ... ); ...`: values of the run live in registers, and
only what is read after it is written to memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy

from xpnn.arrays.namespaces import dtype_name
from xpnn.compiler.program import Call, Program, Ref

__all__ = ["Run", "is_elementwise", "source"]

TYPES = {
    "float32": "float", "float64": "double", "bool": "bool", "int64": "long long", "int32": "int",
    "uint8": "unsigned char",
}  # fmt: skip
SOURCES = {
    "add": "({0} + {1})", "subtract": "({0} - {1})", "multiply": "({0} * {1})", "divide": "({0} / {1})",
    "negative": "(-{0})", "positive": "{0}", "abs": "fabs({0})", "square": "({0} * {0})", "exp": "exp({0})",
    "expm1": "expm1({0})", "log": "log({0})", "log1p": "log1p({0})", "sqrt": "sqrt({0})", "tanh": "tanh({0})",
    "pow": "pow({0}, {1})", "maximum": "(({0} > {1} || {0} != {0}) ? {0} : {1})",  # with NaN as the standard has it
    "minimum": "(({0} < {1} || {0} != {0}) ? {0} : {1})", "astype": "{0}",
    "greater": "({0} > {1})", "greater_equal": "({0} >= {1})", "less": "({0} < {1})", "less_equal": "({0} <= {1})",
    "equal": "({0} == {1})", "not_equal": "({0} != {1})",
}  # fmt: skip
FLOATING = frozenset("divide abs exp expm1 log log1p sqrt tanh pow".split())  # computed in a floating type only


@dataclass
class Run:
    """Calls that become one kernel, and what it reads and writes."""

    shape: tuple[int, ...]
    calls: list[Call] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def result(self, call: Call) -> int:
        return call.target if call.target >= 0 else call.results[0]


def is_elementwise(call: Call, program: Program) -> bool:
    """Whether `source` can write this call."""
    if call.name not in SOURCES or call.several or call.makes or (call.target < 0 and len(call.results) != 1):
        return False
    if set(call.kwargs) - ({"copy"} if call.name == "astype" else set()):
        return False
    number = call.target if call.target >= 0 else call.results[0]
    if call.target < 0 and program.storage(number) != number:
        return False  # a view: astype without a copy may be one
    values = [program.values[ref.number] for ref in call.args if type(ref) is Ref] + [program.values[number]]
    if not all(dtype_name(value.dtype) in TYPES for value in values):
        return False
    if call.name in FLOATING and not dtype_name(values[-1].dtype).startswith("float"):
        return False
    numbers = [x for x in call.args[: 1 if call.name == "astype" else None] if type(x) is not Ref]
    return all(isinstance(x, bool | int | float) and math.isfinite(x) for x in numbers)


def source(run: Run, program: Program) -> str:
    """The body of the kernel, for one element: inputs are `i5`, outputs `o7`, of which some are read first."""
    names: dict[int, str] = {}
    lines: list[str] = []
    for call in run.calls:
        refs = [x.number for x in call.args if type(x) is Ref]
        for number in refs:
            if number not in names:
                names[number] = f"v{number}"
                lines.append(f"{_type(program, number)} v{number} = {_read(run, program, number)};")
        number = run.result(call)
        text = f"({_type(program, number)}){_expression(call, program, names, number)};"
        if number in names:
            lines.append(f"v{number} = {text}")
        else:
            names[number] = f"v{number}"
            lines.append(f"{_type(program, number)} v{number} = {text}")
    lines += [f"o{number} = v{number};" for number in run.outputs]
    return "\n".join(lines)


def _read(run: Run, program: Program, number: int) -> str:
    if number in run.outputs:
        return f"o{number}"
    return f"i{number}[0]" if is_raw(run, program, number) else f"i{number}"


def is_raw(run: Run, program: Program, number: int) -> bool:
    """Whether an input is one number for all elements."""
    return program.values[number].shape == () and run.shape != ()


def _expression(call: Call, program: Program, names: dict[int, str], result: int) -> str:
    dtypes = [program.values[x.number].dtype for x in call.args if type(x) is Ref]
    kind = dtype_name(program.values[result].dtype)
    if kind == "bool":  # compared as what is compared
        kind = dtype_name(numpy.result_type(*map(dtype_name, dtypes)))
    args = call.args[:1] if call.name == "astype" else call.args
    parts = [f"(({TYPES[kind]}){names[x.number] if type(x) is Ref else _number(x)})" for x in args]
    if call.name == "astype" and dtype_name(program.values[result].dtype) == "bool":
        return f"({parts[0]} != 0)"
    return SOURCES[call.name].format(*parts)


def _number(x: float) -> str:
    return str(int(x)) if isinstance(x, bool | int) else repr(x)


def _type(program: Program, number: int) -> str:
    return TYPES[dtype_name(program.values[number].dtype)]
