"""The array that takes part in a differentiation.

A `Tensor` follows the Array API standard, so code written for NumPy or CuPy through `x.__array_namespace__()` runs on
it unchanged. What it records, and how that is walked back, is in `tape`; what each operation's derivative is, in the
rule files.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from xpnn.arrays.namespaces import Array, Namespace, array_device, namespace_of
from xpnn.autodiff.where import advice, at, user_line

__all__ = ["Tensor"]

# NumPy's and CuPy's functions behind the operators, with the names of the rules
_UFUNCS = {
    **{name: name for name in "add subtract multiply divide floor_divide remainder matmul".split()},
    **{name: name for name in "equal not_equal less less_equal greater greater_equal".split()},
    **{name: name for name in "bitwise_and bitwise_or bitwise_xor".split()},
    **{"power": "pow", "left_shift": "bitwise_left_shift", "right_shift": "bitwise_right_shift"},
    "true_divide": "divide",
}

rules: Any = None
"""The differentiable functions that the operators below run. Rules are made of Tensors and Tensors of rules; the module
`namespace`, which knows all rules, closes the circle by setting this once."""


def _not_differentiable(function: str) -> TypeError:
    return TypeError(
        f"{function} got a Tensor, and what it computes cannot be differentiated: use the functions of the "
        f"Tensor's own namespace, xp = xpnn.namespace_of(y), such as xp.sum(y) and xp.exp(y){at(user_line())}"
    )


def _in_place(operation: Callable[[Any, Any], Any], symbol: str) -> Callable[[Tensor, Any], Tensor]:
    """The method behind `x += y`, from the one behind `x + y`."""

    def method(self: Tensor, other: Any, /) -> Any:
        return rules.replace(self, operation(self, other), symbol)

    return method


class Tensor:
    """An array inside a differentiation: a value, and its place on a tape.

    Tensors are made by `grad` and its relatives, not by hand. They follow the Array API standard: attributes and
    operators are here, functions are in `x.__array_namespace__()`. A Tensor that does not depend on anything
    differentiated (a comparison, a constant) converts to `bool`, `int` and `float`; one that does refuses what would
    lose its gradient.
    """

    __slots__ = ("__weakref__", "_source", "_tape", "_value", "_variable", "_views")
    __array_priority__ = 1000  # `array * tensor` is ours, for libraries that look at this
    stands_on_another = True  # the namespace depends on the value, not on the type

    _source: Any
    _views: Any

    def __init__(self, value: Array, tape: Any, variable: int) -> None:
        self._value = value
        self._tape = tape
        self._variable = variable
        self._source = self._views = None  # what it is a view of, and its own views (see `writing`)

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Namespace:
        value = self._value
        while type(value) is Tensor:
            value = value._value
        return rules.namespace_over(namespace_of(value))

    shape = property(attrgetter("_value.shape"), doc="Lengths of the axes.")
    dtype = property(attrgetter("_value.dtype"), doc="Type of the elements.")
    ndim = property(attrgetter("_value.ndim"), doc="Number of axes.")
    size = property(attrgetter("_value.size"), doc="Number of elements.")
    device = property(lambda self: array_device(self._value), doc="Where the array lives.")
    T = property(lambda self: rules.transpose(self), doc="The transposed matrix.")
    mT = property(lambda self: rules.matrix_transpose(self), doc="The last two axes exchanged.")
    real = property(lambda self: rules.real(self), doc="The real part.")
    imag = property(lambda self: rules.imag(self), doc="The imaginary part.")

    def __getattr__(self, name: str) -> Any:
        hint = ": use the functions of the standard, such as xp.sum(x) with xp = xpnn.namespace_of(x)"
        raise AttributeError(f"a Tensor has no {name}" + ("" if name.startswith("_") else hint + at(user_line())))

    def to_device(self, device: Any, /, *, stream: Any = None) -> Tensor:
        """The same Tensor, if `device` is where it lives; NotImplementedError for another device."""
        if device != self.device:
            raise NotImplementedError(
                "a Tensor cannot move to another device inside a differentiation: move the inputs"
            )
        return self

    def __repr__(self) -> str:
        place = "constant" if self._tape is None else f"level {self._tape.level}"
        return f"Tensor({self._value!r}, {place})"

    def __format__(self, form: str) -> str:
        """As the array inside: text for people, which no gradient is asked of."""
        value = self._value
        while type(value) is Tensor:
            value = value._value
        return format(value, form) if form else str(self)

    def __copy__(self) -> Tensor:
        return Tensor(self._value, self._tape, self._variable)  # the arrays inside are never written to

    def __deepcopy__(self, memo: Any) -> Tensor:
        return self.__copy__()

    def __reduce__(self) -> Any:
        raise TypeError("a Tensor belongs to a differentiation and cannot be pickled: return it as an auxiliary value")

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d Tensor")
        return int(self.shape[0])

    def __iter__(self) -> Any:
        return (self[position] for position in range(len(self)))

    def _plain(self, what: str) -> Any:
        """The innermost array, if no gradient can be lost by looking at it."""
        if self._tape is None:
            return self._value
        if self._tape.closed:
            raise TypeError(
                f"{what} of a Tensor whose differentiation has ended: return it from there as an auxiliary value "
                f"(value_and_grad(f, aux=True)), which is a plain array{at(user_line())}"
            )
        raise TypeError(
            f"{what} of a Tensor on the way to a gradient would lose the gradient: {advice()}{at(user_line())}"
        )

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"the truth of an array of shape {self.shape} is ambiguous: write xp.any(x), xp.all(x), or choose "
                f"element by element with xp.where(x, a, b){at(user_line())}"
            )
        return bool(self._value)

    def __float__(self) -> float:
        return float(self._plain("float()"))

    def __int__(self) -> int:
        return int(self._plain("int()"))

    def __complex__(self) -> complex:
        return complex(self._plain("complex()"))

    def __index__(self) -> int:
        result: int = self._plain("an integer index").__index__()
        return result

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self._plain("conversion to NumPy").__array__(*(() if dtype is None else (dtype,)))
        return array.copy() if copy else array

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        given = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        options = {name: option for name, option in given.items() if option is not None}  # NumPy 2.0 knows only some
        return self._plain("export by DLPack").__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._plain("export by DLPack").__dlpack_device__()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """What NumPy runs for `array * tensor`: the operators of a raw array and a Tensor are ours."""
        if ufunc.__name__ in _UFUNCS and method == "__call__" and not options:
            return getattr(rules, _UFUNCS[ufunc.__name__])(*inputs)
        raise _not_differentiable(f"numpy.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}"))

    def __cupy_override_elementwise_kernel__(self, kernel: Any, *inputs: Any, **options: Any) -> Any:
        """The same, called by elementwise functions of CuPy's."""
        name = kernel.name.removeprefix("cupy_")
        if name != kernel.name and name in _UFUNCS and not options:
            return getattr(rules, _UFUNCS[name])(*inputs)
        raise _not_differentiable(f"cupy.{name}" if name != kernel.name else f"the kernel {name}")

    def __setitem__(self, key: Any, value: Any, /) -> None:
        rules.write(self, key, value)

    def __getitem__(self, key: Any) -> Any:
        return rules.getitem(self, key)

    def __hash__(self) -> int:
        return id(self)

    def __pos__(self) -> Any:
        return rules.positive(self)

    def __neg__(self) -> Any:
        return rules.negative(self)

    def __abs__(self) -> Any:
        return rules.abs(self)

    def __invert__(self) -> Any:
        return rules.bitwise_invert(self)

    def __add__(self, other: Any) -> Any:
        return rules.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return rules.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return rules.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return rules.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return rules.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return rules.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return rules.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return rules.divide(other, self)

    def __pow__(self, other: Any) -> Any:
        return rules.pow(self, other)

    def __rpow__(self, other: Any) -> Any:
        return rules.pow(other, self)

    def __matmul__(self, other: Any) -> Any:
        return rules.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return rules.matmul(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return rules.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return rules.floor_divide(other, self)

    def __mod__(self, other: Any) -> Any:
        return rules.remainder(self, other)

    def __rmod__(self, other: Any) -> Any:
        return rules.remainder(other, self)

    def __and__(self, other: Any) -> Any:
        return rules.bitwise_and(self, other)

    def __rand__(self, other: Any) -> Any:
        return rules.bitwise_and(other, self)

    def __or__(self, other: Any) -> Any:
        return rules.bitwise_or(self, other)

    def __ror__(self, other: Any) -> Any:
        return rules.bitwise_or(other, self)

    def __xor__(self, other: Any) -> Any:
        return rules.bitwise_xor(self, other)

    def __rxor__(self, other: Any) -> Any:
        return rules.bitwise_xor(other, self)

    def __lshift__(self, other: Any) -> Any:
        return rules.bitwise_left_shift(self, other)

    def __rlshift__(self, other: Any) -> Any:
        return rules.bitwise_left_shift(other, self)

    def __rshift__(self, other: Any) -> Any:
        return rules.bitwise_right_shift(self, other)

    def __rrshift__(self, other: Any) -> Any:
        return rules.bitwise_right_shift(other, self)

    def __eq__(self, other: Any) -> Any:
        return rules.equal(self, other)

    def __ne__(self, other: Any) -> Any:
        return rules.not_equal(self, other)

    def __lt__(self, other: Any) -> Any:
        return rules.less(self, other)

    def __le__(self, other: Any) -> Any:
        return rules.less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return rules.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return rules.greater_equal(self, other)

    __iadd__ = _in_place(operator.add, "+=")
    __isub__ = _in_place(operator.sub, "-=")
    __imul__ = _in_place(operator.mul, "*=")
    __itruediv__ = _in_place(operator.truediv, "/=")
    __ifloordiv__ = _in_place(operator.floordiv, "//=")
    __imod__ = _in_place(operator.mod, "%=")
    __ipow__ = _in_place(operator.pow, "**=")
    __imatmul__ = _in_place(operator.matmul, "@=")
    __iand__ = _in_place(operator.and_, "&=")
    __ior__ = _in_place(operator.or_, "|=")
    __ixor__ = _in_place(operator.xor, "^=")
    __ilshift__ = _in_place(operator.lshift, "<<=")
    __irshift__ = _in_place(operator.rshift, ">>=")
