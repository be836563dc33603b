"""Labels as numbers and back: judged by SciPy's functions, at outputs where a formula written plainly breaks, too."""

import numpy
import pytest
from scipy import sparse
from scipy.special import expit, log_expit, log_softmax, softmax

from xpnn.estimators import Classifier, MLPClassifier
from xpnn.estimators.labels import Labels

WORDS = numpy.asarray(["no", "yes", "no", "no"])
THREE = numpy.asarray([7, 3, 5, 3])
SEVERAL = numpy.asarray([[1, 0], [0, 0], [1, 1], [0, 1]])
QUESTIONS = numpy.asarray([[3, 7], [3, 5], [4, 6], [3, 5]])
WIDE = numpy.asarray([[-1000.0, 0.0, 1000.0], [2.0, -1.0, 0.5], [-40.0, -50.0, -60.0], [800.0, 800.0, -800.0]])


@pytest.mark.parametrize(
    ("y", "kind", "encoded", "outputs"),
    [
        (WORDS, "binary", [[0], [1], [0], [0]], 1),
        (THREE, "multiclass", [2, 0, 1, 0], 3),
        (SEVERAL, "multilabel-indicator", SEVERAL, 2),
        (sparse.csr_matrix(SEVERAL), "multilabel-indicator", SEVERAL, 2),
        (QUESTIONS, "multiclass-multioutput", [[0, 2], [0, 0], [1, 1], [0, 0]], 5),
        (numpy.full(4, "only"), "binary", [[0]] * 4, 1),
    ],
    ids=["words", "three", "several", "sparse", "questions", "one class"],
)
def test_what_is_encoded_is_predicted_again(y, kind, encoded, outputs):
    labels = Labels(None, y)
    t = labels.encoded(y, numpy.float32)
    assert labels.kind == kind
    numpy.testing.assert_array_equal(t, encoded)
    assert labels.objective(0.0).outputs == outputs
    if kind == "multiclass":
        t = numpy.eye(3)[t]
    elif kind == "multiclass-multioutput":
        t = numpy.concatenate([numpy.eye(n)[t[:, k]] for k, n in enumerate((2, 3))], axis=1)
    given = y.toarray() if sparse.issparse(y) else y
    numpy.testing.assert_array_equal(labels.predicted(2.0 * t - 1.0), given)


def test_classes_in_any_order_are_sorted_once():
    labels = Labels(["b", "c", "a", "b"], numpy.asarray(["a", "b"]))
    assert labels.classes.tolist() == ["a", "b", "c"]
    assert labels.encoded(numpy.asarray(["c", "a"]), float).tolist() == [2, 0]


@pytest.mark.parametrize("wrong", [[9, 3], [4, 3], [0, 3]])
def test_a_label_that_is_no_class_is_named_wherever_it_would_stand(wrong):
    with pytest.raises(ValueError, match=r"`y` has classes not in .*\[3 5 7\]"):
        Labels(None, THREE).encoded(numpy.asarray(wrong), float)


@pytest.mark.parametrize("kind", [MLPClassifier, Classifier])
@pytest.mark.parametrize(("no", "yes", "named"), [(-1, 1, -1), (0, 2, 2), (1, 2, 2), (0.0, 0.5, 0.5)])
def test_labels_are_0_and_1(kind, no, yes, named):
    x, y = numpy.random.default_rng(0).standard_normal((4, 2)), numpy.where(SEVERAL, yes, no)
    message = f"expected y of several labels to have 0 and 1 only, got {named}"
    if named != 0.5:  # which no first fit takes for labels
        with pytest.raises(ValueError, match=f"^{message}"):
            kind().fit(x, y)
        with pytest.raises(ValueError, match=f"^{message}" if no == 0 else "^expected a sparse y to have 0 and 1 only"):
            kind().fit(x, sparse.csr_matrix(y))
    with pytest.raises(ValueError, match=f"^y_val: {message}"):
        kind().fit(x, SEVERAL, X_val=x, y_val=y)
    model = kind(batch_size=4).partial_fit(x, SEVERAL, classes=[0, 1])
    with pytest.raises(ValueError, match=f"^{message}"):
        model.partial_fit(x, y)
    with pytest.raises(ValueError, match=r"^expected a sparse y to have 0 and 1 only"):
        kind().partial_fit(x, sparse.csr_matrix(QUESTIONS), classes=[[3, 4], [5, 6, 7]])
    model.partial_fit(x, SEVERAL.astype(bool)).partial_fit(x, sparse.csr_matrix(SEVERAL, dtype=float))


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        (SEVERAL, SEVERAL[:, :1], r"expected y of 2 labels, got shape \(4, 1\)"),
        (QUESTIONS, QUESTIONS[:, 0], r"expected y of 2 questions, got shape \(4,\)"),
        (WORDS, SEVERAL, r"expected y of one class for each row, got shape \(4, 2\)"),
    ],
)
def test_other_columns_are_named(first, then, message):
    with pytest.raises(ValueError, match=message):
        Labels(None, first).encoded(then, float)


def test_probabilities_are_scipys_and_none_is_0():
    z = WIDE[:, :1]
    for dtype, rtol in (("float64", 1e-14), ("float32", 1e-6)):
        tiny = numpy.finfo(dtype).smallest_normal
        cases = [
            (Labels(None, WORDS), z, numpy.concatenate([expit(-z), expit(z)], axis=1)),
            (Labels(None, THREE), WIDE, softmax(WIDE, axis=1)),
            (Labels(None, SEVERAL), WIDE[:, :2], expit(WIDE[:, :2])),
        ]
        for labels, outputs, expected in cases:
            p = labels.probabilities(outputs.astype(dtype))
            assert p.dtype == dtype
            assert p.min() > 0
            numpy.testing.assert_allclose(p, expected, rtol=rtol, atol=2 * tiny)


def test_a_class_alone_is_certain_whatever_the_outputs():
    labels = Labels(None, numpy.full(4, "only"))
    assert labels.predicted(WIDE[:, :1]).tolist() == ["only"] * 4
    assert labels.probabilities(WIDE[:, :1]).tolist() == [[1.0]] * 4


def test_a_label_is_never_certain():
    p = Labels(None, SEVERAL).probabilities(WIDE[:, 1:])
    assert p.max() == 1 - 2.0**-53
    assert p.min() > 0


def test_logarithms_of_probabilities_are_scipys_where_these_are_0_or_1():
    z = WIDE[:, :1]
    cases = [
        (Labels(None, WORDS), z, numpy.concatenate([log_expit(-z), log_expit(z)], axis=1)),
        (Labels(None, THREE), WIDE, log_softmax(WIDE, axis=1)),
        (Labels(None, SEVERAL), WIDE[:, :2], log_expit(WIDE[:, :2])),
        (Labels(None, numpy.ones(4)), z, numpy.zeros((4, 1))),
    ]
    for labels, outputs, expected in cases:
        numpy.testing.assert_allclose(labels.log_probabilities(outputs), expected, rtol=1e-14, atol=1e-300)
    parts = Labels(None, QUESTIONS).log_probabilities(numpy.concatenate([WIDE, -WIDE], axis=1)[:, :5])
    numpy.testing.assert_allclose(parts[0], log_softmax(WIDE[:, :2], axis=1), rtol=1e-14)
    numpy.testing.assert_allclose(
        parts[1], log_softmax(numpy.stack([WIDE[:, 2], *-WIDE[:, :2].T], axis=1), axis=1), rtol=1e-14
    )
