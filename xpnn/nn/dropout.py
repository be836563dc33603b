"""Dropout: in training, each element is set to zero with probability p, so that no unit can rely on another.

Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout: a simple way to prevent neural networks from
overfitting (2014). What is kept is scaled by 1 / (1 - p), so that evaluation needs no change.
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array, dtype_name, is_floating, namespace_of
from xpnn.arrays.native import from_number
from xpnn.arrays.random import fresh_seed, keep_mask
from xpnn.autodiff.tape import differentiable, plain
from xpnn.nn.declarations import Buffer
from xpnn.nn.module import Module

__all__ = ["Dropout", "dropout"]

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
    if not 0 <= p <= 1:
        raise ValueError(f"dropout expected a probability p between 0 and 1, got {p}")
    namespace_of(x)
    if not is_floating(x.dtype):
        raise TypeError(f"dropout expected floating-point numbers, got {dtype_name(x.dtype)}")
    if p == 0:
        return x
    share = round((1 - p) * 2**16) / 2**16  # of which a mask is made
    keep = keep_mask(x.shape, share, seed=seed, stream=stream, step=plain(step), like=plain(x))
    return _scaled_mask(x, keep, scale=1 / share if share else 0.0)


@differentiable
def _scaled_mask(x: Array, keep: Array, *, scale: float) -> Rule:
    factor = namespace_of(keep).astype(keep, x.dtype) * scale

    def dx(dy: Array) -> Array:
        return dy * factor

    return x * factor, (dx,)


class Dropout(Module):
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

    calls: Array

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout expected a probability p between 0 and 1, got {p}")
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
        y = dropout(x, self.p, seed=self.seed, stream=self.stream, step=self.calls)
        self.calls[...] = self.calls + 1
        return y

    def describe(self) -> str:
        return f"p={self.p}"
