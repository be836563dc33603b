"""scikit-learn's callbacks: a fit is a task, and so is each of its epochs.

From version 1.9 on, scikit-learn has objects that look at a fit from outside (`sklearn.callback`): a progress bar over
a search and all its fits, scores after each step, what a user writes. They go down a pipeline or a search to the
estimators in it, if these know how to call them:

    search = GridSearchCV(MLPClassifier(), {"alpha": [0.01, 1.0]})
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)

An estimator begins a task for its fit and, under it, one for each epoch (for each iteration of L-BFGS). At the end of
an epoch, a callback that says True ends the training. Without callbacks nothing of this exists.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from xpnn.training.callbacks.base import Callback
from xpnn.training.trainer import Trainer

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupport
except ImportError:  # before 1.9

    class CallbackSupport:  # type: ignore[no-redef]
        """scikit-learn has no callbacks yet."""


__all__ = ["CallbackSupport", "FitTask", "fit_task", "is_watched", "tasks_of", "told_of_iterations"]


class FitTask(Callback):
    """The task of a fit, with one for each epoch under it; in a training it is a callback of ours.

    Parameters
    ----------
    estimator
        Who fits.
    given
        `X`, `y` and `sample_weight` as they came to `fit`: the callbacks get these.
    most
        How many epochs there are at most.
    """

    only_looks: ClassVar[bool] = True

    def __init__(self, estimator: Any, given: tuple[Any, Any, Any], most: int) -> None:
        X, y, sample_weight = given
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.estimator, self.most, self.begun = estimator, most, 0
        self.step = "iteration" if getattr(estimator, "solver", None) == "lbfgs" else "epoch"
        self._given = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._root = estimator._init_callback_context(max_subtasks=most)
        self._step: Any = None

    def begins(self) -> None:
        """Tell that the fit begins."""
        self._root.call_on_fit_task_begin(**self._given)

    def ends(self) -> None:
        """Tell that the fit is over: the estimator is what it will be."""
        self._root.call_on_fit_task_end(**self._given, reconstruction_attributes=self._as_it_is)

    def step_begins(self) -> None:
        """Tell that an epoch or iteration begins."""
        self.begun += 1
        self._step = self._root.subcontext(task_name=f"{self.step} {self.begun}")
        self._step.call_on_fit_task_begin(**self._given)

    def step_ends(self) -> bool:
        """Tell that it is over; whether a callback has had enough."""
        step, self._step = self._step, None
        return bool(step.call_on_fit_task_end(**self._given, reconstruction_attributes=self._as_it_is))

    def leaves(self) -> None:
        """Close a step that began and was not made."""
        if self._step is not None:
            self._step.call_on_fit_task_end(estimator=self.estimator)
            self._step = None

    def epoch_starts(self, trainer: Trainer) -> None:
        """An epoch of a training."""
        self.step_begins()

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """Its end."""
        return self.step_ends()

    def _as_it_is(self) -> dict[str, Any]:
        """What makes a copy of the estimator one that predicts by the weights of now; made only if it is asked for."""
        kept = {"_place_", "_home", "classes_", "network_", "module_"} & vars(self.estimator).keys()
        now = {name: getattr(self.estimator, name) for name in kept}
        for name in ("network_", "module_"):
            if name in now:
                now[name] = copy.deepcopy(now[name]).eval()
        return now


def is_watched(estimator: Any) -> bool:
    """Whether the estimator has callbacks of scikit-learn's, of its own or of a search or pipeline around it."""
    return bool(getattr(estimator, "_skl_callbacks", None))


@contextmanager
def fit_task(estimator: Any, given: tuple[Any, Any, Any], most: int) -> Iterator[FitTask | None]:
    """The task of a fit while it lasts, None if nobody wants to be told."""
    if not is_watched(estimator):
        yield None
        return
    task = estimator._fit_task = FitTask(estimator, given, most)
    try:
        task.begins()
        yield task
    finally:
        del estimator._fit_task


def tasks_of(estimator: Any) -> list[FitTask]:
    """The task of the fit that is going on, as a list of none or one."""
    return [estimator._fit_task] if "_fit_task" in vars(estimator) else []


@contextmanager
def told_of_iterations(tasks: list[FitTask], write: Callable[[Any], None]) -> Iterator[Callable[[Any], None] | None]:
    """SciPy's `callback` for these tasks, None for none. It writes the weights of an iteration, which a line search may
    have left, before it tells of them. SciPy says when an iteration is over, never that another begins: the last task
    may be empty.
    """
    if not tasks:
        yield None
        return
    (task,) = tasks

    def iterated(theta: Any) -> None:
        write(theta)
        task.estimator.n_iter_ = task.begun
        if task.step_ends():
            raise StopIteration
        if task.begun < task.most:
            task.step_begins()

    task.step_begins()
    yield iterated
    task.leaves()
