"""Less memory for more time: what happens inside a function is not kept for the way back, but computed again there.

A differentiation keeps what each operation will need on the way back, so memory grows with the length of the program.
`recompute(block)` keeps only what went into the block. On the way back the block is run once more, now with notes, and
walked back at once; then its notes are freed. A chain of n layers in √n blocks so needs memory for about 2 √n layers
in place of n, for one more forward pass (Chen, Xu, Zhang and Guestrin, Training deep nets with sublinear memory cost,
2016).

The block is one operation whose derivative is "run it again and walk back". That derivative is itself such a block, so
derivatives of derivatives keep as little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial, wraps
from itertools import islice
from types import MethodType, ModuleType
from typing import Any

from xpnn.arrays.namespaces import Array, is_floating, namespace_of
from xpnn.arrays.tree import Tree, flatten
from xpnn.autodiff.lifting import called, record
from xpnn.autodiff.tape import constant, differentiable, plain
from xpnn.autodiff.tensor import Tensor
from xpnn.autodiff.where import at, user_line

__all__ = ["recompute"]

Rule = Any  # (value, backward)


def recompute(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, of which a differentiation keeps the arguments only and runs it again on the way back.

    Values and gradients are the same bits as without. Models among the arguments take part with their parameters, and
    `function` may be a model, or a method of one, itself. When it runs again, buffers have the contents that they had
    the first time, and what it writes into them is dropped: dropout draws the same mask, and running statistics move
    once. Outside a differentiation the function is just called.

    Parameters
    ----------
    function
        A function of arrays, models, trees of them and options, that gives an array or a tree of them. It must give
        the same when it is run again: no random numbers but `nn.dropout` and the like, no counters outside buffers. It
        must not write into its arguments.

    Returns
    -------
    callable
        Takes what `function` takes and gives what it gives.

    Raises
    ------
    TypeError
        When called: if a Tensor on the way to a gradient, or a model in training with buffers, reaches the function
        otherwise than as an argument; or if the function writes into an argument.

    Notes
    -----
    One more forward pass for each walk back. Buffers of models among the arguments are copied.

    Examples
    --------
    >>> import numpy, xpnn
    >>> def block(x):
    ...     xp = xpnn.namespace_of(x)
    ...     return xp.tanh(xp.tanh(xp.tanh(x)))
    >>> x = numpy.asarray(0.5)
    >>> bool(xpnn.grad(recompute(block))(x) == xpnn.grad(block)(x))
    True
    """

    @wraps(function, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        inner, tree = _unwrapped(function, args, kwargs)
        leaves, rebuild = flatten(tree)
        if not any(map(_on_path, leaves)):
            return function(*args, **kwargs)
        for name, value in _held(inner):
            _refuse_hidden(function, name, value)
        outcome: list[Any] = []

        def first(*arrays: Array) -> tuple[Array, ...]:
            handles = [constant(x) for x in arrays]
            found, outcome[:] = flatten(_run(inner, rebuild(_filled(leaves, handles)))), ()
            _refuse_writes(function, handles, arrays)
            outcome.extend(found)
            return _floating(found[0])

        again = _Again(inner, leaves, rebuild)
        floating = iter(_as_one(first, again, *[leaf for leaf in leaves if type(leaf) is Tensor]))
        found, build_value = outcome
        return build_value([next(floating) if _is_floating(y) else _off_path(y) for y in found])

    return call


class _Again:
    """How to run a block again: on other arrays, with the buffers as they were before it ran the first time.

    The tape will hold this, so it holds no Tensor of a tape: all is freed without the cycle collector.
    """

    def __init__(self, inner: Callable[..., Any], leaves: list[Any], rebuild: Callable[..., Tree]) -> None:
        # copies of the models as they are now (in training or not), around arrays without a tape
        private = rebuild([constant(plain(leaf)) if type(leaf) is Tensor else leaf for leaf in leaves])
        self.inner = inner
        self.leaves, self.rebuild = flatten(private)
        self.buffers = {id(slot.value): _copy(slot.value) for slot in _buffers(private)}

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        handles = [x if type(x) is Tensor else constant(x) for x in arrays]
        tree = self.rebuild(_filled(self.leaves, handles))
        copies = {key: _copy(buffer) for key, buffer in self.buffers.items()}
        for slot in _buffers(tree):
            slot.module.__dict__[slot.attribute] = copies[id(slot.value)]
        return _floating(flatten(_run(self.inner, tree))[0])


def _as_one(first: Callable[..., Any], again: Callable[..., Any], *inputs: Array) -> tuple[Array, ...]:
    """`first(*inputs)` noted as one operation, at all levels; on the way back `again` is run in its place."""
    tapes = [x._tape for x in inputs if type(x) is Tensor and x._tape is not None]
    if tapes:
        top = max(tapes, key=lambda tape: tape.level)
        wanted = tuple(n for n, x in enumerate(inputs) if type(x) is Tensor and x._tape is top)
        several: tuple[Array, ...] = recomputed(*inputs, first=first, again=again, wanted=wanted)
        return several
    result: tuple[Array, ...] = first(*map(plain, inputs))
    if any(map(_on_path, result)):
        raise TypeError(
            "a function marked with xpnn.recompute uses a Tensor that is not one of its arguments, so its gradient "
            f"would be lost: give it as an argument{at(user_line())}"
        )
    return tuple(map(plain, result))


@differentiable
def recomputed(*inputs: Array, first: Any, again: Any, wanted: tuple[int, ...]) -> Rule:
    """A block as one operation: all gradients come from one more run, when the first of them is asked for."""
    pull = partial(_pull, again, wanted, len(inputs))
    known: dict[int, Any] = {}  # the gradients of one walk that nobody has asked for yet

    def gradient(position: int, dys: tuple[Array, ...]) -> Array:
        if known.get(-1) is not dys:
            known.update(zip(wanted, _as_one(pull, pull, *inputs, *dys), strict=True))
            known[-1] = dys
        dx = known[position]
        if position == wanted[-1]:
            known.clear()
        return dx

    return _as_one(first, again, *inputs), [partial(gradient, position) for position in range(len(inputs))]


def _pull(again: Callable[..., Any], wanted: tuple[int, ...], count: int, *both: Array) -> tuple[Array, ...]:
    """Run a block on the first `count` arrays and walk the others back, to the gradients of those that are wanted."""
    if any(type(x) is Tensor for x in both):  # operators of plain arrays need not know Tensors on their right
        both = tuple([x if type(x) is Tensor else constant(x) for x in both])
    inputs, dys = both[:count], both[count:]

    def of_wanted(*moved: Array) -> list[Array]:
        given = dict(zip(wanted, moved, strict=True))
        return list(again(*[given.get(position, x) for position, x in enumerate(inputs)]))

    run = record(of_wanted, [inputs[position] for position in wanted], range(len(wanted)), named=again)
    return tuple(run.back(dys, keep=False))


# Taking calls apart


def _unwrapped(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Tree]:
    """The function inside `functools.partial` or a model, and all that it is called with."""
    while isinstance(function, partial):
        args, kwargs, function = (*function.args, *args), {**function.keywords, **kwargs}, function.func
    if hasattr(type(function), "tree_flatten"):
        return type(function).__call__, ((function, *args), kwargs)
    if hasattr(type(getattr(function, "__self__", None)), "tree_flatten"):
        return function.__func__, ((function.__self__, *args), kwargs)
    return function, (args, kwargs)


def _run(inner: Callable[..., Any], tree: Tree) -> Any:
    args, kwargs = tree
    return inner(*args, **kwargs)


def _filled(leaves: list[Any], handles: list[Any]) -> list[Any]:
    """The leaves with others in the place of Tensors."""
    others = iter(handles)
    return [next(others) if type(leaf) is Tensor else leaf for leaf in leaves]


def _buffers(tree: Tree) -> Iterator[Any]:
    """The places of all buffers of the models in `tree`."""
    if hasattr(type(tree), "slots"):
        yield from tree.slots("buffer")
    elif isinstance(tree, dict | list | tuple):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from _buffers(part)


def _copy(x: Array) -> Array:
    return namespace_of(x).asarray(x, copy=True)


def _is_floating(y: Any) -> bool:
    return hasattr(y, "dtype") and is_floating(y.dtype)


def _floating(leaves: list[Any]) -> tuple[Array, ...]:
    return tuple([y for y in leaves if _is_floating(y)])


def _off_path(y: Any) -> Any:
    return constant(plain(y)) if hasattr(y, "dtype") else y


def _on_path(x: Any) -> bool:
    return type(x) is Tensor and x._tape is not None


# What would go wrong silently


def _refuse_writes(function: Any, handles: list[Any], arrays: tuple[Array, ...]) -> None:
    if any(handle._value is not x for handle, x in zip(handles, arrays, strict=True)):
        raise TypeError(
            f"xpnn.recompute: {called(function)} writes into one of its arguments, which would not reach the caller: "
            "write into a copy, xp.asarray(x, copy=True), and return it"
        )


def _refuse_hidden(function: Any, name: str, value: Any) -> None:
    """Raise if `value`, which the function reaches by `name` and not as an argument, must be an argument."""
    leaves = flatten(value)[0] if type(value) is Tensor or hasattr(type(value), "tree_flatten") else []
    if any(map(_on_path, leaves)):
        raise TypeError(
            f"xpnn.recompute: {called(function)} uses `{name}`, which is or holds a Tensor on the way to a gradient; "
            "the gradient would be lost: make it an argument of the function"
        )
    for slot in _buffers(value):
        if slot.module.training:
            raise TypeError(
                f"xpnn.recompute: {called(function)} uses the model `{name}`, in training and with the buffer "
                f"{slot.name}, which would be written twice: make it an argument of the function, or use model.eval()"
            )


_FEW = 100  # parts of a container that are looked at
_FUNCTION = type(_refuse_hidden)


def _held(function: Any, name: str = "", depth: int = 4) -> Iterator[tuple[str, Any]]:
    """Models and Tensors that a function reaches otherwise than as arguments, with the names of the variables."""
    kind = type(function)
    if kind is Tensor or hasattr(kind, "tree_flatten"):
        yield name, function
    elif depth:
        for found, value in _parts(function):
            yield from _held(value, found or name, depth - 1)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    kind = type(value)
    if kind is _FUNCTION:
        code = value.__code__
        for name, cell in zip(code.co_freevars, value.__closure__ or (), strict=True):
            with suppress(ValueError):  # a variable that has no value yet
                yield name, cell.cell_contents
        for name in code.co_names:
            if name in value.__globals__ and _may_hold(value.__globals__[name], value):
                yield name, value.__globals__[name]
        yield from zip(code.co_varnames[: code.co_argcount][::-1], (value.__defaults__ or ())[::-1], strict=False)
        yield from (value.__kwdefaults__ or {}).items()
    elif kind is partial:
        yield from (("", part) for part in (value.func, *value.args, *value.keywords.values()))
    elif isinstance(value, list | tuple | dict | set):
        parts = value.values() if isinstance(value, dict) else value
        yield from (("", part) for part in islice(parts, _FEW))
    elif kind is MethodType:
        yield from (("self", value.__self__), ("", value.__func__))
    elif isinstance(getattr(value, "__dict__", None), dict) and not isinstance(value, type | ModuleType):
        yield from islice(vars(value).items(), _FEW)


def _may_hold(value: Any, function: Any) -> bool:
    """Whether to look into a global: models, Tensors, and functions of the same file."""
    kind = type(value)
    if kind is _FUNCTION:
        return value.__globals__ is function.__globals__
    return kind is Tensor or hasattr(kind, "tree_flatten") or isinstance(value, list | tuple | dict)
