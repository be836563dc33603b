"""Which arguments of a step share memory, with one another or with the step's state.

A plan is made for arguments that share in one way, and replayed only for such. Looking must cost next to nothing: the
array that owns the memory of a view is one attribute away, and different owners share nothing. Only where that does
not decide are the ranges of memory compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of

__all__ = ["Memory", "owner", "shared"]


def owner(x: Array) -> Any:
    """The array that owns the memory of `x`, or None if that is not so simple (a file, another library's memory).

    Examples
    --------
    >>> import numpy
    >>> x = numpy.ones(4)
    >>> owner(x[1:]) is x
    True
    """
    try:
        base = x.base
    except AttributeError:
        return None
    if base is None:
        return x
    return base if type(base) is type(x) and base.base is None else None


class Memory:
    """Where the arrays of a state lie."""

    __slots__ = ("arrays", "owners")

    def __init__(self, arrays: Sequence[Array]) -> None:
        self.arrays = list(arrays)
        found = [owner(array) for array in arrays]
        self.owners = None if any(x is None for x in found) else {id(x) for x in found}  # None: not so simple

    def is_apart(self, owners: Sequence[Any]) -> bool:
        """Whether arrays of these owners surely share nothing with one another or with the state."""
        if self.owners is None:
            return False
        ids = {*map(id, owners)}
        return len(ids) == len(owners) and self.owners.isdisjoint(ids)


def shared(arrays: Sequence[Array], memories: Sequence[Memory]) -> tuple[tuple[int, int, bool], ...]:
    """The pairs of arrays that may share memory, by position, and whether they are one object.

    Arrays of the state count from -1 downwards. One array given twice is one value of a plan, two that overlap are not.
    """
    owners = [owner(x) for x in arrays]
    if all(x is not None for x in owners) and all(memory.is_apart(owners) for memory in memories):
        return ()
    of_state = [array for memory in memories for array in memory.arrays]
    pairs = [(n, m, x is arrays[m]) for n, x in enumerate(arrays) for m in range(n) if _overlap(x, arrays[m])]
    pairs += [(n, -1 - m, x is y) for n, x in enumerate(arrays) for m, y in enumerate(of_state) if _overlap(x, y)]
    return tuple(pairs)


def _overlap(a: Array, b: Array) -> bool:
    if a is b:
        return True
    tell = getattr(namespace_of(a), "may_share_memory", None)  # where a library cannot tell, plans do not depend on it
    return bool(tell(a, b)) if tell is not None and type(a) is type(b) else False
