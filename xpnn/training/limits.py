"""What a model and a loss mean by numbers: classes, rows of a table, shares, signs.

A step on NumPy looks at them itself. A step on a GPU does not, since a look waits for the device, and CuPy wraps what
is out of range around without a word. So arrays are looked at once before a training, and the batches of a loader on
the host, on their way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy

from xpnn.arrays.devices import Device
from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import Look, labels_looked_at, require_columns, require_labels
from xpnn.arrays.tree import Tree, flatten, tree_map
from xpnn.nn.losses.binary import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    FocalCrossEntropy,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    focal_cross_entropy,
)
from xpnn.nn.losses.classes import CrossEntropy, cross_entropy
from xpnn.nn.losses.likelihoods import PoissonNegativeLogLikelihood, poisson_negative_log_likelihood
from xpnn.nn.losses.margins import (
    Hinge,
    HingeEmbedding,
    MultiLabelSoftMargin,
    SoftMargin,
    hinge,
    hinge_embedding,
    multi_label_soft_margin,
    soft_margin,
)
from xpnn.nn.module import Module
from xpnn.training.steps import applied

__all__ = ["Limits", "axis_of_classes", "check_labels", "check_targets", "look_at_rows", "rows_between"]

_MANY = 1024  # rows at a time, where all are looked at
_OF_SHARES = (
    binary_cross_entropy, binary_cross_entropy_with_logits, focal_cross_entropy, multi_label_soft_margin,
    BinaryCrossEntropy, BinaryCrossEntropyWithLogits, FocalCrossEntropy, MultiLabelSoftMargin,
)  # fmt: skip
_NONE_BELOW_0 = cross_entropy, poisson_negative_log_likelihood, CrossEntropy, PoissonNegativeLogLikelihood
_OF_SIGNS = hinge, hinge_embedding, soft_margin, Hinge, HingeEmbedding, SoftMargin


def look_at_rows(model: Module, x: Tree, start: int) -> None:
    """Raise ValueError if from row `start` on a number by which a layer takes a row of its table is that of none.

    All rows go through the model, which is in evaluation mode.
    """
    rows = flatten(x)[0][0].shape[0]
    with labels_looked_at():
        for first in range(start, rows, _MANY):
            applied(model, rows_between(x, first, min(first + _MANY, rows)))


def rows_between(part: Tree, start: int, end: int) -> Tree:
    """Some rows of all arrays."""
    return tree_map(lambda leaf: leaf[slice(start, end), ...], part)


@dataclass
class Limits:
    """The meaning of a batch's numbers, for batches that come later.

    Attributes
    ----------
    loss
        What takes the targets.
    classes
        How many classes labels are of, and the label that means none; None where targets are no labels.
    indices
        For inputs that a layer takes rows of its table by, as they are: the number of the input's array, how many rows
        there are (in each column), and whose.
    """

    loss: Callable[..., Array] | None
    classes: tuple[int, int | None] | None
    indices: list[tuple[int, int | tuple[int, ...], str]]

    @staticmethod
    def of_inputs(inputs: list[Array], seen: list[Look]) -> list[tuple[int, int | tuple[int, ...], str]]:
        """For `indices`: which of the inputs were looked at as they are."""
        places = {id(leaf): number for number, leaf in enumerate(inputs)}
        return [(places[id(t)], classes, rows_of) for t, classes, rows_of in seen if id(t) in places]

    def for_steps_on(self, place: Device) -> Limits | None:
        """Those that steps there do not look at themselves; None if there are none."""
        if place.name != "cpu":
            return self
        loss = getattr(self.loss, "func", self.loss)
        looks = self.classes is not None or not (_is_of(loss, _OF_SIGNS) or _is_of(loss, _NONE_BELOW_0))
        return None if looks else Limits(loss, None, [])

    def check(self, batch: tuple[Tree, ...]) -> None:
        """Raise ValueError if numbers of a batch on the host have no meaning."""
        x, t = flatten(batch[0])[0], batch[1]
        for number, classes, rows_of in self.indices:
            if isinstance(x[number], numpy.ndarray):
                if isinstance(classes, int):
                    require_labels(x[number], classes, rows_of)
                else:
                    require_columns(x[number], classes, rows_of)
        if isinstance(t, numpy.ndarray) and self.loss is not None and t.size:
            if self.classes is not None:
                check_labels(t, *self.classes)
            check_targets(self.loss, t)


def check_targets(loss: Any, t: Array) -> None:
    """Raise if targets of a loss of xpnn's, or of a partial call of one, are numbers that it has no meaning for."""
    loss, xp = getattr(loss, "func", loss), namespace_of(t)
    if _is_of(loss, _OF_SIGNS):
        if not bool(xp.all(xp.abs(t) == 1)):
            raise ValueError("expected targets -1 or 1, got others: for labels 0 and 1 write 2 * t - 1")
    elif "int" in str(t.dtype):
        return
    elif _is_of(loss, _OF_SHARES):
        _check_shares(t)
    elif _is_of(loss, _NONE_BELOW_0) and (least := float(xp.min(t))) < 0:
        raise ValueError(f"expected targets of 0 or more, got {least}")


def _is_of(loss: Any, kinds: tuple[Any, ...]) -> bool:
    """Whether a loss is one of some functions and layers."""
    return loss in kinds or isinstance(loss, tuple(kind for kind in kinds if isinstance(kind, type)))


def _check_shares(t: Array) -> None:
    xp = namespace_of(t)
    least, most = float(xp.min(t)), float(xp.max(t))
    if not (least >= 0 and most <= 1):  # NaN too
        raise ValueError(f"expected targets from 0 to 1, got targets from {least} to {most}")


def check_labels(t: Array, classes: int, ignored: int | None) -> None:
    """Raise if a label but `ignored` is not from 0 to `classes` - 1."""
    xp = namespace_of(t)
    if ignored is not None:
        t = t * xp.astype(t != ignored, t.dtype)
    least, most = int(xp.min(t)), int(xp.max(t))
    if least < 0 or most >= classes:
        raise ValueError(
            f"expected labels from 0 to {classes - 1} for {classes} outputs, got labels from {least} to {most}"
        )


def axis_of_classes(loss: Any) -> tuple[int, int | None]:
    """Which axis of the outputs counts classes, and the label that means none; a layer or a partial call says so."""
    options = {**getattr(loss, "__dict__", {}), **getattr(loss, "keywords", {})}
    return options.get("axis", -1), options.get("ignore_index")
