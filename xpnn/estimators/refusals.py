"""Parameters that do not go together: refused before any work, since one of them would do nothing, or fail later."""

from __future__ import annotations

from typing import Any

__all__ = ["require_possible"]


def require_possible(estimator: Any, *, incremental: bool) -> None:
    """Raise if the estimator's parameters do not go together.

    Raises
    ------
    ValueError
        If one of them would do nothing, or is impossible with another.
    """
    schedule = estimator.schedule
    if incremental and isinstance(schedule, str):
        raise ValueError(
            f"partial_fit cannot know where schedule={schedule!r} ends: give a function of the step, or none"
        )
