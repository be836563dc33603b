"""Where rows come from, where a model computes, and where its results go."""

import pickle
import subprocess
import sys

import numpy
import pytest
from with_dispatch import IS_ON, ROOT, assert_passes

if not IS_ON:

    @pytest.mark.parametrize("marked", ["not gpu", pytest.param("gpu", marks=pytest.mark.gpu)])
    def test_with_dispatch_in_a_process_where_scipy_allows_it(marked):
        assert_passes(__file__, marked)

else:
    from sklearn import config_context
    from sklearn.metrics import get_scorer
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils.estimator_checks import check_array_api_input_and_values

    from xpnn.arrays.devices import device_of
    from xpnn.arrays.native import to_host
    from xpnn.estimators import GridSearchMLP, MLPClassifier, MLPRegressor
    from xpnn.estimators.objectives import LOSSES

    pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    KINDS = pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
    RNG = numpy.random.default_rng(0)
    X = RNG.standard_normal((40, 3)).astype("float32")
    Y = (X[:, 0] > 0).astype("int64")
    WORDS = numpy.asarray(["no", "yes"])[Y]
    LIBRARIES = [  # scikit-learn's words for library and device
        ("array_api_strict", "CPU_DEVICE"), ("array_api_strict", "device1"),
        pytest.param(("cupy", None), marks=pytest.mark.gpu),
    ]  # fmt: skip

    def small(kind, **options):
        return kind(**{"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0, **options})

    @KINDS
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("library", LIBRARIES)
    def test_arrays_of_other_libraries_give_numpys_numbers(kind, library, dtype, weighted):
        check_array_api_input_and_values(kind.__name__, small(kind), *library, dtype, weighted)

    @KINDS
    @pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"solver": "lbfgs"}], ids=str)
    def test_everything_follows_x(kind, options, elsewhere):
        y = WORDS if kind is MLPClassifier else Y
        with config_context(array_api_dispatch=True):
            model = small(kind, **options).fit(elsewhere.asarray(X), y, sample_weight=numpy.ones(40))
            given = [model.predict_proba(elsewhere.asarray(X))] if kind is MLPClassifier else []
            if kind is MLPRegressor:
                given.append(model.predict(elsewhere.asarray(X)))
            else:
                assert model.predict(elsewhere.asarray(X)).dtype.kind == "U"
            assert type(model.score(elsewhere.asarray(X), y)) is float
            with pytest.raises(ValueError, match=rf"{kind.__name__}.predict\(\) must use the same namespace"):
                model.predict(X)
            given += model.coefs_ + model.intercepts_
        for array in given:
            assert device_of(array) == elsewhere
            assert str(array.dtype).endswith("float32")
        assert all(isinstance(array, numpy.ndarray) for array in model.coefs_ + model.intercepts_)
        assert isinstance(model.predict(elsewhere.asarray(X)), numpy.ndarray)  # without dispatch
        again = pickle.loads(pickle.dumps(model))
        assert all(isinstance(array, numpy.ndarray) for array in again.coefs_)
        numpy.testing.assert_array_equal(again.predict(X), model.predict(X))

    @pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"n_ens": 2}, {"solver": "lbfgs"}], ids=str)
    @pytest.mark.parametrize("loss", LOSSES)
    def test_each_loss_follows_x(loss, options, elsewhere):
        y, w = numpy.exp(X[:, 0].astype("float64")), RNG.uniform(0.5, 2.0, size=40)
        plain = small(MLPRegressor, loss=loss, **options).fit(X, y, w)
        with config_context(array_api_dispatch=True):
            x, t, weights = (elsewhere.asarray(array) for array in (X, y, w))
            model = small(MLPRegressor, loss=loss, **options).fit(x, t, weights)
            given = model.predict(x)
        assert device_of(given) == elsewhere
        numpy.testing.assert_allclose(to_host(given), plain.predict(X), rtol=1e-5, atol=1e-6)  # another order of sums

    @KINDS
    def test_without_dispatch_arrays_of_any_library_go_to_the_models_device(kind, elsewhere):
        x, t, w = (elsewhere.asarray(array) for array in (X, Y, numpy.ones(40)))
        model = small(kind).fit(x, t, w, X_val=x, y_val=t, sample_weight_val=w)
        plain = small(kind).fit(X, Y, numpy.ones(40), X_val=X, y_val=Y, sample_weight_val=numpy.ones(40))
        numpy.testing.assert_array_equal(model.predict(x), plain.predict(X))
        assert model.score(x, t) == plain.score(X, Y)
        there = small(kind, device=elsewhere).fit(X, Y)
        assert device_of(there.network_.parameters()[0]) == elsewhere
        assert isinstance(there.predict(X), numpy.ndarray)

    def test_a_device_beside_arrays_of_another_is_refused_before_any_work(elsewhere):
        model = small(MLPClassifier, device="cpu")
        with (
            config_context(array_api_dispatch=True),
            pytest.raises(ValueError, match=r"device='cpu' and X on .* both say where to compute"),
        ):
            model.fit(elsewhere.asarray(X), Y)
        assert not hasattr(model, "network_")

    def test_partial_fit_stays_where_it_began(elsewhere):
        x, t = elsewhere.asarray(X), elsewhere.asarray(Y)
        model, plain = small(MLPClassifier), small(MLPClassifier)
        with config_context(array_api_dispatch=True):
            model.partial_fit(x, t, classes=t[:2] * 0 + elsewhere.asarray([0, 1])).partial_fit(x, t)
            assert device_of(model.classes_) == elsewhere  # as of fit
            with pytest.raises(ValueError, match=r"MLPClassifier.partial_fit\(\) must use the same namespace"):
                model.partial_fit(X, Y)
        plain.partial_fit(X, Y, classes=[0, 1]).partial_fit(X, Y)
        for a, b in zip(model.coefs_, plain.coefs_, strict=True):
            numpy.testing.assert_allclose(to_host(a), b, rtol=1e-5, atol=1e-6)  # another order of sums

    @pytest.mark.parametrize("rate", ["constant", "invscaling", "adaptive"])
    def test_each_rate_of_sgd_is_that_of_numpys_arrays(rate, elsewhere):
        options = {"solver": "sgd", "learning_rate": rate, "max_iter": 4, "batch_size": 10, "warm_start": True}
        options |= {"n_iter_no_change": 1, "tol": 9.0}
        model, plain = (MLPRegressor(hidden_layer_sizes=(3,), random_state=0, **options) for _ in range(2))
        for _ in range(2):  # the rows of the first fit count in the second
            with config_context(array_api_dispatch=True):
                model.fit(elsewhere.asarray(X), elsewhere.asarray(Y))
            plain.fit(X, Y)
        for a, b in zip(model.coefs_, plain.coefs_, strict=True):
            numpy.testing.assert_allclose(to_host(a), b, rtol=1e-5, atol=1e-6)  # another order of sums

    def test_whole_numbers_are_computed_with_in_float64_as_numpys(elsewhere):
        whole = (10 * X).astype("int64")
        with config_context(array_api_dispatch=True):
            model = small(MLPRegressor).fit(elsewhere.asarray(whole), Y)
        assert model.coefs_[0].dtype == small(MLPRegressor).fit(whole, Y).coefs_[0].dtype == "float64"

    @pytest.mark.parametrize("method", ["fit", "partial_fit"])
    def test_held_out_rows_of_another_place_are_refused_as_in_predict(method):
        strict = pytest.importorskip("array_api_strict")
        one, other = (strict.asarray(X, device=strict.Device(name)) for name in ("device1", "device2"))
        with config_context(array_api_dispatch=True):
            for given, name in ((other, "device2"), (X, "numpy")):
                with pytest.raises(
                    ValueError, match=rf"^X_val: .*MLPRegressor.{method}\(\) must .* these are .*{name}"
                ):
                    getattr(small(MLPRegressor), method)(one, Y, X_val=given, y_val=Y)
            model = getattr(small(MLPRegressor), method)(one, Y, X_val=one, y_val=Y)
        assert len(model.validation_scores_) == model.n_iter_

    @pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # StandardScaler's own, of strict arrays
    @pytest.mark.parametrize("kind", [GridSearchCV, GridSearchMLP])
    def test_pipelines_and_searches_keep_arrays_where_they_are(kind, elsewhere):
        x, t = elsewhere.asarray(X), elsewhere.asarray(Y)
        model = make_pipeline(StandardScaler(), small(MLPClassifier))
        with config_context(array_api_dispatch=True):
            assert cross_val_score(model, x, t, cv=2).shape == (2,)
            search = kind(model, {"mlpclassifier__alpha": [0.0, 0.1]}, cv=2).fit(x, t)
            assert device_of(search.predict(x)) == device_of(x)
        assert getattr(search, "n_together_", 0) == 0

    @pytest.mark.parametrize("monitor", ["balanced_accuracy", "f1", get_scorer("roc_auc")], ids=str)
    def test_a_scorer_gets_predictions_of_numpy_beside_targets_of_numpy(monitor, elsewhere):
        options = {"early_stopping": True, "monitor": monitor, "max_iter": 5}
        with config_context(array_api_dispatch=True):
            model = small(MLPClassifier, **options).fit(elsewhere.asarray(X), elsewhere.asarray(Y))
        plain = small(MLPClassifier, **options).fit(X, Y)
        assert model.best_epoch_ == plain.best_epoch_

    def test_a_search_takes_targets_of_any_library(elsewhere):
        search = GridSearchMLP(small(MLPClassifier), {"alpha": [0.0, 0.1]}, cv=2)
        with config_context(array_api_dispatch=True):
            found = search.fit(X, elsewhere.asarray(Y)).cv_results_["mean_test_score"]
        assert search.n_together_ == 4
        numpy.testing.assert_array_equal(found, search.fit(X, Y).cv_results_["mean_test_score"])

    @KINDS
    def test_scikit_learn_moves_an_estimator(kind, elsewhere):
        move = pytest.importorskip("sklearn.utils._array_api", reason="scikit-learn")
        if not hasattr(move, "move_estimator_to"):
            pytest.skip("scikit-learn moves estimators from 1.9 on")
        with config_context(array_api_dispatch=True):
            model = small(kind).fit(elsewhere.asarray(X), elsewhere.asarray(Y))
            here = move.move_estimator_to(model, numpy, "cpu")
            there = move.move_estimator_to(here, elsewhere.xp, elsewhere.array_device)
            assert isinstance(here.predict(X), numpy.ndarray)
            for one in (model, there):
                assert device_of(one.predict(elsewhere.asarray(X))) == elsewhere
                assert device_of(one.coefs_[0]) == elsewhere
                if kind is MLPClassifier:
                    assert device_of(one.classes_) == elsewhere
            numpy.testing.assert_array_equal(here.predict(X), to_host(there.predict(elsewhere.asarray(X))))

    WITHOUT = """
import sys
sys.modules["cupy"] = sys.modules["array_api_strict"] = None
import pickle
import numpy
from xpnn.estimators import MLPClassifier, MLPRegressor
folder, kind = sys.argv[1:]
x, expected = numpy.load(folder + "/x.npy"), numpy.load(folder + "/y.npy")
with open(folder + "/m.pickle", "rb") as file:
    assert (pickle.load(file).predict(x) == expected).all()
model = (MLPClassifier if kind == "MLPClassifier" else MLPRegressor).load(folder + "/m")
assert (model.predict(x) == expected).all()
"""

    @KINDS
    def test_what_was_trained_elsewhere_is_used_where_that_library_is_not(kind, elsewhere, tmp_path):
        with config_context(array_api_dispatch=True):
            model = small(kind).fit(elsewhere.asarray(X), Y)
        model.save(tmp_path / "m")
        (tmp_path / "m.pickle").write_bytes(pickle.dumps(model))
        numpy.save(tmp_path / "x.npy", X)
        numpy.save(tmp_path / "y.npy", model.predict(X))
        command = [sys.executable, "-c", WITHOUT, str(tmp_path), kind.__name__]
        run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert run.returncode == 0, run.stderr
