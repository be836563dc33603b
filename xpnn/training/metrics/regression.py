"""How far numbers are from numbers: absolute and squared errors, and the share of the variance that is explained."""

from __future__ import annotations

from typing import Any

import numpy

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.training.metrics.base import MetricOfRows, MetricOfSums, wide
from xpnn.training.metrics.checking import host_weights, on_host, require_alike
from xpnn.training.metrics.means import Items, MeanOfItems, mean

__all__ = [
    "MeanAbsoluteError",
    "MeanSquaredError",
    "R2Score",
    "RootMeanSquaredError",
    "mean_absolute_error",
    "mean_squared_error",
    "r2_score",
    "root_mean_squared_error",
]


def mean_absolute_error(y: Array, t: Array, *, sample_weight: Array | None = None) -> float:
    """The mean of |y - t|, in the unit of `t`; both of one shape (n, ...), weights of shape (n,).

    Raises
    ------
    TypeError
        If one is not an array of real numbers.
    ValueError
        If shapes differ, there are no rows, a prediction is NaN, or weights are not one per row.

    Examples
    --------
    >>> mean_absolute_error(numpy.asarray([1.0, 2.0]), numpy.asarray([1.0, 4.0]))
    1.0
    """
    y, t = on_host("mean_absolute_error", y, t)
    items = _absolute(y, t)
    return mean("mean_absolute_error", items, host_weights("mean_absolute_error", sample_weight, len(y)))


class MeanAbsoluteError(MeanOfItems):
    """`mean_absolute_error` of data in parts.

    Examples
    --------
    >>> metric = MeanAbsoluteError()
    >>> metric.update(numpy.asarray([1.0, 2.0]), numpy.asarray([1.0, 4.0]))
    >>> metric.update(numpy.asarray([5.0]), numpy.asarray([1.0]))
    >>> metric.result()
    2.0
    """

    def items(self, y: Array, t: Array) -> Items:
        return _absolute(y, t)


def _absolute(y: Array, t: Array) -> Items:
    return Items(abs(_error("mean_absolute_error", y, t)))


def mean_squared_error(y: Array, t: Array, *, sample_weight: Array | None = None) -> float:
    """The mean of (y - t)², in the unit of `t` squared; both of one shape (n, ...), weights of shape (n,).

    Raises
    ------
    TypeError, ValueError
        As for `mean_absolute_error`.

    Examples
    --------
    >>> mean_squared_error(numpy.asarray([1.0, 2.0]), numpy.asarray([1.0, 4.0]))
    2.0
    """
    y, t = on_host("mean_squared_error", y, t)
    items = _squared(y, t)
    return mean("mean_squared_error", items, host_weights("mean_squared_error", sample_weight, len(y)))


class MeanSquaredError(MeanOfItems):
    """`mean_squared_error` of data in parts."""

    def items(self, y: Array, t: Array) -> Items:
        return _squared(y, t)


def _squared(y: Array, t: Array) -> Items:
    error = _error("mean_squared_error", y, t)
    return Items(error * error)


def root_mean_squared_error(y: Array, t: Array, *, sample_weight: Array | None = None) -> float:
    """The root of the mean of (y - t)², in the unit of `t`; of several outputs the mean of their roots.

    So has scikit-learn it. The root of all outputs' mean is `mean_squared_error(y, t) ** 0.5`. Both arrays are of one
    shape (n, ...), weights of shape (n,).

    Raises
    ------
    TypeError, ValueError
        As for `mean_absolute_error`.

    Examples
    --------
    >>> root_mean_squared_error(numpy.asarray([1.0, 2.0, 3.0]), numpy.asarray([1.0, 4.0, 7.0])).__round__(3)
    2.582
    """
    y, t = on_host("root_mean_squared_error", y, t)
    w = host_weights("root_mean_squared_error", sample_weight, len(y))
    return _root(_squares(y, t, w))


class RootMeanSquaredError(MetricOfSums):
    """`root_mean_squared_error` of data in parts."""

    def sums(self, y: Array, t: Array, w: Array | None) -> dict[str, Any]:
        return _squares(y, t, w)

    def of_sums(self, sums: dict[str, Any]) -> float:
        return _root(sums)


def _squares(y: Array, t: Array, w: Array | None) -> dict[str, Any]:
    """For each output the sum over rows."""
    error = _columns(_error("root_mean_squared_error", y, t))
    return {"squares": _over_rows(error * error, w), "rows": error.shape[0] if w is None else namespace_of(w).sum(w)}


def _root(sums: dict[str, Any]) -> float:
    return float(numpy.mean(numpy.sqrt(sums["squares"] / sums["rows"]))) if sums["rows"] else float("nan")


def r2_score(y: Array, t: Array, *, sample_weight: Array | None = None) -> float:
    """R², the share of the variance of `t` that `y` explains: 1 is perfect, 0 as good as the mean, below 0 worse.

    1 - sum((t - y)²) / sum((t - mean(t))²) for each output, averaged over outputs. Where the targets of an output are
    all equal it is 1 if they are met exactly, else 0, as in scikit-learn; of a single row it is NaN. Both arrays are of
    one shape (n, ...), weights of shape (n,).

    Raises
    ------
    TypeError
        If one is not an array of real numbers.
    ValueError
        If shapes differ, there are no rows, a prediction is NaN, or weights are not one per row.

    Examples
    --------
    >>> r2_score(numpy.asarray([1.0, 2.0, 3.0]), numpy.asarray([1.0, 2.0, 4.0])).__round__(4)
    0.7857
    """
    y, t = on_host("r2_score", y, t)
    return _explained(_moments(y, t, host_weights("r2_score", sample_weight, len(y))))


class R2Score(MetricOfRows):
    """`r2_score` of data in parts.

    Sums of t and t² would lose all digits where the mean is large beside the deviation. Kept are, for each part, its
    weight, mean and squares about the mean, which are merged as in Chan, Golub and LeVeque, Updating formulae and a
    pairwise algorithm for computing sample variances (1979), equation 2.1.

    Examples
    --------
    >>> metric = R2Score()
    >>> metric.update(numpy.asarray([1.0, 2.0]), numpy.asarray([1.0, 2.0]))
    >>> metric.update(numpy.asarray([3.0]), numpy.asarray([4.0]))
    >>> round(metric.result(), 4)
    0.7857
    """

    def rows(self, y: Array, t: Array, w: Array | None) -> dict[str, Array]:
        return _moments(y, t, w)

    def of_rows(self, rows: dict[str, Any]) -> float:
        return _explained(rows)


def _moments(y: Array, t: Array, w: Array | None) -> dict[str, Array]:
    """Of one part: rows and weight, shape (1, 1); for each output the mean and squares about it, shape (1, outputs).

    The mean is kept as the first target and how much more it is: near 1e6 it would lose six digits.
    """
    error, t = _columns(_error("r2_score", y, t)), _columns(wide(t))
    xp, place = namespace_of(t), {"dtype": t.dtype, "device": array_device(t)}
    rows = xp.full((1, 1), t.shape[0], **place)
    weight = rows if w is None else xp.reshape(xp.sum(w), (1, 1))
    some = weight + xp.astype(weight == 0, t.dtype)
    first = xp.asarray(t[:1, :], copy=True)
    more = xp.reshape(_over_rows(t - first, w), (1, -1)) / some
    deviation = (t - first) - more
    squares = {"spread": _over_rows(deviation * deviation, w), "left": _over_rows(error * error, w)}
    squares = {name: xp.reshape(x, (1, -1)) for name, x in squares.items()}
    return {"rows": rows, "weight": weight, "first": first, "more": more, **squares}


def _explained(parts: dict[str, Any]) -> float:
    """R² of the merged parts."""
    weight = parts["weight"]
    if parts["rows"].sum() < 2 or not weight.sum():
        return float("nan")
    mean = (parts["first"] - parts["first"][0]) + parts["more"]  # above the first target of all
    of_all = (weight * mean).sum(axis=0) / weight.sum()
    total = (parts["spread"] + weight * (mean - of_all) ** 2).sum(axis=0)
    left = parts["left"].sum(axis=0)
    varies = total != 0  # NaN stays
    return float(numpy.mean(numpy.where(varies, 1 - left / numpy.where(varies, total, 1.0), left == 0)))


def _error(who: str, y: Array, t: Array) -> Array:
    require_alike(who, y, t)
    return wide(y) - wide(t)


def _columns(x: Array) -> Array:
    """One column per output."""
    return namespace_of(x).reshape(x, (x.shape[0], -1))


def _over_rows(x: Array, w: Array | None) -> Array:
    """The sum of each column, of weighted rows."""
    xp = namespace_of(x)
    return xp.sum(x if w is None else x * xp.expand_dims(w, axis=1), axis=0)
