"""Areas under curves: ties, infinite scores, classes that are missing, shapes."""

import numpy
import pytest
from metric_rows import LABELS, LOGITS, P

from xpnn.training.metrics import AveragePrecision, RocAuc, average_precision, roc_auc

BOTH = pytest.mark.parametrize(
    ("function", "kind"), [(roc_auc, RocAuc), (average_precision, AveragePrecision)], ids=lambda x: x.__name__
)


@BOTH
def test_a_perfect_order_has_area_1_and_infinite_scores_are_ordered(function, kind):
    inf = numpy.inf
    assert function(numpy.asarray([-inf, 0.0, inf]), numpy.asarray([0, 1, 1])) == 1.0
    assert function(numpy.asarray([-inf, 0.0, inf]), numpy.asarray([[0], [1], [1]])[:, 0]) == 1.0
    assert function(numpy.asarray([1, 2, 3]), numpy.asarray([False, True, True])) == 1.0


def test_equal_scores_count_half_or_as_one_threshold():
    y, t = numpy.zeros(10), numpy.arange(10) % 5 == 0
    assert roc_auc(y, t) == 0.5
    assert average_precision(y, t) == 0.2


@BOTH
def test_without_an_item_of_class_1_there_is_no_area(place, function, kind):
    y, t = numpy.asarray([0.1, 0.9]), numpy.asarray([0, 0])
    assert numpy.isnan(function(y, t))
    metric = kind()
    metric.update(place.asarray(y), place.asarray(t))
    assert numpy.isnan(metric.result())
    assert numpy.isnan(roc_auc(y, t + 1))
    assert average_precision(y, t + 1) == 1.0


@BOTH
def test_of_a_class_that_is_missing_only_the_weighted_mean_does_without(place, function, kind):
    y = numpy.concatenate([LOGITS, numpy.zeros((len(LOGITS), 1))], axis=1)
    each = function(y, LABELS, average=None)
    assert numpy.isnan(each).tolist() == [False] * 4 + [True]
    assert numpy.isnan(function(y, LABELS, average="macro"))
    metric = kind(average="weighted")
    metric.update(place.asarray(y), place.asarray(LABELS))
    numpy.testing.assert_allclose(metric.result(), numpy.average(each[:4], weights=numpy.bincount(LABELS)), rtol=1e-13)
    assert function(y, LABELS, average="weighted") == metric.result()
    assert numpy.isnan(function(y, 0 * LABELS - 1, average="weighted"))


@BOTH
def test_logits_are_ordered_by_the_probabilities_they_mean(function, kind):
    numpy.testing.assert_allclose(function(LOGITS, LABELS), function(P, LABELS, outputs="probabilities"), rtol=1e-13)
    in_order_of_logits = 1 / (1 + numpy.exp(-LOGITS))
    assert function(LOGITS, LABELS) != function(in_order_of_logits, LABELS, outputs="probabilities")
    assert function(LOGITS + 1000, LABELS) == pytest.approx(function(LOGITS, LABELS), rel=1e-13)


@BOTH
def test_several_columns_without_labels_and_other_targets_are_refused(place, function, kind):
    for y, t in ((numpy.zeros((3, 2)), numpy.zeros((3, 2))), (numpy.zeros((3, 2, 2)), numpy.zeros((3, 2, 2), int))):
        with pytest.raises(ValueError, match=f"{function.__name__} expected one score per row"):
            function(y, t)
        with pytest.raises(ValueError, match=f"{function.__name__} expected one score per row"):
            kind().update(place.asarray(y), place.asarray(t))
    with pytest.raises(ValueError, match="targets 0 and 1, got 2"):
        function(numpy.zeros(3), numpy.asarray([0, 1, 2]))
    with pytest.raises(ValueError, match="expected integer labels for 4 classes, got float64"):
        function(LOGITS, LABELS.astype(float))


@BOTH
def test_options_are_checked(function, kind):
    for options in ({"average": "micro"}, {"outputs": "scores"}):
        (name,) = options
        with pytest.raises(ValueError, match=f"{function.__name__} expected {name} to be one of '"):
            function(LOGITS, LABELS, **options)
        with pytest.raises(ValueError, match=f"{function.__name__} expected {name} to be one of '"):
            kind(**options)


@BOTH
def test_weights_come_with_each_part_or_with_none(function, kind):
    metric, w = kind(), numpy.ones(len(LABELS))
    metric.update(LOGITS, LABELS)
    with pytest.raises(ValueError, match=r"give the same \(weights each time, or never\), got y, t, w after y, t"):
        metric.update(LOGITS, LABELS, w)
