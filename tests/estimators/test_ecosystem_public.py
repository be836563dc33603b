"""What is public of scikit-learn's MLPs is public of ours: methods, their parameters, and attributes after a fit."""

import inspect
import warnings

import numpy
import pytest
import sklearn
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from xpnn import estimators

X = numpy.random.default_rng(0).standard_normal((60, 3))
Y = (X[:, 0] > 0).astype(int)
SHORT = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
KINDS = ["MLPClassifier", "MLPRegressor"]
# scikit-learn's regressor shows the method with 'lbfgs', too, and raises the same error when it is called
NOT_SHOWN = {("MLPRegressor", "lbfgs"): {"partial_fit"}}

# what scikit-learn's own of before 1.8 ask of a SciPy of today
pytestmark = pytest.mark.filterwarnings("ignore:scipy.optimize. The .disp:DeprecationWarning")


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def public(of):
    return {name for name in dir(of) if not name.startswith("_")}


def both(name):
    return getattr(estimators, name), getattr(neural_network, name)


@pytest.mark.skipif(VERSION < (1, 7), reason="scikit-learn's take sample_weight from 1.7 on")
@pytest.mark.parametrize("name", KINDS)
def test_methods_have_the_parameters_of_scikit_learns_in_their_order(name):
    ours, theirs = both(name)
    compared = 0
    for method in public(theirs):
        if callable(getattr(theirs, method)):
            expected = inspect.signature(getattr(theirs, method)).parameters
            found = inspect.signature(getattr(ours, method)).parameters
            for (key, parameter), mine in zip(expected.items(), found.values(), strict=False):
                if parameter.kind is not parameter.KEYWORD_ONLY:
                    assert (mine.name, mine.default, mine.kind) == (key, parameter.default, parameter.kind)
            added = [found[key] for key in found.keys() - expected.keys()]
            assert expected.keys() <= found.keys()
            assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in added)
            compared += 1
    assert compared >= 7


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("name", KINDS)
def test_attributes_after_a_fit_are_those_of_scikit_learns_and_of_their_kind(name, solver, early_stopping):
    ours, theirs = (kind(**SHORT, solver=solver, early_stopping=early_stopping).fit(X, Y) for kind in both(name))
    assert public(theirs) - public(ours) <= NOT_SHOWN.get((name, solver), set())
    for attribute in (one for one in public(theirs) if one.endswith("_")):
        mine, their = getattr(ours, attribute), getattr(theirs, attribute)
        # a number of NumPy's is one of Python's, too, and our list of layers a list
        assert isinstance(their, type(mine)) or (isinstance(mine, list) and type(their) is list)
        if isinstance(their, list):
            assert len(mine) == len(their)
            assert [numpy.shape(one) for one in mine] == [numpy.shape(one) for one in their]
        if isinstance(their, int | str):
            assert mine == their
    assert hasattr(ours, "loss_curve_") == (solver != "lbfgs")


def test_weights_may_be_set():
    """As of scikit-learn's: those who average the weights of several machines do so."""
    one, other = (estimators.MLPClassifier(**{**SHORT, "random_state": seed}).fit(X, Y) for seed in (0, 1))
    one.coefs_, one.intercepts_ = [2 * w for w in other.coefs_], other.intercepts_
    other.coefs_[0][...] *= 2
    other.coefs_[1][...] *= 2
    numpy.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    before = one.predict_proba(X)
    with pytest.raises(
        ValueError, match=r"expected a weight for each layer, of shapes \(3, 4\), \(4, 1\), got \(3, 4\)$"
    ):
        one.coefs_ = one.coefs_[:1]
    with pytest.raises(
        ValueError, match=r"expected a bias for each layer, of shapes \(4,\), \(1,\), got \(4,\), \(2,\)"
    ):
        one.intercepts_ = [numpy.zeros(4), numpy.zeros(2)]
    numpy.testing.assert_array_equal(one.predict_proba(X), before)
    with pytest.raises(AttributeError, match="not fitted yet"):
        estimators.MLPClassifier().coefs_ = one.coefs_


@pytest.mark.parametrize("limit", [{"max_iter": 4}, {"max_fun": 5, "max_iter": 500}], ids=str)
@pytest.mark.parametrize("name", KINDS)
def test_lbfgs_that_is_not_done_says_which_limit_it_met(name, limit):
    rows, labels = load_iris(return_X_y=True)
    ours, theirs = (kind(**{**SHORT, **limit}, solver="lbfgs") for kind in both(name))
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        theirs.fit(rows, labels)
    with pytest.warns(ConvergenceWarning, match=r"lbfgs failed to converge after \d+ iteration\(s\) \(status=1\): "):
        ours.fit(rows, labels)


def test_lbfgs_that_is_done_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimators.MLPRegressor(**{**SHORT, "max_iter": 500}, solver="lbfgs").fit(X, X[:, 0])


def test_a_regressor_that_diverges_has_no_score_and_keeps_its_best_weights():
    rows, numbers = load_iris(return_X_y=True)
    options = {"hidden_layer_sizes": 100, "activation": "identity", "solver": "sgd", "learning_rate_init": 1.0}
    for monitor in ("loss", "score"):
        model = estimators.MLPRegressor(**options, max_iter=20, early_stopping=True, monitor=monitor, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            model.fit(rows, numbers)
        assert numpy.isnan(model.validation_scores_[-1])
        assert numpy.isfinite(model.predict(rows)).all()
