"""What a training is asked to be: the options of `xpnn train` that decide the result."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """The options that decide the result; None where the size of the table decides.

    Attributes
    ----------
    target
        The column to predict.
    task
        "auto", "binary", "multiclass" or "regression".
    hidden
        The widths of the dense layers.
    valid
        The share of rows that are held out.
    kinds
        What columns are, by name, as in `Preprocessing`.
    """

    target: str
    task: str = "auto"
    hidden: tuple[int, ...] = (256, 128)
    valid: float = 0.2
    seed: int = 0
    epochs: int | None = None
    seconds: float | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    dropout: float = 0.1
    kinds: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
