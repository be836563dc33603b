"""The network of the tabular estimators: its dropout, which numbers become vectors, and rows that stay in order."""

import numpy
import pytest

from xpnn.estimators import TabularRegressor
from xpnn.estimators.tabular_network import Columns, TabularNetwork

RNG = numpy.random.default_rng(0)
X = RNG.standard_normal((300, 3))
Y = X[:, 0] - X[:, 1] ** 2


@pytest.mark.parametrize("members", [1, 3])
def test_after_each_hidden_layer_a_share_is_left_out_in_training_only(members):
    network = TabularNetwork(Columns(3, 0, ()), None, (60, 50), 1, 0.25, members, "float64").initialize(seed=0)
    for end in (3, 6):  # dense, ReLU, dropout, twice
        bent, left = (numpy.asarray(network.dense[: end - n].eval()(X)) for n in (1, 0))
        numpy.testing.assert_array_equal(left, bent)
        layer = network.dense[end - 1].train()
        dropped = numpy.asarray(layer(bent))
        some = bent > 0
        assert (dropped[some] == 0).mean() == pytest.approx(0.25, abs=0.03)  # of 9000 and more: six deviations
        numpy.testing.assert_allclose(dropped[dropped > 0], bent[dropped > 0] / 0.75, rtol=1e-12)
    assert len(network.dense) == 7


def test_the_preset_decides_the_dropout_where_nobody_does():
    def losses(**options):
        model = TabularRegressor(max_epochs=2, hidden_layer_sizes=(8,), random_state=0, **options)
        return model.fit(X, Y).history_["loss"]

    usual = losses()
    assert losses(dropout=0.05) == usual
    for rate in (0.0, 0.5):
        assert losses(dropout=rate)[1] != usual[1]


@pytest.mark.parametrize(("columns", "embedded"), [(64, 64), (65, 0)])
def test_numbers_become_vectors_in_tables_of_up_to_64_of_them(columns, embedded):
    x = RNG.standard_normal((40, columns))
    model = TabularRegressor(max_epochs=1, hidden_layer_sizes=(4,), random_state=0).fit(x, x[:, 0])
    assert model.network_.numeric == columns
    assert model.network_.embedded == embedded
    assert model.network_.dense[0].weight.shape == (4, columns + 4 * embedded)


@pytest.mark.parametrize("embedding", ["periodic", "piecewise", "none"])
def test_what_is_asked_for_is_done_however_many_numbers_there_are(embedding):
    x = RNG.standard_normal((40, 65))
    model = TabularRegressor(max_epochs=1, hidden_layer_sizes=(4,), embedding=embedding, random_state=0).fit(x, x[:, 0])
    assert model.network_.embedded == (0 if embedding == "none" else 65)
    assert model._architecture["embedding"] == embedding


@pytest.mark.parametrize("n_ens", [1, 2])
def test_more_rows_than_are_predicted_at_once_stay_in_order(n_ens):
    model = TabularRegressor(max_epochs=50, hidden_layer_sizes=(8,), n_ens=n_ens, random_state=0)
    model.fit(X[:200], Y[:200])  # in float64
    many = RNG.standard_normal((9000, 3))
    parts = [model.predict(many[start : start + 3000]) for start in range(0, 9000, 3000)]
    assert numpy.std(parts) > 0.1
    # products of other shapes sum in another order
    numpy.testing.assert_allclose(model.predict(many), numpy.concatenate(parts), rtol=1e-9, atol=1e-12)


def test_the_prediction_of_several_networks_is_their_mean():
    model = TabularRegressor(max_epochs=8, hidden_layer_sizes=(8,), n_ens=3, validation_fraction=0, random_state=0)
    y = 1e6 * (Y + 5)
    model.fit(X, y)
    outputs = model._outputs(X)[:, :, 0]
    assert outputs.shape == (3, 300)
    assert numpy.ptp(outputs, axis=0).mean() > 0.01
    expected = numpy.clip(y.mean() + y.std() * outputs.mean(axis=0), y.min(), y.max())
    numpy.testing.assert_allclose(model.predict(X), expected, rtol=1e-12)


def test_the_columns_that_become_vectors_are_the_numbers():
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("narwhals")
    day = numpy.datetime64("2020-01-01", "us") + numpy.arange(300).astype("timedelta64[D]")
    size = numpy.where(numpy.arange(300) % 7, X[:, 0], numpy.nan)
    frame = pandas.DataFrame({"town": ["Rome", "Oslo", "Bern"] * 100, "day": day, "size": size})
    model = TabularRegressor(max_epochs=1, hidden_layer_sizes=(4,), random_state=0).fit(frame, Y)
    names = model.preprocessing_.transform(frame).names
    assert [names[place] for place in model._order[: model.network_.embedded]] == ["day", "size"]
    assert sorted(model._order) == list(range(len(names)))
