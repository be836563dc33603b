"""`GridSearchMLP`: scikit-learn's grid search, which trains the networks of candidates and folds together.

A search over learning rates and penalties trains the same network again and again, on few different sets of rows. Here
those that share rows, batches and shapes are members of one batched training (`search.together`), in as many processes
as asked for; scores, errors, warnings and the refit are scikit-learn's own code, over the estimators that come out.
Only NumPy's warnings of what overflows in a training are not given, since nobody could say whose it was.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import gcd
from typing import Any

import numpy
from joblib import effective_n_jobs
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import indexable
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

from xpnn.estimators.mlp_base import MLP
from xpnn.estimators.scikit_callbacks import is_watched
from xpnn.estimators.search.apart import train_apart
from xpnn.estimators.search.known import LARGEST, has_known_rows, may_wait, output_bytes
from xpnn.estimators.search.together import trained_together
from xpnn.estimators.search.waiting import Job, collecting, giving, only

__all__ = ["GridSearchMLP"]

MEMORY = 2**30  # bytes of weights and rows that wait at most; fits beyond it are done one by one


class _NothingTogether(Exception):
    """No fit of a search can be trained with another: the search is scikit-learn's."""


class GridSearchMLP(GridSearchCV):
    """scikit-learn's `GridSearchCV` with candidates and folds trained together where their networks allow it.

    Results are those of `GridSearchCV`, to rounding: each candidate starts on each fold from the weights that it has by
    itself, sees the same batches, and stops by the same rule.

    Trained together are `MLPClassifier` and `MLPRegressor`, also as the last step of a `Pipeline`, on the CPU, with
    solver 'adam' or 'sgd', one of scikit-learn's four activations, dense rows, and losses log loss or squared error,
    without dropout, normalization, schedule, max_norm or callbacks. Members of a batch have fold, integer random_state,
    hidden_layer_sizes, activation, solver, batch_size, label_smoothing and n_ens in common; learning rates, alpha,
    momentum, beta_1, beta_2, epsilon, tol, n_iter_no_change and max_iter may differ. All other fits are done one by
    one, with the same results; so are those after the first that would hold more than 1 GiB of weights and rows, and
    all where `cv` gives other folds each time it is asked or scikit-learn's callbacks look at the fits. Transformers
    before a network are fitted twice, and say twice what they warn of.

    Parameters
    ----------
    estimator, param_grid, scoring, refit, cv, verbose, pre_dispatch, error_score, return_train_score
        As in `sklearn.model_selection.GridSearchCV`.
    n_jobs
        Processes that train; None: 1, -1: one for each core. Results do not depend on it. Where no fit can be trained
        with another, they are scikit-learn's.

    Attributes
    ----------
    n_together_
        How many fits (candidates times folds) were trained together with others, or could have been.
    cv_results_
        As scikit-learn's. `mean_fit_time` has an equal share of the time that the common training took.

    Others are those of `sklearn.model_selection.GridSearchCV`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from xpnn.estimators import GridSearchMLP, MLPClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((8,), max_iter=40, n_iter_no_change=40, random_state=0)
    >>> search = GridSearchMLP(network, {"learning_rate_init": [1e-4, 0.1]}, cv=3, error_score="raise", refit=False)
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     search = search.fit(x, y)
    >>> search.best_params_, search.n_together_
    ({'learning_rate_init': 0.1}, 6)
    """

    def fit(self, X: Any, y: Any = None, **params: Any) -> GridSearchMLP:
        """Search, and train the best candidate on all rows; see `sklearn.model_selection.GridSearchCV.fit`."""
        self._validate_params()
        effective_n_jobs(self.n_jobs)  # which refuses 0
        working = copy.copy(self)  # scikit-learn's part of it runs in this thread
        if isinstance(self.cv, Iterator):
            working.cv = list(self.cv)  # which is read twice
        working.n_jobs, working._given, working._shared = None, (X, y, params, self.n_jobs), (0.0, 0)
        together = False
        if not _is_watched(self):
            with suppress(_NothingTogether):
                super(GridSearchMLP, working).fit(X, y, **params)
                together = True
        if not together:
            working.n_jobs, working._given = self.n_jobs, None  # processes, as scikit-learn has them
            super(GridSearchMLP, working).fit(X, y, **params)
        seconds, fits = working._shared
        if fits:
            working.cv_results_["mean_fit_time"] += seconds / (len(working.cv_results_["params"]) * working.n_splits_)
        working.n_together_ = fits
        del working._given, working._shared
        working.n_jobs, working.cv = self.n_jobs, self.cv
        self.__dict__.clear()
        self.__dict__.update(vars(working))
        return self

    def _run_search(self, evaluate_candidates: Callable[..., Any], *, callback_ctx: Any = None) -> None:
        context = {} if callback_ctx is None else {"callback_ctx": callback_ctx}  # from scikit-learn 1.9 on
        if self._given is None:
            super()._run_search(evaluate_candidates, **context)
            return
        candidates = list(ParameterGrid(self.param_grid))
        start = time.perf_counter()
        state = numpy.random.get_state()  # whose numbers are for scikit-learn's part
        jobs = self._prepared(candidates)
        numpy.random.set_state(state)
        _train(jobs, effective_n_jobs(self._given[3]))
        seconds = time.perf_counter() - start
        done = sum(job.done for job in jobs)
        if not done:
            raise _NothingTogether
        if self.verbose:
            print(f"Trained together: {done} of {len(candidates) * self.n_splits_} fits")
        with giving(jobs):
            super()._run_search(evaluate_candidates, **context)
        self._shared = seconds, sum(job.taken for job in jobs)

    def _prepared(self, candidates: list[dict[str, Any]]) -> list[Job]:
        """The fits that can wait, ready to be trained."""
        X, y, params, _ = self._given
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        again, folds = (list(copy.deepcopy(cv).split(X, y, **routed.splitter.split)) for _ in range(2))
        if not all(numpy.array_equal(a[0], b[0]) for a, b in zip(folds, again, strict=True)):
            return []
        rows: dict[Any, Any] = {}
        taken, lost = 0, False  # lost: NumPy's own numbers are not those that scikit-learn's fits would draw
        with collecting() as jobs:
            for candidate in candidates:
                for train, _ in folds:
                    if taken > MEMORY:
                        return jobs
                    before = len(jobs)
                    self._prepare(candidate, X, y, train, routed.estimator.fit)
                    lost = lost or len(jobs) == before
                    if lost and jobs[before:] and jobs[-1].drawn is not None:
                        jobs.pop()
                    for job in jobs[before:]:
                        taken += _shared_rows(job, rows)
        return jobs

    def _prepare(self, candidate: dict[str, Any], X: Any, y: Any, train: Any, fit_params: Any) -> None:
        """Let a fit go as far as its training; what goes wrong will go wrong again, where scikit-learn looks."""
        try:
            estimator = clone(self.estimator).set_params(**clone(candidate, safe=False))
            last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
            if not isinstance(last, MLP) or not may_wait(last) or is_watched(estimator) or is_watched(last):
                return
            X_train, y_train = _safe_split(estimator, X, y, train)
            with only(last):
                estimator.fit(X_train, y_train, **_check_method_params(X, params=fit_params, indices=train))
        except Exception:
            return


def _is_watched(search: GridSearchCV) -> bool:
    """Whether scikit-learn's callbacks look at fits of the search, each of which then is to tell of its epochs."""
    return any(map(is_watched, (search, search.estimator, *search.estimator.get_params().values())))


def _shared_rows(job: Job, rows: dict[Any, Any]) -> int:
    """Let equal arrays of different jobs be one; gives the bytes that are new."""
    new = sum(int(p.nbytes) for p in job.estimator.network_.parameters())
    shared = []
    for array in job.batches.arrays:
        key = (array.shape, str(array.dtype), hash(array.tobytes()))
        if key not in rows or not numpy.array_equal(rows[key], array):
            rows[key] = array
            new += int(array.nbytes)
        shared.append(rows[key])
    job.batches.arrays = tuple(shared)
    return 4 * new


def _train(jobs: list[Job], n_jobs: int) -> None:
    """Those alike together, in as many parts as there are processes."""
    groups: dict[Any, list[Job]] = {}
    for job in jobs:
        if has_known_rows(job.estimator, job.batches):
            groups.setdefault(_alike(job), []).append(job)
    parts = n_jobs // gcd(len(groups), n_jobs)  # so that all workers have as much to do
    blocks = [block for group in groups.values() for block in _blocks(group, parts)]
    if n_jobs == 1 or len(blocks) < 2:
        for block in blocks:
            trained_together(block)
    else:
        train_apart(blocks, n_jobs)


def _alike(job: Job) -> Any:
    """What members of one training have in common."""
    estimator = job.estimator
    return (
        tuple(map(id, job.batches.arrays)), job.seed, job.batches.batch_size, job.batches.shuffle,
        tuple(estimator._widths), str(estimator._dtype), estimator.activation, estimator.solver,
        bool(estimator.nesterovs_momentum), estimator.out_activation_, getattr(estimator, "label_smoothing", 0),
        estimator.n_ens,
    )  # fmt: skip


def _blocks(group: list[Job], parts: int) -> Iterator[list[Job]]:
    first = group[0]
    size = max(1, LARGEST // (output_bytes(first.estimator, first.batches) or 1))
    size = min(size, -(-len(group) // parts))
    for start in range(0, len(group), size):
        yield group[start : start + size]
