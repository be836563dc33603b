"""The networks of the estimators: dense layers, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import numpy

from xpnn.arrays.devices import Device
from xpnn.arrays.random import uniform
from xpnn.nn import activations, leaky_activations, piecewise_activations, smooth_activations
from xpnn.nn.batch_normalization import BatchNorm1d
from xpnn.nn.dense import Linear
from xpnn.nn.dropout import Dropout, Dropping
from xpnn.nn.ensemble import EnsembleLinear
from xpnn.nn.ensemble_normalization import EnsembleBatchNorm, EnsembleLayerNorm, EnsembleRMSNorm
from xpnn.nn.leaky_activations import RReLU
from xpnn.nn.module import Module
from xpnn.nn.normalization import LayerNorm, RMSNorm
from xpnn.nn.sequential import Sequential

__all__ = ["ACTIVATIONS", "NORMALIZATIONS", "dense_network", "linear_layers", "write_parameters"]

_MODULES = (activations, smooth_activations, piecewise_activations, leaky_activations)
NORMALIZATIONS: dict[str, Callable[..., Module]] = {"batch": BatchNorm1d, "layer": LayerNorm, "rms": RMSNorm}
_OF_MEMBERS: dict[str, Callable[..., Module]] = {
    "batch": EnsembleBatchNorm, "layer": EnsembleLayerNorm, "rms": EnsembleRMSNorm,
}  # fmt: skip
_LEFT_OUT = ("Softmax2d", "Threshold")  # of images; of numbers that a name does not say


def _by_name() -> dict[str, type[Module]]:
    found: dict[str, type[Module]] = {}
    for module in _MODULES:
        for name in module.__all__:
            kind = getattr(module, name)
            if isinstance(kind, type) and issubclass(kind, Module) and kind.__name__ not in _LEFT_OUT:
                found[name.lower()] = kind
    return found


_KINDS = _by_name()
ACTIVATIONS = ("identity", "logistic", *sorted(_KINDS))
"""The names of activations: scikit-learn's four, and those of `xpnn.nn` in lower case."""


class Apply(Module):
    """A function of an array as a layer."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


def activation_of(given: str | Callable[..., Any], dtype: str) -> Module | None:
    """The layer of an activation: a name, a layer's class, or a function of arrays; None for the identity."""
    if isinstance(given, str):
        if given == "identity":
            return None
        given = _KINDS["sigmoid" if given == "logistic" else given]
    if isinstance(given, type) and issubclass(given, Module):
        return given(dtype=dtype) if "dtype" in signature(given).parameters else given()
    return Apply(given)


def dense_network(
    n_features: int,
    hidden: Sequence[int],
    n_outputs: int,
    *,
    activation: Any,
    dropout: Any = 0.0,
    normalization: str | None = None,
    dtype: str = "float32",
    members: int = 1,
) -> Sequential:
    """Dense layers of these widths, with an activation (and dropout, normalisation) after each but the last.

    `activation` and `dropout` may be lists with one for each hidden layer. Several `members` are networks side by side,
    of outputs (members, n, n_outputs); an activation meets (members, n, width).

    Raises
    ------
    ValueError
        If a list has another length, or an activation has trained numbers, which several members would share.
    """
    each_activation = _for_each("activation", activation, len(hidden))
    each_dropout = _for_each("dropout", dropout, len(hidden))
    layers: list[Module] = []
    widths = [n_features, *hidden]
    for n, width in enumerate(hidden):
        layers.append(_dense(members, widths[n], width, dtype))
        if normalization is not None:
            layers.append(_normalization(members, normalization, width, dtype))
        if (layer := activation_of(each_activation[n], dtype)) is not None:
            _require_no_parameters(layer, each_activation[n], members)
            layers.append(layer)
        if each_dropout[n]:
            layers.append(Dropout(each_dropout[n]))
    layers.append(_dense(members, widths[-1], n_outputs, dtype))
    return Sequential(*layers)


def _dense(members: int, in_features: int, out_features: int, dtype: str) -> Module:
    if members == 1:
        return Linear(in_features, out_features, dtype=dtype)
    return EnsembleLinear(members, in_features, out_features, dtype=dtype)


def _normalization(members: int, name: str, width: int, dtype: str) -> Module:
    if members == 1:
        return NORMALIZATIONS[name](width, dtype=dtype)
    return _OF_MEMBERS[name](members, width, dtype=dtype)


def _require_no_parameters(layer: Module, given: Any, members: int) -> None:
    if members > 1 and layer.parameters():
        raise ValueError(
            f"activation={given!r} has trained numbers, which the networks of n_ens={members} would share: give "
            "another, or n_ens=1"
        )


def _for_each(name: str, given: Any, layers: int) -> list[Any]:
    if isinstance(given, list | tuple):
        if len(given) != layers:
            raise ValueError(f"{name} expected one value for each of {layers} hidden layers, got {len(given)}")
        return list(given)
    return [given] * layers


def linear_layers(network: Module) -> list[Linear | EnsembleLinear]:
    """The dense layers, in order."""
    return [module for _, module in network.named_modules() if isinstance(module, Linear | EnsembleLinear)]


def write_parameters(layers: Sequence[Any], name: str, given: Sequence[Any], place: Device) -> None:
    """Write the 'weight' or 'bias' of each layer, in place; or raise and write none. Weights are turned, (in, out).

    Raises
    ------
    ValueError
        If there are not as many as layers, or one has another shape.
    """
    arrays = [numpy.asarray(one).swapaxes(-2, -1) if name == "weight" else numpy.asarray(one) for one in given]
    parameters = [getattr(layer, name) for layer in layers]
    if [one.shape for one in arrays] != [tuple(p.shape) for p in parameters]:
        shapes = [p.shape[:-2] + p.shape[:-3:-1] if name == "weight" else p.shape for p in parameters]
        raise ValueError(
            f"expected a {name} for each layer, of shapes {', '.join(map(str, shapes))}, got "
            f"{', '.join(str(numpy.shape(one)) for one in given)}"
        )
    for parameter, one in zip(parameters, arrays, strict=True):
        parameter[...] = place.asarray(one, dtype=parameter.dtype)


def draw_weights(network: Module, seed: int, *, logistic: bool) -> None:
    """Draw weights and biases as scikit-learn does: U(-a, a) with a² = 6 / (fan_in + fan_out), 2 for the logistic
    function (Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010,
    equation 16); normalisations start at their defaults. Of several members the first starts as a network alone does,
    the others from streams of their own.

    The masks of dropout differ by where they start to count, not by their seed: a number that a recorded step has in
    it, while the count is an array that goes with the weights to whoever trains them (see `pool`).
    """
    network.initialize(seed)
    for _, module in network.named_modules():
        if isinstance(module, Dropping | RReLU):
            module.seed = 0
            module.calls[...] = seed << 32  # so many masks until those of the next seed begin
    for n, layer in enumerate(linear_layers(network)):
        fan_out, fan_in = layer.weight.shape[-2:]
        bound = float(numpy.sqrt((2.0 if logistic else 6.0) / (fan_in + fan_out)))
        for name in ("weight", "bias"):
            array = getattr(layer, name)
            if isinstance(layer, Linear):
                array[...] = _drawn(array, seed, f"estimator.{n}.{name}", bound)
                continue
            for k in range(layer.members):
                stream = f"estimator.{n}.{name}" + (f".{k}" if k else "")
                array[k, ...] = _drawn(array[k, ...], seed, stream, bound)


def _drawn(like: Any, seed: int, stream: str, bound: float) -> Any:
    drawn = uniform(like.shape, seed=seed, stream=stream, low=-bound, high=bound)
    return drawn.astype(like.dtype)
