"""From a function or a metric to a fresh metric."""

from functools import partial

import numpy
import pytest

from xpnn.training.checkpoint import load, save
from xpnn.training.metrics import (
    Accuracy,
    Metric,
    TopKAccuracy,
    accumulated,
    accuracy,
    binary_accuracy,
    mean_absolute_error,
    top_k_accuracy,
)

Y, T, W = numpy.asarray([1.0, 2.0, 4.0]), numpy.asarray([0.0, 0.5, 0.0]), numpy.asarray([1.0, 0.0, 3.0])


def largest(y, t, sample_weight=None):
    assert isinstance(y, numpy.ndarray)
    assert isinstance(t, numpy.ndarray)
    if sample_weight is None:
        return float(numpy.max(y - t))
    assert isinstance(sample_weight, numpy.ndarray)
    return float(numpy.max((y - t)[sample_weight > 0]))


def test_a_metric_is_copied_with_its_options_and_forgets():
    metric = TopKAccuracy(k=2)
    metric.update(numpy.asarray([[3.0, 2.0, 1.0]]), numpy.asarray([1]))
    fresh = accumulated(metric)
    assert (type(fresh), fresh.k) == (TopKAccuracy, 2)
    assert fresh is not metric
    assert fresh.state() == {}
    fresh.update(numpy.asarray([[3.0, 2.0, 1.0]]), numpy.asarray([2]))
    assert (metric.result(), fresh.result()) == (1.0, 0.0)


def test_what_a_metric_has_seen_stays_whatever_its_start_does():
    class Seen(Metric):
        def __init__(self):
            self.seen = []

        def start(self):
            self.seen.clear()

        def update(self, y, t, sample_weight=None):
            self.seen.append(y)

        def result(self):
            return float(len(self.seen))

        def state(self):
            return {}

        def load_state(self, state):
            pass

    metric = Seen()
    metric.update(Y, T)
    fresh = accumulated(metric)
    fresh.update(Y, T)
    fresh.update(Y, T)
    assert (metric.result(), fresh.result()) == (1.0, 2.0)


def test_partial_calls_of_ours_keep_their_options():
    assert accumulated(partial(top_k_accuracy, k=3)).k == 3
    assert accumulated(partial(partial(binary_accuracy), threshold=0.5)).threshold == 0.5
    assert type(accumulated(partial(accuracy))) is Accuracy
    with pytest.raises(TypeError, match="unexpected keyword"):
        accumulated(partial(accuracy, k=3))


def test_another_function_gets_all_rows_on_the_host(place):
    metric = accumulated(largest)
    y, t = Y.copy(), T.copy()
    for part in (slice(0, 2), slice(2, 3)):
        metric.update(place.asarray(y[part]), place.asarray(t[part]))
    y[...] = 0  # what was added was copied
    assert metric.result() == 4.0
    metric.start()
    for part in (slice(0, 1), slice(1, 3)):
        metric.update(*(place.asarray(x[part]) for x in (Y, T, W * [1, 1, 0])))
    assert metric.result() == 1.0


def test_a_function_with_weights_bound_to_it_is_another_function():
    metric = accumulated(partial(mean_absolute_error, sample_weight=W))
    metric.update(Y[:1], T[:1])
    metric.update(Y[1:], T[1:])
    assert metric.result() == (1 + 12) / 4


def test_dtypes_are_those_of_the_data(place):
    metric = accumulated(lambda y, t: f"{y.dtype} {t.dtype}")
    metric.update(place.asarray(Y, dtype="float32"), place.asarray(T, dtype="int64"))
    assert metric.result() == "float32 int64"


def test_several_outputs_and_targets_come_as_they_were(place):
    def distance(y, t, sample_weight=None):
        assert isinstance(y, tuple)
        assert set(t) == {"a", "b"}
        return float(numpy.sum(numpy.abs(y[0] - t["a"])) + numpy.sum(numpy.abs(y[1][0] - t["b"])))

    def update(metric, part):
        y, t, w = (place.asarray(x[part]) for x in (Y, T, W))
        metric.update((y, (t,)), {"a": t, "b": y}, w)

    metric = accumulated(distance)
    update(metric, slice(0, 2))
    update(metric, slice(2, 3))
    assert metric.result() == 13.0


@pytest.mark.parametrize("tree", [False, True], ids=["arrays", "trees"])
def test_a_function_s_rows_go_through_a_file(place, tree, tmp_path):
    def joined(y, t, sample_weight=None):
        return largest(y["out"][0], t["in"], sample_weight) if tree else largest(y, t, sample_weight)

    def update(metric, part):
        y, t, w = (place.asarray(x[part]) for x in (Y, T, W))
        metric.update(*(({"out": (y,)}, {"in": t}) if tree else (y, t)), w)

    metric, other = accumulated(joined), accumulated(joined)
    update(metric, slice(0, 2))
    save(tmp_path / "state", metric.state())
    other.load_state(load(tmp_path / "state")[0])
    assert other.result() == 1.0
    for each in (metric, other):
        update(each, slice(2, 3))
        assert each.result() == 4.0


def test_without_targets_the_function_gets_none():
    metric = accumulated(lambda y, t: (float(y.sum()), t))
    metric.update(Y, None)
    assert metric.result() == (7.0, None)
    other = accumulated(lambda y, t: (float(y.sum()), t))
    other.load_state(metric.state())
    assert other.result() == (7.0, None)


def test_objects_that_can_be_called_are_functions_hashable_or_not():
    class Sum:
        __hash__ = None

        def __eq__(self, other):
            return False

        def __call__(self, y, t):
            return float(y.sum())

    metric = accumulated(Sum())
    metric.update(Y, T)
    assert metric.result() == 7.0


@pytest.mark.parametrize("wrong", [3, "accuracy", None, Accuracy, Metric])
def test_what_is_no_metric_is_refused(wrong):
    with pytest.raises(TypeError, match=r"expected a metric: a function of y and t, or a Metric such as Accuracy\(\)"):
        accumulated(wrong)
