"""Whether a number of the history is better when it is larger or smaller: known by its name, or to be said."""

from __future__ import annotations

import re
from typing import Any, Literal

__all__ = ["better_when", "mode_of"]

_SMALLER = ("loss", "error", "perplexity", "brier", "deviance")
_SMALLER_WORDS = {"mae", "mse", "rmse", "mape", "nll", "ece", "cost"}
_LARGER = ("accuracy", "auc", "precision", "recall", "f1", "r2", "score")
_LARGER_WORDS = {"acc"}


def better_when(name: str) -> Literal["max", "min"] | None:
    """Whether a number of this name is better when it is larger ('max') or smaller ('min'); None if no name says so.

    Examples
    --------
    >>> [better_when(name) for name in ("val_loss", "val_auc", "brier_score", "hits")]
    ['min', 'max', 'min', None]
    """
    name = name.lower()
    words = set(re.findall("[a-z]+", name))
    if words & _SMALLER_WORDS or any(part in name for part in _SMALLER):
        return "min"
    if words & _LARGER_WORDS or any(part in name for part in _LARGER):
        return "max"
    return None


def mode_of(who: str, name: str, mode: Any) -> Literal["max", "min"]:
    """The mode that was given, or for 'auto' that of the name.

    Raises
    ------
    ValueError
        If it is none, or if it is 'auto' and the name does not say which is better.
    """
    if mode == "max" or mode == "min":
        found: Literal["max", "min"] = mode
        return found
    if mode != "auto":
        raise ValueError(f"{who} expected mode 'auto', 'min' or 'max', got {mode!r}")
    known = better_when(name)
    if known is None:
        raise ValueError(
            f"{who} cannot tell by the name whether {name!r} is better when it is larger or smaller: say mode='max' "
            "or mode='min'"
        )
    return known
