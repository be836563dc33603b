"""Which learning rate: a short training in which the rate grows from far too small to far too large.

    found = learning_rate_range_test(trainer, x, t)
    found.suggestion                    # a rate to begin with
    found.plot().savefig("rates.png")   # better look: where the loss falls fastest, and where it begins to rise

At small rates the loss hardly moves, then it falls faster and faster, and when updates overshoot it rises. The rate at
which it falls fastest is a good one for a training, the rate at which it stops falling the largest worth trying. This
is the "LR range test" of Smith, Cyclical learning rates for training neural networks (2017), section 3.3, with a rate
that grows exponentially instead of linearly, since beforehand not even its order of magnitude is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from math import isfinite
from typing import Any

from xpnn.training.callbacks.plots import BLUE, GREY, ORANGE
from xpnn.training.data import require_whole
from xpnn.training.door import evaluating
from xpnn.training.feeds import Call, Feed
from xpnn.training.steps import Layout, Steps
from xpnn.training.trainer import Trainer

__all__ = ["RangeTest", "learning_rate_range_test"]

SMOOTHING = 0.9  # what the mean of the losses keeps of itself at each step
FEWEST = 5  # steps before it may end


@dataclass
class RangeTest:
    """What a range test found.

    Attributes
    ----------
    rates, losses
        The rate of each step, and the loss of its batch before the update.
    smoothed
        A moving average of the losses, which decides when to end.
    diverged
        Whether it ended since the loss rose far above its best, or was not finite; else the largest rate was reached.
    suggestion
        The rate at which the losses fall fastest, by the logarithm of the rate; None if they do not fall.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    diverged: bool
    suggestion: float | None

    def plot(self) -> Any:
        """The losses by rate, as a figure of matplotlib (see `plot_history`)."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.rates, self.losses, ".", color=GREY, markersize=3, label="loss of a batch")
        axes.plot(self.rates, self.smoothed, color=BLUE, label="moving average")
        if self.suggestion is not None:
            label = f"falls fastest at {self.suggestion:.2g}"
            axes.axvline(self.suggestion, color=ORANGE, linestyle="--", label=label)
        least, first = min(self.smoothed), self.smoothed[0]
        room = max(first - least, 0.05 * abs(first)) or 1.0
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(least - room / 2, first + 1.5 * room))
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.legend(frameon=False)
        return figure


def learning_rate_range_test(
    trainer: Trainer,
    x: Any,
    t: Any = None,
    *,
    sample_weight: Any = None,
    lowest: float = 1e-7,
    highest: float = 10.0,
    steps: int = 100,
    batch_size: int = 32,
) -> RangeTest:
    """Train for some steps by a growing learning rate; model, optimizer, history and position are afterwards as before.

    All parameters have the same rate during the test. It ends early where the average loss is 4 times its best, as with
    fast.ai's, or not finite.

    Parameters
    ----------
    trainer
        The trainer; it may have trained before.
    x, t, sample_weight, batch_size
        As in `fit`; `x` may be a `Loader`.
    lowest, highest
        The first and the last rate.
    steps
        How many updates at most.

    Raises
    ------
    ValueError, TypeError
        If rates are not 0 < lowest < highest, `steps` is below 10, or data do not fit, as in `fit`.

    Examples
    --------
    >>> import numpy, xpnn
    >>> x = numpy.linspace(-1, 1, 64).reshape(-1, 1)
    >>> model = xpnn.nn.Linear(1, 1).initialize(seed=0)
    >>> trainer = xpnn.training.Trainer(model, xpnn.nn.squared_error, xpnn.optim.SGD(model, learning_rate=0.01))
    >>> found = learning_rate_range_test(trainer, x, 3 * x + 1)
    >>> found.diverged, 0.02 < found.suggestion < 1
    (True, True)
    """
    require_whole("steps", steps, 10)
    if not 0 < lowest < highest < float("inf"):
        raise ValueError(f"expected rates 0 < lowest < highest, got lowest {lowest} and highest {highest}")
    feed, first, _ = trainer._feed_of(x, t, sample_weight, None, batch_size, True)
    step = Steps(trainer._steps().parts, Layout(first), outputs=False).training.step
    rates = [lowest * (highest / lowest) ** (n / (steps - 1)) for n in range(steps)]
    losses: list[float] = []
    average = _Average()
    with _put_back(trainer), _rate_of(trainer) as set_rate:
        trainer.model.train()
        for rate, call in zip(rates, _endless(feed, trainer), strict=False):
            set_rate(rate)
            result = step(*call)
            losses.append(float(result[0] if isinstance(result, tuple) else result))
            if average.add(losses[-1]):
                break
    smoothed = average.values
    return RangeTest(
        rates[: len(losses)], losses, smoothed, average.diverged, _steepest(rates, losses, smoothed, steps)
    )


class _Average:
    """A moving average, corrected for its start from 0, and whether it is far above its best."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._sum, self._weight, self.diverged = 0.0, 0.0, False

    def add(self, loss: float) -> bool:
        """Take in a loss; whether there were enough."""
        self._sum = SMOOTHING * self._sum + (1 - SMOOTHING) * loss
        self._weight = SMOOTHING * self._weight + 1 - SMOOTHING
        self.values.append(self._sum / self._weight)
        best = min(self.values)
        far = self.values[-1] > max(best + 3 * abs(best), self.values[0])
        self.diverged = not isfinite(loss) or (far and len(self.values) > FEWEST)
        return self.diverged


def _steepest(rates: list[float], losses: list[float], smoothed: list[float], steps: int) -> float | None:
    """The rate around which the losses fall fastest, up to where their average is least: by the slopes of straight
    lines through a tenth of the steps each, which noise moves little.
    """
    half = max(2, steps // 20)
    finite = [loss for loss in losses if isfinite(loss)]
    least = min(range(len(finite)), key=lambda n: smoothed[n], default=0)
    middles = range(half, min(least, len(finite) - 1 - half) + 1)
    around = range(-half, half + 1)
    slopes = {n: sum(k * finite[n + k] for k in around) for n in middles}  # but for a factor that all share
    best = min(slopes, key=lambda n: slopes[n], default=0)
    return rates[best] if slopes and slopes[best] < 0 else None


def _endless(feed: Feed, trainer: Trainer) -> Iterator[Call]:
    """The calls of one epoch after the other."""
    for epoch in count(trainer.epoch):
        for calls in feed.calls(epoch, 0, trainer.accumulate):
            yield from calls


@contextmanager
def _put_back(trainer: Trainer) -> Iterator[None]:
    """Model, optimizer, average and modes are as before afterwards, whatever happens."""
    before = trainer._copy()
    with evaluating(trainer.model):
        try:
            yield
        finally:
            trainer._go_back(before)


@contextmanager
def _rate_of(trainer: Trainer) -> Iterator[Any]:
    """A function that sets the rate of all parameters; the optimizer has its own again afterwards."""
    optimizer = trainer.optimizer
    places = [optimizer.options, *(one for one in optimizer.patterns.values() if "learning_rate" in one)]
    before = [one["learning_rate"] for one in places]

    def set_rates(rates: list[Any]) -> None:
        for place, rate in zip(places, rates, strict=True):
            place["learning_rate"] = rate

    try:
        yield lambda rate: set_rates([rate] * len(places))
    finally:
        set_rates(before)
