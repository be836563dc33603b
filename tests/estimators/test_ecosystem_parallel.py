"""Fits side by side: in processes, in threads, and after a fork; all with the bits of one after the other."""

import multiprocessing
import pickle
import subprocess
import sys
import threading
import warnings

import joblib
import numpy
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_predict

from xpnn.estimators import MLPClassifier
from xpnn.estimators.pool import POOL

X = numpy.random.default_rng(0).standard_normal((120, 5))
Y = numpy.asarray(["no", "yes"])[(X[:, 0] * X[:, 1] > 0).astype(int)]
SHORT = {"hidden_layer_sizes": (8,), "max_iter": 12, "batch_size": 20}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def fitted(seed, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MLPClassifier(**SHORT, **options, random_state=seed).fit(X, Y).predict_proba(X)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_search_of_two_jobs_finds_the_same_numbers(backend):
    grid = {"alpha": [1e-4, 1.0], "dropout": [0.0, 0.3]}
    with joblib.parallel_backend(backend), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        several = GridSearchCV(MLPClassifier(**SHORT, random_state=0), grid, cv=2, n_jobs=2).fit(X, Y)
    alone = GridSearchCV(MLPClassifier(**SHORT, random_state=0), grid, cv=2).fit(X, Y)
    numpy.testing.assert_array_equal(several.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    numpy.testing.assert_array_equal(several.predict_proba(X), alone.predict_proba(X))


def test_held_out_predictions_of_two_jobs():
    model = MLPClassifier(**SHORT, random_state=0)
    several, alone = (cross_val_predict(model, X, Y, cv=3, method="predict_proba", n_jobs=n) for n in (2, 1))
    numpy.testing.assert_array_equal(several, alone)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.5}, {"solver": "lbfgs"}], ids=str)
def test_threads_that_fit_at_once_give_the_bits_of_one_after_the_other(options):
    """They have the same shapes, so they would share compiled steps if that were allowed."""
    POOL.clear()
    expected = [fitted(seed, **options) for seed in range(4)]
    found, ready = {}, threading.Barrier(4)

    def fit(seed):
        ready.wait()
        found[seed] = fitted(seed, **options)

    threads = [threading.Thread(target=fit, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        numpy.testing.assert_array_equal(found[seed], expected[seed])


FORKED = """
import multiprocessing, sys
import numpy
from xpnn.estimators import MLPClassifier

X = numpy.random.default_rng(0).standard_normal((60, 5))
Y = (X[:, 0] > 0).astype(int)

def fit(device):
    return MLPClassifier((8,), max_iter=3, random_state=0, device=device, tol=0.0).fit(X, Y).predict_proba(X)

def touched():
    return sorted({name.partition(".")[0] for name in sys.modules} & {"cupy", "torch"})

import warnings
warnings.simplefilter("ignore")
model = MLPClassifier(device=sys.argv[1])
model.get_params(), repr(model)
assert not touched(), touched()
with multiprocessing.get_context("fork").Pool(1) as pool:  # before any fit here
    first = pool.apply(fit, (sys.argv[1],))
here = fit(sys.argv[1])
assert (first == here).all()
with multiprocessing.get_context("fork").Pool(1) as pool:  # and after one, with its kept steps
    assert (pool.apply(fit, ("cpu",)) == here).all()
print("same")
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_a_child_fits_before_and_after_its_parent(device):
    """An estimator that was made, but not fitted, has looked for no GPU: a child may still use one."""
    import xpnn

    if device == "auto" and xpnn.device("auto").name != "cpu":
        pytest.skip("there is a GPU: a child that was forked after its use cannot have it")
    run = subprocess.run(
        [sys.executable, "-c", FORKED, device], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout == "same\n", run.stderr


def test_a_model_goes_through_processes():
    model = MLPClassifier(**SHORT, random_state=0).fit(X, Y)
    there = joblib.Parallel(n_jobs=2)(joblib.delayed(model.predict_proba)(part) for part in (X[:60], X[60:]))
    numpy.testing.assert_array_equal(numpy.concatenate(there), model.predict_proba(X))


def test_joblib_keeps_a_model_in_a_file(tmp_path):
    model = MLPClassifier(**SHORT, random_state=0).fit(X, Y)
    joblib.dump(model, tmp_path / "model.joblib", compress=3)
    numpy.testing.assert_array_equal(joblib.load(tmp_path / "model.joblib").predict_proba(X), model.predict_proba(X))
    mapped = tmp_path / "mapped.joblib"
    joblib.dump(model, mapped)
    read_only = joblib.load(mapped, mmap_mode="r")
    numpy.testing.assert_array_equal(read_only.predict_proba(X), model.predict_proba(X))
    assert pickle.loads(pickle.dumps(read_only)).partial_fit(X, Y).n_iter_ == 13
