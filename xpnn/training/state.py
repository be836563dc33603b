"""The state of a training as arrays and JSON, from which it goes on bit for bit.

| arrays named | are |
| --- | --- |
| `model.*`, `average.*` | parameters and buffers, and their moving averages |
| `optimizer.*`, `also.NAME.*` | the optimizer's state, and that of further things a step changes |
| `running.*`, `metrics.*`, `pending.*` | sums of the epoch so far, and what was not summed up yet |
| `callbacks.*` | what callbacks keep, such as the best weights |

The rest is position, seeds (those of layers that draw, too), history, a description of the data and versions. There is
no state of a random generator: all draws are functions of seed, step and position.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata as installed
from typing import TYPE_CHECKING, Any

from xpnn.arrays.namespaces import Array
from xpnn.arrays.tree import Tree
from xpnn.nn.drawing import draws_of, require_draws, set_draws
from xpnn.nn.module import Module
from xpnn.training.running import Running
from xpnn.training.state_checks import check_names, check_values
from xpnn.training.words import as_json, from_json

if TYPE_CHECKING:
    from xpnn.training.trainer import Trainer

__all__ = ["POSITION", "Loaded", "check", "load_state", "require_same_data", "state_of"]

POSITION = ("epoch", "batch", "step", "seconds_in_epoch", "skipped_in_epoch")


@dataclass
class Loaded:
    """What was loaded and waits for the data of the next `fit`."""

    arrays: dict[str, Array]
    metadata: Mapping[str, Any]

    def take_up(self, running: Running, like: tuple[Tree, ...]) -> None:
        """Put the sums of the epoch so far back."""
        if "running.total" in self.arrays:
            running.load_state_dict(self.arrays, like)

    def callbacks(self) -> dict[str, dict[str, Any]]:
        """The states of the callbacks, by position and class."""
        states: dict[str, dict[str, Any]] = {
            name: from_json(values) for name, values in self.metadata["callbacks"].items()
        }
        for name, array in self.arrays.items():
            if name.startswith("callbacks."):
                number, kind, key = name.removeprefix("callbacks.").split(".", 2)
                states.setdefault(f"{number}.{kind}", {})[key] = array
        return states


def state_of(trainer: Trainer) -> tuple[dict[str, Array], dict[str, Any]]:
    """See `Trainer.state_dict`."""
    arrays = {f"{start}{name}": array for start, one in _parts(trainer) for name, array in one.state_dict().items()}
    loaded = trainer._loaded
    if loaded is not None:
        arrays |= {name: array for name, array in loaded.arrays.items() if _waits(name)}
        callbacks, data, begun = (loaded.metadata[name] for name in ("callbacks", "data", "begun"))
        metrics = loaded.metadata.get("metrics", {})
    else:
        metrics = {}
        if trainer._running is not None:
            arrays |= trainer._running.state_dict()
            metrics = trainer._running.describe()
        kept, callbacks = _of_callbacks(trainer)
        arrays |= kept
        data = None if trainer._feed is None else trainer._feed.describe()
        begun = trainer._begun or {"epoch": trainer.epoch, "step": trainer.step}
    return arrays, {
        "position": {name: getattr(trainer, name) for name in POSITION},
        "seed": trainer.seed,
        "draws": {start: draws_of(model) for start, model in _models(trainer)},
        "accumulate": trainer.accumulate,
        "begun": begun,
        "ended": trainer.ended,
        "data": data,
        "metrics": metrics,
        "history": as_json(trainer.history.rows),
        "callbacks": callbacks,
        "device": trainer.place.describe(),
        "optimizer": type(trainer.optimizer).__name__,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """The versions of what computes."""
    found = {"python": platform.python_version()}
    for name in ("xpnn", "numpy", "array-api-compat"):
        try:
            found[name] = installed.version(name)
        except installed.PackageNotFoundError:
            found[name] = "unknown"
    return found


def _waits(name: str) -> bool:
    return name.startswith(("running.", "metrics.", "pending.", "callbacks."))


def _parts(trainer: Trainer) -> list[tuple[str, Any]]:
    """What has a state of its own, with the start of its arrays' names."""
    starts = ["model.", "optimizer.", *(["average."] if trainer.average is not None else [])]
    return list(zip([*starts, *(f"also.{name}." for name in trainer.also)], trainer._stateful(), strict=True))


def _models(trainer: Trainer) -> list[tuple[str, Module]]:
    """Whose layers may draw numbers: the seeds of random layers are no arrays, and go with the metadata."""
    return [(start, one) for start, one in _parts(trainer) if isinstance(one, Module)]


def _of_callbacks(trainer: Trainer) -> tuple[dict[str, Array], dict[str, Any]]:
    arrays: dict[str, Array] = {}
    rest: dict[str, Any] = {}
    told = trainer._callbacks
    for name, state in ({} if told is None else told.state_dict()).items():
        try:
            rest[name] = as_json({key: value for key, value in state.items() if not hasattr(value, "dtype")})
        except TypeError as error:
            error.add_note(f"It is in what state_dict of the callback {name.partition('.')[2]} gives")
            raise
        arrays |= {f"callbacks.{name}.{key}": value for key, value in state.items() if hasattr(value, "dtype")}
    return arrays, rest


def load_state(trainer: Trainer, arrays: Mapping[str, Array], metadata: Mapping[str, Any]) -> None:
    """See `Trainer.load_state_dict`."""
    check(trainer, arrays, metadata)
    before = trainer._copy()
    try:
        for start, one in _parts(trainer):
            one.load_state_dict({name.removeprefix(start): x for name, x in arrays.items() if name.startswith(start)})
        _check_draws(trainer, metadata.get("draws", {}))
    except BaseException:
        trainer._go_back(before)
        raise
    for start, model in _models(trainer):
        set_draws(model, metadata.get("draws", {}).get(start, {}))
    for name in POSITION:
        setattr(trainer, name, metadata["position"][name])
    trainer.ended = bool(metadata.get("ended", False))
    trainer.history.rows[:] = from_json(metadata["history"])
    trainer._loaded = Loaded({name: x for name, x in arrays.items() if _waits(name)}, metadata)
    trainer._running = None


def check(trainer: Trainer, arrays: Mapping[str, Array], metadata: Mapping[str, Any]) -> None:
    """Raise if it is no state of a trainer like this."""
    check_values(metadata)
    check_names(arrays)
    if metadata["seed"] != trainer.seed:
        raise ValueError(f"the state is of a training with seed {metadata['seed']}, this trainer has {trainer.seed}")
    own = type(trainer.optimizer).__name__
    if metadata["optimizer"] != own:
        raise ValueError(f"the state is of a training by {metadata['optimizer']}, this trainer has {own}")
    starts = tuple(start for start, _ in _parts(trainer))
    for start in starts:
        if not any(name.startswith(start) for name in arrays):
            raise ValueError(f"the state has no arrays {start}*, which this trainer has")
    strange = sorted({name.partition(".")[0] for name in arrays if not name.startswith(starts) and not _waits(name)})
    if strange:
        raise ValueError(f"the state has arrays {', '.join(strange)}.*, which this trainer has not")


def _check_draws(trainer: Trainer, draws: Any) -> None:
    """Raise if it has no such layers. A state of an earlier version has no seeds; the layers then keep theirs."""
    if not isinstance(draws, Mapping):
        raise ValueError(f"expected the state's draws by model, got {draws!r:.60}")
    for start, model in _models(trainer):
        require_draws(model, draws.get(start, {}))


def require_same_data(metadata: Mapping[str, Any], now: Mapping[str, Any], where: str) -> None:
    """Raise if an epoch that was left half done is one of other data, batches or metrics than those `now`."""
    if not metadata["position"]["batch"]:
        return
    parts = {name: metadata[name] for name in ("accumulate", "metrics") if name in metadata}
    before = {**(metadata["data"] or {}), **parts}
    changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if changed:
        was = ", ".join(f"{name} {before.get(name)} (now {now.get(name)})" for name in changed)
        raise ValueError(f"{where} is in the middle of an epoch of other data: {was}")
