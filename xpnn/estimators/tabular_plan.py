"""How a tabular estimator is trained where nobody says otherwise: by its preset and by how many rows there are."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, log2, pi
from typing import Any

from xpnn.arrays.namespaces import Array
from xpnn.optim.schedules import Schedule, counted

__all__ = ["PRESETS", "SMALL", "Plan", "four_cycles", "plan_for"]

SMALL = 256
"""Tables of fewer rows are trained whole: every row in every step, none held out, nothing drawn by chance but the first
weights. So whole weights of rows are the same as repeated rows, and so few rows held out would decide nothing.
"""


@dataclass(frozen=True)
class Preset:
    """What a preset decides. Training looks at `rows_in_all` rows (epochs times rows) if that leaves few enough epochs,
    and enough of them.
    """

    hidden: tuple[int, ...]
    members: int
    rows_in_all: int
    least_epochs: int
    most_epochs: int
    dropout: float


PRESETS = {
    "fast": Preset((128, 128), 1, 600_000, 8, 30, 0.05),
    "best": Preset((256, 256), 4, 1_000_000, 12, 40, 0.1),
}
_SMALL_STEPS = 128
_MOST_EMBEDDED = 64  # columns of numbers; a table of more has information enough
_LARGE = (
    10_000  # rows: there bins were better than waves (docs/tabular.md), and take half the time; so was a higher rate
)


@dataclass(frozen=True)
class Plan:
    """What was decided: see the estimators' parameters."""

    epochs: int
    batch_size: int
    learning_rate: float
    hidden: tuple[int, ...]
    members: int
    dropout: float
    embedding: str
    weight_decay: float = 0.02


def plan_for(rows: int, preset: str, given: dict[str, Any], *, numbers: int = 1) -> Plan:
    """The plan for so many training rows and columns of numbers, with what was `given` instead (None: not given).

    Examples
    --------
    >>> plan_for(40_000, "fast", {}).epochs, plan_for(40_000, "fast", {"epochs": 3}).epochs
    (15, 3)
    """
    usual = PRESETS[preset]
    epochs = min(usual.most_epochs, max(usual.least_epochs, round(usual.rows_in_all / rows)))
    batch = 1024 if rows >= 100_000 else min(256, max(32, 2 ** round(log2(rows / 16 + 1))))  # 16 batches or more
    found: dict[str, Any] = {
        "epochs": epochs, "batch_size": batch, "learning_rate": 0.01 if rows >= _LARGE else 0.0025,
        "hidden": usual.hidden, "members": usual.members, "dropout": usual.dropout,
        "embedding": "piecewise" if rows >= _LARGE else "periodic",
    }  # fmt: skip
    if numbers > _MOST_EMBEDDED:
        found["embedding"] = "none"
    if rows < SMALL:
        found |= {"epochs": _SMALL_STEPS, "batch_size": SMALL, "learning_rate": 0.005, "dropout": 0.0}
    return Plan(**found | {name: value for name, value in given.items() if value is not None})


def four_cycles(learning_rate: float, *, steps: int) -> Schedule:
    """learning_rate * (0.5 - 0.5 cos(2π log2(1 + 15 t))), t being the share of the steps that is done: four times up
    and down, each time twice as long as before.

    Holzmüller, Grinsztajn and Steinwart, Better by default (2024), section 3 ("coslog4"). Here t = (n + 0.5) / steps,
    the middle of step n: at its beginning, t = n / steps, the first step would have a rate of 0, and a training of one
    step would learn nothing.

    Examples
    --------
    >>> [round(float(four_cycles(1.0, steps=150)(n)), 2) for n in (0, 10, 30, 100, 149)]
    [0.05, 0.01, 0.0, 0.99, 0.0]
    >>> round(float(four_cycles(1.0, steps=1)(0)), 2)
    0.07
    """

    def schedule(step: Any) -> Array:
        xp, n = counted(step)
        done = xp.minimum((n + 0.5) / steps, xp.ones_like(n))
        return learning_rate * (0.5 - 0.5 * xp.cos(2 * pi / log(2) * xp.log(1 + 15 * done)))

    return schedule
