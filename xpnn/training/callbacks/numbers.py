"""The numbers of a row of the history, as people and files take them."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from xpnn.training.direction import better_when

__all__ = ["beats", "shown", "single"]


def single(row: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a row that are single numbers: a confusion matrix is none."""
    return {name: value for name, value in row.items() if isinstance(value, Real)}


def shown(value: Any) -> str:
    """A number in at most eight characters, such as '0.1234', '1.2e-05' or '12'; '' for None."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    number = float(value)
    if number != 0 and not 1e-3 <= abs(number) < 1e5:
        return f"{number:.1e}"
    return f"{number:.4f}" if abs(number) < 100 else f"{number:.1f}"


def beats(name: str, value: float, best: float | None) -> bool:
    """Whether this is better than the best so far: larger for accuracies, smaller for losses; never NaN, and never
    where the name does not say which is better.
    """
    mode = better_when(name)
    if value != value or mode is None:
        return False
    return best is None or (value > best if mode == "max" else value < best)
