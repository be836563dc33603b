"""Numbers brought to about the size of 1, so that one learning rate suits all of them.

A mean and a standard deviation follow the few largest numbers; a median and quartiles do not. What is still far out
after that is bent towards a bound instead of cut off, so that larger stays larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

__all__ = ["robust_scale", "scale_for", "smooth_clip", "standard_scale", "weighted_quantiles"]


def robust_scale(x: numpy.ndarray, *, sample_weight: numpy.ndarray | None = None) -> tuple[float, float]:
    """The median m of `x`, and the factor s by which x - m is to be multiplied.

    s = 1 / (q_3/4 - q_1/4), of the quartiles; 2 / (max - min) where they are equal; 0 where all numbers are.
    Holzmüller, Grinsztajn and Steinwart, Better by default: strong pre-tuned MLPs and boosted trees on tabular data
    (2024), section 3: robust scaling and smooth clipping.

    Parameters
    ----------
    x
        Shape (n,), finite numbers, at least one.
    sample_weight
        Shape (n,), positive: a number of weight 2 counts as if it stood there twice (see `weighted_quantiles`). So
        weights of 1 do not give the same as None: without weights, quartiles are interpolated between numbers, as
        those of scikit-learn's RobustScaler are (definition 7 of Hyndman and Fan), which no repetition of rows keeps.

    Raises
    ------
    ValueError
        If there are no numbers, or they are not finite.

    Examples
    --------
    >>> robust_scale(numpy.asarray([1.0, 2.0, 3.0, 4.0, 1000.0]))
    (3.0, 0.5)
    >>> robust_scale(numpy.asarray([0.0, 0.0, 0.0, 0.0, 10.0]))
    (0.0, 0.2)
    >>> x = numpy.asarray([1.0, 2.0, 3.0, 4.0])
    >>> [round(robust_scale(x, sample_weight=weight)[1], 2) for weight in (None, numpy.ones(4))]
    [0.67, 0.5]
    """
    x = _checked("robust_scale", x)
    shares = [0.25, 0.5, 0.75]
    quartiles = numpy.quantile(x, shares) if sample_weight is None else weighted_quantiles(x, sample_weight, shares)
    first, middle, third = quartiles
    spreads = float(third - first), float(x.max() - x.min()) / 2
    return float(middle), next((1 / spread for spread in spreads if _divides(spread)), 0.0)


def standard_scale(x: numpy.ndarray, *, sample_weight: numpy.ndarray | None = None) -> tuple[float, float]:
    """The mean of `x`, and the factor 1 / standard deviation (of the numbers, divided by n); 0 where all are equal.

    With `sample_weight`, a number of weight 2 counts as if it stood there twice.

    Examples
    --------
    >>> standard_scale(numpy.asarray([1.0, 3.0]))
    (2.0, 1.0)
    """
    x = _checked("standard_scale", x)
    if sample_weight is None:
        mean, spread = float(x.mean()), float(x.std()) if x.min() < x.max() else 0.0
    else:
        mean = float(numpy.average(x, weights=sample_weight))
        spread = float(numpy.sqrt(numpy.average((x - mean) ** 2, weights=sample_weight)))
        spread = spread if x.min() < x.max() else 0.0
    return mean, 1 / spread if _divides(spread) else 0.0


def weighted_quantiles(x: numpy.ndarray, sample_weight: numpy.ndarray, shares: Sequence[float]) -> numpy.ndarray:
    """The numbers below which lie these shares of the weight, shape (shares,).

    Whole weights give what numbers give that are repeated so often. Where a share ends just between two numbers it is
    their mean: definition 2 of Hyndman and Fan, Sample quantiles in statistical packages (1996), with weights in the
    place of counts.

    Examples
    --------
    >>> weighted_quantiles(numpy.asarray([3.0, 1.0, 2.0]), numpy.asarray([1.0, 1.0, 2.0]), [0.25, 0.5])
    array([1.5, 2. ])
    """
    order = numpy.argsort(x, kind="stable")
    reached = numpy.cumsum(numpy.asarray(sample_weight, dtype=numpy.float64)[order])
    ends = numpy.asarray(shares) * reached[-1]
    close = 1e-12 * reached[-1]  # sums of fractions are not exact
    below = numpy.searchsorted(reached, ends - close, side="left")
    above = numpy.minimum(numpy.searchsorted(reached, ends + close, side="right"), len(x) - 1)
    found: numpy.ndarray = (x[order[below]] + x[order[above]]) / 2
    return found


def smooth_clip(z: Any) -> Any:
    """z / sqrt(1 + (z / 3)²): about z near 0, and never beyond -3 and 3.

    Section 3 of the same paper.

    Examples
    --------
    >>> smooth_clip(numpy.asarray([0.1, 4.0, -1e9])).round(3)
    array([ 0.1,  2.4, -3. ])
    """
    return z / numpy.hypot(1.0, z / 3)  # hypot squares nothing that could overflow


def scale_for(scaling: str, x: numpy.ndarray, sample_weight: numpy.ndarray | None = None) -> tuple[float, float]:
    """Centre and factor by the word for a kind of scaling."""
    if scaling == "none":
        return 0.0, 1.0
    scale = robust_scale if scaling == "robust" else standard_scale
    return scale(x, sample_weight=sample_weight)


def _divides(spread: float) -> bool:
    return bool(numpy.isfinite(spread)) and spread > 1e-150  # its inverse times any float32 is finite


def _checked(who: str, x: numpy.ndarray) -> numpy.ndarray:
    x = numpy.asarray(x, dtype=numpy.float64)
    if x.ndim != 1 or not x.size or not numpy.isfinite(x).all():
        raise ValueError(f"{who} expected one axis of finite numbers, at least one, got shape {x.shape}")
    return x
