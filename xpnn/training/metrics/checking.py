"""What metrics ask of predictions, targets and weights.

Shapes and dtypes are looked at everywhere: they cost nothing. Numbers are looked at on the host only, by the functions
of whole arrays; where data come in parts, wrong ones are counted on the device and named with the result.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy

from xpnn.arrays.namespaces import Array, Namespace, dtype_name, is_complex, is_floating, namespace_of
from xpnn.arrays.native import to_host

__all__ = [
    "as_indices",
    "class_labels",
    "count_nan",
    "host_weights",
    "on_host",
    "require_alike",
    "require_choice",
    "require_count",
    "require_labels_below",
    "require_rows",
    "require_shares",
]


def require_rows(who: str, y: Array, t: Array) -> None:
    """Raise unless both are arrays of real numbers with as many rows."""
    for what, x in (("predictions", y), ("targets", t)):
        namespace_of(x)
        if is_complex(x.dtype) or not (is_floating(x.dtype) or dtype_name(x.dtype).startswith(("int", "uint", "bool"))):
            raise TypeError(f"{who} expected {what} that are real numbers, got dtype {x.dtype}")
        if not x.shape:
            raise ValueError(f"{who} expected {what} with at least one row, got shape ()")
    if y.shape[0] != t.shape[0]:
        raise ValueError(f"{who} expected as many predictions as targets, got shapes {y.shape} and {t.shape}")


def require_alike(who: str, y: Array, t: Array) -> None:
    """Raise unless both are arrays of real numbers, of one shape."""
    require_rows(who, y, t)
    if y.shape != t.shape:  # (n, 1) and (n,) would broadcast to (n, n)
        raise ValueError(f"{who} expected predictions and targets of one shape, got {y.shape} and {t.shape}")


def class_labels(who: str, y: Array, t: Array) -> tuple[Array, Array]:
    """Predicted and actual labels, of one shape: of logits or probabilities the largest is meant."""
    require_rows(who, y, t)
    logits = is_floating(y.dtype)
    if logits and y.shape[-1] == 1:  # the largest of one is always the right one
        raise ValueError(f"{who} expected logits of two or more classes, got shape {y.shape}: see binary_accuracy")
    soft = is_floating(t.dtype) and y.shape == t.shape
    predicted = namespace_of(y).argmax(y, axis=-1) if logits and len(y.shape) > 1 else y
    actual = namespace_of(t).argmax(t, axis=-1) if soft and len(t.shape) > 1 else t
    if predicted.shape != actual.shape or is_floating(predicted.dtype) or is_floating(actual.dtype):
        raise ValueError(
            f"{who} expected logits (n, ..., classes) or integer labels (n, ...) and integer targets (n, ...), "
            f"got {y.dtype} {y.shape} and {t.dtype} {t.shape}"
        )
    return as_indices(predicted), as_indices(actual)


def as_indices(x: Array) -> Array:
    """Labels in the dtype that indices have: uint8 could not count 300 classes, nor be negative."""
    xp = namespace_of(x)
    return xp.astype(x, _index_dtype(xp), copy=False)


@cache
def _index_dtype(xp: Namespace) -> Any:
    return xp.__array_namespace_info__().default_dtypes()["indexing"]


def count_nan(y: Array) -> Any:
    """How many of `y` are NaN."""
    xp = namespace_of(y)
    return xp.count_nonzero(xp.isnan(y)) if is_floating(y.dtype) else 0


def require_choice(who: str, what: str, given: Any, choices: tuple[Any, ...]) -> Any:
    """`given`, if it is one of `choices`."""
    if given not in choices:
        raise ValueError(f"{who} expected {what} to be one of {', '.join(map(repr, choices))}, got {given!r:.40}")
    return given


def require_count(who: str, what: str, given: int) -> int:
    """`given`, if it is a whole number of 1 or more."""
    if isinstance(given, bool) or not isinstance(given, int | numpy.integer) or given < 1:
        raise ValueError(f"{who} expected {what} to be a whole number of 1 or more, got {given!r:.40}")
    return int(given)


def on_host(who: str, y: Array, t: Array) -> tuple[Any, Any]:
    """Predictions and targets as NumPy arrays, floating-point ones in float64."""
    for array in (y, t):
        namespace_of(array)
    y, t = to_host(y), to_host(t)
    for what, array in (("predictions", y), ("targets", t)):
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{who} expected {what} that are real numbers, got dtype {array.dtype}")
        if not array.shape or not array.size:
            raise ValueError(f"{who} expected {what} with at least one row, got shape {array.shape}")
        if nan := int(count_nan(array)):
            raise ValueError(f"{who} expected {what} without NaN, got {nan} of them")
    y, t = (x.astype("float64", copy=False) if x.dtype.kind == "f" else x for x in (y, t))
    require_rows(who, y, t)
    return y, t


def host_weights(who: str, sample_weight: Array | None, rows: int) -> Any:
    """One weight per row, in float64 on the host, or None."""
    if sample_weight is None:
        return None
    namespace_of(sample_weight)
    w = to_host(sample_weight)
    if w.shape != (rows,):
        raise ValueError(f"{who} expected sample_weight of shape ({rows},), got {w.shape}")
    w = w.astype("float64")
    if not (numpy.isfinite(w).all() and (w >= 0).all() and (w > 0).any()):
        raise ValueError(f"{who} expected finite weights of 0 or more that are not all 0")
    return w


def require_shares(who: str, t: Any) -> None:
    """Raise unless targets on the host lie from 0 to 1."""
    if not ((t >= 0) & (t <= 1)).all():
        raise ValueError(f"{who} expected targets from 0 to 1, got {t[(t < 0) | (t > 1)][0]:g}")


def require_labels_below(who: str, classes: int, labels: Any) -> None:
    """Raise unless labels on the host are below the number of classes; negative ones are those that a loss ignores."""
    if labels.max() >= classes:
        raise ValueError(f"{who} expected labels below {classes}, the number of classes, got {labels.max()}")
