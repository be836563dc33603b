"""The mean over items that many metrics are: of hits, of absolute errors, of negative log-likelihoods.

An item is one target, of which a row may have many. Weights belong to rows. Items without a label, whose target is
negative, are left out.
"""

from __future__ import annotations

from abc import abstractmethod
from math import prod
from typing import Any, NamedTuple

from xpnn.arrays.namespaces import Array, is_floating, namespace_of
from xpnn.training.metrics.base import MetricOfSums, wide

__all__ = ["Items", "MeanOfItems", "mean", "mean_of", "mean_sums", "require_right", "summed"]


class Items(NamedTuple):
    """What a mean is of: a value for each item, 0 or False where it is left out."""

    values: Array
    kept: Array | None = None  # which items there are; None: all
    wrong: Any = 0  # how many targets or outputs have no meaning
    nan: Any = 0  # how many predictions are NaN, if the values do not show it


class MeanOfItems(MetricOfSums):
    """A mean that comes in parts."""

    @abstractmethod
    def items(self, y: Array, t: Array) -> Items:
        """A value for each item."""

    def sums(self, y: Array, t: Array, w: Array | None) -> dict[str, Any]:
        return mean_sums(self.items(y, t), w)

    def of_sums(self, sums: dict[str, Any]) -> float:
        return self.of_mean(mean_of(type(self).__name__, sums))

    def of_mean(self, mean: float) -> float:
        """The metric, of the mean: by default the same."""
        return mean


def mean(who: str, items: Items, w: Array | None) -> float:
    """The mean over items on the host."""
    return mean_of(who, mean_sums(items, w))


def mean_sums(items: Items, w: Array | None) -> dict[str, Any]:
    """The sums that a mean is made of."""
    values, kept, wrong, nan = items
    if kept is not None:
        count = summed(kept, w)
    else:
        count = prod(values.shape) if w is None else namespace_of(w).sum(w) * prod(values.shape[1:])
    return {"total": summed(values, w), "items": count, "wrong": wrong, "nan": nan}


def mean_of(who: str, sums: dict[str, Any]) -> float:
    """The mean of these sums; NaN over nothing, and where a prediction is NaN."""
    require_right(who, sums["wrong"])
    if sums["nan"] or not sums["items"]:
        return float("nan")
    return float(sums["total"]) / float(sums["items"])


def require_right(who: str, wrong: Any) -> None:
    """Raise if there were targets or outputs without a meaning."""
    if wrong:
        raise ValueError(
            f"{who} expected labels below the number of classes, targets of single scores from 0 to 1, and "
            f"probabilities from 0 to 1, got {int(wrong)} others"
        )


def summed(values: Array, w: Array | None) -> Array:
    """The sum over items, in float64; without weights booleans are counted."""
    xp = namespace_of(values)
    if w is None:
        return xp.sum(wide(values)) if is_floating(values.dtype) else xp.count_nonzero(values)
    if len(values.shape) > 1:
        values = xp.reshape(values, (values.shape[0], -1))
        values = values[:, 0] if values.shape[1] == 1 else xp.sum(wide(values), axis=1)
    return xp.sum(wide(values) * w)
