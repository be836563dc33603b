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

from xpnn.arrays.checks import Meaning, Noted, numbers_looked_at
from xpnn.arrays.devices import Device
from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import share_memory
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

__all__ = ["Limits", "axis_of_classes", "check_labels", "check_targets", "rows_between"]

_MANY = 1024  # rows at a time at most, where all go through the model
_OF_SHARES = (
    binary_cross_entropy, binary_cross_entropy_with_logits, focal_cross_entropy, multi_label_soft_margin,
    BinaryCrossEntropy, BinaryCrossEntropyWithLogits, FocalCrossEntropy, MultiLabelSoftMargin,
)  # fmt: skip
_NONE_BELOW_0 = cross_entropy, poisson_negative_log_likelihood, CrossEntropy, PoissonNegativeLogLikelihood
_OF_SIGNS = hinge, hinge_embedding, soft_margin, Hinge, HingeEmbedding, SoftMargin


def rows_between(part: Tree, start: int, end: int) -> Tree:
    """Some rows of all arrays."""
    return tree_map(lambda leaf: leaf[slice(start, end), ...], part)


@dataclass
class Limits:
    """What whole numbers in data mean to a model and a loss, as a trial with a few rows showed.

    Attributes
    ----------
    model
        What takes the inputs.
    loss
        What takes the targets; None where it has none of its own.
    direct
        The numbers, in the order of the leaves of `(x, t)`, of arrays that name rows or classes as they are, and what.
    computed
        Whether the model takes rows by numbers that it computes, or takes out of a larger array, first.
    shapes
        Those of the leaves without their rows: what the trial showed holds for such.
    """

    model: Module
    loss: Callable[..., Array] | None
    direct: list[tuple[int, Meaning]]
    computed: bool
    shapes: list[tuple[int, ...]]

    def __post_init__(self) -> None:
        loss = getattr(self.loss, "func", self.loss)
        found = [odd for kinds, odd in _ODD if _is_of(loss, kinds)]
        self._are_odd = found[0] if found else None

    @classmethod
    def of_trial(
        cls, model: Module, loss: Callable[..., Array] | None, some: Tree, by_model: Noted, by_loss: Noted
    ) -> Limits:
        """From the rows that were tried, and what model and loss looked at."""
        leaves = flatten(some)[0]
        placed = [(_place(t, meaning, leaves), meaning) for t, meaning in by_model]
        computed = any(place is None for place, _ in placed)
        placed += [(_place(t, meaning, leaves), meaning) for t, meaning in by_loss]
        direct = [(place, meaning) for place, meaning in placed if place is not None]
        return cls(model, loss, direct, computed, _shapes(leaves))

    @property
    def are_none(self) -> bool:
        """Whether neither model nor loss looked at anything."""
        return not self.direct and not self.computed

    def count_rows(self, rows: int) -> bool:
        """Whether labels are of as many classes as there were `rows` in the trial, so that they may count rows."""
        return any(not meaning.rows_of and meaning.classes == rows for _, meaning in self.direct)

    def look(self, data: Tree, x: Tree, batch_size: int) -> None:
        """Raise ValueError if numbers in `data`, of which `x` are the inputs, name nothing. It waits for a GPU.

        Where the model computes them, all rows go through it; it is in evaluation mode.
        """
        leaves = flatten(data)[0]
        for number, meaning in self.direct:
            meaning.require(leaves[number])
        if self.computed:
            rows, many = leaves[0].shape[0], min(batch_size, _MANY)
            with numbers_looked_at():
                for first in range(0, rows, many):
                    applied(self.model, rows_between(x, first, min(first + many, rows)))

    def for_steps_on(self, place: Device) -> Limits | None:
        """Those that steps there do not look at themselves; None if there are none."""
        if place.name != "cpu":
            return self
        loss = getattr(self.loss, "func", self.loss)
        labelled = any(not meaning.rows_of for _, meaning in self.direct)
        unseen = not labelled and (_is_of(loss, _OF_SIGNS) or _is_of(loss, _NONE_BELOW_0))
        return Limits(self.model, loss, [], False, self.shapes) if unseen else None

    def check(self, batch: tuple[Tree, ...]) -> None:
        """Raise ValueError if numbers of a batch on the host have no meaning."""
        if self.direct:
            leaves = flatten(batch[:2])[0]
            if self.shapes == _shapes(leaves):
                for number, meaning in self.direct:
                    if isinstance(leaves[number], numpy.ndarray):
                        meaning.require(leaves[number])
        t = batch[1]
        if self._are_odd is not None and isinstance(t, numpy.ndarray) and t.size and self._are_odd(t):
            check_targets(self.loss, t)


# Whether targets on the host may be none of a loss's: quickly, for each batch


def _are_no_signs(t: Any) -> bool:
    return not (abs(t) == 1).all()


def _are_no_shares(t: Any) -> bool:
    return t.dtype.kind not in "iu" and not (t.min() >= 0 and t.max() <= 1)


def _are_below_0(t: Any) -> bool:
    return t.dtype.kind not in "iu" and not t.min() >= 0


_ODD = [(_OF_SIGNS, _are_no_signs), (_OF_SHARES, _are_no_shares), (_NONE_BELOW_0, _are_below_0)]


def _place(t: Array, meaning: Meaning, leaves: list[Array]) -> int | None:
    """Which of the leaves an array is, or has all numbers of in another shape."""
    for number, leaf in enumerate(leaves):
        if t is leaf:
            return number
    for number, leaf in enumerate(leaves):
        same = t.dtype == leaf.dtype and t.size == leaf.size and namespace_of(t) is namespace_of(leaf)
        if same and share_memory(t, leaf) and (isinstance(meaning.classes, int) or t.shape[-1:] == leaf.shape[-1:]):
            return number
    return None


def _shapes(leaves: list[Array]) -> list[tuple[int, ...]]:
    return [leaf.shape[1:] for leaf in leaves]


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
