"""Weights of classes: judged by scikit-learn's."""

import numpy
import pytest
from scipy import sparse
from sklearn.utils.class_weight import compute_sample_weight

from xpnn.estimators import Classifier, MLPClassifier, TabularClassifier
from xpnn.estimators.labels import Labels

WORDS = numpy.asarray(["no", "yes", "no", "no"])
THREE = numpy.asarray([7, 3, 5, 3])
SEVERAL = numpy.asarray([[1, 0], [0, 0], [1, 1], [0, 1]])
QUESTIONS = numpy.asarray([[3, 7], [3, 5], [4, 6], [3, 5]])


@pytest.mark.parametrize(
    "y", [WORDS, THREE, sparse.csr_matrix(SEVERAL), QUESTIONS], ids=["two", "three", "sparse", "q"]
)
def test_balanced_weights_are_those_of_the_rows_that_are_trained_with(y):
    labels, counts = Labels(None, y), numpy.asarray([1.0, 2.0, 0.5, 3.0])
    dense = y.toarray() if sparse.issparse(y) else y
    expected = compute_sample_weight("balanced", dense)
    numpy.testing.assert_allclose(labels.weights(y, "balanced", None), expected)
    numpy.testing.assert_allclose(labels.weights(y[:2], "balanced", None, (y, None)), expected[:2])
    repeated = compute_sample_weight("balanced", numpy.repeat(dense, [2, 4, 1, 6], axis=0))
    by_class = repeated[numpy.cumsum([0, 2, 4, 1])]
    numpy.testing.assert_allclose(labels.weights(y, "balanced", counts), by_class * counts)
    numpy.testing.assert_allclose(labels.weights(y[:2], "balanced", None, (y, counts)), by_class[:2])
    assert labels.weights(y, None, counts) is counts


def test_weights_by_class_are_the_same_for_any_rows():
    weights = Labels(None, THREE).weights(THREE[:2], {3: 2.0, 5: 1.0, 7: 0.5}, None, (THREE, None))
    assert weights.tolist() == [0.5, 2.0]


def test_a_class_that_is_not_trained_with_has_no_balanced_weight():
    assert Labels(None, THREE).weights(THREE, "balanced", None, (THREE[1:], None)).tolist() == [0.0, 0.75, 1.5, 0.75]


@pytest.mark.parametrize(
    ("y", "given", "every"),
    [
        (WORDS, {"yes": 5.0}, {"yes": 5.0, "no": 1.0}),
        (THREE, {7: 2, 5: 0.5}, {7: 2, 5: 0.5, 3: 1}),
        (SEVERAL, [{1: 3.0}, {}], [{0: 1, 1: 3.0}, {0: 1, 1: 1}]),
        (sparse.csr_matrix(SEVERAL), [{1: 3.0}, {0: 0.0}], [{0: 1, 1: 3.0}, {0: 0, 1: 1}]),
        (QUESTIONS, [{4: 3.0}, {7: 2.0, 6: 4.0}], [{3: 1, 4: 3}, {5: 1, 6: 4, 7: 2}]),
    ],
    ids=["two", "three", "several", "sparse", "questions"],
)
def test_classes_without_a_name_weigh_1_also_where_rows_lack_one_that_has_it(y, given, every):
    labels = Labels(None, y)
    expected = compute_sample_weight(every, y)
    numpy.testing.assert_array_equal(expected, compute_sample_weight(given, y))
    numpy.testing.assert_array_equal(labels.weights(y, given, None), expected)
    for row in range(4):
        assert labels.weights(y[row : row + 1], given, numpy.asarray([2.0])) == 2 * expected[row]


def test_words_of_digits_are_names_of_classes():
    y = numpy.asarray(["1", "0", "1"])
    assert Labels(None, y).weights(y, {"1": 5.0}, None).tolist() == [5.0, 1.0, 5.0]


@pytest.mark.parametrize(
    ("y", "given", "message"),
    [
        (THREE, {3: 2.0, 4: 9.0}, r"^The classes, \[5, 7\], are not in class_weight, which names \[4\] instead"),
        (WORDS, {"Yes": 2.0}, r"^The classes, \['no', 'yes'\], are not in class_weight, which names \['Yes'\]"),
        (SEVERAL, {1: 2.0}, r"^class_weight expected a list of 2 dictionaries, got \{1: 2.0\}"),
        (QUESTIONS, [{3: 2.0}], r"^class_weight expected a list of 2 dictionaries, got \[\{3: 2.0\}\]"),
    ],
)
def test_names_of_no_class_are_refused(y, given, message):
    with pytest.raises(ValueError, match=message):
        Labels(None, y).weights(y[:1], given, None)
    both = {3: 2.0, 5: 1.0, 7: 1.0, 4: 9.0}  # as of scikit-learn's: all classes have a weight
    assert Labels(None, THREE).weights(THREE, both, None).tolist() == compute_sample_weight(both, THREE).tolist()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:Got `batch_size`")
@pytest.mark.parametrize("kind", [MLPClassifier, Classifier, TabularClassifier])
def test_a_part_of_the_rows_may_lack_a_class_that_has_a_weight(kind):
    rng = numpy.random.default_rng(0)
    x, y = rng.standard_normal((60, 3)), numpy.asarray(["rare", "usual"])[(numpy.arange(60) > 2).astype(int)]
    epochs = "max_iter" if kind is MLPClassifier else "max_epochs"
    one = kind(class_weight={"rare": 5.0}, random_state=0, **{epochs: 2})
    two = kind(class_weight={"rare": 5.0, "usual": 1.0}, random_state=0, **{epochs: 2})
    usual = {"X_val": x[9:20], "y_val": y[9:20]}
    assert_same(one.fit(x, y, **usual), two.fit(x, y, **usual), x)
    if kind is not TabularClassifier:
        assert_same(*(m.partial_fit(x[9:20], y[9:20], classes=["rare", "usual"]) for m in (one, two)), x)
        one.set_params(early_stopping=True)
        two.set_params(early_stopping=True)
    for seed in range(3):  # rows that are held out may lack the three
        assert_same(*(model.set_params(random_state=seed).fit(x, y) for model in (one, two)), x)


def assert_same(one, two, x):
    numpy.testing.assert_array_equal(one.predict_proba(x), two.predict_proba(x))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [MLPClassifier, Classifier, TabularClassifier])
def test_rows_of_weight_0_do_not_count_in_balanced_weights_either(kind):
    rng = numpy.random.default_rng(0)
    x, y = rng.standard_normal((60, 3)), numpy.arange(60) % 3
    w = numpy.where((y == 0) & (numpy.arange(60) % 2 > 0), 0.0, 1.0)
    options = {"random_state": 0, "class_weight": "balanced"}
    options |= {"max_iter": 3} if kind is MLPClassifier else {"max_epochs": 3}
    weighted, fewer = kind(**options).fit(x, y, sample_weight=w), kind(**options).fit(x[w > 0], y[w > 0])
    numpy.testing.assert_allclose(weighted.predict_proba(x), fewer.predict_proba(x), rtol=1e-6)


def test_a_class_without_rows_has_no_weight():
    weights = Labels(None, THREE).weights(THREE, "balanced", None, (THREE[1:], None))
    assert weights.tolist() == [0.0, 0.75, 1.5, 0.75]  # scikit-learn's of two rows and one


def test_a_class_whose_rows_do_not_count_has_no_weight():
    weights = Labels(None, THREE).weights(THREE, "balanced", numpy.asarray([0.0, 1.0, 2.0, 1.0]))
    assert weights.tolist() == [0.0, 1.0, 2.0, 1.0]
