"""A whole training step on the GPU: forward, backward and Adam, plain, compiled, and in PyTorch.

A compiled step is a CUDA graph, between copies of its arguments and of its result. What these cost, its graph alone
shows; what the graph saves, the same recorded calls one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy

from benchmarks.contenders import LEARNING_RATE, Contender, Run, _between, _named, _shapes
from benchmarks.gpu.findings import Findings
from benchmarks.gpu.torch_steps import TorchStep
from benchmarks.networks import NETWORKS, Network, batch_of
from benchmarks.rounds import Started, microseconds

__all__ = ["OurStep", "apart", "microseconds_in_turns", "step"]

CHECKED = 200  # steps
BATCHES = 8
# Predicted microseconds a step. Plain: about 110 calls of 7 µs, and Python's 1 µs each; replayed: the calls alone.
# Compiled: what a fused graph took before, and three copies of arguments and results of 1 to 2 µs each; the host's part
# of them hides behind the device's but for the smallest. Exact: a graph of 75 nodes less about 8 that are shared or
# dead, and the copies. In TF32: what that saved before. The graph alone: less the copies of arguments and result.
# PyTorch eager: 45 launches of 5 to 8 µs.
PREDICTED = {
    "xpnn, plain": (1100, 950, 1100, 1300),
    "xpnn, compiled": (60, 127, 153, 276),
    "xpnn, compiled, exact": (105, 160, 190, 420),
    "xpnn, compiled, TF32": (56, 68, 88, 172),
    "xpnn, compiled, its graph alone": (51, 118, 146, 263),
    "xpnn, call by call": (650, 550, 650, 900),
    "PyTorch, eager, fused Adam": (420, 340, 420, 640),
    "PyTorch, graph, fused Adam": (60, 50, 95, 440),
}  # fmt: skip
BEFORE = "xpnn, plain"
EARLY = 3
BOUNDS = {"float32": (1e-5, 1e-3), "TF32": (2e-2, 2e-2)}  # of the losses of the first steps, and of all


class Step(Protocol):
    """A training under way, whose inputs keep their places."""

    def step(self) -> Any: ...
    def give(self, x: Any, t: Any) -> None: ...
    def wait(self) -> Any: ...


class OurStep:
    """A training of ours on CuPy, on one stream."""

    def __init__(self, network: Network, stream: Any) -> None:
        import cupy

        import xpnn
        from xpnn import nn, optim

        self.stream = stream
        with stream:
            self.x, self.t = map(cupy.asarray, batch_of(network))
            loss_of = nn.binary_cross_entropy_with_logits if network.binary else nn.cross_entropy
            self.model = nn.Sequential(*_between(nn.ReLU, [nn.Linear(m, n) for n, m in _shapes(network)]))
            self.model.load_state_dict(_named(network))
            self.model.to("cuda")
            self.optimizer = optim.Adam(self.model, learning_rate=LEARNING_RATE)
            loss_and_gradients = xpnn.value_and_grad(lambda model, x, t: loss_of(model(x), t))
        model, optimizer = self.model, self.optimizer

        def training_step(x: Any, t: Any) -> Any:
            loss, gradients = loss_and_gradients(model, x, t)
            optimizer.step(gradients)
            return loss

        self.training_step: Callable[[Any, Any], Any] = training_step
        self.wait = stream.synchronize

    def give(self, x: Any, t: Any) -> None:
        """Write a batch, of NumPy or on the device, into the inputs."""
        import cupy

        with self.stream:
            self.x[...], self.t[...] = cupy.asarray(x), cupy.asarray(t)

    def step(self) -> Any:
        with self.stream:
            return self.training_step(self.x, self.t)

    def compile(self, *, one_by_one: bool = False, exact: bool = False) -> OurStep:
        """From here on the step is replayed as `compile` chooses, or its calls one by one; the state is as before."""
        import xpnn
        from xpnn.compiler.plain_executor import PlainExecutor

        compiled = xpnn.compile(self.training_step, state=(self.model, self.optimizer), exact=exact)
        self.training_step = compiled
        with self.stream:
            saved = self._saved()
            for _ in range(3):
                self.step()
            self._restore(saved)
        plan = compiled.plan()
        assert plan is not None, "the step was not recorded"
        if one_by_one:
            plan.executor = PlainExecutor(plan.program)
            plan.run = plan.executor.run
        self.plan = plan
        return self

    def _saved(self) -> list[tuple[Any, Any]]:
        arrays = {id(container[key]): container[key] for container, key, _ in self.optimizer.recordable_places()}
        return [(array, array.copy()) for array in arrays.values()]

    def _restore(self, saved: list[tuple[Any, Any]]) -> None:
        for array, copy in saved:
            array[...] = copy


def step(findings: Findings, name: str, *, seconds: float) -> None:
    """All ways to take a step of one network: the losses along 200 steps, then the times in turns."""
    network = NETWORKS[name]
    position = list(NETWORKS).index(name)
    makers: dict[str, Callable[[], Step]] = {
        BEFORE: lambda: OurStep(network, _stream()),
        "xpnn, compiled": lambda: OurStep(network, _stream()).compile(),
        "xpnn, compiled, exact": lambda: OurStep(network, _stream()).compile(exact=True),
        "xpnn, compiled, TF32": lambda: _in_tf32(network),
        "xpnn, call by call": lambda: OurStep(network, _stream()).compile(one_by_one=True),
        "PyTorch, eager, fused Adam": lambda: TorchStep(network),
        "PyTorch, graph, fused Adam": lambda: TorchStep(network).capture(),
    }
    batches = _batches(network)
    steps: dict[str, Step] = {}
    expected: Any = None
    for way, make in makers.items():
        with findings.attempt(way):
            made = make()
            losses = _losses(made, batches)
            expected = losses if way == BEFORE else expected
            _report_losses(findings, way, losses, expected)
            steps[way] = made
            if way.startswith("xpnn, compiled") and isinstance(made, OurStep):
                findings.found(f"{way}: how", str(made.plan.executor))
    compiled = steps.get("xpnn, compiled")
    if isinstance(compiled, OurStep) and hasattr(compiled.plan.executor, "_graph"):
        steps["xpnn, compiled, its graph alone"] = _GraphAlone(compiled)
    times = microseconds_in_turns(steps, seconds=seconds)
    for way, figures in times.items():
        predicted = PREDICTED[way][position] if way in PREDICTED else None
        findings.measured(way, figures, "µs", predicted=predicted)
    for ours in ("xpnn, compiled", "xpnn, compiled, exact"):
        if ours in times:
            for other in ("PyTorch, eager, fused Adam", "PyTorch, graph, fused Adam", BEFORE):
                if other in times:
                    ratios = [a / b for a, b in zip(times[other], times[ours], strict=True)]
                    findings.measured(f"{other} / {ours}", ratios, "")


def _stream() -> Any:
    import cupy

    return cupy.cuda.Stream(non_blocking=True)


class _GraphAlone:
    """The graph of a compiled step, on the arguments that it was given last; nothing is copied in or out."""

    def __init__(self, made: OurStep) -> None:
        self.made, self.graph = made, made.plan.executor._graph
        self.wait, self.give = made.wait, made.give

    def step(self) -> Any:
        with self.made.stream:
            self.graph.launch()


def _in_tf32(network: Network) -> OurStep:
    """A graph keeps the kind of products that CuPy was set to when it was captured."""
    made = OurStep(network, _stream())
    with _products_in_tf32():
        return made.compile()


@contextmanager
def _products_in_tf32() -> Iterator[None]:
    """What CUPY_TF32=1 asks for, in a part of the program."""
    from cupy._core import _routines_linalg as of_cupy

    before = of_cupy.get_compute_type(numpy.dtype("float32"))
    of_cupy.set_compute_type(numpy.dtype("float32"), of_cupy.COMPUTE_TYPE_TF32)
    try:
        yield
    finally:
        of_cupy.set_compute_type(numpy.dtype("float32"), before)


def _batches(network: Network) -> list[tuple[Any, Any]]:
    generator = numpy.random.default_rng(3)
    x, t = batch_of(network)
    return [(generator.standard_normal(x.shape, dtype=numpy.float32), generator.permutation(t)) for _ in range(BATCHES)]


def _losses(made: Step, batches: list[tuple[Any, Any]]) -> numpy.ndarray:
    """The losses along the steps, with another batch in each."""
    found = []
    for k in range(CHECKED):
        made.give(*batches[k % len(batches)])
        loss = made.step()
        made.wait()
        found.append(float(loss))
    return numpy.array(found)


def _report_losses(findings: Findings, way: str, losses: Any, expected: Any) -> None:
    """Whether the losses are those of the plain step, as far as rounding lets two trainings agree."""
    if expected is None:
        findings.found(f"{way}: losses", "cannot be compared")
        return
    off = apart(losses, expected)
    early, bound = BOUNDS["TF32" if "TF32" in way else "float32"]
    right = bool(off[:EARLY].max() < early and off.max() < bound) and losses[-1] < losses[0]
    findings.found(
        f"{way}: losses along {CHECKED} steps", "right" if right else "WRONG", predicted="right",
        note=f"{losses[0]:.5f} to {losses[-1]:.5f}; of the first one, off by {off[:EARLY].max():.0e} in {EARLY} steps, "
        f"{off.max():.0e} in all",
    )  # fmt: skip


def apart(losses: Any, expected: Any) -> Any:
    """The differences of the losses, relative to the first one.

    Not to each loss: that falls to 1e-4 of where it began, where a relative difference says nothing about the step. And
    not closer than `BOUNDS`: Adam divides by the root of the squared gradients, so that the sign of a gradient near 0,
    which is rounding, moves a weight as far as any. In the largest network xpnn's and PyTorch's float32 trainings are
    both 4e-4 of the first loss away from a float64 one after 28 steps, while the loss falls fast, and 1e-6 after 3.
    """
    return numpy.abs(losses - expected) / numpy.abs(expected[0])


def microseconds_in_turns(steps: Mapping[str, Step], *, seconds: float) -> dict[str, list[float]]:
    """The microseconds of a step in each of 9 rounds, in which all take turns."""
    started = []
    for way, made in steps.items():
        run = Run(made.step, made.wait)
        started.append(Started(Contender(way, "", lambda network: None, None), lambda r=run: r))  # type: ignore[arg-type,misc,return-value]
    times = microseconds(started, rounds=9, seconds=seconds)
    return {way: times[contender.name] for way, (contender, _) in zip(steps, started, strict=True)}
