"""`Classifier` and `Regressor` follow the library and device of their rows."""

import numpy
import pytest
from with_dispatch import IS_ON, assert_passes

if not IS_ON:

    @pytest.mark.parametrize("marked", ["not gpu", pytest.param("gpu", marks=pytest.mark.gpu)])
    def test_with_dispatch_in_a_process_where_scipy_allows_it(marked):
        assert_passes(__file__, marked)

else:
    import pickle

    from sklearn import config_context

    from xpnn import nn
    from xpnn.arrays.devices import device_of
    from xpnn.arrays.native import to_host
    from xpnn.estimators import Classifier, Regressor
    from xpnn.estimators.objectives import LOSSES

    KINDS = pytest.mark.parametrize("kind", [Classifier, Regressor])
    RNG = numpy.random.default_rng(0)
    X = RNG.standard_normal((40, 3)).astype("float32")
    Y = numpy.digitize(X[:, 0], [-0.5, 0.5])
    WORDS = numpy.asarray(["few", "some", "many"])[Y]

    def network(n_features, n_outputs, dtype):
        return nn.Sequential(nn.Linear(n_features, 4, dtype=dtype), nn.Tanh(), nn.Linear(4, n_outputs, dtype=dtype))

    def small(kind, **options):
        return kind(network, **{"max_epochs": 3, "batch_size": 16, "random_state": 0, **options})

    @KINDS
    @pytest.mark.parametrize("options", [{}, {"early_stopping": True, "monitor": "r2"}], ids=["plain", "stops"])
    def test_everything_follows_x(kind, options, elsewhere):
        options = options | ({"monitor": "accuracy"} if options and kind is Classifier else {})
        plain = small(kind, **options).fit(X, Y)
        with config_context(array_api_dispatch=True):
            x = elsewhere.asarray(X)
            model = small(kind, **options).fit(x, Y, sample_weight=numpy.ones(40))
            given = model.predict_proba(x) if kind is Classifier else model.predict(x)
            if kind is Classifier:
                assert device_of(model.decision_function(x)) == device_of(model.predict_log_proba(x)) == elsewhere
            assert type(model.score(x, elsewhere.asarray(Y))) is float
            with pytest.raises(ValueError, match=rf"{kind.__name__}.predict\(\) must use the same namespace"):
                model.predict(X)
        assert device_of(given) == device_of(model.module_.parameters()[0]) == elsewhere
        expected = plain.predict_proba(X) if kind is Classifier else plain.predict(X)
        numpy.testing.assert_allclose(to_host(given), expected, rtol=1e-5, atol=1e-6)  # another order of sums
        again = pickle.loads(pickle.dumps(model))
        for one in (model, again):  # without dispatch
            assert isinstance(one.predict(x), numpy.ndarray)

    @pytest.mark.parametrize("loss", LOSSES)
    def test_each_loss_follows_x(loss, elsewhere):
        y, w = numpy.exp(X[:, 0]), RNG.uniform(0.5, 2.0, size=40).astype("float32")
        plain = small(Regressor, loss=loss).fit(X, y, w)
        with config_context(array_api_dispatch=True):
            x, t, weights = (elsewhere.asarray(array) for array in (X, y, w))
            given = small(Regressor, loss=loss).fit(x, t, weights).predict(x)
        assert device_of(given) == elsewhere
        numpy.testing.assert_allclose(to_host(given), plain.predict(X), rtol=1e-5, atol=1e-6)  # another order of sums

    @KINDS
    def test_scikit_learn_moves_an_estimator(kind, elsewhere):
        move = pytest.importorskip("sklearn.utils._array_api", reason="scikit-learn")
        if not hasattr(move, "move_estimator_to"):
            pytest.skip("scikit-learn moves estimators from 1.9 on")
        with config_context(array_api_dispatch=True):
            model = small(kind).fit(X, Y)
            there = move.move_estimator_to(model, elsewhere.xp, elsewhere.array_device)
            here = move.move_estimator_to(there, numpy, "cpu")
            assert device_of(there.predict(elsewhere.asarray(X))) == elsewhere
            if kind is Classifier:
                assert device_of(there.classes_) == elsewhere
            assert isinstance(here.predict(X), numpy.ndarray)
            assert isinstance(model.predict(X), numpy.ndarray)
        numpy.testing.assert_array_equal(here.predict(X), model.predict(X))

    def test_words_stay_numpys(elsewhere):
        with config_context(array_api_dispatch=True):
            x = elsewhere.asarray(X)
            model = small(Classifier).fit(x, WORDS)
            assert model.predict(x).dtype.kind == "U"
            classes = small(Classifier).fit(x, elsewhere.asarray(Y)).classes_
        assert device_of(classes) == elsewhere

    @KINDS
    def test_without_dispatch_arrays_of_any_library_are_moved(kind, elsewhere):
        x, t, w = (elsewhere.asarray(array) for array in (X, Y, numpy.ones(40)))
        model = small(kind).fit(x, t, w, X_val=x, y_val=t, sample_weight_val=w)
        plain = small(kind).fit(X, Y, numpy.ones(40), X_val=X, y_val=Y, sample_weight_val=numpy.ones(40))
        numpy.testing.assert_array_equal(model.predict(x), plain.predict(X))
        assert model.score(x, t) == plain.score(X, Y)

    def test_images_and_several_inputs_follow(elsewhere):
        def both(a, b):
            return {"a": a, "b": b}

        class Both(nn.Module):
            def __init__(self, input_shape, n_outputs, dtype):
                self.images = nn.Sequential(nn.Conv2d(1, 2, 2, dtype=dtype), nn.Flatten(), nn.Linear(8, 3, dtype=dtype))
                self.out = nn.Linear(input_shape["b"][0], n_outputs, dtype=dtype)

            def forward(self, a, b):
                return self.images(a) + self.out(b)

        images = RNG.standard_normal((40, 1, 3, 3)).astype("float32")
        plain = small(Classifier).set_params(module=Both).fit(both(images, X), Y)
        with config_context(array_api_dispatch=True):
            inputs = both(elsewhere.asarray(images), elsewhere.asarray(X))
            given = small(Classifier, early_stopping=False).set_params(module=Both).fit(inputs, Y).predict_proba(inputs)
        assert device_of(given) == elsewhere
        expected = plain.predict_proba(both(images, X))
        numpy.testing.assert_allclose(to_host(given), expected, rtol=1e-5, atol=1e-6)  # another order of sums

    def test_partial_fit_stays_where_it_began(elsewhere):
        x, t = elsewhere.asarray(X), elsewhere.asarray(Y)
        model = small(Classifier)
        with config_context(array_api_dispatch=True):
            model.partial_fit(x, t, classes=elsewhere.asarray([0, 1, 2])).partial_fit(x, t)
            with pytest.raises(ValueError, match=r"Classifier.partial_fit\(\) must use the same namespace"):
                model.partial_fit(X, Y)
        assert device_of(model.module_.parameters()[0]) == elsewhere

    def test_a_scorer_gets_predictions_of_numpy_beside_targets_of_numpy(elsewhere):
        seen = []

        def scorer(estimator, x, t):
            seen.append((type(estimator.predict(x)), type(t)))
            return 0.0

        with config_context(array_api_dispatch=True):
            small(Classifier, early_stopping=True, monitor=scorer).fit(elsewhere.asarray(X), Y)
        assert set(seen) == {(numpy.ndarray, numpy.ndarray)}

    def test_a_scorer_by_name_judges_as_it_does_numpys_arrays(elsewhere):
        options = {"early_stopping": True, "monitor": "balanced_accuracy"}
        plain = small(Classifier, **options).fit(X, Y)
        with config_context(array_api_dispatch=True):
            model = small(Classifier, **options).fit(elsewhere.asarray(X), elsewhere.asarray(Y))
        assert model.history_["val_scorer"] == pytest.approx(plain.history_["val_scorer"])
