"""Single operations: what it costs to note one and to walk it back, beside NumPy's own call; and a network of them.

An operation on 8x8 numbers takes NumPy a third of a microsecond, so that this measures Python. For each operation a
tape is made with many independent ones on it, each with inputs of its own; the same tape without the operations is
measured beside it and taken off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any

import numpy

import xpnn
from benchmarks.report import aligned, number, spread, summary
from xpnn.autodiff.tape import Tape, differentiable

__all__ = ["measured", "table"]

COUNT = 200  # operations on a tape
RNG = numpy.random.default_rng(0)
X = RNG.standard_normal((8, 8)).astype("float32")
POSITIVE = numpy.abs(X) + numpy.float32(0.5)

UNARY = "negative exp log sqrt tanh sin abs".split()
BINARY = "add subtract multiply divide pow maximum matmul".split()
# from a namespace to the function of one or two arrays that is measured
OPERATIONS: dict[str, Callable[[Any], Callable[..., Any]]] = {
    **{name: attrgetter(name) for name in UNARY + BINARY},
    "maximum with 0": lambda xp: lambda a: xp.maximum(a, 0.0),
    "sum": lambda xp: lambda a: xp.sum(a, axis=0),
    "mean": lambda xp: lambda a: xp.mean(a, axis=1),
    "max": lambda xp: lambda a: xp.max(a, axis=1),
    "std": lambda xp: lambda a: xp.std(a, axis=0),
    "reshape (a view)": lambda xp: lambda a: xp.reshape(a, (64,)),
    "x[1:, :] (a view)": lambda xp: lambda a: a[1:, :],
    "x.T (a view)": lambda xp: lambda a: a.T,
}


@differentiable
def joined(*arrays: Any) -> Any:
    """One number at the end of all operations, which gives each of them a gradient."""
    ones = numpy.ones(arrays[0].shape, dtype="float32")
    return numpy.zeros((), dtype="float32"), [lambda dy: ones] * len(arrays)


def measured(*, rounds: int) -> dict[str, Any]:
    """For each operation, and for a network, the times of each round and their ratios."""
    return {"operations": [_operation(name, rounds) for name in OPERATIONS], "network": _network(rounds)}


def _operation(name: str, rounds: int) -> dict[str, Any]:
    own, tensors = [], []
    plain = [(POSITIVE, POSITIVE)] * COUNT
    for _ in range(rounds):
        own.append(_seconds(lambda: _results(name, plain)))
        tensors.append(_seconds(lambda: _walked(name)) - _seconds(lambda: _walked("")))
    return _compared(name, [t / COUNT * 1e6 for t in own], [t / COUNT * 1e6 for t in tensors])


def _results(name: str, pairs: list[tuple[Any, Any]]) -> list[Any]:
    if not name:
        return [a for a, _ in pairs]
    function = OPERATIONS[name](xpnn.namespace_of(pairs[0][0]))
    return [function(a, b) for a, b in pairs] if name in BINARY else [function(a) for a, _ in pairs]


def _walked(name: str) -> None:
    """Note all operations on a new tape, and walk it back."""
    tape = Tape()
    pairs = [(tape.variable(POSITIVE), tape.variable(POSITIVE)) for _ in range(COUNT)]
    end = joined(*_results(name, pairs))
    tape.gradients(end, numpy.ones((), dtype="float32"), [pairs[0][0]])


def _seconds(run: Callable[[], Any]) -> float:
    """The shortest of some runs: others only make it longer."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def _compared(name: str, other: list[float], ours: list[float], *, of_ours: bool = True) -> dict[str, Any]:
    ratios = [a / b if of_ours else b / a for a, b in zip(ours, other, strict=True)]
    return {"name": name, "other": summary(other), "xpnn": summary(ours), "ratio": summary(ratios)}


def _network(rounds: int) -> dict[str, Any]:
    """Loss and gradients of 64-64-64-10, batch 32, in functions of `xp` alone, here and in HIPS autograd."""
    try:
        import autograd
        import autograd.numpy as functions
    except ModuleNotFoundError:
        return {"missing": "not installed: autograd"}
    sizes = (64, 64, 64, 10)
    weights = [
        (RNG.normal(0, 0.1, pair).astype("float32"), numpy.zeros(pair[1], "float32")) for pair in pairwise(sizes)
    ]
    x = RNG.standard_normal((32, 64)).astype("float32")
    t = numpy.eye(10, dtype="float32")[RNG.integers(0, 10, 32)]
    ours = xpnn.value_and_grad(lambda w: cross_entropy(xpnn.namespace_of(w[0][0]), w, x, t))
    theirs = autograd.value_and_grad(lambda w: cross_entropy(functions, w, x, t))
    for a, b in zip(_leaves(ours(weights)), _leaves(theirs(weights)), strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)  # sums in another order
    own, other = [], []
    for _ in range(rounds):
        own.append(_seconds(lambda: [ours(weights) for _ in range(20)]) / 20 * 1e6)
        other.append(_seconds(lambda: [theirs(weights) for _ in range(20)]) / 20 * 1e6)
    return _compared("64-64-64-10, batch 32", other, own, of_ours=False)


def cross_entropy(xp: Any, layers: Sequence[tuple[Any, Any]], x: Any, t: Any) -> Any:
    """A network with tanh and its loss, in elementary functions."""
    for position, (w, b) in enumerate(layers):
        x = x @ w + b
        if position < len(layers) - 1:
            x = xp.tanh(x)
    z = x - xp.max(x, axis=1, keepdims=True)
    log_shares = z - xp.log(xp.sum(xp.exp(z), axis=1, keepdims=True))
    return -xp.mean(xp.sum(log_shares * t, axis=1))


def _leaves(result: Any) -> list[Any]:
    value, gradients = result
    return [value, *(array for pair in gradients for array in pair)]


def table(result: dict[str, Any]) -> str:
    rows = [["8x8, float32", "NumPy, µs", "noted and walked back, µs", "ratio", "quartiles"]]
    for found in result["operations"]:
        times = (number(found[key]["median"]) for key in ("other", "xpnn", "ratio"))
        rows.append([f"  {found['name']}", *times, spread(found["ratio"])])
    network = result["network"]
    if "missing" in network:
        return f"{aligned(rows)}\n\nHIPS autograd: {network['missing']}"
    head = ["elementary functions", "autograd, µs", "xpnn, µs", "time / xpnn's", "quartiles"]
    times = (number(network[key]["median"]) for key in ("other", "xpnn", "ratio"))
    return f"{aligned(rows)}\n\n{aligned([head, [network['name'], *times, spread(network['ratio'])]])}"
