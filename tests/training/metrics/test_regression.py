"""Errors of numbers: digits that large means take, equal targets, outputs with units of their own."""

import numpy
import pytest
from metric_rows import GUESSES, NUMBERS

from xpnn.training.metrics import (
    MeanAbsoluteError,
    MeanSquaredError,
    R2Score,
    RootMeanSquaredError,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)


def exact_r2(y, t):
    """In numbers of many digits."""
    from fractions import Fraction

    y, t = ([Fraction(float(v)) for v in x] for x in (y, t))
    mean = sum(t) / len(t)
    return float(1 - sum((a - b) ** 2 for a, b in zip(y, t, strict=True)) / sum((b - mean) ** 2 for b in t))


@pytest.mark.parametrize("mean", [0.0, 1e6, 1e9])
def test_r2_loses_no_digits_to_a_large_mean(place, mean):
    rng = numpy.random.default_rng(1)
    t = mean + rng.normal(size=2000)
    y = t + 0.3 * rng.normal(size=2000)
    metric = R2Score()
    for start in range(0, 2000, 96):
        metric.update(place.asarray(y[start : start + 96]), place.asarray(t[start : start + 96]))
    # sums of t² would keep 16 - 12 digits at a mean of 1e6, and none at 1e9
    numpy.testing.assert_allclose(metric.result(), exact_r2(y, t), rtol=1e-13)
    numpy.testing.assert_allclose(r2_score(y, t), exact_r2(y, t), rtol=1e-13)


def test_r2_survives_a_first_part_far_off(place):
    t = numpy.random.default_rng(2).normal(size=500)
    t[:10] += 1e6
    y = t + 0.1
    metric = R2Score()
    for part in numpy.split(numpy.arange(500), [10, 300]):
        metric.update(place.asarray(y[part]), place.asarray(t[part]))
    numpy.testing.assert_allclose(1 - metric.result(), 1 - exact_r2(y, t), rtol=1e-6)  # 1 - R² is 5e-15 here
    numpy.testing.assert_allclose(metric.result(), exact_r2(y, t), rtol=1e-15)


def test_r2_of_equal_targets_is_1_or_0_and_of_one_row_nan(place):
    same = numpy.full((3, 1), 0.1)  # 0.1 + 0.1 + 0.1 is not 3 times 0.1
    assert r2_score(same, same) == 1.0
    assert r2_score(same * [[1], [2], [1]], same) == 0.0
    assert numpy.isnan(r2_score(same[:1], same[:1]))
    metric = R2Score()
    metric.update(place.asarray(same[:1]), place.asarray(same[:1]))
    assert numpy.isnan(metric.result())
    metric.update(place.asarray(same), place.asarray(same))
    assert metric.result() == 1.0
    metric.update(place.asarray(same + 1), place.asarray(same))
    assert metric.result() == 0.0


def test_r2_takes_parts_of_no_weight(place):
    metric = R2Score()
    for part, weight in ((slice(0, 100), 1.0), (slice(100, 150), 0.0), (slice(150, 203), 1.0)):
        y, t = GUESSES[part], NUMBERS[part]
        metric.update(*(place.asarray(x) for x in (y, t, numpy.full(len(y), weight))))
    w = numpy.concatenate([numpy.ones(100), numpy.zeros(50), numpy.ones(53)])
    numpy.testing.assert_allclose(metric.result(), r2_score(GUESSES, NUMBERS, sample_weight=w), rtol=1e-13)
    metric.start()
    metric.update(*(place.asarray(x) for x in (GUESSES, NUMBERS, numpy.zeros(203))))
    assert numpy.isnan(metric.result())


def test_the_root_is_taken_for_each_output():
    y, t = numpy.asarray([[3.0, 0.0], [3.0, 0.0]]), numpy.asarray([[0.0, 1.0], [0.0, -1.0]])
    assert mean_absolute_error(y, t) == 2.0
    assert mean_squared_error(y, t) == 5.0
    assert root_mean_squared_error(y, t) == 2.0
    assert mean_squared_error(y, t) ** 0.5 != 2.0


@pytest.mark.parametrize("kind", [MeanAbsoluteError, MeanSquaredError, RootMeanSquaredError, R2Score])
def test_whole_numbers_are_taken_and_float32_ones_subtracted_in_float64(place, kind):
    y, t = numpy.asarray([200, 3, 1], "uint8"), numpy.asarray([201, 1, 1], "uint8")
    metric, wide = kind(), kind()
    metric.update(place.asarray(y), place.asarray(t))
    wide.update(y.astype("float64"), t.astype("float64"))
    assert metric.result() == wide.result()
    metric.start()
    t = numpy.asarray([0.1, 0.2, 0.3])
    y = numpy.asarray([0.1, 0.2, 0.3], "float32")
    metric.update(place.asarray(y), place.asarray(t))
    wide.start()
    wide.update(y.astype("float64"), t)
    assert metric.result() == wide.result()


def test_nothing_weighs_nothing():
    zeros = numpy.zeros(3)
    for kind in (MeanAbsoluteError, RootMeanSquaredError):
        metric = kind()
        metric.update(zeros, zeros, zeros)
        assert numpy.isnan(metric.result())
