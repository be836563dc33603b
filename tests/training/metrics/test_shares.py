"""Shares of right answers: labels, soft targets, thresholds and ties."""

import numpy
import pytest
from metric_rows import LABELS, LOGITS, ROWS, WEIGHTS

from xpnn.training.metrics import Accuracy, TopKAccuracy, accuracy, binary_accuracy, confusion_matrix, top_k_accuracy


def test_accuracy_takes_labels_soft_targets_and_further_axes():
    assert accuracy(numpy.asarray([0, 2, 1]), numpy.asarray([0, 1, 1])) == 2 / 3
    assert accuracy(numpy.asarray([True, False]), numpy.asarray([1, 1])) == 0.5
    soft = numpy.eye(4)[LABELS] * 0.9 + 0.025
    assert accuracy(LOGITS, soft) == accuracy(LOGITS, LABELS)
    y, t = LOGITS[:200].reshape(100, 2, 4), LABELS[:200].reshape(100, 2)
    assert accuracy(y, t) == accuracy(LOGITS[:200], LABELS[:200])


def test_labels_of_any_width_are_compared(place):
    metric = Accuracy()
    y = numpy.zeros((2, 300))
    y[0, 299], y[1, 44] = 1, 1  # 299 is not 43 = 299 - 256
    metric.update(place.asarray(y), place.asarray(numpy.asarray([43, 44], "uint8")))
    assert metric.result() == 0.5
    metric.update(place.asarray(numpy.asarray([7, 8], "int8")), place.asarray(numpy.asarray([7, 9], "uint16")))
    assert metric.result() == 0.5


def test_a_label_predicted_is_not_right_because_the_target_is_ignored():
    assert accuracy(numpy.asarray([-1, 0, 1]), numpy.asarray([-1, 0, 0])) == 0.5


def test_binary_accuracy_counts_a_score_at_the_threshold_as_0():
    assert binary_accuracy(numpy.asarray([0.0, 0.0]), numpy.asarray([0, 1])) == 0.5
    assert binary_accuracy(numpy.asarray([0.3, 0.7]), numpy.asarray([0, 1]), threshold=0.5) == 1.0
    assert binary_accuracy(numpy.asarray([1, 0]), numpy.asarray([0.7, 0.2])) == 1.0  # labels, and shares


def test_binary_accuracy_takes_any_shape_and_weights_rows():
    y, t = LOGITS[:200].reshape(50, 2, 8), (LOGITS[::-1][:200] > 0).reshape(50, 2, 8)
    expected = binary_accuracy(y.reshape(-1), t.reshape(-1), sample_weight=numpy.repeat(WEIGHTS[:50], 16))
    numpy.testing.assert_allclose(binary_accuracy(y, t, sample_weight=WEIGHTS[:50]), expected, rtol=1e-13)


def test_one_guess_is_accuracy_even_among_equal_logits():
    for y in (LOGITS, numpy.round(LOGITS), numpy.zeros((ROWS, 4))):
        assert top_k_accuracy(y, LABELS, k=1) == accuracy(y, LABELS)
    y = numpy.round(LOGITS)  # what the k first of a stable order from the largest are
    for k in (2, 3, 4, 9):
        order = numpy.argsort(-y, axis=1, kind="stable")[:, :k]
        assert top_k_accuracy(y, LABELS, k=k) == (order == LABELS[:, None]).any(axis=1).mean()


def test_numbers_of_guesses_and_shapes_are_checked():
    for k in (0, 2.5, True, None):
        with pytest.raises(ValueError, match="top_k_accuracy expected k to be a whole number of 1 or more"):
            TopKAccuracy(k=k)
        with pytest.raises(ValueError, match="top_k_accuracy expected k to be a whole number of 1 or more"):
            top_k_accuracy(LOGITS, LABELS, k=k)
    with pytest.raises(ValueError, match=r"integer targets \(n, ...\), got int64 \(203,\) and int64 \(203,\)"):
        top_k_accuracy(LABELS, LABELS)
    with pytest.raises(ValueError, match=r"got float64 \(203, 4\) and float64 \(203, 4\)"):
        TopKAccuracy().update(LOGITS, LOGITS)


def test_one_logit_column_is_not_a_class_each():
    for metric in (accuracy, confusion_matrix):
        with pytest.raises(ValueError, match="two or more classes"):
            metric(numpy.zeros((3, 1)), numpy.zeros((3, 1)))


def test_labels_that_are_no_classes_are_refused():
    with pytest.raises(ValueError, match="targets from 0 to 1, got 2"):
        binary_accuracy(numpy.asarray([1.0, -1.0, 2.0]), numpy.asarray([0, 1, 2]))
    with pytest.raises(ValueError, match="labels below 3, the number of classes, got 7"):
        accuracy(numpy.eye(3), numpy.asarray([5, 6, 7]))


def test_targets_without_a_meaning_are_counted_over_all_parts(place):
    metric = Accuracy()
    y = place.asarray(numpy.zeros((3, 2)))
    metric.update(y, place.asarray(numpy.asarray([0, 2, 3])))
    metric.update(y, place.asarray(numpy.asarray([1, 9, -7])))
    with pytest.raises(ValueError, match=r"Accuracy expected labels below the number of classes, .* got 3 others"):
        metric.result()
    metric.start()
    metric.update(y, place.asarray(numpy.asarray([0, 0, 1])))
    assert metric.result() == 2 / 3
