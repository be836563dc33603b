"""A step with a large embedding, of which a batch uses little: `python -m benchmarks embeddings [--rows N]`.

Forward, squared error, gradient and an update by Adam, of all rows or of those used. PyTorch's sparse gradients with
SparseAdam are another way to the same end: its rule differs a little. One thread; the contenders take turns.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy  # noqa: E402 (the threads must be set before NumPy loads)

from benchmarks import machine  # noqa: E402
from benchmarks.report import aligned, number, spread, summary  # noqa: E402

__all__ = ["main", "measured"]

FEATURES, BATCH = 64, 256
USED = {"0.weight": {"used_rows_only": True}}


def measured(rows: int, *, rounds: int) -> dict[str, list[float]]:
    """The milliseconds of a step in each round, by contender."""
    generator = numpy.random.default_rng(0)
    batches = generator.integers(0, rows, (rounds + 3, BATCH))
    t = generator.standard_normal((BATCH, 1), numpy.float32)
    steps = {**_ours(rows, t), **_theirs(rows, t)}
    times: dict[str, list[float]] = {contender: [] for contender in steps}
    for n, batch in enumerate(batches):
        for contender, step in steps.items():
            start = time.perf_counter()
            step(batch)
            if n >= 3:  # a compiled step is replayed from its third call on
                times[contender].append((time.perf_counter() - start) * 1e3)
    return times


def _ours(rows: int, t: Any) -> dict[str, Callable[[Any], Any]]:
    import xpnn
    from xpnn import nn, optim

    def step_of(groups: Any, compiled: bool) -> Callable[[Any], Any]:
        model = nn.Sequential(nn.Embedding(rows, FEATURES), nn.Linear(FEATURES, 1)).initialize(seed=0)
        optimizer = optim.Adam(model, groups=groups)
        loss = xpnn.value_and_grad(lambda model, x, t: nn.squared_error(model(x), t))

        def step(x: Any, t: Any) -> Any:
            value, gradients = loss(model, x, t)
            optimizer.step(gradients)
            return value

        fast = xpnn.compile(step, state=(model, optimizer)) if compiled else step
        return lambda x: fast(x, t)

    return {
        f"xpnn, {what}, {'compiled' if compiled else 'plain'}": step_of(groups, compiled)
        for what, groups in (("all rows", None), ("used rows", USED))
        for compiled in (False, True)
    }


def _theirs(rows: int, t: Any) -> dict[str, Callable[[Any], Any]]:
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(1)
    target = torch.tensor(t)

    def step_of(sparse: bool) -> Callable[[Any], Any]:
        embedding, linear = torch.nn.Embedding(rows, FEATURES, sparse=sparse), torch.nn.Linear(FEATURES, 1)
        kind = torch.optim.SparseAdam if sparse else torch.optim.Adam
        optimizers = [kind(embedding.parameters()), torch.optim.Adam(linear.parameters())]

        def step(x: Any) -> Any:
            for optimizer in optimizers:
                optimizer.zero_grad()
            torch.nn.functional.mse_loss(linear(embedding(torch.tensor(x))), target).backward()
            for optimizer in optimizers:
                optimizer.step()

        return step

    return {"PyTorch, all rows": step_of(False), "PyTorch, sparse": step_of(True)}


def main(arguments: Sequence[str]) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks embeddings", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000, metavar="N", help="100000 if left out")
    parser.add_argument("--rounds", type=int, default=30, metavar="N", help="30 if left out")
    options = parser.parse_args(arguments)
    print(machine.in_one_line(machine.describe()))
    times = measured(options.rows, rounds=options.rounds)
    first = times["xpnn, all rows, plain"]
    rows = [[f"{options.rows} rows of {FEATURES}, {BATCH} used", "ms", "quartiles", "all rows, plain / this"]]
    for contender, found in times.items():
        figures = summary(found)
        ratio = summary([a / b for a, b in zip(first, found, strict=True)])["median"]
        rows.append([contender, number(figures["median"]), spread(figures), number(ratio)])
    print(f"\n{aligned(rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
