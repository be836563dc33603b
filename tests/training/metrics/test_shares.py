"""Metrics, judged by scikit-learn, on the host and on arrays of another library."""

import numpy
import pytest

from xpnn.training.metrics import (
    accuracy,
    binary_accuracy,
    confusion_matrix,
    mean_absolute_error,
    r2_score,
    roc_auc,
)

judge = pytest.importorskip("sklearn.metrics")

RNG = numpy.random.default_rng(7)
ROWS = 200
LOGITS = RNG.normal(size=(ROWS, 4))
LABELS = RNG.integers(0, 4, ROWS)
SCORES = numpy.round(RNG.normal(size=(ROWS, 1)), 1)  # rounded: many ties
BINARY = RNG.integers(0, 2, (ROWS, 1))
NUMBERS = RNG.normal(size=(ROWS, 3))
GUESSES = NUMBERS + 0.5 * RNG.normal(size=(ROWS, 3))
WEIGHTS = RNG.uniform(0, 2, ROWS) * RNG.integers(0, 2, ROWS)  # half of them 0
EXACT = 1e-13  # float64; sums of 200 numbers in another order

CASES = [
    ("accuracy", accuracy, LOGITS, LABELS, lambda y, t, w: judge.accuracy_score(t, y.argmax(1), sample_weight=w)),
    (
        "binary_accuracy",
        binary_accuracy,
        SCORES,
        BINARY,
        lambda y, t, w: judge.accuracy_score(t, y > 0, sample_weight=w),
    ),
    (
        "mean_absolute_error",
        mean_absolute_error,
        GUESSES,
        NUMBERS,
        lambda y, t, w: judge.mean_absolute_error(t, y, sample_weight=w),
    ),
    ("r2_score", r2_score, GUESSES, NUMBERS, lambda y, t, w: judge.r2_score(t, y, sample_weight=w)),
    ("roc_auc", roc_auc, SCORES, BINARY, lambda y, t, w: judge.roc_auc_score(t, y, sample_weight=w)),
    (
        "confusion_matrix",
        confusion_matrix,
        LOGITS,
        LABELS,
        lambda y, t, w: judge.confusion_matrix(t, y.argmax(1), sample_weight=w),
    ),
]
METRICS = [case[1] for case in CASES]


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize(("metric", "y", "t", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_scikit_learn_agrees(metric, y, t, expected, weights):
    found = metric(y, t, sample_weight=weights)
    numpy.testing.assert_allclose(found, expected(y, t, weights), rtol=EXACT, atol=EXACT)
    assert type(found) in (float, numpy.ndarray)


@pytest.mark.parametrize(("metric", "y", "t", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_arrays_of_another_device_give_the_same(elsewhere, metric, y, t, expected):
    there = [elsewhere.asarray(x) for x in (y, t, WEIGHTS)]
    numpy.testing.assert_array_equal(metric(*there[:2], sample_weight=there[2]), metric(y, t, sample_weight=WEIGHTS))


@pytest.mark.parametrize(("metric", "y", "t", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_float32_predictions_are_summed_in_float64(metric, y, t, expected):
    y = y.astype("float32")
    many = numpy.tile(y, (50, *[1] * (y.ndim - 1))), numpy.tile(t, (50, *[1] * (t.ndim - 1)))
    few = metric(y.astype("float64"), t) * (50 if metric is confusion_matrix else 1)
    numpy.testing.assert_allclose(metric(*many), few, rtol=EXACT, atol=EXACT)


def test_accuracy_takes_labels_soft_targets_and_further_axes():
    assert accuracy(numpy.asarray([0, 2, 1]), numpy.asarray([0, 1, 1])) == 2 / 3
    soft = numpy.eye(4)[LABELS] * 0.9 + 0.025
    assert accuracy(LOGITS, soft) == accuracy(LOGITS, LABELS)
    assert accuracy(LOGITS.reshape(100, 2, 4), LABELS.reshape(100, 2)) == accuracy(LOGITS, LABELS)


def test_weights_are_per_row_whatever_the_further_axes():
    y, t = LOGITS.reshape(100, 2, 4), LABELS.reshape(100, 2)
    w = WEIGHTS[:100]
    numpy.testing.assert_allclose(
        accuracy(y, t, sample_weight=w), accuracy(LOGITS, LABELS, sample_weight=numpy.repeat(w, 2)), rtol=EXACT
    )
    found = confusion_matrix(y, t, sample_weight=w)
    numpy.testing.assert_allclose(found, confusion_matrix(LOGITS, LABELS, sample_weight=numpy.repeat(w, 2)), rtol=EXACT)


def test_binary_accuracy_counts_a_score_at_the_threshold_as_0():
    assert binary_accuracy(numpy.asarray([0.0, 0.0]), numpy.asarray([0, 1])) == 0.5
    assert binary_accuracy(numpy.asarray([0.3, 0.7]), numpy.asarray([0, 1]), threshold=0.5) == 1.0


def test_r2_of_equal_targets_is_1_or_0_and_of_one_row_nan():
    same = numpy.ones((3, 1))
    assert r2_score(same, same) == 1.0
    assert r2_score(same * [[1], [2], [1]], same) == 0.0
    assert numpy.isnan(r2_score(same[:1], same[:1]))


def test_roc_auc_of_one_class_is_nan_and_infinite_scores_are_ordered():
    assert numpy.isnan(roc_auc(numpy.asarray([0.1, 0.9]), numpy.asarray([1, 1])))
    inf = numpy.inf
    assert roc_auc(numpy.asarray([-inf, 0.0, inf]), numpy.asarray([0, 1, 1])) == 1.0
    assert roc_auc(numpy.zeros(10), numpy.arange(10) % 2) == 0.5


def test_confusion_matrix_has_rows_for_what_was_and_columns_for_what_was_predicted():
    assert confusion_matrix(numpy.asarray([1, 1, 0]), numpy.asarray([0, 0, 0])).tolist() == [[1, 2], [0, 0]]
    assert confusion_matrix(numpy.asarray([True]), numpy.asarray([False])).tolist() == [[0, 1], [0, 0]]
    assert confusion_matrix(numpy.asarray([0]), numpy.asarray([0]), classes=3).shape == (3, 3)
    assert confusion_matrix(LOGITS, LABELS * 0).shape == (4, 4)
    assert confusion_matrix(LOGITS, LABELS).dtype == numpy.int64


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("y", "t", "kind", "words"),
    [
        ([[1.0, 2.0]], numpy.zeros(1, int), TypeError, "list"),
        (numpy.zeros((2, 1)), [1, 0], TypeError, "list"),
        (numpy.zeros((0, 2)), numpy.zeros(0, int), ValueError, r"\(0, 2\)"),
        (numpy.zeros((3, 2)), numpy.zeros(2, int), ValueError, r"\(3, 2\) and \(2,\)"),
        (numpy.full((2, 2), numpy.nan), numpy.zeros((2, 2)), ValueError, "without NaN, got 4"),
        (numpy.zeros((2, 2), complex), numpy.zeros((2, 2)), TypeError, "complex128"),
        (numpy.asarray(1.0), numpy.asarray(1.0), ValueError, r"shape \(\)"),
        (numpy.asarray(["a"]), numpy.asarray(["a"]), TypeError, "real numbers"),
    ],
)
def test_bad_input_is_named(metric, y, t, kind, words):
    with pytest.raises(kind, match=words):
        metric(y, t)


@pytest.mark.parametrize(("metric", "y", "t", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_bad_weights_are_named(metric, y, t, expected):
    with pytest.raises(ValueError, match=r"sample_weight of shape \(200,\), got \(200, 1\)"):
        metric(y, t, sample_weight=WEIGHTS[:, None])
    for wrong in (-WEIGHTS, 0 * WEIGHTS, WEIGHTS * numpy.nan):
        with pytest.raises(ValueError, match="weights of 0 or more"):
            metric(y, t, sample_weight=wrong)


def test_shapes_that_would_broadcast_are_refused():
    column, row = numpy.zeros((3, 1)), numpy.zeros(3)
    for metric in (binary_accuracy, mean_absolute_error, r2_score, roc_auc):
        with pytest.raises(ValueError, match=r"one shape, got \(3, 1\) and \(3,\)"):
            metric(column, row)


def test_one_logit_column_is_not_a_class_each():
    for metric in (accuracy, confusion_matrix):
        with pytest.raises(ValueError, match="two or more classes"):
            metric(numpy.zeros((3, 1)), numpy.zeros((3, 1)))


def test_roc_auc_refuses_several_columns_and_other_targets():
    with pytest.raises(ValueError, match="one score per row"):
        roc_auc(numpy.zeros((3, 2)), numpy.zeros((3, 2)))
    with pytest.raises(ValueError, match="targets 0 and 1, got 2"):
        roc_auc(numpy.zeros(3), numpy.asarray([0, 1, 2]))


def test_confusion_matrix_refuses_labels_out_of_range():
    with pytest.raises(ValueError, match="labels from 0 to 3, got 4"):
        confusion_matrix(LOGITS, LABELS * 0 + 4)
    with pytest.raises(ValueError, match="got -1"):
        confusion_matrix(numpy.asarray([-1]), numpy.asarray([0]))


def test_labels_that_are_no_classes_are_refused():
    with pytest.raises(ValueError, match="targets from 0 to 1, got 2"):
        binary_accuracy(numpy.asarray([1.0, -1.0, 2.0]), numpy.asarray([0, 1, 2]))
    with pytest.raises(ValueError, match="labels below 3, the number of classes, got 7"):
        accuracy(numpy.eye(3), numpy.asarray([5, 6, 7]))
