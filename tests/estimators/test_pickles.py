"""Pickles of estimators: weights once, no rows; skops; the same bits twice; float32 throughout."""

import pickle

import numpy
import pytest

pytest.importorskip("sklearn")

from xpnn.estimators.mlp_classifier import MLPClassifier
from xpnn.estimators.mlp_regressor import MLPRegressor
from xpnn.nn import PReLU

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = numpy.random.default_rng(0).normal(size=(4000, 20))
Y = (X[:, 0] > 0).astype(int)
FITS = {
    "fit": {},
    "early": {"early_stopping": True},
    "lbfgs": {"solver": "lbfgs"},
    "partial": {},
}


def fitted(kind, fit, x=X, y=Y):
    model = kind(hidden_layer_sizes=(100,), max_iter=2, random_state=0, **FITS[fit])
    if fit != "partial":
        return model.fit(x, y)
    return model.partial_fit(x, y, classes=[0, 1]) if kind is MLPClassifier else model.partial_fit(x, y)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_pickle_holds_the_weights_once_and_no_rows(kind, fit):
    model = fitted(kind, fit)
    weights = sum(array.nbytes for array in (*model.coefs_, *model.intercepts_))
    size = len(pickle.dumps(model))
    assert weights <= size < 1.5 * weights < X.nbytes
    assert (pickle.loads(pickle.dumps(model)).predict(X) == model.predict(X)).all()


@pytest.mark.parametrize("fit", FITS)
def test_the_same_seed_gives_the_same_bits(fit):
    one, other = fitted(MLPClassifier, fit), fitted(MLPClassifier, fit)
    for a, b in zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        numpy.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("fit", FITS)
def test_float32_rows_stay_float32_with_float64_targets(fit):
    x = X.astype("float32")
    model = fitted(MLPRegressor, fit, x, X[:, 0])
    assert {array.dtype for array in (*model.coefs_, *model.intercepts_, model.predict(x))} == {numpy.dtype("float32")}


@pytest.mark.parametrize("options", [{}, {"n_ens": 2, "dropout": [0.1], "normalization": "batch"}], ids=str)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_skops_trusts_the_estimator_and_needs_to_trust_no_more(kind, options):
    skops = pytest.importorskip("skops.io", reason="skops is not installed")
    model = kind(hidden_layer_sizes=(4,), max_iter=2, random_state=0, **options).fit(X[:60], Y[:60])
    data = skops.dumps(model)
    assert skops.get_untrusted_types(data=data) == [f"{kind.__module__}.{kind.__name__}"]
    again = skops.loads(data, trusted=[f"{kind.__module__}.{kind.__name__}"])
    assert (again.predict(X) == model.predict(X)).all()
    for one in (model, again):  # the masks of dropout go on, too
        one._begun = one._trainer = None
        one.partial_fit(X[:60], Y[:60])
    numpy.testing.assert_array_equal(again.coefs_[0], model.coefs_[0])


@pytest.mark.parametrize("activation", [PReLU, abs, "mish"])
def test_a_network_is_made_anew_from_what_it_was_made_of(activation):
    model = MLPRegressor(hidden_layer_sizes=(4, 3), activation=activation, max_iter=2, random_state=0, compile=False)
    model.fit(X[:60], Y[:60])
    again = pickle.loads(pickle.dumps(model))
    assert repr(again.network_) == repr(model.network_)
    assert (again.predict(X) == model.predict(X)).all()
    assert vars(again).keys() == vars(model).keys()
    assert again._dtype == model._dtype
