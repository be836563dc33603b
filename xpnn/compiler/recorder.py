"""Recording: arrays that note every call made on them, while the calls are made.

A `Traced` array holds a plain one. Its namespace stands on the library's: each function runs on the plain arrays inside
and is noted in a `Program`. So a recorded step does everything that the step does, with the same numbers, and what it
did is there to be done again. The differentiable namespace stands on this one as it stands on NumPy's: forward,
backward and update are noted alike, and no layer knows.

What a recording cannot hold raises, with the user's line: a look at a number inside an array (`float`, `if`), or a
result whose shape depends on the numbers.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from xpnn.arrays.namespaces import Array, Namespace, array_device
from xpnn.autodiff.where import at, user_line
from xpnn.compiler.program import Call, Program, Ref, Value, replaced

__all__ = ["CannotRecord", "Recorder", "Traced"]

# Results share the memory of their first argument, as far as the library can
VIEWS = frozenset(
    "reshape permute_dims matrix_transpose moveaxis expand_dims squeeze broadcast_to flip real imag getitem asarray "
    "astype".split()
)
MAKERS = frozenset(
    "arange asarray empty empty_like eye full full_like linspace ones ones_like zeros zeros_like".split()
)
BY_DATA = frozenset("nonzero unique_all unique_counts unique_inverse unique_values".split())  # shapes depend on numbers
_UFUNCS = {
    **{name: name for name in "add subtract multiply divide floor_divide remainder matmul equal not_equal".split()},
    **{name: name for name in "less less_equal greater greater_equal bitwise_and bitwise_or bitwise_xor".split()},
    **{"power": "pow", "left_shift": "bitwise_left_shift", "right_shift": "bitwise_right_shift"},
}


class CannotRecord(RuntimeError):
    """A step does something that a recording cannot hold; the message says what, where, and what to write instead."""


class Recorder:
    """The recording of one step on arrays of one library."""

    _active = threading.local()

    def __init__(self, xp: Namespace) -> None:
        self.xp = xp
        self.program = Program()
        self.by_id: dict[int, int] = {}  # plain arrays met, by identity
        self.kept: list[Any] = []  # so that identities stay what they are
        self.overlap: Callable[[Array, Array], bool] = _overlap_of(xp)
        self.roots: list[tuple[int, Array]] = []  # arrays of state and outside, whose memory others may share

    def __enter__(self) -> Recorder:
        if getattr(Recorder._active, "recorder", None) is not None:
            raise CannotRecord("a step that is being recorded called another compiled step: compile the outer one only")
        Recorder._active.recorder = self
        return self

    def __exit__(self, *problem: object) -> None:
        Recorder._active.recorder = None

    @classmethod
    def active(cls) -> Recorder | None:
        found: Recorder | None = getattr(cls._active, "recorder", None)
        return found

    # Values

    def given(self, array: Array, kind: str, name: str = "") -> Traced:
        """`array`, of the step's arguments or state or from outside, as an array that records."""
        number = self.by_id.get(id(array))
        if number is None:
            number = self._new(array, kind, name)
        return Traced(array, self, number)

    def _new(self, array: Array, kind: str, name: str = "", storage: int | None = None) -> int:
        number = len(self.program.values)
        if storage is None:
            storage = number
            if kind in ("state", "outside"):
                storage = next((n for n, other in self.roots if self.overlap(array, other)), number)
                self.roots.append((storage, array))
        own = array if kind in ("state", "outside") else None
        self.program.values.append(Value(kind, tuple(array.shape), array.dtype, storage, own, name))
        self.by_id[id(array)] = number
        self.kept.append(array)
        return number

    def ref(self, x: Any) -> Any:
        """A `Ref` for an array, Traced or plain; anything else as it is."""
        if type(x) is Traced:
            if x.recorder is not self:
                raise CannotRecord(f"an array of another recording was used: it was kept from an earlier step{_here()}")
            return Ref(x.number)
        if hasattr(x, "dtype") and hasattr(x, "shape") and not isinstance(x, type) and not _is_scalar(x):
            return Ref(self.given(x, "outside").number)
        return x

    # Calls

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], name: str = "") -> Any:
        """Make a call on the plain arrays, note it, and give its results as arrays that record."""
        name = name or function.__name__
        if name in BY_DATA:
            raise CannotRecord(
                f"the shape of what {name} gives depends on the numbers in the array, so the step cannot be recorded: "
                f"use a mask of fixed shape (xp.where, products){_here()}"
            )
        refs, options = replaced(tuple(args), self.ref), replaced(dict(kwargs), self.ref)
        result = function(*replaced(tuple(args), lowered), **replaced(dict(kwargs), lowered))
        several = isinstance(result, tuple | list)
        parts = list(result) if several else [result]
        shares = refs[0].number if name in VIEWS and refs and type(refs[0]) is Ref else None
        numbers = [self._result(part, shares, args) for part in parts if hasattr(part, "dtype")]
        makes = name in MAKERS and not any(type(a) is Traced for a in args)
        self.program.calls.append(
            Call(name, function, refs, options, tuple(numbers), several=several, makes=makes, line=user_line())
        )
        if not numbers:
            return result
        traced = [Traced(part, self, number) for part, number in zip(parts, numbers, strict=True)]
        if not several:
            return traced[0]
        return type(result)(*traced) if hasattr(result, "_fields") else type(result)(traced)

    def _result(self, array: Array, shares: int | None, args: Sequence[Any]) -> int:
        storage = None
        if shares is not None and self.overlap(array, lowered(args[0])):
            storage = self.program.values[shares].storage
        return self._new(array, "result", storage=storage)

    def write(self, target: Traced, key: Any, value: Any) -> None:
        """`target[key] = value`, on the plain array and in the notes."""
        refs = replaced((key, value), self.ref)
        operator.setitem(target.plain, replaced(key, lowered), lowered(value))
        self.program.calls.append(
            Call("setitem", operator.setitem, refs, {}, (), target=target.number, line=user_line())
        )

    def write_result(self, target: Traced, name: str, other: Any) -> Traced:
        """`target += other` and its kind: the call's result goes into the target's own memory."""
        in_place = getattr(operator, f"__i{name.strip('_')}__", None) or getattr(operator, name)
        refs = (Ref(target.number), self.ref(other))
        after = in_place(target.plain, lowered(other))
        if after is not target.plain:  # a scalar: the name now stands for another array
            number = self._new(after, "result")
            function = getattr(operator, _OUT_OF_PLACE[name])
            self.program.calls.append(Call(_STANDARD[name], function, refs, {}, (number,), line=user_line()))
            return Traced(after, self, number)
        self.program.calls.append(
            Call(_STANDARD[name], in_place, refs, {}, (), target=target.number, line=user_line())
        )
        return target


_STANDARD = {
    "iadd": "add", "isub": "subtract", "imul": "multiply", "itruediv": "divide", "ifloordiv": "floor_divide",
    "imod": "remainder", "ipow": "pow", "imatmul": "matmul", "iand": "bitwise_and", "ior": "bitwise_or",
    "ixor": "bitwise_xor", "ilshift": "bitwise_left_shift", "irshift": "bitwise_right_shift",
}  # fmt: skip
_OUT_OF_PLACE = {name: name[1:] if name[1:] not in ("and", "or") else f"{name[1:]}_" for name in _STANDARD}


def lowered(x: Any) -> Any:
    """The plain array in a Traced one; anything else as it is."""
    return x.plain if type(x) is Traced else x


def _is_scalar(x: Any) -> bool:
    """Whether `x` is a number of NumPy's, which is a constant like a Python number."""
    return type(x).__module__ == "numpy" and type(x).__name__ != "ndarray"


def _here() -> str:
    return at(user_line())


def _overlap_of(xp: Namespace) -> Callable[[Array, Array], bool]:
    """Whether two arrays may share memory; where a library cannot tell, arrays of equal shape may."""
    return getattr(xp, "may_share_memory", None) or (lambda a, b: a is b)


class RecordingNamespace:
    """The functions of a library's namespace, each of which is noted by the recording under way."""

    def __init__(self, stands_on: Namespace) -> None:
        self.stands_on = stands_on
        self.__name__ = f"recording namespace over {stands_on.__name__}"

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.stands_on, name)
        value = found
        if name in ("linalg", "fft"):
            value = RecordingNamespace(found)
        elif callable(found) and not isinstance(found, type) and name not in _OF_DTYPES:
            value = _noted(name, found)
        setattr(self, name, value)
        return value


_OF_DTYPES = frozenset("finfo iinfo isdtype can_cast result_type broadcast_shapes __array_namespace_info__".split())


def _noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        recorder = Recorder.active()
        if recorder is None:
            raise CannotRecord(
                f"{name} was given an array of a recording that has ended: it was kept from a step{_here()}"
            )
        return recorder.call(function, args, kwargs, name)

    call.__name__ = name
    return call


_over: dict[int, RecordingNamespace] = {}


def _namespace_over(xp: Namespace) -> RecordingNamespace:
    found = _over.get(id(xp))
    if found is None:
        found = _over[id(xp)] = RecordingNamespace(xp)
    return found


def _looked_at(what: str) -> Any:
    def refuse(self: Traced, *args: Any, **kwargs: Any) -> Any:
        raise CannotRecord(
            f"{what} looks at a number inside an array, which a recorded step cannot do: choose with xp.where, keep "
            f"the number in an array of the state, or do it outside the step{_here()}"
        )

    return refuse


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
    return lambda self, other: self.recorder.write_result(self, name, other)


class Traced:
    """A plain array whose calls are noted."""

    __slots__ = ("__weakref__", "number", "plain", "recorder")
    __array_priority__ = 900
    stands_on_another = True
    records_calls = True

    def __init__(self, plain: Array, recorder: Recorder, number: int) -> None:
        self.plain, self.recorder, self.number = plain, recorder, number

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Namespace:
        return _namespace_over(self.recorder.xp)

    shape = property(attrgetter("plain.shape"))
    dtype = property(attrgetter("plain.dtype"))
    ndim = property(attrgetter("plain.ndim"))
    size = property(attrgetter("plain.size"))
    device = property(lambda self: array_device(self.plain))
    T = property(lambda self: self._view("matrix_transpose") if self.ndim == 2 else self.plain.T)
    mT = property(lambda self: self._view("matrix_transpose"))
    real = property(lambda self: self._view("real"))
    imag = property(lambda self: self._view("imag"))

    def _view(self, name: str) -> Any:
        return getattr(_namespace_over(self.recorder.xp), name)(self)

    def to_device(self, device: Any, /, *, stream: Any = None) -> Traced:
        """The same array, if `device` is where it lives."""
        if device != self.device:
            raise CannotRecord(f"a recorded step cannot move an array to another device{_here()}")
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
            raise CannotRecord(
                "the shape of x[mask] depends on the numbers in the mask, so the step cannot be recorded: "
                f"use xp.where or a product with the mask{_here()}"
            )
        return self.recorder.call(operator.getitem, (self, key), {}, "getitem")

    def __setitem__(self, key: Any, value: Any) -> None:
        self.recorder.write(self, key, value)

    def __hash__(self) -> int:
        return id(self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        name = _UFUNCS.get(ufunc.__name__)
        if name is not None and method == "__call__" and not options:
            return self.recorder.call(getattr(operator, _OPERATORS[name]), inputs, {}, name)
        raise CannotRecord(
            f"numpy.{ufunc.__name__} was called on an array that is being recorded: use the functions of its own "
            f"namespace, xp = xpnn.namespace_of(x){_here()}"
        )

    __array__ = _looked_at("conversion to NumPy")
    __dlpack__ = _looked_at("export by DLPack")
    __bool__ = _looked_at("a condition (if, while, and, or)")
    __float__ = _looked_at("float()")
    __int__ = _looked_at("int()")
    __complex__ = _looked_at("complex()")
    __index__ = _looked_at("an index")
    item = _looked_at(".item()")
    tolist = _looked_at(".tolist()")

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
