"""Losses of two classes -1 and 1, of rankings and of several classes, by margins: nothing is lost once an output is on
the right side by more than a margin.
"""

from __future__ import annotations

from typing import Literal

from xpnn.arrays.checks import require_labels, require_signs
from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.rules.special import expit, softplus
from xpnn.autodiff.tape import differentiable, plain
from xpnn.nn.activations import relu
from xpnn.nn.declarations import Buffer
from xpnn.nn.losses.binary import binary_cross_entropy_with_logits
from xpnn.nn.losses.reducing import (
    Loss,
    Reduction,
    Rule,
    check_alike,
    checked,
    like,
    number,
    reduced,
    reduced_by,
    require_arrays,
)

__all__ = [
    "Hinge",
    "HingeEmbedding",
    "MarginRanking",
    "MultiLabelSoftMargin",
    "MultiMargin",
    "SoftMargin",
    "hinge",
    "hinge_embedding",
    "margin_ranking",
    "multi_label_soft_margin",
    "multi_margin",
    "soft_margin",
]


@differentiable
def _hinge(y: Array, t: Array, *, margin: float) -> Rule:
    xp = namespace_of(y, t)
    short = margin - t * y

    # -t where the margin is not kept
    def dy_(dl: Array) -> Array:
        return -dl * t * xp.astype(short > 0, t.dtype)

    def dt(dl: Array) -> Array:
        return -dl * y * xp.astype(short > 0, y.dtype)

    return xp.maximum(short, 0.0), (dy_, dt)


def hinge(
    y: Array, t: Array, *, margin: float = 1.0, sample_weight: Array | None = None, reduction: Reduction = "mean"
) -> Array:
    """max(0, margin - t y), of outputs `y` and classes `t`, -1 and 1, by default averaged: that of support vectors.

    Cortes and Vapnik, Support-vector networks (1995). The derivative at the kink is 0.

    Parameters
    ----------
    y, t
        Outputs, and targets -1 or 1, of one shape (n, ...) and dtype. Targets have a derivative, so other numbers are
        taken as they are, a label 0 too, whose loss is always `margin`; `Trainer` raises on them.
    margin
        How far on the right side is far enough; 0 or more.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean' (weighted, where there are weights), 'sum', or 'none' for an array of the shape of `y`.

    Raises
    ------
    ValueError
        If the shapes differ, a mean over nothing is asked for, or an option is out of range.
    TypeError
        If the dtypes differ, or `margin` is no number.

    Examples
    --------
    >>> import numpy
    >>> hinge(numpy.asarray([3.0, 0.5, 0.5]), numpy.asarray([1.0, 1.0, -1.0]), reduction="none")
    array([0. , 0.5, 1.5])
    """
    margin = number("hinge", "margin", margin)
    check_alike("hinge", y, t)
    return reduced_by(_hinge, y, t, sample_weight=sample_weight, reduction=reduction, margin=margin)


@differentiable
def _hinge_embedding(y: Array, t: Array, *, margin: float) -> Rule:
    xp = namespace_of(y, t)
    alike, short = xp.astype(t == 1, y.dtype), margin - y

    # 1 for pairs alike; -1 for others within the margin or just at it, as in PyTorch
    def dy_(dl: Array) -> Array:
        return dl * (alike - (1 - alike) * xp.astype(short >= 0, y.dtype))

    return alike * y + (1 - alike) * xp.maximum(short, 0.0), (dy_, None)


def hinge_embedding(
    y: Array, t: Array, *, margin: float = 1.0, sample_weight: Array | None = None, reduction: Reduction = "mean"
) -> Array:
    """Of distances `y` of pairs: y for pairs alike (t = 1), max(0, margin - y) for others (t = -1), averaged.

    Parameters and errors are those of `hinge`; targets have no derivative, and on NumPy another than -1 and 1 raises.

    Examples
    --------
    >>> import numpy
    >>> hinge_embedding(numpy.asarray([0.25, 0.25, 2.0]), numpy.asarray([1.0, -1.0, -1.0]), reduction="none")
    array([0.25, 0.75, 0.  ])
    """
    margin = number("hinge_embedding", "margin", margin)
    check_alike("hinge_embedding", y, t)
    require_signs("hinge_embedding", plain(t))
    return reduced_by(_hinge_embedding, y, t, sample_weight=sample_weight, reduction=reduction, margin=margin)


@differentiable
def _soft_margin(y: Array, t: Array) -> Rule:
    # -t sigmoid(-t y)
    def dy_(dl: Array) -> Array:
        return -dl * t * expit(-t * y)

    def dt(dl: Array) -> Array:
        return -dl * y * expit(-t * y)

    return softplus(-t * y), (dy_, dt)


def soft_margin(y: Array, t: Array, *, sample_weight: Array | None = None, reduction: Reduction = "mean") -> Array:
    """log(1 + e^(-t y)), of outputs `y` and classes `t`, -1 and 1, averaged: the logistic loss, a hinge without kink.

    Parameters and errors are those of `hinge`.

    Examples
    --------
    >>> import numpy
    >>> soft_margin(numpy.asarray([3.0, -3.0]), numpy.asarray([1.0, 1.0]), reduction="none").round(4)
    array([0.0486, 3.0486])
    """
    check_alike("soft_margin", y, t)
    return reduced_by(_soft_margin, y, t, sample_weight=sample_weight, reduction=reduction)


@differentiable
def _margin_ranking(a: Array, b: Array, t: Array, *, margin: float) -> Rule:
    xp = namespace_of(a, b, t)
    short = margin - t * (a - b)

    # -t and t where the margin is not kept, or just so, as in PyTorch
    def da(dl: Array) -> Array:
        return -dl * t * xp.astype(short >= 0, t.dtype)

    def db(dl: Array) -> Array:
        return dl * t * xp.astype(short >= 0, t.dtype)

    return xp.maximum(short, 0.0), (da, db, None)


def margin_ranking(
    a: Array,
    b: Array,
    t: Array,
    *,
    margin: float = 0.0,
    sample_weight: Array | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """max(0, margin - t (a - b)): `a` should be the larger where t = 1, `b` where t = -1, by default averaged.

    Parameters
    ----------
    a, b, t
        Two outputs, and targets -1 or 1, all of one shape (n, ...) and dtype; targets have no derivative. One of 0,
        for no order, gives the loss `margin` without a gradient, as in PyTorch.
    margin
        By how much the larger should be larger; 0 or more.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean' (weighted, where there are weights), 'sum', or 'none' for an array of the shape of `a`.

    Raises
    ------
    ValueError
        If the shapes differ, a mean over nothing is asked for, or an option is out of range.
    TypeError
        If the dtypes differ, or `margin` is no number.

    Examples
    --------
    >>> import numpy
    >>> a, b = numpy.asarray([2.0, 2.0]), numpy.asarray([1.0, 1.0])
    >>> margin_ranking(a, b, numpy.asarray([1.0, -1.0]), margin=0.5, reduction="none")
    array([0. , 1.5])
    """
    margin = number("margin_ranking", "margin", margin)
    check_alike("margin_ranking of two outputs", a, b)
    check_alike("margin_ranking", a, t)
    return reduced_by(_margin_ranking, a, b, t, sample_weight=sample_weight, reduction=reduction, margin=margin)


def multi_margin(
    z: Array,
    t: Array,
    *,
    margin: float = 1.0,
    power: Literal[1, 2] = 1,
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """Sum over the other classes of max(0, margin - z[t] + z)^power, divided by the number of classes, averaged.

    Crammer and Singer, On the algorithmic implementation of multiclass kernel-based vector machines (2001), in
    PyTorch's form. Class weights multiply the losses; the mean is over items.

    Parameters
    ----------
    z
        Scores, shape (n, classes), or (classes,) for one item.
    t
        Integer labels, shape (n,), or ().
    margin
        By how much the right score should be larger than all others.
    power
        1 or 2.
    class_weight
        Shape (classes,): a factor for each item, by its label.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean', 'sum', or 'none' for an array of shape (n,).

    Raises
    ------
    ValueError
        If shapes do not fit, a mean over nothing is asked for, an option is out of range; on NumPy, if a label is.
    TypeError
        If `t` does not hold integers, or `margin` is no number.

    Examples
    --------
    >>> import numpy
    >>> multi_margin(numpy.asarray([[3.0, 2.5, 0.0]]), numpy.asarray([0])).round(4)
    np.float64(0.1667)
    """
    margin, power = _multi_margin_options("multi_margin", margin, power)
    checked(reduction)
    require_arrays(z, t)
    xp = namespace_of(z, t, class_weight)
    if len(z.shape) not in (1, 2) or z.shape[-1] == 0 or t.shape != z.shape[:-1]:
        raise ValueError(f"multi_margin expected z of shape (n, classes), t of shape (n,), got {z.shape} and {t.shape}")
    if not xp.isdtype(t.dtype, "integral"):
        raise TypeError(f"multi_margin expected integer labels, got {t.dtype}")
    if class_weight is not None and getattr(class_weight, "shape", None) != z.shape[-1:]:
        namespace_of(class_weight)  # raises if it is no array
        raise ValueError(f"multi_margin expected class_weight of shape {z.shape[-1:]}, got {class_weight.shape}")
    require_labels(plain(t), z.shape[-1])
    t = t if t.dtype == xp.int64 else xp.astype(t, xp.int64)
    labels = xp.expand_dims(t, axis=-1)
    short = relu(z - xp.take_along_axis(z, labels, axis=-1) + margin)  # whose slope at 0 is 0, as in PyTorch
    short = short if power == 1 else short * short
    own = margin if power == 1 else margin * margin  # the label's own term, which does not count
    losses = (xp.sum(short, axis=-1) - own) / z.shape[-1]
    if class_weight is not None:
        losses = losses * xp.reshape(xp.take(like(losses, class_weight), xp.reshape(t, (-1,))), t.shape)
    return reduced(losses, sample_weight, reduction)


def _multi_margin_options(who: str, margin: float, power: Literal[1, 2]) -> tuple[float, Literal[1, 2]]:
    if power not in (1, 2):
        raise ValueError(f"{who} expected power to be 1 or 2, got {power!r:.40}")
    return number(who, "margin", margin), power


def multi_label_soft_margin(
    z: Array,
    t: Array,
    *,
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """The binary cross-entropy of logits, averaged over classes: any number of classes may be right at once.

    Parameters
    ----------
    z, t
        Logits, and targets in [0, 1], of one shape (n, ..., classes) and dtype.
    class_weight
        Shape (classes,): a factor of each class's term.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean', 'sum', or 'none' for an array of shape (n, ...).

    Raises
    ------
    ValueError
        If shapes do not fit, a mean over nothing is asked for, or `reduction` is another; on NumPy, if a target does
        not lie in [0, 1].
    TypeError
        If the dtypes differ.

    Examples
    --------
    >>> import numpy
    >>> multi_label_soft_margin(numpy.asarray([[9.0, -9.0, 9.0]]), numpy.asarray([[1.0, 0.0, 0.0]])).round(4)
    np.float64(3.0001)
    """
    checked(reduction)
    check_alike("multi_label_soft_margin", z, t)
    if not z.shape or z.shape[-1] == 0:
        raise ValueError(f"multi_label_soft_margin expected logits of shape (n, ..., classes), got {z.shape}")
    if class_weight is not None and getattr(class_weight, "shape", None) != z.shape[-1:]:
        namespace_of(class_weight)  # raises if it is no array
        raise ValueError(
            f"multi_label_soft_margin expected class_weight of shape {z.shape[-1:]}, got {class_weight.shape}"
        )
    losses = binary_cross_entropy_with_logits(z, t, reduction="none")
    if class_weight is not None:
        losses = losses * like(losses, class_weight)
    return reduced(namespace_of(losses).mean(losses, axis=-1), sample_weight, reduction)


class Hinge(Loss):
    """The layer of `hinge`."""

    def __init__(self, *, margin: float = 1.0, reduction: Reduction = "mean") -> None:
        self.margin, self.reduction = number("Hinge", "margin", margin), checked(reduction)

    def forward(self, y: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return hinge(y, t, margin=self.margin, sample_weight=sample_weight, reduction=self.reduction)


class HingeEmbedding(Loss):
    """The layer of `hinge_embedding`."""

    def __init__(self, *, margin: float = 1.0, reduction: Reduction = "mean") -> None:
        self.margin, self.reduction = number("HingeEmbedding", "margin", margin), checked(reduction)

    def forward(self, y: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return hinge_embedding(y, t, margin=self.margin, sample_weight=sample_weight, reduction=self.reduction)


class SoftMargin(Loss):
    """The layer of `soft_margin`."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self.reduction = checked(reduction)

    def forward(self, y: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return soft_margin(y, t, sample_weight=sample_weight, reduction=self.reduction)


class MarginRanking(Loss):
    """The layer of `margin_ranking`."""

    def __init__(self, *, margin: float = 0.0, reduction: Reduction = "mean") -> None:
        self.margin, self.reduction = number("MarginRanking", "margin", margin), checked(reduction)

    def forward(self, a: Array, b: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return margin_ranking(a, b, t, margin=self.margin, sample_weight=sample_weight, reduction=self.reduction)


class MultiMargin(Loss):
    """The layer of `multi_margin`; `class_weight`, shape (classes,), is a buffer."""

    def __init__(
        self,
        *,
        margin: float = 1.0,
        power: Literal[1, 2] = 1,
        class_weight: Array | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        self.margin, self.power = _multi_margin_options("MultiMargin", margin, power)
        self.class_weight = None if class_weight is None else Buffer(class_weight)
        self.reduction = checked(reduction)

    def forward(self, z: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return multi_margin(
            z,
            t,
            margin=self.margin,
            power=self.power,
            class_weight=self.class_weight,
            sample_weight=sample_weight,
            reduction=self.reduction,
        )


class MultiLabelSoftMargin(Loss):
    """The layer of `multi_label_soft_margin`; `class_weight`, shape (classes,), is a buffer."""

    def __init__(self, *, class_weight: Array | None = None, reduction: Reduction = "mean") -> None:
        self.class_weight = None if class_weight is None else Buffer(class_weight)
        self.reduction = checked(reduction)

    def forward(self, z: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return multi_label_soft_margin(
            z, t, class_weight=self.class_weight, sample_weight=sample_weight, reduction=self.reduction
        )
