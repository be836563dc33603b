"""Whether a plan still does what the step does.

A replay does not run the step's Python. What that reads is watched as far as it can be seen (see `variables`), and not
beyond: not an attribute that a layer finds by a name made while it runs. So whoever calls other people's code between
steps lets one call run both ways, from the same state, and compares what it leaves behind.

On a GPU some sums are taken in the order in which threads arrive, so that no two runs leave the same bits. Where
replays differ among themselves, the plain step must be as near to them as `judging` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import to_host
from xpnn.arrays.tree import Tree, flatten
from xpnn.compiler.arguments import Arguments
from xpnn.compiler.compile import CompiledStep
from xpnn.compiler.judging import fault
from xpnn.compiler.plans import Plan
from xpnn.compiler.state import State

__all__ = ["Check", "checked", "planned"]

Saved = list[tuple[Array, Array]]
REPLAYS = 3  # from one state, to see whether they differ


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

    They are compared to the last bit, so the step has to be `exact`; less closely only where replays differ too. If
    they differ, the plan stays: the caller decides what to do.

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
        same = _bits(result, arrays) == replayed
        if not same and replayed is not None:
            same = _is_among_replays(fast, plan, given, saved, result)
        return Check(result, same, plain, replay)


def _is_among_replays(fast: CompiledStep, plan: Plan, given: Arguments, saved: list[Saved], result: Tree) -> bool:
    """Whether replays differ among themselves, from the same state, and the plain step from them no more than that.

    NumPy's do not: they are not made again. The state is left as the plain step left it.
    """
    if getattr(plan.executor, "reason", None) is None:
        return False
    pairs = [pair for some in saved for pair in some]
    arrays = [array for array, _ in pairs]
    found = _left(result, arrays)
    after = [(x, namespace_of(x).asarray(x, copy=True)) for x in arrays]
    runs = []
    try:
        for _ in range(REPLAYS):
            fast.state.restore(pairs)
            runs.append(_left(plan.replay(given.arrays), arrays))
    except Exception:  # as where the first replay raised
        return False
    finally:
        fast.state.restore(after)
    if any(len(run) != len(found) for run in runs):
        return False
    waver = getattr(plan.executor, "wavers", False) or any(_bytes(run) != _bytes(runs[0]) for run in runs[1:])
    starts = [None] * (len(found) - len(pairs)) + [to_host(copy) for _, copy in pairs]
    return waver and all(_is_near(*each) for each in zip(found, zip(*runs, strict=True), starts, strict=True))


def _is_near(found: Any, runs: tuple[Any, ...], start: Any) -> bool:
    if not hasattr(found, "dtype"):
        return bool(found == runs[0])
    return not fault(found, runs, start, exact=False)


def _key(fast: CompiledStep, given: Arguments) -> tuple[Any, list[State]]:
    """What the plan for such arguments is found by, and the states that it is for."""
    states = [fast.state, *map(fast._state_of, given.objects)]
    return fast._key(states, given), states


def _left(result: Tree, arrays: list[Array]) -> list[Any]:
    """All that a step leaves behind, on the host."""
    leaves = [*flatten(result)[0], *arrays]
    return [numpy.array(to_host(leaf)) if hasattr(leaf, "dtype") else leaf for leaf in leaves]


def _bytes(left: list[Any]) -> list[Any]:
    return [leaf.tobytes() if hasattr(leaf, "dtype") else leaf for leaf in left]


def _bits(result: Tree, arrays: list[Array]) -> list[Any]:
    """All that a step leaves behind."""
    leaves = [to_host(leaf).tobytes() if hasattr(leaf, "dtype") else leaf for leaf in flatten(result)[0]]
    return leaves + [to_host(array).tobytes() for array in arrays]
