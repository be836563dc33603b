"""A fit that fails leaves the estimator as it was: unfitted, or with the weights that it had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["all_or_nothing"]

_POSITION = ("epoch", "batch", "step")


@contextmanager
def all_or_nothing(estimator: Any, *, goes_on: bool) -> Iterator[None]:
    """Take all attributes back after an error; with `goes_on`, what is trained in place, too: the network, and the
    optimizer of `partial_fit`. A fit from the beginning makes them anew.
    """
    before = {name: _kept(name, value) for name, value in vars(estimator).items()}
    arrays = [(part, part.state_dict()) for part in (_trained(before) if goes_on else [])]
    trainer = before.get("_trainer")
    position = [] if trainer is None else [(name, getattr(trainer, name)) for name in _POSITION]
    try:
        yield
    except BaseException:
        for part, state in arrays:
            part.load_state_dict(state)
        for name, value in position:
            setattr(trainer, name, value)
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def _kept(name: str, value: Any) -> Any:
    """Curves grow in place; parameters keep their identity."""
    return list(value) if name.endswith("_") and isinstance(value, list) else value


def _trained(attributes: dict[str, Any]) -> list[Any]:
    trainer = attributes.get("_trainer")
    parts = [attributes.get("network_"), attributes.get("module_")]
    parts += [] if trainer is None else [trainer.model, trainer.optimizer]
    return list({id(part): part for part in parts if part is not None}.values())
