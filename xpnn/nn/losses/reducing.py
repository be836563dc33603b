"""What all losses share: checks of outputs and targets, weights of items, and the reduction to one number."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from numbers import Real
from typing import Any, Literal, TypeAlias

from xpnn.arrays.namespaces import Array, namespace_of, require_real
from xpnn.arrays.native import sum_over
from xpnn.autodiff.tape import differentiable
from xpnn.nn.module import Module

__all__ = [
    "Loss",
    "Reduction",
    "Rule",
    "check_alike",
    "checked",
    "divided",
    "like",
    "number",
    "per_item",
    "reduced",
    "reduced_by",
    "require_arrays",
    "require_items",
]

Reduction: TypeAlias = Literal["mean", "sum", "none"]
Rule = Any  # (value, backward)


def reduced(losses: Array, sample_weight: Array | None, reduction: Reduction) -> Array:
    """The losses per item, weighted and reduced."""
    checked(reduction)
    xp = namespace_of(losses, sample_weight)
    if sample_weight is not None:
        sample_weight = per_item(sample_weight, losses)
        losses = losses * sample_weight
    if reduction == "none":
        return losses
    if reduction == "mean":
        require_items(losses)
        if sample_weight is None:
            return xp.mean(losses)
    total = xp.sum(losses)
    return total if reduction == "sum" else divided(total, xp.sum(xp.broadcast_to(sample_weight, losses.shape)))


@differentiable
def _mean_of(rule: Callable[..., Rule], *arrays: Array, **options: Any) -> Rule:
    """The mean of the losses that `rule` gives, as one operation: half the time of two on small batches."""
    losses, backward = rule(*arrays, **options)
    require_items(losses)
    n = losses.size

    # each loss has the same share of the gradient
    def shared(back: Callable[[Array], Array]) -> Callable[[Array], Array]:
        return lambda dl: back(dl / n)

    return sum_over(losses) / n, (None, *[back and shared(back) for back in backward])


def reduced_by(rule: Any, *arrays: Array, sample_weight: Array | None, reduction: Reduction, **options: Any) -> Array:
    """The losses that the operation `rule` gives, weighted and reduced."""
    if reduction == "mean" and sample_weight is None:
        return _mean_of(rule.__wrapped__, *arrays, **options)
    return reduced(rule(*arrays, **options), sample_weight, reduction)


def require_items(losses: Array) -> None:
    """Raise if a mean would be over nothing."""
    if losses.size == 0:
        raise ValueError(f"the mean loss of an empty batch is not defined: got losses of shape {losses.shape}")


def checked(reduction: Reduction) -> Reduction:
    """`reduction`, if it is one."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")
    return reduction


def number(who: str, name: str, value: Any, *, least: float = 0.0, most: float = inf, above: bool = False) -> float:
    """`value` as a float, if it is a finite number of at least `least`, or `above` it, and at most `most`."""
    if type(value) is float and least < value < most:
        return value
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{who} expected {name} to be a number, got {value!r:.60}")
    found = float(value)
    if not (least < found if above else least <= found) or not (found <= most and found < inf):
        range_of = f"above {least:g}" if above else f"of {least:g} or more"
        raise ValueError(
            f"{who} expected {name} {range_of}{f', at most {most:g}' if most < inf else ''}, got {value!r}"
        )
    return found


def divided(total: Array, weight: Array) -> Array:
    """`total / weight`, and 0 where all weights are zero; not by `maximum`, whose derivative is halved at a tie."""
    return total / (weight + namespace_of(weight).astype(weight == 0, weight.dtype))


def per_item(sample_weight: Array, losses: Array) -> Array:
    """The weights, (n,), shaped to stretch over the further axes of the losses, (n, ...)."""
    if sample_weight.shape != losses.shape[:1]:
        raise ValueError(f"expected sample_weight of shape {losses.shape[:1]}, one per item, got {sample_weight.shape}")
    xp = namespace_of(sample_weight)
    return like(losses, xp.reshape(sample_weight, sample_weight.shape + (1,) * (len(losses.shape) - 1)))


def like(x: Array, w: Array) -> Array:
    """The weights in the dtype of `x`, so that nothing is promoted."""
    return w if w.dtype == x.dtype else namespace_of(w).astype(w, x.dtype)


def require_arrays(*arrays: Array) -> None:
    """Raise unless all are arrays of one library; a number would pass beside an array."""
    for array in arrays:
        namespace_of(array)
    namespace_of(*arrays)


def check_alike(name: str, y: Array, t: Array) -> None:
    """Raise unless outputs and targets are real arrays of one shape and dtype."""
    if not (hasattr(y, "shape") and hasattr(t, "shape")):
        require_arrays(y, t)
    if y.shape != t.shape:
        raise ValueError(f"{name} expected outputs and targets of one shape, got {y.shape} and {t.shape}")
    require_real(name, y)
    if y.dtype is t.dtype:
        return
    require_arrays(y, t)  # dtypes of two libraries are not compared
    if y.dtype != t.dtype:
        raise TypeError(f"{name} expected targets of dtype {y.dtype}, as the outputs, got {t.dtype}: convert them")


class Loss(Module):
    """What the layers of losses share: a description of their options."""

    def describe(self) -> str:
        return ", ".join(
            f"{name}={value!r}"
            for name, value in self.__dict__.items()
            if name not in ("training", "_kinds", "_children", "_stand_in")
            and not hasattr(value, "dtype")
            and (name, value) not in (("reduction", "mean"), ("class_weight", None))
        )
