"""What a step is given and what it gives: trees whose arrays are told apart from all else.

Two calls are alike if their arguments have one structure: the same containers, arrays of the same shapes, dtypes and
strides, equal numbers and words, the same other objects. Models and optimizers among the arguments count as state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from xpnn.arrays.namespaces import Array, array_device
from xpnn.arrays.tree import Tree, flatten, named_leaves
from xpnn.autodiff.tape import plain
from xpnn.compiler.traced import Traced, lowered

__all__ = ["Arguments", "Results", "is_array"]

_BY_VALUE = (bool, int, str, bytes, type(None))


class Arguments:
    """The arguments of one call, looked at."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs
        self.arrays: list[Array] = []
        self.objects: list[Any] = []  # models and optimizers
        self.held: list[Any] = []  # what the structure names by identity
        self.structure = (self._look(args), self._look(kwargs) if kwargs else ())

    def _look(self, tree: Tree) -> Any:
        kind: Any = type(tree)
        if kind in _BY_VALUE:
            return kind, tree
        if is_array(tree):
            self.arrays.append(tree)
            return described(tree)
        if kind in (float, complex):
            return kind, repr(tree)  # -0.0 is not 0.0, and NaN is itself
        if is_object(tree):
            self.objects.append(tree)
            return kind, id(tree)
        if hasattr(kind, "tree_flatten"):  # gradients
            leaves = flatten(tree)[0]
            self.arrays += leaves
            return kind, tuple(map(described, leaves))
        if isinstance(tree, dict):
            return kind, tuple([(key, self._look(part)) for key, part in tree.items()])
        if isinstance(tree, list | tuple):
            return kind, tuple(map(self._look, tree))
        if isinstance(tree, slice):
            return kind, tuple(map(self._look, (tree.start, tree.stop, tree.step)))
        self.held.append(tree)
        return kind, id(tree)

    def replaced(self, change: Callable[[Array], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with other arrays, in the order of `arrays`."""
        leaves, build = flatten(_marked((self.args, self.kwargs)))
        args, kwargs = build([change(leaf) if is_array(leaf) else leaf for leaf in leaves])
        found: tuple[tuple[Any, ...], dict[str, Any]] = (_unmarked(args), _unmarked(kwargs))
        return found

    def names(self) -> list[str]:
        """What to call the arrays, for people."""
        pairs = named_leaves(self.args) + named_leaves(self.kwargs)
        return [name for name, leaf in pairs if is_array(leaf)]


class Results:
    """What a recorded step gave, without the arrays of the recording."""

    def __init__(self, result: Tree) -> None:
        leaves, build = flatten(_marked(result))
        self.leaves = [plain(leaf) for leaf in leaves]
        places = [_Place() for _ in leaves]
        tree = build(places)  # of gradients, a copy of their modules: the recording's arrays do not stay in it
        _lower_state(tree)
        found, rebuild = flatten(tree)
        self.order = [places.index(place) for place in found]
        self._build = rebuild
        self.single = len(leaves) == 1 and tree is places[0]
        self.plain = all(not isinstance(leaf, _Itself) for leaf in leaves)
        self.flat = self.plain and type(tree) is tuple and list(map(id, tree)) == list(map(id, places))

    def build(self, found: Sequence[Any]) -> Tree:
        """The tree around other leaves."""
        if self.single and self.plain:
            return found[0]
        if self.flat:
            return tuple(found)
        tree = self._build([found[n] for n in self.order])
        return tree if self.plain else _unmarked(tree)


class _Place:
    """The place of a leaf in a tree."""


class _Itself:
    """A model or optimizer in a tree, as a leaf."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.held is self.held

    def __hash__(self) -> int:
        return id(self.held)


def is_array(x: Any) -> bool:
    """Whether `x` is an array of some library, or a number of NumPy's."""
    return hasattr(x, "dtype") and hasattr(x, "shape") and not isinstance(x, type)


def is_object(x: Any) -> bool:
    """Whether `x` holds state: a model or optimizer, and not the gradients of one, which come as a copy of it."""
    return hasattr(x, "recordable_places") and not isinstance(x, type) and not getattr(x, "_stand_in", False)


def described(x: Array) -> Any:
    """What a plan takes for granted of an argument. Sums depend on strides in their last digits."""
    strides = getattr(x, "strides", None)
    if type(strides) is tuple:
        return type(x), x.shape, x.dtype, strides
    return type(x), tuple(x.shape), x.dtype, str(array_device(x))


def _marked(tree: Tree) -> Tree:
    """`tree` with models and optimizers as leaves."""
    if is_object(tree):
        return _Itself(tree)
    return _each_part(tree, _marked)


def _unmarked(tree: Tree) -> Tree:
    return tree.held if isinstance(tree, _Itself) else _each_part(tree, _unmarked)


def _each_part(tree: Tree, change: Callable[[Any], Any]) -> Tree:
    kind: Any = type(tree)
    if kind is dict:
        return {key: change(part) for key, part in tree.items()}
    if kind is list:
        return [change(part) for part in tree]
    if isinstance(tree, tuple):
        parts = [change(part) for part in tree]
        return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
    return tree


def _lower_state(tree: Tree) -> None:
    """Gradients come as copies of the model's modules, which share its buffers: as they are outside the recording."""
    if hasattr(tree, "recordable_places"):
        for container, key, _ in tree.recordable_places():
            if type(container[key]) is Traced:
                container[key] = lowered(container[key])
    elif isinstance(tree, dict | list | tuple):
        for part in tree.values() if isinstance(tree, dict) else tree:
            _lower_state(part)
