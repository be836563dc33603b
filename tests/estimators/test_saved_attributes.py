"""Which attributes an estimator's file holds: what is written can be read, and nothing else is; and its requests."""

import json

import numpy
import pytest

pytest.importorskip("sklearn")

import sklearn

from xpnn.estimators import Classifier, MLPClassifier, TabularClassifier
from xpnn.training.checkpoint import load, save
from xpnn.training.layout import CheckpointError

RNG = numpy.random.default_rng(0)
X = RNG.standard_normal((40, 3))
Y = (X[:, 0] > 0).astype(int)
FAMILIES = {
    "MLP": lambda: MLPClassifier((3,), solver="lbfgs", tol=1.0, random_state=0),
    "module": lambda: Classifier(max_epochs=1, random_state=0),
    "tabular": lambda: TabularClassifier(max_epochs=1, random_state=0),
}
pytestmark = pytest.mark.parametrize("family", FAMILIES)


def there_and_back(model, path):
    model.save(path)
    return type(model).load(path)


def test_attributes_of_ones_own_come_back_if_they_are_data(family, tmp_path):
    model = FAMILIES[family]().fit(X, Y)
    model.feature_list, model.threshold_ = ["a", "b"], 0.5
    again = there_and_back(model, tmp_path / "m")
    assert (again.feature_list, again.threshold_) == (["a", "b"], 0.5)
    assert (again.predict_proba(X) == model.predict_proba(X)).all()


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("_note", 1, ValueError), ("predict", 1, ValueError), ("note", object(), TypeError), ("note_", print, TypeError)],
)
def test_what_could_not_be_read_is_not_written(family, tmp_path, name, value, error):
    model = FAMILIES[family]().fit(X, Y)
    setattr(model, name, value)
    with pytest.raises(error, match=name):
        model.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def edited(path, edit):
    arrays, metadata = load(path)
    metadata = json.loads(json.dumps(metadata))
    edit(metadata["estimator"])
    save(path, arrays, metadata)


@pytest.mark.parametrize("name", ["_fit_task", "_skl_callbacks", "_metadata_request", "_trainer", "random_state"])
def test_other_private_names_and_parameters_are_refused(family, tmp_path, name):
    model = FAMILIES[family]().fit(X, Y)
    model.save(tmp_path / "m")
    edited(tmp_path / "m", lambda about: about["learned"].update({name: 1}))
    with pytest.raises(CheckpointError, match=f"holds no attribute '{name}'"):
        type(model).load(tmp_path / "m")


@pytest.mark.parametrize("kind", ["foo", None, 3])
def test_labels_of_no_kind_are_refused(family, tmp_path, kind):
    model = FAMILIES[family]().fit(X, Y)
    model.save(tmp_path / "m")
    edited(tmp_path / "m", lambda about: about["learned"]["_labels"]["dict"][0].__setitem__(1, kind))
    with pytest.raises(CheckpointError, match="kind"):
        type(model).load(tmp_path / "m")


def test_a_class_of_ones_own_lists_its_private_attributes(family, tmp_path):
    base = type(FAMILIES[family]())

    class Own(base):
        _saved_private = (*base._saved_private, "_note")

    model = Own(**FAMILIES[family]().get_params(deep=False)).fit(X, Y)
    model._note = "x"
    assert there_and_back(model, tmp_path / "m")._note == "x"


@pytest.mark.parametrize("alias", ["w", "$WARN$"])
def test_requests_come_back(family, tmp_path, alias):
    with sklearn.config_context(enable_metadata_routing=True):
        model = FAMILIES[family]().set_fit_request(sample_weight=True).set_score_request(sample_weight=alias).fit(X, Y)
        again = there_and_back(model, tmp_path / "m")
        assert again.get_metadata_routing()._serialize() == model.get_metadata_routing()._serialize()
        assert again.get_metadata_routing().fit.requests["sample_weight"] is True
        assert (again.predict_proba(X) == model.predict_proba(X)).all()
        plain = FAMILIES[family]().fit(X, Y)
        assert "_metadata_request" not in vars(there_and_back(plain, tmp_path / "m"))


@pytest.mark.parametrize(
    "requests",
    [
        {"fit": {"sample_weights": True}}, {"fits": {"sample_weight": True}}, {"owner": {"sample_weight": True}},
        {"fit": {"sample_weight": 3}}, {"fit": {"sample_weight": "no name"}}, {"fit": {"sample_weight": "$UNUSED$"}},
        {"fit": 1}, [1], "fit",
    ],
)  # fmt: skip
def test_requests_that_are_none_are_refused(family, tmp_path, requests):
    model = FAMILIES[family]().fit(X, Y)
    model.save(tmp_path / "m")
    edited(tmp_path / "m", lambda about: about.update(requests=requests))
    with pytest.raises(CheckpointError, match="does not describe"):
        type(model).load(tmp_path / "m")
