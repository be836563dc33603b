"""Layers that draw random numbers: what these are a function of, beside the count of draws.

A layer that draws, such as `Dropout` or `RReLU`, has a `seed`, a `stream` and a buffer `calls`. The buffer is part of
`state_dict()`; seed and stream are a number and a word, which a training that goes on elsewhere needs too. A layer of
one's own with attributes of these names is one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpnn.nn.module import Module

__all__ = ["draws_of", "require_draws", "set_draws"]

_LARGEST = 2**64


def draws_of(model: Module) -> dict[str, list[Any]]:
    """`[seed, stream]` of each layer that draws, by its path.

    Examples
    --------
    >>> from xpnn import nn
    >>> draws_of(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).initialize(seed=3))
    {'1': [3, 'dropout/1']}
    """
    return {path: [module.__dict__["seed"], module.__dict__["stream"]] for path, module in _drawing(model).items()}


def require_draws(model: Module, draws: Any) -> None:
    """Raise if `draws` are not those of a model like this; layers of it may be missing among them.

    Raises
    ------
    ValueError
        If a layer is not one of the model's that draw, or has no seed and stream.
    """
    if not isinstance(draws, Mapping):
        raise ValueError(f"expected seeds of layers by their path, got {draws!r:.60}")
    own = _drawing(model)
    for path, given in draws.items():
        if path not in own:
            raise ValueError(f"there is a seed for {path!r}, which is no layer of the model's that draws numbers")
        if not (isinstance(given, list | tuple) and len(given) == 2 and _is_seed(given[0]) and _is_word(given[1])):
            raise ValueError(f"expected [seed, stream] for {path!r}, got {given!r:.60}")


def set_draws(model: Module, draws: Mapping[str, Any]) -> None:
    """Let the layers draw what those of another model did."""
    own = _drawing(model)
    for path, given in draws.items():
        own[path].seed, own[path].stream = given


def _drawing(model: Module) -> dict[str, Any]:
    return {
        path: module
        for path, module in model.named_modules()
        if _is_seed(module.__dict__.get("seed")) and _is_word(module.__dict__.get("stream"))
    }


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST


def _is_word(value: Any) -> bool:
    return isinstance(value, str)
