"""How a tabular estimator is trained: its optimizer's numbers in closed form, and which rows it learns from."""

import pickle
from contextlib import contextmanager

import numpy
import pytest
from sklearn.utils import check_random_state

from xpnn.arrays.devices import device
from xpnn.estimators import TabularClassifier, TabularRegressor, tabular_base, tabular_training
from xpnn.estimators.tabular_frames import table_of
from xpnn.estimators.tabular_plan import four_cycles
from xpnn.training.callbacks.base import Callback
from xpnn.training.callbacks.early_stopping import EarlyStopping

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

RNG = numpy.random.default_rng(0)


class First(Callback):
    """The weights before the first step."""

    def epoch_starts(self, trainer):
        if trainer.epoch == 0:
            self.weights = {name: numpy.array(p) for name, p in trainer.model.named_parameters()}


@pytest.fixture(scope="module")
def two_steps():
    """How far each parameter goes in two steps, and by what rates.

    The last layer is 0 at first, so all others have no gradient in the first step; in the second Adam moves them by
    rate * sqrt(1 + beta2) / (1 + beta1), whatever the gradient, since it is the only one they ever had.
    """
    x = RNG.standard_normal((100, 3))
    first = First()
    model = TabularRegressor(max_epochs=2, learning_rate=0.01, callbacks=[first], random_state=0)
    model.fit(x, 1000 * (x[:, 0] + x[:, 1] ** 2 - x[:, 2]))
    now = {name: numpy.asarray(p) for name, p in model.network_.named_parameters()}
    rates = [float(four_cycles(0.01, steps=2)(n)) for n in (0, 1)]
    return first.weights, now, rates


@pytest.mark.parametrize(
    ("name", "factor", "decay"),
    [("scale", 6, 0), ("numbers.frequencies", 0.1, 0), ("dense.0.bias", 1, 0), ("dense.0.weight", 1, 0.02)],
)
def test_rates_and_decay_are_those_of_realmlp(two_steps, name, factor, decay):
    before, after, (r0, r1) = two_steps
    kept = before[name] * (1 - r0 * decay) * (1 - r1 * decay)
    far = numpy.abs(after[name] - kept) / (factor * r1)
    expected = (1 + 0.95) ** 0.5 / (1 + 0.9)
    moved = far[far > 0.9 * expected]  # a dead unit has a gradient of 0, a small one counts beside Adam's epsilon
    assert moved.size > 0.2 * far.size
    numpy.testing.assert_allclose([numpy.median(moved), moved.max()], expected, rtol=3e-3)


@pytest.mark.parametrize("seed", range(4))
def test_rows_held_out_have_the_classes_in_the_same_shares(seed):
    y = numpy.where(numpy.arange(400) % 20 == 0, "rare", "often")
    model = TabularClassifier()
    table = table_of(model, RNG.standard_normal((400, 2)), names=None)
    _, held_out = model._parts(table, y, None, (None, None, None), check_random_state(seed))
    assert (held_out[1] == "rare").sum() == 2


def test_nothing_is_learned_from_rows_held_out():
    """Of the same fit with wild values in them, all that is known of columns and targets is the same."""
    rows = 400
    frame = pandas.DataFrame({"a": RNG.standard_normal(rows), "t": RNG.choice(["Rome", "Oslo"], rows)})
    y = frame["a"].to_numpy() * 3
    model = TabularRegressor(max_epochs=1, hidden_layer_sizes=(4,), random_state=0)
    places = numpy.arange(rows, dtype=float)
    _, held_out = model._parts(
        table_of(model, frame, names=None), places, None, (None, None, None), check_random_state(0)
    )
    out = held_out[1].astype(int)
    assert len(out) == 40
    wild, y_wild = frame.copy(), y.copy()
    wild.loc[out, "a"], wild.loc[out, "t"], y_wild[out] = 1e6, "Bern", 1e9
    with pytest.warns(UserWarning, match="X_val has hardly any value"):
        other = TabularRegressor(**model.get_params()).fit(wild, y_wild)
    model.fit(frame, y)
    assert other.preprocessing_.summary() == model.preprocessing_.summary()
    for one, two in zip(other.preprocessing_.state(), model.preprocessing_.state(), strict=True):
        assert str(one) == str(two)
    for name in ("_centre", "_factor", "_least", "_greatest"):
        numpy.testing.assert_array_equal(getattr(other, name), getattr(model, name))
    numpy.testing.assert_array_equal(other.predict(frame), model.predict(frame))


def test_the_best_epoch_is_the_one_whose_weights_a_callback_put_back():
    x = RNG.standard_normal((60, 2))

    def worse(trainer, row):
        row["score"] = -abs(row["epoch"] - 3)

    stopping = EarlyStopping("score", mode="max", patience=2)
    options = {"max_epochs": 9, "hidden_layer_sizes": (4,), "random_state": 0}
    model = TabularRegressor(**options, callbacks=[worse, stopping]).fit(x, x[:, 0])
    assert (model.best_epoch_, model.n_iter_, stopping.best_epoch) == (3, 5, 3)
    for name, p in model.network_.state_dict().items():
        numpy.testing.assert_array_equal(p, stopping._weights[name])
    held_out = TabularRegressor(**options, callbacks=[worse, stopping]).fit(x, x[:, 0], X_val=x, y_val=x[:, 0])
    assert held_out.best_epoch_ == numpy.argmax(held_out.history_["val_r2"]) + 1  # which come back last
    left = EarlyStopping("score", mode="max", patience=2, restore_best=False)
    assert TabularRegressor(**options, callbacks=[worse, left]).fit(x, x[:, 0]).best_epoch_ == 5

    def stop(trainer, row):
        if row["epoch"] == 4:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted"):
        assert TabularRegressor(**options, callbacks=[worse, stopping, stop]).fit(x, x[:, 0]).best_epoch_ == 4


@pytest.mark.parametrize(
    ("rows", "given", "held_out", "computed"),
    [
        (255, "float64", 0.1, "float64"),
        (255, "float32", 0.1, "float32"),
        (256, "float64", 0.0, "float32"),
        (300, "float32", 0.1, "float32"),
        (280, "float64", 0.1, "float64"),  # 252 are trained with
    ],
)
def test_all_but_small_tables_are_computed_in_float32(rows, given, held_out, computed):
    x = RNG.standard_normal((rows, 2)).astype(given)
    options = {"max_epochs": 1, "hidden_layer_sizes": (4,), "validation_fraction": held_out, "random_state": 0}
    model = TabularRegressor(**options).fit(x, x[:, 0])
    assert {str(p.dtype) for p in model.network_.parameters()} == {computed}
    assert model.predict(x).dtype == "float64"
    classifier = TabularClassifier(**options).fit(x, x[:, 0] > 0)
    assert {str(p.dtype) for p in classifier.network_.parameters()} == {computed}


def test_rows_of_classes_that_do_not_count_are_left_out_and_others_weigh_what_they_should(monkeypatch):
    class Enough(Exception):
        pass

    seen = []

    def stop(estimator, network, rows, *rest):
        seen.append(rows)
        raise Enough

    monkeypatch.setattr(tabular_base, "trained", stop)
    rng = numpy.random.default_rng(1)
    x, y = rng.standard_normal((300, 2)), numpy.asarray(["a", "b", "c"])[rng.integers(0, 3, 300)]
    model = TabularClassifier(class_weight={"a": 0.25, "b": 0, "c": 3}, validation_fraction=0, random_state=0)
    for weight in (None, 1.0 + numpy.arange(300) % 4):
        with pytest.raises(Enough):
            model.fit(x, y, weight)
        rows, counts = seen.pop(), y != "b"
        assert (rows.inputs[0].dtype, rows.weight.dtype) == ("float32", "float32")
        numpy.testing.assert_array_equal(rows.t, numpy.where(y == "a", 0, 2)[counts])
        by_class = numpy.where(y == "a", 0.25, 3)[counts] * (1 if weight is None else weight[counts])
        ratio = rows.weight / by_class
        assert (ratio == ratio[0]).all()  # by a power of two: the largest is near 1
        assert 0.5 <= rows.weight.max() < 1
        order = numpy.argsort(x[counts, 0])  # scaling keeps the order
        numpy.testing.assert_array_equal(numpy.argsort(rows.inputs[0][:, 0], kind="stable"), order)
    with pytest.raises(ValueError, match="class_weight must leave at least one row"):
        model.set_params(class_weight=dict.fromkeys("abc", 0)).fit(x, y)


def test_batches_are_drawn_anew_and_few_threads_multiply(monkeypatch):
    told, asked = [], []

    class Spy(tabular_training.Trainer):
        def fit(self, *arrays, **options):
            told.append((options["batch_size"], options["shuffle"]))
            return super().fit(*arrays, **options)

    @contextmanager
    def spy(rows, weights):
        asked.append((rows, weights))
        yield

    monkeypatch.setattr(tabular_training, "Trainer", Spy)
    monkeypatch.setattr(tabular_training, "few_threads", spy)
    x = numpy.random.default_rng(0).standard_normal((300, 2))
    options = {"max_epochs": 1, "embedding": "none", "validation_fraction": 0, "random_state": 0}
    for rows in (300, 200):
        model = TabularRegressor(**options, hidden_layer_sizes=(8, 4), n_ens=2).fit(x[:rows], x[:rows, 0])
        model.predict(x)
    assert told == [(32, True), (256, False)]  # a small table is one batch
    assert asked == [(32, 32), (8192, 32), (256, 32), (8192, 32)]  # the largest layer of a member has 8 times 4 weights


def test_of_epochs_that_are_as_good_the_first_is_kept():
    x = numpy.random.default_rng(0).standard_normal((300, 1))
    far = x + 3 * numpy.sign(x)
    model = TabularClassifier(metric="accuracy", max_epochs=4, random_state=0).fit(far, x[:, 0] > 0)
    found = model.history_["val_accuracy"]
    assert found.count(max(found)) > 1
    assert model.best_epoch_ == found.index(max(found)) + 1


def test_a_weight_of_next_to_nothing_counts_all_the_same():
    found = tabular_base._in_range(numpy.asarray([1e-300, 3.0, 1.5])).astype("float32")
    assert found.tolist() == [float(numpy.finfo("float32").tiny), 0.75, 0.375]


def test_a_pickle_does_not_say_where_the_network_was():
    x = numpy.random.default_rng(0).standard_normal((60, 2))
    model = TabularRegressor(max_epochs=1, hidden_layer_sizes=(2,), random_state=0).fit(x, x[:, 0])
    assert model.__getstate__()["_place_"] is None
    assert pickle.loads(pickle.dumps(model))._place_ == model._place_ == device("cpu")
