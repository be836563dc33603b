"""How NumPy is told to put the result of each call into an array that is there: one small function per kind of call.

Each takes the writer (the executor: names of arrays and numbers), the call, and the name of the array for the result,
and gives the lines that do it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from math import prod
from typing import Any

import numpy

from xpnn.compiler.names import ROUNDED
from xpnn.compiler.program import Call, Ref, Value

__all__ = ["SCOPE", "UFUNCS", "lines_of"]

Writer = Any  # NumpyExecutor
Way = Callable[[Writer, Call, str], list[str]]

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
_OUT_OF = {
    "matmul": operator.matmul, "floor_divide": operator.floordiv, "remainder": operator.mod, "pow": operator.pow,
}  # fmt: skip
SCOPE: dict[str, Any] = {
    "copyto": numpy.copyto, "dot": numpy.dot, "matmul": numpy.matmul,
    "concatenate": numpy.concatenate, "stack": numpy.stack, "power": numpy.power, "add_at": numpy.add.at,
    "power_of": operator.pow, "root": math.sqrt, **{f.__name__: f for f in UFUNCS.values()},
}  # fmt: skip
_MOST = (1 << 63) - 1
_SMALL = 1 << 16  # elements: beyond, the second array costs memory and time, and blocks have one of their own


def lines_of(w: Writer, call: Call) -> list[str]:
    """The lines for one call of a program."""
    if call.results and call.results[0] in w.buffers.made:
        return []  # a constant, or a view: there already
    if call.way == "number" and w.numbers.takes(call):
        return w.numbers.lines_of(call)  # type: ignore[no-any-return]
    if call.whole:
        return _result(w, call, call.target)
    if call.target >= 0:
        return _write(w, call)
    if len(call.results) == 1 and not call.several:
        return _result(w, call, call.results[0])
    return _generic(w, call)


def _result(w: Writer, call: Call, number: int) -> list[str]:
    if number not in w.buffers.arrays:
        return [f"a{number} = {_view_of_argument(w, call)}"]
    if call.whole and not _same_layout(w, call):
        return _copied(w, call, w.array(number))
    way = WAYS.get(call.name) or (_elementwise if call.name in UFUNCS else None)
    lines = way(w, call, w.array(number)) if way else []
    return lines or _copied(w, call, w.array(number))


def _same_layout(w: Writer, call: Call) -> bool:
    """Whether the target lies in memory as the result did when it was recorded: in what order a library adds, and by
    which kernel it multiplies, may depend on it. What is exact at each place does not.
    """
    if call.name in ROUNDED:
        return True
    mine, recorded = w.known(Ref(call.target)), w.recorded[call.instead]
    return _distances(mine) == _distances(recorded)


def _distances(x: Any) -> list[int]:
    """From one element to the next along each axis that has a next."""
    return [step for n, step in zip(x.shape, x.strides, strict=True) if n > 1]


def _number_of(call: Call) -> int:
    return call.target if call.target >= 0 else call.results[0]


# Any function


def _call(w: Writer, call: Call) -> str:
    terms = [w.term(x) for x in call.args]
    terms += [f"{key}={w.term(option)}" for key, option in call.kwargs.items()]
    return f"{w.name(call.function)}({', '.join(terms)})"


def _copied(w: Writer, call: Call, out: str) -> list[str]:
    w.allocating.add(call.name)
    return [f"{out}[...] = {_call(w, call)}"]


def _generic(w: Writer, call: Call) -> list[str]:
    """A call with several results, or with none."""
    if not call.results:
        return _CHECKS.get(call.name, _unchecked)(w, call)
    w.allocating.add(call.name)
    copies = [f"{w.array(number)}[...] = t[{place}]" for place, number in enumerate(call.results)]
    return [f"t = {_call(w, call)}", *copies]


def _view_of_argument(w: Writer, call: Call) -> str:
    """A view, made anew in each replay: by indexing, which costs a tenth of what `expand_dims` does."""
    if call.name == "expand_dims" and type(call.args[0]) is Ref:
        axis = call.kwargs.get("axis", call.args[1] if len(call.args) > 1 else 0)
        ndim = len(w.program.values[call.args[0].number].shape) + 1
        if type(axis) is int:
            key = tuple(None if n == axis % ndim else slice(None) for n in range(ndim))
            return f"{w.term(call.args[0])}[{w.name(key)}]"
    return _call(w, call)


# Writing into an array


def _write(w: Writer, call: Call) -> list[str]:
    target = w.array(call.target)
    if call.name == "setitem":
        key, value = call.args
        if key is Ellipsis or key == ():
            return [f"{target}[...] = {w.term(value)}"]
        return [f"{target}[{w.term(key)}] = {w.term(value)}"]
    own, other = call.args
    function = _ufunc(w, call)
    if call.name == "add" and type(other) is int and _is_count(w.known(Ref(call.target))):
        array_plus = f"add({target}, {w.operand(other, numpy.int64)})"  # which starts again from below
        return [f"t = {target}.item() + {other}", f"{target}[()] = t if {-_MOST} <= t <= {_MOST} else {array_plus}"]
    if function is None:
        w.allocating.add(call.name)
        return [f"{target}[...] = {w.name(_OUT_OF[call.name])}({target}, {w.term(other)})"]
    args = (own,) if function in _FAST_POWERS.values() and call.name == "pow" else (own, other)
    terms, before = _operands(w, call, w.program.values[call.target], args)
    array = w.known(Ref(call.target))
    if array is None or array.ndim:
        return [*before, _ufunc_line(function, terms, target)]
    aside = w.name(numpy.empty_like(array))  # NumPy is slow to see that one number may lie in its own place: 0.7 µs
    return [*before, _ufunc_line(function, terms, aside), f"{target}[()] = {aside}"]


def _is_count(array: Any) -> bool:
    """Whether it is one int64 number, such as a count of steps: Python adds to it in a third of the time."""
    return array is not None and array.shape == () and array.dtype == numpy.int64


# Elementwise


def _ufunc(w: Writer, call: Call) -> Any:
    return _power(w, call) if call.name == "pow" else UFUNCS.get(call.name)


def _power(w: Writer, call: Call) -> Any:
    """`x**2` of an array is its `square`, for NumPy too; of integers only with an integer exponent: they overflow."""
    base, exponent = call.args
    if type(base) is not Ref or type(exponent) not in (int, float) or call.function is numpy.power:
        return numpy.power
    kind = numpy.dtype(w.program.values[base.number].dtype).kind
    whole = type(exponent) is int
    known = {"c": (exponent in (2, -1)) if whole else exponent == 0.5, "i": whole and exponent == 2}
    fast = kind == "f" or known.get("i" if kind == "u" else kind, False)
    return _FAST_POWERS.get(exponent, numpy.power) if fast else numpy.power


def _ufunc_line(function: Any, terms: list[str], out: str) -> str:
    """`maximum` and `minimum` want `out` by name; for the others its place saves 0.05 µs."""
    by_name = "out=" if function in (numpy.maximum, numpy.minimum) else ""
    return f"{function.__name__}({', '.join(terms)}, {by_name}{out})"


def _elementwise(w: Writer, call: Call, out: str) -> list[str]:
    if call.kwargs:
        return []
    if call.function is operator.pow and _is_scalar_power(w, call):
        base, exponent = (f"{w.term(x)}[()]" if type(x) is Ref else w.term(x) for x in call.args)
        return [f"{out}[...] = power_of({base}, {exponent})"]
    function = _ufunc(w, call)
    args = call.args[:1] if call.name == "pow" and function in _FAST_POWERS.values() else call.args
    terms, before = _operands(w, call, w.program.values[_number_of(call)], args)
    return [*before, _ufunc_line(function, terms, out)]


def _is_scalar_power(w: Writer, call: Call) -> bool:
    """Whether the step raised a scalar of NumPy's to a power: C's `pow` for 2 and 0.5, too, which may differ."""
    return all(type(x) is not Ref or isinstance(w.recorded[x.number], numpy.generic) for x in call.args)


def _operands(w: Writer, call: Call, out: Value, args: Any) -> tuple[list[str], list[str]]:
    """The arguments as source, and the lines that have to come before."""
    dtypes = [w.program.values[x.number].dtype for x in args if type(x) is Ref]
    beside = dtypes[0] if dtypes and numpy.dtype(out.dtype).kind == "b" else out.dtype
    full = _full_constant(w, call, args, beside)
    terms, before = [], []
    for place, x in enumerate(args):
        stretched = _stretched(w, x, out.shape, place) if type(x) is Ref else ""
        if stretched and not w.is_constant(x) and not w.blocks.fills_once(stretched, w.term(x)):
            before.append(f"{stretched}[...] = {w.term(x)}")
        terms.append(stretched or (full if full and type(x) is not Ref else w.operand(x, beside)))
    return terms, before


def _stretched(w: Writer, x: Ref, shape: tuple[int, ...], place: int) -> str:
    """An array of `shape` for an argument that is to be stretched to it, such as a bias.

    An assignment stretches in 0.3 µs what costs the loop over both arrays 0.8, for (32,) and (32, 32), and a buffer.
    """
    value = w.program.values[x.number]
    size = prod(shape)
    if value.shape == shape or prod(value.shape) <= 1 or not (size <= _SMALL or w.blocks.inside):
        return ""
    if w.is_constant(x):
        return str(w.constant(x, shape))
    return str(w.scratch(shape, value.dtype, place))


def _full_constant(w: Writer, call: Call, args: Any, dtype: Any) -> str:
    """The number beside an array in `maximum`, as an array of the same shape.

    With a number NumPy 2.4 does one element at a time, a third to a fifth as fast: 270 µs for 100 on (512, 1024).
    """
    if call.name not in ("maximum", "minimum") or numpy.dtype(dtype).kind != "f":
        return ""
    number = [x for x in args if type(x) in (int, float)]
    array = w.known(next((x for x in args if type(x) is Ref), None))
    if len(number) != 1 or array is None or not array.ndim or not array.flags.c_contiguous:
        return ""
    small = array.size <= _SMALL or w.blocks.inside
    return str(w.filled(number[0], dtype, array.shape)) if small and array.size > 1 else ""


# Products and sums


def _product(w: Writer, call: Call, out: str) -> list[str]:
    """`dot` is the same product of matrices with less around it (0.3 µs), if nothing must be rearranged for BLAS."""
    array = w.known(Ref(_number_of(call)))
    arrays = [w.recorded[x.number] for x in call.args if type(x) is Ref]  # arguments come in this layout again
    fits = array.flags.c_contiguous and all(x.ndim == 2 and x.flags.forc and x.dtype == array.dtype for x in arrays)
    if fits and arrays[0].shape[1] == 1 and (array.size == 1 or array.dtype.kind == "c"):
        fits = False  # nothing to add up: `matmul` adds to 0.0, which makes 0.0 of -0.0
    a, b = map(w.term, call.args)
    return [f"dot({a}, {b}, {out})" if fits else f"matmul({a}, {b}, out={out})"]


def _reduction(w: Writer, call: Call, out: str) -> list[str]:
    options = {"axis": None, "keepdims": False} | call.kwargs
    dtype = options.pop("dtype", None)
    if options.keys() != {"axis", "keepdims"} or len(call.args) > 1:
        return []
    number = _number_of(call)
    short = _sum_as_product(w, call, number) if call.way == "product" else ""
    short = short or (_columns(w, call, number) if call.way == "columns" else "")
    if short:
        return short.splitlines()
    as_dtype = dtype or w.program.values[number].dtype if call.name in ("sum", "prod") else None
    terms = map(w.term, (call.args[0], options["axis"], as_dtype))
    reduce = w.name(REDUCTIONS[call.name].reduce)
    return [f"{reduce}({', '.join(terms)}, {out}, {options['keepdims']})"]


def _sum_as_product(w: Writer, call: Call, number: int) -> str:
    x, out = w.known(call.args[0]), w.known(Ref(number))
    if x is None or not x.flags.forc or not out.flags.c_contiguous:
        return ""
    axis = call.kwargs.get("axis")
    line = w.name(out.reshape(() if axis is None else (-1,)))
    if axis is None:
        ones = w.filled(1, x.dtype, (x.size,))
        return f"dot({ones}, {w.name(x.reshape(-1, order='A'))}, {line})"
    ones = w.filled(1, x.dtype, (x.shape[axis],))
    terms = [ones, w.term(call.args[0])] if axis % 2 == 0 else [w.term(call.args[0]), ones]
    return f"dot({', '.join(terms)}, {line})"


def _columns(w: Writer, call: Call, number: int) -> str:
    """The largest of each row over a transposed copy."""
    x, out = w.known(call.args[0]), w.known(Ref(number))
    if x is None or not x.flags.c_contiguous or not out.flags.c_contiguous:
        return ""
    turned = w.name(numpy.empty(x.shape[::-1], dtype=x.dtype))
    reduce = w.name(REDUCTIONS[call.name].reduce)
    return f"{turned}[...] = {w.name(x.T)}\n{reduce}({turned}, 0, None, {w.name(out.reshape(-1))})"


# Making, copying, choosing


def _fill(w: Writer, call: Call, out: str) -> list[str]:
    numbers = {"zeros": 0, "ones": 1}
    number = numbers.get(call.name, call.args[1] if call.name == "full" and len(call.args) > 1 else None)
    return [f"{out}.fill({w.name(number)})"] if call.makes and type(number) in (int, float, bool, complex) else []


def _cast(w: Writer, call: Call, out: str) -> list[str]:
    if call.name == "asarray" and not call.kwargs.get("copy"):
        return []
    if type(call.args[0]) is not Ref:
        return []
    if w.numbers.holds(call.args[0]):
        return [f"{out}[()] = {w.numbers.term(call.args[0])}"]
    return [f"{out}[...] = {w.term(call.args[0])}"]


def _where(w: Writer, call: Call, out: str) -> list[str]:
    if len(call.args) != 3 or type(call.args[0]) is not Ref:
        return []
    if numpy.dtype(w.program.values[call.args[0].number].dtype).kind != "b":
        return []  # `where` takes numbers for conditions, `copyto` does not
    condition, a, b = map(w.term, call.args)
    return [f"{out}[...] = {b}", f"copyto({out}, {a}, where={condition})"]


def _joined(w: Writer, call: Call, out: str) -> list[str]:
    if type(call.args[0]) not in (list, tuple):
        return []
    function, axis = ("concatenate" if call.name == "concat" else "stack"), call.kwargs.get("axis", 0)
    return [f"{function}({w.term(call.args[0])}, axis={w.name(axis)}, out={out})"]


def _reshaped(w: Writer, call: Call, out: str) -> list[str]:
    """What was no view in the recording (NumPy's scalars have none), but is one of an array: copied without another."""
    array = w.known(call.args[0])
    if array is None or any(type(x) is Ref for x in call.args[1:]):
        return []
    view = call.function(array, *call.args[1:], **call.kwargs)
    return [f"{out}[...] = {w.name(view)}"] if numpy.may_share_memory(view, array) else []


def _taken(w: Writer, call: Call, out: str) -> list[str]:
    """One element of each row of a matrix: the places of the elements in memory, and `take` into the result.

    Labels that are known to lie in range need no check, and `mode` spares `take` a copy in case there were an error.
    """
    x, index = w.known(call.args[0]), call.args[1]
    axis = call.kwargs.get("axis", call.args[2] if len(call.args) > 2 else -1)
    if x is None or type(index) is not Ref or x.ndim != 2 or not x.flags.c_contiguous or axis not in (-1, 1):
        return []
    labels = w.program.values[index.number]
    checked = w.classes.get(_source(w, index.number), x.shape[1] + 1) <= x.shape[1]
    checked &= labels.storage not in w.program.written()
    if labels.shape != (x.shape[0], 1) or not checked or not numpy.can_cast(labels.dtype, numpy.intp):
        return []
    starts = numpy.arange(x.shape[0])[:, None] * x.shape[1]
    places = w.name(numpy.empty(labels.shape, dtype=numpy.intp))
    elements = w.name(x.reshape(-1))
    return [f"add({w.name(starts)}, {w.term(index)}, {places})", f"{elements}.take({places}, None, {out}, 'clip')"]


def _source(w: Writer, number: int) -> int:
    """The value whose elements, all of them, a value shows."""
    made = {call.results[0]: call for call in w.program.calls if call.name in ("expand_dims", "reshape", "squeeze")}
    while number in made and w.program.storage(number) != number:
        number = made[number].args[0].number
    return number


def _scattered(w: Writer, call: Call, out: str) -> list[str]:
    updates, indices = call.args[:2]
    if type(indices) is Ref and type(updates) is Ref:
        before, places = (w.program.values[x.number].shape for x in (updates, indices))
        if len(before) > len(places):  # whole rows: `scatter_add` adds them element by element, in a fifth of the time
            return []
    return [f"{out}.fill(0)", f"add_at({out}, {w.term(indices)}, {w.term(updates)})"]


# Checks of numbers: one comparison of the bits in place of two passes over the numbers, and the full check if it finds
# something. It writes into a `bytearray`, in which Python finds a 1 in no time: a reduction takes 1 µs to start.


def _labels(w: Writer, call: Call) -> list[str]:
    t, classes = call.args[:2]
    if type(t) is Ref:
        w.classes[_source(w, t.number)] = classes
    return _one_pass(w, call, t, "iu", classes - 1)  # a negative number is a large one without its sign


def _shares(w: Writer, call: Call) -> list[str]:
    t = call.args[1]
    bits = {4: 0x3F800000, 8: 0x3FF0000000000000}  # of 1.0: those of other numbers in [0, 1] are less, all others more
    size = numpy.dtype(w.program.values[t.number].dtype).itemsize if type(t) is Ref else 0
    return _one_pass(w, call, t, "f", bits[size]) if size in bits else _unchecked(w, call)


def _not_negative(w: Writer, call: Call) -> list[str]:
    t = call.args[1]
    bits = {4: 0x7F800000, 8: 0x7FF0000000000000}  # of infinity: those of negative numbers and of NaN are more
    size = numpy.dtype(w.program.values[t.number].dtype).itemsize if type(t) is Ref else 0
    return _one_pass(w, call, t, "f", bits[size]) if size in bits else _unchecked(w, call)


def _one_pass(w: Writer, call: Call, t: Any, kinds: str, most: int) -> list[str]:
    if type(t) is not Ref or 0 in w.program.values[t.number].shape:
        return _unchecked(w, call)
    value = w.program.values[t.number]
    dtype = numpy.dtype(value.dtype)
    if dtype.kind not in kinds or not dtype.isnative or most >= 1 << 8 * dtype.itemsize:
        return _unchecked(w, call)
    bits = numpy.dtype(f"u{dtype.itemsize}")
    found = bytearray(prod(value.shape))
    mask = numpy.frombuffer(found, dtype=bool).reshape(value.shape)
    limit = w.name(numpy.asarray(most, dtype=bits))
    return [
        f"greater({w.term(t)}.view({w.name(bits)}), {limit}, {w.name(mask)})",
        f"if 1 in {w.name(found)}: {_call(w, call)}",
    ]


def _unchecked(w: Writer, call: Call) -> list[str]:
    return [_call(w, call)]


_CHECKS = {"require_labels": _labels, "require_not_negative": _not_negative, "require_shares": _shares}
WAYS: dict[str, Way] = {
    "pow": _elementwise, "matmul": _product, "sum": _reduction, "prod": _reduction, "max": _reduction,
    "min": _reduction, "zeros": _fill, "ones": _fill, "full": _fill, "astype": _cast, "asarray": _cast,
    "where": _where, "concat": _joined, "stack": _joined, "reshape": _reshaped, "expand_dims": _reshaped,
    "squeeze": _reshaped, "permute_dims": _reshaped, "matrix_transpose": _reshaped, "broadcast_to": _reshaped,
    "moveaxis": _reshaped, "flip": _reshaped, "take_along_axis": _taken, "scatter_add": _scattered,
}  # fmt: skip
