"""Labels made ready to be counted: how many classes there are, which items count, and how many labels are wrong."""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array, is_floating, namespace_of
from xpnn.training.metrics.base import wide
from xpnn.training.metrics.checking import as_indices

__all__ = ["classes_known", "classes_on_host", "counted"]


def classes_known(who: str, y: Array, classes: int | None) -> int:
    """How many classes there are, as shapes or an option tell."""
    if classes is not None:
        return classes
    if not is_floating(y.dtype):
        raise ValueError(f"{who} expected classes=..., their number, where predictions are labels")
    return int(y.shape[-1])


def classes_on_host(who: str, y: Any, predicted: Any, actual: Any, classes: int | None) -> int:
    """How many classes there are, if labels on the host are among them."""
    if classes is None:
        classes = y.shape[-1] if is_floating(y.dtype) else max(int(max(predicted.max(), actual.max())) + 1, 1)
    wrong = [*actual[actual >= classes], *predicted[(predicted < 0) | (predicted >= classes)]]
    if wrong:
        raise ValueError(f"{who} expected labels from 0 to {classes - 1}, got {wrong[0]}")
    return classes


def counted(predicted: Array, actual: Array, classes: int, w: Array | None) -> tuple[Array, Array, Array, Any]:
    """All items in a row: labels, 0 where they are none; weights, integers if there are none; how many are wrong."""
    xp = namespace_of(actual)
    right = (actual < classes) & (predicted >= 0) & (predicted < classes)
    kept = (actual >= 0) & right
    v = as_indices(kept)
    if w is not None:
        v = xp.reshape(w, (-1, *[1] * (len(kept.shape) - 1))) * wide(kept)
    predicted, actual = predicted * as_indices(kept), actual * as_indices(kept)
    flat = [xp.reshape(x, (-1,)) for x in (predicted, actual, v)]
    return flat[0], flat[1], flat[2], xp.count_nonzero(~right)
