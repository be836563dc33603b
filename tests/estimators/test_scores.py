"""The scores after each epoch are scikit-learn's, to the last bit."""

import numpy
import pytest
from scipy import sparse
from sklearn.metrics import accuracy_score, r2_score

from xpnn.estimators.scores import r_squared, share_right

RNG = numpy.random.default_rng(0)
WEIGHTS = [None, RNG.uniform(size=40), RNG.integers(0, 3, 40).astype("float32")]
WEIGHTED = pytest.mark.parametrize("weight", WEIGHTS, ids=["alike", "weighted", "whole weights"])


@WEIGHTED
@pytest.mark.parametrize("classes", [numpy.asarray(["a", "bcd"]), numpy.arange(4), numpy.asarray([-1.0, 1.0])], ids=str)
def test_the_share_of_right_labels(classes, weight):
    y, predictions = (RNG.choice(classes, 40) for _ in range(2))
    assert share_right(y, predictions, weight) == accuracy_score(y, predictions, sample_weight=weight)
    assert share_right(y[:, None], predictions, weight) == share_right(y, predictions, weight)


@WEIGHTED
def test_several_labels_have_to_be_right_at_once(weight):
    y, predictions = (RNG.integers(0, 2, (40, 2)) for _ in range(2))
    expected = accuracy_score(y, predictions, sample_weight=weight)
    assert share_right(y, predictions, weight) == share_right(sparse.csr_matrix(y), predictions, weight) == expected


@WEIGHTED
@pytest.mark.parametrize("dtypes", [("float64", "float64"), ("float32", "float32"), ("int64", "float32")], ids=str)
@pytest.mark.parametrize("shape", [(40,), (40, 3)], ids=str)
def test_r_squared(shape, dtypes, weight):
    y, predictions = ((5 * RNG.standard_normal(shape)).astype(dtype) for dtype in dtypes)
    assert r_squared(y, predictions, weight) == r2_score(y, predictions, sample_weight=weight)


def test_r_squared_of_targets_that_are_always_the_same():
    y = numpy.asarray([[1.0, 2.0, 3.0], [1.0, 2.0, 5.0]])
    predictions = numpy.asarray([[1.0, 2.0, 3.0], [1.0, 2.5, 4.0]])
    assert r_squared(y, predictions, None) == r2_score(y, predictions) == pytest.approx((1 + 0 + 0.5) / 3)


def test_what_has_no_r_squared():
    one = numpy.ones(1)
    assert numpy.isnan(r_squared(one, one, None))
    assert numpy.isnan(r_squared(numpy.ones(2), numpy.asarray([1.0, numpy.inf]), None))
