"""A fit that fails leaves the estimator as it was: unfitted, or with the weights that it had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy

from xpnn.arrays.devices import device_of
from xpnn.nn.module import Module
from xpnn.optim.base import Optimizer
from xpnn.training.trainer import Trainer

__all__ = ["all_or_nothing"]


@contextmanager
def all_or_nothing(estimator: Any, *, goes_on: bool) -> Iterator[None]:
    """Take all attributes back after an error, and a `RandomState` to where it was; with `goes_on`, what is trained in
    place, too: the network, and the trainer of `partial_fit` with its optimizer. A fit from the beginning makes them
    anew.
    """
    before = {name: _kept(name, value) for name, value in vars(estimator).items()}
    ways_back = _of_trained(before) if goes_on else []
    if isinstance(random := before.get("random_state"), numpy.random.RandomState):
        ways_back.append(partial(random.set_state, random.get_state()))
    try:
        yield
    except BaseException:
        for way_back in ways_back:
            way_back()
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def _kept(name: str, value: Any) -> Any:
    """Curves grow in place; parameters keep their identity."""
    return list(value) if name.endswith("_") and isinstance(value, list) else value


def _of_trained(attributes: dict[str, Any]) -> list[Callable[[], None]]:
    """The ways back, in their order: an optimizer finds the arrays of its network as they were."""
    trainer: Trainer | None = attributes.get("_trainer")
    networks = [attributes.get("network_"), attributes.get("module_"), None if trainer is None else trainer.model]
    different = {id(network): network for network in networks if network is not None}
    found = [_of_network(network) for network in different.values()]
    return found if trainer is None else [*found, _of_optimizer(trainer.optimizer), _of_position(trainer)]


def _of_network(network: Module) -> Callable[[], None]:
    state, place = network.state_dict(), device_of(network.parameters()[0])

    def back() -> None:
        network.to(place)
        network.load_state_dict(state)

    return back


def _of_optimizer(optimizer: Optimizer) -> Callable[[], None]:
    """Its arrays, and its options: 'adaptive' and callbacks change the rate."""
    state = optimizer.state_dict()
    kept = [(options, dict(options)) for options in (optimizer.options, *optimizer.patterns.values())]

    def back() -> None:
        optimizer.load_state_dict(state)
        for options, values in kept:
            options.clear()
            options.update(values)

    return back


def _of_position(trainer: Trainer) -> Callable[[], None]:
    """Which decides the order of rows and what dropout leaves out; and the history, which grows in place."""
    kept, rows = dict(vars(trainer)), trainer.history.rows
    epochs = len(rows)

    def back() -> None:
        vars(trainer).clear()
        vars(trainer).update(kept)
        trainer.history.rows = rows
        del rows[epochs:]

    return back
