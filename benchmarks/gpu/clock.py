"""Times on a GPU: what a call takes of the host, and what its work takes on the device."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

__all__ = ["host_microseconds", "replayed_microseconds", "span_microseconds"]

ROUNDS = 9
AHEAD = 200  # calls without waiting: the driver's queue holds about a thousand


def host_microseconds(call: Callable[[], Any], wait: Callable[[], Any], *, rounds: int = ROUNDS) -> list[float]:
    """The microseconds that a call keeps the host, while the device works at it or still has earlier calls to do."""
    for _ in range(20):
        call()
    times = []
    for _ in range(rounds):
        wait()
        begin = time.perf_counter()
        for _ in range(AHEAD):
            call()
        times.append((time.perf_counter() - begin) / AHEAD * 1e6)
    wait()
    return times


def span_microseconds(call: Callable[[], Any], stream: Any, *, calls: int = 20, rounds: int = ROUNDS) -> list[float]:
    """The microseconds between two events around so many calls on `stream`, for each call."""
    import cupy

    for _ in range(3):
        call()
    begin, end, times = cupy.cuda.Event(), cupy.cuda.Event(), []
    for _ in range(rounds):
        stream.synchronize()
        begin.record(stream)
        for _ in range(calls):
            call()
        end.record(stream)
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(begin, end) / calls * 1e3)
    return times


def replayed_microseconds(work: Callable[[], Any], stream: Any, *, times: int, rounds: int = ROUNDS) -> list[float]:
    """The microseconds of `work` on the device: captured so many times over in one graph, replayed between events."""
    from benchmarks.gpu.graphs import Captured

    graph = Captured(lambda: [work() for _ in range(times)], stream)
    return [t / times for t in span_microseconds(graph.launch, stream, calls=3, rounds=rounds)]
