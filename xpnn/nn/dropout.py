"""Dropout: in training, elements, channels or items are set to zero with probability p, so that none can be relied on.

Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout: a simple way to prevent neural networks from
overfitting (2014). What is kept is scaled by 1 / (1 - p), so that evaluation needs no change.
"""

from __future__ import annotations

from typing import Any, ClassVar

from xpnn.arrays.namespaces import Array, dtype_name, is_floating, namespace_of
from xpnn.arrays.native import from_number
from xpnn.arrays.random import fresh_seed, keep_mask
from xpnn.autodiff.tape import differentiable, plain
from xpnn.nn.declarations import Buffer
from xpnn.nn.module import Module

__all__ = [
    "DropPath",
    "Dropping",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "channel_dropout",
    "drop_path",
    "dropout",
    "keep_share",
    "masked",
    "require_probability",
]

Rule = Any  # (value, backward)


def dropout(x: Array, p: float = 0.5, *, seed: int, stream: str = "dropout", step: Any = 0) -> Array:
    """`x` with each element set to zero with probability `p`, the others divided by 1 - p.

    The mask is a function of (seed, stream, step, element): the same bits on every device. `p` is rounded to a multiple
    of 2^-16, in the division too, so that the mean is kept. `p = 1` gives zeros.

    Parameters
    ----------
    x
        Any shape; the result has shape and dtype of `x`.
    p
        Probability of an element to be zeroed.
    seed
        Integer from 0 to 2^64 - 1.
    stream
        A name; masks of different names are unrelated. PyTorch draws all masks from one hidden stream instead.
    step
        Integer from 0, or an integer array of shape (): another step is another mask.

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1.
    TypeError
        If `x` is not an array of floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> float(dropout(numpy.ones(10_000), 0.25, seed=0).mean().round(1))
    1.0
    """
    require_probability("dropout", x, p)
    if p == 0:
        return x
    share = keep_share(p)
    keep = keep_mask(x.shape, share, seed=seed, stream=stream, step=plain(step), like=plain(x))
    return masked(x, keep, scale=1 / share if share else 0.0)


def channel_dropout(x: Array, p: float = 0.5, *, seed: int, stream: str = "dropout", step: Any = 0) -> Array:
    """`x` with each channel of each item set to zero with probability `p`, the others divided by 1 - p.

    Neighbours in a channel are alike, so zeroing single ones takes little away. Tompson, Goroshin, Jain, LeCun and
    Bregler, Efficient object localization using convolutional networks (2015).

    Parameters
    ----------
    x
        Shape (N, C, ...).
    p
        Probability of a channel to be zeroed.
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
    >>> channel_dropout(numpy.ones((1, 4, 2)), seed=0)[0, :, 0]
    array([2., 0., 0., 0.])
    """
    return _dropped("channel_dropout", x, p, seed=seed, stream=stream, step=step, axes=2)


def drop_path(x: Array, p: float = 0.5, *, seed: int, stream: str = "dropout", step: Any = 0) -> Array:
    """`x` with each item set to zero with probability `p`, the others divided by 1 - p: stochastic depth.

    For the branch of a residual block, which an item then skips. Huang, Sun, Liu, Sedra and Weinberger, Deep networks
    with stochastic depth (2016); divided by the probability to survive in training, as dropout is, where
    the paper multiplies by it in evaluation.

    Parameters
    ----------
    x
        Shape (N, ...).
    p
        Probability of an item to be zeroed.
    seed, stream, step
        What the mask is a function of; see `dropout`.

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1, or `x` has no axis.
    TypeError
        If `x` is not an array of floating-point numbers.

    Examples
    --------
    >>> import numpy
    >>> drop_path(numpy.ones((4, 2)), seed=1)
    array([[2., 2.],
           [2., 2.],
           [0., 0.],
           [0., 0.]])
    """
    return _dropped("drop_path", x, p, seed=seed, stream=stream, step=step, axes=1)


def _dropped(who: str, x: Array, p: float, *, seed: int, stream: str, step: Any, axes: int) -> Array:
    """Dropout by one number of the mask for all but the first `axes` axes."""
    require_probability(who, x, p)
    if x.ndim < axes:
        raise ValueError(f"{who} expected x of shape {('(N, ...)', '(N, C, ...)')[axes - 1]}, got shape {x.shape}")
    if p == 0:
        return x
    share = keep_share(p)
    shape = (*x.shape[:axes], *[1] * (x.ndim - axes))
    keep = keep_mask(shape, share, seed=seed, stream=stream, step=plain(step), like=plain(x))
    return masked(x, keep, scale=1 / share if share else 0.0)


def require_probability(who: str, x: Array, p: float) -> None:
    """Raise unless `p` is from 0 to 1, and `x` an array of floating-point numbers.

    Raises
    ------
    ValueError, TypeError
        If it is not.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"{who} expected a probability p between 0 and 1, got {p}")
    namespace_of(x)
    if not is_floating(x.dtype):
        raise TypeError(f"{who} expected floating-point numbers, got {dtype_name(x.dtype)}")


def keep_share(p: float) -> float:
    """The probability to be kept, of which a mask is made."""
    return round((1 - p) * 2**16) / 2**16


@differentiable
def masked(x: Array, keep: Array, *, scale: float) -> Rule:
    """`scale x` where kept, else 0."""
    factor = namespace_of(keep).astype(keep, x.dtype) * scale

    def dx(dy: Array) -> Array:
        return dy * factor

    return x * factor, (dx,)


class Dropping(Module):
    """What dropout layers share: the probability, and the count of masks."""

    calls: Array
    _counters = ("calls",)

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__} expected a probability p between 0 and 1, got {p}")
        self.p = p
        self.seed = fresh_seed()
        self.stream = "dropout"
        self.calls = Buffer(from_number(0))

    def reset(self, *, seed: int, path: str) -> None:
        self.seed = seed
        self.stream = f"dropout/{path}"
        self.calls[...] = 0

    def forward(self, x: Array) -> Array:
        if not self.training or self.p == 0:
            return x
        y = self._drop(x, self.p, seed=self.seed, stream=self.stream, step=self.calls)
        self.calls[...] = self.calls + 1
        return y

    def _drop(self, x: Array, p: float, **mask: Any) -> Array:
        raise NotImplementedError

    def describe(self) -> str:
        return f"p={self.p}"


class Dropout(Dropping):
    """In training, `dropout(x, p)` with a new mask each call; in evaluation, `x` as it is.

    Parameters
    ----------
    p
        Probability of an element to be zeroed.

    Attributes
    ----------
    calls
        Number of masks drawn so far, an int64 array of shape (): the step that a mask is a function of.
        `initialize(seed)` sets the seed and starts again from 0; without it the seed comes from the operating system.
        A training's state holds it, and seed and stream with it (`nn.drawing`).

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1.

    Examples
    --------
    >>> import numpy
    >>> Dropout(0.5).eval()(numpy.ones(3))
    array([1., 1., 1.])
    """

    def _drop(self, x: Array, p: float, **mask: Any) -> Array:
        return dropout(x, p, **mask)


class _DroppingChannels(Dropping):
    """`channel_dropout` of inputs with some numbers of axes, of which one may be of a single item."""

    _ndims: ClassVar[tuple[int, ...]]
    _single: ClassVar[int]

    def _drop(self, x: Array, p: float, **mask: Any) -> Array:
        namespace_of(x)
        if x.ndim not in self._ndims:
            expected = " or ".join(map(str, self._ndims))
            raise ValueError(f"{type(self).__name__} expected x of {expected} axes, got shape {x.shape}")
        if x.ndim != self._single:
            return channel_dropout(x, p, **mask)
        xp = namespace_of(x)
        return xp.squeeze(channel_dropout(xp.expand_dims(x, axis=0), p, **mask), axis=0)


class Dropout1d(_DroppingChannels):
    """In training, `channel_dropout(x, p)` of (N, C, L) or (C, L) with a new mask each call; in evaluation, `x`.

    For parameters, attributes and errors see `Dropout`.

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1, or the input has another number of axes.

    Examples
    --------
    >>> Dropout1d(0.2)
    Dropout1d(p=0.2)
    """

    _ndims, _single = (2, 3), 2


class Dropout2d(_DroppingChannels):
    """In training, `channel_dropout(x, p)` of (N, C, H, W), or as in PyTorch (N, C, L); in evaluation, `x`.

    For parameters, attributes and errors see `Dropout`.

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1, or the input has another number of axes.

    Examples
    --------
    >>> Dropout2d()
    Dropout2d(p=0.5)
    """

    _ndims, _single = (3, 4), 0


class Dropout3d(_DroppingChannels):
    """In training, `channel_dropout(x, p)` of (N, C, D, H, W) or (C, D, H, W); in evaluation, `x`.

    For parameters, attributes and errors see `Dropout`.

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1, or the input has another number of axes.

    Examples
    --------
    >>> Dropout3d()
    Dropout3d(p=0.5)
    """

    _ndims, _single = (4, 5), 4


class DropPath(Dropping):
    """In training, `drop_path(x, p)` with a new mask each call; in evaluation, `x`. For the branch of `Residual`.

    For parameters, attributes and errors see `Dropout`.

    Examples
    --------
    >>> DropPath(0.1)
    DropPath(p=0.1)
    """

    def _drop(self, x: Array, p: float, **mask: Any) -> Array:
        return drop_path(x, p, **mask)
