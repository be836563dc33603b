"""The confusion matrix: which axis is which, its dtype, labels out of range."""

import numpy
import pytest
from metric_rows import LABELS, LOGITS, WEIGHTS

from xpnn.training.metrics import ConfusionMatrix, confusion_matrix


def test_it_has_rows_for_what_was_and_columns_for_what_was_predicted():
    assert confusion_matrix(numpy.asarray([1, 1, 0]), numpy.asarray([0, 0, 0])).tolist() == [[1, 2], [0, 0]]
    assert confusion_matrix(numpy.asarray([True]), numpy.asarray([False])).tolist() == [[0, 1], [0, 0]]
    assert confusion_matrix(numpy.asarray([0]), numpy.asarray([0]), classes=3).shape == (3, 3)
    assert confusion_matrix(LOGITS, LABELS * 0).shape == (4, 4)


def test_counts_are_whole_numbers_and_sums_of_weights_are_not(place):
    y, t, w = (place.asarray(x) for x in (LOGITS, LABELS, WEIGHTS))
    assert confusion_matrix(LOGITS, LABELS).dtype == numpy.int64
    assert confusion_matrix(LOGITS, LABELS, sample_weight=WEIGHTS).dtype == numpy.float64
    metric = ConfusionMatrix()
    metric.update(y, t)
    assert metric.result().dtype == numpy.int64
    metric.update(y, t, w)  # rows without weights have weight 1
    expected = confusion_matrix(LOGITS, LABELS) + confusion_matrix(LOGITS, LABELS, sample_weight=WEIGHTS)
    numpy.testing.assert_allclose(metric.result(), expected, rtol=1e-13)
    metric.update(y, t)
    numpy.testing.assert_allclose(metric.result(), expected + confusion_matrix(LOGITS, LABELS), rtol=1e-13)


def test_of_labels_the_number_of_classes_is_the_largest_or_has_to_be_given_for_parts(place):
    y, t = place.asarray(LABELS[::-1].copy()), place.asarray(LABELS)
    with pytest.raises(ValueError, match=r"confusion_matrix expected classes=\.\.\., their number"):
        ConfusionMatrix().update(y, t)
    metric = ConfusionMatrix(classes=5)
    metric.update(y, t)
    assert metric.result().tolist() == confusion_matrix(LABELS[::-1], LABELS, classes=5).tolist()
    with pytest.raises(ValueError, match="confusion_matrix expected classes to be a whole number of 1 or more, got 0"):
        ConfusionMatrix(classes=0)


def test_labels_out_of_range_are_refused():
    with pytest.raises(ValueError, match="labels from 0 to 3, got 4"):
        confusion_matrix(LOGITS, LABELS * 0 + 4)
    with pytest.raises(ValueError, match="labels from 0 to 0, got -1"):
        confusion_matrix(numpy.asarray([-1]), numpy.asarray([0]))
    with pytest.raises(ValueError, match="labels from 0 to 1, got 2"):
        confusion_matrix(numpy.asarray([2]), numpy.asarray([0]), classes=2)
    metric = ConfusionMatrix(classes=2)
    metric.update(numpy.asarray([0, -1, 2]), numpy.asarray([0, 0, 5]))
    with pytest.raises(ValueError, match=r"confusion_matrix expected labels below .*, got 2 others"):
        metric.result()
