"""Losses of several classes: outputs are a logit or a log-probability for each, targets are labels or probabilities."""

from __future__ import annotations

from operator import index

from xpnn.arrays.checks import require_labels
from xpnn.arrays.namespaces import Array, array_device, lowest, namespace_of
from xpnn.autodiff.rules.special import finite_maximum
from xpnn.autodiff.tape import differentiable, plain
from xpnn.nn.declarations import Buffer
from xpnn.nn.losses.reducing import (
    Loss,
    Reduction,
    Rule,
    check_alike,
    checked,
    divided,
    like,
    number,
    per_item,
    reduced,
    reduced_by,
    require_arrays,
    require_items,
)

__all__ = ["CrossEntropy", "NegativeLogLikelihood", "cross_entropy", "negative_log_likelihood"]


_OUTPUTS = {"cross_entropy": "logits", "negative_log_likelihood": "log-probabilities"}


def _nonzero(total: Array) -> Array:
    """`total`, and 1 where it is 0 (a row of -inf); not by `maximum`, whose derivative is halved at a tie."""
    return total + namespace_of(total).astype(total == 0, total.dtype)


def _spread(dl: Array, axis: int) -> Array:
    """The gradient of the losses, stretched over the classes; that of their mean is one number."""
    return namespace_of(dl).expand_dims(dl, axis=axis) if dl.shape else dl


def _chosen(labels: Array, z: Array, axis: int) -> Array:
    """1 at each item's label, in the shape and dtype of `z`; `labels` have `axis` of length 1."""
    xp = namespace_of(labels)
    classes = xp.arange(z.shape[axis], dtype=labels.dtype, device=array_device(labels))
    if axis != -1:
        classes = xp.reshape(classes, tuple(-1 if n == axis else 1 for n in range(len(z.shape))))
    return xp.astype(labels == classes, z.dtype)


@differentiable
def _cross_entropy_of_labels(z: Array, t: Array, *, axis: int) -> Rule:
    xp = namespace_of(z, t)
    top = finite_maximum(z, axis)
    e = xp.exp(z - top)
    total = _nonzero(xp.sum(e, axis=axis, keepdims=True))
    labels = xp.expand_dims(t, axis=axis)
    chosen = xp.take_along_axis(z, labels, axis=axis)
    value = xp.squeeze(xp.log(total) + (top - chosen), axis=axis)  # so ordered, no digits are lost

    # softmax(z), less 1 at the label
    def dz(dl: Array) -> Array:
        return _spread(dl, axis) * (e / total - _chosen(labels, z, axis))

    return value, (dz, None)


@differentiable
def _cross_entropy_of_probabilities(z: Array, t: Array, *, axis: int) -> Rule:
    xp = namespace_of(z, t)
    top = finite_maximum(z, axis)
    e = xp.exp(z - top)
    total = _nonzero(xp.sum(e, axis=axis, keepdims=True))
    log_p = xp.maximum(z - top - xp.log(total), lowest(z.dtype))  # not -inf, which times t = 0 would be NaN

    # softmax(z) sum(t) - t
    def dz(dl: Array) -> Array:
        return _spread(dl, axis) * (e / total * xp.sum(t, axis=axis, keepdims=True) - t)

    def dt(dl: Array) -> Array:
        return -_spread(dl, axis) * log_p

    return -xp.sum(t * log_p, axis=axis), (dz, dt)


@differentiable
def _negative_log_likelihood(log_p: Array, t: Array, *, axis: int) -> Rule:
    xp = namespace_of(log_p, t)
    labels = xp.expand_dims(t, axis=axis)

    # -1 at the label
    def dp(dl: Array) -> Array:
        return -_spread(dl, axis) * _chosen(labels, log_p, axis)

    return -xp.squeeze(xp.take_along_axis(log_p, labels, axis=axis), axis=axis), (dp, None)


def cross_entropy(
    z: Array,
    t: Array,
    *,
    axis: int = -1,
    sample_weight: Array | None = None,
    class_weight: Array | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """-log softmax(z)[t]: the cross-entropy of logits `z` and classes `t`, by default averaged over the items.

    Parameters
    ----------
    z
        Logits, shape (n, ..., classes).
    t
        Integer labels, shape (n, ...), from 0 to classes - 1; or probabilities, of the shape and dtype of `z`.
    axis
        The axis of the classes in `z`, by default the last. PyTorch has them second: with axis=1 so do we, for images
        (n, classes, height, width) and labels (n, height, width).
    sample_weight
        Shape (n,): a weight of 0 or more for each item.
    class_weight
        Shape (classes,). With labels it weighs each item by its class, and the mean is the weighted mean;
        with probabilities it weighs each class's term, and the mean is over items. Both as in PyTorch.
    label_smoothing
        The share, from 0 to 1, of each target that is spread evenly over all classes. Szegedy et al., Rethinking the
        inception architecture (2016), section 7. With class weights as in PyTorch: each class's term is weighted, the
        mean divides by the weights of the labels.
    ignore_index
        A label that means there is none: its items have loss 0 and no weight in the mean. If all are ignored the mean
        is 0, where PyTorch's is NaN. Only with labels. PyTorch ignores -100 unasked; here nothing is.
    reduction
        'mean', 'sum', or 'none' for an array of shape (n, ...).

    Raises
    ------
    ValueError
        If shapes do not fit, a mean over nothing is asked for, an option is out of range, or `ignore_index` comes with
        probabilities; on NumPy, if a label is out of range (on a GPU that would have to wait for the device: `Trainer`
        checks labels before training).
    TypeError
        If `t` is neither integers nor of the dtype of `z`.

    Notes
    -----
    A logit of -inf says that a class is impossible. Where its target is 0 it counts nothing (PyTorch: NaN). Where it is
    the label the loss is infinite; a share of it, of a soft target or by label smoothing, gives that share of the
    largest number there is (PyTorch: infinity), since -inf times the zeros of other items would be NaN. Gradients are
    those of any logit. An infinite loss with a weight of 0 is NaN, as in PyTorch.

    Examples
    --------
    >>> import numpy
    >>> cross_entropy(numpy.asarray([[0.0, 0.0]]), numpy.asarray([1])).round(4)
    np.float64(0.6931)
    >>> cross_entropy(numpy.asarray([[0.0, 9.0], [0.0, 0.0]]), numpy.asarray([-1, 1]), ignore_index=-1).round(4)
    np.float64(0.6931)
    """
    axis = _checked_classes("cross_entropy", z, t, axis, class_weight)
    smoothing = number("cross_entropy", "label_smoothing", label_smoothing, most=1.0)
    xp = namespace_of(z, t, class_weight)
    if not xp.isdtype(t.dtype, "integral"):
        check_alike("cross_entropy of probabilities (for labels, give integers)", z, t)
        if ignore_index is not None:
            raise ValueError(f"cross_entropy expected labels with ignore_index={ignore_index!r:.40}, got probabilities")
        soft = t if not smoothing else t * (1 - smoothing) + smoothing / z.shape[axis]
        soft = soft if class_weight is None else soft * _along(axis, soft, class_weight)
        rule = _cross_entropy_of_probabilities
        return reduced_by(rule, z, soft, sample_weight=sample_weight, reduction=reduction, axis=axis)
    t, kept = _checked_labels("cross_entropy", z, t, axis, ignore_index)
    if class_weight is None and kept is None and not smoothing:
        return reduced_by(_cross_entropy_of_labels, z, t, sample_weight=sample_weight, reduction=reduction, axis=axis)
    if class_weight is None and kept is None:
        soft, rule = _smoothed(z, t, axis, smoothing, None), _cross_entropy_of_probabilities
        return reduced_by(rule, z, soft, sample_weight=sample_weight, reduction=reduction, axis=axis)
    weights = _weights_of(z, t, class_weight, kept)
    if not smoothing:
        return _weighted(_cross_entropy_of_labels(z, t, axis=axis), weights, kept, sample_weight, reduction)
    soft = _smoothed(z, t, axis, smoothing, class_weight)
    losses = _cross_entropy_of_probabilities(z, soft, axis=axis)  # class weights are in `soft`
    return _weighted(losses, weights, kept, sample_weight, reduction, weighted=True)


def negative_log_likelihood(
    log_p: Array,
    t: Array,
    *,
    axis: int = -1,
    sample_weight: Array | None = None,
    class_weight: Array | None = None,
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """-log_p[t]: what `cross_entropy` is of logits, of log-probabilities, as `log_softmax` gives them.

    Parameters and errors are those of `cross_entropy` of labels.

    Examples
    --------
    >>> import numpy
    >>> negative_log_likelihood(numpy.log(numpy.asarray([[0.25, 0.75]])), numpy.asarray([1])).round(4)
    np.float64(0.2877)
    """
    axis = _checked_classes("negative_log_likelihood", log_p, t, axis, class_weight)
    if not namespace_of(t).isdtype(t.dtype, "integral"):
        raise TypeError(f"negative_log_likelihood expected integer labels, got {t.dtype}")
    t, kept = _checked_labels("negative_log_likelihood", log_p, t, axis, ignore_index)
    if class_weight is None and kept is None:
        return reduced_by(
            _negative_log_likelihood, log_p, t, sample_weight=sample_weight, reduction=reduction, axis=axis
        )
    weights = _weights_of(log_p, t, class_weight, kept)
    return _weighted(_negative_log_likelihood(log_p, t, axis=axis), weights, kept, sample_weight, reduction)


def _checked_classes(who: str, z: Array, t: Array, axis: int, class_weight: Array | None) -> int:
    """The axis of the classes: -1 for the last, else from 0."""
    require_arrays(z, t)
    n = len(z.shape)
    if isinstance(axis, bool) or not hasattr(axis, "__index__") or (n and not -n <= index(axis) < n):
        raise ValueError(f"{who} expected axis to be one of the {n} axes of the outputs, got {axis!r:.40}")
    if not n or z.shape[axis] == 0:
        raise ValueError(f"{who} expected {_OUTPUTS[who]} of shape (n, ..., classes), got {z.shape}")
    if class_weight is not None and getattr(class_weight, "shape", None) != (z.shape[axis],):
        namespace_of(class_weight)  # raises if it is no array
        raise ValueError(f"{who} expected class_weight of shape {(z.shape[axis],)}, got {class_weight.shape}")
    return -1 if axis in (-1, n - 1) else index(axis) % n


def _checked_labels(who: str, z: Array, t: Array, axis: int, ignore_index: int | None) -> tuple[Array, Array | None]:
    """The labels in int64, those ignored set to 0, and which are kept (None: all)."""
    expected = z.shape[:-1] if axis == -1 else z.shape[:axis] + z.shape[axis + 1 :]
    if t.shape != expected:
        hint = ": one-hot targets are floating-point, or labels by argmax" if t.shape == z.shape else ""
        raise ValueError(
            f"{who} expected labels of shape {expected} for {_OUTPUTS[who]} of shape {z.shape}, got {t.shape}{hint}"
        )
    xp = namespace_of(t)
    wide = t if t.dtype == xp.int64 else xp.astype(t, xp.int64)  # uint8 could not count 300 classes
    kept = None
    if ignore_index is not None:
        if isinstance(ignore_index, bool) or not hasattr(ignore_index, "__index__"):
            raise TypeError(f"{who} expected ignore_index to be an integer or None, got {ignore_index!r:.40}")
        kept = wide != index(ignore_index)
        wide = wide * xp.astype(kept, xp.int64)
    require_labels(plain(wide), z.shape[axis], given=plain(t), ignored=ignore_index)
    return wide, kept


def _weights_of(z: Array, t: Array, class_weight: Array | None, kept: Array | None) -> Array:
    """The weight of each label, of the shape of `t` and dtype of `z`; 0 for those ignored."""
    xp = namespace_of(z, t, class_weight)
    if class_weight is None:
        return xp.astype(kept, z.dtype)
    weights = xp.reshape(xp.take(like(z, class_weight), xp.reshape(t, (-1,))), t.shape)
    return weights if kept is None else weights * xp.astype(kept, z.dtype)


def _along(axis: int, z: Array, class_weight: Array) -> Array:
    """The class weights in the dtype of `z`, shaped to stretch to it."""
    weight = like(z, class_weight)
    if axis == -1:
        return weight
    return namespace_of(weight).reshape(weight, tuple(-1 if n == axis else 1 for n in range(len(z.shape))))


def _smoothed(z: Array, t: Array, axis: int, smoothing: float, class_weight: Array | None) -> Array:
    """Labels as probabilities, a share of them spread over all classes, each class weighted."""
    xp = namespace_of(z, t)
    soft = (1 - smoothing) * _chosen(xp.expand_dims(t, axis=axis), z, axis) + smoothing / z.shape[axis]
    return soft if class_weight is None else soft * _along(axis, soft, class_weight)


def _weighted(
    losses: Array,
    weights: Array,
    kept: Array | None,
    sample_weight: Array | None,
    reduction: Reduction,
    *,
    weighted: bool = False,
) -> Array:
    """The losses, weighted (unless they are), without those of ignored labels, and reduced; the mean is weighted."""
    checked(reduction)
    xp = namespace_of(losses, weights)
    if kept is not None:  # chosen, not multiplied: a loss may be infinite there
        losses = xp.where(kept, losses, xp.zeros_like(losses))
    factors = None if weighted else weights
    if sample_weight is not None:
        items = per_item(sample_weight, losses)
        weights = weights * items
        factors = items if weighted else weights
    losses = losses if factors is None else losses * factors
    if reduction != "mean":
        return reduced(losses, None, reduction)
    require_items(losses)
    return divided(xp.sum(losses), xp.sum(weights))


class CrossEntropy(Loss):
    """The layer of `cross_entropy`; `class_weight`, shape (classes,), is a buffer."""

    def __init__(
        self,
        *,
        axis: int = -1,
        class_weight: Array | None = None,
        label_smoothing: float = 0.0,
        ignore_index: int | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        self.class_weight = None if class_weight is None else Buffer(class_weight)
        self.axis, self.ignore_index = axis, ignore_index
        self.label_smoothing = number("CrossEntropy", "label_smoothing", label_smoothing, most=1.0)
        self.reduction = checked(reduction)

    def forward(self, z: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return cross_entropy(
            z,
            t,
            axis=self.axis,
            sample_weight=sample_weight,
            class_weight=self.class_weight,
            label_smoothing=self.label_smoothing,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class NegativeLogLikelihood(Loss):
    """The layer of `negative_log_likelihood`; `class_weight`, shape (classes,), is a buffer."""

    def __init__(
        self,
        *,
        axis: int = -1,
        class_weight: Array | None = None,
        ignore_index: int | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        self.class_weight = None if class_weight is None else Buffer(class_weight)
        self.axis, self.ignore_index = axis, ignore_index
        self.reduction = checked(reduction)

    def forward(self, log_p: Array, t: Array, *, sample_weight: Array | None = None) -> Array:
        return negative_log_likelihood(
            log_p,
            t,
            axis=self.axis,
            sample_weight=sample_weight,
            class_weight=self.class_weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )
