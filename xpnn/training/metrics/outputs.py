"""What outputs of classes can be: logits or probabilities, one for each class, or a single one for class 1 of two."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

from xpnn.arrays.namespaces import Array, array_device, is_floating, namespace_of
from xpnn.autodiff.rules.choosing import clip
from xpnn.autodiff.rules.special import expit, softmax
from xpnn.training.metrics.base import wide
from xpnn.training.metrics.checking import as_indices, require_rows

__all__ = [
    "OUTPUTS",
    "Form",
    "Labels",
    "Outputs",
    "form_of",
    "labels_of",
    "one_hot",
    "probabilities",
    "require_outputs",
    "wrong_outputs",
    "wrong_shares",
]

Outputs: TypeAlias = Literal["logits", "probabilities"]
OUTPUTS = ("logits", "probabilities")

Form: TypeAlias = Literal["single", "labels", "soft"]


def form_of(who: str, y: Array, t: Array) -> Form:
    """How targets `t` belong to outputs `y`, by their shapes.

    'single': one output for each target, (n,) or (n, ..., 1). 'labels': outputs (n, ..., classes) and integers
    (n, ...). 'soft': probabilities of all classes, of the shape of the outputs.
    """
    require_rows(who, y, t)
    if is_floating(y.dtype):
        if y.shape == t.shape and (len(y.shape) == 1 or y.shape[-1] == 1):
            return "single"
        if y.shape == t.shape and is_floating(t.dtype):
            return "soft"
        if y.shape[:-1] == t.shape and y.shape[-1] > 1 and not is_floating(t.dtype):
            return "labels"
    raise ValueError(
        f"{who} expected outputs (n, ..., classes) and integer targets (n, ...) or probabilities of their shape, or "
        f"single outputs and targets of one shape (n,) or (n, ..., 1), got {y.dtype} {y.shape} and {t.dtype} "
        f"{t.shape}"
    )


class Labels(NamedTuple):
    """Labels on any device, made ready to be used as indices."""

    index: Array  # of the dtype of indices, those that are none as others
    kept: Array  # which are not negative
    wrong: Array  # how many are beyond the classes


def labels_of(y: Array, t: Array) -> Labels:
    """The labels `t` of outputs `y` of several classes."""
    xp, classes, t = namespace_of(y, t), y.shape[-1], as_indices(t)
    return Labels(clip(t, 0, classes - 1), t >= 0, xp.count_nonzero(t >= classes))


def one_hot(index: Array, y: Array) -> Array:
    """1 at each label, in the shape and dtype of `y`."""
    xp = namespace_of(y)
    classes = xp.arange(y.shape[-1], dtype=index.dtype, device=array_device(y))
    return xp.astype(xp.expand_dims(index, axis=-1) == classes, y.dtype)


def probabilities(y: Array, form: Form, outputs: Outputs) -> Array:
    """The probabilities that outputs mean; single ones in float64."""
    y = wide(y) if form == "single" else y
    if outputs == "probabilities":
        return y
    return expit(y) if form == "single" else softmax(y, axis=-1)


def wrong_outputs(y: Array, outputs: Outputs) -> Any:
    """How many outputs are no probabilities, if they should be; more than 1 by rounding is none the less."""
    return 0 if outputs == "logits" else namespace_of(y).count_nonzero((y < 0) | (y > _MOST))


def require_outputs(who: str, y: Any, outputs: Outputs) -> None:
    """Raise unless outputs on the host are probabilities, if they should be."""
    if wrong_outputs(y, outputs):
        raise ValueError(
            f"{who} expected probabilities from 0 to 1, got {y[(y < 0) | (y > _MOST)][0]:g}: are they logits?"
        )


_MOST = 1 + 1e-6


def wrong_shares(t: Array) -> Array:
    """How many targets do not lie from 0 to 1."""
    return namespace_of(t).count_nonzero((t < 0) | (t > 1))
