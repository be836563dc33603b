"""Runs of elementwise calls of a recorded step, each as the source of one CUDA kernel.

    %20 = add(%20, %12)        with %20 of shape (32, 32), %12 of shape (32,)
    %21 = maximum(%20, 0.0)

becomes `float v0 = o0; float v1 = i0; v0 = v0 + v1; float v2 = fmax(v0, 0); ...`: values of the run live in registers,
and only what is read after it is written to memory. Each expression is that of CuPy's own kernel, computed in the dtype
in which CuPy computes it. The same source is valid C++, so that its numbers can be checked where there is no GPU.
"""

from __future__ import annotations

import functools
import math
import operator
from dataclasses import dataclass, field
from typing import Any

import numpy

from xpnn.arrays.namespaces import dtype_name
from xpnn.compiler.program import Call, Program, Ref

__all__ = ["TYPES", "Run", "declared", "is_elementwise", "kernel", "source"]

KERNELS = 512  # that are kept for other plans; numbers are in their sources, so each rate of learning makes others
TYPES = {
    "float32": "float", "float64": "double", "bool": "bool", "int64": "long long", "int32": "int",
    "uint8": "unsigned char",
}  # fmt: skip
# {0} and {1} are the arguments, {t} the type; of floating-point numbers and of integers
_BOTH = {
    "add": "({0} + {1})", "subtract": "({0} - {1})", "multiply": "({0} * {1})", "negative": "(-{0})",
    "positive": "{0}", "square": "({0} * {0})", "greater": "({0} > {1})", "greater_equal": "({0} >= {1})",
    "less": "({0} < {1})", "less_equal": "({0} <= {1})", "equal": "({0} == {1})", "not_equal": "({0} != {1})",
    "logical_and": "({0} && {1})", "logical_or": "({0} || {1})", "logical_not": "(!{0})",
    "where": "({0} ? {1} : {2})", "astype": "{0}", "setitem": "{0}",
}  # fmt: skip
_FLOATING = {
    **_BOTH,
    **{name: f"{name}({{0}})" for name in "exp expm1 log log1p log2 log10 sqrt floor ceil trunc sin cos tan".split()},
    **{name: f"{name}({{0}})" for name in "sinh cosh tanh asin acos atan asinh acosh atanh".split()},
    **{name: f"{name}({{0}}, {{1}})" for name in ("pow", "atan2", "hypot", "copysign")},
    "isnan": "isnan({0})", "isinf": "isinf({0})", "isfinite": "isfinite({0})",
    "divide": "({0} / {1})", "reciprocal": "(({t})1 / {0})", "abs": "fabs({0})",
    "sign": "({0} > 0 ? ({t})1 : ({0} < 0 ? ({t})-1 : {0} + ({t})0))",
    # NaN if either is, as the standard has it
    "maximum": "((isnan({0}) || isnan({1})) ? {0} + {1} : fmax({0}, {1}))",
    "minimum": "((isnan({0}) || isnan({1})) ? {0} + {1} : fmin({0}, {1}))",
    "logaddexp": "({0} == {1} ? ({t})({0} + log(2.0)) : fmax({0}, {1}) + log1p(exp(-fabs({0} - {1}))))",
}  # fmt: skip
_WHOLE = {
    **_BOTH,
    "abs": "({0} > 0 ? {0} : -{0})", "maximum": "({0} > {1} ? {0} : {1})", "minimum": "({0} < {1} ? {0} : {1})",
    "bitwise_and": "({0} & {1})", "bitwise_or": "({0} | {1})", "bitwise_xor": "({0} ^ {1})",
}  # fmt: skip
# `x**2` and its like, which CuPy computes by these; `xp.pow(x, 2)` not
_POWERS: dict[Any, str] = {2: "square", 0.5: "sqrt", -1.0: "reciprocal"}


@dataclass
class Run:
    """Calls that become one kernel, and what it reads and writes."""

    shape: tuple[int, ...]
    calls: list[Call] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def is_number(self, number: int, program: Program) -> bool:
        """Whether an input is one number for all elements."""
        return program.values[number].shape == () and self.shape != ()


def result(call: Call) -> int:
    """The one value that a call makes or writes into; -1 if there is none."""
    return call.target if call.target >= 0 else call.results[0] if len(call.results) == 1 else -1


def is_elementwise(call: Call, program: Program) -> bool:
    """Whether `source` can write this call."""
    number = result(call)
    if number < 0 or call.several or call.makes or set(call.kwargs) - ({"copy"} if call.name == "astype" else set()):
        return False
    if call.target < 0 and program.storage(number) != number:
        return False  # a view: astype without a copy may be one
    value = program.values[number]
    if call.name == "setitem" and not _fills(call, program):
        return False
    return dtype_name(value.dtype) in TYPES and _dtype_of(call, program) is not None


def _fills(call: Call, program: Program) -> bool:
    """Whether a write by key is `x[...] = y`."""
    x = call.args[1]
    known = type(x) is not Ref or len(program.values[x.number].shape) <= len(program.values[call.target].shape)
    return call.args[0] is Ellipsis and known


def _operands(call: Call) -> tuple[Any, ...]:
    """The arguments that are computed with."""
    if call.name == "setitem":
        return call.args[1:]
    return call.args[:1] if call.name == "astype" else call.args


def _dtype_of(call: Call, program: Program) -> str | None:
    """The dtype in which a call is computed; None if there is no source for it."""
    given = _operands(call)
    typed = given[1:] if call.name == "where" else given
    dtypes = [numpy.dtype(dtype_name(program.values[x.number].dtype)) for x in given if type(x) is Ref]
    numbers = [x for x in given if type(x) is not Ref]
    if any(dtype.name not in TYPES for dtype in dtypes) or (not dtypes and call.name != "setitem"):
        return None
    if not all(type(x) in (bool, int, float) and math.isfinite(x) for x in numbers):
        return None  # a number of NumPy's has a dtype of its own
    made = dtype_name(program.values[result(call)].dtype)
    if call.name in ("astype", "setitem"):
        found = dtypes[0].name if dtypes else made
    else:
        if call.name == "where" and (type(given[0]) is not Ref or dtypes[0].name != "bool"):
            return None
        found = numpy.result_type(*_each(typed, program)).name
        if call.name == "divide" and not found.startswith("float"):
            found = "float64"
        if made not in ("bool", found):
            return None  # in place, into a narrower dtype
    table = _FLOATING if found.startswith("float") else _WHOLE
    fit = found.startswith("float") or all(_fits(x, found) for x in numbers)
    return found if call.name in table and found in TYPES and fit else None


def _each(typed: tuple[Any, ...], program: Program) -> list[Any]:
    """The dtypes of arrays, numbers as they are."""
    return [numpy.dtype(dtype_name(program.values[x.number].dtype)) if type(x) is Ref else x for x in typed]


def _fits(x: float, dtype: str) -> bool:
    bounds = (0, 1) if dtype == "bool" else (numpy.iinfo(dtype).min, numpy.iinfo(dtype).max)
    return type(x) is not float and bounds[0] <= x <= bounds[1] and abs(x) < 2**62


def source(run: Run, program: Program) -> str:
    """The body of the kernel, for one element: of inputs `i0`, `i1`, … and outputs `o0`, …, some of which are read."""
    places = {number: f"o{k}" for k, number in enumerate(run.outputs)}
    for k, number in enumerate(run.inputs):
        places[number] = f"i{k}[0]" if run.is_number(number, program) else f"i{k}"
    names: dict[int, str] = {}
    lines: list[str] = []

    def typed(number: int) -> str:
        return TYPES[dtype_name(program.values[number].dtype)]

    def name(number: int, text: str) -> None:
        before = "" if number in names else f"{typed(number)} "
        names.setdefault(number, f"v{len(names)}")
        lines.append(f"{before}{names[number]} = {text};")

    for call in run.calls:
        for x in _operands(call):
            if type(x) is Ref and x.number not in names:
                name(x.number, places[x.number])
        number = result(call)
        name(number, f"({typed(number)}){_expression(call, program, names)}")
    lines += [f"o{k} = {names[number]};" for k, number in enumerate(run.outputs)]
    return "\n".join(lines)


def _expression(call: Call, program: Program, names: dict[int, str]) -> str:
    dtype = _dtype_of(call, program)
    assert dtype is not None
    cast, given = TYPES[dtype], _operands(call)
    parts = [f"(({cast}){names[x.number] if type(x) is Ref else _number(x)})" for x in given]
    if call.name == "where":
        parts[0] = names[given[0].number]
    what = call.name
    if what == "pow" and call.function is operator.pow and type(given[1]) in (int, float):
        exact = given[1] == 2 or type(given[1]) is float  # of integers CuPy knows 2 only
        what = _POWERS.get(given[1], what) if exact else what
    if what in ("astype", "setitem") and dtype_name(program.values[result(call)].dtype) == "bool":
        return f"({parts[0]} != 0)"
    table = _FLOATING if dtype.startswith("float") else _WHOLE
    return table[what].format(*parts, t=cast)


def _number(x: float) -> str:
    return f"{int(x)}LL" if type(x) is not float else repr(x)


def declared(run: Run, program: Program) -> tuple[str, str]:
    """The inputs and outputs as CuPy wants them: 'float32 i0, raw float32 i1'."""

    def each(letter: str, numbers: list[int]) -> str:
        raw = ["raw " if letter == "i" and run.is_number(number, program) else "" for number in numbers]
        names = [dtype_name(program.values[number].dtype) for number in numbers]
        return ", ".join(f"{a}{b} {letter}{k}" for k, (a, b) in enumerate(zip(raw, names, strict=True)))

    return each("i", run.inputs), each("o", run.outputs)


@functools.lru_cache(maxsize=KERNELS)
def kernel(inputs: str, outputs: str, body: str) -> Any:
    """The kernel, compiled when it is first called; no product and sum become one rounding, as in call after call."""
    import cupy

    return cupy.ElementwiseKernel(inputs, outputs, body, "xpnn_run", no_return=True, options=("--fmad=false",))
