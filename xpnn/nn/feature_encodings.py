"""Numbers of a table as vectors, so that a network bends easily where they matter: functions.

A single number that enters a dense layer can only be weighed. As a vector, of how far it reaches into each of some bins
or of waves of several lengths, it can be weighed differently in different places. Gorishniy, Rubachev and Babenko, On
embeddings for numerical features in tabular deep learning (2022). The layers are in `tabular`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, pi
from typing import Any

from xpnn.arrays.namespaces import Array, array_device, namespace_of
from xpnn.arrays.native import sum_over, to_host
from xpnn.autodiff.tape import as_one, differentiable, plain
from xpnn.nn.building import positive, require_dtype, require_floating_input

__all__ = ["linear_per_feature", "periodic_encoding", "piecewise_linear_encoding", "quantile_edges"]

Rule = Any  # (value, backward)


def piecewise_linear_encoding(x: Array, edges: Array) -> Array:
    """How far each number reaches into each of its feature's bins: 1 in bins below it, 0 in bins above.

    e_t = (x - b_(t-1)) / (b_t - b_(t-1)), at least 0 but in the first bin, at most 1 but in the last: section 3.2.1,
    equation 1. So nothing is lost outside the bins.

    Parameters
    ----------
    x
        Shape (..., features).
    edges
        Shape (features, bins + 1), each row ascending; a feature with fewer bins repeats its last edge. A constant.

    Returns
    -------
    array
        Shape (..., features, bins); 0 in bins that a feature has not.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If they are not floating-point arrays of one dtype.

    Examples
    --------
    >>> import numpy
    >>> piecewise_linear_encoding(numpy.asarray([[1.5], [5.0]]), numpy.asarray([[0.0, 1.0, 3.0]]))
    array([[[1.  , 0.25]],
    <BLANKLINE>
           [[1.  , 2.  ]]])
    """
    require_floating_input("piecewise_linear_encoding", x)
    if edges.ndim != 2 or edges.shape[1] < 2 or x.ndim == 0 or x.shape[-1] != edges.shape[0]:
        raise ValueError(
            "piecewise_linear_encoding expected x of shape (..., features) and edges of shape (features, bins + 1), "
            f"got {x.shape} and {edges.shape}"
        )
    require_dtype("piecewise_linear_encoding", x, edges)
    edges = plain(edges)
    xp = namespace_of(edges)
    start, width = edges[:, :-1], edges[:, 1:] - edges[:, :-1]
    there = xp.astype(width > 0, edges.dtype)
    inverse = there / (width + (1 - there))
    none = xp.zeros((edges.shape[0], 1), dtype=edges.dtype, device=array_device(edges))
    first = xp.concat([none < 1, there[:, 1:] > 1], axis=1)
    last = xp.concat([there[:, 1:], none], axis=1) < there
    low = xp.where(first, -inf, xp.zeros_like(there))  # of the size of the edges: nothing beside a batch
    high = xp.where(last, inf, xp.ones_like(there))
    return _clipped(x, start=start, inverse=inverse, low=low, high=high)


@differentiable
def _clipped(x: Array, *, start: Array, inverse: Array, low: Array, high: Array) -> Rule:
    """(x - start) inverse, between low and high, for each bin of each feature."""
    options = {"start": start, "inverse": inverse, "low": low, "high": high}
    u = _reach(plain(x), start, inverse)
    # where x lies in a bin; at an edge the derivative is that from the right
    slope = namespace_of(u).astype((u >= low) & (u < high), u.dtype) * inverse

    def dx(dy: Array) -> Array:
        return sum_over(dy * slope, axis=dy.ndim - 1)

    return as_one(_clipped, _clip_formula, x, **options), (dx,)


def _reach(x: Array, start: Array, inverse: Array) -> Array:
    return (namespace_of(x).expand_dims(x, axis=-1) - start) * inverse


def _clip_formula(x: Array, *, start: Array, inverse: Array, low: Array, high: Array) -> Array:
    xp = namespace_of(x)
    return xp.minimum(xp.maximum(_reach(x, start, inverse), low), high)


def periodic_encoding(x: Array, c: Array) -> Array:
    """Each number as waves: [sin(2π c x), cos(2π c x)] for the frequencies `c` of its feature.

    Section 3.3.

    Parameters
    ----------
    x
        Shape (..., features).
    c
        Frequencies, shape (features, k).

    Returns
    -------
    array
        Shape (..., features, 2 k): the sines, then the cosines.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If they are not floating-point arrays of one dtype.

    Examples
    --------
    >>> import numpy
    >>> periodic_encoding(numpy.asarray([[0.25]]), numpy.asarray([[1.0, 2.0]])).round(6) + 0.0
    array([[[ 1.,  0.,  0., -1.]]])
    """
    require_floating_input("periodic_encoding", x)
    require_dtype("periodic_encoding", x, c)
    if c.ndim != 2 or x.ndim == 0 or x.shape[-1] != c.shape[0]:
        raise ValueError(
            f"periodic_encoding expected x of shape (..., features) and c of shape (features, k), got {x.shape} and "
            f"{c.shape}"
        )
    return _waves(x, c)


@differentiable
def _waves(x: Array, c: Array) -> Rule:
    xp = namespace_of(x, c)
    k, batch = c.shape[1], tuple(range(x.ndim - 1))
    column = xp.expand_dims(x, axis=-1)
    angle = column * (c * (2 * pi))
    sine, cosine = xp.sin(angle), xp.cos(angle)

    # dy_sin cos - dy_cos sin, the gradient of the angle
    def turned(dy: Array) -> Array:
        return dy[..., :k] * cosine - dy[..., k:] * sine

    # times 2π c, summed over the frequencies
    def dx(dy: Array) -> Array:
        return sum_over(turned(dy) * (c * (2 * pi)), axis=x.ndim)

    # times 2π x, summed over the batch
    def dc(dy: Array) -> Array:
        return sum_over(turned(dy) * column, axis=batch) * (2 * pi)

    return xp.concat([sine, cosine], axis=-1), (dx, dc)


def linear_per_feature(x: Array, w: Array, b: Array | None = None) -> Array:
    """A dense layer of its own for the vector of each feature: x_f W_f + b_f.

    Parameters
    ----------
    x
        Shape (..., features, in_features).
    w
        Shape (features, in_features, out_features).
    b
        Shape (features, out_features), or None.

    Returns
    -------
    array
        Shape (..., features, out_features).

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If they are not floating-point arrays of one dtype.

    Examples
    --------
    >>> import numpy
    >>> linear_per_feature(numpy.asarray([[[1.0], [2.0]]]), numpy.asarray([[[10.0]], [[3.0]]]))
    array([[[10.],
            [ 6.]]])
    """
    require_floating_input("linear_per_feature", x)
    require_dtype("linear_per_feature", x, w)
    if w.ndim != 3 or x.shape[-2:] != w.shape[:2]:
        raise ValueError(
            "linear_per_feature expected x of shape (..., features, in_features) and w of shape (features, "
            f"in_features, out_features), got {x.shape} and {w.shape}"
        )
    if b is not None:
        require_dtype("linear_per_feature", x, b)
        if tuple(b.shape) != (w.shape[0], w.shape[2]):
            raise ValueError(f"linear_per_feature expected b of shape {(w.shape[0], w.shape[2])}, got {b.shape}")
    return _products(x, w, b)


@differentiable
def _products(x: Array, w: Array, b: Array | None) -> Rule:
    xp = namespace_of(x, w, b)
    features, inputs, outputs = w.shape

    # the features first, so that each is a matrix: (features, n, length)
    def by_feature(x: Array, length: int) -> Array:
        xp = namespace_of(x)
        return xp.permute_dims(xp.reshape(x, (-1, features, length)), (1, 0, 2))

    def by_item(x: Array, shape: tuple[int, ...]) -> Array:
        xp = namespace_of(x)
        return xp.reshape(xp.permute_dims(x, (1, 0, 2)), shape)

    rows = by_feature(x, inputs)
    y = by_item(xp.matmul(rows, w), (*x.shape[:-1], outputs))
    if b is not None:
        y = y + b

    # dx = dy Wᵀ,  dW = xᵀ dy,  db = sum of dy over the batch, for each feature
    def dx(dy: Array) -> Array:
        transposed = xp.matrix_transpose(w)
        return by_item(namespace_of(dy, w).matmul(by_feature(dy, outputs), transposed), x.shape)

    def dw(dy: Array) -> Array:
        return namespace_of(dy, x).matmul(xp.matrix_transpose(rows), by_feature(dy, outputs))

    def db(dy: Array) -> Array:
        return sum_over(dy, axis=tuple(range(dy.ndim - 2)))

    return y, (dx, dw, db)


def quantile_edges(x: Array, bins: int = 48) -> list[Array]:
    """The edges of bins that hold about as many numbers each, for each feature of the training data.

    The empirical quantiles at 0, 1/bins, …, 1, without those that repeat: section 3.2.1. A feature with few different
    numbers gets fewer bins. Give the training rows only.

    Parameters
    ----------
    x
        Shape (n, features), without missing values.
    bins
        At most how many bins.

    Returns
    -------
    list of arrays
        For each feature its edges, ascending: NumPy arrays, for `PiecewiseLinearEmbedding`.

    Raises
    ------
    ValueError
        If `bins` is not positive, `x` has not two axes, or a feature is constant or not finite.

    Examples
    --------
    >>> import numpy
    >>> [edges.tolist() for edges in quantile_edges(numpy.asarray([[0.0], [1.0], [2.0], [9.0]]), bins=2)]
    [[0.0, 1.5, 9.0]]
    """
    bins = positive("quantile_edges", "bins", bins)
    require_floating_input("quantile_edges", x)
    if x.ndim != 2 or not x.shape[0]:
        raise ValueError(f"quantile_edges expected x of shape (n, features), got shape {x.shape}")
    host = to_host(x)
    xp = namespace_of(host)
    ordered = xp.sort(host, axis=0)
    return [_edges(xp, ordered[:, feature], feature, bins) for feature in range(x.shape[1])]


def _edges(xp: Any, ordered: Array, feature: int, bins: int) -> Array:
    last = ordered.shape[0] - 1
    places = [last * n / bins for n in range(bins + 1)]
    below, above = xp.asarray([int(p) for p in places]), xp.asarray([min(int(p) + 1, last) for p in places])
    share = xp.asarray([p - int(p) for p in places], dtype=ordered.dtype)
    edges = xp.unique_values(ordered[below] * (1 - share) + ordered[above] * share)
    if edges.shape[0] < 2 or not xp.all(xp.isfinite(edges)):
        raise ValueError(f"quantile_edges expected finite numbers, not all equal, in feature {feature}: leave it out")
    return edges


def padded_edges(who: str, edges: Sequence[Array], dtype: str) -> Array:
    """Edges of each feature as one array (features, bins + 1), the last one repeated; checked."""
    for feature, row in enumerate(edges):
        if not hasattr(row, "__array_namespace__") and not hasattr(row, "__dlpack__"):
            raise TypeError(f"{who} expected an array of edges for feature {feature}, got {type(row).__name__}")
    hosts = [to_host(row) for row in edges]
    if not hosts:
        raise ValueError(f"{who} expected the edges of at least one feature, got none")
    xp = namespace_of(hosts[0])
    for feature, row in enumerate(hosts):
        if row.ndim != 1 or row.shape[0] < 2 or not xp.all(row[1:] > row[:-1]) or not xp.all(xp.isfinite(row)):
            raise ValueError(f"{who} expected at least two ascending finite edges for feature {feature}, got {row}")
    longest = max(row.shape[0] for row in hosts)
    rows = [xp.concat([row, xp.full(longest - row.shape[0], row[-1], dtype=row.dtype)]) for row in hosts]
    return xp.astype(xp.stack(rows), getattr(xp, dtype))
