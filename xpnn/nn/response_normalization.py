"""Local response normalisation: each pixel divided by the strength of its neighbours in other channels.

A strong response damps those of the channels beside it. Krizhevsky, Sutskever and Hinton, ImageNet classification with
deep convolutional neural networks (2012), section 3.3; batch normalisation took its place.
"""

from __future__ import annotations

from math import prod

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.nn.average_pooling import window_sums
from xpnn.nn.building import positive, require_wide_floating_input
from xpnn.nn.module import Module
from xpnn.nn.windows import Window

__all__ = ["LocalResponseNorm", "local_response_norm"]


def local_response_norm(x: Array, size: int, *, alpha: float = 1e-4, beta: float = 0.75, offset: float = 1.0) -> Array:
    """`x` divided by (offset + alpha / size times the sum of squares over `size` channels around each) to the `beta`.

    Beyond the first and the last channel there are zeros. The paper does not divide `alpha` by `size`; PyTorch does,
    whose arguments are `alpha`, `beta` and `k`, here `offset`.

    Parameters
    ----------
    x
        Shape (n, channels, ...), with at least one axis behind the channels.
    size
        How many channels count, with that in the middle; of an even number one more before it than behind.
    alpha, beta
        How much the neighbours count, and the power.
    offset
        What the sum is added to.

    Returns
    -------
    array
        The shape of `x`.

    Raises
    ------
    ValueError
        If `size` is not a positive integer, or `x` has less than three axes.
    TypeError
        If `x` is not an array of real floating-point numbers of at least 32 bits.

    Examples
    --------
    >>> import numpy
    >>> local_response_norm(numpy.ones((1, 3, 1)), 3, alpha=3.0, beta=1.0)[0, :, 0]
    array([0.33333333, 0.25      , 0.33333333])
    """
    require_wide_floating_input("local_response_norm", x)
    size = positive("local_response_norm", "size", size)
    if x.ndim < 3:
        raise ValueError(f"local_response_norm expected x of shape (n, channels, ...), got shape {x.shape}")
    xp = namespace_of(x)
    rows = xp.reshape(x, (x.shape[0], 1, x.shape[1], prod(x.shape[2:])))
    around = Window((size, 1), (1, 1), ((size // 2, (size - 1) // 2), (0, 0)), (1, 1))
    sums = window_sums(rows * rows, window=around, outputs=rows.shape[2:])
    return xp.reshape(rows * (offset + sums * (alpha / size)) ** -beta, x.shape)


class LocalResponseNorm(Module):
    """The layer of `local_response_norm`; its options are those of the function.

    Examples
    --------
    >>> LocalResponseNorm(5, offset=2.0)
    LocalResponseNorm(5, alpha=0.0001, beta=0.75, offset=2.0)
    """

    def __init__(self, size: int, *, alpha: float = 1e-4, beta: float = 0.75, offset: float = 1.0) -> None:
        self.size = positive("LocalResponseNorm", "size", size)
        self.alpha, self.beta, self.offset = alpha, beta, offset

    def forward(self, x: Array) -> Array:
        return local_response_norm(x, self.size, alpha=self.alpha, beta=self.beta, offset=self.offset)

    def describe(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, offset={self.offset}"
