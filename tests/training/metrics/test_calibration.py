"""Calibration: bins and their borders, soft targets, what is perfectly calibrated."""

import numpy
import pytest
from metric_rows import LABELS, LOGITS, P

from xpnn.training.metrics import ExpectedCalibrationError, expected_calibration_error


def error(p, t, **options):
    return expected_calibration_error(numpy.asarray(p), numpy.asarray(t), outputs="probabilities", **options)


def test_what_is_right_as_often_as_it_says_is_calibrated():
    assert error([0.75] * 4, [1, 1, 1, 0]) == 0.0
    assert error([0.25] * 4, [0, 0, 0, 1]) == 0.0  # of the likelier class, 0
    assert error([1.0] * 4, [1, 1, 1, 0]) == 0.25


def test_a_bin_holds_its_upper_border():
    p, t = [0.75, 0.7], [0, 1]  # with four bins 0.75 is in (0.5, 0.75], as 0.7 is: right 1 of 2, sure by 0.725
    assert error(p, t, bins=4) == pytest.approx(0.225, rel=1e-12)
    p, t = [0.76, 0.7], [0, 1]
    assert error(p, t, bins=4) == pytest.approx((0.76 + 0.3) / 2, rel=1e-12)


def test_one_bin_compares_the_means():
    confidence, right = P.max(axis=1).mean(), (P.argmax(axis=1) == LABELS).mean()
    assert expected_calibration_error(LOGITS, LABELS, bins=1) == pytest.approx(abs(confidence - right), rel=1e-12)


def test_of_soft_targets_the_likeliest_class_is_right(place):
    soft = numpy.eye(4)[LABELS] * 0.7 + 0.05
    expected = expected_calibration_error(LOGITS, LABELS)
    assert expected_calibration_error(LOGITS, soft) == expected
    metric = ExpectedCalibrationError()
    metric.update(place.asarray(LOGITS), place.asarray(soft))
    assert metric.result() == pytest.approx(expected, rel=1e-12)


def test_sure_and_masked_logits_have_a_bin(place):
    y = numpy.asarray([[0.0, -numpy.inf, -numpy.inf], [1000.0, 0.0, 0.0]])
    metric = ExpectedCalibrationError()
    metric.update(place.asarray(y), place.asarray(numpy.asarray([0, 1])))
    assert metric.result() == 0.5
    metric.update(place.asarray(y[:1] - numpy.inf), place.asarray(numpy.asarray([0])))  # all classes masked
    assert 0 <= metric.result() <= 1


def test_options_are_checked():
    for bins in (0, 1.5, None):
        with pytest.raises(ValueError, match="expected_calibration_error expected bins to be a whole number"):
            ExpectedCalibrationError(bins=bins)
        with pytest.raises(ValueError, match="expected_calibration_error expected bins to be a whole number"):
            expected_calibration_error(LOGITS, LABELS, bins=bins)
    with pytest.raises(ValueError, match="expected_calibration_error expected outputs to be one of"):
        ExpectedCalibrationError(outputs="odds")
