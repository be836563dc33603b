"""Likelihoods and squared errors of probabilities: soft targets, ends, masked logits, what is refused."""

import numpy
import pytest
from metric_rows import LABELS, LOGITS, TABLE, WEIGHTS, P, softmax

from xpnn import nn
from xpnn.training.metrics import (
    BrierScore,
    ExpectedCalibrationError,
    LogLoss,
    Perplexity,
    brier_score,
    expected_calibration_error,
    log_loss,
    perplexity,
)

RNG = numpy.random.default_rng(3)
SOFT = softmax(RNG.normal(size=LOGITS.shape))
SHARES = RNG.uniform(size=(len(LOGITS), 1))
ALL = pytest.mark.parametrize("function", [log_loss, brier_score, perplexity, expected_calibration_error])


def of_parts(metric, place, *arrays):
    for part in (slice(0, 150), slice(150, None)):
        metric.update(*(place.asarray(x[part]) for x in arrays))
    return metric.result()


def test_soft_targets_give_cross_entropy(place):
    expected = float(nn.cross_entropy(LOGITS, SOFT, sample_weight=WEIGHTS))
    given = {"outputs": "probabilities"}
    for y, options in ((LOGITS, {}), (P, given)):
        numpy.testing.assert_allclose(log_loss(y, SOFT, sample_weight=WEIGHTS, **options), expected, rtol=1e-12)
        found = of_parts(LogLoss(**options), place, y, SOFT, WEIGHTS)
        numpy.testing.assert_allclose(found, expected, rtol=1e-12)
    numpy.testing.assert_allclose(perplexity(LOGITS, SOFT, sample_weight=WEIGHTS), numpy.exp(expected), rtol=1e-12)


def test_shares_of_class_1_give_binary_cross_entropy(place):
    z = LOGITS[:, :1]
    expected = float(nn.binary_cross_entropy_with_logits(z, SHARES, sample_weight=WEIGHTS))
    given = {"outputs": "probabilities"}
    for y, options in ((z, {}), (1 / (1 + numpy.exp(-z)), given)):
        numpy.testing.assert_allclose(log_loss(y, SHARES, sample_weight=WEIGHTS, **options), expected, rtol=1e-12)
        found = of_parts(LogLoss(**options), place, y, SHARES, WEIGHTS)
        numpy.testing.assert_allclose(found, expected, rtol=1e-12)
    assert log_loss(z, SHARES) == log_loss(z[:, 0], SHARES[:, 0])


def test_squared_errors_of_soft_targets(place):
    expected = numpy.average(((P - SOFT) ** 2).sum(axis=1), weights=WEIGHTS)
    numpy.testing.assert_allclose(brier_score(LOGITS, SOFT, sample_weight=WEIGHTS), expected, rtol=1e-12)
    found = of_parts(BrierScore(), place, LOGITS, SOFT, WEIGHTS)
    numpy.testing.assert_allclose(found, expected, rtol=1e-12)


def test_two_classes_score_as_a_single_output():
    p = SHARES
    both, t = numpy.concatenate([1 - p, p], axis=1), LABELS[:, None] % 2
    one = brier_score(p, t, outputs="probabilities")
    numpy.testing.assert_allclose(brier_score(both, t[:, 0], outputs="probabilities"), one, rtol=1e-12)
    numpy.testing.assert_allclose(one, numpy.mean((p - t) ** 2), rtol=1e-12)
    one = log_loss(p, t, outputs="probabilities")
    numpy.testing.assert_allclose(log_loss(both, t[:, 0], outputs="probabilities"), one, rtol=1e-12)


def test_digits_far_out_are_kept():
    far = numpy.asarray([50.0, -50.0])
    assert log_loss(far, numpy.asarray([1, 0])) == pytest.approx(numpy.exp(-50.0), rel=1e-12)
    assert log_loss(far, numpy.asarray([0, 1])) == pytest.approx(50.0, rel=1e-15)
    masked = numpy.asarray([[0.0, 0.0, -numpy.inf]])
    assert log_loss(masked, numpy.asarray([1])) == pytest.approx(numpy.log(2), rel=1e-15)
    assert log_loss(masked, numpy.asarray([2])) == numpy.inf
    assert perplexity(masked, numpy.asarray([2])) == numpy.inf
    assert perplexity(numpy.asarray([800.0]), numpy.asarray([0])) == numpy.inf  # exp overflows


def test_probabilities_of_0_are_taken_as_the_least():
    p = numpy.asarray([[1.0, 0.0], [1.0, 0.0]])
    expected = -numpy.log(numpy.finfo("float64").eps) / 2
    assert log_loss(p, numpy.asarray([0, 1]), outputs="probabilities") == pytest.approx(expected, rel=1e-12)
    p, t = p[:, 0], numpy.asarray([1, 0])
    assert log_loss(p, t, outputs="probabilities") == pytest.approx(expected, rel=1e-12)


def test_perplexity_of_negative_log_likelihoods(place):
    surprises = -numpy.log(P[numpy.arange(len(P)), LABELS])
    expected = perplexity(LOGITS, LABELS, sample_weight=WEIGHTS)
    numpy.testing.assert_allclose(perplexity(surprises, None, sample_weight=WEIGHTS), expected, rtol=1e-12)
    metric = Perplexity()
    for part in (slice(0, 150), slice(150, None)):
        metric.update(place.asarray(surprises[part]), None, place.asarray(WEIGHTS[part]))
    numpy.testing.assert_allclose(metric.result(), expected, rtol=1e-12)


@ALL
def test_targets_that_do_not_belong_to_the_outputs_are_refused(function):
    one_hot = numpy.eye(4, dtype=int)[LABELS]
    for y, t in ((LOGITS, one_hot), (LABELS, LABELS), (LOGITS, LABELS[:, None]), (LOGITS[:, :1], LABELS % 2)):
        with pytest.raises(ValueError, match=rf"{function.__name__} expected outputs \(n, \.\.\., classes\)"):
            function(y, t)
    with pytest.raises(
        ValueError, match=f"{function.__name__} expected outputs to be one of 'logits', 'probabilities'"
    ):
        function(LOGITS, LABELS, outputs="log-probabilities")
    with pytest.raises(ValueError, match=f"{function.__name__} expected targets from 0 to 1, got 1.1"):
        function(LOGITS[:, 0], SHARES[:, 0] * 0 + 1.1)
    with pytest.raises(ValueError, match=f"{function.__name__} expected labels below 4, the number of classes, got 9"):
        function(LOGITS, LABELS * 0 + 9)


@pytest.mark.parametrize("kind", [LogLoss, Perplexity, BrierScore])
def test_words_for_outputs_are_checked_by_classes_too(kind):
    with pytest.raises(ValueError, match="expected outputs to be one of 'logits', 'probabilities', got 'odds'"):
        kind(outputs="odds")


@pytest.mark.parametrize("row", [row for row in TABLE if "probabilities" in row.name], ids=lambda row: row.name)
def test_logits_given_as_probabilities_are_found(place, row):
    y = row.y.copy()
    y[:3, 0] = 1 + 1e-9, 1.5, -0.5  # the first by rounding
    with pytest.raises(ValueError, match=r"expected probabilities from 0 to 1, got 1\.5: are they logits\?"):
        row.whole(y)
    metric = row.metric()
    metric.update(place.asarray(y), place.asarray(row.t))
    with pytest.raises(ValueError, match=r"probabilities from 0 to 1, got (2 others|1\.5)"):
        metric.result()


def test_calibration_of_logits_given_as_probabilities_is_none(place):
    p = numpy.asarray([[numpy.inf, 0.0], [0.5, 0.5]])
    with pytest.raises(ValueError, match="expected probabilities from 0 to 1, got inf"):
        expected_calibration_error(p, numpy.asarray([0, 1]), outputs="probabilities")
    metric = ExpectedCalibrationError(outputs="probabilities")
    metric.update(place.asarray(p), place.asarray(numpy.asarray([0, 1])))
    with pytest.raises(ValueError, match="probabilities from 0 to 1, got 1 others"):
        metric.result()
