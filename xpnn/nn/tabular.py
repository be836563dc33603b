"""Layers for the columns of a table: a trained vector for each number and each category.

    numbers = nn.PeriodicEmbedding(features=8, size=24)       # (n, 8) -> (n, 8, 24)
    codes = nn.CategoricalEmbedding([3, 12], size=24)         # (n, 2) -> (n, 2, 24)

`Flatten` makes one row of it for a dense network; attention takes it as it is. The functions are in
`feature_encodings`; all sections and equations are of Gorishniy, Rubachev and Babenko, On embeddings for numerical
features in tabular deep learning (2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xpnn.arrays.checks import require_columns
from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import Array, array_device, dtype_name, floating_name, namespace_of
from xpnn.arrays.random import fresh_seed, normal, uniform
from xpnn.autodiff.tape import plain
from xpnn.nn.activations import relu
from xpnn.nn.building import positive, positives, require_dtype
from xpnn.nn.declarations import Buffer, Parameter
from xpnn.nn.embedding import rows_of
from xpnn.nn.feature_encodings import (
    linear_per_feature,
    padded_edges,
    periodic_encoding,
    piecewise_linear_encoding,
)
from xpnn.nn.module import Module

__all__ = [
    "CategoricalEmbedding",
    "LinearEmbedding",
    "LinearPerFeature",
    "PeriodicEmbedding",
    "PiecewiseLinearEmbedding",
]


class _Drawn(Module):
    """A module whose parameters `_draw` gives by name, as NumPy arrays."""

    def _draw(self, seed: int, path: str, dtype: str) -> dict[str, Array]:
        raise NotImplementedError

    def _declare(self, dtype: str) -> None:
        for name, value in self._draw(fresh_seed(), "", floating_name(type(self).__name__, dtype)).items():
            setattr(self, name, Parameter(value))

    def reset(self, *, seed: int, path: str) -> None:
        own = self.__dict__
        for name, value in self._draw(seed, path, dtype_name(self.weight.dtype)).items():  # type: ignore[attr-defined]
            own[name][...] = device_of(own[name]).asarray(value)


def _uniform(shapes: dict[str, tuple[int, ...]], bound: float, seed: int, path: str, dtype: str) -> dict[str, Array]:
    return {
        name: uniform(shape, low=-bound, high=bound, seed=seed, stream=f"init/{path}.{name}", dtype=dtype)
        for name, shape in shapes.items()
    }


def _check_features(who: str, x: Array, features: int, own: Array) -> None:
    require_dtype(who, x, own)
    if tuple(x.shape[-1:]) != (features,):
        raise ValueError(f"{who} expected the last axis of x to be {features} (features), got shape {x.shape}")


class LinearPerFeature(_Drawn):
    """A dense layer of its own for each feature: `linear_per_feature(x, weight, bias)`.

    From shape (..., features, in_features) to (..., features, out_features).

    Parameters
    ----------
    features
        How many features.
    in_features, out_features
        Lengths of the vectors.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight
        Shape (features, in_features, out_features); U(-a, a) with a = 1 / sqrt(in_features), as in `Linear`.
    bias
        Shape (features, out_features), drawn the same way.

    Raises
    ------
    ValueError
        If a number is not a positive integer, or the last axes of the input are others.
    TypeError
        If the input has another dtype than the weight.

    Examples
    --------
    >>> import numpy
    >>> LinearPerFeature(3, 4, 2, dtype="float64")(numpy.ones((5, 3, 4))).shape
    (5, 3, 2)
    """

    weight: Array
    bias: Array

    def __init__(self, features: int, in_features: int, out_features: int, *, dtype: str = "float32") -> None:
        self.features = positive("LinearPerFeature", "features", features)
        self.in_features = positive("LinearPerFeature", "in_features", in_features)
        self.out_features = positive("LinearPerFeature", "out_features", out_features)
        self._declare(dtype)

    def _draw(self, seed: int, path: str, dtype: str) -> dict[str, Array]:
        shapes = {
            "weight": (self.features, self.in_features, self.out_features),
            "bias": (self.features, self.out_features),
        }
        return _uniform(shapes, self.in_features**-0.5, seed, path, dtype)

    def forward(self, x: Array) -> Array:
        require_dtype("LinearPerFeature", x, self.weight)
        expected = (self.features, self.in_features)
        if tuple(x.shape[-2:]) != expected:
            raise ValueError(f"LinearPerFeature expected the last axes of x to be {expected}, got shape {x.shape}")
        return linear_per_feature(x, self.weight, self.bias)

    def multiply_adds(self, output: Array, *inputs: Array) -> int:
        return int(prod(output.shape)) * self.in_features

    def describe(self) -> str:
        return f"{self.features}, {self.in_features}, {self.out_features}"


class LinearEmbedding(_Drawn):
    """Each number times a vector plus a vector, of its feature's own: x_f w_f + b_f, maybe with a ReLU after it.

    From shape (..., features) to (..., features, size). Section 3.4; the tokens of numbers of an FT-Transformer
    (Gorishniy, Rubachev, Khrulkov and Babenko, Revisiting deep learning models for tabular data, 2021, section 3.3).

    Parameters
    ----------
    features
        How many features.
    size
        Length of each vector.
    activation
        Whether a ReLU follows.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight, bias
        Shape (features, size); U(-a, a) with a = 1 / sqrt(size).

    Raises
    ------
    ValueError
        If a number is not a positive integer, or the last axis of the input is not `features`.
    TypeError
        If the input has another dtype than the weight.

    Examples
    --------
    >>> import numpy
    >>> LinearEmbedding(3, 8, dtype="float64")(numpy.ones((5, 3))).shape
    (5, 3, 8)
    """

    weight: Array
    bias: Array

    def __init__(self, features: int, size: int, *, activation: bool = False, dtype: str = "float32") -> None:
        self.features = positive("LinearEmbedding", "features", features)
        self.size = positive("LinearEmbedding", "size", size)
        self.activation = bool(activation)
        self._declare(dtype)

    def _draw(self, seed: int, path: str, dtype: str) -> dict[str, Array]:
        shape = (self.features, self.size)
        return _uniform({"weight": shape, "bias": shape}, self.size**-0.5, seed, path, dtype)

    def forward(self, x: Array) -> Array:
        _check_features("LinearEmbedding", x, self.features, self.weight)
        xp = namespace_of(x, self.weight)
        y = xp.multiply(xp.expand_dims(x, axis=-1), self.weight) + self.bias
        return relu(y) if self.activation else y

    def multiply_adds(self, output: Array, *inputs: Array) -> int:
        return int(prod(output.shape))

    def describe(self) -> str:
        return f"{self.features}, {self.size}" + (", activation=True" if self.activation else "")


class PiecewiseLinearEmbedding(_Drawn):
    """Each number by how far it reaches into its feature's bins, then a dense layer of the feature's own.

    From shape (..., features) to (..., features, size): `linear_per_feature(piecewise_linear_encoding(x, edges),
    weight, bias)`, maybe with a ReLU after it. Sections 3.2 and 3.4.

    Parameters
    ----------
    edges
        For each feature the edges of its bins, ascending, on the host: see `quantile_edges`.
    size
        Length of each vector.
    activation
        Whether a ReLU follows.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    edges
        Shape (features, bins + 1), the last edge repeated where a feature has fewer bins; kept, not trained.
    weight
        Shape (features, bins, size); U(-a, a) with a = 1 / sqrt(bins).
    bias
        Shape (features, size), drawn the same way.

    Raises
    ------
    ValueError
        If edges are less than two, not ascending or not finite, or the last axis of the input is not their number.
    TypeError
        If the input has another dtype than the weight.

    Examples
    --------
    >>> import numpy
    >>> x = numpy.random.default_rng(0).standard_normal((100, 3))
    >>> from xpnn.nn import quantile_edges
    >>> layer = PiecewiseLinearEmbedding(quantile_edges(x, bins=5), 8, dtype="float64")
    >>> layer(x).shape
    (100, 3, 8)
    """

    edges: Array
    weight: Array
    bias: Array

    def __init__(self, edges: Sequence[Array], size: int, *, activation: bool = False, dtype: str = "float32") -> None:
        rows = padded_edges("PiecewiseLinearEmbedding", edges, floating_name("PiecewiseLinearEmbedding", dtype))
        self.edges = Buffer(rows)
        self.features, self.bins = int(rows.shape[0]), int(rows.shape[1]) - 1
        self.size = positive("PiecewiseLinearEmbedding", "size", size)
        self.activation = bool(activation)
        self._declare(dtype)

    def _draw(self, seed: int, path: str, dtype: str) -> dict[str, Array]:
        shapes = {"weight": (self.features, self.bins, self.size), "bias": (self.features, self.size)}
        return _uniform(shapes, self.bins**-0.5, seed, path, dtype)

    def forward(self, x: Array) -> Array:
        _check_features("PiecewiseLinearEmbedding", x, self.features, self.weight)
        y = linear_per_feature(piecewise_linear_encoding(x, self.edges), self.weight, self.bias)
        return relu(y) if self.activation else y

    def multiply_adds(self, output: Array, *inputs: Array) -> int:
        return int(prod(output.shape)) * self.bins

    def describe(self) -> str:
        words = f"features={self.features}, bins={self.bins}, size={self.size}"
        return words + (", activation=True" if self.activation else "")


class PeriodicEmbedding(_Drawn):
    """Each number as waves of trained frequencies, then a dense layer of the feature's own and a ReLU.

    From shape (..., features) to (..., features, size): `linear_per_feature(periodic_encoding(x, frequencies), weight,
    bias)`. Sections 3.3 and 3.4 ("PLR"; without the ReLU "PL"). The most important choice is the deviation of the first
    frequencies: too large, and the network remembers noise.

    Parameters
    ----------
    features
        How many features.
    size
        Length of each vector.
    frequencies
        How many waves for each feature.
    deviation
        The standard deviation σ of the first frequencies, of mean 0; the paper tries 0.01 to 100.
    activation
        Whether a ReLU follows.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    frequencies
        Shape (features, frequencies), trained.
    weight
        Shape (features, 2 frequencies, size); U(-a, a) with a = 1 / sqrt(2 frequencies).
    bias
        Shape (features, size), drawn the same way.

    Raises
    ------
    ValueError
        If a number is not a positive integer, `deviation` is not positive, or the last axis of the input is not
        `features`.
    TypeError
        If the input has another dtype than the weight.

    Examples
    --------
    >>> import numpy
    >>> PeriodicEmbedding(3, 8, dtype="float64")(numpy.ones((5, 3))).shape
    (5, 3, 8)
    """

    frequencies: Array
    weight: Array
    bias: Array

    def __init__(
        self,
        features: int,
        size: int,
        *,
        frequencies: int = 48,
        deviation: float = 0.01,
        activation: bool = True,
        dtype: str = "float32",
    ) -> None:
        self.features = positive("PeriodicEmbedding", "features", features)
        self.size = positive("PeriodicEmbedding", "size", size)
        self.waves = positive("PeriodicEmbedding", "frequencies", frequencies)
        if not deviation > 0:
            raise ValueError(f"PeriodicEmbedding expected a positive deviation, got {deviation}")
        self.deviation, self.activation = deviation, bool(activation)
        self._declare(dtype)

    def _draw(self, seed: int, path: str, dtype: str) -> dict[str, Array]:
        shape = (self.features, self.waves)
        drawn = normal(shape, seed=seed, stream=f"init/{path}.frequencies", dtype=dtype) * self.deviation
        shapes = {"weight": (self.features, 2 * self.waves, self.size), "bias": (self.features, self.size)}
        return {"frequencies": drawn, **_uniform(shapes, (2 * self.waves) ** -0.5, seed, path, dtype)}

    def forward(self, x: Array) -> Array:
        _check_features("PeriodicEmbedding", x, self.features, self.weight)
        y = linear_per_feature(periodic_encoding(x, self.frequencies), self.weight, self.bias)
        return relu(y) if self.activation else y

    def multiply_adds(self, output: Array, *inputs: Array) -> int:
        return int(prod(output.shape)) * 2 * self.waves

    def describe(self) -> str:
        words = f"{self.features}, {self.size}, frequencies={self.waves}, deviation={self.deviation}"
        return words + ("" if self.activation else ", activation=False")


class CategoricalEmbedding(_Drawn):
    """A trained vector for each category of each column: from integers (..., columns) to (..., columns, size).

    Guo and Berkhahn, Entity embeddings of categorical variables (2016). The tables of all columns are one
    array, so that one look-up serves them.

    Parameters
    ----------
    categories
        For each column how many categories it has; its integers are from 0 to that less 1.
    size
        Length of each vector.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight
        Shape (sum of categories, size), the columns' tables below one another; U(-a, a) with a = 1 / sqrt(size).

    Raises
    ------
    ValueError
        If a number is not a positive integer, the last axis of the input is not the number of columns, or, on NumPy, an
        integer is out of range.
    TypeError
        If the input is not an array of integers.

    Examples
    --------
    >>> import numpy
    >>> CategoricalEmbedding([3, 12], 8)(numpy.asarray([[2, 11], [0, 3]])).shape
    (2, 2, 8)

    One array may carry both kinds of column, here two of numbers and then two of categories. The namespace is that of
    the arrays that are joined, which are Tensors in training, not that of the data:

    >>> import xpnn
    >>> class Mixed(xpnn.nn.Module):
    ...     def __init__(self):
    ...         self.categories, self.layer = CategoricalEmbedding([3, 12], 8), xpnn.nn.Linear(2 + 2 * 8, 1)
    ...
    ...     def forward(self, x):
    ...         xp = xpnn.namespace_of(x)
    ...         vectors = self.categories(xp.astype(x[:, 2:], xp.int64))
    ...         xp = xpnn.namespace_of(x, vectors)
    ...         return self.layer(xp.concat([x[:, :2], xp.reshape(vectors, (x.shape[0], -1))], axis=1))
    >>> x = numpy.asarray([[0.5, 1.5, 2, 11], [0.1, -0.3, 0, 3]], dtype="float32")
    >>> model = Mixed().initialize(seed=0)
    >>> trainer = xpnn.training.Trainer(model, xpnn.nn.squared_error, xpnn.optim.Adam(model))
    >>> len(trainer.fit(x, numpy.ones((2, 1)), epochs=3))
    3
    """

    weight: Array

    def __init__(self, categories: Sequence[int], size: int, *, dtype: str = "float32") -> None:
        self.categories = positives("CategoricalEmbedding", "categories", categories)
        self.size = positive("CategoricalEmbedding", "size", size)
        self._declare(dtype)

    def _draw(self, seed: int, path: str, dtype: str) -> dict[str, Array]:
        return _uniform({"weight": (sum(self.categories), self.size)}, self.size**-0.5, seed, path, dtype)

    def forward(self, indices: Array) -> Array:
        indices = plain(indices)
        xp = namespace_of(indices)
        columns = len(self.categories)
        if not xp.isdtype(indices.dtype, "integral"):
            raise TypeError(f"CategoricalEmbedding expected integers, got {dtype_name(indices.dtype)}")
        if tuple(indices.shape[-1:]) != (columns,):
            raise ValueError(f"CategoricalEmbedding expected {columns} columns (last axis), got shape {indices.shape}")
        require_columns(indices, tuple(self.categories), "CategoricalEmbedding")
        starts = [sum(self.categories[:column]) for column in range(columns)]
        first = xp.asarray(starts, dtype=xp.int64, device=array_device(indices))
        return rows_of(self.weight, indices=xp.astype(indices, xp.int64) + first, padding=None)

    def describe(self) -> str:
        return f"{list(self.categories)}, {self.size}"
