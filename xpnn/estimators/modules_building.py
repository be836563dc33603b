"""What an estimator of any module is made of: the module, its loss, its optimizer, each with options of its own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from inspect import Parameter, signature
from numbers import Integral
from typing import Any

from xpnn.arrays.devices import Device
from xpnn.arrays.namespaces import Array
from xpnn.estimators.network import ACTIVATIONS, NORMALIZATIONS, dense_network
from xpnn.estimators.solvers import scheduled
from xpnn.nn.module import Module
from xpnn.optim.adam import Adam, AdamW
from xpnn.optim.adam_relatives import Adamax, NAdam, RAdam
from xpnn.optim.base import Optimizer
from xpnn.optim.descent import SGD, Lion
from xpnn.optim.schedules import Schedule
from xpnn.optim.squares import Adadelta, Adagrad, RMSprop

__all__ = [
    "asks_for", "built", "loss_of", "name_of", "optimizer_of", "require_loss_options",
    "require_options", "takes_weights", "used_weights",
]  # fmt: skip

_OPTIMIZERS: dict[str, Any] = {
    kind.__name__.lower(): kind for kind in (SGD, Adam, AdamW, Adamax, NAdam, RAdam, Adagrad, Adadelta, RMSprop, Lion)
}


def dense(
    n_features: int,
    n_outputs: int,
    dtype: str,
    hidden_layer_sizes: int | Sequence[int] = (100,),
    activation: Any = "relu",
    dropout: Any = 0.0,
    normalization: str | None = None,
) -> Module:
    """The network of an estimator that was given none; its options are those of the MLPs."""
    sizes = list(hidden_layer_sizes) if hasattr(hidden_layer_sizes, "__iter__") else [hidden_layer_sizes]
    if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(f"module__hidden_layer_sizes expected whole numbers above 0, got {hidden_layer_sizes!r}")
    _require_known("activation", activation, ACTIVATIONS)
    _require_known("normalization", normalization, NORMALIZATIONS)
    return dense_network(
        n_features, [int(size) for size in sizes], n_outputs, activation=activation, dropout=dropout,
        normalization=normalization, dtype=dtype,
    )  # fmt: skip


def _require_known(name: str, given: Any, known: Iterable[str]) -> None:
    """Raise if a word, or one of a list, is none of those that are known."""
    for word in given if isinstance(given, list | tuple) else [given]:
        if isinstance(word, str) and word not in known:
            raise ValueError(f"module__{name} expected one of {', '.join(known)}, got {word!r}")


def built(given: Any, options: Mapping[str, Any] | None, of_data: Mapping[str, Any], seed: int) -> Module:
    """The module of an estimator, new or a copy.

    A function or a class is called with those of `of_data` that it asks for by name and with the options, which go
    before; the weights of what it gives are then drawn from the seed. A `Module` is copied, and its weights are those
    to begin with.

    Raises
    ------
    TypeError, ValueError
        If options are unknown or missing, or there is no module.
    """
    if isinstance(given, Module):
        if options:
            raise ValueError(
                f"module is a {type(given).__name__} already, which takes no options, got {', '.join(options)}: give "
                "its class or a function that builds one"
            )
        return copy.deepcopy(given)
    build = dense if given is None else given
    options = dict(options or {})
    asked = _parameters(build)
    known = {name: value for name, value in of_data.items() if name in asked and name not in options}
    require_options("module", build, known | options)
    for name, value in known.items():
        if value is None:
            raise ValueError(
                f"{name_of(build)} asks for {name}, which rows of shape {of_data['input_shape']} do not tell: let it "
                "ask for input_shape"
            )
    module = build(**known, **options)
    if not isinstance(module, Module):
        raise TypeError(f"{name_of(build)} expected to give a Module, got {type(module).__name__}")
    return module.initialize(seed)


def asks_for(given: Any, name: str) -> bool:
    """Whether what builds the module asks for something of the data; a module that is there already does not."""
    return not isinstance(given, Module) and name in _parameters(dense if given is None else given)


def _parameters(function: Callable[..., Any]) -> Mapping[str, Parameter]:
    return signature(function).parameters


def name_of(function: Any) -> str:
    """The name of a function, a class, or of the class of anything else."""
    return str(getattr(function, "__name__", type(function).__name__))


def require_options(
    part: str, function: Callable[..., Any], options: Mapping[str, Any], *, positional: int = 0
) -> None:
    """Raise if `function` takes no such options by name, or needs others beside `positional` arguments.

    Raises
    ------
    ValueError
        Naming what it takes.
    """
    found = list(_parameters(function).values())
    by_name = [one.name for one in found if one.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
    by_name = by_name[positional:]
    unknown = [name for name in options if name not in by_name]
    if unknown and not any(one.kind is Parameter.VAR_KEYWORD for one in found):
        raise ValueError(f"{part}__{unknown[0]}: {name_of(function)} takes {', '.join(by_name) or 'no options'}")
    needed = {one.name for one in found if one.default is Parameter.empty and one.name in by_name}
    if missing := sorted(needed - set(options)):
        raise ValueError(f"{name_of(function)} needs {missing[0]}: give {part}__{missing[0]}")


def optimizer_of(estimator: Any, module: Module, updates: int) -> Optimizer:
    """The optimizer of an estimator, for so many updates.

    Raises
    ------
    ValueError
        If options are unknown or missing.
    """
    kind = estimator.optimizer
    kind = _OPTIMIZERS[kind] if isinstance(kind, str) else kind
    rate: float | Schedule | None = estimator.learning_rate
    if estimator.schedule is not None:
        if rate is None and not callable(estimator.schedule):
            raise ValueError(f"schedule={estimator.schedule!r} expected a learning_rate to begin with, got None")
        if callable(rate):
            raise ValueError(f"a function learning_rate and schedule={estimator.schedule!r} both say the rate")
        rate = scheduled(estimator.schedule, float(rate or 0.0), updates)
    options = dict(estimator.optimizer_options or {})
    if "learning_rate" in options:
        raise ValueError("expected learning_rate as a parameter of its own, not as optimizer__learning_rate")
    _require_rate(kind, rate)
    if rate is not None:
        options["learning_rate"] = rate if callable(rate) else float(rate)
    require_options("optimizer", kind, options, positional=1)
    made: Optimizer = kind(module, **options)
    return made


def _require_rate(kind: Callable[..., Any], rate: Any) -> None:
    """Raise if an optimizer has no rate of its own and gets none, or takes none and gets one.

    Raises
    ------
    ValueError
        Naming it.
    """
    found = _parameters(kind)
    own = found.get("learning_rate")
    if rate is None and own is not None and own.default is Parameter.empty:
        raise ValueError(f"learning_rate=None: {name_of(kind)} needs learning_rate, it has none of its own")
    if rate is not None and own is None and not any(one.kind is Parameter.VAR_KEYWORD for one in found.values()):
        raise ValueError(f"optimizer {name_of(kind)} takes no learning_rate: give learning_rate=None")


def loss_of(given: Any, options: Mapping[str, Any] | None, place: Device) -> Callable[..., Array]:
    """The loss from a function `loss(y, t)`, a layer of `nn`, or the class of one, with its options.

    Raises
    ------
    ValueError
        If options are unknown or missing.
    """
    if isinstance(given, Module):
        if options:
            raise ValueError(f"loss is a {type(given).__name__} already: give its class beside {', '.join(options)}")
        return copy.deepcopy(given).to(place)
    options = dict(options or {})
    if isinstance(given, type):
        require_options("loss", given, options)
        layer: Module = given(**options)
        return layer.to(place)
    require_options("loss", given, options, positional=2)
    function: Callable[..., Array] = partial(given, **options) if options else given
    return function


def takes_weights(loss: Any) -> bool:
    """Whether a loss takes `sample_weight`."""
    found = signature(loss.forward if isinstance(loss, Module) else loss).parameters.values()
    return any(one.name == "sample_weight" or one.kind is Parameter.VAR_KEYWORD for one in found)


def require_loss_options(loss: str, given: Mapping[str, Any] | None, known: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a loss by name, with their defaults; raise if one is unknown."""
    for name in given or {}:
        if name not in known:
            raise ValueError(f"loss__{name}: loss={loss!r} takes {', '.join(known) or 'no options'}")
    return {**known, **(given or {})}


def used_weights(weights: Any, loss: Callable[..., Any]) -> Any:
    """The weights, or raise if a loss takes none."""
    if weights is not None and not takes_weights(loss):
        raise ValueError("weights need a loss that takes sample_weight=...")
    return weights
