"""The first call of `partial_fit` says what targets are."""

import numpy
import pytest
from scipy import sparse

from xpnn.estimators import Classifier, MLPClassifier

WORDS = numpy.asarray(["no", "yes", "no", "no"])
SEVERAL = numpy.asarray([[1, 0], [0, 0], [1, 1], [0, 1]])
QUESTIONS = numpy.asarray([[3, 7], [3, 5], [4, 6], [3, 5]])
X = numpy.random.default_rng(0).standard_normal((4, 2))
CLASSES = ([3, 4, 9], numpy.asarray([5, 6, 7]))
BOTH = pytest.mark.parametrize("kind", [MLPClassifier, Classifier])


@BOTH
@pytest.mark.filterwarnings("ignore:Got `batch_size`")
def test_several_questions_have_a_list_of_classes_each(kind):
    model = kind(random_state=0).partial_fit(X, QUESTIONS, classes=list(CLASSES))
    assert [classes.tolist() for classes in model.classes_] == [[3, 4, 9], [5, 6, 7]]
    later = numpy.where(QUESTIONS == 4, 9, QUESTIONS)  # a label that the first call only announced
    model.partial_fit(X, later).partial_fit(X, later, classes=list(CLASSES))
    assert [p.shape for p in model.predict_proba(X)] == [(4, 3), (4, 3)]
    for classes in ([[3, 4], [5, 6, 7]], [*CLASSES, [1, 2]], [3, 4, 9]):
        with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
            model.partial_fit(X, later, classes=classes)


@BOTH
@pytest.mark.parametrize("classes", [["nonsense"], [3, 4], [[3, 4]]], ids=str)
def test_other_classes_than_questions_are_refused(kind, classes):
    model = kind()
    with pytest.raises(ValueError, match=r"^classes expected a list of an array for each question, 2, got \["):
        model.partial_fit(X, QUESTIONS, classes=classes)
    assert not hasattr(model, "classes_")


@BOTH
def test_a_label_that_was_not_announced_is_refused(kind):
    with pytest.raises(ValueError, match=r"`y` has classes not in `self.classes_`\."):
        kind().partial_fit(X, QUESTIONS, classes=[[3, 4], [5, 6]])


@BOTH
def test_one_question_has_one_list(kind):
    model = kind(random_state=0).partial_fit(X, WORDS, classes=["yes", "no", "no"])
    assert model.classes_.tolist() == ["no", "yes"]
    for classes in (["no"], [["no"], ["yes"]]):
        with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
            model.partial_fit(X, WORDS, classes=classes)


@BOTH
@pytest.mark.filterwarnings("ignore:Got `batch_size`")
def test_several_labels_at_once_have_numbers(kind):
    for y in (SEVERAL, sparse.csr_matrix(SEVERAL)):
        model = kind().partial_fit(X, y, classes=[0, 1]).partial_fit(X, y, classes=numpy.arange(2))
        assert model.classes_.tolist() == [0, 1]
        for classes in ([0, 1, 2], ["u", "v"], [0]):
            model = kind()
            with pytest.raises(ValueError, match=r"^classes expected the numbers of the columns of y, \[0, 1\]"):
                model.partial_fit(X, y, classes=classes)
            assert not hasattr(model, "classes_")
