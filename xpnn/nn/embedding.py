"""Embeddings: a row of numbers for each category, trained like any weight.

A row that does not occur in a batch gets gradient 0; one that occurs several times gets the sum.
"""

from __future__ import annotations

from operator import index
from typing import Any

from xpnn.arrays.checks import require_labels
from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import Array, array_device, dtype_name, floating_name, namespace_of
from xpnn.arrays.native import scatter_add
from xpnn.arrays.random import fresh_seed, normal
from xpnn.autodiff.tape import differentiable, plain
from xpnn.autodiff.tensor import Tensor
from xpnn.nn.building import positive
from xpnn.nn.declarations import Parameter
from xpnn.nn.module import Module

__all__ = ["Embedding", "embedding", "rows_of"]

Rule = Any  # (value, backward)


def embedding(indices: Array, w: Array, *, padding_index: int | None = None) -> Array:
    """The rows of `w` that `indices` name.

    Parameters
    ----------
    indices
        Integers from 0 to categories - 1, any shape.
    w
        Shape (categories, features).
    padding_index
        A category whose row gets no gradient: what stands where there is nothing. -1 is the last one.

    Returns
    -------
    array
        Shape (*indices.shape, features).

    Raises
    ------
    ValueError
        If `w` has not two axes, `padding_index` is not one of its rows, or, on NumPy, an index is out of range. A GPU
        would have to wait for that; there `Trainer` and estimators look at all of them before they train.
    TypeError
        If `indices` is not an array of integers.

    Examples
    --------
    >>> import numpy
    >>> embedding(numpy.asarray([1, 1, 0]), numpy.asarray([[1.0, 2.0], [3.0, 4.0]]))
    array([[3., 4.],
           [3., 4.],
           [1., 2.]])
    """
    namespace_of(w)
    if w.ndim != 2:
        raise ValueError(f"embedding expected w of shape (categories, features), got shape {w.shape}")
    return _embedding("embedding", indices, w, _padding("embedding", padding_index, w.shape[0]))


def _padding(who: str, padding_index: int | None, categories: int) -> int | None:
    """The index counted from the front, if it is one."""
    if padding_index is None:
        return None
    if isinstance(padding_index, bool) or not hasattr(padding_index, "__index__"):
        raise TypeError(f"{who} expected padding_index to be an integer, got {padding_index!r}")
    if not -categories <= index(padding_index) < categories:
        raise ValueError(f"{who} expected padding_index to be one of {categories} categories, got {padding_index}")
    return index(padding_index) % categories


def _embedding(who: str, indices: Array, w: Array, padding: int | None) -> Array:
    indices = plain(indices)
    xp = namespace_of(indices)
    if not xp.isdtype(indices.dtype, "integral"):
        raise TypeError(f"{who} expected an array of integers, got {dtype_name(indices.dtype)}")
    require_labels(indices, w.shape[0], f"{who}, of {w.shape[0]} rows")
    return rows_of(w, indices=indices, padding=padding)


@differentiable
def rows_of(w: Array, *, indices: Array, padding: int | None) -> Rule:
    """The rows of `w` at `indices`, which are in range; those at `padding` get no gradient."""
    xp = namespace_of(w)
    flat = namespace_of(indices).reshape(indices, (-1,))
    shape = (*indices.shape, w.shape[1])

    def dw(dy: Array) -> Array:
        return _added(dy, indices=indices, padding=padding, categories=before[0])

    before = w.shape
    return xp.reshape(xp.take(w, flat, axis=0), shape), (dw,)


@differentiable
def _added(x: Array, *, indices: Array, padding: int | None, categories: int) -> Rule:
    """Zeros of shape (categories, features) with the rows of `x` added at `indices`, but not at the padding's."""
    xp = namespace_of(x)
    keep = None
    if padding is not None:
        keep = namespace_of(indices).astype(indices != padding, plain(x).dtype)[..., None]

    def dx(dy: Array) -> Array:
        rows = rows_of(dy, indices=indices, padding=None)
        return rows if keep is None else rows * keep

    if type(x) is Tensor:  # of an outer level: it records the adding itself
        return _added(x, indices=indices, padding=padding, categories=categories), (dx,)
    flat = xp.reshape(indices, (-1,))
    rows = xp.reshape(x if keep is None else x * keep, (flat.shape[0], x.shape[-1]))
    if not flat.shape[0]:
        return xp.zeros((categories, x.shape[-1]), dtype=x.dtype, device=array_device(x)), (dx,)
    return scatter_add(rows, flat, (categories, x.shape[-1])), (dx,)


class Embedding(Module):
    """A row of trained numbers for each category: `embedding(indices, weight)`, from shape (...) to (..., features).

    PyTorch's `max_norm`, by which a call shortens the rows that it uses, is not here: a call leaves parameters alone,
    in evaluation above all, and a shared weight that changed between its uses would spoil the gradient. Weight decay
    bounds the rows too; `groups` and `used_rows_only` of an optimizer leave it to those that a batch uses.

    Parameters
    ----------
    categories
        How many rows; inputs are integers from 0 to `categories` - 1.
    features
        Length of a row.
    padding_index
        A category whose row starts at 0 and is not trained; -1 is the last one.
    dtype
        'float32' or 'float64'.

    Attributes
    ----------
    weight
        Shape (categories, features), at first normal with mean 0 and variance 1.

    Raises
    ------
    ValueError
        If a number is not a positive integer, `padding_index` is no category, or, on NumPy, an input is out of range
        (see `embedding`).
    TypeError
        If the input is not an array of integers.

    Examples
    --------
    >>> import numpy
    >>> layer = Embedding(10, 3, padding_index=0).initialize(seed=0)
    >>> layer(numpy.asarray([[4, 2, 0]])).shape
    (1, 3, 3)
    >>> layer(numpy.asarray([0]))
    array([[0., 0., 0.]], dtype=float32)
    """

    weight: Array

    def __init__(
        self, categories: int, features: int, *, padding_index: int | None = None, dtype: str = "float32"
    ) -> None:
        self.categories = positive("Embedding", "categories", categories)
        self.features = positive("Embedding", "features", features)
        self.padding_index = _padding("Embedding", padding_index, self.categories)
        self.weight = Parameter(self._draw(fresh_seed(), "", floating_name("Embedding", dtype)))

    def _draw(self, seed: int, path: str, dtype: str) -> Array:
        shape = (self.categories, self.features)
        weight = normal(shape, seed=seed, stream=f"init/{path}.weight", dtype=dtype)
        if self.padding_index is not None:
            weight[self.padding_index, :] = 0.0
        return weight

    def reset(self, *, seed: int, path: str) -> None:
        self.weight[...] = device_of(self.weight).asarray(self._draw(seed, path, dtype_name(self.weight.dtype)))

    def forward(self, indices: Array) -> Array:
        namespace_of(indices)
        return _embedding("Embedding", indices, self.weight, self.padding_index)

    def describe(self) -> str:
        padding = "" if self.padding_index is None else f", padding_index={self.padding_index}"
        return f"{self.categories}, {self.features}{padding}"
