"""Alpha dropout: dropout for networks of SELUs, which keep mean 0 and variance 1 from layer to layer.

What is dropped becomes the lowest value of a SELU, not 0, and everything is scaled and moved so that numbers of mean 0
and variance 1 stay so: Klambauer, Unterthiner, Mayr and Hochreiter, Self-normalizing neural networks (2017).
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.random import keep_mask
from xpnn.autodiff.tape import differentiable, plain
from xpnn.nn.dropout import Dropping, keep_share, masked, require_probability
from xpnn.nn.smooth_activations import SELU_ALPHA, SELU_SCALE

__all__ = ["AlphaDropout", "FeatureAlphaDropout", "alpha_dropout", "feature_alpha_dropout"]

Rule = Any  # (value, backward)


def alpha_dropout(x: Array, p: float = 0.5, *, seed: int, stream: str = "dropout", step: Any = 0) -> Array:
    """`x` with each element set to the lowest value of a SELU with probability `p`, then scaled and moved, so that
    numbers of mean 0 and variance 1 stay so.

    y = a (x where kept, else α') + b with α' = -1.7581, a = ((1 - p) (1 + p α'²))^(-1/2), b = -a p α': Klambauer,
    Unterthiner, Mayr and Hochreiter, Self-normalizing neural networks (2017), "New dropout technique".

    Parameters
    ----------
    x
        Any shape.
    p
        Probability of an element to be dropped. `p = 1` gives zeros.
    seed, stream, step
        What the mask is a function of; see `dropout`.

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1.
    TypeError
        If `x` is not an array of floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> alpha_dropout(numpy.zeros(4), seed=0).round(3)
    array([ 0.779, -0.779, -0.779, -0.779])
    """
    return _alpha_dropped("alpha_dropout", x, p, seed=seed, stream=stream, step=step, axes=None)


def feature_alpha_dropout(x: Array, p: float = 0.5, *, seed: int, stream: str = "dropout", step: Any = 0) -> Array:
    """`alpha_dropout` of whole channels of each item, as `channel_dropout` is dropout of them.

    Parameters
    ----------
    x
        Shape (N, C, ...).
    p
        Probability of a channel to be dropped. `p = 1` gives zeros.
    seed, stream, step
        What the mask is a function of; see `dropout`.

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1, or `x` has less than two axes.
    TypeError
        If `x` is not an array of floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> feature_alpha_dropout(numpy.zeros((1, 3, 2)), seed=0).round(3)
    array([[[ 0.779,  0.779],
            [-0.779, -0.779],
            [-0.779, -0.779]]])
    """
    return _alpha_dropped("feature_alpha_dropout", x, p, seed=seed, stream=stream, step=step, axes=2)


def _alpha_dropped(who: str, x: Array, p: float, *, seed: int, stream: str, step: Any, axes: int | None) -> Array:
    """Alpha dropout by one number of the mask for all but the first `axes` axes."""
    require_probability(who, x, p)
    if axes is not None and x.ndim < axes:
        raise ValueError(f"{who} expected x of shape (N, C, ...), got shape {x.shape}")
    if p == 0:
        return x
    share = keep_share(p)
    shape = x.shape if axes is None else (*x.shape[:axes], *[1] * (x.ndim - axes))
    keep = keep_mask(shape, share, seed=seed, stream=stream, step=plain(step), like=plain(x))
    if not share:
        return masked(x, keep, scale=0.0)
    low = -SELU_SCALE * SELU_ALPHA
    a = (share * (1 + (1 - share) * low * low)) ** -0.5
    return _replaced(x, keep, scale=a, replacement=a * low, offset=-a * (1 - share) * low)


@differentiable
def _replaced(x: Array, keep: Array, *, scale: float, replacement: float, offset: float) -> Rule:
    """`scale x` where kept, else the replacement, plus the offset."""
    xp = namespace_of(keep)
    kept = xp.astype(keep, x.dtype)
    factor = kept * scale

    def dx(dy: Array) -> Array:
        return dy * factor

    return x * factor + ((1 - kept) * replacement + offset), (dx,)


class AlphaDropout(Dropping):
    """In training, `alpha_dropout(x, p)` with a new mask each call; in evaluation, `x`. Goes with `SELU`.

    For parameters, attributes and errors see `Dropout`.

    Examples
    --------
    >>> AlphaDropout(0.1)
    AlphaDropout(p=0.1)
    """

    def _drop(self, x: Array, p: float, **mask: Any) -> Array:
        return alpha_dropout(x, p, **mask)


class FeatureAlphaDropout(Dropping):
    """In training, `feature_alpha_dropout(x, p)` with a new mask each call; in evaluation, `x`.

    For parameters, attributes and errors see `Dropout`. As in PyTorch the first two axes are those of items and
    channels, whatever the number of axes.

    Examples
    --------
    >>> FeatureAlphaDropout(0.1)
    FeatureAlphaDropout(p=0.1)
    """

    def _drop(self, x: Array, p: float, **mask: Any) -> Array:
        return feature_alpha_dropout(x, p, **mask)
