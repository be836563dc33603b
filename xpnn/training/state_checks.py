"""What is checked of a saved state before any of it is loaded: it may be of another program, or made to deceive."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from xpnn.arrays.namespaces import Array
from xpnn.training.words import from_json

__all__ = ["check_names", "check_values"]

_NEEDED = ("position", "seed", "begun", "data", "history", "callbacks", "optimizer", "accumulate")
_COUNTS = ("epoch", "batch", "step", "skipped_in_epoch")
_WAITING = {  # what arrays are called that wait for the data of the next `fit`
    "running.": r"total|weight",
    "pending.": r"values|shares|outputs\.[0-9]+\.[0-9]+",
    "metrics.": r".+",
    "callbacks.": r"[0-9]+\.\w+\..+",
}


def check_values(metadata: Any) -> None:
    """Raise ValueError if metadata lack a part, or a part is of another kind than `Trainer.state_dict` writes."""
    if not isinstance(metadata, Mapping):
        raise ValueError(f"expected metadata as Trainer.state_dict gives them, got {type(metadata).__name__}")
    if missing := [name for name in _NEEDED if name not in metadata]:
        raise ValueError(
            f"expected a state as Trainer.state_dict gives it, got one without {', '.join(sorted(missing))}"
        )
    position = metadata["position"]
    for name in _COUNTS:
        _require(f"position {name}", position, name, _is_count, "a whole number of 0 or more")
    _require("position seconds_in_epoch", position, "seconds_in_epoch", _is_time, "a number of 0 or more")
    for name in ("epoch", "step"):
        _require(f"begun {name}", metadata["begun"], name, _is_count, "a whole number of 0 or more")
    _require("optimizer", metadata, "optimizer", lambda x: isinstance(x, str), "a name")
    _require("accumulate", metadata, "accumulate", lambda x: _is_count(x) and x > 0, "a whole number of 1 or more")
    _require("data", metadata, "data", lambda x: x is None or isinstance(x, Mapping), "a description")
    _require("history", metadata, "history", _are_rows, "a list of rows")
    _require("callbacks", metadata, "callbacks", _are_states, "states by number and class")


def _require(what: str, holder: Any, name: str, fits: Callable[[Any], bool], expected: str) -> None:
    if not isinstance(holder, Mapping) or name not in holder:
        raise ValueError(f"expected a state with {what}, got {holder!r:.60}")
    if not fits(holder[name]):
        raise ValueError(f"expected a state whose {what} is {expected}, got {holder[name]!r:.60}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0


def _are_rows(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(row, Mapping) and isinstance(from_json(row), dict) for row in value
    )


def _are_states(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        re.fullmatch(r"[0-9]+\.\w+", name) and isinstance(state, Mapping) and isinstance(from_json(state), dict)
        for name, state in value.items()
    )


def check_names(arrays: Mapping[str, Array]) -> None:
    """Raise ValueError if arrays that wait for the next `fit` have other names or shapes than a trainer gives them."""
    for name, array in arrays.items():
        start, _, rest = name.partition(".")
        pattern = _WAITING.get(f"{start}.")
        if pattern is not None and not re.fullmatch(pattern, rest):
            raise ValueError(f"expected arrays as Trainer.state_dict gives them, got one named {name!r}")
        if start == "running" and array.shape != ():
            raise ValueError(f"expected {name} to be one number, got shape {array.shape}")
    for pair in (("running.total", "running.weight"), ("pending.values", "pending.shares")):
        shapes = [arrays[name].shape for name in pair if name in arrays]
        if len(shapes) == 1 or len(set(shapes)) > 1 or any(len(shape) > 1 for shape in shapes):
            raise ValueError(f"expected {' and '.join(pair)} of one shape, or neither, got shapes {shapes}")
