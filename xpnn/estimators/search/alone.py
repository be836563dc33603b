"""A fit of scikit-learn's own kind by itself, by the operations of `together`: a network is then one of one.

What an epoch of small networks costs is the calls around its products. A `Trainer` serves callbacks, other layers and
losses, any device; a fit that has none of them takes the same steps, to rounding, in less than half the time (breast
cancer).
`compile=False` asks for the `Trainer` and its plain steps.
"""

from __future__ import annotations

from typing import Any

import numpy

from xpnn.estimators.going_on import Begun, begun_by
from xpnn.estimators.scikit_callbacks import is_watched
from xpnn.estimators.search.known import has_known_rows, is_known
from xpnn.estimators.search.together import Together
from xpnn.estimators.search.waiting import Job
from xpnn.estimators.user_line import warn
from xpnn.training.interruption import CTRL_C, noticed

__all__ = ["goes_alone", "train_alone"]


def goes_alone(estimator: Any, batches: Any) -> bool:
    """Whether `train_alone` knows this fit."""
    asked = estimator.compile and not is_watched(estimator) and is_known(estimator)
    return bool(asked) and has_known_rows(estimator, batches)


def train_alone(estimator: Any, batches: Any, progress: Any, seed: int) -> None:
    """Train the estimator's network to the end of its fit; Ctrl-C ends it after a step, with a warning. NumPy warns of
    what overflows, as it does in scikit-learn's.
    """
    estimator._begun = begun_by(estimator)
    job = Job(estimator, batches, progress, seed, None)
    together = Together([job], alone=True)
    interrupted = False
    with noticed(CTRL_C) as interruption:
        try:
            while not together.over and interruption.signal is None:
                together.epoch(until=lambda: interruption.signal is not None)
        except KeyboardInterrupt:  # a second one, or that of a program with a handler of its own
            interrupted = True
    if interrupted or interruption.signal is not None:
        if not job.done:
            together.leave(0)
        warn("Training interrupted by user.")
    estimator._begun = _left(estimator, together)


def _left(estimator: Any, together: Together) -> Begun:
    """The state of the optimizer, as that of `optim` has it, for a `partial_fit` that goes on."""
    state: dict[str, Any] = {"steps": numpy.asarray(together.steps)}
    parts = [name for name, _ in estimator.network_.named_parameters()]
    for name, matrices in together.moments().items():
        arrays = [part for matrix in matrices for part in (matrix[..., :-1], matrix[..., -1])]
        for parameter, array in zip(parts, arrays, strict=True):
            state[f"{parameter}.{name}"] = numpy.ascontiguousarray(array if together.members.copies > 1 else array[0])
    return Begun(estimator._begun.asked, float(together.members.numbers["rate"][0]), state)
