"""Single layers, forward and backward, beside PyTorch: `python -m benchmarks layers [words] [--threads N …]`.

A step gives the output of a layer and, for a fixed gradient of it, the gradients of its input and parameters. Each
number of threads is measured in a process of its own; the contenders take turns, and must agree before.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy

from benchmarks import machine
from benchmarks.report import aligned, number, spread, summary
from benchmarks.rounds import Run, _turn
from benchmarks.steps import PAUSE, _environment, _pinned_to

__all__ = ["LAYERS", "Layer", "measured", "table"]

RNG = numpy.random.default_rng(0)
TOLERANCE = 1e-3  # of float32 sums over some hundred numbers, relative to the largest element


class Layer(NamedTuple):
    """Our layer, PyTorch's, and the shape of the input (of integers below a number, if that is given)."""

    ours: Callable[[Any], Any]
    theirs: Callable[[Any], Any]
    shape: tuple[int, ...]
    below: int = 0


def _both(words: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """A layer without options of the same name in both libraries."""
    return (lambda nn: getattr(nn, words)()), (lambda nn: getattr(nn, words)())


# Normalisation, embeddings and activations

LAYERS: dict[str, Layer] = {
    "BatchNorm1d and ReLU, 256 x 1024": Layer(
        lambda nn: nn.Sequential(nn.BatchNorm1d(1024), nn.ReLU()),
        lambda nn: nn.Sequential(nn.BatchNorm1d(1024), nn.ReLU()),
        (256, 1024),
    ),
    "BatchNorm2d, 64 x 32 x 28 x 28": Layer(
        lambda nn: nn.BatchNorm2d(32), lambda nn: nn.BatchNorm2d(32), (64, 32, 28, 28)
    ),
    "LayerNorm, 256 x 1024": Layer(lambda nn: nn.LayerNorm(1024), lambda nn: nn.LayerNorm(1024), (256, 1024)),
    "GroupNorm, 64 x 32 x 28 x 28": Layer(
        lambda nn: nn.GroupNorm(8, 32), lambda nn: nn.GroupNorm(8, 32), (64, 32, 28, 28)
    ),
    "Embedding, 1000 rows of 32, 256 x 20": Layer(
        lambda nn: nn.Embedding(1000, 32), lambda nn: nn.Embedding(1000, 32), (256, 20), below=1000
    ),
    **{f"{name}, 256 x 1024": Layer(*_both(name), (256, 1024)) for name in ("SiLU", "Mish", "ELU", "Hardswish", "GLU")},
}

# Convolutions and pools


def _convolutions(nn: Any) -> Any:
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU())


LAYERS |= {
    "two Conv2d and ReLU, 1-32-64 channels, 64 x 28 x 28": Layer(_convolutions, _convolutions, (64, 1, 28, 28)),
    "MaxPool2d, 64 x 32 x 26 x 26": Layer(lambda nn: nn.MaxPool2d(2), lambda nn: nn.MaxPool2d(2), (64, 32, 26, 26)),
}


def measured(name: str, *, rounds: int, seconds: float = 0.02, pause: float = 0.0) -> dict[str, Any]:
    """The microseconds of a step in each round, by contender; in this process and its number of threads."""
    steps = _steps(LAYERS[name])
    expected = [numpy.asarray(x) for x in steps["xpnn, plain"]()]
    for contender, step in steps.items():
        for _ in range(3):  # a compiled step is replayed from its third call on
            found = step()
        for a, b in zip(expected, found, strict=True):
            error = numpy.max(numpy.abs(a - numpy.asarray(b))) / max(1.0, numpy.max(numpy.abs(a)))
            if not error < TOLERANCE:
                raise SystemExit(f"benchmarks: {name}: {contender} differs from {next(iter(steps))} by {error:.1e}")
    runs = {contender: Run(step) for contender, step in steps.items()}
    calls = {contender: max(3, round(seconds / _turn(run, 3))) for contender, run in runs.items()}
    times: dict[str, list[float]] = {contender: [] for contender in runs}
    order = list(runs)
    for n in range(rounds):
        for contender in order[n % len(order) :] + order[: n % len(order)]:
            time.sleep(pause)
            times[contender].append(_turn(runs[contender], calls[contender]) * 1e6)
    return {"name": name, "rounds": times}


def _steps(layer: Layer) -> dict[str, Callable[[], list[Any]]]:
    import xpnn
    from xpnn import nn

    x = RNG.integers(0, layer.below, layer.shape) if layer.below else RNG.standard_normal(layer.shape, numpy.float32)
    model = layer.ours(nn).initialize(seed=0)
    dy = RNG.standard_normal(model(x).shape, numpy.float32)
    parameters = bool(model.parameters())

    def step(x: Any, dy: Any) -> Any:
        """The output, and the gradients of what has any."""
        if layer.below:
            y, back = xpnn.vjp(lambda model: model(x), model)
            return [y, *back(dy)[0].parameters()]
        y, back = xpnn.vjp(lambda model, x: model(x), model, x) if parameters else xpnn.vjp(model, x)
        *models, dx = back(dy)
        return [y, dx, *(models[0].parameters() if models else [])]

    fast = xpnn.compile(step, state=(model,))
    steps = {"xpnn, plain": lambda: step(x, dy), "xpnn, compiled": lambda: fast(x, dy)}
    try:
        import torch
    except ImportError:
        return steps
    judge = layer.theirs(torch.nn)
    judge.load_state_dict({name: torch.tensor(value) for name, value in model.state_dict().items()})
    given, dz = torch.tensor(x, requires_grad=not layer.below), torch.tensor(dy)

    def theirs() -> list[Any]:
        judge.zero_grad(set_to_none=True)
        given.grad = None
        y = judge(given)
        y.backward(dz)
        gradients = [] if layer.below else [given.grad]
        return [y.detach(), *gradients, *(p.grad for p in judge.parameters())]

    return {**steps, "PyTorch": theirs}


def table(results: Sequence[dict[str, Any]], threads: int) -> str:
    """A row for each layer: microseconds of each contender, and PyTorch's time over that of xpnn, compiled."""
    contenders = list(results[0]["rounds"])
    rows = [[f"{threads} thread{'s' if threads > 1 else ''}", *(f"{c}, µs" for c in contenders)]]
    rows[0] += ["PyTorch / compiled", "quartiles"]
    for result in results:
        rounds = result["rounds"]
        cells = [number(summary(rounds[contender])["median"]) for contender in contenders]
        pairs = zip(rounds.get("PyTorch", []), rounds["xpnn, compiled"], strict=False)
        ratio = summary([theirs / ours for theirs, ours in pairs] or [float("nan")])
        rows.append([result["name"], *cells, number(ratio["median"]), spread(ratio)])
    return aligned(rows)


def main(arguments: Sequence[str]) -> int:
    """Measure in a process for each number of threads, and print a table of each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks layers", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("words", nargs="*", help="layers whose names hold one of these; all if left out")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], metavar="N", help="1 2 if left out")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="15 if left out")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    names = [name for name in LAYERS if not options.words or any(w.lower() in name.lower() for w in options.words)]
    if options.here:
        if "torch" in machine.describe()["versions"]:
            _tell_torch(options.threads[0])
        pause = PAUSE if options.threads[0] > 1 else 0.0
        print(json.dumps([measured(name, rounds=options.rounds, pause=pause) for name in names]))
        return 0
    print(machine.in_one_line(machine.describe()))
    for threads in options.threads:
        here = ["--here", "--threads", str(threads), "--rounds", str(options.rounds)]
        ran = subprocess.run(
            [sys.executable, "-m", "benchmarks.layers", *options.words, *here],
            env=_environment(threads),
            preexec_fn=_pinned_to(threads),
            stdout=subprocess.PIPE,
            text=True,
        )
        if ran.returncode:
            return 1  # the process has said why
        print(f"\n{table(json.loads(ran.stdout), threads)}", flush=True)
    return 0


def _tell_torch(threads: int) -> None:
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(threads)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
