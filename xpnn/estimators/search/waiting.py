"""Fits that wait for one another, so that their networks can be trained together.

A search prepares all its fits first: each checks its data, draws its weights and holds rows out as ever, but where the
training would begin it leaves a `Job` here. The jobs are trained together; then each fit is asked for once more, and
takes over what its job has become. A fit is known by its parameters and its data, so nothing is taken that another fit
would not have found, too; one that is not known trains by itself.

Only fits of the thread that searches wait, and only between `collecting` and the end of `giving`; while jobs are
collected only those that `only` names: a transformer's networks are trained there and then, and once more in the fit
that takes over, which will give their warnings.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy
from scipy import sparse

from xpnn.estimators.network import linear_layers
from xpnn.estimators.placement import home_of, on_host
from xpnn.estimators.user_line import held_back, warn

__all__ = ["Job", "SetAside", "adopted", "collecting", "collects", "giving", "only"]

_here = threading.local()


class SetAside(Exception):
    """Raised by a fit that cannot wait: it is to be done by itself."""


@dataclass
class Job:
    """A fit that is ready to be trained: the estimator with its first weights, rows, and what looks at epochs."""

    estimator: Any
    batches: Any
    progress: Any
    seed: int
    key: Any
    done: bool = False
    taken: bool = False  # over by the fit that scikit-learn makes
    said: tuple[Any, ...] = ()  # warnings of what went before the training
    drawn: tuple[Any, Any] | None = None  # NumPy's own state before and after, if the fit drew from that

    @cached_property
    def layers(self) -> list[Any]:
        """The dense layers of the network, which the training writes its weights to."""
        return linear_layers(self.estimator.network_)


@contextmanager
def collecting() -> Iterator[list[Job]]:
    """Fits leave their jobs in the list; those that cannot wait raise `SetAside`."""
    jobs: list[Job] = []
    _here.collecting, _here.only = jobs, None
    try:
        yield jobs
    finally:
        _here.collecting = None


@contextmanager
def only(estimator: Any) -> Iterator[None]:
    """No other estimator's fits wait. Its job has what it warns of, which nobody hears now."""
    with held_back() as said:
        _here.only, _here.said = estimator, said
        try:
            yield
        finally:
            _here.only = None


def _collecting(estimator: Any) -> Any:
    """The list of jobs, if this estimator's are collected."""
    return getattr(_here, "collecting", None) if getattr(_here, "only", None) is estimator else None


@contextmanager
def giving(jobs: list[Job]) -> Iterator[None]:
    """Fits take over the jobs that are done."""
    known: dict[Any, list[Job]] = {}
    for job in jobs:
        if job.done:
            known.setdefault(job.key, []).append(job)
    _here.giving = known
    try:
        yield
    finally:
        _here.giving = None


def adopted(estimator: Any, data: tuple[Any, ...]) -> bool:
    """Take over what the estimator's job has become; False if the estimator has to be trained.

    Raises
    ------
    SetAside
        While jobs are collected, if this one cannot wait.
    """
    collecting = _collecting(estimator)
    if sparse.issparse(data[0]) or sparse.issparse(data[1]) or home_of(data[0]) is not None:
        if collecting is not None:
            raise SetAside
        return False
    if collecting is not None:
        if any(part is not None for part in data[3:]):
            raise SetAside
        _here.said.clear()  # of steps before it
        _here.key, _here.before = _key(estimator, data), numpy.random.get_state()
        return False
    known = getattr(_here, "giving", None)
    if not known:
        return False
    jobs = known.get(_key(estimator, data))
    if not jobs:
        return False
    job = jobs.pop(0)
    job.taken = True
    _draw_as(job)
    for message in job.said:
        warn(message)
    given = estimator.get_params(deep=False)
    vars(estimator).update({name: value for name, value in vars(job.estimator).items() if name not in given})
    job.progress.finish()
    return True


def collects(estimator: Any, batches: Any, progress: Any, seed: int) -> bool:
    """Leave a job, if jobs are collected."""
    collecting = _collecting(estimator)
    if collecting is None:
        return False
    job = Job(estimator, batches, progress, seed, _here.key, said=tuple(_here.said))
    if estimator.random_state in (None, numpy.random):
        job.drawn = _here.before, numpy.random.get_state()
    collecting.append(job)
    return True


def _draw_as(job: Job) -> None:
    """Let NumPy's own state be what it would be after the fit: what comes next, such as the refit, draws other numbers
    than the first fit did.
    """
    if job.drawn is not None and _are_same(numpy.random.get_state(), job.drawn[0]):
        numpy.random.set_state(job.drawn[1])


def _are_same(one: Any, other: Any) -> bool:
    return all(map(numpy.array_equal, one, other))


def _key(estimator: Any, data: tuple[Any, ...]) -> Any:
    parameters = repr(sorted((name, repr(value)) for name, value in estimator.get_params(deep=False).items()))
    return type(estimator).__name__, parameters, *(_digest(part) for part in data)


def _digest(part: Any) -> Any:
    if part is None:
        return None
    array = numpy.asarray(on_host(part))
    if array.dtype.hasobject:
        return repr(array.tolist())
    return array.shape, str(array.dtype), blake2b(array.tobytes()).hexdigest()
