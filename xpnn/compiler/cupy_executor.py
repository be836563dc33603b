"""Replay on CuPy: the whole step as one CUDA graph, which costs the host as much as two calls.

    copy the arguments into the graph's own → launch → copy the results out

The state is used in place. A graph is made from the calls after rewriting, with runs of elementwise calls as one kernel
each, and is tried before it is used: from the same state it must leave the numbers of the plain step, to the last bit
with `exact=True`, else within what sums in another order change. If it does not, or cannot be captured, the recorded
calls as they are take its place, and if those cannot be captured either, they run one by one. `reason` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from xpnn.compiler.graph_steps import Library, Steps
from xpnn.compiler.plain_executor import PlainExecutor
from xpnn.compiler.program import Call, Program, Ref, copied
from xpnn.compiler.rewrites.kernels import in_kernels

__all__ = ["GraphExecutor", "cupy_executor"]

# Of the largest number: a gradient of rounding errors alone (of a bias before a normalization) may have another sign,
# and Adam then takes a step of the learning rate in the other direction. What is wrong is wrong by more.
TOLERANCE = 0.01
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
        return PlainExecutor(program, reason)
    fuse = in_kernels in rewriting
    ways = [(True, fuse, TOLERANCE if fuse else 0.0)] if rewriting else []
    for rewritten, fused, tolerance in [*ways, (False, False, 0.0)]:
        try:
            shorter = copied(program)
            for rewrite in rewriting if rewritten else ():
                rewrite(shorter)
            found = library(device) if library is not None else _cuda(device)  # type: ignore[arg-type]
            return GraphExecutor(program, shorter, recorded, arguments, found, fuse=fused, tolerance=tolerance)
        except Exception as problem:  # whatever it is, the calls themselves are right
            reason = f"{type(problem).__name__}: {problem}".splitlines()[0]
            if isinstance(problem, NotImplementedError) or not (fused or isinstance(problem, Differs)):
                break  # the calls as they are would not be captured either
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
    names = [call.name for call in program.calls]
    if not names:
        return "it makes no calls"
    return next((f"{name} {_REFUSED[name]}" for name in names if name in _REFUSED), "")


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
        fuse: bool, tolerance: float,
    ) -> None:  # fmt: skip
        self.program, self.library = plain, library
        self._plain = PlainExecutor(plain)
        self._views = {n: _view_calls(ref, program) for n, ref in enumerate(program.outputs) if type(ref) is Ref}
        self._outputs = [_kind_of(ref, program) for ref in program.outputs]
        self._arguments = {n: k for k, n in enumerate(n for n, v in enumerate(program.values) if v.kind == "argument")}
        self._values = program.outputs
        self._launched = False
        saved = _saved(program, library)
        try:
            expected = [library.copy(x) for x in self._plain.run(*arguments) if hasattr(x, "dtype")]
            expected += [library.copy(array) for array, _ in saved]
            _restore(saved)
            with library.private():
                self._inputs = inputs = [library.like(x) for x in arguments]
                for place, x in zip(inputs, arguments, strict=True):
                    library.put(place, x)
                steps = Steps(program, library, recorded, fuse=fuse)
                for _ in range(2):  # compiles kernels and makes handles
                    steps.run(inputs)
                self._graph = library.capture(lambda: steps.run(inputs))
            _restore(saved)
            self._kept = steps.fixed, steps.kernels
            self.parts = len(steps.steps), len(steps.kernels)
            found = [x for x in self.run(*arguments) if hasattr(x, "dtype")] + [array for array, _ in saved]
            off = max((library.apart(a, b) for a, b in zip(found, expected, strict=True)), default=0.0)
            if off > tolerance:
                raise Differs(f"its numbers were off by {off:.1e} of the largest when it was tried")
        finally:
            _restore(saved)

    def run(self, *arguments: Any) -> list[Any]:
        """The results of the step for these arrays; all work is only started."""
        self._launched = False
        if not self.library.is_here():
            return self._plain.run(*arguments)
        self.library.begin()
        try:
            for place, x in zip(self._inputs, arguments, strict=True):
                self.library.put(place, x)
            self._graph.launch()
            self._launched = True
            return [self._given(n, kind, arguments) for n, kind in enumerate(self._outputs)]
        finally:
            self.library.end()

    def reached(self, problem: BaseException) -> int:
        """The position of the last call that may have been made before `problem`; -1 if none was."""
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


def _saved(program: Program, library: Library) -> list[tuple[Any, Any]]:
    """Copies of all that the program writes and that was there before."""
    written = program.written()
    fixed = [value for value in program.values if value.array is not None and value.storage in written]
    arrays = list({id(value.array): value.array for value in fixed}.values())
    wholes = {id(x) for x in arrays}
    return [(x, library.copy(x)) for x in arrays if id(getattr(x, "base", None)) not in wholes]  # views go with those


def _restore(saved: list[tuple[Any, Any]]) -> None:
    for array, copy in saved:
        array[...] = copy
