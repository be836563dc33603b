"""What adds up: metrics of one's own, other libraries, devices that change, precision where there is no float64."""

import copy

import numpy
import pytest

from xpnn.arrays.namespaces import namespace_of
from xpnn.training.metrics import Accuracy, MeanSquaredError, Metric, MetricOfRows, MetricOfSums, R2Score, base


class Bias(MetricOfSums):
    def sums(self, y, t, w):
        xp = namespace_of(y)
        return {"error": xp.sum((y - t) if w is None else (y - t) * w), "items": y.shape[0] if w is None else xp.sum(w)}

    def of_sums(self, sums):
        return float(sums["error"]) / float(sums["items"])


class Median(MetricOfRows):
    def rows(self, y, t, w):
        return {"error": abs(y - t)}

    def of_rows(self, rows):
        return float(numpy.median(rows["error"]))


Y, T = numpy.asarray([1.0, 2.0, 4.0]), numpy.asarray([0.0, 0.5, 0.0])


@pytest.mark.parametrize(("kind", "expected"), [(Bias, 6.5 / 3), (Median, 1.5)])
def test_two_methods_make_a_metric(place, kind, expected):
    metric = kind()
    assert isinstance(metric, Metric)
    metric.update(place.asarray(Y[:2]), place.asarray(T[:2]))
    metric.update(place.asarray(Y[2:]), place.asarray(T[2:]))
    assert metric.result() == expected
    other = kind()
    other.load_state(metric.state())
    assert other.result() == expected
    metric.start()
    metric.update(place.asarray(Y[:1]), place.asarray(T[:1]))
    assert metric.result() == 1.0
    assert other.result() == expected


def test_a_metric_without_its_methods_cannot_be_made():
    for kind in (Metric, MetricOfSums, MetricOfRows):
        with pytest.raises(TypeError, match="abstract"):
            kind()


@pytest.mark.parametrize("kind", [Bias, Median])
def test_a_copy_goes_its_own_way(kind):
    metric = kind()
    metric.update(Y, T)
    other = copy.deepcopy(metric)
    other.update(Y, T - 100)
    assert metric.result() == {Bias: 6.5 / 3, Median: 1.5}[kind]


def test_rows_with_and_without_weights_add_up(place):
    metric = Bias()
    metric.update(place.asarray(Y), place.asarray(T))
    metric.update(place.asarray(Y), place.asarray(T), place.asarray(numpy.asarray([2, 0, 0])))
    metric.update(place.asarray(Y), place.asarray(T))
    assert metric.result() == (6.5 + 2 + 6.5) / (3 + 2 + 3)


def test_counts_are_exact_beyond_what_float32_can_hold():
    metric = Accuracy()
    metric.update(numpy.zeros((2, 2), "float32"), numpy.asarray([0, 1]))
    state = {name: x * 2**30 if name in ("total", "items") else x for name, x in metric.state().items()}
    metric.load_state(state)
    metric.update(numpy.zeros((1, 2), "float32"), numpy.asarray([0]))
    assert metric.result() == (2**30 + 1) / (2**31 + 1)


def test_a_state_of_another_device_is_gone_on_from(elsewhere):
    """A run goes on on the CPU that was begun on a GPU, and the other way round."""
    for first, second in ((elsewhere.asarray, numpy.asarray), (numpy.asarray, elsewhere.asarray)):
        for kind in (MeanSquaredError, R2Score):
            metric, other, plain = kind(), kind(), kind()
            metric.update(first(Y), first(T))
            other.load_state(metric.state())
            for _ in range(2):
                other.update(second(T), second(Y))
                other.load_state(other.state())
            for y, t in ((Y, T), (T, Y), (T, Y)):
                plain.update(y, t)
            assert other.result() == pytest.approx(plain.result(), rel=1e-13)


def test_devices_need_no_hash(monkeypatch):
    """CuPy's have none."""

    class Place(str):
        __hash__ = None

    monkeypatch.setattr(base, "array_device", lambda x: Place("cpu"))
    for _ in range(2):
        assert base.wide(numpy.ones(2, "float32")).dtype == numpy.float64


def test_where_there_is_no_float64_sums_are_float32():
    jax = pytest.importorskip("jax")
    if jax.config.jax_enable_x64:
        pytest.skip("JAX was told to have float64")
    y, t = jax.numpy.asarray([[0.2, 0.8], [0.9, 0.1]]), jax.numpy.asarray([1, 1])
    accuracy, error = Accuracy(), MeanSquaredError()
    for _ in range(2):
        accuracy.update(y, t)
        error.update(y[:, 0], y[:, 1])
    assert accuracy.result() == 0.5
    assert error.result() == pytest.approx((0.6**2 + 0.8**2) / 2, rel=1e-6)
    assert error.state()["total"].dtype == "float32"
