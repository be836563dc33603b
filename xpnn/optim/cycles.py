"""Schedules that go up and down: cosines with restarts, triangles, one cycle. See `schedules` for what a schedule is.

Written without a look at the step: which piece counts is a number from comparisons, 0 or 1.
"""

from __future__ import annotations

from math import log, pi
from typing import Any, Literal

from xpnn.arrays.namespaces import Array
from xpnn.optim.schedules import Schedule, counted, require_count, require_number

__all__ = ["cosine_annealing", "cosine_restarts", "cyclic", "one_cycle", "warmup_cosine"]


def _require_word(name: str, what: str, given: Any, words: tuple[str, ...]) -> None:
    if given not in words:
        raise ValueError(f"{name} expected {what} to be one of {', '.join(map(repr, words))}, got {given!r:.60}")


def _cosine(xp: Any, start: Any, end: Any, share: Array) -> Array:
    """Half a cosine from `start` to `end` as `share` goes from 0 to 1."""
    return end + (start - end) * 0.5 * (1 + xp.cos(pi * share))


def cosine_annealing(learning_rate: float, *, steps: int, final: float = 0.0) -> Schedule:
    """A cosine from the rate down to `final` in `steps` steps, and up again in as many, and so on.

    PyTorch's CosineAnnealingLR; `cosine_decay` stays down.

    Examples
    --------
    >>> [round(float(cosine_annealing(1.0, steps=10)(n)), 3) for n in (0, 5, 10, 20)]
    [1.0, 0.5, 0.0, 1.0]
    """
    require_number("cosine_annealing", "a learning_rate", learning_rate)
    require_count("cosine_annealing", "steps", steps, 1)
    require_number("cosine_annealing", "a final rate", final)

    def schedule(step: Any) -> Array:
        xp, n = counted(step)
        return _cosine(xp, learning_rate, final, n / steps)

    return schedule


def cosine_restarts(learning_rate: float, *, steps: int, growth: int = 1, final: float = 0.0) -> Schedule:
    """Half a cosine down to `final` in `steps` steps, again from the start, each time `growth` times as long.

    Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts (2017), equation 5. PyTorch's
    CosineAnnealingWarmRestarts.

    Examples
    --------
    >>> [round(float(cosine_restarts(1.0, steps=4, growth=2)(n)), 3) for n in (0, 2, 4, 8, 12)]
    [1.0, 0.5, 1.0, 0.5, 1.0]
    """
    require_number("cosine_restarts", "a learning_rate", learning_rate)
    require_count("cosine_restarts", "steps", steps, 1)
    require_count("cosine_restarts", "a growth", growth, 1)
    require_number("cosine_restarts", "a final rate", final)

    def schedule(step: Any) -> Array:
        xp, n = counted(step)
        if growth == 1:
            share = n / steps - xp.floor(n / steps)
        else:  # round k begins at steps (growthᵏ - 1) / (growth - 1); a little more, for what a logarithm rounds down
            k = xp.floor(xp.log(n / steps * (growth - 1) + 1) / log(growth) + 1e-12)
            length = steps * growth**k
            share = (n - (length - steps) / (growth - 1)) / length
        return _cosine(xp, learning_rate, final, share)

    return schedule


def cyclic(
    base: float,
    learning_rate: float,
    *,
    steps_up: int = 2000,
    steps_down: int | None = None,
    mode: Literal["triangular", "triangular2", "exponential"] = "triangular",
    factor: float = 1.0,
) -> Schedule:
    """Straight up from `base` to the rate in `steps_up` steps, down in `steps_down`, and so on.

    Smith, Cyclical learning rates for training neural networks (2017). PyTorch's CyclicLR.

    Parameters
    ----------
    base, learning_rate
        The lowest and the highest rate.
    steps_up, steps_down
        How long both ways take; `steps_down` is `steps_up` if None.
    mode
        'triangular': as high each time; 'triangular2': half as high above `base` each time; 'exponential': times
        `factor` at each step.
    factor
        See `mode`.

    Examples
    --------
    >>> [round(float(cyclic(0.1, 0.5, steps_up=4, mode="triangular2")(n)), 3) for n in (0, 2, 4, 8, 12)]
    [0.1, 0.3, 0.5, 0.1, 0.3]
    """
    require_number("cyclic", "a base rate", base)
    require_number("cyclic", "a learning_rate", learning_rate)
    if base > learning_rate:
        raise ValueError(f"cyclic expected a base rate of at most the learning_rate, {learning_rate}, got {base}")
    require_count("cyclic", "steps_up", steps_up, 1)
    down = steps_up if steps_down is None else steps_down
    require_count("cyclic", "steps_down", down, 1)
    require_number("cyclic", "a factor", factor)
    _require_word("cyclic", "mode", mode, ("triangular", "triangular2", "exponential"))
    total = steps_up + down

    def schedule(step: Any) -> Array:
        xp, n = counted(step)
        cycle = xp.floor(n / total)
        share = n / total - cycle
        height = xp.minimum(share * (total / steps_up), (1 - share) * (total / down))
        if mode == "triangular2":
            height = height * 0.5**cycle
        elif mode == "exponential":
            height = height * factor**n
        return base + (learning_rate - base) * height

    return schedule


def one_cycle(
    learning_rate: float,
    *,
    steps: int,
    share_up: float = 0.3,
    start_factor: float = 1 / 25,
    final_factor: float = 1e-4,
    shape: Literal["cosine", "linear"] = "cosine",
    three_phases: bool = False,
) -> Schedule:
    """One cycle: up to the rate in the first part of all `steps`, then down to almost nothing.

    Smith and Topin, Super-convergence (2018). PyTorch's OneCycleLR, whose `div_factor` is 1 / start_factor
    and whose `final_div_factor` is 1 / final_factor. After `steps` steps the rate stays at its last.

    Parameters
    ----------
    learning_rate
        The highest rate.
    steps
        Of the whole training.
    share_up
        The part of the steps, from 0 to 1, that goes up.
    start_factor
        What the highest rate is multiplied by for the first.
    final_factor
        What the first rate is multiplied by for the last.
    shape
        'cosine' or 'linear'.
    three_phases
        Whether to go down to the first rate in as many steps as up, and only then to the last.

    Examples
    --------
    >>> [round(float(one_cycle(1.0, steps=100)(n)), 3) for n in (0, 29, 99)]
    [0.04, 1.0, 0.0]
    """
    require_number("one_cycle", "a learning_rate", learning_rate)
    require_count("one_cycle", "steps", steps, 1)
    require_number("one_cycle", "share_up", share_up)
    require_number("one_cycle", "a start_factor", start_factor)
    require_number("one_cycle", "a final_factor", final_factor)
    _require_word("one_cycle", "shape", shape, ("cosine", "linear"))
    if share_up > (0.5 if three_phases else 1):
        raise ValueError(f"one_cycle expected share_up of at most {0.5 if three_phases else 1}, got {share_up!r}")
    first, top = learning_rate * start_factor, share_up * steps - 1
    rates = [first, learning_rate, *([first] if three_phases else []), first * final_factor]
    ends = [top, *([2 * top] if three_phases else []), steps - 1.0]

    def schedule(step: Any) -> Array:
        xp, n = counted(step)
        n = xp.minimum(n, xp.ones_like(n) * (steps - 1))
        rate, begin = None, 0.0
        for old, new, end in zip(rates[:-1], rates[1:], ends, strict=True):
            share = (n - begin) / (end - begin) if end != begin else xp.ones_like(n)
            piece = _cosine(xp, old, new, share) if shape == "cosine" else old + (new - old) * share
            later = xp.astype(n > begin, xp.float64)
            rate = piece if rate is None else rate * (1 - later) + piece * later
            begin = end
        return rate

    return schedule


def warmup_cosine(learning_rate: float, *, steps: int, warmup_steps: int, final: float = 0.0) -> Schedule:
    """Straight up to the rate in the first `warmup_steps` steps, then half a cosine down to `final` in the others.

    The usual schedule of transformers, in one call; `steps` counts all of them, and afterwards the rate stays.

    Examples
    --------
    >>> [round(float(warmup_cosine(1.0, steps=100, warmup_steps=10)(n)), 3) for n in (0, 9, 10, 55, 100)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    require_number("warmup_cosine", "a learning_rate", learning_rate)
    require_count("warmup_cosine", "warmup_steps", warmup_steps)
    require_count("warmup_cosine", "steps", steps, warmup_steps + 1)
    require_number("warmup_cosine", "a final rate", final)

    def schedule(step: Any) -> Array:
        xp, n = counted(step)
        ones = xp.ones_like(n)
        done = xp.minimum(xp.maximum(n - warmup_steps, 0 * ones) / (steps - warmup_steps), ones)
        return _cosine(xp, learning_rate, final, done) * xp.minimum((n + 1) / max(warmup_steps, 1), ones)

    return schedule
