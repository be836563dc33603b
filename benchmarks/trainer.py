"""What a `Trainer` costs over the bare compiled step: `python -m benchmarks trainer`.

The smallest network, 30-32-16-1 with batches of 32, where the step itself takes least. The bare contender calls
`xpnn.compile(step, exact=True)`, as the trainer does, for batches that lie ready in order; the trainers shuffle, take
the rows, sum up losses, look whether all is finite, and one of them reports a metric of the training rows and shows a
progress bar. They take turns; times are of one step, ratios of the two in the same round.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy  # noqa: E402 (the threads must be set before NumPy loads)

from benchmarks import machine  # noqa: E402
from benchmarks.report import aligned, number, spread, summary  # noqa: E402

__all__ = ["main", "measured"]

BATCH = 32


def measured(rows: int, epochs: int, *, rounds: int) -> dict[str, list[float]]:
    """Microseconds of a step in each round, by contender."""
    steps = rows // BATCH
    generator = numpy.random.default_rng(0)
    x = generator.standard_normal((steps * BATCH, 30), numpy.float32)
    t = (x[:, :1] > 0).astype("float32")
    contenders: dict[str, Callable[[], Any]] = {
        "bare compiled step": _bare(x, t, epochs),
        "Trainer": _trained(x, t, epochs, False),
        "Trainer, metric and progress": _trained(x, t, epochs, True),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            start = time.perf_counter()
            contender()
            times[name].append((time.perf_counter() - start) / (epochs * steps) * 1e6)
    return times


def _network() -> Any:
    from xpnn import nn

    layers = nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1)
    return nn.Sequential(*layers).initialize(seed=0)


def _bare(x: Any, t: Any, epochs: int) -> Callable[[], Any]:
    import xpnn
    from xpnn import nn, optim

    model = _network()
    optimizer = optim.Adam(model, learning_rate=1e-3)
    loss = xpnn.value_and_grad(lambda model, x, t: nn.binary_cross_entropy_with_logits(model(x), t))

    def step(x: Any, t: Any) -> Any:
        value, gradients = loss(model, x, t)
        optimizer.step(gradients)
        return value

    fast = xpnn.compile(step, state=(model, optimizer), exact=True)
    batches = [(x[n : n + BATCH], t[n : n + BATCH]) for n in range(0, len(x), BATCH)]

    def run() -> None:
        for _ in range(epochs):
            for batch in batches:
                fast(*batch)

    run()
    return run


def _trained(x: Any, t: Any, epochs: int, full: bool) -> Callable[[], Any]:
    from xpnn import nn, optim
    from xpnn.training import Trainer, metrics

    model = _network()
    reported = {"accuracy": metrics.binary_accuracy} if full else {}
    optimizer = optim.Adam(model, learning_rate=1e-3)
    trainer = Trainer(
        model, nn.binary_cross_entropy_with_logits, optimizer, metrics=reported, training_metrics=full
    )  # fmt: skip

    def run() -> None:
        with redirect_stderr(io.StringIO()):
            trainer.fit(x, t, epochs=epochs, batch_size=BATCH, progress=full)

    run()
    return run


def main(arguments: Sequence[str]) -> int:
    """Measure, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks trainer", description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[569, 20480], help="569 and 20480 if left out")
    parser.add_argument("--rounds", type=int, default=15, help="15 if left out")
    options = parser.parse_args(arguments)
    print(machine.in_one_line(machine.describe()))
    for rows in options.rows:
        found = measured(rows, max(1, 20480 // rows), rounds=options.rounds)
        base = found["bare compiled step"]
        lines = [[f"{rows} rows", "us a step", "quartiles", "of the bare step", "quartiles"]]
        for name, times in found.items():
            ratios = summary([a / b for a, b in zip(times, base, strict=True)])
            own = summary(times)
            lines.append([name, number(own["median"]), spread(own), number(ratios["median"]), spread(ratios)])
        print(f"\n{aligned(lines)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
