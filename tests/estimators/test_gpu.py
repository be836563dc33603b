"""`device="cuda"`: rows of NumPy in, results of NumPy out, and the CPU's numbers. For CuPy's see test_placement."""

import copy
import pickle
import warnings

import numpy
import pandas
import pytest
import scipy.sparse

import xpnn
from xpnn.arrays.devices import device_of
from xpnn.estimators import (
    Classifier,
    GridSearchMLP,
    MLPClassifier,
    MLPRegressor,
    Regressor,
    TabularClassifier,
    TabularRegressor,
)

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")]

RNG = numpy.random.default_rng(0)
X = RNG.standard_normal((240, 5)).astype("float32")
Y = X[:, 0] - X[:, 1] ** 2 + 0.1 * RNG.standard_normal(240).astype("float32")
LABELS = numpy.asarray(["low", "middle", "high"])[numpy.digitize(Y, [-1.0, 0.0])]
COUNTS = numpy.round(numpy.exp(X[:, 2]))
FRAME = pandas.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": pandas.Categorical(LABELS)})
MLP = {"hidden_layer_sizes": (16,), "max_iter": 8, "random_state": 0}
MODULE = {"max_epochs": 5, "random_state": 0}
TABULAR = {"max_epochs": 4, "random_state": 0, "n_ens": 2}
FITS = {
    "labels": (MLPClassifier, MLP, X, LABELS),
    "labels, rows held out": (MLPClassifier, {**MLP, "early_stopping": True, "monitor": "roc_auc_ovr"}, X, LABELS),
    "labels, weights, dropout": (MLPClassifier, {**MLP, "class_weight": "balanced", "dropout": 0.2}, X, LABELS),
    "labels, lbfgs": (MLPClassifier, {**MLP, "solver": "lbfgs"}, X, LABELS),
    "labels, ensemble": (MLPClassifier, {**MLP, "n_ens": 3, "max_norm": 1.0}, X, LABELS),
    "questions": (MLPClassifier, MLP, X, (X[:, :2] > 0).astype(int)),
    "sparse rows": (MLPClassifier, MLP, scipy.sparse.csr_matrix(numpy.where(X > 1, X, 0)), LABELS),
    "numbers": (MLPRegressor, MLP, X, Y),
    "numbers, sgd": (MLPRegressor, {**MLP, "solver": "sgd", "learning_rate": "adaptive"}, X, Y),
    "several numbers": (MLPRegressor, {**MLP, "loss": "huber"}, X, X[:, :2] ** 2),
    "counts": (MLPRegressor, {**MLP, "loss": "poisson"}, X, COUNTS),
    "quantiles": (MLPRegressor, {**MLP, "loss": "quantile", "quantiles": [0.1, 0.9]}, X, Y),
    "module, labels": (Classifier, {**MODULE, "early_stopping": True, "metrics": ["accuracy"]}, X, LABELS),
    "module, numbers": (Regressor, MODULE, X, Y),
    "table, labels": (TabularClassifier, TABULAR, FRAME[["a", "b"]], LABELS),
    "table, numbers": (TabularRegressor, TABULAR, FRAME, Y),
}


def results(model, x):
    return [getattr(model, name)(x) for name in ("predict_proba", "predict") if hasattr(model, name)]


@pytest.fixture(scope="module", params=FITS)
def fitted(request):
    """The same fit on the CPU and on the GPU."""
    kind, options, x, y = FITS[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of so few steps
        return x, [kind(**options, device=device).fit(x, y) for device in ("cpu", "cuda")]


def test_results_are_the_cpus(fitted):
    x, models = fitted
    for here, there in zip(*(results(model, x) for model in models), strict=True):
        assert type(there) is numpy.ndarray
        assert there.dtype == here.dtype
        if here.dtype.kind == "f":
            numpy.testing.assert_allclose(there, here, rtol=2e-3, atol=2e-4)  # float32, and what training makes of it
        else:
            assert numpy.mean(there == here) > 0.98  # probabilities may be next to a bound


def test_copies_give_the_same(fitted, tmp_path):
    x, (_, model) = fitted
    expected = results(model, x)
    model.save(tmp_path / "m")
    loaded = type(model).load(tmp_path / "m")
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), loaded):
        for one, two in zip(results(other, x), expected, strict=True):
            tolerance = 1e-5 if other is loaded else 0.0  # it may compute on the CPU
            if one.dtype.kind == "f":
                numpy.testing.assert_allclose(one, two, rtol=tolerance, atol=tolerance)
            else:
                numpy.testing.assert_array_equal(one, two)


def test_partial_fit_goes_on_on_the_other_device():
    model = MLPClassifier(**MLP, device="cuda").partial_fit(X, LABELS, classes=numpy.unique(LABELS))
    assert device_of(model.network_.parameters()[0]) == xpnn.device("cuda")
    twin = MLPClassifier(**MLP, device="cpu").partial_fit(X, LABELS, classes=numpy.unique(LABELS))
    for device in ("cpu", "cuda"):
        model.set_params(device=device).partial_fit(X, LABELS)
        twin.partial_fit(X, LABELS)
        numpy.testing.assert_allclose(model.predict_proba(X), twin.predict_proba(X), rtol=1e-3, atol=1e-4)
    assert device_of(model.network_.parameters()[0]) == xpnn.device("cuda")


def test_a_search_gives_the_cpus_scores():
    grid = {"alpha": [0.0, 0.1], "learning_rate_init": [0.001, 0.01]}
    found = [GridSearchMLP(MLPClassifier(**MLP, device=d), grid, cv=2).fit(X, LABELS) for d in ("cpu", "cuda")]
    here, there = (search.cv_results_["mean_test_score"] for search in found)
    numpy.testing.assert_allclose(there, here, atol=0.01)
    assert type(found[1].predict(X)) is numpy.ndarray
