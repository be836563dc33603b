"""What a metric sees of a module's outputs: what people read, where that is not what the loss learns from.

A loss of rates learns from their logarithms, which nobody measures in: a metric of a `Regressor` sees what `predict`
gives. And the logits of several labels at once have the shape of those of several classes, of which one is right: our
metrics are shown each label by itself, so that none takes the row for one question. Weights of classes are the loss's:
metrics count rows as scikit-learn's do, by their own weights alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType
from typing import Any

from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.estimators.objectives import Objective
from xpnn.training.metrics.accumulating import METRICS, accumulated
from xpnn.training.metrics.base import Metric, Number

__all__ = ["Seen", "kind_of", "sight_of", "without_classes"]

Sight = Callable[[Array, Array, "Array | None"], tuple[Array, Array, "Array | None"]]


class Seen(Metric):
    """A metric of other outputs, targets and weights than those it is given.

    Parameters
    ----------
    metric
        As `Trainer` takes it.
    sight
        `sight(y, t, w)` gives those that it sees.

    Examples
    --------
    >>> import numpy
    >>> from xpnn.training.metrics import mean_absolute_error
    >>> metric = Seen(mean_absolute_error, lambda y, t, w: (numpy.exp(y), t, w))
    >>> metric.update(numpy.asarray([0.0, 0.0]), numpy.asarray([1.0, 3.0]))
    >>> metric.result()
    1.0
    """

    def __init__(self, metric: Metric | Callable[..., Any], sight: Sight) -> None:
        self.metric, self.sight = metric, sight
        self.start()

    def __deepcopy__(self, memo: Any) -> Seen:
        return Seen(self.metric, self.sight)  # whoever gave a function or an object that is called means that one

    def start(self) -> None:
        self._metric = accumulated(self.metric)

    def update(self, y: Array, t: Array, sample_weight: Array | None = None) -> None:
        self._metric.update(*self.sight(y, t, sample_weight))

    def result(self) -> Number:
        return self._metric.result()

    def state(self) -> dict[str, Array]:
        return self._metric.state()

    def load_state(self, state: Mapping[str, Array]) -> None:
        self._metric.load_state(state)


def sight_of(objective: Objective, metric: Any) -> Sight | None:
    """What a metric sees of such outputs and their targets; None: those themselves."""
    if objective.link == "exp":
        return _rates
    return _one_by_one if objective.link == "logistic" and objective.outputs > 1 and kind_of(metric) else None


def kind_of(metric: Any) -> type[Metric] | None:
    """The class of `training.metrics` that computes a metric, or None if it is one of the user's own.

    Examples
    --------
    >>> from xpnn.training.metrics import log_loss
    >>> kind_of(log_loss).__name__
    'LogLoss'
    """
    function = metric.func if isinstance(metric, partial) else metric
    kind: Any = METRICS.get(function) if isinstance(function, FunctionType) else type(function)
    return kind if kind in METRICS.values() else None


def without_classes(factors: list[Any] | None) -> Sight:
    """The weights of rows without those of their classes, which are the product of `factors` for each question; with
    None, no weights.
    """
    return _unweighted if factors is None else partial(_divided, factors=factors)


def _rates(y: Array, t: Array, w: Array | None) -> tuple[Array, Array, Array | None]:
    return namespace_of(y).exp(y), t, w


def _one_by_one(y: Array, t: Array, w: Array | None) -> tuple[Array, Array, Array | None]:
    """Single outputs, (n, labels, 1)."""
    xp = namespace_of(y, t)
    return xp.expand_dims(y, axis=-1), xp.expand_dims(t, axis=-1), w


def _unweighted(y: Array, t: Array, w: Array | None) -> tuple[Array, Array, Array | None]:
    return y, t, None


def _divided(y: Array, t: Array, w: Array | None, *, factors: list[Any]) -> tuple[Array, Array, Array | None]:
    assert w is not None
    xp, place = namespace_of(t, w), device_of(w)
    questions = xp.astype(xp.reshape(t, (t.shape[0], -1)), xp.int64)
    for n, factor in enumerate(factors):
        w = w / xp.take(place.asarray(factor, dtype=w.dtype), questions[:, n])
    return y, t, w
