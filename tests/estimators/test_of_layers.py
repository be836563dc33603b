"""Weights and biases that are set layer by layer, as scikit-learn's."""

import copy
import pickle
import warnings

import numpy
import pytest
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning

from xpnn import estimators
from xpnn.arrays.native import to_host

X = numpy.random.default_rng(0).standard_normal((30, 3))
Y = (X[:, 0] > 0).astype(int)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def fitted(kind, **options):
    return kind((4, 2), max_iter=1, random_state=0, **options).fit(X, Y)


def test_what_is_set_is_predicted_with_as_by_scikit_learns():
    ours, theirs = fitted(estimators.MLPClassifier), fitted(neural_network.MLPClassifier)
    for model in (ours, theirs):
        coefs, biases = model.coefs_, model.intercepts_
        coefs[0] = numpy.linspace(-1, 1, 12).reshape(3, 4)
        coefs[-2:] = [numpy.linspace(2, 1, 8).reshape(4, 2), numpy.asarray([[1], [3]])]
        model.intercepts_[:] = [numpy.arange(4.0), numpy.arange(2.0), numpy.asarray([0.5])]
        biases[1] = numpy.asarray([7.0, -7.0])
        coefs[0][0, 0] = 9.0  # what was set is the network's from then on
    numpy.testing.assert_allclose(ours.predict_proba(X)[:, 1], theirs.predict_proba(X)[:, 1], rtol=1e-12)
    for mine, their in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        numpy.testing.assert_array_equal(mine, their)


def test_what_does_not_fit_is_refused_and_changes_nothing():
    model = fitted(estimators.MLPClassifier)
    before, coefs = [one.copy() for one in model.coefs_], model.coefs_
    with pytest.raises(ValueError, match=r"expected a weight for each layer, of shapes \(3, 4\), .* got \(4, 3\)"):
        coefs[0] = numpy.zeros((4, 3))
    with pytest.raises(ValueError, match="expected a weight for each layer"):
        coefs[1:] = []
    with pytest.raises(IndexError):
        coefs[3] = before[0]
    for found in (coefs, model.coefs_):
        for one, other in zip(found, before, strict=True):
            numpy.testing.assert_array_equal(one, other)


def test_a_list_of_before_another_fit_sets_one_layer_only():
    model = fitted(estimators.MLPClassifier)
    old = model.coefs_
    later = model.set_params(max_iter=3).fit(X, Y).coefs_[1].copy()
    old[0] = numpy.ones((3, 4))
    assert (model.coefs_[0] == 1).all()
    numpy.testing.assert_array_equal(model.coefs_[1], later)


@pytest.mark.parametrize("made", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_are_plain_lists(made):
    model = fitted(estimators.MLPClassifier)
    twin = made(model.coefs_)
    assert type(twin) is list
    twin[0] = numpy.zeros((3, 4))
    assert model.coefs_[0].any()


def test_elsewhere_and_of_an_ensemble(elsewhere):
    model = fitted(estimators.MLPClassifier, n_ens=2, device=elsewhere)
    model.coefs_[1] = numpy.full((2, 4, 2), 3.0)
    assert (to_host(model.network_.parameters()[2]) == 3).all()
