"""Precision, recall and F1: labels, thresholds, averages of classes that do not occur."""

import numpy
import pytest
from metric_rows import BINARY, LABELS, LOGITS, SCORES, TWO

from xpnn.training.metrics import F1Score, Precision, Recall, f1_score, precision, recall

ALL = pytest.mark.parametrize(
    ("function", "kind"), [(precision, Precision), (recall, Recall), (f1_score, F1Score)], ids=lambda x: x.__name__
)


def test_an_example_by_hand():
    y, t = numpy.asarray([1, 1, 1, 0, 0, 0]), numpy.asarray([1, 0, 1, 1, 1, 0])
    assert precision(y, t) == 2 / 3
    assert recall(y, t) == 2 / 4
    assert f1_score(y, t) == 4 / 7


@ALL
@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
def test_labels_give_what_the_logits_give_that_they_come_from(place, function, kind, average):
    labels = LOGITS.argmax(axis=1)
    expected = function(LOGITS, LABELS, average=average)
    numpy.testing.assert_array_equal(function(labels, LABELS, average=average), expected)
    metric = kind(average=average, classes=4)
    metric.update(place.asarray(labels), place.asarray(LABELS))
    numpy.testing.assert_array_equal(metric.result(), expected)
    with pytest.raises(ValueError, match=rf"{function.__name__} expected classes=\.\.\., their number"):
        kind(average=average).update(place.asarray(labels), place.asarray(LABELS))


@ALL
def test_of_two_classes_labels_single_scores_and_two_logits_agree(place, function, kind):
    single = TWO[:, 1:] - TWO[:, :1]
    labels = (single > 0).astype(int)
    expected = function(TWO, BINARY[:, 0])
    for y, t in ((single, BINARY), (single, BINARY.astype(float)), (labels, BINARY), (labels > 0, BINARY > 0)):
        assert function(y, t) == expected
        metric = kind()
        metric.update(place.asarray(y), place.asarray(t))
        assert metric.result() == expected


@ALL
def test_a_threshold_divides_single_scores(place, function, kind):
    p = 1 / (1 + numpy.exp(-SCORES))
    above = numpy.log(0.7 / 0.3)
    assert function(p, BINARY, threshold=0.7) == function(SCORES, BINARY, threshold=above) != function(SCORES, BINARY)
    metric = kind(threshold=0.7)
    metric.update(place.asarray(p), place.asarray(BINARY))
    assert metric.result() == function(p, BINARY, threshold=0.7)


@ALL
def test_masks_of_any_shape_count_each_element(place, function, kind):
    y, t = SCORES[:200].reshape(5, 10, 4), BINARY[:200].reshape(5, 10, 4)
    expected = function(SCORES[:200], BINARY[:200])
    metric = kind()
    metric.update(place.asarray(y), place.asarray(t))
    assert function(y, t) == metric.result() == expected


@ALL
def test_where_nothing_is_predicted_or_there_it_is_0(function, kind):
    zeros, ones = numpy.zeros(4, int), numpy.ones(4, int)
    assert function(zeros, ones) == 0.0
    assert function(ones, zeros) == 0.0
    assert function(zeros, zeros) == 0.0
    numpy.testing.assert_array_equal(function(zeros, zeros, average=None, classes=3), [1, 0, 0])


@ALL
def test_a_class_that_neither_occurs_nor_is_predicted_is_not_in_the_mean(place, function, kind):
    y, t = numpy.asarray([0, 0, 1, 1]), numpy.asarray([0, 1, 1, 1])
    assert function(y, t, average="macro", classes=9) == function(y, t, average="macro")
    metric = kind(average="macro", classes=9)
    metric.update(place.asarray(y[:1]), place.asarray(t[:1]))  # class 1 comes with the second part only
    metric.update(place.asarray(y[1:]), place.asarray(t[1:]))
    assert metric.result() == function(y, t, average="macro")


@ALL
def test_more_than_two_classes_need_another_average(function, kind):
    words = f"{function.__name__} expected two classes with average='binary', got 4: see average='macro'"
    with pytest.raises(ValueError, match=words):
        function(LOGITS, LABELS)
    with pytest.raises(ValueError, match=words):
        kind().update(LOGITS, LABELS)
    with pytest.raises(ValueError, match=f"{function.__name__} expected labels from 0 to 1, got [23]"):
        function(LABELS, LABELS)
    metric = kind()
    metric.update(LABELS, LABELS)
    with pytest.raises(
        ValueError, match=f"{function.__name__} expected labels below .*, got {(LABELS > 1).sum()} others"
    ):
        metric.result()


@ALL
def test_options_are_checked(function, kind):
    with pytest.raises(ValueError, match=r"expected average to be one of 'binary', .*, None, got 'mean'"):
        function(LOGITS, LABELS, average="mean")
    with pytest.raises(ValueError, match=f"{function.__name__} expected average to be one of 'binary'"):
        kind(average="mean")
    with pytest.raises(ValueError, match="expected classes to be a whole number of 1 or more, got -1"):
        kind(classes=-1)
