"""Walking the arrays in modules, dictionaries, lists and tuples.

Parameters, gradients and batches come in trees: a model holds layers that hold arrays, a batch may be a dictionary. A
tree is taken apart into its leaves and a function that builds the same tree around other leaves:

    leaves, rebuild = flatten(model)
    gradients = rebuild([0 * leaf for leaf in leaves])      # a tree of the model's shape

Dictionaries, lists and (named) tuples are walked, None is a tree without leaves, and a class takes part by a method
`tree_flatten()` that gives `(leaves, rebuild)` itself; `nn.Module` does. Everything else is a leaf.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

__all__ = ["Tree", "flatten", "named_leaves", "tree_map"]

Tree: TypeAlias = Any
"""A nest of modules, dictionaries, lists and tuples with arrays at its leaves."""

Rebuild: TypeAlias = Callable[[Sequence[Any]], Tree]


def flatten(tree: Tree) -> tuple[list[Any], Rebuild]:
    """The leaves of `tree`, in order, and the function that builds the same tree around as many others.

    Examples
    --------
    >>> leaves, rebuild = flatten({"w": 1.0, "layers": [2.0, (3.0, None)]})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> rebuild([10, 20, 30])
    {'w': 10, 'layers': [20, (30, None)]}
    """
    kind = type(tree)
    if hasattr(kind, "tree_flatten"):
        result: tuple[list[Any], Rebuild] = tree.tree_flatten()
        return result
    if isinstance(tree, dict):
        return _flatten_parts(list(tree.values()), lambda parts: _like(tree, zip(tree, parts, strict=True)))
    if isinstance(tree, list):
        return _flatten_parts(tree, list if kind is list else lambda parts: _refilled(tree, parts))
    if isinstance(tree, tuple):
        return _flatten_parts(tree, (lambda parts: kind(*parts)) if hasattr(kind, "_fields") else tuple)
    if tree is None:
        return [], lambda _: None
    return [tree], lambda leaves: leaves[0]


def _like(tree: dict[Any, Any], items: Any) -> dict[Any, Any]:
    """A dictionary of the kind of `tree` (an OrderedDict, a defaultdict, ...) with other values."""
    if type(tree) is dict:
        return dict(items)
    other = copy.copy(tree)
    other.update(items)
    return other


def _refilled(tree: list[Any], parts: list[Any]) -> list[Any]:
    other = copy.copy(tree)
    other[:] = parts
    return other


def _flatten_parts(parts: Sequence[Tree], join: Callable[[list[Tree]], Tree]) -> tuple[list[Any], Rebuild]:
    leaves: list[Any] = []
    rebuilds = []
    for part in parts:
        below, rebuild = flatten(part)
        rebuilds.append((len(leaves), len(leaves) + len(below), rebuild))
        leaves += below

    def rebuild_all(others: Sequence[Any]) -> Tree:
        return join([rebuild(others[start:stop]) for start, stop, rebuild in rebuilds])

    return leaves, rebuild_all


def tree_map(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """The tree whose leaves are `function` of the leaves of `tree` (and of `others`, which have the same shape).

    Raises
    ------
    ValueError
        If the trees have different numbers of leaves.

    Examples
    --------
    >>> tree_map(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 10, "y": [20]})
    {'x': 11, 'y': [22]}
    """
    leaves, rebuild = flatten(tree)
    columns = [leaves] + [flatten(other)[0] for other in others]
    if len({len(column) for column in columns}) != 1:
        raise ValueError(f"expected trees of one shape, got trees with {[len(c) for c in columns]} leaves")
    return rebuild([function(*row) for row in zip(*columns, strict=True)])


def named_leaves(tree: Tree, prefix: str = "") -> list[tuple[str, Any]]:
    """The leaves of `tree` with their paths, in the order of `flatten`.

    Examples
    --------
    >>> named_leaves({"encoder": [1.0, 2.0], "scale": 3.0})
    [('encoder.0', 1.0), ('encoder.1', 2.0), ('scale', 3.0)]
    """
    if isinstance(tree, dict):
        parts = [(str(key), part) for key, part in tree.items()]
    elif isinstance(tree, list | tuple):
        parts = [(str(position), part) for position, part in enumerate(tree)]
    elif tree is None:
        return []
    elif hasattr(type(tree), "named_parameters"):
        return [(prefix + name, leaf) for name, leaf in tree.named_parameters()]
    else:
        return [(prefix.removesuffix("."), tree)]
    return [pair for key, part in parts for pair in named_leaves(part, f"{prefix}{key}.")]
