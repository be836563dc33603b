"""Whether a plan still does what the step does.

A replay does not run the step's Python. What that reads is watched as far as it can be seen (see `variables`), and not
beyond: not an attribute that a layer finds by a name made while it runs. So whoever calls other people's code between
steps lets one call run both ways, from the same state, and compares what it leaves behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import to_host
from xpnn.arrays.tree import Tree, flatten
from xpnn.compiler.arguments import Arguments
from xpnn.compiler.compile import CompiledStep
from xpnn.compiler.state import State

__all__ = ["Check", "checked", "planned"]


def planned(fast: CompiledStep, *args: Any) -> bool:
    """Whether it is settled what a call with these arguments does, with the state as it is: not recorded any more.

    Examples
    --------
    >>> import numpy, xpnn
    >>> fast = xpnn.compile(lambda x: 2 * x)
    >>> _ = fast(numpy.ones(1)), fast(numpy.ones(1))
    >>> planned(fast, numpy.ones(1)), planned(fast, numpy.ones(2))
    (True, False)
    """
    with fast._running():
        return fast._gave_up or _key(fast, Arguments(args, {}))[0] in fast._plans


@dataclass(frozen=True, slots=True)
class Check:
    """What the plain step gave, whether a replay did the same, and how many seconds each took."""

    result: Tree
    same: bool
    plain: float = 0.0
    replay: float = 0.0


def checked(fast: CompiledStep, *args: Any) -> Check:
    """One plain step, and before it, from the same state, a replay of the plan for these arguments, if there is one.

    They are compared to the last bit, so the step has to be `exact`. If they differ, the plan stays: the caller decides
    what to do.

    Examples
    --------
    >>> import numpy, xpnn
    >>> rate = numpy.asarray(2.0)
    >>> fast = xpnn.compile(lambda x: numpy.sqrt(rate) * x, exact=True)  # NumPy's own function: out of sight
    >>> _ = fast(numpy.ones(1)), fast(numpy.ones(1))
    >>> rate[...] = 9.0
    >>> check = checked(fast, numpy.ones(1))
    >>> check.result, check.same
    (array([3.]), False)
    """
    with fast._running():
        given = Arguments(args, {})
        key, states = _key(fast, given)
        plan = fast._plans.get(key)
        if plan is None or fast._gave_up:
            return Check(fast.step(*args), same=True)
        saved = [state.saved() for state in states]
        saved.append([(x, namespace_of(x).asarray(x, copy=True)) for x in given.arrays])
        arrays = [array for pairs in saved for array, _ in pairs]
        start = perf_counter()
        try:
            result = plan.replay(given.arrays)
            replay = perf_counter() - start
            replayed: Any = _bits(result, arrays)
        except Exception:  # if the plain step raises too, that is the error
            replay, replayed = 0.0, None
        finally:
            for pairs in saved:
                fast.state.restore(pairs)
        start = perf_counter()
        result = fast.step(*args)
        plain = perf_counter() - start
        return Check(result, _bits(result, arrays) == replayed, plain, replay)


def _key(fast: CompiledStep, given: Arguments) -> tuple[Any, list[State]]:
    """What the plan for such arguments is found by, and the states that it is for."""
    states = [fast.state, *map(fast._state_of, given.objects)]
    return fast._key(states, given), states


def _bits(result: Tree, arrays: list[Array]) -> list[Any]:
    """All that a step leaves behind."""
    leaves = [to_host(leaf).tobytes() if hasattr(leaf, "dtype") else leaf for leaf in flatten(result)[0]]
    return leaves + [to_host(array).tobytes() for array in arrays]
