"""Replay on CuPy: the whole step as one CUDA graph, which costs the host as much as two calls.

    copy the arguments into the graph's own → launch → copy the results out

The state is used in place. A graph is made from the calls after rewriting, with runs of elementwise calls as one kernel
each, and is tried before it is used: two steps in a row, on other numbers each, must change the state as the plain
steps do, to the last bit with `exact=True`, else within what sums in another order change. If it does not, or cannot be
captured, the recorded calls as they are take its place, and if those cannot be captured either, they run one by one.
`reason` says why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from xpnn.arrays.native import to_host
from xpnn.compiler.graph_steps import Library, Steps
from xpnn.compiler.judging import fault
from xpnn.compiler.plain_executor import PlainExecutor
from xpnn.compiler.program import Call, Program, Ref, copied
from xpnn.compiler.rewrites.kernels import in_kernels

__all__ = ["GraphExecutor", "cupy_executor"]

_log = logging.getLogger("xpnn")

AGAIN = 2  # plain runs beside the first, which show what is not the same twice
_REFUSED = {
    # cuFFT's plans have memory that CuPy may give away while a graph still uses it
    **dict.fromkeys("fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft".split(), "keeps memory of its own"),
    **dict.fromkeys(("sort", "argsort", "isin"), "waits for the device"),  # in Thrust, which an error there may end
}


def cupy_executor(
    program: Program,
    recorded: Sequence[Any],
    arguments: Sequence[Any],
    rewriting: Sequence[Callable[[Program], None]],
    library: Callable[[int], Library] | None = None,
) -> GraphExecutor | PlainExecutor:
    """What replays `program`, whose values were `recorded` with `arguments`; `library` stands in for CUDA in tests."""
    reason = refused(program, arguments)
    if not reason:
        device = _device(arguments, program)
        reason = "its arrays are on several devices" if device is None else ""
    if reason:
        return _call_by_call(program, reason)
    fuse = in_kernels in rewriting
    for rewritten, fused in [*([(True, fuse)] if rewriting else []), (False, False)]:
        try:
            shorter = copied(program)
            for rewrite in rewriting if rewritten else ():
                rewrite(shorter)
            found = library(device) if library is not None else _cuda(device)  # type: ignore[arg-type]
            return GraphExecutor(program, shorter, recorded, arguments, found, fuse=fused)
        except Exception as problem:  # whatever it is, the calls themselves are right
            reason = f"{type(problem).__name__}: {problem}".splitlines()[0]
            if isinstance(problem, NotImplementedError) or not (fused or isinstance(problem, Differs)):
                break  # the calls as they are would not be captured either
    return _call_by_call(program, reason)


def _call_by_call(program: Program, reason: str) -> PlainExecutor:
    first = next((f", the first at {call.line}" for call in program.calls if call.line), "")
    _log.info("A step of %d calls%s runs call by call, not as one CUDA graph: %s", len(program.calls), first, reason)
    return PlainExecutor(program, reason)


def _cuda(device: int) -> Library:
    from xpnn.compiler.cuda_graph import Cuda

    return Cuda(device)


def refused(program: Program, arguments: Sequence[Any]) -> str:
    """Why no graph is tried; '' if nothing speaks against it."""
    values = program.values
    numbers = [n for n, value in enumerate(values) if value.kind == "argument"]
    given = {values[n].storage for n in numbers}
    if any(type(x).__name__ != "ndarray" for x in arguments):
        return "an argument is not an array on the device"
    if len(given) < len(numbers) or any(v.storage in given for v in values if v.kind in ("state", "outside")):
        return "arguments share memory"
    if given & program.written():
        return "it writes into an argument"
    if not program.calls:
        return "it makes no calls"
    return next((why for call in program.calls if (why := _refused_call(call))), "")


def _refused_call(call: Call) -> str:
    """Why a call cannot be captured, as far as that is known; '' if it may be."""
    if call.name in _REFUSED:
        return f"{call.name} {_REFUSED[call.name]}"
    if call.makes:
        return ""  # made once, if nothing writes there
    given = [call.args, call.kwargs]
    if call.name in ("getitem", "setitem"):
        copied_there = _holds(given, list | numpy.ndarray)
    else:
        copied_there = _holds(given, numpy.ndarray)
    return f"{call.name} is given numbers of the host" if copied_there else ""


def _holds(tree: Any, kinds: Any) -> bool:
    """Whether there is such an object in a nest, other than the nest's own lists of arguments."""
    if isinstance(tree, dict):
        return any(_holds(part, kinds) for part in tree.values())
    if isinstance(tree, slice):
        return False
    if isinstance(tree, tuple | list):
        return any(isinstance(part, kinds) or _holds(part, kinds) for part in tree)
    return False


def _device(arguments: Sequence[Any], program: Program) -> int | None:
    arrays = [*arguments, *(value.array for value in program.values if value.array is not None)]
    devices = {int(getattr(getattr(x, "device", None), "id", 0)) for x in arrays}
    return devices.pop() if len(devices) == 1 else None


class Differs(RuntimeError):
    """A graph does not give the numbers of the plain step."""


class GraphExecutor:
    """A program as a function of the step's arrays, replayed as one graph.

    It holds the memory of the graph: its arguments, results and all that lies between, as much as the plain step takes
    at most (`library.bytes_held()`), and shares the workspace of cuBLAS, up to 32 MiB, with all graphs of the device.
    """

    reason = ""

    def __init__(
        self, plain: Program, program: Program, recorded: Sequence[Any], arguments: Sequence[Any], library: Library, *,
        fuse: bool,
    ) -> None:  # fmt: skip
        self.program, self.library = plain, library
        self._plain = PlainExecutor(plain)
        self._views = {n: _view_calls(ref, program) for n, ref in enumerate(program.outputs) if type(ref) is Ref}
        self._outputs = [_kind_of(ref, program) for ref in program.outputs]
        self._arguments = {n: k for k, n in enumerate(n for n, v in enumerate(program.values) if v.kind == "argument")}
        self._values = program.outputs
        self._exact, self._launched, self._call_by_call = not fuse, False, False
        trial = _Trial(self._plain, program, arguments, library, exact=not fuse)
        try:
            trial.run_plainly()
            with library.private():
                self._inputs = inputs = [_laid_out(x, library) for x in arguments]
                steps = Steps(program, library, recorded, fuse=fuse)
                for _ in range(2):  # compiles kernels and makes handles
                    steps.run(inputs)
                self._graph = library.capture(lambda: steps.run(inputs))
            self._kept = steps.fixed, steps.kernels
            self.parts = len(steps.steps), len(steps.kernels)
            trial.judge(self._replay)
            self.wavers = trial.wavers
        finally:
            trial.undo()

    def run(self, *arguments: Any) -> list[Any]:
        """The results of the step for these arrays; all work is only started."""
        self._launched = False
        self._call_by_call = not self.library.is_here() or (
            self._exact and not all(map(self.library.aligned, arguments))
        )
        if self._call_by_call:
            return self._plain.run(*arguments)
        return self._replay(*arguments)

    def _replay(self, *arguments: Any) -> list[Any]:
        with self.library.lock:  # itself, since an interruption must not come between taking it and `try`
            self.library.begin()
            try:
                for place, x in zip(self._inputs, arguments, strict=True):
                    self.library.put(place, x)
                self._launched = True  # or about to be
                self._graph.launch()
                return [self._given(n, kind, arguments) for n, kind in enumerate(self._outputs)]
            finally:
                self.library.end()

    def reached(self, problem: BaseException) -> int:
        """The position of the last call that may have been made before `problem`; -1 if none was."""
        if self._call_by_call:
            return self._plain.reached(problem)
        return len(self.program.calls) - 1 if self._launched else -1

    def __str__(self) -> str:
        steps, kernels = self.parts
        fused = f", {kernels} of them generated kernels" if kernels else ""
        return f"replayed as one CUDA graph of {steps} steps{fused}; it holds {self.library.bytes_held()} bytes"

    def _given(self, n: int, kind: str, arguments: Sequence[Any]) -> Any:
        """What the step gives: copies, since the next replay writes there; what was there before, itself."""
        ref = self._values[n]
        if kind == "constant":
            return ref
        if kind == "result":
            return self.library.copy(self._graph.result[n])
        if kind == "argument":
            start, calls = self._views[n]
            x = arguments[self._arguments[start]]
            for call in calls:
                x = call.function(x, *call.args[1:], **call.kwargs)
            return x
        return self._graph.result[n] if kind == "state" else self._graph.result[n][...]


def _kind_of(ref: Any, program: Program) -> str:
    if type(ref) is not Ref:
        return "constant"
    value = program.values[ref.number]
    root = program.values[value.storage].kind
    if root == "argument" or value.kind == "argument":
        return "argument"
    if value.kind != "result":
        return "state"
    return "result" if root == "result" else "view of the state"


def _view_calls(ref: Ref, program: Program) -> tuple[int, list[Call]]:
    """The argument that an output is a view of, and the calls that make it one."""
    calls: list[Call] = []
    number = ref.number
    if _kind_of(ref, program) != "argument":
        return -1, calls
    made = {n: call for call in program.calls if not call.several for n in call.results}
    while program.values[number].kind != "argument":
        call = made[number]
        calls.insert(0, call)
        number = call.args[0].number
    return number, calls


class _Trial:
    """Two steps in a row on other numbers each, made plainly and then by the graph, from the same state.

    The second step shows what was captured as a number: an argument, a count of steps.
    """

    def __init__(
        self, plain: PlainExecutor, program: Program, arguments: Sequence[Any], library: Library, *, exact: bool
    ) -> None:
        self.library, self.exact = library, exact
        self.wavers = False  # whether the plain calls do not leave the same bits each time
        self._plain = plain
        self._given = [[_laid_out(x, library) for x in arguments], [_others(x, library) for x in arguments]]
        written = plain.program.written() | program.written()
        values = [value for value in program.values if value.array is not None and value.storage in written]
        self._state = list({id(value.array): (value.name, value.array) for value in values}.values())
        wholes = {id(array) for _, array in self._state}
        self._kept = [x for _, x in self._state if id(getattr(x, "base", None)) not in wholes]  # views go with those
        self._starts = [self._copies()]  # the state before each of the two steps
        self._before: list[list[Any]] = []  # and what is judged of it, on the host
        self._runs: list[list[list[Any]]] = []  # what plain runs left, for each step

    def run_plainly(self) -> None:
        """What the two steps should do; the state is then as before."""
        for given in self._given:
            self._before.append(self._seen([]))
            runs = [self._seen(self._plain.run(*given))]
            if len(self._starts) == 1:
                self._starts.append(self._copies())
            start = self._starts[len(self._runs)]
            for again in range(AGAIN):
                _restore(self._kept, start)
                nearly = given if self.exact else [_nearly(x, 4 * again + 4, self.library) for x in given]
                runs.append(self._seen(self._plain.run(*nearly)))
            self._runs.append(runs)
            _restore(self._kept, self._starts[1])
        self.wavers = self.exact and any(_differ(run, runs[0]) for runs in self._runs for run in runs[1:])
        self.undo()

    def judge(self, replay: Callable[..., list[Any]]) -> None:
        """Raise unless the two steps of a graph do the same."""
        for given, start, before, runs in zip(self._given, self._starts, self._before, self._runs, strict=True):
            _restore(self._kept, start)
            found = self._seen(replay(*given))
            names = [name for name, _ in self._state] + ["a result"] * (len(found) - len(self._state))
            starts = before + [None] * (len(found) - len(before))
            for n, (name, x) in enumerate(zip(names, found, strict=True)):
                wrong = fault(x, [run[n] for run in runs], starts[n], exact=self.exact)
                if wrong:
                    raise Differs(f"when it was tried, of {name or 'the state'}, {wrong}")

    def undo(self) -> None:
        """The state as before."""
        _restore(self._kept, self._starts[0])

    def _copies(self) -> list[Any]:
        return [self.library.copy(x) for x in self._kept]

    def _seen(self, results: list[Any]) -> list[Any]:
        """The state, and these results, on the host."""
        arrays = [array for _, array in self._state] + [x for x in results if hasattr(x, "dtype")]
        return [numpy.array(to_host(x)) for x in arrays]


def _differ(one: list[Any], other: list[Any]) -> bool:
    return any(a.tobytes() != b.tobytes() for a, b in zip(one, other, strict=True))


def _restore(arrays: list[Any], copies: list[Any]) -> None:
    for array, copy in zip(arrays, copies, strict=True):
        array[...] = copy


def _laid_out(x: Any, library: Library) -> Any:
    """`x`, where an array of its own begins."""
    place = library.like(x)
    library.put(place, x)
    return place


def _others(x: Any, library: Library) -> Any:
    """Other numbers of the same kind: the rows in another order, so that labels stay labels; real numbers smaller."""
    place = _laid_out(x, library)
    if any(n > 1 and not stride for n, stride in zip(x.shape, x.strides, strict=True)):
        return place  # elements that are one in memory
    if x.ndim and x.shape[0] > 1:
        place[1:], place[:1] = x[:-1], x[-1:]
    if x.dtype.kind in "fc":
        place *= 0.875
    return place


def _nearly(x: Any, roundings: float, library: Library) -> Any:
    """`x` smaller by so many roundings: from 0 to 1 stays from 0 to 1."""
    place = _laid_out(x, library)
    if x.dtype.kind in "fc" and all(stride or n < 2 for n, stride in zip(x.shape, x.strides, strict=True)):
        place *= 1 - roundings * float(numpy.finfo(x.dtype).eps)
    return place
