"""Whether two recordings of a step did the same.

What Python keeps between steps (a counter, a list that grows, NumPy's random numbers) is invisible to a recording: it
would be replayed as it was. So each step is recorded twice, and the recordings are compared call by call: the
functions, their options, the numbers among their arguments, arrays from outside by their contents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xpnn.autodiff.where import at
from xpnn.compiler.program import Call, Program, Ref

__all__ = ["difference", "same"]


def difference(first: Program, second: Program, outside: tuple[dict[int, bytes], dict[int, bytes]]) -> str:
    """The first difference between two recordings, in words; '' if there is none."""
    for n, (a, b) in enumerate(zip(first.calls, second.calls, strict=False)):
        if found := _between(a, b, first, second, outside):
            return f"call {n}, {found}"
    if len(first.calls) != len(second.calls):
        longer = max(first.calls, second.calls, key=len)
        call = longer[min(len(first.calls), len(second.calls))]
        return f"one step made {len(first.calls)} calls and the next {len(second.calls)}, beginning with {_name(call)}"
    if len(first.outputs) != len(second.outputs):
        return f"one step gave {len(first.outputs)} results and the next {len(second.outputs)}"
    for a, b in zip(first.outputs, second.outputs, strict=True):
        if not same(a, b):
            return f"one step gave {_shown(a)} and the next {_shown(b)}"
    for n, (v, w) in enumerate(zip(first.values, second.values, strict=False)):
        if _kind(v) != _kind(w):
            return f"an array was {v.kind} of shape {v.shape} in one step and {w.kind} of shape {w.shape} in the next"
        if v.kind == "outside" and outside[0].get(n) != outside[1].get(n):
            return "an array from outside the step held other numbers in the next step"
    return "" if len(first.values) == len(second.values) else "the steps met other arrays"


def _between(a: Call, b: Call, first: Program, second: Program, outside: Any) -> str:
    if a.name != b.name or not _same_function(a.function, b.function):
        return f"was {_name(a)} in one step and {_name(b)} in the next"
    for before, after in zip((*a.args, *a.kwargs.values()), (*b.args, *b.kwargs.values()), strict=False):
        if not same(before, after):
            return f"{_name(b)}, was given {_shown(before)} in one step and {_shown(after)} in the next"
        if type(before) is Ref and outside[0].get(before.number) != outside[1].get(before.number):
            return f"{_name(b)}, was given an array from outside the step that held other numbers in the next step"
    if len(a.args) != len(b.args) or a.kwargs.keys() != b.kwargs.keys():
        return f"{_name(b)}, was given other options in the next step"
    if (a.results, a.several, a.target, a.makes) != (b.results, b.several, b.target, b.makes):
        return f"{_name(b)}, gave or wrote other arrays in the next step"
    for n, m in zip(a.results, b.results, strict=True):
        v, w = first.values[n], second.values[m]
        if _kind(v) != _kind(w):
            return f"{_name(b)}, gave shape {v.shape} in one step and {w.shape} in the next, or another view"
    return ""


def _kind(value: Any) -> Any:
    return value.kind, value.shape, value.dtype, value.storage


def _same_function(f: Callable[..., Any], g: Callable[..., Any]) -> bool:
    return f is g or getattr(f, "__code__", f) is getattr(g, "__code__", g)


def same(a: Any, b: Any) -> bool:
    """Whether two constants are the same, to the last bit, in nests too."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, slice):
        return same((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if hasattr(a, "tobytes") and not isinstance(a, type):  # numbers of NumPy's
        return bool(a.tobytes() == b.tobytes())
    if isinstance(a, float | complex):
        return repr(a) == repr(b)
    return a is b or bool(a == b)


def _name(call: Call) -> str:
    return f"{call.name}{at(call.line)}"


def _shown(x: Any) -> str:
    return "another array" if type(x) is Ref else f"{x!r:.40}"
