"""What all transforms share: putting Tensors in the place of arrays, running the function, walking back.

`record` runs a function on Tensors of a new tape and keeps what is needed to walk back, once or many times. Arguments
and values are trees; the walk works on their leaves, and `Run.shaped` builds trees like the arguments from what it
gives. Everything that a user can get wrong about the function or its arguments is checked here, in their words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from xpnn.arrays.namespaces import Array, array_device, dtype_name, is_complex, is_floating, namespace_of
from xpnn.arrays.native import from_number
from xpnn.arrays.tree import Tree, flatten, named_leaves, tree_map
from xpnn.autodiff.tape import Tape, constant, differentiable, plain
from xpnn.autodiff.tensor import Tensor
from xpnn.autodiff.where import advise, at, line_of
from xpnn.autodiff.writing import lock

__all__ = [
    "Run",
    "called",
    "check_loss",
    "fitted",
    "floating",
    "gradients_of",
    "lift",
    "lower",
    "lower_tree",
    "names_of",
    "one_like",
    "record",
    "split_auxiliary",
    "zeros_like",
]

Rule = Any  # (value, backward)


class Run(NamedTuple):
    """A function that was run once on Tensors: what it gave, and how to walk back."""

    tape: Tape
    inputs: list[Tensor]
    outputs: list[Array]  # the leaves of the value, as the function gave them
    value: Tree
    auxiliary: Tree
    build_value: Callable[[Sequence[Any]], Tree]
    back: Callable[..., list[Array]]  # from gradients of the outputs to gradients of the inputs
    shaped: Callable[[Sequence[Any]], tuple[Tree, ...]]  # leaves as trees like the arguments


def record(
    function: Callable[..., Any],
    args: Sequence[Tree],
    positions: Sequence[int],
    *,
    aux: bool = False,
    options: dict[str, Any] | None = None,
    named: Any = None,
) -> Run:
    """Run `function(*args, **options)` with Tensors in the arguments at `positions`; messages speak of `named`."""
    tape, named = Tape(), function if named is None else named
    lifted, inputs, rebuild = lift(tape, named, args, positions)
    try:
        result, auxiliary = split_auxiliary(function(*lifted, **(options or {})), named, aux)
        outputs, build_value = flatten(result)
        outputs = [_array(y, named) for y in outputs]
        on_tape = [y for y in outputs if type(y) is Tensor and y._tape is tape]
        end = on_tape[0] if len(on_tape) == 1 else _together(*on_tape) if on_tape else None
    except TypeError as error:
        advise(error)
        raise
    finally:
        tape.closed = True
    for y in outputs:
        _require_alive(y, tape)

    def back(dys: Sequence[Array], *, keep: bool = True) -> list[Array]:
        pairs = [(y, dy) for y, dy in zip(outputs, dys, strict=True) if type(y) is Tensor and y._tape is tape]
        # beside values of outer levels a plain gradient becomes a constant: operators of Tensors meet Tensors only
        dys = [constant(dy) if type(y._value) is Tensor and type(dy) is not Tensor else dy for y, dy in pairs]
        return gradients_of(tape, end, dys[0] if len(dys) == 1 else tuple(dys), inputs, keep=keep)

    return Run(
        tape=tape,
        inputs=inputs,
        outputs=outputs,
        value=build_value([lower(y, tape) for y in outputs]),
        auxiliary=lower_tree(auxiliary, tape),
        build_value=build_value,
        back=back,
        shaped=lambda leaves: tuple(build(leaves[start:stop]) for start, stop, build in rebuild),
    )


@differentiable
def _together(*outputs: Array) -> Rule:
    """One end for several outputs, so that one walk does for all of them; its gradient is the tuple of theirs."""
    return outputs[0], [partial(_part, position) for position in range(len(outputs))]


def _part(position: int, dys: tuple[Array, ...]) -> Array:
    return dys[position]


def lift(tape: Tape, function: Any, args: Sequence[Tree], positions: Sequence[int]) -> Any:
    """The arguments with Tensors in them, the Tensors, and for each differentiated argument the way to rebuild it."""
    lifted, inputs, rebuild = list(args), list[Tensor](), []
    for position in positions:
        if not -len(args) <= position < len(args):
            raise ValueError(
                f"argnums names argument {position}, but {called(function)} was called with {len(args)} "
                "positional arguments, counted from 0"
            )
    if len({position % len(args) for position in positions}) < len(positions):
        raise ValueError(f"argnums names an argument twice: {tuple(positions)} of {len(args)}")
    for position in positions:
        leaves, build = flatten(args[position])
        variables = [tape.variable(floating(leaf, function, position)) for leaf in leaves]
        handed = [Tensor(x._value, tape, x._variable) for x in variables]  # the function may write into its own
        lifted[position] = build([lock(x) for x in handed] if _holds_model(args[position]) else handed)
        rebuild.append((len(inputs), len(inputs) + len(variables), build))
        inputs += variables
    return tuple(lifted), inputs, rebuild


def gradients_of(
    tape: Tape, y: Any, dy: Any, inputs: list[Tensor], *, keep: bool = False, differentiated: Sequence[Any] = ()
) -> list[Array]:
    """The gradient for each input, zeros where `y` does not depend on it."""
    _require_alive(y, tape)
    if type(y) is Tensor and y._tape is tape:
        found = tape.gradients(y, dy, inputs, keep=keep)
    elif model := next((type(argument).__name__ for argument in differentiated if _is_model(argument)), ""):
        raise ValueError(
            f"the loss does not depend on any parameter of the {model}: the function must use the model it is given, "
            "and the model must have parameters that are not frozen"
        )
    else:
        found = [None] * len(inputs)
    return _own([zeros_like(x._value) if g is None else g for x, g in zip(inputs, found, strict=True)])


def _require_alive(y: Any, tape: Tape) -> None:
    """Raise if `y` belongs to a differentiation inside this one, which has ended."""
    if type(y) is Tensor and y._tape not in (tape, None) and (y._tape.closed or y._tape.level > tape.level):
        raise RuntimeError(
            "the function gave a Tensor of a differentiation that has ended: return it from there as an auxiliary value"
        )


def _own(gradients: list[Array]) -> list[Array]:
    """The gradients, each an object of its own: a sum hands one and the same gradient to both its terms."""
    seen: set[int] = set()
    for position, gradient in enumerate(gradients):
        if id(gradient) in seen:
            gradients[position] = +gradient
        seen.add(id(gradient))
    return gradients


def lower(y: Any, tape: Tape) -> Any:
    """The value inside `y` if it belongs to this differentiation or is a constant."""
    return y._value if type(y) is Tensor and (y._tape is tape or y._tape is None) else y


def lower_tree(tree: Tree, tape: Tape) -> Tree:
    """`tree` with the values inside the Tensors of this differentiation."""
    return tree_map(lambda x: lower(x, tape), tree)


def one_like(y: Array) -> Array:
    """Ones in the shape and dtype of `y`, a gradient to start from, at the level of `y`."""
    one = plain(y) ** 0  # 1 for infinity and NaN too
    return constant(one) if type(y) is Tensor else one


def zeros_like(x: Array, *, before: tuple[int, ...] = ()) -> Array:
    """Zeros in the shape (after the axes `before`) and dtype of `x`, at its level."""
    inner = plain(x)
    zeros = namespace_of(inner).zeros(before + inner.shape, dtype=inner.dtype, device=array_device(inner))
    return constant(zeros) if type(x) is Tensor else zeros


# What the user may get wrong


def called(function: Any) -> str:
    """The name of a user's function and the place where it is written, for messages."""
    place = line_of(function)
    name = getattr(function, "__name__", None) or f"the {type(function).__name__}"
    return name + at(place) if place or name != "call" else "the function"


def _holds_model(tree: Tree) -> bool:
    if isinstance(tree, dict):
        return any(_holds_model(part) for part in tree.values())
    return any(_holds_model(part) for part in tree) if isinstance(tree, list | tuple) else _is_model(tree)


def _is_model(tree: Tree) -> bool:
    return hasattr(type(tree), "tree_flatten")


def _kind(x: Any) -> str:
    return f"an array of {dtype_name(x.dtype)}" if hasattr(x, "dtype") else f"{type(x).__name__} {x!r:.40}"


def floating(leaf: Any, function: Any, position: int) -> Array:
    """`leaf` as an array that can be differentiated with respect to."""
    dtype = getattr(leaf, "dtype", None)
    if dtype is None and isinstance(leaf, float | complex):
        return from_number(leaf)[()]  # a number cannot be written into
    if dtype is None or not is_floating(dtype):
        numbers = hasattr(leaf, "dtype") or isinstance(leaf, int)
        hint = ": write 2.0 or xp.astype(x, xp.float64), or differentiate with respect to another argument"
        raise TypeError(
            f"cannot differentiate {called(function)} with respect to argument {position}: "
            f"expected floating-point arrays, got {_kind(leaf)}{hint if numbers else ''}"
        )
    return leaf


def _array(y: Any, function: Any) -> Array:
    """`y`, part of the value of `function`, as an array of floating-point numbers."""
    if type(y) in (float, complex):
        return from_number(y)
    if not hasattr(y, "shape"):
        raise TypeError(f"expected {called(function)} to give arrays, got {_kind(y)}")
    if not is_floating(y.dtype):
        raise TypeError(
            f"expected {called(function)} to give floating-point arrays, got {_kind(y)}, which has no derivative: "
            "give it as an auxiliary value, (value, auxiliary) with aux=True"
        )
    return y


def split_auxiliary(result: Any, function: Any, aux: bool) -> tuple[Any, Any]:
    """The value and the auxiliary value of what `function` gave, which must not be None."""
    value, auxiliary = result, None
    if aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(
                f"with aux=True, expected {called(function)} to give a pair (value, auxiliary), "
                f"got {_kind(result) if not isinstance(result, tuple) else f'a tuple of {len(result)}'}"
            )
        value, auxiliary = result
    if value is None:
        raise TypeError(f"expected {called(function)} to give an array, got None: does it end with a return?")
    return value, auxiliary


def check_loss(y: Any, function: Any) -> None:
    """Raise unless `y`, the value of `function`, is one real number."""
    if not hasattr(y, "shape"):
        raise TypeError(
            f"expected {called(function)} to give an array of shape () (a loss), got {_kind(y)}"
            + (": with something beside the loss, use aux=True" if isinstance(y, tuple) else "")
        )
    if y.shape != ():
        raise ValueError(
            f"expected {called(function)} to give one number (a loss), got shape {y.shape}: take a mean or a sum, or "
            "use xpnn.jacobian for the derivatives of all elements"
        )
    if is_complex(y.dtype):
        raise TypeError(
            f"expected {called(function)} to give a real loss, got {dtype_name(y.dtype)}: take its absolute value or "
            "real part"
        )
    if not is_floating(y.dtype):
        raise TypeError(f"expected {called(function)} to give a real loss, got {_kind(y)}, which has no derivative")


def names_of(tree: Tree) -> list[str]:
    """The paths of the leaves of `tree`."""
    return [name for name, _ in named_leaves(tree)]


def fitted(what: str, given: Tree, names: list[str], like: Sequence[Array]) -> list[Array]:
    """The leaves of `given`, checked to have the names, shapes and dtypes of the arrays `like`.

    Python numbers become arrays, since functions of numbers are differentiated at numbers.
    """
    leaves, found = flatten(given)[0], names_of(given)
    if found != names or len(leaves) != len(like):
        raise ValueError(
            f"expected {what}, a tree of {len(like)} arrays [{', '.join(names)}], got {len(leaves)} "
            f"[{', '.join(found)}]"
        )
    return [_fitting(what, leaf, x) for leaf, x in zip(leaves, like, strict=True)]


def _fitting(what: str, given: Any, like: Array) -> Array:
    if isinstance(given, int | float | complex) and not hasattr(given, "dtype"):
        if isinstance(given, complex) and not is_complex(like.dtype):
            raise TypeError(f"expected {what}, of {dtype_name(like.dtype)}, got {_kind(given)}")
        inner = plain(like)
        given = namespace_of(inner).asarray(given, dtype=inner.dtype, device=array_device(inner))
    if not hasattr(given, "shape"):
        raise TypeError(f"expected {what}, an array of shape {like.shape}, got {_kind(given)}")
    if given.shape != like.shape:
        raise ValueError(f"expected {what}, of shape {like.shape}, got {given.shape}")
    if dtype_name(given.dtype) != dtype_name(like.dtype):
        wanted = dtype_name(like.dtype)
        raise TypeError(f"expected {what}, of {wanted}, got {dtype_name(given.dtype)}: write xp.astype(v, xp.{wanted})")
    return given
