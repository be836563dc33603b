"""Threads that predict with one estimator get what one gets, and leave it as it was."""

import copy
import pickle
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest

pytest.importorskip("sklearn")

from xpnn.estimators import (
    Classifier,
    GridSearchMLP,
    MLPClassifier,
    MLPRegressor,
    Regressor,
    TabularClassifier,
    TabularRegressor,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = numpy.random.default_rng(0)
X = RNG.standard_normal((40, 4))
LABELS = (X[:, 0] > 0).astype(int)
MLP = {"max_iter": 2, "hidden_layer_sizes": (8,), "random_state": 0}
ANY = {"max_epochs": 2, "random_state": 0}
FITTED = {
    "alone": lambda: MLPClassifier(**MLP).fit(X, LABELS),
    "by a trainer": lambda: MLPRegressor(dropout=0.5, early_stopping=True, **MLP).fit(X, X[:, 0]),
    "by a trainer of the pool": lambda: [MLPClassifier(dropout=0.5, **MLP).fit(X, LABELS) for _ in range(3)][-1],
    "lbfgs": lambda: MLPClassifier(solver="lbfgs", **MLP).fit(X, LABELS),
    "ensemble": lambda: MLPClassifier(n_ens=2, dropout=0.5, **MLP).fit(X, LABELS),
    "partial_fit": lambda: MLPClassifier(dropout=0.5, **MLP).partial_fit(X, LABELS, classes=[0, 1]),
    "partial_fit after fit": lambda: MLPClassifier(**MLP).fit(X, LABELS).partial_fit(X, LABELS),
    "search": lambda: GridSearchMLP(MLPClassifier(**MLP), {"alpha": [0, 1]}, cv=2).fit(X, LABELS).best_estimator_,
    "Classifier": lambda: Classifier(module_options={"dropout": 0.5}, **ANY).fit(X, LABELS),
    "Regressor": lambda: Regressor(early_stopping=True, average=0.9, **ANY).fit(X, X[:, 0]),
    "Classifier, partial_fit": lambda: Classifier(**ANY).partial_fit(X, LABELS, classes=[0, 1]),
    "TabularClassifier": lambda: TabularClassifier(**ANY).fit(X, LABELS),
    "TabularClassifier, rows held out": lambda: TabularClassifier(**ANY).fit(X, LABELS, X_val=X, y_val=LABELS),
    "TabularRegressor": lambda: TabularRegressor(n_ens=2, **ANY).fit(X, X[:, 0]),
}


def in_evaluation(model):
    network = vars(model).get("network_", vars(model).get("module_"))
    return not any(module.training for _, module in network.named_modules())


@pytest.mark.parametrize("fitted", FITTED)
def test_a_fit_leaves_the_filters_of_warnings_alone(fitted, monkeypatch):
    """They are the whole process's: of threads that set them and put them back, the last may put back another's."""
    callers = []

    class Spy(warnings.catch_warnings):
        def __enter__(self):
            callers.append(sys._getframe(1).f_globals["__name__"])
            return super().__enter__()

    monkeypatch.setattr(warnings, "catch_warnings", Spy)
    FITTED[fitted]()
    assert [caller for caller in callers if caller.startswith("xpnn")] == []


@pytest.mark.parametrize("fitted", FITTED)
def test_what_is_fitted_is_in_evaluation_mode_however_it_came_here(fitted, tmp_path):
    model = FITTED[fitted]()
    model.save(tmp_path / "m")
    copies = [model, copy.deepcopy(model), pickle.loads(pickle.dumps(model)), type(model).load(tmp_path / "m")]
    assert [in_evaluation(one) for one in copies] == [True] * 4
    model.predict(X)
    assert in_evaluation(model)


def test_a_fit_that_fails_leaves_the_network_in_evaluation_mode():
    def fails(trainer, row):
        raise RuntimeError

    model = MLPClassifier(dropout=0.5, **MLP).partial_fit(X, LABELS, classes=[0, 1]).set_params(callbacks=[fails])
    with pytest.raises(RuntimeError):
        model.partial_fit(X, LABELS)
    assert in_evaluation(model)


@pytest.mark.parametrize("options", [{"normalization": "batch"}, {"dropout": 0.5}])
@pytest.mark.parametrize("family", ["MLP", "module"])
def test_threads_predict_to_the_bit_and_change_nothing(family, options):
    fresh = MLPClassifier(**MLP, **options) if family == "MLP" else Classifier(module_options=options, **ANY)
    model = fresh.fit(X, LABELS)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for one in (model, pickle.loads(pickle.dumps(model))):
            alone = one.predict_proba(X)
            with ThreadPoolExecutor(4) as threads:
                together = list(threads.map(lambda _, one=one: one.predict_proba(X), range(200)))
            assert all(numpy.array_equal(found, alone) for found in together)
            assert numpy.array_equal(one.predict_proba(X), alone)
    finally:
        sys.setswitchinterval(before)
