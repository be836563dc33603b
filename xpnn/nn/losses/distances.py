"""Losses of embeddings: vectors of what is alike should be near, of what is not, far."""

from __future__ import annotations

from math import inf

from xpnn.arrays.checks import require_signs
from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.autodiff.rules.choosing import clip
from xpnn.autodiff.tape import plain
from xpnn.nn.losses.reducing import Loss, Reduction, check_alike, checked, number, reduced, require_arrays

__all__ = ["CosineEmbedding", "TripletMargin", "cosine_embedding", "triplet_margin"]


def triplet_margin(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    margin: float = 1.0,
    power: float = 2.0,
    epsilon: float = 1e-6,
    swap: bool = False,
    sample_weight: Array | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), by default averaged.

    d(a, b) is the norm of a - b + epsilon, so that it has a derivative where a = b, as in PyTorch. Balntas, Riba, Ponsa
    and Mikolajczyk, Learning local feature descriptors with triplets and shallow convolutional neural networks (2016).

    Parameters
    ----------
    anchor, positive, negative
        Vectors along the last axis, of one shape (n, ..., features) and dtype.
    margin
        By how much the negative should be further away; above 0.
    power
        The norm: 2 for Euclid's, 1 for the sum of magnitudes.
    epsilon
        Added to the differences; 0 or more.
    swap
        Whether the negative's distance is that to the anchor or to the positive, whichever is smaller.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean' (weighted, where there are weights), 'sum', or 'none' for an array of shape (n, ...).

    Raises
    ------
    ValueError
        If the shapes differ, a mean over nothing is asked for, or an option is out of range.
    TypeError
        If the dtypes differ, or an option is no number.

    Examples
    --------
    >>> import numpy
    >>> a, p, n = (numpy.asarray([x]) for x in ([0.0, 0.0], [3.0, 4.0], [0.0, 5.5]))
    >>> triplet_margin(a, p, n).round(3)
    np.float64(0.5)
    """
    margin, power, epsilon = _triplet_options("triplet_margin", margin, power, epsilon)
    checked(reduction)
    for other in (positive, negative):
        check_alike("triplet_margin", anchor, other)
    if not anchor.shape:
        raise ValueError("triplet_margin expected vectors along the last axis, got shape ()")
    xp = namespace_of(anchor, positive, negative)

    def distance(a: Array, b: Array) -> Array:
        return xp.linalg.vector_norm(a - b + epsilon, axis=-1, ord=power)

    far = distance(anchor, negative)
    if swap:
        far = xp.minimum(far, distance(positive, negative))
    short = distance(anchor, positive) - far + margin
    return reduced(clip(short, min=0.0), sample_weight, reduction)  # whose slope at 0 is 1, as in PyTorch


def _triplet_options(who: str, margin: float, power: float, epsilon: float) -> tuple[float, float, float]:
    power = power if power == inf else number(who, "power", power, above=True)
    return number(who, "margin", margin, above=True), power, number(who, "epsilon", epsilon)


def cosine_embedding(
    a: Array,
    b: Array,
    t: Array,
    *,
    margin: float = 0.0,
    sample_weight: Array | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """Of the cosine of the angle between vectors: 1 - cos for pairs alike (t = 1), max(0, cos - margin) for others.

    1e-12 is added to each squared length, as in PyTorch, so that vectors of zeros have cosine 0.

    Parameters
    ----------
    a, b
        Vectors along the last axis, shape (n, features), or (features,) for one pair.
    t
        Targets 1 or -1, shape (n,), or (), of the same dtype; without derivative.
    margin
        The cosine that is small enough, from -1 to 1.
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    reduction
        'mean' (weighted, where there are weights), 'sum', or 'none' for an array of shape (n,).

    Raises
    ------
    ValueError
        If shapes do not fit, a mean over nothing is asked for, or an option is out of range; on NumPy, if a target is
        not -1 or 1.
    TypeError
        If the dtypes differ, or `margin` is no number.

    Examples
    --------
    >>> import numpy
    >>> a, b = numpy.asarray([[1.0, 0.0], [1.0, 0.0]]), numpy.asarray([[0.0, 2.0], [3.0, 4.0]])
    >>> cosine_embedding(a, b, numpy.asarray([1.0, -1.0]), reduction="none").round(3)
    array([1. , 0.6])
    """
    margin = number("cosine_embedding", "margin", margin, least=-1.0, most=1.0)
    checked(reduction)
    check_alike("cosine_embedding of two outputs", a, b)
    require_arrays(a, t)
    if len(a.shape) not in (1, 2) or t.shape != a.shape[:-1]:
        raise ValueError(
            f"cosine_embedding expected vectors of shape (n, features), targets of shape (n,), got {a.shape}, {t.shape}"
        )
    if t.dtype != a.dtype:
        raise TypeError(f"cosine_embedding expected targets of dtype {a.dtype}, as the outputs, got {t.dtype}")
    require_signs("cosine_embedding", plain(t))
    xp = namespace_of(a, b, t)
    lengths = (xp.sum(a * a, axis=-1) + 1e-12) * (xp.sum(b * b, axis=-1) + 1e-12)
    cosine = xp.sum(a * b, axis=-1) / xp.sqrt(lengths)
    alike, unlike = (xp.astype(t == target, a.dtype) for target in (1, -1))
    near = clip(cosine - margin, min=0.0)  # whose slope at 0 is 1, as in PyTorch
    losses = (1 - cosine) * alike + near * unlike
    return reduced(losses, sample_weight, reduction)


class TripletMargin(Loss):
    """The layer of `triplet_margin`."""

    def __init__(
        self,
        *,
        margin: float = 1.0,
        power: float = 2.0,
        epsilon: float = 1e-6,
        swap: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        self.margin, self.power, self.epsilon = _triplet_options("TripletMargin", margin, power, epsilon)
        self.swap, self.reduction = swap, checked(reduction)

    def forward(self, anchor: Array, positive: Array, negative: Array, *, sample_weight: Array | None = None) -> Array:
        return triplet_margin(
            anchor,
            positive,
            negative,
            margin=self.margin,
            power=self.power,
            epsilon=self.epsilon,
            swap=self.swap,
            sample_weight=sample_weight,
            reduction=self.reduction,
        )


class CosineEmbedding(Loss):
    """The layer of `cosine_embedding`."""

    def __init__(self, *, margin: float = 0.0, reduction: Reduction = "mean") -> None:
        self.margin = number("CosineEmbedding", "margin", margin, least=-1.0, most=1.0)
        self.reduction = checked(reduction)

    def forward(self, a: Array, b: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return cosine_embedding(a, b, t, margin=self.margin, sample_weight=sample_weight, reduction=self.reduction)
