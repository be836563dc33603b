"""Less memory for more time: what happens inside a function is not kept for the way back, but computed again there.

A differentiation keeps what each operation will need on the way back, so memory grows with the length of the program.
`recompute(block)` keeps only what went into the block. On the way back the block is run once more, now with notes, and
walked back at once; then its notes are freed. A chain of n layers in √n blocks so needs memory for about 2 √n layers
in place of n, for one more forward pass (Chen, Xu, Zhang and Guestrin, Training deep nets with sublinear memory cost,
2016).

The block is one operation whose derivative is "run it again and walk back". That derivative is itself such a block, so
derivatives of derivatives keep as little.

Only what the block returns comes out of that operation. So the first run is on Tensors of a tape of its own, which
notes nothing and then ends: a Tensor that the block left elsewhere, in a list or an array of the caller's, raises when
it is used, and no gradient is lost without a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.tree import Tree, flatten
from xpnn.autodiff.closures import buffers_of, held_by, refuse_hidden
from xpnn.autodiff.lifting import called, lower, record
from xpnn.autodiff.tape import Tape, constant, differentiable, plain
from xpnn.autodiff.tensor import Tensor
from xpnn.autodiff.where import at, user_line
from xpnn.autodiff.writing import as_view

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
        must not write into its arguments or into arrays of the caller's, and gradients pass only through what it gives.

    Returns
    -------
    callable
        Takes what `function` takes and gives what it gives.

    Raises
    ------
    TypeError
        When called: if a Tensor on the way to a gradient, or a model in training with buffers, reaches the function
        otherwise than as an argument; or if the function writes into an argument, or into a Tensor of the caller's.
    RuntimeError
        When a Tensor is used that the function did not return but left elsewhere, such as in a list.

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
        held = list(held_by(inner))
        for name, value in held:
            refuse_hidden(function, name, value)
        moving = [leaf for leaf in leaves if type(leaf) is Tensor]
        again = _Again(inner, leaves, rebuild)
        outcome: list[Any] = []

        def first(*arrays: Array) -> tuple[Array, ...]:
            tape = _ForgetfulTape()
            handles = [tape.variable(x) if _on_path(y) else constant(x) for x, y in zip(arrays, moving, strict=True)]
            before = [(name, value, value._value) for name, value in held if type(value) is Tensor]
            given = _filled(leaves, handles)
            tree = rebuild(given)
            try:
                found, build_value = flatten(_run(inner, tree))
            finally:
                tape.closed = True
            _refuse_writes(function, handles, arrays, before)
            _refuse_changes(function, tree, given)
            outputs, origins, again.chosen = _origins(found, handles)
            outcome[:] = found, build_value, origins
            return tuple([lower(y, tape) for y in outputs])

        outputs = _as_one(first, again, *moving)
        found, build_value, origins = outcome
        sources = [*moving, *outputs]
        return build_value([_shown(y, origin, sources) for y, origin in zip(found, origins, strict=True)])

    return call


class _ForgetfulTape(Tape):
    """A tape that notes nothing: what is on it is on the way to a gradient, and nothing is kept for the way back."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.nodes = _Nothing()


class _Nothing(list[Any]):
    def append(self, note: Any, /) -> None:
        pass


class _Again:
    """How to run a block again: on other arrays, with the buffers as they were before it ran the first time.

    The tape will hold this, so it holds no Tensor of a tape: all is freed without the cycle collector.
    """

    def __init__(self, inner: Callable[..., Any], leaves: list[Any], rebuild: Callable[..., Tree]) -> None:
        # copies of the models as they are now (in training or not), around arrays without a tape
        private = rebuild([constant(plain(leaf)) if type(leaf) is Tensor else leaf for leaf in leaves])
        self.inner = inner
        self.leaves, self.rebuild = flatten(private)
        self.buffers = {id(slot.value): _copy(slot.value) for slot in buffers_of(private)}
        self.chosen: list[tuple[int, bool]] = []  # how to find the outputs, known after the first run (see `_origins`)

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        handles = [x if type(x) is Tensor else constant(x) for x in arrays]
        tree = self.rebuild(_filled(self.leaves, handles))
        copies = {key: _copy(buffer) for key, buffer in self.buffers.items()}
        for slot in buffers_of(tree):
            slot.module.__dict__[slot.attribute] = copies[id(slot.value)]
        found = flatten(_run(self.inner, tree))[0]
        return tuple([_root(found[number])[0] if at_root else found[number] for number, at_root in self.chosen])


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


# What comes out
#
# A block may give its argument, a view of it, or several views of one array. Outside they are that again: the operation
# gives what the views show (their root), and the views are made of it anew.


def _root(y: Any) -> tuple[Any, list[Any]]:
    """What `y` is a view of in the end, and how to make it from that, step by step."""
    steps = []
    while type(y) is Tensor and y._source is not None and y._source[0] is not None:
        y, again, _ = y._source
        steps.append(again)
    return y, steps[::-1]


def _origins(found: list[Any], handles: list[Any]) -> tuple[list[Any], list[Any], list[tuple[int, bool]]]:
    """Where the leaves of a value come from.

    Gives the outputs of the operation; for each leaf the argument or output that it shows, and how; and how to find the
    outputs again: the leaf, and whether to take its root.
    """
    pairs = [_root(y) for y in found]
    shown = Counter(id(root) for root, _ in pairs)
    known = {id(handle): position for position, handle in enumerate(handles)}
    outputs, origins, chosen = list[Any](), list[Any](), list[tuple[int, bool]]()
    for number, (y, (root, steps)) in enumerate(zip(found, pairs, strict=True)):
        if id(root) not in known and shown[id(root)] == 1:
            root, steps = y, []  # nothing else shows the root
        if id(root) not in known and _on_path(root):
            known[id(root)] = len(handles) + len(outputs)
            outputs.append(root)
            chosen.append((number, root is not y))
        origins.append((known[id(root)], steps) if id(root) in known else None)
    return outputs, origins, chosen


def _shown(y: Any, origin: Any, sources: list[Any]) -> Any:
    """A leaf of the value: `y` if it is off the path, else made from the caller's arguments and the outputs."""
    if origin is None:
        return y
    position, steps = origin
    x = sources[position]
    for again in steps:
        x = as_view(again(x), x, again)
    return x


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


def _copy(x: Array) -> Array:
    return namespace_of(x).asarray(x, copy=True)


def _on_path(x: Any) -> bool:
    return type(x) is Tensor and x._tape is not None


# What would go wrong silently


def _refuse_writes(function: Any, handles: list[Any], arrays: tuple[Array, ...], before: list[Any]) -> None:
    if any(handle._value is not x for handle, x in zip(handles, arrays, strict=True)):
        raise TypeError(
            f"xpnn.recompute: {called(function)} writes into one of its arguments, which would not reach the caller: "
            "write into a copy, xp.asarray(x, copy=True), and return it"
        )
    for name, x, value in before:
        if x._value is not value:
            raise TypeError(
                f"xpnn.recompute: {called(function)} writes into `{name}`, which would be written twice, and its "
                "gradient would be lost: make a new array in the function and return it"
            )


def _refuse_changes(function: Any, tree: Tree, given: list[Any]) -> None:
    """Raise if the containers among the arguments, which are copies, no longer hold what was `given`."""
    now = flatten(tree)[0]
    if len(now) != len(given) or any(x is not y for x, y in zip(now, given, strict=True)):
        raise TypeError(
            f"xpnn.recompute: {called(function)} changes a list or dictionary among its arguments, which would not "
            "reach the caller: return what it adds"
        )
