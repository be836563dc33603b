"""What training reported: a row of numbers per epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

__all__ = ["History"]


@dataclass
class History:
    """What training reported: a row of numbers per epoch, and where it ran.

    `history["loss"]` is the list over the epochs (None where an epoch has no such number).

    Raises
    ------
    KeyError
        If no epoch has a number of that name.
    """

    device: str = ""
    rows: list[dict[str, float]] = field(default_factory=list)

    def __getitem__(self, name: str) -> list[float | None]:
        if not any(name in row for row in self.rows):
            known = sorted({key for row in self.rows for key in row})
            raise KeyError(f"history has no {name!r}; it has {', '.join(known) or 'no epochs yet'}")
        return [row.get(name) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)


def as_json(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as JSON can hold them: NaN and infinity, which it lacks, as words."""
    return [{name: _word(value) for name, value in row.items()} for row in rows]


def from_json(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that `as_json` was given."""
    return [{name: float(v) if v in ("nan", "inf", "-inf") else v for name, v in row.items()} for row in rows]


def _word(value: Any) -> Any:
    if isinstance(value, bool | int | str) or value is None:
        return value
    number = float(value)
    return number if isfinite(number) else str(number)
