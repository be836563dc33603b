"""Copies of estimators: a pickle has arrays of the host only, a deep copy computes where the estimator does."""

import copy
import io
import pickle
import subprocess
import sys
import types
import warnings
from functools import partial

import numpy
import pytest
from elsewhere import device_named
from with_dispatch import IS_ON, ROOT, assert_passes

pytest.importorskip("sklearn")

WITHOUT = """
import pickle, sys
sys.modules["array_api_strict"] = sys.modules["cupy"] = None  # importing them fails
models, rows, targets, expected = pickle.load(open(sys.argv[1], "rb"))
for model, predictions in zip(models, expected, strict=True):
    assert (model.predict(rows) == predictions).all()
    model.set_params(warm_start=True).fit(rows, targets)
"""

if not IS_ON:

    @pytest.mark.parametrize("marked", ["not gpu", pytest.param("gpu", marks=pytest.mark.gpu)])
    def test_with_dispatch_in_a_process_where_scipy_allows_it(marked):
        assert_passes(__file__, marked)

else:
    from sklearn import config_context
    from sklearn.exceptions import ConvergenceWarning

    import xpnn
    from xpnn import nn, optim
    from xpnn.arrays.devices import device_of
    from xpnn.estimators import Classifier, MLPClassifier, MLPRegressor, Regressor
    from xpnn.estimators.copies import hosted

    RNG = numpy.random.default_rng(0)
    X = RNG.standard_normal((40, 3)).astype("float32")
    Y = numpy.digitize(X[:, 0], [-0.5, 0.5])

    def given_options(place):
        options = {"loss": nn.CrossEntropy, "loss_options": {"class_weight": place.asarray([1.0, 2.0, 1.0])}}
        return Classifier(**options, device=place, max_epochs=1)

    def given_a_loss(place):
        return Classifier(loss=nn.CrossEntropy(class_weight=place.asarray([1.0, 2.0, 1.0])), device=place, max_epochs=1)

    def given_a_partial(place):
        loss = partial(nn.cross_entropy, class_weight=place.asarray([1.0, 2.0, 1.0]))
        return Classifier(loss=loss, device=place, max_epochs=1)

    def given_a_module(place):
        return Classifier(nn.Sequential(nn.Linear(3, 3)).initialize(0).to(place), max_epochs=1)

    def followed_rows(place):
        return Regressor(max_epochs=1)

    def an_mlp(place):
        return MLPClassifier((4,), device=place, max_iter=1)

    MADE = [given_options, given_a_loss, given_a_partial, given_a_module, followed_rows, an_mlp]
    GIVEN = pytest.mark.parametrize("made", MADE)

    def fitted(made, place):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            if made is not followed_rows:
                return made(place).fit(X, Y)
            with config_context(array_api_dispatch=True):
                return made(place).fit(place.asarray(X), Y)

    class Watching(pickle.Unpickler):
        """Notes the modules whose functions and classes a pickle asks for."""

        def find_class(self, module, name):
            self.asked = getattr(self, "asked", set()) | {module.partition(".")[0]}
            return super().find_class(module, name)

    def asked_for(model):
        reader = Watching(io.BytesIO(pickle.dumps(model)))
        reader.load()
        return reader.asked

    @GIVEN
    def test_a_pickle_asks_for_no_other_library(made, elsewhere):
        for model in (made(elsewhere), fitted(made, elsewhere)):
            assert asked_for(model) <= {"xpnn", "numpy", "sklearn", "functools", "builtins", "collections"}

    def test_what_was_trained_elsewhere_is_used_where_the_library_is_not_installed(tmp_path):
        models = [fitted(made, device_named("strict")) for made in MADE]
        content = models, X, Y, [model.predict(X) for model in models]
        (tmp_path / "models").write_bytes(pickle.dumps(content))
        command = [sys.executable, "-W", "ignore", "-c", WITHOUT, str(tmp_path / "models")]
        run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert run.returncode == 0, run.stderr

    def test_a_module_on_a_gpu_is_trained_there_by_who_reads_the_pickle(monkeypatch):
        module = nn.Linear(3, 1)
        gpu = xpnn.Device(xp=types.ModuleType("cupy"), name="cuda:1")
        monkeypatch.setattr("xpnn.estimators.copies.device_of", lambda array: gpu)
        assert hosted({"module": module, "device": None})["device"] == "cuda:1"
        assert hosted({"module": module, "device": "cpu"})["device"] == "cpu"

    def test_what_was_one_object_still_is(elsewhere):
        module = nn.Linear(3, 1).to(elsewhere)
        found = hosted({"module": module, "given": module, "options": {"layer": [module]}})
        assert found["module"] is found["given"] is found["options"]["layer"][0] is not module
        assert device_of(module.weight) == elsewhere

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    @pytest.mark.parametrize(
        "model",
        [Classifier(max_epochs=2), Regressor(max_epochs=2), MLPClassifier(max_iter=2), MLPRegressor(max_iter=2)],
        ids=lambda model: type(model).__name__,
    )
    def test_a_deep_copy_computes_where_the_estimator_does(model, elsewhere):
        with config_context(array_api_dispatch=True):
            x, t = elsewhere.asarray(X), elsewhere.asarray(Y)
            model.fit(x, t)
            other = copy.deepcopy(model)
            assert device_of(other.predict(x)) == elsewhere
            numpy.testing.assert_array_equal(elsewhere.to_host(other.predict(x)), elsewhere.to_host(model.predict(x)))
            for name in {"classes_"} & vars(model).keys():
                assert device_of(getattr(other, name)) == elsewhere
            before = elsewhere.to_host(model.predict(x))
            other.partial_fit(x, t).partial_fit(x, t)
            numpy.testing.assert_array_equal(elsewhere.to_host(model.predict(x)), before)

    def test_a_deep_copy_has_no_optimizer():
        model = Regressor(optimizer=optim.SGD).partial_fit(X, X[:, 0])
        assert copy.deepcopy(model)._trainer is None
        assert model._trainer is not None
