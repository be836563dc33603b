"""Updates of the rows that a batch used: an embedding of 100 000 rows of which 256 have a gradient.

On a CPU the rows are found and gathered, the rule runs on them, and they are put back. On a GPU that would wait for the
device, and all rows are a matter of microseconds: there the rule runs on copies of all, and unused rows keep what they
had.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import used_rows
from xpnn.arrays.recording import recordable

__all__ = ["update_used_rows"]

Rule = Callable[..., None]


def update_used_rows(rule: Rule, p: Array, g: Array, state: dict[str, Array], rest: tuple[Any, ...]) -> None:
    """`rule(p, g, state, *rest)` for the rows of `p` whose gradient is not all zero, in place."""
    if 0 in p.shape:
        return
    if not p.shape:  # one number, a row of its own
        p, g, *arrays = (namespace_of(p).reshape(x, (1,)) for x in (p, g, *state.values()))
        state = dict(zip(state, arrays, strict=True))
    for array in (p, *state.values()):
        array[:0, ...] = array[:0, ...]  # a recorded step sees that these are written
    _update(rule, p, g, list(state), list(state.values()), rest)


@recordable
def _update(rule: Rule, p: Array, g: Array, names: list[str], arrays: list[Array], rest: tuple[Any, ...]) -> None:
    rows = used_rows(g)
    if rows is None:
        _update_by_mask(rule, p, g, dict(zip(names, arrays, strict=True)), rest)
        return
    if not rows.shape[0]:
        return
    xp = namespace_of(p)
    taken = [xp.reshape(xp.take(array, rows, axis=0), (-1,)) for array in (p, g, *arrays)]
    rule(taken[0], taken[1], dict(zip(names, taken[2:], strict=True)), *rest)
    for array, part in zip((p, *arrays), (taken[0], *taken[2:]), strict=True):
        array[rows] = xp.reshape(part, (rows.shape[0], *p.shape[1:]))


def _update_by_mask(rule: Rule, p: Array, g: Array, state: dict[str, Array], rest: tuple[Any, ...]) -> None:
    xp = namespace_of(p)
    rows = xp.reshape(g, (g.shape[0], prod(g.shape[1:])))
    used = xp.reshape(xp.any(rows != 0, axis=1), (g.shape[0],) + (1,) * (g.ndim - 1))
    copies = {name: xp.reshape(xp.asarray(array, copy=True), (-1,)) for name, array in {"": p, **state}.items()}
    moved = copies.pop("")
    rule(moved, xp.reshape(xp.asarray(g, copy=True), (-1,)), copies, *rest)
    for array, new in zip((p, *state.values()), (moved, *copies.values()), strict=True):
        array[...] = xp.where(used, xp.reshape(new, p.shape), array)
