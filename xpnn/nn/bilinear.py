"""The bilinear layer: every output is a weighted sum of all products of one feature of each of two inputs."""

from __future__ import annotations

from math import prod
from typing import Any

from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import Array, dtype_name, floating_name, namespace_of
from xpnn.arrays.native import sum_over
from xpnn.arrays.random import fresh_seed, uniform
from xpnn.autodiff.tape import differentiable
from xpnn.nn.building import positive, require_dtype, require_floating_input
from xpnn.nn.declarations import Parameter
from xpnn.nn.module import Module

__all__ = ["Bilinear", "bilinear"]

Rule = Any  # (value, backward)


def bilinear(x1: Array, x2: Array, w: Array, b: Array | None = None) -> Array:
    """x1ᵀ W_o x2 + b_o for each output o.

    Parameters
    ----------
    x1, x2
        Inputs, shapes (..., in_features_1) and (..., in_features_2).
    w
        Weight, shape (out_features, in_features_1, in_features_2).
    b
        Bias, shape (out_features,), or None.

    Returns
    -------
    array
        Shape (..., out_features).

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If they are not floating-point arrays of one library and one dtype.

    Examples
    --------
    >>> import numpy
    >>> bilinear(numpy.asarray([[1.0, 2.0]]), numpy.asarray([[3.0]]), numpy.asarray([[[10.0], [1.0]]]))
    array([[36.]])
    """
    if getattr(w, "ndim", 3) != 3:
        raise ValueError(f"bilinear expected w of shape (out_features, in_1, in_2), got shape {w.shape}")
    _check("bilinear", x1, x2, w)
    if b is not None:
        require_dtype("bilinear", b, w)
        if b.shape != w.shape[:1]:
            raise ValueError(f"bilinear expected b of shape {w.shape[:1]}, as of w, got shape {b.shape}")
    return _bilinear(x1, x2, w, b)


def _check(who: str, x1: Array, x2: Array, w: Array) -> None:
    require_floating_input(who, w)
    require_dtype(who, x1, w)
    require_dtype(who, x2, w)
    if x1.shape[-1:] != w.shape[1:2] or x2.shape[-1:] != w.shape[2:] or x1.shape[:-1] != x2.shape[:-1]:
        raise ValueError(
            f"{who} expected inputs of shapes (..., {w.shape[1]}) and (..., {w.shape[2]}), alike but for the last "
            f"axis, got {x1.shape} and {x2.shape}"
        )


@differentiable
def _bilinear(x1: Array, x2: Array, w: Array, b: Array | None) -> Rule:
    xp = namespace_of(x1, x2, w, b)
    outputs, first, second = w.shape
    a, c = xp.reshape(x1, (-1, first)), xp.reshape(x2, (-1, second))
    rows = xp.reshape(w, (outputs * first, second))
    # W_o x2 for each output, shape (n, out_features, in_1)
    half = xp.reshape(c @ rows.T, (c.shape[0], outputs, first))
    y = sum_over(half * xp.expand_dims(a, axis=1), axis=2)
    if b is not None:
        y += b

    def matrix(dy: Array) -> Array:
        return namespace_of(dy).reshape(dy, (-1, outputs, 1))

    # dy_o x1, shape (n, out_features in_1)
    def outer(dy: Array) -> Array:
        xp = namespace_of(dy)
        return xp.reshape(matrix(dy) * xp.expand_dims(a, axis=1), (-1, outputs * first))

    # dx1 = sum of dy_o W_o x2,  dx2 = sum of dy_o W_oᵀ x1,  dW_o = sum of dy_o x1 x2ᵀ over the batch
    def dx1(dy: Array) -> Array:
        return namespace_of(dy).reshape(sum_over(matrix(dy) * half, axis=1), x1.shape)

    def dx2(dy: Array) -> Array:
        return namespace_of(dy).reshape(outer(dy) @ rows, x2.shape)

    def dw(dy: Array) -> Array:
        return namespace_of(dy).reshape(outer(dy).T @ c, w.shape)

    def db(dy: Array) -> Array:
        return sum_over(namespace_of(dy).reshape(dy, (-1, outputs)), axis=0)

    return xp.reshape(y, (*x1.shape[:-1], outputs)), (dx1, dx2, dw, db)


class Bilinear(Module):
    """`bilinear(x1, x2, weight, bias)`, from (..., in_features_1) and (..., in_features_2) to (..., out_features).

    Parameters
    ----------
    in_features_1, in_features_2, out_features
        Lengths of the last axes of the inputs and of the output.
    bias
        Whether to add a bias.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight
        Shape (out_features, in_features_1, in_features_2); U(-a, a) with a = 1 / sqrt(in_features_1), as in PyTorch.
    bias
        Shape (out_features,), drawn the same way; or None.

    Raises
    ------
    ValueError
        If a number of features is not a positive integer, or the shapes of the inputs do not fit.
    TypeError
        If an input has another dtype than the weight.

    Examples
    --------
    >>> import numpy
    >>> layer = Bilinear(2, 3, 4, dtype="float64")
    >>> layer(numpy.ones((5, 2)), numpy.ones((5, 3))).shape
    (5, 4)
    """

    weight: Array
    bias: Array | None

    def __init__(
        self, in_features_1: int, in_features_2: int, out_features: int, *, bias: bool = True, dtype: str = "float32"
    ) -> None:
        dtype = floating_name("Bilinear", dtype)
        self.in_features_1 = positive("Bilinear", "in_features_1", in_features_1)
        self.in_features_2 = positive("Bilinear", "in_features_2", in_features_2)
        self.out_features = positive("Bilinear", "out_features", out_features)
        weight, offset = self._draw(fresh_seed(), "", dtype)
        self.weight = Parameter(weight)
        self.bias = Parameter(offset) if bias else None

    def _draw(self, seed: int, path: str, dtype: str) -> tuple[Array, Array]:
        shape, bound = (self.out_features, self.in_features_1, self.in_features_2), self.in_features_1**-0.5
        weight = uniform(shape, low=-bound, high=bound, seed=seed, stream=f"init/{path}.weight", dtype=dtype)
        return weight, uniform(shape[:1], low=-bound, high=bound, seed=seed, stream=f"init/{path}.bias", dtype=dtype)

    def reset(self, *, seed: int, path: str) -> None:
        weight, offset = self._draw(seed, path, dtype_name(self.weight.dtype))
        place = device_of(self.weight)
        self.weight[...] = place.asarray(weight)
        if self.bias is not None:
            self.bias[...] = place.asarray(offset)

    def forward(self, x1: Array, x2: Array) -> Array:
        _check("Bilinear", x1, x2, self.weight)
        return _bilinear(x1, x2, self.weight, self.bias)

    def multiply_adds(self, output: Array, *inputs: Array) -> int:
        return int(prod(output.shape)) * self.in_features_1 * (self.in_features_2 + 1)

    def describe(self) -> str:
        bias = "" if self.bias is not None else ", bias=False"
        return f"{self.in_features_1}, {self.in_features_2}, {self.out_features}{bias}"
