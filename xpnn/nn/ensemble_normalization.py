"""Normalisation in several networks at once: factors, offsets and running statistics of each member's own.

From (members, n, features) to the same. Each member is normalised as `BatchNorm1d`, `LayerNorm` or `RMSNorm` would
normalise it alone; the layers themselves would train one row of factors for all members.
"""

from __future__ import annotations

from typing import ClassVar

from xpnn.arrays.namespaces import Array, dtype_name, namespace_of
from xpnn.arrays.native import from_number
from xpnn.nn.building import filled, positive, require_dtype
from xpnn.nn.declarations import Buffer
from xpnn.nn.normalization import AffineLayer
from xpnn.nn.standardizing import per_channel, per_item, root_mean_square, with_fixed

__all__ = ["EnsembleBatchNorm", "EnsembleLayerNorm", "EnsembleRMSNorm"]


class _EnsembleNorm(AffineLayer):
    """What the three share: a row of factors (and offsets) for each member."""

    _offsets: ClassVar[bool] = True

    weight: Array
    bias: Array | None

    def _set_up(self, members: int, features: int, dtype: str) -> None:
        who = type(self).__name__
        self.members = positive(who, "members", members)
        self.features = positive(who, "features", features)
        self._declare((self.members, self.features), True, self._offsets, dtype)

    def _stretched(self, x: Array) -> tuple[Array, Array | None]:
        """Factors and offsets of shape (members, 1, features), if the input fits."""
        who = type(self).__name__
        require_dtype(who, x, self.weight)
        if x.ndim != 3 or x.shape[0] != self.members or x.shape[2] != self.features:
            raise ValueError(f"{who} expected x of shape ({self.members}, n, {self.features}), got shape {x.shape}")
        return _rows(self.weight), None if self.bias is None else _rows(self.bias)

    def describe(self) -> str:
        return f"{self.members}, {self.features}"


def _rows(array: Array) -> Array:
    return namespace_of(array).expand_dims(array, axis=1)


class EnsembleBatchNorm(_EnsembleNorm):
    """Each feature of each member to mean 0 and variance 1 over the batch, as `BatchNorm1d` does for one network.

    Parameters
    ----------
    members
        Number of networks.
    features
        Number of features of each.
    epsilon
        What is added to the variance.
    momentum
        How far the running statistics move to each batch's.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight, bias
        Shape (members, features), at first 1 and 0.
    running_mean, running_var
        Shape (members, features), at first 0 and 1; the variance is of variances divided by n - 1, as in PyTorch.
    num_batches_tracked
        Number of training batches so far, an int64 array of shape ().

    Raises
    ------
    ValueError
        If the input is not of shape (members, n, features), or, in training, n is 1.
    TypeError
        If the input has another dtype than the layer.

    Examples
    --------
    >>> import numpy
    >>> layer = EnsembleBatchNorm(2, 1, dtype="float64")
    >>> layer(numpy.asarray([[[0.0], [2.0]], [[10.0], [50.0]]])).round(3)[:, :, 0]
    array([[-1.,  1.],
           [-1.,  1.]])
    >>> layer.running_mean[:, 0]
    array([0.1, 3. ])
    """

    running_mean: Array
    running_var: Array
    num_batches_tracked: Array

    def __init__(
        self, members: int, features: int, *, epsilon: float = 1e-5, momentum: float = 0.1, dtype: str = "float32"
    ) -> None:
        if not 0 <= momentum <= 1:
            raise ValueError(f"EnsembleBatchNorm expected momentum from 0 to 1, got {momentum}")
        self._set_up(members, features, dtype)
        self.epsilon, self.momentum = epsilon, momentum
        shape = (self.members, self.features)
        self.running_mean = Buffer(filled("EnsembleBatchNorm", shape, 0.0, dtype))
        self.running_var = Buffer(filled("EnsembleBatchNorm", shape, 1.0, dtype))
        self.num_batches_tracked = Buffer(from_number(0))

    def reset(self, *, seed: int, path: str) -> None:
        AffineLayer.reset(self, seed=seed, path=path)
        self.running_mean[...] = 0.0
        self.running_var[...] = 1.0
        self.num_batches_tracked[...] = 0

    def forward(self, x: Array) -> Array:
        w, b = self._stretched(x)
        if not self.training:
            mean, variance = _rows(self.running_mean), _rows(self.running_var)
            return with_fixed(x, w, b, mean=mean, variance=variance, epsilon=self.epsilon)
        if x.shape[1] == 1:
            raise ValueError(f"EnsembleBatchNorm expected at least two rows in training, got shape {x.shape}")
        count = x.shape[1]

        def move(mean: Array, variance: Array) -> None:
            self.num_batches_tracked[...] = self.num_batches_tracked + 1
            if not count:
                return
            rate, xp = self.momentum, namespace_of(mean)
            for running, new in ((self.running_mean, mean), (self.running_var, variance * (count / (count - 1)))):
                running[...] = running * (1 - rate) + xp.squeeze(new, axis=1) * rate

        return per_channel(x, w, b, axes=(1,), epsilon=self.epsilon, watch=move)


class EnsembleLayerNorm(_EnsembleNorm):
    """Each row's features to mean 0 and variance 1, with factors and offsets of each member: see `LayerNorm`.

    Parameters
    ----------
    members, features
        Number of networks, and of features of each.
    epsilon
        What is added to the variance.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight, bias
        Shape (members, features), at first 1 and 0.

    Raises
    ------
    ValueError
        If the input is not of shape (members, n, features).
    TypeError
        If the input has another dtype than the weight.

    Examples
    --------
    >>> import numpy
    >>> EnsembleLayerNorm(1, 2, dtype="float64")(numpy.asarray([[[1.0, 3.0]]])).round(3)
    array([[[-1.,  1.]]])
    """

    def __init__(self, members: int, features: int, *, epsilon: float = 1e-5, dtype: str = "float32") -> None:
        self._set_up(members, features, dtype)
        self.epsilon = epsilon

    def forward(self, x: Array) -> Array:
        w, b = self._stretched(x)
        return per_item(x, w, b, axes=(2,), epsilon=self.epsilon)


class EnsembleRMSNorm(_EnsembleNorm):
    """Each row's features to a mean square of 1, with factors of each member: see `RMSNorm`.

    Parameters
    ----------
    members, features
        Number of networks, and of features of each.
    epsilon
        What is added to the mean square; None: the distance from 1 to the next number of the dtype.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight
        Shape (members, features), at first 1.

    Raises
    ------
    ValueError
        If the input is not of shape (members, n, features).
    TypeError
        If the input has another dtype than the weight.

    Examples
    --------
    >>> import numpy
    >>> EnsembleRMSNorm(1, 2, dtype="float64")(numpy.asarray([[[3.0, 4.0]]])).round(4)
    array([[[0.8485, 1.1314]]])
    """

    _offsets = False

    def __init__(self, members: int, features: int, *, epsilon: float | None = None, dtype: str = "float32") -> None:
        self._set_up(members, features, dtype)
        self.epsilon = epsilon

    def forward(self, x: Array) -> Array:
        w, _ = self._stretched(x)
        epsilon = self.epsilon
        if epsilon is None:
            epsilon = 2.0**-23 if dtype_name(x.dtype) == "float32" else 2.0**-52
        return root_mean_square(x, w, axes=(2,), epsilon=epsilon)
