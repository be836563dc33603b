"""The dense layer: every output is a weighted sum of all inputs."""

from __future__ import annotations

from math import prod
from operator import index
from typing import Any

from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import Array, dtype_name, floating_name, is_complex, is_floating, namespace_of
from xpnn.arrays.native import sum_over
from xpnn.arrays.random import fresh_seed, uniform
from xpnn.autodiff.tape import differentiable
from xpnn.nn.building import shown
from xpnn.nn.declarations import Parameter
from xpnn.nn.initializers import Initializer, uniform_fan_in
from xpnn.nn.module import Module

__all__ = ["Linear", "linear"]

Rule = Any  # (value, backward)


def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    """x Wᵀ + b.

    Parameters
    ----------
    x
        Inputs, shape (..., in_features).
    w
        Weight, shape (out_features, in_features).
    b
        Bias, shape (out_features,), or None.

    Returns
    -------
    array
        Shape (..., out_features).

    Raises
    ------
    ValueError
        If the last axis of `x` is not that of `w`, or `b` has another shape.
    TypeError
        If they are not arrays of one library and one dtype.

    Examples
    --------
    >>> import numpy
    >>> linear(numpy.asarray([[1.0, 2.0]]), numpy.asarray([[10.0, 1.0]]), numpy.asarray([0.5]))
    array([[12.5]])
    """
    namespace_of(x, w, b)
    if w.ndim != 2:
        raise ValueError(f"linear expected w of shape (out_features, in_features), got shape {w.shape}")
    if x.shape[-1:] != w.shape[1:]:
        raise ValueError(f"linear expected the last axis of x to be {w.shape[-1]}, as of w, got shape {x.shape}")
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"linear expected b of shape {w.shape[:1]}, as of w, got shape {b.shape}")
    if x.dtype != w.dtype or (b is not None and b.dtype != w.dtype):
        given = [x.dtype, w.dtype, *([] if b is None else [b.dtype])]
        raise TypeError(f"linear expected one dtype, got {', '.join(shown(dtype) for dtype in given)}")
    if is_complex(w.dtype):
        y = x @ w.T
        return y if b is None else y + b
    return _linear(x, w, b)


@differentiable
def _linear(x: Array, w: Array, b: Array | None) -> Rule:
    xp = namespace_of(x, w, b)
    rows = x if x.ndim == 2 else xp.reshape(x, (-1, x.shape[-1]))
    y = rows @ w.T
    if b is not None:
        y += b

    def matrix(dy: Array) -> Array:
        return dy if dy.ndim == 2 else namespace_of(dy).reshape(dy, (-1, w.shape[0]))

    # dx = dy W,  dW = dyᵀ x,  db = sum of dy over the batch
    def dx(dy: Array) -> Array:
        below = matrix(dy) @ w
        return below if x.ndim == 2 else namespace_of(below).reshape(below, x.shape)

    def dw(dy: Array) -> Array:
        return matrix(dy).T @ rows

    def db(dy: Array) -> Array:
        return sum_over(matrix(dy), axis=0)

    return y if x.ndim == 2 else xp.reshape(y, (*x.shape[:-1], w.shape[0])), (dx, dw, db)


class Linear(Module):
    """A dense layer: `linear(x, weight, bias)`, from shape (..., in_features) to shape (..., out_features).

    The weights are drawn at once, from a seed of the operating system's; `initialize(seed)` draws them again.

    Parameters
    ----------
    in_features, out_features
        Lengths of the last axis of the input and of the output.
    bias
        Whether to add a bias.
    initializer
        How `weight` is drawn (`nn.initializers`); the default is PyTorch's, U(-a, a) with a = 1 / sqrt(in_features),
        for `weight` and `bias`. With another one, `bias` starts at zero.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight
        Shape (out_features, in_features).
    bias
        Shape (out_features,), or None.

    Raises
    ------
    ValueError
        If a number of features is not a positive integer, `dtype` is another, or the last axis of the input is not
        `in_features`.
    TypeError
        If the input has another dtype than the weight.

    Examples
    --------
    >>> import numpy
    >>> layer = Linear(30, 4).initialize(seed=0)
    >>> layer(numpy.ones((2, 30), dtype="float32")).shape
    (2, 4)
    """

    weight: Array
    bias: Array | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        initializer: Initializer | None = None,
        dtype: str = "float32",
    ) -> None:
        for name, n in (("in_features", in_features), ("out_features", out_features)):
            if isinstance(n, bool) or not hasattr(n, "__index__") or index(n) < 1:
                raise ValueError(f"Linear expected {name} to be a positive integer, got {n!r}")
        dtype = floating_name("Linear", dtype)
        self.in_features, self.out_features = index(in_features), index(out_features)
        self.initializer = initializer
        weight, offset = self._draw(fresh_seed(), "", bias, dtype)
        self.weight = Parameter(weight)
        self.bias = None if offset is None else Parameter(offset)

    def _draw(self, seed: int, path: str, bias: bool, dtype: str) -> tuple[Array, Array | None]:
        shape = (self.out_features, self.in_features)
        draw = self.initializer or uniform_fan_in
        weight = draw(shape, seed=seed, stream=f"init/{path}.weight", dtype=dtype)
        if not bias:
            return weight, None
        bound = 0.0 if self.initializer else self.in_features**-0.5
        offset = uniform(shape[:1], low=-bound, high=bound, seed=seed, stream=f"init/{path}.bias", dtype=dtype)
        return weight, offset

    def reset(self, *, seed: int, path: str) -> None:
        weight, offset = self._draw(seed, path, self.bias is not None, dtype_name(self.weight.dtype))
        place = device_of(self.weight)
        self.weight[...] = place.asarray(weight)
        if self.bias is not None:
            self.bias[...] = place.asarray(offset)

    def forward(self, x: Array) -> Array:
        self._check(x)
        return _linear(x, self.weight, self.bias)

    def _check(self, x: Array) -> None:
        if not hasattr(x, "shape"):
            namespace_of(x)
        if x.shape[-1:] != (self.in_features,):
            raise ValueError(
                f"Linear expected the last axis of x to be {self.in_features} (in_features), got shape {x.shape}"
            )
        if x.dtype is self.weight.dtype:
            return
        namespace_of(x, self.weight)  # dtypes of two libraries are not compared
        if x.dtype != self.weight.dtype:
            wanted, found = shown(self.weight.dtype), shown(x.dtype)
            way = ", or the model with model.to(dtype=...)" if is_floating(x.dtype) else ""
            raise TypeError(f"Linear expected x of dtype {wanted}, as its weight, got {found}: convert x{way}")

    def multiply_adds(self, output: Array, *inputs: Array) -> int:
        return int(prod(output.shape)) * self.in_features

    def describe(self) -> str:
        return f"{self.in_features}, {self.out_features}" + (", bias=False" if self.bias is None else "")
