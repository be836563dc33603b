"""What training reported: a row of numbers per epoch."""

from __future__ import annotations

from dataclasses import dataclass, field

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
