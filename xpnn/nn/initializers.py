"""First values of weights: spread so that signals keep their size through the layers.

A unit adds up `fan_in` inputs. If its weights have variance 1 / fan_in, the sum has the variance of one input
(LeCun); a ReLU loses half of it, so twice that serves there (He); to keep gradients on their way back too, the mean
of both fans is taken (Glorot). Weights have shape (out_features, in_features, *kernel).

    weight = he_normal((32, 30), seed=0, stream="init/0.weight")

All draws are made on the host from `(seed, stream)`, so that a seed gives the same bits on every device. `dtype` is
'float32' or 'float64'. Another dtype raises TypeError, and a shape with less than two axes ValueError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod, sqrt
from numbers import Integral
from typing import TypeAlias

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.random import normal, uniform

__all__ = [
    "Initializer",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "orthogonal",
    "uniform_fan_in",
]

Shape: TypeAlias = tuple[int, ...]
Initializer: TypeAlias = Callable[..., Array]
"""A function `(shape, *, seed, stream, dtype="float32")` that gives a NumPy array."""


def fans(shape: Shape) -> tuple[int, int]:
    """The numbers of inputs and of outputs that one unit of a weight of `shape` is connected with."""
    whole = isinstance(shape, Sequence) and all(isinstance(n, Integral) and n > 0 for n in shape)
    if not whole or len(shape) < 2:
        raise ValueError(
            f"expected the shape of a weight, (out_features, in_features, ...), all positive integers, got {shape!r}"
        )
    kernel = prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def _uniform(shape: Shape, variance: float, seed: int, stream: str, dtype: str) -> Array:
    bound = sqrt(3 * variance)  # the variance of U(-a, a) is a^2 / 3
    return uniform(shape, low=-bound, high=bound, seed=seed, stream=stream, dtype=_checked(dtype))


def _normal(shape: Shape, variance: float, seed: int, stream: str, dtype: str) -> Array:
    return _cast(normal(shape, seed=seed, stream=stream, dtype="float64") * sqrt(variance), dtype)


def _checked(dtype: str) -> str:
    if dtype not in ("float32", "float64"):
        raise TypeError(f"expected dtype 'float32' or 'float64', got {dtype!r}")
    return dtype


def _cast(drawn: Array, dtype: str) -> Array:
    xp = namespace_of(drawn)
    return xp.astype(drawn, getattr(xp, _checked(dtype)), copy=False)


def glorot_uniform(shape: Shape, *, seed: int, stream: str, dtype: str = "float32") -> Array:
    """U(-a, a) with a = sqrt(6 / (fan_in + fan_out)): for sigmoid, tanh and softmax.

    Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks (2010), equation 16.

    Examples
    --------
    >>> abs(glorot_uniform((4, 2), seed=0, stream="doc")).max() <= 1.0
    np.True_
    """
    return _uniform(shape, 2 / sum(fans(shape)), seed, stream, dtype)


def glorot_normal(shape: Shape, *, seed: int, stream: str, dtype: str = "float32") -> Array:
    """Normal with variance 2 / (fan_in + fan_out); see `glorot_uniform`."""
    return _normal(shape, 2 / sum(fans(shape)), seed, stream, dtype)


def he_uniform(shape: Shape, *, seed: int, stream: str, dtype: str = "float32") -> Array:
    """U(-a, a) with a = sqrt(6 / fan_in): for ReLU and its relatives.

    He, Zhang, Ren and Sun, Delving deep into rectifiers (2015).
    """
    return _uniform(shape, 2 / fans(shape)[0], seed, stream, dtype)


def he_normal(shape: Shape, *, seed: int, stream: str, dtype: str = "float32") -> Array:
    """Normal with variance 2 / fan_in; see `he_uniform`."""
    return _normal(shape, 2 / fans(shape)[0], seed, stream, dtype)


def lecun_uniform(shape: Shape, *, seed: int, stream: str, dtype: str = "float32") -> Array:
    """U(-a, a) with a = sqrt(3 / fan_in).

    LeCun, Bottou, Orr and Müller, Efficient backprop (1998).
    """
    return _uniform(shape, 1 / fans(shape)[0], seed, stream, dtype)


def lecun_normal(shape: Shape, *, seed: int, stream: str, dtype: str = "float32") -> Array:
    """Normal with variance 1 / fan_in; see `lecun_uniform`."""
    return _normal(shape, 1 / fans(shape)[0], seed, stream, dtype)


def uniform_fan_in(shape: Shape, *, seed: int, stream: str, dtype: str = "float32") -> Array:
    """U(-a, a) with a = sqrt(1 / fan_in): the default of dense layers, as in PyTorch."""
    return _uniform(shape, 1 / (3 * fans(shape)[0]), seed, stream, dtype)


def orthogonal(shape: Shape, *, seed: int, stream: str, dtype: str = "float32") -> Array:
    """A matrix with orthonormal rows (or columns, if there are more rows), uniform among all of them.

    Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning (2014). The Q of a
    normal matrix, with the signs of R's diagonal (Mezzadri, How to generate random matrices from the classical
    compact groups, 2007). The last bits depend on the LAPACK that NumPy was built with.

    Examples
    --------
    >>> q = orthogonal((2, 3), seed=0, stream="doc", dtype="float64")
    >>> abs(q @ q.T - [[1, 0], [0, 1]]).max() < 1e-15
    np.True_
    """
    fans(shape)
    rows, columns = shape[0], prod(shape[1:])
    drawn = normal((max(rows, columns), min(rows, columns)), seed=seed, stream=stream, dtype="float64")
    xp = namespace_of(drawn)
    q, r = xp.linalg.qr(drawn)
    q = q * xp.where(xp.linalg.diagonal(r) < 0, -1.0, 1.0)
    q = xp.matrix_transpose(q) if rows < columns else q
    return _cast(xp.reshape(q, shape), dtype)
