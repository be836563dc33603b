"""Steps that are compiled once that pays.

To record a step and to make a plan of it takes as long as many plain steps. A fit of a few batches is over before that
is won back, a last smaller batch comes once an epoch, and whoever predicts asks for any number of rows. So each kind of
call (shapes and dtypes) runs plainly until enough of them were met, or are sure to come. The numbers are the same to
the last bit either way.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property
from statistics import median
from time import perf_counter
from typing import Any

from xpnn.arrays.namespaces import Array
from xpnn.arrays.tree import Tree
from xpnn.compiler.checking import checked, planned
from xpnn.compiler.compile import CompiledStep

__all__ = ["Repeated"]

KINDS = 16  # that are remembered and compiled, as many as a compiled step keeps plans


class Repeated:
    """`step` on arrays, compiled for the kinds of calls that come often enough.

    Parameters
    ----------
    step
        A function of arrays.
    state
        What it reads and writes beside them (see `xpnn.compile`).
    pays
        How many calls of one kind make up for a plan; None: it is never compiled.
    """

    def __init__(self, step: Callable[..., Any], state: Tree, *, pays: int | None) -> None:
        self.step, self.state, self.pays = step, state, pays
        self._changes = self._surprises = 0
        self._forget()

    @cached_property
    def _fast(self) -> CompiledStep:
        """Made when first needed: a short fit does without it."""
        return CompiledStep(self.step, self.state, exact=True, fallback=True)

    def _forget(self) -> None:
        self._met: OrderedDict[Any, int] = OrderedDict()  # how many calls of each kind
        self._compiled: dict[Any, int] = {}  # how many of these were compiled: two to record, then replays
        self._trusted: set[Any] = set()  # kinds that were checked
        self._measured: dict[Any, list[tuple[float, float]]] = {}  # seconds: what a replay gains and a check costs

    def doubt(self) -> None:
        """Other people's code has run: check the next call of each kind."""
        self._trusted.clear()

    def each(
        self, calls: Sequence[tuple[Array, ...]], *, ahead: int = 0, undisturbed: int | None = None
    ) -> list[Any]:
        """What the step gives for each of `calls`, which are of one kind.

        With these, `ahead` of that kind are likely, `undisturbed` of them (all if None) before the next doubt.
        """
        kind = tuple([(x.shape, x.dtype) for x in calls[0]])
        if self.pays is None or not self._count(kind, len(calls), ahead):
            return [self.step(*arrays) for arrays in calls]
        if kind in self._trusted:
            return self._fast.each(calls)
        return self._each_checked(kind, calls, ahead if undisturbed is None else undisturbed)

    def _count(self, kind: Any, calls: int, ahead: int) -> bool:
        """Whether enough calls like these were met or lie ahead; a kind that once paid does so from then on.

        Where plans had to be thrown away, twice as many have to be met each time, whatever lies ahead.
        """
        assert self.pays is not None
        met = self._met.pop(kind, 0) + calls
        pays = max(met, met - calls + ahead if not self._changes else 0) >= self.pays << self._changes
        self._met[kind] = met
        if len(self._met) > KINDS:
            self._met.popitem(last=False)
        return pays or kind in self._compiled

    def _each_checked(self, kind: Any, calls: Sequence[tuple[Array, ...]], undisturbed: int) -> list[Any]:
        """As `each`, with a look at whether the plan, if there was one, is still there and does the same."""
        made = self._compiled.get(kind, 0)
        found = []
        if made >= 2:
            if not self._check_pays(kind, max(undisturbed, len(calls))):
                return [self.step(*arrays) for arrays in calls]
            if not planned(self._fast, *calls[0]):
                self._changed()
                return [self.step(*arrays) for arrays in calls]
            start = perf_counter()
            check = checked(self._fast, *calls[0])
            took = perf_counter() - start - check.plain
            self._measured[kind] = [*self._measured.get(kind, [])[-4:], (check.plain - check.replay, took)]
            if not check.same:
                self._surprised()
                return [check.result, *(self.step(*arrays) for arrays in calls[1:])]
            found = [check.result]
        found += self._fast.each(calls[len(found) :])
        self._compiled[kind] = made + len(calls)
        if made + len(calls) >= 2:
            self._trusted.add(kind)
        return found

    def _check_pays(self, kind: Any, calls: int) -> bool:
        """Whether so many replays gain more than a check costs: of large networks, ten may not. By the median of the
        last five checks, since any may have been interrupted.
        """
        measured = self._measured.get(kind, [])
        if len(measured) < 3:
            return True
        gain, cost = map(median, zip(*measured, strict=True))
        return bool(calls * gain > cost)

    def _changed(self) -> None:
        self._changes += 1
        self._fast.forget()
        self._forget()

    def _surprised(self) -> None:
        """Forget what was recorded; the second time, compile no more."""
        self._changed()
        self._surprises += 1
        if self._surprises > 1:
            self.pays = None
            self._fast.give_up(
                "what it does has changed twice between epochs or calls, by something that the attributes of model, "
                "loss and optimizer do not show. Keep numbers that change there, or pass Trainer(..., compile=False)"
            )
