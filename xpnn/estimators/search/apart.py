"""Batched trainings in processes of joblib's, as scikit-learn's searches have them.

Threads would do for the arrays, but between two operations they wait for Python's lock: two threads took 0.8 of the
time of one, two processes 0.55 (100 hidden units). A process gets the jobs of its training as pickles, rows once, and
gives back what training changes, which the jobs of the search take over.
"""

from __future__ import annotations

from typing import Any

from sklearn.utils.parallel import Parallel, delayed

from xpnn.estimators.search.together import trained_together
from xpnn.estimators.search.waiting import Job

__all__ = ["train_apart"]

CURVES = (
    "n_iter_", "t_", "loss_", "loss_curve_", "best_loss_", "validation_loss_curve_", "validation_scores_",
    "best_validation_score_", "_no_improvement_count", "_best_monitored", "best_epoch_", "monitored_curve_",
)  # fmt: skip


def train_apart(blocks: list[list[Job]], n_jobs: int) -> None:
    """Train each block of jobs, as many at once as `n_jobs` says."""
    given = [(block, [job.estimator._objective for job in block]) for block in blocks]  # which pickles do not hold
    trained = Parallel(n_jobs=n_jobs)(delayed(_trained)(*each) for each in given)
    for block, outcomes in zip(blocks, trained, strict=True):
        for job, outcome in zip(block, outcomes, strict=True):
            _take(job, **outcome)


def _trained(block: list[Job], objectives: list[Any]) -> list[dict[str, Any]]:
    for job, objective in zip(block, objectives, strict=True):
        job.estimator._objective = objective
    trained_together(block)
    return [
        {
            "done": job.done, "stopped": job.progress.stopped, "best": job.progress.best,
            "curves": {name: getattr(job.estimator, name) for name in CURVES if hasattr(job.estimator, name)},
            "parameters": [(layer.weight, layer.bias) for layer in job.layers],
        }
        for job in block
    ]  # fmt: skip


def _take(job: Job, *, done: bool, stopped: bool, best: Any, curves: dict[str, Any], parameters: list[Any]) -> None:
    job.done, job.progress.stopped, job.progress.best = done, stopped, best
    vars(job.estimator).update(curves)
    for layer, (weight, bias) in zip(job.layers, parameters, strict=True):
        layer.weight[...], layer.bias[...] = weight, bias
