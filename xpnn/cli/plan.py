"""How to train, decided by the size of the table where nobody says otherwise.

Measured on tables of 500 to 300 000 rows (docs/scores.md): small tables want many epochs of small batches, large ones
few epochs of large batches, which are also what a machine is quick at. The number of rows that are looked at in all,
epochs times rows, is held near a constant where that leaves 6 to 60 epochs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import log2
from typing import Any

__all__ = ["Plan", "plan_for"]

_ROWS_IN_ALL = 1_000_000
_LEAST_EPOCHS, _MOST_EPOCHS = 6, 60


@dataclass(frozen=True)
class Plan:
    """How a network is trained: AdamW, its rate rising for a twentieth of the steps and falling on half a cosine.

    Attributes
    ----------
    epochs, batch_size, learning_rate
        As in `Trainer` and `AdamW`.
    weight_decay
        Of weights; biases have none.
    """

    epochs: int
    batch_size: int
    learning_rate: float = 4e-3
    weight_decay: float = 0.02

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def steps(self, rows: int) -> int:
        """How many updates it takes for so many rows."""
        return self.epochs * -(-rows // self.batch_size)


def plan_for(
    rows: int, *, epochs: int | None = None, batch_size: int | None = None, learning_rate: float | None = None
) -> Plan:
    """The plan for so many training rows, with what was asked for.

    Examples
    --------
    >>> plan_for(500), plan_for(40_000).epochs, plan_for(1_000_000).batch_size
    (Plan(epochs=60, batch_size=32, learning_rate=0.004, weight_decay=0.02), 25, 512)
    """
    usual = min(_MOST_EPOCHS, max(_LEAST_EPOCHS, round(_ROWS_IN_ALL / rows)))
    batch = 512 if rows >= 100_000 else min(256, max(16, 2 ** round(log2(rows / 16 + 1))))  # 16 batches or more
    plan = Plan(epochs or usual, batch_size or batch)
    return plan if learning_rate is None else Plan(plan.epochs, plan.batch_size, learning_rate)
