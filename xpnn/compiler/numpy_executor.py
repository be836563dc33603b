"""Replay on NumPy: one straight-line function whose calls put their results into arrays that are there already.

Making an array costs more than adding two small ones. So each value of the program gets a buffer when the plan is made
(one that is free by then, if there is one), views are made once, and what is left of a step is a list of lines such as

    add(b3, b7, out=b7)

that Python runs one after the other. Functions that cannot be told where to put their result, such as
`take_along_axis`, make an array that is copied; all others allocate nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from xpnn.compiler.buffers import Buffers
from xpnn.compiler.program import Call, Program, Ref, each_ref, replaced

__all__ = ["NumpyExecutor"]

UFUNCS: dict[str, Any] = {
    name: getattr(numpy, name)
    for name in (
        "add subtract multiply divide floor_divide remainder maximum minimum hypot copysign nextafter logaddexp equal "
        "not_equal less less_equal greater greater_equal logical_and logical_or logical_xor logical_not bitwise_and "
        "bitwise_or bitwise_xor negative positive exp expm1 log log1p log2 log10 sqrt square reciprocal sin cos tan "
        "sinh cosh tanh floor ceil trunc isnan isinf isfinite signbit"
    ).split()
} | {
    "abs": numpy.absolute, "asin": numpy.arcsin, "acos": numpy.arccos, "atan": numpy.arctan, "atan2": numpy.arctan2,
    "asinh": numpy.arcsinh, "acosh": numpy.arccosh, "atanh": numpy.arctanh, "bitwise_invert": numpy.invert,
    "bitwise_left_shift": numpy.left_shift, "bitwise_right_shift": numpy.right_shift,
}  # fmt: skip
REDUCTIONS = {"sum": numpy.add, "prod": numpy.multiply, "max": numpy.maximum, "min": numpy.minimum}
_FAST_POWERS = {2: numpy.square, 0.5: numpy.sqrt, 1: numpy.positive, -1: numpy.reciprocal}  # as ndarray ** does


class NumpyExecutor:
    """A program as a function of the step's arrays."""

    def __init__(self, program: Program, recorded: Sequence[Any]) -> None:
        self.program = program
        self.buffers = Buffers(program, recorded)
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}
        self.allocating: set[str] = set()  # functions that make an array at each replay
        self.argument_count = sum(value.kind == "argument" for value in program.values)
        for call in program.calls:
            self._add(call)
        self.run = self._compiled()

    # Names in the generated function

    def _name(self, value: Any) -> str:
        """The name of a constant in the generated function."""
        if value is None or value is True or value is False or type(value) in (int, str):
            return repr(value)
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name

    def _array(self, number: int) -> str:
        array = self.buffers.arrays.get(number)
        if array is None:
            return f"a{number}"  # an argument, or a view of one
        name = f"b{number}"
        self.names[name] = array
        return name

    def _term(self, x: Any) -> str:
        """An argument of a call, as source."""
        if type(x) is Ref:
            return self._array(x.number)
        if any(True for _ in each_ref(x)):
            if type(x) is list:
                return f"[{', '.join(map(self._term, x))}]"
            if type(x) is tuple:
                return f"({', '.join(map(self._term, x))},)"
            if isinstance(x, slice):
                return f"slice({self._term(x.start)}, {self._term(x.stop)}, {self._term(x.step)})"
        return self._name(x)

    def _number(self, x: Any, dtype: Any) -> str:
        """A Python number beside arrays whose result has `dtype`: as an array of shape (), which costs NumPy less."""
        if type(x) in (int, float) and numpy.dtype(dtype).kind in "fc":
            return self._name(numpy.asarray(x, dtype=dtype))
        return self._term(x)

    # Calls

    def _add(self, call: Call) -> None:
        if call.whole:
            self._result(call, call.target)
        elif call.target >= 0:
            self._write(call)
        elif call.results and call.results[0] in self.buffers.made:
            return  # a constant, or a view: there already
        elif len(call.results) == 1 and not call.several:
            self._result(call, call.results[0])
        else:
            self._generic(call)

    def _write(self, call: Call) -> None:
        target = self._array(call.target)
        if call.name == "setitem":
            key, value = call.args
            if key is Ellipsis or key == ():
                self.lines.append(f"copyto({target}, {self._term(value)})")
            else:
                self.lines.append(f"setitem({target}, {self._term(key)}, {self._term(value)})")
            return
        _, other = call.args
        dtype = self.program.values[call.target].dtype
        function = self._ufunc(call.name, other)
        if function is None:
            self.lines.append(f"copyto({target}, {self._name(_OUT_OF[call.name])}({target}, {self._term(other)}))")
            return
        terms = [target] if function in _FAST_POWERS.values() else [target, self._number(other, dtype)]
        self.lines.append(f"{self._name(function)}({', '.join(terms)}, out={target}, casting='same_kind')")

    def _ufunc(self, name: str, other: Any) -> Any:
        if name == "pow":
            number = other if type(other) in (int, float) else None
            return _FAST_POWERS.get(number, numpy.power) if number is not None else numpy.power
        return UFUNCS.get(name)

    def _result(self, call: Call, number: int) -> None:
        value = self.program.values[number]
        if number not in self.buffers.arrays:  # a view of an argument
            self.lines.append(f"a{number} = {self._call(call)}")
            return
        out = self._array(number)
        if call.name in UFUNCS or call.name == "pow":
            self._elementwise(call, out, value.dtype)
        elif call.name == "matmul":
            self._product(call, out, self.buffers.arrays[number])
        elif call.name in REDUCTIONS and not call.kwargs.keys() - {"axis", "keepdims", "dtype"}:
            self._reduction(call, out, value.dtype)
        elif call.name in ("zeros", "zeros_like", "ones", "ones_like") and call.makes:
            self.lines.append(f"{out}.fill({int(call.name.startswith('ones'))})")
        elif call.name == "astype" or (call.name == "asarray" and call.kwargs.get("copy")):
            self.lines.append(f"copyto({out}, {self._term(call.args[0])}, casting='unsafe')")
        elif call.name == "where":
            condition, a, b = map(self._term, call.args)
            self.lines += [f"copyto({out}, {b})", f"copyto({out}, {a}, where={condition})"]
        elif call.name == "concat" and type(call.args[0]) in (list, tuple):
            axis = call.kwargs.get("axis", 0)
            self.lines.append(f"concatenate({self._term(call.args[0])}, axis={axis}, out={out})")
        else:
            self.allocating.add(call.name)
            self.lines.append(f"copyto({out}, {self._call(call)})")

    def _elementwise(self, call: Call, out: str, dtype: Any) -> None:
        function = self._ufunc(call.name, call.args[-1])
        args = call.args[:1] if function in _FAST_POWERS.values() and call.name == "pow" else call.args
        comparison = numpy.dtype(dtype).kind == "b"
        kinds = [self.program.values[r.number].dtype for r in args if type(r) is Ref]
        beside = kinds[0] if comparison and kinds else dtype
        terms = [self._number(x, beside) if type(x) is not Ref else self._array(x.number) for x in args]
        self.lines.append(f"{self._name(function)}({', '.join(terms)}, out={out})")

    def _product(self, call: Call, out: str, array: Any) -> None:
        a, b = call.args
        flat = all(len(self.program.values[x.number].shape) == 2 for x in (a, b))
        contiguous = flat and array.flags.c_contiguous
        function = "dot" if contiguous else "matmul"  # the same product, with less around it
        self.lines.append(f"{function}({self._term(a)}, {self._term(b)}, out={out})")

    def _reduction(self, call: Call, out: str, result_dtype: Any) -> None:
        options = {"axis": None} | call.kwargs
        dtype = options.pop("dtype", None)
        terms = [f"{key}={self._term(option)}" for key, option in options.items()]
        if call.name in ("sum", "prod"):
            terms.append(f"dtype={self._name(dtype or result_dtype)}")
        reduce = self._name(REDUCTIONS[call.name].reduce)
        self.lines.append(f"{reduce}({self._term(call.args[0])}, {', '.join(terms)}, out={out})")

    def _call(self, call: Call) -> str:
        terms = [self._term(x) for x in call.args]
        terms += [f"{key}={self._term(option)}" for key, option in call.kwargs.items()]
        return f"{self._name(call.function)}({', '.join(terms)})"

    def _generic(self, call: Call) -> None:
        """A call with several results, or with none."""
        if not call.results:
            self.lines.append(self._call(call))
            return
        self.allocating.add(call.name)
        self.lines.append(f"t = {self._call(call)}")
        self.lines += [
            f"copyto({self._array(number)}, t[{position}])" for position, number in enumerate(call.results)
        ]

    # The function

    def _compiled(self) -> Callable[..., Any]:
        outputs = ", ".join(map(self._output, self.program.outputs))
        arguments = ", ".join(f"a{n}" for n, value in enumerate(self.program.values) if value.kind == "argument")
        body = "\n    ".join([*self.lines, f"return [{outputs}]"])
        source = f"def replay({arguments}):\n    {body}\n"
        self.source = source
        scope = {
            "copyto": numpy.copyto, "dot": numpy.dot, "matmul": numpy.matmul, "setitem": operator.setitem,
            "concatenate": numpy.concatenate, **self.names,
        }  # fmt: skip
        exec(compile(source, "<xpnn plan>", "exec"), scope)
        run: Callable[..., Any] = scope["replay"]
        return run

    def _output(self, output: Any) -> str:
        """What the step gives: copies, since the next replay writes into the buffers; an array of the state itself."""
        if type(output) is not Ref:
            return self._name(output)
        value, name = self.program.values[output.number], self._array(output.number)
        if value.kind != "result":
            return name
        return f"{name}.copy()" if value.shape else f"{name}[()]"


_OUT_OF = {
    "matmul": operator.matmul, "floor_divide": operator.floordiv, "remainder": operator.mod, "pow": operator.pow,
}  # fmt: skip


def lowered_args(tree: Any, arrays: dict[int, Any]) -> Any:
    """A call's arguments with the arrays themselves in the places of `Ref`s."""
    return replaced(tree, lambda x: arrays[x.number] if type(x) is Ref else x)
