"""What an estimator of any module is judged by beside its loss: metrics of `training`, and scorers of scikit-learn's.

A metric sees logits and numbers of classes as the loss does, of a regression what `predict` gives; a scorer asks the
estimator for predictions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from numbers import Real
from typing import Any

from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import get_scorer, get_scorer_names

from xpnn.estimators.modules_building import takes_weights
from xpnn.estimators.modules_seen import Seen, kind_of, sight_of
from xpnn.estimators.objectives import Objective
from xpnn.estimators.placement import results
from xpnn.estimators.quantities import central
from xpnn.estimators.refusals import named
from xpnn.training.direction import better_when
from xpnn.training.metrics.accumulating import METRICS, accumulated
from xpnn.training.metrics.base import Metric
from xpnn.training.metrics.confusion import ConfusionMatrix
from xpnn.training.metrics.ranking import AveragePrecision, RocAuc
from xpnn.training.metrics.regression import MeanAbsoluteError, MeanSquaredError, R2Score, RootMeanSquaredError
from xpnn.training.metrics.shares import Accuracy, TopKAccuracy, accuracy, binary_accuracy
from xpnn.training.running import of_metric

__all__ = ["judged", "metrics_for", "metrics_of", "require_direction", "require_metrics", "said_by", "scorer_of"]

_METRICS = {function.__name__: function for function in METRICS}
_OURS = ("loss", "score", "scorer")
_OF_ONE_CLASS = (Accuracy, ConfusionMatrix, TopKAccuracy)  # the largest of several logits
_OF_ORDER = (AveragePrecision, RocAuc)  # of any scores
_OF_NUMBERS = (MeanAbsoluteError, MeanSquaredError, R2Score, RootMeanSquaredError)


def metrics_of(given: Mapping[str, Any] | Iterable[str] | None) -> dict[str, Metric | Callable[..., Any]]:
    """Metrics by name, from a dictionary as `Trainer` takes it or the names of functions of `training.metrics`.

    Raises
    ------
    ValueError
        If a name is none of them, or one that a history has already.
    """
    if given is None or isinstance(given, Mapping):
        if taken := [name for name in given or {} if name in _OURS]:
            raise ValueError(
                f"metrics expected other names than {', '.join(_OURS)}, which are reported, got {taken[0]!r}"
            )
        return dict(given or {})
    names = [given] if isinstance(given, str) else list(given)
    for name in names:
        if name not in _METRICS:
            raise ValueError(f"metrics expected names among {', '.join(_METRICS)}, or a dictionary, got {name!r}")
    return {name: _METRICS[name] for name in names}


def metrics_for(objective: Objective, given: Any) -> dict[str, Metric | Callable[..., Any]]:
    """The same for these outputs: of a regression they see predictions, of several labels at once each by itself, and
    the accuracy of two classes with one logit is that of the logit's sign.

    Raises
    ------
    ValueError
        If a name means nothing of such outputs.
    """
    found = metrics_of(given)
    for name, metric in found.items():
        _require_sense(objective, name, kind_of(metric), by_name=not isinstance(given, Mapping))
    if not isinstance(given, Mapping) and objective.link == "logistic" and objective.outputs == 1:
        found = {name: binary_accuracy if metric is accuracy else metric for name, metric in found.items()}
    sights = {name: sight_of(objective, metric) for name, metric in found.items()}
    return {name: metric if (sight := sights[name]) is None else Seen(metric, sight) for name, metric in found.items()}


def _require_sense(objective: Objective, name: str, kind: type[Metric] | None, *, by_name: bool) -> None:
    """Raise if a metric would have a number of such outputs, but one that means nothing."""
    several = objective.link == "logistic" and objective.outputs > 1
    if kind in _OF_ONE_CLASS and several:
        other = "binary_accuracy, the share of labels that are right"
        raise ValueError(f"metrics {name!r} does not fit several labels at once: see {other}")
    if by_name and objective.link in ("identity", "exp") and kind not in (*_OF_NUMBERS, *_OF_ORDER):
        raise ValueError(f"metrics {name!r} does not fit a regression: see r2_score")
    if kind in _OF_NUMBERS and by_name and objective.link in ("logistic", "softmax"):
        raise ValueError(f"metrics {name!r} does not fit a classification: see brier_score")


def require_metrics(
    metrics: Mapping[str, Metric | Callable[..., Any]], outputs: Any, t: Any, *, weighted: bool
) -> None:
    """Raise if a metric cannot take such outputs and targets: it is tried with a row or two before any training. Or if
    it is a function that takes no weights, which rows have.

    Raises
    ------
    ValueError
        Naming it.
    """
    for name, metric in metrics.items():
        try:
            accumulated(metric).update(outputs, t)
        except (TypeError, ValueError) as error:
            shapes = [str(("n", *one.shape[1:])).replace("'", "") for one in (outputs, t)]
            raise ValueError(
                f"metrics {name!r} does not fit outputs of shape {shapes[0]} and targets of shape {shapes[1]}: {error}"
            ) from error
        if weighted and not _takes_weights(metric.metric if isinstance(metric, Seen) else metric):
            raise ValueError(
                f"metrics {name!r} takes no sample_weight, and rows have weights: expected a function "
                "metric(y, t, sample_weight=...)"
            )


def _takes_weights(metric: Metric | Callable[..., Any]) -> bool:
    try:
        return isinstance(metric, Metric) or takes_weights(metric)
    except ValueError:  # a function of C says nothing of its arguments
        return True


def judged(
    metrics: Mapping[str, Metric | Callable[..., Any]], outputs: Any, t: Any, sample_weight: Any
) -> dict[str, Any]:
    """The metrics of all rows."""
    numbers = {}
    for name, metric in metrics.items():
        with of_metric(name):
            fresh = accumulated(metric)
            fresh.update(outputs, t, sample_weight)
            numbers[name] = fresh.result()
    return numbers


def scorer_of(monitor: Any, metrics: Iterable[str]) -> Callable[..., float] | None:
    """The scorer that `monitor` is or names; None if it is 'loss', 'score' or a metric.

    Raises
    ------
    ValueError
        If it names nothing.
    """
    if callable(monitor):
        return monitor  # type: ignore[no-any-return]
    known = ["loss", "score", *metrics]
    if monitor in known:
        return None
    if monitor not in get_scorer_names():
        raise ValueError(f"monitor expected one of {', '.join(known)} or the name of a scorer, got {monitor!r}")
    return get_scorer(monitor)  # type: ignore[no-any-return]


def require_direction(monitor: Any, metrics: Iterable[str]) -> None:
    """Raise if `monitor` names a metric of which nobody knows whether more of it is better.

    Raises
    ------
    ValueError
        Saying what would be known.
    """
    if isinstance(monitor, str) and monitor in metrics and better_when(f"val_{monitor}") is None:
        raise ValueError(
            f"monitor={monitor!r}: its name does not say whether more of it is better: let it end in _error or _score, "
            "or give a function monitor(estimator, X, y) of which more is better"
        )


def said_by(scorer: Callable[..., float], estimator: Any, held_out: Any) -> float:
    """What the scorer that is an estimator's `monitor` says of rows that are held out, counted by their weights if it
    takes weights, as scikit-learn's functions of scorers do.

    Parameters
    ----------
    scorer
        As `scorer_of` gives it.
    estimator
        Who is fitted.
    held_out
        With `X`, `y` and `sample_weight`.

    Raises
    ------
    TypeError
        If it gives no number.
    """
    monitor, weight = estimator.monitor, {}
    if held_out.sample_weight is not None and _takes_weights(getattr(scorer, "_score_func", scorer)):
        weight = {"sample_weight": held_out.sample_weight}
    judge = _judged_by(monitor, estimator)
    with (
        named(f"monitor={monitor!r}") if isinstance(monitor, str) else nullcontext(),
        config_context(array_api_dispatch=False),  # predictions are NumPy's, as targets are
    ):
        value = scorer(judge, held_out.X, held_out.y, **weight)
    if not isinstance(value, Real) and getattr(value, "shape", None) != ():
        raise TypeError(f"monitor expected a function that gives a number, got {value!r:.60}")
    return float(value)


def _judged_by(monitor: Any, estimator: Any) -> Any:
    """Whom a scorer judges: the same estimator for rows that were a table and are an array by now, which does not miss
    the columns' names, and whose classes are NumPy's; of several quantiles, a scorer that is known by name judges the
    one next to the median.
    """
    judge = object.__new__(type(estimator))
    vars(judge).update({name: value for name, value in vars(estimator).items() if name != "feature_names_in_"})
    if "classes_" in vars(judge):
        judge.classes_ = results(judge.classes_, None)
    several = len(estimator._objective.quantiles) > 1
    return _Central(judge) if several and isinstance(monitor, str) else judge


class _Central(RegressorMixin, BaseEstimator):
    """Predicts the quantile next to the median."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> Any:
        """See `quantities.central`."""
        return central(self.estimator._objective, self.estimator.predict(X))
