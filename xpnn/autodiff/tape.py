"""How a program is differentiated.

A `Tensor` is an array together with a note of how it came about. Every operation is a function marked
`@differentiable`. It returns its value and, for each argument, the function that carries a gradient back through it:

    @differentiable
    def multiply(a, b):
        def da(dy): return dy * b
        def db(dy): return dy * a
        return a * b, (da, db)

Called with plain arrays, such a function just gives its value. Called with Tensors, it runs on the arrays inside
them, and the `Tape` notes which variables went in, which came out, and the backward functions. To differentiate, walk
the tape from its end to its start: at each note, the gradient of the loss with respect to what came out is turned
into the gradient with respect to what went in. That is the chain rule, and it is all there is.

Every differentiation has its own tape with its own level. A Tensor may hold a Tensor of an outer level, so the
backward functions, written in array operations, are themselves recorded by the outer tape: derivatives of derivatives
need nothing more.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

from xpnn.arrays.namespaces import Array, array_device, is_complex, namespace_of
from xpnn.arrays.native import from_number
from xpnn.autodiff.tensor import Tensor
from xpnn.autodiff.where import at, user_line

__all__ = ["Tape", "as_one", "constant", "differentiable", "plain"]

Backward = Callable[[Any], Any]
P = ParamSpec("P")

_SEQUENCES = (tuple, list)
_levels = itertools.count(1)


class Tape:
    """The notes of one differentiation: for each operation, what went in, what came out, and the way back."""

    __slots__ = ("closed", "level", "nodes", "spent", "variables")

    def __init__(self) -> None:
        self.level = next(_levels)
        self.variables: list[tuple[tuple[int, ...], Any]] = []  # shape and dtype of each
        self.nodes: list[tuple[Any, list[int], int | list[int], Sequence[Any]]] = []
        self.closed = False  # the function has ended: nothing more may be noted
        self.spent = False  # the notes are freed

    def variable(self, value: Array) -> Tensor:
        """A new variable of this differentiation with `value`."""
        self.variables.append((value.shape, value.dtype))
        return Tensor(value, self, len(self.variables) - 1)

    def gradients(self, y: Tensor, dy: Array, wanted: Sequence[Tensor], *, keep: bool = False) -> list[Array | None]:
        """The gradients of `wanted`, given the gradient `dy` of the loss with respect to `y`; None where none arrives.

        The walk goes backward through the notes and frees each as it passes, unless told to `keep` them for another
        walk.
        """
        if self.spent:
            raise RuntimeError("this differentiation was already walked back and its notes are freed: compute it again")
        arrived: dict[int, Array] = {y._variable: dy}
        self.spent, self.closed = not keep, True
        variables = self.variables
        for function, inputs, output, backward in reversed(self.nodes) if keep else _pop_all(self.nodes):
            dy = self._several(output, arrived) if type(output) is list else arrived.pop(output, None)
            if dy is None:
                continue
            for variable, way_back in zip(inputs, backward, strict=False):  # a way too many is of no use
                if variable >= 0:
                    dx, (shape, dtype) = way_back(dy), variables[variable]
                    if getattr(dx, "dtype", None) is not dtype or dx.shape != shape:
                        dx = self._checked(dx, variable, function, backward.index(way_back))
                    before = arrived.get(variable)
                    arrived[variable] = dx if before is None else before + dx
        return [arrived.get(x._variable) for x in wanted]

    def _several(self, outputs: list[int], arrived: dict[int, Array]) -> tuple[Array, ...] | None:
        """The gradients of an operation with several outputs, zeros where none arrived."""
        dys = [arrived.get(output) for output in outputs]
        known = next((dy for dy in dys if dy is not None), None)
        if known is None:
            return None
        xp = namespace_of(known)
        for position, (dy, output) in enumerate(zip(dys, outputs, strict=True)):
            if dy is None:
                shape, dtype = self.variables[output]
                dys[position] = xp.zeros(shape, dtype=dtype, device=array_device(known))
        return tuple(dys)

    def _checked(self, dx: Array, variable: int, function: Any, position: int) -> Array:
        """`dx` in the dtype of its variable (a real variable has a real gradient), if it has the shape."""
        if not hasattr(dx, "dtype"):
            raise TypeError(
                f"the derivative of {function.__name__} for argument {position} gave {dx!r:.40}, expected an array"
            )
        shape, dtype = self.variables[variable]
        if dx.dtype != dtype:
            xp = namespace_of(dx)
            if is_complex(dx.dtype) and not is_complex(dtype):
                dx = xp.real(dx)
            dx = xp.astype(dx, dtype)
        if dx.shape != shape:
            raise ValueError(
                f"the derivative of {function.__name__} for argument {position} gave shape {dx.shape}, "
                f"expected {shape}, the shape of the argument"
            )
        return dx


def _pop_all(nodes: list[Any]) -> Any:
    while nodes:
        yield nodes.pop()


def differentiable(function: Callable[P, tuple[Any, Sequence[Backward | None]]]) -> Callable[P, Any]:
    """Mark `function`, which returns `(value, backward)`, as an operation that can be differentiated.

    Positional arguments are arrays (or options); keyword arguments are options and never carry a gradient. `backward`
    holds one function per positional argument, from `dy`, the gradient of the loss with respect to the value, to the
    gradient with respect to that argument: same shape, same dtype. It holds None where an argument has no derivative.
    If the value is a tuple of arrays, `dy` is a tuple of their gradients. For complex arrays the convention is
    PyTorch's: `dy` times the conjugate of the derivative.

    Raises
    ------
    TypeError
        When called: if a gradient is asked for an argument without a derivative, or if a Tensor comes in by a keyword
        or hides inside the function.

    Examples
    --------
    >>> import numpy, xpnn
    >>> @differentiable
    ... def cube(x):
    ...     def dx(dy): return dy * 3 * x**2
    ...     return x**3, (dx,)
    >>> float(cube(numpy.asarray(2.0)))
    8.0
    >>> float(xpnn.grad(cube)(numpy.asarray(2.0)))
    12.0
    """

    @wraps(function)
    def operation(*args: P.args, **kwargs: P.kwargs) -> Any:
        for argument in args:
            if type(argument) is Tensor:
                return _record(function, args, kwargs)
        result = function(*args, **(_plain_options(function, kwargs) if kwargs else kwargs))
        if type(result) is not tuple or len(result) != 2:
            _refuse_result(function)
        return result[0]

    return operation


def _refuse_result(function: Any) -> None:
    raise TypeError(
        f"{function.__name__} is marked @differentiable, so it must return (value, backward): an array or a tuple of "
        "arrays, and a tuple with one function or None for each argument"
    )


def _record(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run `function` one level down and note it on the highest tape among its arguments."""
    if kwargs:
        kwargs = _plain_options(function, kwargs)
    tape, inner, inputs = _one_tape(args) or _several_tapes(args)
    result = function(*inner, **kwargs)
    if type(result) is not tuple or len(result) != 2 or type(result[1]) not in _SEQUENCES:
        _refuse_result(function)
    value, backward = result
    if tape is None:
        for part in value if type(value) is tuple else (value,):
            if type(part) is Tensor and part._tape is not None:
                _refuse_hidden(function)
        return constant(value)
    if tape.closed:
        raise RuntimeError(
            f"{_title(function)} got a Tensor whose differentiation has ended: return it as an auxiliary value "
            f"instead of keeping it, or use it inside the function that is differentiated{at(user_line())}"
        )
    if len(backward) != len(inputs) or None in backward:
        _require_derivatives(function, inputs, backward)
    variables = tape.variables
    if type(value) is tuple:
        several = tuple([_output(tape, part, function) for part in value])
        tape.nodes.append((function, inputs, [y._variable for y in several], backward))
        return several
    if type(value) is Tensor:
        _check_output(tape, value, function)
    elif not hasattr(value, "dtype"):
        if isinstance(value, complex):  # what NumPy's scalars and Python's complex numbers give together
            value = from_number(value)[()]
        _check_output(tape, value, function)
    number = len(variables)
    variables.append((value.shape, value.dtype))
    tape.nodes.append((function, inputs, number, backward))
    return Tensor(value, tape, number)


def _require_derivatives(function: Any, inputs: list[int], backward: Sequence[Any]) -> None:
    if len(backward) > len(inputs):
        raise TypeError(
            f"{_title(function)} returned {len(backward)} backward functions for {len(inputs)} arguments: expected one "
            f"for each, or None{at(user_line())}"
        )
    for position, variable in enumerate(inputs):
        if variable >= 0 and (position >= len(backward) or backward[position] is None):
            raise TypeError(
                f"{_title(function)} has no derivative for argument {position}, and a gradient was asked for it: "
                f"use xpnn.stop_gradient(x) on it if it is meant to be constant{at(user_line())}"
            )


def _one_tape(args: tuple[Any, ...]) -> Any:
    """What `_several_tapes` gives, with less work, where all Tensors hold plain arrays; else None."""
    tape = None
    inner, inputs = [], []
    for argument in args:
        variable = -1
        if type(argument) is Tensor:
            variable, own, argument = argument._variable, argument._tape, argument._value
            if type(argument) is Tensor or (own is not tape and own is not None and tape is not None):
                return None
            tape = own or tape
        inner.append(argument)
        inputs.append(variable)
    return tape, inner, inputs


def _several_tapes(args: tuple[Any, ...]) -> tuple[Tape | None, list[Any], list[int]]:
    """The innermost tape, the arguments without its Tensors, and the variables that those were (-1 for the others)."""
    tape: Tape | None = None
    for argument in args:
        if type(argument) is Tensor and argument._tape is not tape and argument._tape is not None:
            tape = argument._tape if tape is None or argument._tape.level > tape.level else tape
    inner, inputs = list(args), [-1] * len(args)
    for position, argument in enumerate(args):
        if type(argument) is Tensor:
            if argument._tape is tape:
                inner[position], inputs[position] = argument._value, argument._variable
            elif argument._tape is None:
                inner[position] = argument._value
    if Tensor in map(
        type, inner
    ):  # of an outer tape; arrays beside them become constants, so operators meet Tensors only
        inner = [constant(a) if hasattr(a, "dtype") and type(a) is not Tensor else a for a in inner]
    return tape, inner, inputs


def _output(tape: Tape, value: Array, function: Any) -> Tensor:
    """A new variable for a result."""
    _check_output(tape, value, function)
    return tape.variable(value)


def _check_output(tape: Tape, value: Array, function: Any) -> None:
    """Raise if a result is no array, or shows that a gradient would be lost."""
    if not hasattr(value, "dtype"):
        _refuse_result(function)
    if type(value) is Tensor and value._tape is not None and value._tape.level >= tape.level:
        _refuse_hidden(function)


def _title(function: Any) -> str:
    """The name of an operation in messages: the inner names of rules are those of the standard's functions."""
    name = str(function.__name__)
    return _INNER.get(name, name.strip("_"))


_INNER = {"_cut": "x[...]", "_pick": "x[...]", "_written": "x[...] = value", "_cast": "astype"}


def _refuse_hidden(function: Any) -> None:
    raise TypeError(
        f"{_title(function)} uses a Tensor that is not one of its positional arguments, so its gradient would be "
        f"lost: pass every array that may carry a gradient as a positional argument{at(user_line())}"
    )


def _plain_options(function: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The options without the Tensors around constants."""
    for name, option in kwargs.items():
        if type(option) is Tensor:
            if option._tape is not None:
                raise TypeError(
                    f"{function.__name__} takes no gradient for its option {name}: "
                    f"give it a plain array{at(user_line())}"
                )
            kwargs = {**kwargs, name: plain(option)}
    return kwargs


def as_one(operation: Callable[..., Any], formula: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """The value of `operation`, for use inside it: by `formula`, unless an outer differentiation looks on.

    A formula may pass through kinks that cancel one another, such as |x| in a sigmoid that must not overflow. An outer
    differentiation that followed its steps would find a wrong derivative there, although the function is smooth; so
    there the operation is run again, one level down, and noted as a whole.
    """
    for argument in args:
        if type(argument) is Tensor:
            return operation(*args, **options)
    return formula(*args, **options)


def constant(value: Any) -> Any:
    """`value` as a Tensor (or a tuple of them) off the path: one without a derivative."""
    if type(value) is tuple:
        return tuple([constant(part) for part in value])
    if type(value) is Tensor and value._tape is None:
        return value
    return Tensor(value, None, -1)


def plain(x: Any) -> Any:
    """The array inside all levels of Tensors, in nests of tuples and lists too; for functions without a derivative."""
    while type(x) is Tensor:
        x = x._value
    if type(x) is tuple or type(x) is list:
        return type(x)([plain(part) for part in x])
    return x
