"""Estimators in a file, and back: the same predictions, the same state, and an error by name for all else."""

import copy
import json
import pickle

import numpy
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import xpnn
from xpnn.estimators.mlp_classifier import MLPClassifier
from xpnn.estimators.mlp_regressor import MLPRegressor
from xpnn.training.checkpoint import load, save
from xpnn.training.layout import CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RANDOM = numpy.random.default_rng(0)
X = RANDOM.normal(size=(40, 3))
ABOVE = X > 0
TARGETS = {
    "bool": ABOVE[:, 0],
    "int": numpy.digitize(X[:, 0], [-0.5, 0.5]),
    "float": numpy.digitize(X[:, 0], [-0.5, 0.5]).astype(float),
    "str": numpy.asarray(["no", "yes"])[ABOVE[:, 0].astype(int)],
    "object": numpy.asarray(["no", "yes", "maybe"], dtype=object)[ABOVE[:, :2].sum(axis=1)],
    "labels": ABOVE[:, :2].astype(int),
    "questions": numpy.digitize(X[:, :2], [-0.5, 0.5]),
}
OPTIONS = {
    "plain": {},
    "early": {"early_stopping": True, "dropout": 0.2, "normalization": "batch"},
    "lbfgs": {"solver": "lbfgs"},
    "ensemble": {"n_ens": 2},
}


def classifier(**options):
    return MLPClassifier((4,), max_iter=2, random_state=0, **options)


def regressor(*loss, **options):
    return MLPRegressor(*loss, hidden_layer_sizes=(4,), max_iter=2, random_state=0, **options)


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, numpy.ndarray):
        assert a.dtype == b.dtype
        numpy.testing.assert_array_equal(a, b)
    elif isinstance(a, list):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            same(one, other)
    else:
        assert a == b


def public(model):
    return {name: value for name, value in vars(model).items() if name.endswith("_") and not name.startswith("_")}


def require_equal(model, found):
    assert found.get_params() == model.get_params()
    known, there = public(model), public(found)
    assert known.keys() == there.keys()
    for name in known.keys() - {"network_"}:
        same(known[name], there[name])
    same(model.coefs_, found.coefs_)
    same(model.predict(X), found.predict(X))


@pytest.mark.parametrize("target", TARGETS)
def test_classes_of_any_kind_come_back(tmp_path, target):
    model = classifier().fit(X, TARGETS[target])
    model.save(tmp_path / "m")
    found = MLPClassifier.load(tmp_path / "m")
    require_equal(model, found)
    same(model.predict_proba(X), found.predict_proba(X))


@pytest.mark.parametrize("kind", OPTIONS)
def test_what_was_learned_comes_back(tmp_path, kind):
    model = classifier(**OPTIONS[kind]).fit(X, TARGETS["int"])
    model.save(tmp_path / "m")
    require_equal(model, MLPClassifier.load(tmp_path / "m"))


@pytest.mark.parametrize("loss", ["squared_error", "quantile", "poisson"])
def test_regressors_come_back(tmp_path, loss):
    model = regressor(loss, quantiles=[0.1, 0.9] if loss == "quantile" else [0.5]).fit(X, numpy.abs(X[:, :2]))
    model.save(tmp_path / "m")
    require_equal(model, MLPRegressor.load(tmp_path / "m"))


def test_training_goes_on_as_if_it_had_been_pickled(tmp_path):
    model = classifier(dropout=0.5).partial_fit(X, TARGETS["int"], classes=[0, 1, 2])
    model.save(tmp_path / "m")
    found, pickled = MLPClassifier.load(tmp_path / "m"), pickle.loads(pickle.dumps(model))
    for one in (found, pickled):
        one.partial_fit(X, TARGETS["int"])
    same(found.coefs_, pickled.coefs_)
    assert found.t_ == pickled.t_ > model.t_


def test_feature_names_and_float32_come_back(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X.astype("float32"), columns=["a", "b", "c"])
    model = regressor().fit(frame, X[:, 0])
    model.save(tmp_path / "m")
    found = MLPRegressor.load(tmp_path / "m")
    same(model.feature_names_in_, found.feature_names_in_)
    assert found.predict(frame).dtype == numpy.float32
    same(model.predict(frame), found.predict(frame))


def test_parameters_of_numpy_come_back(tmp_path):
    random = numpy.random.RandomState(3)
    model = classifier(class_weight={0: 1.0, 1: numpy.float64(2.0), 2: 1.0}).set_params(random_state=random)
    model.set_params(hidden_layer_sizes=numpy.asarray([4]), n_iter_no_change=numpy.inf).fit(X, TARGETS["int"])
    model.save(tmp_path / "m")
    found = MLPClassifier.load(tmp_path / "m")
    assert found.class_weight == model.class_weight
    assert found.n_iter_no_change == numpy.inf
    same(found.hidden_layer_sizes, model.hidden_layer_sizes)
    same(found.random_state.randint(1000, size=5), random.randint(1000, size=5))


def test_a_device_is_a_word_in_the_file_and_a_parameter_at_load(tmp_path):
    model = classifier(device=xpnn.device("cpu")).fit(X, TARGETS["int"])
    model.device = "cuda"  # as if it had been trained there
    model.save(tmp_path / "m")
    found = MLPClassifier.load(tmp_path / "m")
    assert found.device == "cuda"
    same(found.predict(X), model.predict(X))
    assert MLPClassifier.load(tmp_path / "m", device="cpu").device == "cpu"


# What is refused


def test_only_what_is_fitted_is_saved(tmp_path):
    with pytest.raises(NotFittedError):
        classifier().save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_functions_are_refused_by_name_before_anything_is_written(tmp_path):
    model = classifier(schedule=numpy.sqrt).set_params(schedule=None).fit(X, TARGETS["int"])
    model.schedule = numpy.sqrt
    with pytest.raises(TypeError, match=r"cannot store schedule, a numpy\.ufunc: .* pickle the estimator"):
        model.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.fixture
def path(tmp_path):
    classifier().fit(X, TARGETS["int"]).save(tmp_path / "m")
    return tmp_path / "m"


def test_files_of_another_class_are_refused(path):
    with pytest.raises(CheckpointError, match=r"expected a MLPRegressor, got a MLPClassifier: use MLPClassifier\.load"):
        MLPRegressor.load(path)


def test_damaged_and_cut_files_are_refused(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(CheckpointError, match="not a whole file"):
        MLPClassifier.load(path)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="checksum"):
        MLPClassifier.load(path)


def changed(path, change):
    arrays, metadata = load(path)
    metadata = json.loads(json.dumps(metadata))
    change(metadata["estimator"])
    save(path, arrays, metadata)


def test_foreign_files_are_refused(path):
    save(path, {"w": X}, {})
    with pytest.raises(CheckpointError, match="it holds no estimator"):
        MLPClassifier.load(path)


def test_newer_files_are_refused_as_newer(path):
    changed(path, lambda about: about.update(format=2))
    with pytest.raises(CheckpointError, match=r"format 2, .* up to 1: update xpnn") as caught:
        MLPClassifier.load(path)
    assert caught.value.newer


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about["learned"].update(predict=1),
        lambda about: about["learned"].update(__class__=1),
        lambda about: about["learned"].update(_fit=1),
        lambda about: about["learned"].update(_widths=[3, 10**9, 10**9, 3]),
        lambda about: about["learned"].update(_widths=[3, 3, 3]),
        lambda about: about["learned"].pop("_draws"),
        lambda about: about["learned"].update(classes_={"code": "import os"}),
        lambda about: about["parameters"].update(unheard=1),
        lambda about: about.pop("parameters"),
    ],
)
def test_files_that_do_not_describe_the_class_are_refused(path, change):
    changed(path, change)
    with pytest.raises(CheckpointError, match="does not describe a MLPClassifier"):
        MLPClassifier.load(path)


# Devices


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x)), clone])
def test_a_device_as_parameter_can_be_copied(copied):
    found = copied(classifier(device=xpnn.device("cpu")))
    assert found.device == xpnn.device("cpu")
    assert found.fit(X, TARGETS["int"]).predict(X).shape == (40,)


def test_layers_larger_than_the_file_take_no_memory(path):
    changed(path, lambda about: about["learned"].update(_widths=[3, 10**9, 3]))
    with pytest.raises(CheckpointError, match=r"layers \[3, 1000000000, 3\] have 6000000000 weights"):
        MLPClassifier.load(path)


def test_keys_of_numpy_in_a_dictionary_come_back_all(tmp_path):
    weights = {numpy.int64(n): float(n + 1) for n in range(3)}
    path = tmp_path / "model.safetensors"
    MLPClassifier((4,), max_iter=3, class_weight=weights, random_state=0).fit(X, TARGETS["int"]).save(path)
    again = MLPClassifier.load(path)
    assert again.class_weight == weights
    assert {type(key) for key in again.class_weight} == {numpy.int64}
