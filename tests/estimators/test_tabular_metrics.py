"""Each metric is scikit-learn's, with its weights, and is monitored in the right direction."""

import numpy
import pytest
from sklearn import metrics

from xpnn.estimators import TabularClassifier
from xpnn.estimators.tabular_metrics import CLASSIFICATION, REGRESSION, Judge

RNG = numpy.random.default_rng(0)
ROWS = 200
WEIGHT = RNG.integers(1, 9, ROWS).astype(float)
T = (RNG.random(ROWS) < 0.2).astype(int)  # so few that balanced accuracy is another
SECOND = numpy.clip(0.3 * T + 0.5 * RNG.random(ROWS), 0.01, 0.99)
P = numpy.stack([1 - SECOND, SECOND], axis=1)
Y = RNG.standard_normal(ROWS)
NEAR = Y + 0.3 * RNG.standard_normal(ROWS)
EXPECTED = {
    "log_loss": lambda w: metrics.log_loss(T, P, sample_weight=w),
    "roc_auc": lambda w: metrics.roc_auc_score(T, SECOND, sample_weight=w),
    "accuracy": lambda w: metrics.accuracy_score(T, SECOND > 0.5, sample_weight=w),
    "balanced_accuracy": lambda w: metrics.balanced_accuracy_score(T, SECOND > 0.5, sample_weight=w),
    "r2": lambda w: metrics.r2_score(Y, NEAR, sample_weight=w),
    "squared_error": lambda w: metrics.mean_squared_error(Y, NEAR, sample_weight=w),
    "absolute_error": lambda w: metrics.mean_absolute_error(Y, NEAR, sample_weight=w),
}


@pytest.mark.parametrize("metric", [*CLASSIFICATION, *REGRESSION])
def test_a_metric_is_that_of_scikit_learn(metric):
    given = (T, P) if metric in CLASSIFICATION else (Y, NEAR)
    judge = Judge(metric)
    for weight in (None, WEIGHT):
        numpy.testing.assert_allclose(judge(*given, weight), EXPECTED[metric](weight), rtol=1e-12)
    assert judge(*given, None) != judge(*given, WEIGHT)


@pytest.mark.parametrize("metric", [*CLASSIFICATION, *REGRESSION])
def test_what_is_better_is_larger_with_its_sign(metric):
    given = (T, P, P[::-1]) if metric in CLASSIFICATION else (Y, NEAR, NEAR[::-1])
    t, good, bad = given
    judge = Judge(metric)
    assert judge.sign * judge(t, good, None) > judge.sign * judge(t, bad, None)


def test_one_class_alone_has_no_loss_and_no_area_under_a_curve():
    assert Judge("log_loss")(numpy.zeros(3, int), numpy.ones((3, 1)), None) == 0.0
    assert numpy.isnan(Judge("roc_auc")(numpy.zeros(3, int), numpy.ones((3, 1)), None))


def test_a_fit_of_one_class_is_quiet(recwarn):
    y = numpy.full(ROWS, "yes")
    model = TabularClassifier(max_epochs=2, random_state=0).fit(P, y, X_val=P, y_val=y)
    assert not recwarn.list
    assert model.history_["val_log_loss"] == [0.0, 0.0]
    assert (model.predict(P) == "yes").all()


def test_where_a_metric_has_no_value_it_is_nan_without_a_word(recwarn):
    one_class = numpy.zeros(3, int)
    of_three = numpy.asarray([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    assert numpy.isnan(Judge("roc_auc")(one_class, P[:3], None))
    assert numpy.isnan(Judge("roc_auc")(numpy.asarray([0, 1]), of_three, None))
    assert numpy.isnan(Judge("roc_auc")(T, P, (T == 0).astype(float)))  # the other class weighs nothing
    assert numpy.isnan(Judge("r2")(Y[:1], NEAR[:1], None))
    for metric in CLASSIFICATION:
        assert numpy.isnan(Judge(metric)(T, P, numpy.zeros(ROWS)))
        assert numpy.isnan(Judge(metric)(T, P * numpy.nan, None)) == (metric in ("log_loss", "roc_auc"))
    for metric in REGRESSION:
        assert numpy.isnan(Judge(metric)(Y, NEAR, numpy.zeros(ROWS)))
        assert numpy.isnan(Judge(metric)(Y, NEAR * numpy.nan, None))
    assert not recwarn.list


def test_balanced_accuracy_is_of_the_classes_that_are_there(recwarn):
    t, p = numpy.asarray([0, 0, 2]), numpy.eye(3)[[0, 1, 2]]
    assert Judge("balanced_accuracy")(t, p, None) == 0.75
    assert Judge("balanced_accuracy")(t, p, numpy.asarray([1.0, 3.0, 0.0])) == 0.25
    assert not recwarn.list
    with pytest.warns(UserWarning, match="not in y_true"):
        assert metrics.balanced_accuracy_score(t, [0, 1, 2]) == 0.75
