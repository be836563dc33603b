"""`xpnn.compile`: a step that is recorded while it runs, and from then on replayed.

    fast_step = xpnn.compile(step, state=(model, optimizer))

The first two calls with arguments of certain shapes run the step as it is, on arrays that note what is done to them.
If both did the same, the third call replays what they did: the same calls on the same state, without the Python around
them. Other shapes, another mode of the model, or other arrays in the state are recorded anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.tree import Tree, flatten
from xpnn.autodiff.tape import plain
from xpnn.compiler import rewrites
from xpnn.compiler.program import Program
from xpnn.compiler.recorder import CannotRecord, Recorder, lowered
from xpnn.compiler.state import State

__all__ = ["CannotRecord", "CompiledStep", "compile"]

PLANS = 16  # kept for one step; the one used longest ago makes room


def compile(step: Callable[..., Any], *, state: Tree = (), rewriting: Any = rewrites.ALL) -> CompiledStep:
    """`step`, replayed from its third call with arguments of the same shapes on."""
    return CompiledStep(step, state, rewriting)


class Plan:
    """One recorded step and what replays it."""

    def __init__(self, program: Program, recorder: Recorder, build: Callable[..., Any], rewriting: Any) -> None:
        from xpnn.compiler.numpy_executor import NumpyExecutor

        self.program, self.build = program, build
        for rewrite in rewriting:
            rewrite(program)
        self.executor = NumpyExecutor(program, recorder.kept)
        self.run = self.executor.run


class CompiledStep:
    """What `compile` gives: called like the step."""

    def __init__(self, step: Callable[..., Any], state: Tree, rewriting: Any) -> None:
        update_wrapper(self, step)
        self.step, self.state, self.rewriting = step, State(state), rewriting
        self._plans: OrderedDict[Any, Any] = OrderedDict()
        self._seen: dict[Any, Program] = {}
        self._lock = threading.Lock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(f"{self.step.__name__} is running already: a compiled step is not entered twice")
        try:
            leaves, build = flatten((args, kwargs))
            key = (tuple([_kind(leaf) for leaf in leaves]), self.state.key())
            plan = self._plans.get(key)
            if plan is None:
                return self._recorded(key, leaves, build)
            found = plan.run(*[leaf for leaf in leaves if hasattr(leaf, "dtype")])
            return plan.build(found)
        finally:
            self._lock.release()

    def _recorded(self, key: Any, leaves: list[Any], build: Any) -> Any:
        """Run the step while it is recorded; the second time, make a plan if both recordings agree."""
        arrays = [leaf for leaf in leaves if hasattr(leaf, "dtype")] or self.state.arrays()
        recorder = Recorder(namespace_of(*arrays))
        saved = self.state.saved()
        try:
            with recorder:
                for name, array in self.state.named():
                    recorder.given(array, "state", name)
                given = [recorder.given(x, "argument") if hasattr(x, "dtype") else x for x in leaves]
                args, kwargs = build(given)
                with self.state.swapped(recorder):
                    result = self.step(*args, **kwargs)
                outputs, shape = flatten(result)
                outputs = [plain(output) for output in outputs]
                recorder.program.outputs = [recorder.ref(output) for output in outputs]
        except BaseException:
            self.state.restore(saved)
            raise
        before = self._seen.pop(key, None)
        if before is None:
            self._seen[key] = recorder.program
        else:
            self._compare(before, recorder.program)
            self._plans[key] = Plan(recorder.program, recorder, shape, self.rewriting)
            if len(self._plans) > PLANS:
                self._plans.popitem(last=False)
        return shape([lowered(output) for output in outputs])

    def _compare(self, first: Program, second: Program) -> None:
        if first.signature() != second.signature():
            raise CannotRecord("two steps in a row did not do the same")

    def plan(self) -> str:
        """The newest plan's lines, for people."""
        if not self._plans:
            return "no plan yet: it is made at the second call with arguments of the same shapes"
        return str(next(reversed(self._plans.values())).executor.source)


def _kind(leaf: Any) -> Any:
    if hasattr(leaf, "dtype"):
        return (type(leaf), leaf.shape, leaf.dtype)
    return (type(leaf), leaf)
