"""A tabular estimator in a file, and back: the same predictions to the bit, and no code."""

import pickle

import numpy
import pytest
from sklearn.exceptions import NotFittedError

from xpnn import training
from xpnn.estimators import TabularClassifier, TabularRegressor
from xpnn.nn.drawing import draws_of
from xpnn.training.layout import CheckpointError

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

ROWS = 300
RNG = numpy.random.default_rng(0)
FRAME = pandas.DataFrame(
    {
        "size": numpy.where(RNG.random(ROWS) < 0.1, numpy.nan, RNG.uniform(20, 90, ROWS)),
        "town": RNG.choice(["Rome", "Oslo", None], ROWS),
        "shop": RNG.choice(list("abcdefghijklmn"), ROWS),
        "sold": numpy.datetime64("2020-01-01", "us") + RNG.integers(0, 900, ROWS).astype("timedelta64[D]"),
    }
)
Y = FRAME["size"].fillna(50).to_numpy()
QUICK = {"max_epochs": 2, "hidden_layer_sizes": (8,), "random_state": 0}


@pytest.mark.parametrize("embedding", ["periodic", "piecewise", "none"])
@pytest.mark.parametrize("n_ens", [1, 2])
def test_a_regressor_comes_back_to_the_bit(tmp_path, embedding, n_ens):
    model = TabularRegressor(**QUICK, embedding=embedding, n_ens=n_ens, kinds={"shop": "category"})
    model.fit(FRAME, numpy.stack([Y, -Y], axis=1))
    model.save(tmp_path / "model.safetensors")
    other = TabularRegressor.load(tmp_path / "model.safetensors")
    numpy.testing.assert_array_equal(other.predict(FRAME), model.predict(FRAME))
    assert other.get_params() == model.get_params()
    assert other.history_ == model.history_
    assert other.preprocessing_.summary() == model.preprocessing_.summary()
    assert vars(other).keys() == vars(model).keys()


@pytest.mark.parametrize("labels", [numpy.where(Y > 50, "dear", "cheap"), numpy.digitize(Y, [40, 60])])
def test_a_classifier_comes_back_to_the_bit(tmp_path, labels):
    model = TabularClassifier(**QUICK).fit(FRAME, labels)
    model.save(tmp_path / "model.safetensors")
    other = TabularClassifier.load(tmp_path / "model.safetensors", device="cpu")
    numpy.testing.assert_array_equal(other.predict_proba(FRAME), model.predict_proba(FRAME))
    assert other.predict(FRAME).dtype == labels.dtype
    other.save(tmp_path / "again.safetensors")
    with pytest.raises(ValueError, match="now missing:\n- town"):
        other.predict(FRAME.drop(columns="town"))
    other.fit(FRAME, labels)
    numpy.testing.assert_array_equal(other.predict_proba(FRAME), model.predict_proba(FRAME))


def test_what_cannot_be_saved_or_loaded(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(NotFittedError):
        TabularRegressor().save(path)
    model = TabularRegressor(**QUICK, callbacks=[lambda trainer, row: None]).fit(FRAME, Y)
    with pytest.raises(TypeError, match="save cannot store callbacks/0"):
        model.save(path)
    model.set_params(callbacks=None).save(path)
    with pytest.raises(CheckpointError, match="expected a TabularClassifier, got a TabularRegressor"):
        TabularClassifier.load(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("_order", [0], "its network takes"),
        ("_architecture", {"numeric": 10**9}, "its network takes"),
        ("_architecture", {"hidden": [10**9, 10**9]}, "its layers"),
        ("_dtype", None, "it lacks _dtype"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_refused_before_it_takes_memory(tmp_path, name, value, message):
    from xpnn.estimators.plain import packed, unpacked

    path = tmp_path / "model.safetensors"
    TabularRegressor(**QUICK).fit(FRAME, Y).save(path)
    arrays, metadata = training.load(path)
    learned = metadata["estimator"]["learned"]
    if value is None:
        del learned[name]
    else:
        old = unpacked(learned[name], arrays)
        learned[name] = packed(old | value if isinstance(value, dict) else value, name, {})
    training.save(path, arrays, metadata)
    with pytest.raises(CheckpointError, match=message):
        TabularRegressor.load(path)


def test_values_of_columns_left_out_are_not_in_the_file(tmp_path):
    path = tmp_path / "model.safetensors"
    frame = FRAME.assign(ticket=[f"secret {n}" for n in range(ROWS)])
    TabularRegressor(**QUICK, kinds={"ticket": "drop"}).fit(frame, Y).save(path)
    assert b"secret" not in path.read_bytes()


def test_what_dropout_draws_is_in_the_file(tmp_path):
    model = TabularRegressor(**QUICK, dropout=0.5, n_ens=2).fit(FRAME, Y)
    model.save(tmp_path / "model.safetensors")
    other = TabularRegressor.load(tmp_path / "model.safetensors")
    assert draws_of(other.network_) == draws_of(model.network_) != {}
    x = numpy.ones((2, 50, 8), dtype="float32")
    one, two = (network.dense[2].train()(x) for network in (other.network_, model.network_))
    numpy.testing.assert_array_equal(one, two)
    assert (one == 0).any()


def test_a_pickle_asks_for_no_other_library(tmp_path, elsewhere):
    here = TabularRegressor(**QUICK).fit(FRAME, Y)
    here.save(tmp_path / "model.safetensors")
    there = TabularRegressor.load(tmp_path / "model.safetensors", device=elsewhere)
    numpy.testing.assert_allclose(there.predict(FRAME), here.predict(FRAME), rtol=1e-6)  # sums in another order
    again = pickle.loads(pickle.dumps(there.set_params(device=None)))
    numpy.testing.assert_array_equal(again.predict(FRAME), here.predict(FRAME))
