"""Weight normalisation: a weight's length is trained apart from its direction."""

from __future__ import annotations

from typing import Any

from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import sum_over
from xpnn.autodiff.broadcasting import sum_to
from xpnn.autodiff.tape import differentiable
from xpnn.nn.building import require_dtype, require_floating_input
from xpnn.nn.declarations import Parameter
from xpnn.nn.module import Module

__all__ = ["WeightNorm", "weight_norm"]

Rule = Any  # (value, backward)
Axes = tuple[int, ...]


def weight_norm(v: Array, g: Array, *, axis: int | None = 0) -> Array:
    """g v / ||v||: the weight of direction `v` and length `g`.

    Salimans and Kingma, Weight normalization (2016).

    Parameters
    ----------
    v
        Shape (out_features, ...).
    g
        The norms, with the axes of `v` but of length 1, except `axis`.
    axis
        The axis whose slices each have a length of their own, -1 for the last; None: the weight has one, and `g` has
        shape ().

    Raises
    ------
    ValueError
        If `g` has another shape, or there is no such axis.
    TypeError
        If `axis` is no integer, or the arrays are not of floating-point numbers of one dtype.

    Examples
    --------
    >>> import numpy
    >>> weight_norm(numpy.asarray([[3.0, 4.0]]), numpy.asarray([[10.0]]))
    array([[6., 8.]])
    """
    require_floating_input("weight_norm", v)
    expected = _lengths_shape(v, axis)
    if tuple(g.shape) != expected:
        raise ValueError(f"weight_norm expected g of shape {expected} for v of shape {v.shape}, got {g.shape}")
    require_dtype("weight_norm", v, g)
    return _unit_norm(v, g, axes=_other_axes(v.ndim, axis))


def _other_axes(ndim: int, axis: int | None) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, bool) or not hasattr(axis, "__index__"):
        raise TypeError(f"weight_norm expected axis to be an integer or None, got {axis!r:.40}")
    if not -ndim <= axis < ndim:
        raise ValueError(f"weight_norm expected an axis of v, which has {ndim}, got {axis}")
    return tuple(n for n in range(ndim) if n != axis % ndim)


def _lengths_shape(v: Array, axis: int | None) -> tuple[int, ...]:
    others = _other_axes(v.ndim, axis)
    return () if axis is None else tuple(1 if n in others else length for n, length in enumerate(v.shape))


@differentiable
def _unit_norm(v: Array, g: Array, *, axes: Axes) -> Rule:
    """`g v / ||v||`, with the norm over `axes`; `g` has the shape of the norms, with axes of length 1."""
    xp = namespace_of(v, g)
    inverse = 1 / xp.reshape(xp.sqrt(sum_over(v * v, axis=axes)), g.shape)
    unit = v * inverse

    # g / ||v|| (dy - u <dy, u>), u = v / ||v||
    def dv(dy: Array) -> Array:
        return (dy - sum_to(dy * unit, g.shape) * unit) * (g * inverse)

    # <dy, u>
    def dg(dy: Array) -> Array:
        return sum_to(dy * unit, g.shape)

    return unit * g, (dv, dg)


class WeightNorm(Module):
    """A layer whose `weight` has a length of its own: `layer` with `weight_norm(layer.weight, weight_g)` as weight.

    At first it computes what the layer computed. PyTorch's `weight_norm(layer)` is the same, under the names `weight_v`
    (here `layer.weight`) and `weight_g`.

    Parameters
    ----------
    layer
        A layer with a parameter `weight`, such as `Linear`.
    axis
        The axis of the weight whose slices each have a length, 0 for the outputs of `Linear`, -1 for the last; None:
        one for the whole, which in PyTorch is also what -1 means.

    Attributes
    ----------
    weight_g
        The lengths; of the weight's axes, all of length 1 but `axis`.

    Raises
    ------
    TypeError
        If `layer` is not a module with a parameter `weight`, or `axis` no integer.
    ValueError
        If the weight has no such axis.

    Examples
    --------
    >>> from xpnn import nn
    >>> layer = WeightNorm(nn.Linear(2, 3))
    >>> layer.weight_g.shape
    (3, 1)
    """

    weight_g: Array

    def __init__(self, layer: Module, *, axis: int | None = 0) -> None:
        if not isinstance(layer, Module) or getattr(layer, "weight", None) is None:
            raise TypeError(f"WeightNorm expected a layer with a parameter weight, got {layer!r:.60}")
        self.axis = axis
        self.layer = layer
        self.weight_g = Parameter(self._lengths())

    def _lengths(self) -> Array:
        v = self.layer.weight  # type: ignore[attr-defined]
        xp = namespace_of(v)
        others = _other_axes(v.ndim, self.axis)
        lengths = xp.asarray(xp.sqrt(xp.sum(v * v, axis=others)))  # of shape (), NumPy gives a number
        return xp.reshape(lengths, _lengths_shape(v, self.axis))

    def reset(self, *, seed: int, path: str) -> None:
        # the layer draws the same again when its own turn comes, after this one's
        self.layer.reset(seed=seed, path=f"{path}.layer" if path else "layer")
        self.weight_g[...] = device_of(self.weight_g).asarray(self._lengths())

    def forward(self, x: Array) -> Array:
        layer = object.__new__(type(self.layer))
        layer.__dict__.update(self.layer.__dict__)
        weight = weight_norm(self.layer.weight, self.weight_g, axis=self.axis)  # type: ignore[attr-defined]
        layer.__dict__["weight"] = weight
        return layer(x)

    def describe(self) -> str:
        return "" if self.axis == 0 else f"axis={self.axis}"
