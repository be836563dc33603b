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
import weakref
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from xpnn.arrays.namespaces import Array, Namespace
from xpnn.arrays.native import share_memory, to_host
from xpnn.autodiff.where import user_line
from xpnn.compiler.program import LEAVES, Call, Program, Ref, Value, each_ref, replaced
from xpnn.compiler.refusals import CannotRecord
from xpnn.compiler.traced import Traced, active, here, lowered

__all__ = ["Recorder", "digest"]

# Results share the memory of their first argument, as far as the library can
VIEWS = frozenset(
    "reshape permute_dims matrix_transpose moveaxis expand_dims squeeze broadcast_to flip real imag getitem asarray "
    "astype".split()
)
MAKERS = frozenset(
    "arange asarray empty empty_like eye full full_like linspace ones ones_like zeros zeros_like".split()
)
BY_DATA = frozenset("nonzero unique_all unique_counts unique_inverse unique_values".split())  # shapes depend on numbers
BY_NUMBERS = {  # arguments that decide the shape of the result, by position
    "reshape": (1,), "broadcast_to": (1,), "repeat": (1,), "tile": (1,), "full": (0,), "zeros": (0,), "ones": (0,),
    "empty": (0,), "eye": (0, 1), "arange": (0, 1, 2), "linspace": (2,), "expand_dims": (1,), "permute_dims": (1,),
}  # fmt: skip
BY_OPTION = frozenset("shape repeats repetitions num axis axes n_rows n_cols".split())


class Recorder:
    """The recording of one step on arrays of one library.

    If it `goes_on`, a step that looks at numbers runs to its end, so that its Python runs once; `problem` says why
    there will be no plan.
    """

    def __init__(self, xp: Namespace, *, goes_on: bool = False) -> None:
        self.xp = xp
        self.goes_on = goes_on
        self.problem: CannotRecord | None = None
        self.program = Program(xp=xp)
        self.by_id: dict[int, int] = {}  # plain arrays met, by identity
        self.kept: list[Any] = []  # so that identities stay what they are
        self.can_tell = hasattr(xp, "may_share_memory")
        self.overlap: Callable[[Array, Array], bool] = share_memory if self.can_tell else lambda a, b: True
        self.hidden: set[int] = set()  # storages that share memory unknown to the program
        self.roots: list[tuple[int, Array]] = []  # arrays that were there before, whose memory others may share
        self.outside: dict[int, bytes] = {}  # what the arrays from outside held when they were met
        self.ended = False
        self._made: list[weakref.ref[Traced]] = []
        self._before: dict[int, tuple[Array, Array]] = {}  # arguments and outside arrays, before they were written

    def __enter__(self) -> Recorder:
        active.recorder = self
        return self

    def __exit__(self, *problem: object) -> None:
        active.recorder = None
        self.ended = True

    def over(self) -> bool:
        """Whether arrays of this recording are as plain ones: it has ended, or this is another thread.

        An array that the step kept may come up in a step that runs plainly, and while one thread records, another may
        use the same model.
        """
        return self.ended or active.recorder is not self

    def refuse(self, message: str) -> None:
        """Raise, or note that there will be no plan."""
        problem = CannotRecord(message)
        if not self.goes_on:
            raise problem
        self.problem = self.problem or problem

    def wrapped(self, result: Any) -> Any:
        """What the library gave by itself, in a recording that goes on."""
        is_array = hasattr(result, "dtype") and hasattr(result, "shape") and not _is_scalar(result)
        return self.given(result, "outside") if is_array and not self.over() else result

    # Values

    def given(self, array: Array, kind: str, name: str = "") -> Traced:
        """`array`, of the step's arguments or state or from outside, as an array that records."""
        number = self.by_id.get(id(array))
        if number is None:
            number = self._new(array, kind, name)
            if kind == "outside":
                self.outside[number] = digest(array)
        return self._traced(array, number)

    def _traced(self, array: Array, number: int) -> Traced:
        made = Traced(array, self, number)
        self._made.append(weakref.ref(made))
        return made

    def alive(self) -> list[Traced]:
        """The arrays of this recording that something still holds."""
        return [found for found in (made() for made in self._made) if found is not None]

    def _root(self, array: Array, number: int) -> int:
        """The storage of an array that was there before: one for all that share memory with it."""
        found = sorted({storage for storage, other in self.roots if self.overlap(array, other)})
        storage, *others = found or [number]
        if others:  # what was apart so far is one
            for value in self.program.values:
                value.storage = storage if value.storage in others else value.storage
            self.roots = [(storage if n in others else n, other) for n, other in self.roots]
        self.roots.append((storage, array))
        return storage

    def _new(self, array: Array, kind: str, name: str = "", storage: int | None = None) -> int:
        number = len(self.program.values)
        if storage is None:
            storage = number if kind == "result" else self._root(array, number)
        own = array if kind in ("state", "outside") else None
        self.program.values.append(Value(kind, tuple(array.shape), array.dtype, storage, own, name))
        self.by_id.setdefault(id(array), number)  # a view may be the very same object
        self.kept.append(array)
        return number

    def ref(self, x: Any) -> Any:
        """A `Ref` for an array, Traced or plain; anything else as it is."""
        if type(x) is Traced:
            if x.recorder is not self:
                raise CannotRecord(f"an array of another recording was used: it was kept from an earlier step{here()}")
            return Ref(x.number)
        if type(x) in LEAVES:
            return x
        if hasattr(x, "dtype") and hasattr(x, "shape") and not isinstance(x, type) and not _is_scalar(x):
            return Ref(self.given(x, "outside").number)
        return x

    # Calls

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], name: str = "") -> Any:
        """Make a call on the plain arrays, note it, and give its results as arrays that record."""
        name = name or function.__name__
        if self.over():
            return function(*replaced(tuple(args), lowered), **replaced(dict(kwargs), lowered))
        if name in BY_DATA or _shaped_by_numbers(name, args, kwargs):
            self.refuse(
                f"the shape of what {name} gives depends on the numbers in an array, so the step cannot be recorded: "
                f"use a mask of fixed shape (xp.where, products), or Python integers for shapes{here()}"
            )
        refs, plain = self._both(args)
        options = replaced(kwargs, self.ref)
        result = function(*plain, **replaced(kwargs, lowered))
        several = isinstance(result, tuple | list)
        parts = list(result) if several else [result]
        shares = refs[0].number if name in VIEWS and refs and type(refs[0]) is Ref else None
        numbers = [self._result(part, shares, args) for part in parts if hasattr(part, "dtype")]
        makes = name in MAKERS and not each_ref((refs, options))
        self.program.calls.append(
            Call(name, function, refs, options, tuple(numbers), several=several, makes=makes, line=user_line())
        )
        if not numbers:
            return result
        traced = [self._traced(part, number) for part, number in zip(parts, numbers, strict=True)]
        if not several:
            return traced[0]
        return type(result)(*traced) if hasattr(result, "_fields") else type(result)(traced)

    def _both(self, args: Sequence[Any]) -> tuple[tuple[Any, ...], list[Any]]:
        """The arguments as `ref` gives them, and with the plain arrays."""
        refs, plain = [], []
        for x in args:
            kind = type(x)
            if kind in LEAVES:
                refs.append(x)
                plain.append(x)
            elif kind is Traced:
                refs.append(self.ref(x))
                plain.append(x.plain)
            else:
                refs.append(replaced(x, self.ref))
                plain.append(replaced(x, lowered))
        return tuple(refs), plain

    def _result(self, array: Array, shares: int | None, args: Sequence[Any]) -> int:
        storage = None
        if shares is not None and self.overlap(array, lowered(args[0])):
            storage = self.program.values[shares].storage
        elif shares is None and self.can_tell:
            self._note_hidden(array, args)
        return self._new(array, "result", storage=storage)

    def _note_hidden(self, array: Array, args: Sequence[Any]) -> None:
        """Note memory that a function not known to give views shares: a plan has it twice."""
        for x in args:
            parts = x if type(x) in (tuple, list) else (x,)
            for part in parts:
                if type(part) is Traced and self.overlap(array, part.plain):
                    self.hidden |= {self.program.values[part.number].storage, len(self.program.values)}

    def write(self, target: Traced, key: Any, value: Any) -> None:
        """`target[key] = value`, on the plain array and in the notes."""
        if self.over():
            operator.setitem(target.plain, replaced(key, lowered), lowered(value))
            return
        self._keep(target)
        refs = replaced((key, value), self.ref)
        operator.setitem(target.plain, replaced(key, lowered), lowered(value))
        self.program.calls.append(
            Call("setitem", operator.setitem, refs, {}, (), target=target.number, line=user_line())
        )

    def write_result(self, target: Traced, name: str, other: Any) -> Traced:
        """`target += other` and its kind: the call's result goes into the target's own memory."""
        in_place = getattr(operator, name)
        if self.over():
            after: Any = in_place(target.plain, lowered(other))
            return after if after is not target.plain else target
        self._keep(target)
        refs = (Ref(target.number), self.ref(other))
        after = in_place(target.plain, lowered(other))
        if after is not target.plain:  # a scalar: the name now stands for another array
            number = self._new(after, "result")
            function = getattr(operator, _OUT_OF_PLACE[name])
            self.program.calls.append(Call(_STANDARD[name], function, refs, {}, (number,), line=user_line()))
            return self._traced(after, number)
        self.program.calls.append(Call(_STANDARD[name], in_place, refs, {}, (), target=target.number, line=user_line()))
        return target

    def _keep(self, target: Traced) -> None:
        """Copy an argument or outside array before it is first written, to go back to if the recording fails."""
        storage = self.program.values[target.number].storage
        if storage in self.hidden:
            raise CannotRecord(
                "the step writes into an array that shares memory with another by a function that a plan copies for "
                f"(xp.unstack, xp.broadcast_arrays): write into a copy, xp.asarray(x, copy=True){here()}"
            )
        root = self.program.values[storage]
        if root.kind in ("argument", "outside") and target.number not in self._before:
            self._before[target.number] = (target.plain, self.xp.asarray(target.plain, copy=True))

    def forget(self) -> None:
        """Let go of the arrays of the run, but those that were there before."""
        self.kept.clear()  # of the executor too
        self._before, self._made, self.roots = {}, [], []

    def undo(self) -> None:
        """Give the arguments and outside arrays that were written what they held before."""
        for array, copy in reversed(self._before.values()):
            array[...] = copy


def digest(array: Array) -> bytes:
    """A fingerprint of the numbers in an array."""
    return blake2b(to_host(array).tobytes()).digest()


def _shaped_by_numbers(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Whether an array stands where the shape of the result is said."""
    if not kwargs and name not in BY_NUMBERS and name != "getitem":
        return False
    if name == "getitem":
        parts = args[1] if type(args[1]) is tuple else (args[1],)
        return any(_holds_traced((part.start, part.stop, part.step)) for part in parts if isinstance(part, slice))
    places = [args[n] for n in BY_NUMBERS.get(name, ()) if n < len(args)]
    options = [option for key, option in kwargs.items() if key in BY_OPTION or name == "arange"]
    return _holds_traced(places) or _holds_traced(options)


def _holds_traced(x: Any) -> bool:
    return any(map(_holds_traced, x)) if type(x) in (tuple, list) else type(x) is Traced


_STANDARD = {
    "iadd": "add", "isub": "subtract", "imul": "multiply", "itruediv": "divide", "ifloordiv": "floor_divide",
    "imod": "remainder", "ipow": "pow", "imatmul": "matmul", "iand": "bitwise_and", "ior": "bitwise_or",
    "ixor": "bitwise_xor", "ilshift": "bitwise_left_shift", "irshift": "bitwise_right_shift",
}  # fmt: skip
_OUT_OF_PLACE = {name: name[1:] if name[1:] not in ("and", "or") else f"{name[1:]}_" for name in _STANDARD}


def _is_scalar(x: Any) -> bool:
    """Whether `x` is a number of NumPy's, which is a constant like a Python number."""
    return type(x).__module__ == "numpy" and type(x).__name__ != "ndarray"
