"""Contenders in turns, in one process: first that they compute the same, then how long they take.

A machine's speed drifts by more than the differences of interest. So the contenders take turns in many short rounds,
and are compared within each round. Every turn starts its training anew: no contender runs into the tiny numbers of a
finished training, and luck with the place in memory is drawn again.

`steps` runs this file as a program, one process for each network and number of threads.
"""

from __future__ import annotations

import gc
import json
import math
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks.contenders import CONTENDERS, Contender, LeftOut, Run, Start
from benchmarks.networks import NETWORKS, WITH_DROPOUT, Network

__all__ = ["Disagreement", "Started", "check_agreement", "measure", "microseconds"]

TOLERANCE = 1e-4  # of the loss: sums of float32 in another order made up to 3e-5 of it, in the largest network
STEPS = 5


class Disagreement(Exception):
    """Two libraries do not compute the same thing, so their times cannot be compared."""


class Started(NamedTuple):
    """A contender whose library is there, made for a network."""

    contender: Contender
    start: Start


def measure(network: Network, *, rounds: int, seconds: float, pause: float) -> list[dict[str, Any]]:
    """For each contender what it is, and the microseconds of a step in each round, or why there are none."""
    started, missing = [], {}
    for contender in CONTENDERS:
        try:
            started.append(Started(contender, contender.make(network)))
        except ModuleNotFoundError as problem:
            if contender.library == "xpnn":
                raise
            missing[contender.name] = f"not installed: {problem.name}"
        except LeftOut as problem:
            missing[contender.name] = str(problem)
    check_agreement(started, random=network.dropout > 0)
    times = microseconds(started, rounds=rounds, seconds=seconds, pause=pause)
    return [
        {"library": contender.library, "way": contender.way}
        | ({"missing": missing[contender.name]} if contender.name in missing else {"rounds": times[contender.name]})
        for contender in CONTENDERS
    ]


def check_agreement(started: Sequence[Started], *, random: bool = False) -> None:
    """Raise unless the losses of the first steps equal those of the first contender, and fall.

    Where they are `random`, each library has masks of its own: equal are only those of its own ways.

    Raises
    ------
    Disagreement
        With the contender and both losses.
    """
    expected = _losses(started[0].start())
    for contender, start in started:
        if contender.agreeing is None:
            continue
        losses = _losses(start())
        apart = random and contender.library != started[0].contender.library
        for step in range(0 if apart else contender.agreeing):
            if not math.isclose(losses[step], expected[step], rel_tol=0, abs_tol=TOLERANCE):
                raise Disagreement(
                    f"{contender.name}: the loss after {step} steps is {losses[step]:.6f}, "
                    f"that of {started[0].contender.name} is {expected[step]:.6f}"
                )
        if not losses[-1] < losses[0]:
            raise Disagreement(f"{contender.name}: the loss does not fall, from {losses[0]:.6f} to {losses[-1]:.6f}")


def _losses(run: Run) -> list[float]:
    """The losses after 0, 1, … 5 steps."""
    return [float(loss.item() if hasattr(loss, "item") else loss) for loss in (run.step() for _ in range(STEPS + 1))]


def microseconds(
    started: Sequence[Started], *, rounds: int, seconds: float, pause: float = 0.0
) -> dict[str, list[float]]:
    """For each contender the microseconds of a step in each round; a round takes each about `seconds` or longer."""
    calls = {contender.name: _calls_in(seconds, start()) for contender, start in started}
    times: dict[str, list[float]] = {contender.name: [] for contender, _ in started}
    gc.collect()
    gc.freeze()  # collections during a turn shall not walk all that the other libraries made on import
    for n in range(rounds):
        first = n % len(started)  # nobody is always first
        for contender, start in (*started[first:], *started[:first]):
            time.sleep(pause)
            times[contender.name].append(_turn(start(), calls[contender.name]) * 1e6)
    gc.unfreeze()
    return times


def _calls_in(seconds: float, run: Run) -> int:
    """How many calls take `seconds`, at least 3."""
    return max(3, math.ceil(seconds / (_turn(run, 3) * run.steps_a_call)))


def _turn(run: Run, calls: int) -> float:
    """The seconds of a step, over so many calls, after some to warm up."""
    step = run.step
    for _ in range(2 + calls // 4):
        step()
    run.wait()
    begin = time.perf_counter()
    for _ in range(calls):
        step()
    run.wait()
    return (time.perf_counter() - begin) / (calls * run.steps_a_call)


def main(arguments: Sequence[str]) -> None:
    """Measure what the one argument, in JSON, asks for, and print the result as one line of JSON."""
    asked = json.loads(arguments[0])
    try:
        measured = measure((NETWORKS | WITH_DROPOUT)[asked.pop("network")], **asked)
    except Disagreement as problem:
        sys.exit(f"benchmarks: {problem}")
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1:])
