"""One recorded run of a step: what it gave, what it did, and whether a replay would do the same."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from time import sleep
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of, require_writable
from xpnn.arrays.native import to_host
from xpnn.arrays.tree import Tree
from xpnn.compiler.arguments import Arguments, Results
from xpnn.compiler.comparison import difference
from xpnn.compiler.hidden import Hidden
from xpnn.compiler.leaks import holder
from xpnn.compiler.program import Ref
from xpnn.compiler.recorder import Recorder, digest
from xpnn.compiler.refusals import CannotRecord
from xpnn.compiler.state import State

__all__ = ["Recording", "recorded"]


WAITS = 200  # of 5 ms each


class Recording:
    """What one recorded run of a step left behind."""

    def __init__(self, recorder: Recorder, states: list[State], given: Arguments) -> None:
        self.recorder, self.program = recorder, recorder.program
        self.result: Tree = None
        self.results: Results | None = None
        self._states, self._saved = states, [state.saved() for state in states]
        known = [*given.arrays, *(array for state in states for array in state.arrays())]
        self._hidden: Hidden | None = Hidden([pair for state in states for pair in state.reached()], known)
        self.held: list[Any] = []  # so that identities in the key stay theirs

    def undo(self) -> None:
        """State and arguments as before the run."""
        for state, saved in zip(self._states, self._saved, strict=True):
            state.restore(saved)
        self.recorder.undo()

    def forget(self) -> None:
        """Let go of what only this run needed."""
        self.result, self._states, self._saved, self._hidden = None, [], [], None
        self.recorder.forget()

    def marks(self) -> dict[int, bytes]:
        """What the arrays from outside hold now: between two steps anybody may change them."""
        arrays = {n: self.program.values[n].array for n in self.recorder.outside}
        return {n: digest(array) for n, array in arrays.items()}

    def sources(self, watched: Iterable[Array]) -> list[Array]:
        """Arrays in variables of the step, if it may have made other arrays of their numbers by the library itself.

        What `numpy.exp(w)` gives is an array from outside that the step met nowhere before.
        """
        values = self.program.values
        known = {id(array): array for array in watched}
        if all(id(values[number].array) in known for number in self.recorder.outside):
            return []
        own = {id(value.array) for value in values if value.kind == "state"}
        return [array for name, array in known.items() if name not in own]

    def require_same(self, first: Recording, marks: dict[int, bytes]) -> None:
        """Raise if the step did something else than in its `first` run."""
        if found := difference(first.program, self.program, (marks, self.recorder.outside)):
            raise CannotRecord(
                f"two steps in a row did not do the same: {found}. What a step keeps in Python (a counter, a list that "
                "grows, random numbers of NumPy's) must be an array of the state or an argument"
            )

    def iterator(self) -> str:
        """The name of an iterator within reach of the step: how far it is shows nowhere."""
        return self._hidden.iterator if self._hidden is not None else ""

    def hidden_changes(self) -> str:
        """What the run changed of what Python keeps out of the sight of keys, by name; '' if nothing."""
        return self._hidden.changes(self._is_seen) if self._hidden is not None else ""

    def _is_seen(self, array: Array) -> bool:
        """Whether an array lies in memory that the recording knows, and whose writes it has."""
        roots = [root for _, root in self.recorder.roots if type(root) is type(array)]
        return any(self.recorder.overlap(array, root) for root in roots)

    def require_nothing_kept(self) -> None:
        """Raise if an array of the recording outlives it."""
        if not self.recorder.alive():
            return
        gc.collect()  # what only refers to itself in a circle is not kept
        kept = self.recorder.alive()
        for _ in range(WAITS if threading.active_count() > 1 else 0):
            if not kept or any(self.program.values[array.number].kind != "state" for array in kept):
                break
            kept = []  # another thread, which met it in the model, may hold it until its own call is over
            sleep(0.005)
            kept = self.recorder.alive()
        if kept:
            where = holder(kept)
            raise CannotRecord(
                f"the step keeps an array in Python ({where}), which a replay would not put there again: return it "
                "from the step, or write it into an array of the state"
            )

    def require_no_hidden_writes(self) -> None:
        """Raise if arrays changed that the recording did not write."""
        written = {self.program.storage(call.target) for call in self.program.calls if call.target >= 0}
        values = self.program.values
        for number, mark in self.recorder.outside.items():
            if values[number].storage not in written and digest(values[number].array) != mark:
                raise CannotRecord(
                    "the step wrote into an array that is not part of its state: name it in compile(step, state=...)"
                )
        for saved in self._saved:
            for array, copy in saved:
                number = self.recorder.by_id[id(array)]
                if values[number].storage not in written and to_host(array).tobytes() != to_host(copy).tobytes():
                    raise CannotRecord(
                        f"the step wrote into {values[number].name} by another name: use the array that the state holds"
                    )


def recorded(step: Callable[..., Any], states: list[State], given: Arguments, *, goes_on: bool = False) -> Recording:
    """Run `step` on arrays that record. If it raises, state and arguments are as before.

    If it `goes_on`, a look at a number does not raise: the step runs to its end, and the recorder has the problem.
    """
    held = [array for state in states for array in state.arrays()]
    arrays = given.arrays or held
    if not arrays:
        raise CannotRecord("neither the arguments nor the state of the step hold an array, so there is nothing to plan")
    xp = namespace_of(*arrays)
    if held and all(namespace_of(array) is not xp for array in held):
        namespace_of(arrays[0], held[0])  # raises: the arguments were left on the host
    require_writable(xp, "compile")
    recorder = Recorder(xp, goes_on=goes_on)
    recording = Recording(recorder, states, given)
    try:
        with recorder, ExitStack() as swapped:
            for state in states:
                for name, array in state.named():
                    recorder.given(array, "state", name)
            names = dict(zip(map(id, given.arrays), given.names(), strict=False))
            args, kwargs = given.replaced(lambda x: recorder.given(x, "argument", names.get(id(x), "")))
            # optimizers first: one that met other arrays in its model than its own would bind them anew
            for state in sorted(states, key=State.lacks_optimizer):
                swapped.enter_context(state.swapped(recorder))
            results = Results(step(*args, **kwargs))
            del args, kwargs
            recorder.program.outputs = [recorder.ref(leaf) for leaf in results.leaves]
            swapped.close()
    except BaseException:
        recording.undo()
        raise
    recording.held = given.held
    recording.results, results.leaves = results, []
    leaves = [recorder.kept[leaf.number] if type(leaf) is Ref else leaf for leaf in recorder.program.outputs]
    recording.result = results.build(leaves)
    return recording
