"""Arrays that note every call made on them, and the namespace of their functions.

A `Traced` array holds a plain one. An operator or function runs on the plain arrays inside, and the recorder of the
step notes it. What would look at the numbers is refused while the recording lasts; afterwards an array that the step
kept behaves as the plain one.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from xpnn.arrays.namespaces import Array, Namespace, array_device
from xpnn.arrays.native import to_host
from xpnn.autodiff.where import at, user_line
from xpnn.compiler.program import replaced
from xpnn.compiler.refusals import CannotRecord, NoAttribute

__all__ = ["Traced", "active", "here", "lowered"]

_UFUNCS = {
    **{name: name for name in "add subtract multiply divide floor_divide remainder matmul equal not_equal".split()},
    **{name: name for name in "less less_equal greater greater_equal bitwise_and bitwise_or bitwise_xor".split()},
    **{"power": "pow", "left_shift": "bitwise_left_shift", "right_shift": "bitwise_right_shift"},
}


class _Active(threading.local):
    recorder: Any = None


active = _Active()
"""The recorder of the step that is being recorded in this thread."""


def here() -> str:
    """The user's line, for the end of a message."""
    return at(user_line())


def lowered(x: Any) -> Any:
    """The plain array in a Traced one; anything else as it is."""
    return x.plain if type(x) is Traced else x


class RecordingNamespace:
    """The functions of a library's namespace, each of which is noted by the recording under way."""

    def __init__(self, stands_on: Namespace) -> None:
        self.stands_on = stands_on
        self.__name__ = f"recording namespace over {stands_on.__name__}"

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.stands_on, name)
        value = found
        if name in ("linalg", "fft") and not callable(found):
            value = RecordingNamespace(found)
        elif callable(found) and not isinstance(found, type) and name not in _OF_DTYPES:
            value = _noted(name, found)
        setattr(self, name, value)
        return value


_OF_DTYPES = frozenset("finfo iinfo isdtype can_cast result_type broadcast_shapes __array_namespace_info__".split())


def _noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        recorder = active.recorder
        if recorder is None:  # an array that was kept, in a step that now runs plainly
            return function(*replaced(args, lowered), **replaced(kwargs, lowered))
        return recorder.call(function, args, kwargs, name)

    call.__name__ = name
    return call


_over: dict[int, RecordingNamespace] = {}


def _namespace_over(xp: Namespace) -> RecordingNamespace:
    found = _over.get(id(xp))
    if found is None:
        found = _over[id(xp)] = RecordingNamespace(xp)
    return found


def _looked_at(what: str, look: Callable[..., Any]) -> Any:
    def refuse(self: Traced, *args: Any, **kwargs: Any) -> Any:
        if not self.recorder.over():
            self.recorder.refuse(
                f"{what} looks at a number inside an array, which a recorded step cannot do: choose with xp.where, "
                f"keep the number in an array of the state, or do it outside the step{here()}"
            )
        return look(self.plain, *args, **kwargs)

    return refuse


def _method(name: str) -> Any:
    return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


def _to_numpy(self: Traced, *args: Any, **kwargs: Any) -> Any:
    if not self.recorder.over():
        self.recorder.refuse(
            "an array that is being recorded was converted to NumPy, or written into an array that is not part of the "
            "state: use functions of its own namespace, xp = xpnn.namespace_of(x), and name what the step writes in "
            f"compile(step, state=...){here()}"
        )
    return to_host(self.plain).__array__(*args, **kwargs)


def _operator(name: str, *, reflected: bool = False) -> Any:
    """The method behind an operator: Python's own operator on the plain arrays, noted by the standard's name."""
    function = getattr(operator, _OPERATORS[name])

    def method(self: Traced, other: Any, /) -> Any:
        if not isinstance(other, int | float | complex) and not hasattr(other, "dtype"):
            return NotImplemented
        if getattr(type(other), "stands_on_another", False) and type(other) is not Traced:
            return NotImplemented  # a Tensor, which stands on this
        return self.recorder.call(function, (other, self) if reflected else (self, other), {}, name)

    return method


_OPERATORS = {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "truediv", "floor_divide": "floordiv",
    "remainder": "mod", "pow": "pow", "matmul": "matmul", "bitwise_and": "and_", "bitwise_or": "or_",
    "bitwise_xor": "xor", "bitwise_left_shift": "lshift", "bitwise_right_shift": "rshift", "equal": "eq",
    "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge",
    "positive": "pos", "negative": "neg", "abs": "abs", "bitwise_invert": "invert",
}  # fmt: skip


def _unary(name: str) -> Any:
    function = getattr(operator, _OPERATORS[name])
    return lambda self: self.recorder.call(function, (self,), {}, name)


def _in_place(name: str) -> Any:
    def method(self: Traced, other: Any, /) -> Any:
        if getattr(type(other), "stands_on_another", False) and type(other) is not Traced:
            return NotImplemented
        return self.recorder.write_result(self, name, other)

    return method


class Traced:
    """A plain array whose calls are noted."""

    __slots__ = ("__weakref__", "number", "plain", "recorder")
    __array_priority__ = 900
    stands_on_another = True
    records_calls = True

    def __init__(self, plain: Array, recorder: Any, number: int) -> None:
        self.plain, self.recorder, self.number = plain, recorder, number

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Namespace:
        return _namespace_over(self.recorder.xp)

    shape = property(attrgetter("plain.shape"))
    dtype = property(attrgetter("plain.dtype"))
    ndim = property(attrgetter("plain.ndim"))
    size = property(attrgetter("plain.size"))
    device = property(lambda self: array_device(self.plain))
    T = property(lambda self: self._view("permute_dims", tuple(range(self.ndim))[::-1]))
    mT = property(lambda self: self._view("matrix_transpose"))
    real = property(lambda self: self._view("real"))
    imag = property(lambda self: self._view("imag"))

    def _view(self, name: str, *options: Any) -> Any:
        return getattr(_namespace_over(self.recorder.xp), name)(self, *options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self.recorder.over():
            return getattr(self.plain, name)
        message = (
            f"an array that is being recorded has no {name}: use the functions of its namespace, "
            f"xp = xpnn.namespace_of(x), such as xp.{name}(x)"
        )
        method = getattr(self.plain, name, None)
        if not self.recorder.goes_on or not callable(method):
            raise NoAttribute(f"{message}{here()}")

        def call(*args: Any, **kwargs: Any) -> Any:  # only a call is a problem: hasattr may ask
            self.recorder.refuse(f"{message}{here()}")
            return self.recorder.wrapped(method(*replaced(args, lowered), **replaced(kwargs, lowered)))

        return call

    def to_device(self, device: Any, /, *, stream: Any = None) -> Traced:
        """The same array, if `device` is where it lives."""
        if device != self.device:
            raise CannotRecord(f"a recorded step cannot move an array to another device{here()}")
        return self

    def __repr__(self) -> str:
        return f"Traced(%{self.number}, {self.plain!r})"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return int(self.shape[0])

    def __iter__(self) -> Any:
        return (self[position] for position in range(len(self)))

    def __copy__(self) -> Traced:
        copied: Traced = _namespace_over(self.recorder.xp).asarray(self, copy=True)
        return copied

    def __deepcopy__(self, memo: Any) -> Traced:
        return self.__copy__()

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if any(getattr(part, "dtype", None) is not None and "bool" in str(part.dtype) for part in keys):
            self.recorder.refuse(
                "the shape of x[mask] depends on the numbers in the mask, so the step cannot be recorded: "
                f"use xp.where or a product with the mask{here()}"
            )
        return self.recorder.call(operator.getitem, (self, key), {}, "getitem")

    def __setitem__(self, key: Any, value: Any) -> None:
        self.recorder.write(self, key, value)

    def __hash__(self) -> int:
        return id(self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        name = _UFUNCS.get(ufunc.__name__)
        if self.recorder.over():
            return getattr(ufunc, method)(*map(lowered, inputs), **replaced(options, lowered))
        if name is not None and method == "__call__" and not options:
            return self.recorder.call(getattr(operator, _OPERATORS[name]), inputs, {}, name)
        self.recorder.refuse(
            f"numpy.{ufunc.__name__} was called on an array that is being recorded: use the functions of its own "
            f"namespace, xp = xpnn.namespace_of(x){here()}"
        )
        return self.recorder.wrapped(getattr(ufunc, method)(*map(lowered, inputs), **replaced(options, lowered)))

    def __cupy_override_elementwise_kernel__(self, kernel: Any, *inputs: Any, **options: Any) -> Any:
        """What elementwise functions of CuPy's call, as NumPy's call `__array_ufunc__`."""
        if not self.recorder.over():
            self.recorder.refuse(
                f"{kernel.name.replace('cupy_', 'cupy.', 1)} was called on an array that is being recorded: use the "
                f"functions of its own namespace, xp = xpnn.namespace_of(x){here()}"
            )
        made = kernel(*map(lowered, inputs), **replaced(options, lowered))
        return made if self.recorder.over() else self.recorder.wrapped(made)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if self.recorder.over():
            return function(*replaced(args, lowered), **replaced(kwargs, lowered))
        self.recorder.refuse(
            f"numpy.{function.__name__} was called on an array that is being recorded: use the functions of its own "
            f"namespace, xp = xpnn.namespace_of(x){here()}"
        )
        return self.recorder.wrapped(function(*replaced(args, lowered), **replaced(kwargs, lowered)))

    __array__ = _to_numpy
    __dlpack__ = _looked_at("export by DLPack", _method("__dlpack__"))
    __bool__ = _looked_at("a condition (if, while, and, or)", bool)
    __float__ = _looked_at("float()", float)
    __int__ = _looked_at("int()", int)
    __complex__ = _looked_at("complex()", complex)
    __index__ = _looked_at("an index", operator.index)
    __str__ = _looked_at("printing", str)
    __format__ = _looked_at("printing", format)
    __round__ = _looked_at("round()", round)
    item = _looked_at(".item()", _method("item"))
    tolist = _looked_at(".tolist()", _method("tolist"))

    __pos__, __neg__, __abs__, __invert__ = map(_unary, ("positive", "negative", "abs", "bitwise_invert"))
    __add__, __radd__ = _operator("add"), _operator("add", reflected=True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", reflected=True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", reflected=True)
    __truediv__, __rtruediv__ = _operator("divide"), _operator("divide", reflected=True)
    __floordiv__, __rfloordiv__ = _operator("floor_divide"), _operator("floor_divide", reflected=True)
    __mod__, __rmod__ = _operator("remainder"), _operator("remainder", reflected=True)
    __pow__, __rpow__ = _operator("pow"), _operator("pow", reflected=True)
    __matmul__, __rmatmul__ = _operator("matmul"), _operator("matmul", reflected=True)
    __and__, __rand__ = _operator("bitwise_and"), _operator("bitwise_and", reflected=True)
    __or__, __ror__ = _operator("bitwise_or"), _operator("bitwise_or", reflected=True)
    __xor__, __rxor__ = _operator("bitwise_xor"), _operator("bitwise_xor", reflected=True)
    __lshift__, __rlshift__ = _operator("bitwise_left_shift"), _operator("bitwise_left_shift", reflected=True)
    __rshift__, __rrshift__ = _operator("bitwise_right_shift"), _operator("bitwise_right_shift", reflected=True)
    __eq__, __ne__ = _operator("equal"), _operator("not_equal")
    __lt__, __le__, __gt__, __ge__ = map(_operator, ("less", "less_equal", "greater", "greater_equal"))
    __iadd__, __isub__, __imul__, __itruediv__ = map(_in_place, ("iadd", "isub", "imul", "itruediv"))
    __ifloordiv__, __imod__, __ipow__, __imatmul__ = map(_in_place, ("ifloordiv", "imod", "ipow", "imatmul"))
    __iand__, __ior__, __ixor__ = map(_in_place, ("iand", "ior", "ixor"))
    __ilshift__, __irshift__ = map(_in_place, ("ilshift", "irshift"))
