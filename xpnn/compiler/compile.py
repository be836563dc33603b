"""`xpnn.compile`: a step that is recorded while it runs, and from then on replayed.

    fast_step = xpnn.compile(step, state=(model, optimizer))

The first two calls with arguments of certain shapes run the step as it is, on arrays that note what is done to them.
If both did the same, the third call replays what they did: the same calls on the same state, without the Python around
them. Other shapes, another mode of the model, or other arrays in the state are recorded anew.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import WRAPPER_ASSIGNMENTS, update_wrapper
from typing import Any, Self

from xpnn.arrays.tree import Tree
from xpnn.compiler.aliasing import shared
from xpnn.compiler.arguments import Arguments
from xpnn.compiler.last import LastCall
from xpnn.compiler.plans import Plan
from xpnn.compiler.recording import Recording, recorded
from xpnn.compiler.refusals import CannotRecord, CompileWarning, warn
from xpnn.compiler.state import Key, State
from xpnn.compiler.traced import active

__all__ = ["CannotRecord", "CompileWarning", "CompiledStep", "compile"]

PLANS = 16  # kept for one step; the one used longest ago makes room
LASTS = 4  # calls that are remembered so well that one like them needs no look-up
WINDOW = 100  # calls: more new kinds of calls than there are plans within so many are reported
PATIENCE = 60.0  # seconds to wait for another thread that records, before a call runs plainly
REPLACED = 2  # sets of replaced arrays of the state whose plans are kept: averages take turns with parameters
OBJECTS = 16  # models and optimizers given as arguments that are remembered


def compile(
    step: Callable[..., Any],
    *,
    state: Tree = (),
    exact: bool = False,
    fallback: bool = False,
    rewriting: Sequence[Callable[[Any], None]] | None = None,
) -> CompiledStep:
    """`step` without the Python around its array operations, from its third call with arguments of the same kind on.

    The first two calls run the step as it is and record it; if they did the same, a plan is made that does it again:
    forward, backward and update alike. Arguments of other shapes, dtypes or strides, other Python arguments, another
    mode of the model, other options, replaced or moved arrays of the state are recorded anew; up to 16 plans are kept.

    Parameters
    ----------
    step
        A function of arrays, in trees too, that gives arrays, in trees too. It runs on stand-ins for the arrays while
        it is recorded, so it uses the functions of `xpnn.namespace_of(x)`, as layers do. What else it does (printing,
        counting) is not done again.
    state
        What the step reads and writes beside its arguments: models, optimizers, dictionaries and lists of arrays, in
        tuples, lists and dictionaries. An array that the step replaces (`state["w"] = w - d`) is written into instead.
        Models and optimizers that are arguments, or variables that the step reads, count as state too.
    exact
        Whether the numbers must be those of the plain step to the last bit. If not, sums may be taken in another order.
    fallback
        Whether a step that cannot be recorded runs as it is from then on, with one `CompileWarning`, or raises.
    rewriting
        The rewrites of the plan, in order (see `compiler.rewrites`); None: all, or those that keep every bit.

    Returns
    -------
    CompiledStep
        Called like the step. Results are new arrays, which later steps leave alone; where the step gives an argument,
        an array of its state or a view of one, it is that array, or such a view, as in the plain step. Results that
        share memory with one another come back as copies, each of its own. `fast_step.each(calls)` makes several steps
        in one call.

    Raises
    ------
    TypeError
        If the state is of another kind, its arrays cannot be written in place (JAX, Dask), or an option is no bool.
    CannotRecord
        When called: if the step looks at a number in an array, has shapes that depend on numbers, or does not do the
        same twice. The state is then as before the call.
    RuntimeError
        When called: if the step calls itself.

    Examples
    --------
    >>> import numpy, xpnn
    >>> model = xpnn.nn.Linear(3, 1).initialize(seed=0)
    >>> optimizer = xpnn.optim.SGD(model, learning_rate=0.1)
    >>> loss_and_gradients = xpnn.value_and_grad(lambda model, x, t: xpnn.nn.squared_error(model(x), t))
    >>> def step(x, t):
    ...     loss, gradients = loss_and_gradients(model, x, t)
    ...     optimizer.step(gradients)
    ...     return loss
    >>> fast_step = xpnn.compile(step, state=(model, optimizer))
    >>> x, t = numpy.ones((8, 3), dtype="float32"), numpy.ones((8, 1), dtype="float32")
    >>> losses = [fast_step(x, t) for _ in range(10)]
    >>> bool(losses[9] < losses[0])
    True
    """
    return CompiledStep(step, state, exact=exact, fallback=fallback, rewriting=rewriting)


class _Recorded:
    """What a call gave while it was recorded."""

    __slots__ = ("result",)

    def __init__(self, result: Any) -> None:
        self.result = result


_recording = threading.RLock()
"""Held while arrays of some state are replaced by recording ones: another step may be one of the same model."""


class CompiledStep:
    """What `compile` gives: called like the step."""

    is_compiled_step = True

    def __init__(
        self,
        step: Callable[..., Any],
        state: Tree,
        *,
        exact: bool = False,
        fallback: bool = False,
        rewriting: Sequence[Callable[[Any], None]] | None = None,
    ) -> None:
        if not callable(step):
            raise TypeError(f"compile expected a function, got {type(step).__name__}")
        for name, given in (("exact", exact), ("fallback", fallback)):
            if not isinstance(given, bool):
                raise TypeError(f"compile expected {name} to be True or False, got {given!r:.60}")
        update_wrapper(self, step, [name for name in WRAPPER_ASSIGNMENTS if hasattr(step, name)], updated=())
        self.step, self.exact, self.fallback, self.rewriting = step, exact, fallback, rewriting
        self.state = State(state, step)
        self._warned = self._warned_of_thrashing = False
        self._lock = threading.Lock()
        self._owner = 0
        self._start()

    def forget(self) -> None:
        """Forget all plans, so that the next calls are recorded."""
        with self._running():
            self._start()

    def _start(self) -> None:
        self._plans: OrderedDict[Any, Plan | None] = OrderedDict()  # None: runs plainly
        self._first: OrderedDict[Any, Recording] = OrderedDict()  # recorded once so far
        self._objects: OrderedDict[int, State] = OrderedDict()  # arguments that are state
        self._last: LastCall | None = None
        self._lasts: OrderedDict[Any, LastCall] = OrderedDict()  # by key
        self._gave_up = False
        self._failed: deque[Any] = deque(maxlen=PLANS)  # kinds of arguments of which a recording failed
        self._changing: OrderedDict[Any, int] = OrderedDict()  # by kind of arguments: recordings that changed the key
        self._calls = 0
        self._news: deque[tuple[int, str]] = deque(maxlen=PLANS + 1)
        self._newest: tuple[Any, Any] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._gave_up or active.recorder is not None:  # inside another recording: a part of that step
            return self.step(*args, **kwargs)
        if not self._lock.acquire(False):
            self._wait()
        self._owner = _thread()
        try:
            return self._one(args, kwargs)
        finally:
            self._owner = 0
            self._lock.release()

    def _one(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._calls += 1
        last = self._last
        if (
            last is not None
            and not kwargs
            and len(args) == last.count
            and last.fits(*args)
            and self.state.known_key() is last.token
        ):
            return last.plan.replay(args)
        if not kwargs and (earlier := self._earlier(args)) is not None:
            self._last = earlier
            return earlier.plan.replay(args)
        return self._other(args, kwargs)

    def _earlier(self, args: tuple[Any, ...]) -> LastCall | None:
        """An earlier call like this one: the last smaller batch of an epoch comes again and again."""
        for key, last in self._lasts.items():
            if len(args) != last.count or not last.fits(*args) or self.state.known_key() is not last.token:
                continue
            if self._plans.get(key) is last.plan and not last.plan.is_stale():
                self._plans.move_to_end(key)
                return last
        return None

    def each(self, calls: Iterable[tuple[Any, ...]]) -> list[Any]:
        """The results for each of `calls`, tuples of arguments, one after the other.

        As `[step(*args) for args in calls]`, and faster for small steps: what a plan depends on beside its arguments
        (modes, options, which arrays the state holds) is looked at once, so nothing else may change it in between.

        Examples
        --------
        >>> import numpy, xpnn
        >>> state = {"total": numpy.zeros(2)}
        >>> def add(x):
        ...     state["total"] += x
        ...     return 1 * state["total"]
        >>> xpnn.compile(add, state=state).each([(numpy.full(2, n),) for n in (1.0, 2.0, 3.0)])
        [array([1., 1.]), array([3., 3.]), array([6., 6.])]
        """
        if self._gave_up or active.recorder is not None:
            return [self.step(*args) for args in calls]
        found = []
        with self._running():
            ready: LastCall | None = None  # what the state was seen to be like
            for args in calls:
                if ready is not None and len(args) == ready.count and ready.fits(*args):
                    self._calls += 1
                    found.append(ready.plan.replay(args))
                    continue
                found.append(self.step(*args) if self._gave_up else self._one(args, {}))
                last = self._last
                ready = last if last is not None and last.token is self.state.known_key() else None
        return found

    @contextmanager
    def _running(self) -> Iterator[None]:
        """One thread at a time."""
        if not self._lock.acquire(blocking=False):
            self._wait()
        self._owner = _thread()
        try:
            yield
        finally:
            self._owner = 0
            self._lock.release()

    def _wait(self) -> None:
        """Wait for another thread; a step that calls itself would wait forever."""
        if self._owner == _thread():
            raise RuntimeError(f"{_name(self.step)} is running already: a compiled step cannot call itself")
        self._lock.acquire()

    def _other(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call unlike the last."""
        given = Arguments(args, kwargs)
        if any(getattr(type(x), "stands_on_another", False) for x in given.arrays):
            return self.step(*args, **kwargs)  # inside a differentiation, which has to see the step
        if not _recording.acquire(timeout=PATIENCE):
            return self.step(*args, **kwargs)
        try:
            plan = self._planned(given)
            if isinstance(plan, _Recorded):
                return plan.result
        finally:
            _recording.release()
        return plan.replay(given.arrays) if plan is not None else self.step(*args, **kwargs)

    def _planned(self, given: Arguments) -> Plan | _Recorded | None:
        """The plan for a call; None: it runs plainly; or what it gave while it was recorded."""
        states = [self.state, *map(self._state_of, given.objects)]
        key = self._key(states, given)
        if key not in self._plans:
            for state in states:
                state.places()  # an optimizer whose parameters were replaced binds them, as in the step
            key = self._key(states, given)
        if key in self._plans and (found := self._plans[key]) is not None and found.is_stale():
            del self._plans[key]
        if key not in self._plans:
            return _Recorded(self._record(key, states, given))
        self._plans.move_to_end(key)
        plan = self._plans[key]
        if plan is not None and plan.kinds is not None and not key[2] and not plan.sources:
            self._last = self._lasts[key] = LastCall(key[0][0], plan.kinds, plan, self.state)
            if len(self._lasts) > LASTS:
                self._lasts.popitem(last=False)
        return plan

    def _state_of(self, held: Any) -> State:
        if id(held) not in self._objects:
            self._objects[id(held)] = State(held)
            if len(self._objects) > OBJECTS:
                self._objects.popitem(last=False)
        self._objects.move_to_end(id(held))
        return self._objects[id(held)]

    def _key(self, states: list[State], given: Arguments) -> tuple[tuple[Key, ...], Any, Any]:
        tokens = tuple([state.key() for state in states])
        memories = [token.memory(state) for token, state in zip(tokens, states, strict=True)]
        return tokens, given.structure, shared(given.arrays, memories) if given.arrays else ()

    # Recording

    def _record(self, key: Any, states: list[State], given: Arguments) -> Any:
        """Run the step while it is recorded; the second time, make a plan if both recordings agree."""
        self._notice(key, states)
        self._let_go()
        before = self._first.get(key)
        marks = before.marks() if before is not None else {}
        try:
            recording = recorded(self.step, states, given, goes_on=self.fallback)
        except Exception as problem:  # the state is as before
            if not self.fallback:
                raise
            result = self.step(*given.args, **given.kwargs)  # if that raises too, it is the step's own error
            self._give_up(key, problem)
            return result
        try:
            if recording.recorder.problem is None:
                self._check(key, states, recording)
            else:
                self._first.pop(key, None)
                self._give_up(key, recording.recorder.problem)
                before = None
            if before is not None:
                recording.require_same(before, marks)
                del self._first[key]
                plan = Plan(recording, given, self._rewriting())
                plan.depend_on(recording.sources(array for token in key[0] for array in token.arrays))
                self._keep(key, plan)
        except Exception as problem:  # CannotRecord, or a plan that cannot be made
            self._first.pop(key, None)
            if not self.fallback:
                recording.undo()
                raise
            self._give_up(key, problem)
        result = recording.result
        recording.forget()
        return result

    def _let_go(self) -> None:
        """Drop plans for arrays that the state no longer holds, but for those of the last sets of such arrays."""
        sets: dict[frozenset[int], None] = {}
        for kept in (self._plans, self._first):
            for key in reversed(list(kept)):  # the one used last comes first
                gone = frozenset().union(*(token.replaced() for token in key[0]))
                if gone and len(sets) >= REPLACED and gone not in sets:
                    del kept[key]
                elif gone:
                    sets[gone] = None
        for key in [key for key in self._lasts if key not in self._plans]:
            del self._lasts[key]  # it holds arrays of the state as it was

    def _check(self, key: Any, states: list[State], recording: Recording) -> None:
        """Raise if the step changed what Python keeps, or put arrays away."""
        recording.require_nothing_kept()
        recording.require_no_hidden_writes()
        if where := recording.iterator():
            raise CannotRecord(
                f"the step reaches an iterator ({where}), and how far it is cannot be seen: a replay would not take "
                "from it. Take from it outside the step, and give what it gave as an argument",
                lasts=True,
            )
        what = self._changes(key, states, recording)
        if not what:
            self._changing.pop(key[1], None)
            if key not in self._first:
                self._first[key] = recording
                if len(self._first) > PLANS:
                    self._first.popitem(last=False)
            return
        self._changing[key[1]] = self._changing.pop(key[1], 0) + 1
        if len(self._changing) > PLANS:
            self._changing.popitem(last=False)
        if self._changing[key[1]] > 1 or key in self._first:  # at first it may be a first use: something made for it
            raise CannotRecord(
                f"the step changed what Python keeps between steps ({what}), which a replay would not: keep numbers "
                "that change in arrays of the state, or give them as arguments",
                lasts=True,
            )

    def _changes(self, key: Any, states: list[State], recording: Recording) -> str:
        """What the recorded run changed of what Python keeps, in words; '' if nothing."""
        for state, before in zip(states, key[0], strict=True):
            if (now := state.key()) != before:
                return state.changes(before, now)
        return recording.hidden_changes()

    def _rewriting(self) -> Sequence[Callable[[Any], None]]:
        from xpnn.compiler.rewrites.order import ALL, LOOSE

        if self.rewriting is not None:
            return self.rewriting
        return ALL if self.exact else (*LOOSE, *ALL)

    def _keep(self, key: Any, plan: Plan | None) -> None:
        self._plans[key] = plan
        if len(self._plans) > PLANS:
            self._plans.popitem(last=False)

    def _give_up(self, key: Any, problem: Exception) -> None:
        """Run plainly from now on: for calls like this one, or for all.

        For all, if the step keeps changing what Python keeps, or if another recording of such arguments failed: then
        most likely the key is another one at each call, since the step counts.
        """
        self._keep(key, None)
        self._gave_up |= (isinstance(problem, CannotRecord) and problem.lasts) or key[1] in self._failed
        self._failed.append(key[1])
        self._warn_once(problem)

    def give_up(self, why: str) -> None:
        """Run plainly from now on, with the one warning if it was not given before."""
        self._gave_up = True
        self._warn_once(why)

    def _warn_once(self, why: Any) -> None:
        if not self._warned:
            self._warned = True
            warn(f"{_name(self.step)} runs without being compiled: {why}")

    def _notice(self, key: Any, states: list[State]) -> None:
        """Report once if most calls are unlike all before."""
        if key in self._first or key == self._newest or self._warned_of_thrashing:
            return  # the newest once more: its recording failed
        self._news.append((self._calls, self._what_changed(key, states)))
        self._newest = key
        if len(self._news) > PLANS and self._calls - self._news[0][0] < WINDOW:
            self._warned_of_thrashing = True
            changes = list(dict.fromkeys(what for _, what in self._news if what))
            warn(
                f"{_name(self.step)} was recorded anew {PLANS + 1} times within {WINDOW} calls, which costs more than "
                f"it gains. What changed: {'; '.join(changes[-4:])}. Pass what changes as an array, or pad to equal "
                "shapes"
            )

    def _what_changed(self, key: Any, states: list[State]) -> str:
        if self._newest is None:
            return ""
        old: Any = self._newest
        for state, a, b in zip(states, old[0], key[0], strict=False):
            if a != b:
                return state.changes(a, b)
        if old[1] != key[1]:
            return f"an argument: {_difference(old[1], key[1])}"
        return "which arguments share memory"

    def plan(self) -> Plan | None:
        """The plan used last, which prints as a list of its calls; None before there is one.

        Examples
        --------
        >>> import numpy, xpnn
        >>> fast = xpnn.compile(lambda x: 2 * x + 1)
        >>> _ = [fast(numpy.ones(3)) for _ in range(3)]
        >>> "multiply" in str(fast.plan())
        True
        """
        return next((plan for plan in reversed(self._plans.values()) if plan is not None), None)

    # Copies: plans are made anew, since they hold the arrays of this one's state

    def __getstate__(self) -> dict[str, Any]:
        return {
            "step": self.step, "state": self.state.tree, "exact": self.exact, "fallback": self.fallback,
            "rewriting": self.rewriting,
        }  # fmt: skip

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.__init__(saved.pop("step"), saved.pop("state"), **saved)  # type: ignore[misc]

    def __copy__(self) -> Self:
        made = object.__new__(type(self))
        made.__setstate__(self.__getstate__())
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A function finds the model where it found it before, so its state stays; a method goes with its object."""
        made = memo[id(self)] = object.__new__(type(self))  # known before its object, which may hold it
        step = copy.deepcopy(self.step, memo)
        tree = self.state.tree if step is self.step else copy.deepcopy(self.state.tree, memo)
        made.__setstate__({**self.__getstate__(), "step": step, "state": tree})
        return made

    def __repr__(self) -> str:
        return f"<compiled {_name(self.step)}, {sum(plan is not None for plan in self._plans.values())} plans>"


_thread = threading.get_ident


def _name(step: Any) -> str:
    return getattr(step, "__name__", None) or type(step).__name__


def _difference(a: Any, b: Any) -> str:
    """The first parts that differ."""
    if type(a) is type(b) is tuple and len(a) == len(b):
        return next((_difference(x, y) for x, y in zip(a, b, strict=True) if x != y), "")
    return f"{a!r:.40} -> {b!r:.40}"
