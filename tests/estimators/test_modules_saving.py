"""Estimators of any module in a file, and back: what is code is asked for, all else comes back."""

import json

import numpy
import pytest

pytest.importorskip("sklearn")

from sklearn.exceptions import NotFittedError

from xpnn import nn, optim
from xpnn.arrays.devices import device_of
from xpnn.estimators import Classifier, MLPClassifier, Regressor
from xpnn.training.checkpoint import load, save
from xpnn.training.layout import CheckpointError
from xpnn.training.metrics import f1_score

RNG = numpy.random.default_rng(5)
X = RNG.standard_normal((60, 3))
IDS = RNG.integers(0, 7, (60, 5))
THREE = numpy.digitize(X[:, 0], [-0.5, 0.5])
ABOVE = (X > 0).astype(int)
TARGETS = {
    "int": THREE,
    "two": numpy.asarray(["no", "yes"])[ABOVE[:, 0]],
    "object": numpy.asarray(["a", "b", "c"], dtype=object)[THREE],
    "labels": ABOVE,
    "questions": numpy.stack([THREE, THREE, ABOVE[:, 0]], axis=1),
}


def quick(kind=Classifier, module=None, **options):
    return kind(module, **{"max_epochs": 2, "random_state": 0, **options})


def network(n_features, n_outputs, dtype, width=4, scale=None):
    hidden = nn.Linear(n_features, width, dtype=dtype)
    return nn.Sequential(
        hidden, nn.BatchNorm1d(width, dtype=dtype), nn.Dropout(0.5), nn.Linear(width, n_outputs, dtype=dtype)
    )


class Words(nn.Module):
    def __init__(self, n_outputs, dtype):
        self.table = nn.Embedding(7, 4, dtype=dtype)
        self.out = nn.Linear(4, n_outputs, dtype=dtype)

    def forward(self, x):
        y = self.table(x)
        return self.out(y.__array_namespace__().mean(y, axis=1))


def saved(model, path, **code):
    model.save(path)
    return type(model).load(path, **code)


def public(model):
    return {name: value for name, value in vars(model).items() if name.endswith("_") and not name.startswith("_")}


def require_equal(model, found, x=X):
    assert found.get_params() == model.get_params()
    assert public(found).keys() == public(model).keys()
    for name in public(model).keys() - {"module_", "history_", "classes_"}:
        numpy.testing.assert_array_equal(getattr(found, name), getattr(model, name))
    numpy.testing.assert_equal(found.history_.rows, model.history_.rows)
    numpy.testing.assert_array_equal(found.predict(x), model.predict(x))
    assert found.predict(x).dtype == model.predict(x).dtype
    assert not any(one.training for _, one in found.module_.named_modules())


@pytest.mark.parametrize("target", TARGETS)
def test_the_network_that_nobody_gave_needs_no_code(tmp_path, target):
    options = {"hidden_layer_sizes": [4], "activation": "gelu", "normalization": "batch", "dropout": 0.3}
    model = quick(module_options=options, early_stopping=True).fit(X, TARGETS[target])
    found = saved(model, tmp_path / "m")
    require_equal(model, found)
    several = model.predict_proba(X)
    for one, other in zip(found.predict_proba(X), several, strict=True):
        numpy.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("loss", ["squared_error", "quantile", "poisson"])
def test_regressors_come_back(tmp_path, loss):
    options = {"quantiles": [0.1, 0.5, 0.9]} if loss == "quantile" else None
    model = quick(Regressor, loss=loss, loss_options=options).fit(X, abs(X[:, 0]))
    found = saved(model, tmp_path / "m")
    require_equal(model, found)
    assert found.score(X, abs(X[:, 0])) == model.score(X, abs(X[:, 0]))


CODE = {
    "builder": (X, {"module": network, "module_options": {"width": 8}}),
    "module": (X, {"module": network(3, 3, "float32").initialize(1)}),
    "class": (IDS, {"module": Words}),
    "optimizer": (X, {"optimizer": optim.AdamW, "module": network}),
    "loss": (X, {"loss": nn.CrossEntropy, "loss_options": {"class_weight": numpy.asarray([1.0, 2.0, 1.0])}}),
    "option": (X, {"module": network, "module_options": {"width": 8, "scale": numpy.sqrt}}),
    "metrics": (X, {"metrics": {"f1": lambda y, t: f1_score(y, t, average=None)}}),
}


@pytest.mark.parametrize("name", CODE)
def test_what_is_code_is_given_again(tmp_path, name):
    x, options = CODE[name]
    model = quick(**options).fit(x, THREE)
    code = {key: value for key, value in options.items() if callable(value)}
    code |= {key: options[key] for key in options if name in ("option", "metrics") and key.endswith(("options", "s"))}
    with pytest.raises(ValueError, match=rf"Classifier.load needs .*{next(iter(code))}=\.\.\.") as caught:
        saved(model, tmp_path / "m")
    assert all(f"{key}=..." in str(caught.value) for key in code)
    found = saved(model, tmp_path / "m", **code)
    if name != "loss":
        require_equal(model, found, x)
    numpy.testing.assert_array_equal(found.predict_proba(x), model.predict_proba(x))
    for one in (model, found):  # goes on as the same
        one.set_params(warm_start=True).fit(x, THREE)
    numpy.testing.assert_array_equal(found.predict_proba(x), model.predict_proba(x))


def test_float32_and_names_of_features_come_back(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X.astype("float32"), columns=["a", "b", "c"])
    model = quick(Regressor).fit(frame, X[:, 0])
    found = saved(model, tmp_path / "m")
    assert found.predict(frame).dtype == numpy.float32
    numpy.testing.assert_array_equal(found.predict(frame), model.predict(frame))
    assert found.feature_names_in_.tolist() == ["a", "b", "c"]


def test_it_computes_where_load_says(tmp_path, elsewhere):
    model = quick(device=elsewhere).fit(X, THREE)
    model.save(tmp_path / "m")
    there, here = (Classifier.load(tmp_path / "m", device=device) for device in (elsewhere, "cpu"))
    assert there.device is elsewhere
    assert here.device == "cpu"
    assert device_of(there.module_.parameters()[0]) == elsewhere
    for one in (there, here, Classifier.load(tmp_path / "m")):
        # a GPU rounds otherwise
        numpy.testing.assert_allclose(one.predict_proba(X), model.predict_proba(X), rtol=1e-12)


# What is refused


def test_only_what_is_fitted_and_has_its_module_is_saved(tmp_path):
    with pytest.raises(NotFittedError):
        quick().save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"save expected module_options=\{\} as in the fit"):
        quick().fit(X, THREE).set_params(module__dropout=0.1).save(tmp_path / "m")
    with pytest.raises(ValueError, match="save expected the module of the fit, None, got <function network"):
        quick().fit(X, THREE).set_params(module=network).save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_only_what_the_file_lacks_is_taken(tmp_path):
    quick(module=network).fit(X, THREE).save(tmp_path / "m")
    with pytest.raises(ValueError, match="load takes what the file does not hold, module, got optimizer: change"):
        Classifier.load(tmp_path / "m", module=network, optimizer="sgd")


def test_another_module_is_refused(tmp_path):
    quick(module=network).fit(X, THREE).save(tmp_path / "m")
    with pytest.raises(CheckpointError, match="does not describe this Classifier"):
        Classifier.load(tmp_path / "m", module=lambda n_features, n_outputs: nn.Linear(n_features, n_outputs))


def test_files_of_other_classes_are_refused(tmp_path):
    quick().fit(X, THREE).save(tmp_path / "m")
    for cls in (Regressor, MLPClassifier):
        with pytest.raises(CheckpointError, match=r"got a Classifier: use Classifier\.load"):
            cls.load(tmp_path / "m")


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about["learned"].update(predict=1),
        lambda about: about["learned"].pop("_of_data"),
        lambda about: about["learned"].pop("_draws"),
        lambda about: about["learned"].update(classes_={"code": "import os"}),
        lambda about: about["parameters"].update(unheard=1),
        lambda about: about["parameters"].update(module_options={"dict": [["hidden_layer_sizes", 10**9]]}),
        lambda about: about["parameters"].update(module_options={"dict": [["n_features", 10**9]]}),
        lambda about: about.pop("parameters"),
        lambda about: about.update(code=["module"], parameters={}),
    ],
)
def test_files_that_do_not_describe_the_class_are_refused(tmp_path, change):
    quick().fit(X, THREE).save(tmp_path / "m")
    arrays, metadata = load(tmp_path / "m")
    metadata = json.loads(json.dumps(metadata))
    change(metadata["estimator"])
    save(tmp_path / "m", arrays, metadata)
    with pytest.raises((CheckpointError, ValueError), match=r"does not describe this Classifier|load needs module="):
        Classifier.load(tmp_path / "m")


def test_options_that_are_changed_in_place_are_others(tmp_path):
    options = {"hidden_layer_sizes": [4, 3], "activation": ["relu", "tanh"]}
    model = quick(module_options=options).fit(X, THREE)
    model.module_options["activation"][0] = "logistic"
    for goes_on in (lambda: model.save(tmp_path / "m"), lambda: model.partial_fit(X, THREE)):
        with pytest.raises(ValueError, match=r"module_options=\{.*'relu', 'tanh'.* as in the fit|as in the first fit"):
            goes_on()
    again = saved(quick(module_options=options).fit(X, THREE), tmp_path / "n")
    again.module_options["activation"][0] = "relu"
    with pytest.raises(ValueError, match="as in the fit"):
        again.save(tmp_path / "m")


def test_options_with_arrays_go_on_if_they_are_equal(tmp_path):
    model = quick(module_options={"hidden_layer_sizes": numpy.asarray([4, 3])}).fit(X, THREE)
    model.set_params(module__hidden_layer_sizes=numpy.asarray([4, 3])).partial_fit(X, THREE)
    again = saved(model, tmp_path / "m").partial_fit(X, THREE)
    assert again.n_iter_ == model.n_iter_ + 1
    with pytest.raises(ValueError, match="as in the fit"):
        model.set_params(module__hidden_layer_sizes=numpy.asarray([4, 4])).save(tmp_path / "m")


def test_widths_among_the_options_take_no_memory(tmp_path):
    quick().fit(X, THREE).save(tmp_path / "m")
    arrays, metadata = load(tmp_path / "m")
    metadata["estimator"]["parameters"]["module_options"] = {"dict": [["n_features", 10**9]]}
    save(tmp_path / "m", arrays, metadata)
    with pytest.raises(CheckpointError, match=r"layers \[1000000000, 100, 3\] have"):
        Classifier.load(tmp_path / "m")


def test_other_layers_of_the_same_shapes_are_refused(tmp_path):
    def build(n_features, n_outputs, kind=nn.ReLU):
        return nn.Sequential(nn.Linear(n_features, 4), kind(), nn.Linear(4, n_outputs))

    quick(module=build).fit(X, THREE).save(tmp_path / "m")
    with pytest.raises(CheckpointError, match="other layers: 1: Tanh where it was 1: ReLU"):
        Classifier.load(tmp_path / "m", module=lambda n_features, n_outputs: build(n_features, n_outputs, nn.Tanh))
