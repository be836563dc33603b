"""Normalisation by channel: batch norm and instance norm, and the running statistics that serve when training is over.

Batch norm takes mean and variance of each channel over a whole batch, so in training an item's output depends on its
neighbours. In evaluation it must not: then the means of the statistics met in training take their place, which each
training call moves a little, running += momentum (batch's - running).
"""

from __future__ import annotations

from math import prod
from typing import ClassVar

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import from_number
from xpnn.nn.building import filled, positive, require_dtype, require_wide_floating_input
from xpnn.nn.declarations import Buffer
from xpnn.nn.normalization import AffineLayer, described_options, of_channels
from xpnn.nn.standardizing import Watch, per_channel, with_fixed

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "batch_norm",
    "instance_norm",
]


def batch_norm(
    x: Array,
    w: Array | None = None,
    b: Array | None = None,
    *,
    mean: Array | None = None,
    variance: Array | None = None,
    epsilon: float = 1e-5,
) -> Array:
    """(x - mean) / sqrt(variance + epsilon) w + b, mean and variance of each channel over all items and places.

    Ioffe and Szegedy, Batch normalization (2015), algorithm 1. With `mean` and `variance`, which are constants, those
    are taken, as in evaluation.

    Parameters
    ----------
    x
        Shape (N, C, ...).
    w, b
        Factor and offset of each channel, shape (C,), or None.
    mean, variance
        Shape (C,); None: those of `x`, the variance divided by n.
    epsilon
        What is added to the variance.

    Returns
    -------
    array
        The shape of `x`.

    Raises
    ------
    ValueError
        If `x` has less than two axes, or one number only in a channel to take statistics of, or the others do not have
        one number for each channel; if `mean` is given without `variance`, or `epsilon` is not positive.
    TypeError
        If `x` is not floating-point, or they have several dtypes.

    Examples
    --------
    >>> import numpy
    >>> batch_norm(numpy.asarray([[1.0, 10.0], [3.0, 30.0]])).round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    return _batch_norm("batch_norm", x, (w, b), (mean, variance), epsilon, None)


def _batch_norm(
    who: str,
    x: Array,
    affine: tuple[Array | None, Array | None],
    statistics: tuple[Array | None, Array | None],
    epsilon: float,
    watch: Watch | None,
) -> Array:
    require_wide_floating_input(who, x)
    _check_epsilon(who, epsilon)
    if x.ndim < 2:
        raise ValueError(f"{who} expected x of shape (N, C, ...), got shape {x.shape}")
    flat = x.ndim > 2
    shape = (1, x.shape[1], 1) if flat else (1, x.shape[1])
    w, b = (of_channels(who, name, x, array, shape) for name, array in zip("wb", affine, strict=True))
    xp = namespace_of(x)
    view = xp.reshape(x, (x.shape[0], x.shape[1], prod(x.shape[2:]))) if x.ndim > 3 else x
    if all(array is None for array in statistics):
        if x.shape[0] * prod(x.shape[2:]) == 1:
            raise ValueError(f"{who} expected at least two numbers in each channel in training, got shape {x.shape}")
        y = per_channel(view, w, b, axes=(0, 2) if flat else (0,), epsilon=epsilon, watch=watch)
    else:
        if any(array is None for array in statistics):
            raise ValueError(f"{who} expected both mean and variance, or neither")
        mean, variance = (
            of_channels(who, name, x, array, shape)
            for name, array in zip(("mean", "variance"), statistics, strict=True)
        )
        y = with_fixed(view, w, b, mean=mean, variance=variance, epsilon=epsilon)
    return xp.reshape(y, x.shape) if x.ndim > 3 else y


def _check_epsilon(who: str, epsilon: float) -> None:
    if not epsilon > 0:  # the variance may be 0
        raise ValueError(f"{who} expected a positive epsilon, got {epsilon}")


def instance_norm(x: Array, w: Array | None = None, b: Array | None = None, *, epsilon: float = 1e-5) -> Array:
    """(x - mean) / sqrt(variance + epsilon) w + b, mean and variance of each channel of each item over its places.

    Ulyanov, Vedaldi and Lempitsky, Instance normalization (2016).

    Parameters
    ----------
    x
        Shape (N, C, L, ...).
    w, b
        Factor and offset of each channel, shape (C,), or None.
    epsilon
        What is added to the variance.

    Returns
    -------
    array
        The shape of `x`.

    Raises
    ------
    ValueError
        If `x` has less than three axes, or one place only, or `w` or `b` has another shape.
    TypeError
        If `x` is not floating-point, or they have several dtypes.

    Examples
    --------
    >>> import numpy
    >>> instance_norm(numpy.asarray([[[1.0, 3.0], [10.0, 30.0]]])).round(3)
    array([[[-1.,  1.],
            [-1.,  1.]]])
    """
    return _instance_norm("instance_norm", x, (w, b), epsilon, None)


def _instance_norm(
    who: str, x: Array, affine: tuple[Array | None, Array | None], epsilon: float, watch: Watch | None
) -> Array:
    require_wide_floating_input(who, x)
    if x.ndim < 3:
        raise ValueError(f"{who} expected x of shape (N, C, L, ...), got shape {x.shape}")
    _check_epsilon(who, epsilon)
    if prod(x.shape[2:]) == 1:
        raise ValueError(f"{who} expected at least two places in each channel, got shape {x.shape}")
    w, b = (of_channels(who, name, x, array, (1, -1, 1)) for name, array in zip("wb", affine, strict=True))
    xp = namespace_of(x)
    view = xp.reshape(x, (*x.shape[:2], prod(x.shape[2:])))
    return xp.reshape(per_channel(view, w, b, axes=(2,), epsilon=epsilon, watch=watch), x.shape)


class _ChannelNorm(AffineLayer):
    """What batch norm and instance norm share: the channels' parameters and running statistics."""

    _ndims: ClassVar[tuple[int, ...]]  # of the inputs
    _counts: ClassVar[bool] = True  # its training batches

    running_mean: Array  # or None
    running_var: Array
    num_batches_tracked: Array

    def _set_up(
        self, features: int, epsilon: float, momentum: float | None, affine: bool, bias: bool, track: bool, dtype: str
    ) -> None:
        who = type(self).__name__
        _check_epsilon(who, epsilon)
        self.features = positive(who, "features", features)
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(f"{who} expected momentum from 0 to 1, or None, got {momentum}")
        self.epsilon, self.momentum, self.track = epsilon, momentum, track
        self._declare((self.features,), affine, affine and bias, dtype)
        zeros, ones = (filled(who, (self.features,), value, dtype) for value in (0.0, 1.0))
        self.running_mean = Buffer(zeros) if track else None
        self.running_var = Buffer(ones) if track else None
        self.num_batches_tracked = Buffer(from_number(0)) if track else None

    def reset(self, *, seed: int, path: str) -> None:
        AffineLayer.reset(self, seed=seed, path=path)
        if self.track:
            self.running_mean[...] = 0.0
            self.running_var[...] = 1.0
            self.num_batches_tracked[...] = 0

    def _watch(self, count: int) -> Watch | None:
        """What moves the running statistics by those of `count` numbers per channel; the variance by count - 1."""
        if not (self.track and self.training):
            return None

        def move(mean: Array, variance: Array) -> None:
            xp = namespace_of(mean)
            rate = self.momentum
            if self._counts or rate is None:
                self.num_batches_tracked[...] = self.num_batches_tracked + 1
            if count == 0 or mean.shape[0] == 0:  # no numbers, or (in instance norm) no items
                return
            if rate is None:  # the mean of all batches so far
                rate = 1 / xp.astype(self.num_batches_tracked, mean.dtype)
            for running, new in ((self.running_mean, mean), (self.running_var, variance * (count / (count - 1)))):
                new = xp.mean(new, axis=0) if new.shape[0] > 1 else new  # of all items, in instance norm
                running[...] = running * (1 - rate) + xp.reshape(new, running.shape) * rate

        return move

    def _check(self, x: Array) -> None:
        who = type(self).__name__
        require_dtype(who, x, self.weight, self.running_mean)
        if x.ndim not in self._ndims:
            expected = " or ".join(map(str, self._ndims))
            raise ValueError(f"{who} expected x of {expected} axes, got shape {x.shape}")

    def describe(self) -> str:
        usual = isinstance(self, BatchNorm1d | BatchNorm2d | BatchNorm3d)
        return described_options(
            (self.features,),
            epsilon=(self.epsilon, 1e-5),
            momentum=(self.momentum, 0.1),
            affine=(self.weight is not None, usual),
            bias=(self.bias is not None, self.weight is not None),
            track=(self.track, usual),
        )


class _BatchNorm(_ChannelNorm):
    """`batch_norm` with running statistics; see the layers for 1, 2 and 3 dimensions."""

    def __init__(
        self,
        features: int,
        *,
        epsilon: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        bias: bool = True,
        track: bool = True,
        dtype: str = "float32",
    ) -> None:
        self._set_up(features, epsilon, momentum, affine, bias, track, dtype)

    def forward(self, x: Array) -> Array:
        self._check(x)
        who = type(self).__name__
        if x.shape[1] != self.features:
            raise ValueError(f"{who} expected axis 1 of x to be {self.features} (features), got shape {x.shape}")
        affine = (self.weight, self.bias)
        if self.training or not self.track:
            watch = self._watch(x.shape[0] * prod(x.shape[2:]))
            return _batch_norm(who, x, affine, (None, None), self.epsilon, watch)
        return _batch_norm(who, x, affine, (self.running_mean, self.running_var), self.epsilon, None)


class BatchNorm1d(_BatchNorm):
    """Each feature to mean 0 and variance 1 over the batch, from (N, C) or (N, C, L) to the same.

    In training by the batch's own mean and variance (divided by n), while the running ones move; in evaluation by the
    running ones. See `batch_norm`.

    Parameters
    ----------
    features
        Number C of features or channels.
    epsilon
        What is added to the variance.
    momentum
        How far the running statistics move to each batch's; None: they are the mean of all batches so far.
    affine
        Whether to have `weight`, and `bias`.
    bias
        Whether to have `bias` beside `weight`.
    track
        Whether to keep running statistics; without them, evaluation uses the batch's own too.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight, bias
        Shape (features,), at first 1 and 0; or None.
    running_mean, running_var
        Shape (features,), at first 0 and 1; or None. As in PyTorch, the running variance is of variances divided by
        n - 1.
    num_batches_tracked
        Number of training batches so far, an int64 array of shape (); or None.

    Raises
    ------
    ValueError
        If the input has another number of axes or features, or, in training, one number only of each feature.
    TypeError
        If the input has another dtype than the layer.

    Examples
    --------
    >>> import numpy
    >>> layer = BatchNorm1d(1, dtype="float64")
    >>> layer(numpy.asarray([[0.0], [2.0]])).round(3).tolist()
    [[-1.0], [1.0]]
    >>> layer.running_mean, layer.running_var
    (array([0.1]), array([1.1]))
    """

    _ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel to mean 0 and variance 1 over the batch, from (N, C, H, W) to the same; see `BatchNorm1d`.

    Examples
    --------
    >>> BatchNorm2d(3, momentum=0.01)
    BatchNorm2d(3, momentum=0.01)
    """

    _ndims = (4,)


class BatchNorm3d(_BatchNorm):
    """Each channel to mean 0 and variance 1 over the batch, from (N, C, D, H, W) to the same; see `BatchNorm1d`.

    Examples
    --------
    >>> BatchNorm3d(3, affine=False)
    BatchNorm3d(3, affine=False)
    """

    _ndims = (5,)


class _InstanceNorm(_ChannelNorm):
    """`instance_norm`, maybe with running statistics; see the layers for 1, 2 and 3 dimensions."""

    _counts = False  # as in PyTorch

    def __init__(
        self,
        features: int,
        *,
        epsilon: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        bias: bool = True,
        track: bool = False,
        dtype: str = "float32",
    ) -> None:
        self._set_up(features, epsilon, momentum, affine, bias, track, dtype)

    def forward(self, x: Array) -> Array:
        self._check(x)
        who, single = type(self).__name__, x.ndim == self._ndims[0]
        if (self.weight is not None or self.track) and x.shape[0 if single else 1] != self.features:
            raise ValueError(f"{who} expected {self.features} channels (features), got shape {x.shape}")
        xp = namespace_of(x)
        batch = xp.expand_dims(x, axis=0) if single else x
        affine = (self.weight, self.bias)
        if self.training or not self.track:
            y = _instance_norm(who, batch, affine, self.epsilon, self._watch(prod(batch.shape[2:])))
        else:
            y = _batch_norm(who, batch, affine, (self.running_mean, self.running_var), self.epsilon, None)
        return xp.squeeze(y, axis=0) if single else y


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each item to mean 0 and variance 1, from (N, C, L) or (C, L) to the same; see `instance_norm`.

    Parameters
    ----------
    features
        Number C of channels; as in PyTorch it is not looked at without `affine` and `track`.
    epsilon
        What is added to the variance.
    momentum
        How far running statistics move to each batch's; None: they are the mean of all batches so far.
    affine
        Whether to have `weight`, and `bias`.
    bias
        Whether to have `bias` beside `weight`.
    track
        Whether to keep running statistics, the means over the items of each batch, and use them in evaluation.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight, bias, running_mean, running_var, num_batches_tracked
        As those of `BatchNorm1d`; or None. As in PyTorch, batches are not counted; but where `momentum` is None, they
        are, since it would have no effect else, as it has none there.

    Raises
    ------
    ValueError
        If the input has another number of axes or channels, or one place only.
    TypeError
        If the input has another dtype than the layer.

    Examples
    --------
    >>> import numpy
    >>> InstanceNorm1d(1)(numpy.asarray([[[1.0, 3.0]]])).round(3)
    array([[[-1.,  1.]]])
    """

    _ndims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """The same from (N, C, H, W) or (C, H, W) to the same; see `InstanceNorm1d`.

    Examples
    --------
    >>> InstanceNorm2d(3, affine=True)
    InstanceNorm2d(3, affine=True)
    """

    _ndims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """The same from (N, C, D, H, W) or (C, D, H, W) to the same; see `InstanceNorm1d`.

    Examples
    --------
    >>> InstanceNorm3d(3)
    InstanceNorm3d(3)
    """

    _ndims = (4, 5)
