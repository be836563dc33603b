"""The tabular estimators on raw frames: the same from any library, at home in scikit-learn; errors name columns."""

import pickle

import numpy
import pytest
from sklearn import metrics
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import GridSearchCV

from xpnn.arrays.devices import DeviceUnavailable
from xpnn.estimators import TabularClassifier, TabularRegressor
from xpnn.estimators.tabular import _combined
from xpnn.estimators.tabular_plan import four_cycles
from xpnn.estimators.tabular_training import _Members
from xpnn.nn.losses.regression import squared_error
from xpnn.tables import TableWarning
from xpnn.training.callbacks.base import Callback

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

RNG = numpy.random.default_rng(7)
ROWS = 400
COLUMNS = {
    "size": numpy.where(RNG.random(ROWS) < 0.1, numpy.nan, RNG.uniform(20, 90, ROWS)),
    "town": RNG.choice(["Rome", "Oslo", "Bern"], ROWS),
    "shop": RNG.integers(0, 12, ROWS),
    "sold": numpy.datetime64("2020-01-01", "us") + RNG.integers(0, 900, ROWS).astype("timedelta64[D]"),
    "new": RNG.random(ROWS) < 0.5,
}
FRAME = pandas.DataFrame(COLUMNS)
SIZE = numpy.nan_to_num(COLUMNS["size"], nan=50)
PRICE = 1e9 + 1e6 * (SIZE + 30 * (COLUMNS["town"] == "Oslo") + 5 * (COLUMNS["shop"] % 3))
LABELS = numpy.where(numpy.median(PRICE) < PRICE, "dear", "cheap")
QUICK = {"max_epochs": 8, "hidden_layer_sizes": (32,), "random_state": 0}


def regressor(**options):
    return TabularRegressor(**{**QUICK, **options})


def classifier(**options):
    return TabularClassifier(**{**QUICK, **options})


# What comes out


def test_raw_frames_are_learned():
    assert regressor(max_epochs=20).fit(FRAME, PRICE).score(FRAME, PRICE) > 0.9
    assert classifier(max_epochs=20).fit(FRAME, LABELS).score(FRAME, LABELS) > 0.9


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_of_any_library_give_the_same_to_the_last_bit(library):
    module = pytest.importorskip(library)
    other = module.DataFrame(COLUMNS) if library == "polars" else module.table(COLUMNS)
    ours = classifier().fit(FRAME, LABELS)
    theirs = classifier().fit(other, LABELS)
    assert theirs.feature_names_in_.tolist() == list(FRAME)
    numpy.testing.assert_array_equal(ours.predict_proba(FRAME), theirs.predict_proba(other))


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    one, two, three = (regressor(random_state=seed).fit(FRAME, PRICE).predict(FRAME) for seed in (1, 1, 2))
    numpy.testing.assert_array_equal(one, two)
    assert (one != three).any()


@pytest.mark.parametrize("labels", [LABELS, LABELS == "dear", numpy.where(LABELS == "dear", 7, -2)])
def test_labels_come_back_as_they_were(labels):
    model = classifier(max_epochs=2).fit(FRAME, labels)
    assert model.classes_.dtype == model.predict(FRAME).dtype == labels.dtype
    assert set(model.predict(FRAME)) <= set(labels)


@pytest.mark.parametrize("place", range(0, ROWS, 40))
def test_a_class_of_one_row_may_be_held_out(place):
    labels = LABELS.copy().astype("<U6")
    labels[place] = "unique"
    model = classifier(max_epochs=1).fit(FRAME, labels)
    assert model.predict_proba(FRAME).shape == (ROWS, 3)


def test_targets_of_other_kinds():
    polars = pytest.importorskip("polars")
    words = classifier(max_epochs=1).fit(FRAME, LABELS)
    for given in (polars.Series(LABELS), pandas.Series(LABELS, dtype="category"), LABELS.tolist()):
        other = classifier(max_epochs=1).fit(FRAME, given)
        assert other.classes_.tolist() == words.classes_.tolist()
        numpy.testing.assert_array_equal(other.predict_proba(FRAME), words.predict_proba(FRAME))
    frame = polars.DataFrame(COLUMNS)
    search = GridSearchCV(classifier(max_epochs=2), {"n_ens": [1]}, cv=2).fit(frame, polars.Series(LABELS))
    assert search.best_score_ > 0.5


def test_predictions_stay_within_the_targets_of_training():
    model = regressor(validation_fraction=0).fit(FRAME, PRICE)
    for shift, bound in ((100, PRICE.max()), (-200, PRICE.min())):
        model.network_.dense[-1].bias[...] += shift
        assert set(model.predict(FRAME)) == {bound}


def test_several_targets():
    both = numpy.stack([PRICE, -PRICE], axis=1)
    found = regressor(max_epochs=20).fit(FRAME, both).predict(FRAME)
    assert found.shape == both.shape
    assert r2_score(both, found) > 0.8


@pytest.mark.filterwarnings("ignore:X has hardly any value:xpnn.tables.TableWarning")
def test_levels_and_dates_that_training_did_not_have_are_predicted():
    model = classifier().fit(FRAME, LABELS)
    new = FRAME.assign(town="Bonn", sold=pandas.Timestamp("1999-12-31"), size=numpy.nan)
    assert numpy.isfinite(model.predict_proba(new)).all()
    unknown = model.predict_proba(FRAME.assign(town="Bonn"))
    numpy.testing.assert_array_equal(unknown, model.predict_proba(FRAME.assign(town="Kiel")))


def test_numbers_that_are_names_become_codes_where_asked():
    model = regressor(categories=["shop"]).fit(FRAME, PRICE)
    rows = {row["name"]: row for row in model.preprocessing_.summary()}
    assert rows["shop"]["categories"] == 13
    by_place = regressor(categories=[2]).fit(FRAME, PRICE)
    numpy.testing.assert_array_equal(model.predict(FRAME), by_place.predict(FRAME))
    assert regressor().fit(FRAME, PRICE).preprocessing_.summary()[2]["categories"] == 0


def test_an_array_is_taken_in_the_order_of_the_frame():
    numbers = pandas.DataFrame({"a": SIZE, "b": COLUMNS["shop"].astype(float)})
    model = regressor().fit(numbers, PRICE)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        found = model.predict(numbers.to_numpy())
    numpy.testing.assert_array_equal(found, model.predict(numbers))


def test_arrays_of_objects_keep_their_words():
    array = FRAME[["size", "town"]].to_numpy()
    assert classifier().fit(array, LABELS).preprocessing_.summary()[1]["kind"] == "category"


# How it is trained


def test_whole_weights_are_repeated_rows_in_a_small_table():
    some = FRAME[:60].reset_index(drop=True)
    times = RNG.integers(0, 4, 60)
    rows = numpy.repeat(numpy.arange(60), times)
    weighted = TabularRegressor(random_state=0, max_epochs=40).fit(some, PRICE[:60], sample_weight=times)
    repeated = TabularRegressor(random_state=0, max_epochs=40).fit(some.iloc[rows], PRICE[:60][rows])
    numpy.testing.assert_allclose(weighted.predict(some), repeated.predict(some), rtol=1e-7)
    alike = TabularRegressor(random_state=0, max_epochs=40).fit(some, PRICE[:60])
    assert abs(alike.predict(some) / weighted.predict(some) - 1).max() > 1e-5


def test_rows_without_weight_count_for_nothing():
    weight = (numpy.arange(ROWS) % 4 > 0).astype(float)
    kept = weight > 0
    wrong = numpy.where(kept, PRICE, 1e300)
    given = {"X_val": FRAME, "y_val": PRICE}
    one = regressor().fit(FRAME, wrong, sample_weight=weight, **given)
    two = regressor().fit(FRAME[kept], PRICE[kept], sample_weight=weight[kept], **given)
    numpy.testing.assert_array_equal(one.predict(FRAME), two.predict(FRAME))


def test_class_weights_move_the_border():
    often = [
        (classifier(class_weight=weight).fit(FRAME, LABELS).predict(FRAME) == "dear").mean()
        for weight in ({"dear": 0.02}, "balanced", {"dear": 50.0})
    ]
    assert often[0] < often[1] < often[2]


def test_the_best_epoch_is_kept():
    """With a rate that is far too high the last epoch is seldom the best."""
    rest = {"X_val": FRAME[300:], "y_val": LABELS[300:]}
    model = classifier(learning_rate=0.3, max_epochs=12).fit(FRAME[:300], LABELS[:300], **rest)
    losses = [row["val_log_loss"] for row in model.history_.rows]
    assert model.n_iter_ == len(losses) == 12
    assert model.best_epoch_ == numpy.argmin(losses) + 1 < 12
    kept = log_loss(LABELS[300:], model.predict_proba(FRAME[300:]))
    numpy.testing.assert_allclose(kept, min(losses), rtol=1e-12)


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy", "balanced_accuracy", "log_loss"])
@pytest.mark.parametrize("classes", [2, 3])
def test_each_metric_of_classes_in_the_history_is_scikit_learns(metric, classes):
    labels = LABELS if classes == 2 else numpy.digitize(PRICE, numpy.quantile(PRICE, [0.3, 0.6]))
    weight = RNG.uniform(0.1, 3.0, 100)
    given = {"X_val": FRAME[300:], "y_val": labels[300:], "sample_weight_val": weight}
    model = classifier(metric=metric, max_epochs=3).fit(FRAME[:300], labels[:300], **given)
    found = model.history_[f"val_{metric}"]
    p = model.predict_proba(FRAME[300:])
    if metric == "roc_auc" and classes == 2:
        p = p[:, 1]
    elif metric in ("accuracy", "balanced_accuracy"):
        p = model.predict(FRAME[300:])
    options = {"multi_class": "ovr"} if metric == "roc_auc" else {}
    name = metric if metric == "log_loss" else f"{metric}_score"
    expected = getattr(metrics, name)(labels[300:], p, sample_weight=weight, **options)
    assert found[model.best_epoch_ - 1] == pytest.approx(expected, rel=1e-12)
    assert found[model.best_epoch_ - 1] == (min if metric == "log_loss" else max)(found)


@pytest.mark.parametrize("metric", ["r2", "squared_error", "absolute_error"])
def test_each_metric_of_numbers_in_the_history_is_scikit_learns(metric):
    weight = RNG.uniform(0.1, 3.0, 100)
    given = {"X_val": FRAME[300:], "y_val": PRICE[300:], "sample_weight_val": weight}
    model = regressor(metric=metric).fit(FRAME[:300], PRICE[:300], **given)
    found = model.history_[f"val_{metric}"]
    judge = getattr(metrics, "r2_score" if metric == "r2" else f"mean_{metric}")
    expected = judge(PRICE[300:], model.predict(FRAME[300:]), sample_weight=weight)
    assert found[model.best_epoch_ - 1] == pytest.approx(expected, rel=1e-12)
    assert found[model.best_epoch_ - 1] == (max if metric == "r2" else min)(found)


def test_labels_are_smoothed_unless_probabilities_count():
    def trained(**options):
        return classifier(**options).fit(FRAME, LABELS, X_val=FRAME, y_val=LABELS).history_.rows[0]["loss"]

    assert trained(metric="accuracy") == trained(metric="log_loss", label_smoothing=0.1)
    assert trained(metric="roc_auc") == trained(metric="accuracy", label_smoothing=0.0)
    assert trained(metric="accuracy") != trained(metric="log_loss")


def test_without_rows_held_out_the_last_epoch_is_kept():
    model = regressor(validation_fraction=0).fit(FRAME, PRICE)
    assert model.best_epoch_ == model.n_iter_ == 8
    assert "val_r2" not in model.history_.rows[0]


def test_the_rate_goes_up_and_down_four_times():
    rates = numpy.asarray([float(four_cycles(2.0, steps=1500)(step)) for step in range(1501)])
    peaks = numpy.flatnonzero((rates[1:-1] > rates[:-2]) & (rates[1:-1] >= rates[2:])) + 1
    expected = 1500 * (2 ** (numpy.arange(4) + 0.5) - 1) / 15  # where log2(1 + 15 t) is half of an odd number
    assert abs(peaks - expected).max() <= 1
    ends = rates[[0, 99, 100, 299, 300, 699, 700, 1499]]
    assert (ends > 0).all()  # a step is judged by its middle: none is for nothing
    assert ends.max() < 0.005
    assert rates[1500] == pytest.approx(0, abs=1e-12)
    assert rates.max() == pytest.approx(2, abs=1e-4)


def test_a_training_of_one_step_learns_something():
    one = TabularRegressor(max_epochs=1, random_state=0).fit(FRAME[:200], PRICE[:200])
    assert one.n_iter_ == 1
    assert one.predict(FRAME).std() > 0


@pytest.mark.parametrize("embedding", ["periodic", "piecewise", "none"])
def test_every_embedding_learns(embedding):
    assert regressor(embedding=embedding, max_epochs=15).fit(FRAME, PRICE).score(FRAME, PRICE) > 0.8


def test_several_networks_are_averaged_by_their_probabilities():
    model = classifier(n_ens=3).fit(FRAME, LABELS)
    outputs = model._outputs(FRAME)
    assert outputs.shape == (3, ROWS, 1)
    numpy.testing.assert_allclose(
        model.predict_proba(FRAME)[:, 1], (1 / (1 + numpy.exp(-outputs[..., 0]))).mean(axis=0)
    )
    three = RNG.standard_normal((4, 10, 3))
    shares = numpy.exp(three) / numpy.exp(three).sum(axis=2, keepdims=True)
    numpy.testing.assert_allclose(numpy.exp(_combined(three)), shares.mean(axis=0))
    prices = regressor(n_ens=3, max_epochs=15).fit(FRAME, PRICE)
    assert prices.score(FRAME, PRICE) > 0.8
    assert len({weight.tobytes() for weight in prices.network_.dense[0].weight}) == 3


def test_callbacks_see_each_epoch_and_verbose_prints_it(capsys):
    class Count(Callback):
        seen = 0

        def epoch_ends(self, trainer, row):
            Count.seen += "val_r2" in row

    regressor(callbacks=[Count()], verbose=True).fit(FRAME, PRICE)
    assert Count.seen == 8
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 16
    assert lines[0].startswith("Iteration 1, loss = ")
    assert lines[1].startswith("Validation r2: ")


# At home in scikit-learn


def test_pickles_are_small_and_predict_the_same():
    model = classifier().fit(FRAME, LABELS)
    data = pickle.dumps(model)
    numbers = sum(p.size for p in model.network_.parameters())
    assert len(data) < 4 * numbers + 20_000  # float32 once, and what is known of the columns: no rows
    numpy.testing.assert_array_equal(pickle.loads(data).predict_proba(FRAME), model.predict_proba(FRAME))


def test_a_grid_search_finds_its_way():
    search = GridSearchCV(classifier(max_epochs=3), {"hidden_layer_sizes": [(4,), (16,)]}, cv=2).fit(FRAME, LABELS)
    assert search.best_score_ > 0.6
    assert clone(search.best_estimator_).get_params() == search.best_estimator_.get_params()


def test_importance_is_that_of_columns():
    model = regressor(max_epochs=20).fit(FRAME, PRICE)
    falls = model.permutation_importance(FRAME, PRICE, repeats=2)
    assert list(falls)[:2] == ["size", "town"]
    assert abs(falls["new"]) < 0.05


def test_a_fit_that_fails_leaves_what_was():
    model = regressor().fit(FRAME, PRICE)
    before = model.predict(FRAME)
    with pytest.raises(ValueError, match="infinity"):
        model.fit(FRAME.assign(size=numpy.inf), PRICE)
    with pytest.raises(ValueError, match="Found input variables with inconsistent numbers of samples"):
        model.fit(FRAME[["size"]], PRICE[:-1])
    numpy.testing.assert_array_equal(model.predict(FRAME), before)
    fresh = regressor()
    with pytest.raises(ValueError, match="categories names columns that X does not have: \\['street'\\]"):
        fresh.set_params(categories=["street"]).fit(FRAME, PRICE)
    with pytest.raises(NotFittedError):
        fresh.predict(FRAME)


# Errors and warnings


def test_errors_name_the_column():
    model = classifier().fit(FRAME, LABELS)
    with pytest.raises(ValueError, match="yet now missing:\n- town"):
        model.predict(FRAME.drop(columns="town"))
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(FRAME[list(FRAME)[::-1]])
    with pytest.raises(ValueError, match=r"'size' expected a number, got 'large' in row 3"):
        model.predict(FRAME.assign(size=["large" if n == 3 else "1" for n in range(ROWS)]))
    with pytest.raises(ValueError, match=r"infinity .* The first is in column 'size', row 5"):
        model.predict(FRAME.assign(size=numpy.where(numpy.arange(ROWS) == 5, -numpy.inf, 1.0)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "slow"}, "The 'preset' parameter of TabularClassifier must be a str among"),
        ({"metric": "r2"}, "The 'metric' parameter of TabularClassifier must be a str among"),
        ({"validation_fraction": 1.0}, "The 'validation_fraction' parameter"),
        ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes must be > 0, got \\[8, 0\\]"),
        ({"device": "cuda:99"}, "GPU|NVIDIA|CUDA|CuPy"),
    ],
)
def test_parameters_out_of_range(options, message):
    error = DeviceUnavailable if "device" in options else ValueError
    with pytest.raises(error, match=message):
        classifier(**options).fit(FRAME, LABELS)


def test_what_cannot_be_a_target():
    with pytest.raises(ValueError, match="contains NaN"):
        regressor().fit(FRAME, numpy.where(SIZE > 80, numpy.nan, PRICE))
    with pytest.raises(ValueError, match="X_val and y_val must be given together"):
        regressor().fit(FRAME, PRICE, X_val=FRAME)
    with pytest.raises(ValueError, match="must contain at least one non-zero number"):
        regressor().fit(FRAME, PRICE, sample_weight=numpy.zeros(ROWS))
    with pytest.raises(ValueError, match="`y` has classes not in"):
        classifier().fit(FRAME, LABELS, X_val=FRAME, y_val=numpy.full(ROWS, "free"))


def test_what_is_held_out_must_fit():
    with pytest.raises(ValueError, match="expected X_val beside sample_weight_val"):
        regressor().fit(FRAME, PRICE, sample_weight_val=numpy.ones(3))
    with pytest.raises(ValueError, match="y_val expected 1 targets as y has, got 2"):
        regressor().fit(FRAME, PRICE, X_val=FRAME, y_val=numpy.stack([PRICE, PRICE], axis=1))
    with pytest.raises(ValueError, match="categories expected names, or numbers of 5 columns, got 44"):
        regressor(categories=[44]).fit(FRAME, PRICE)
    with pytest.raises(TypeError, match=r"expected a frame whose rows are there, got a LazyFrame: give X.collect\(\)"):
        regressor().fit(pytest.importorskip("polars").from_pandas(FRAME).lazy(), PRICE)


@pytest.mark.parametrize(("factor", "message"), [(1e200, "targets between"), (1e-200, "differ by more than 1e-150")])
def test_targets_too_large_or_alike_are_refused(factor, message):
    with pytest.raises(ValueError, match=message):
        regressor().fit(FRAME, (PRICE / 1e9) * factor)


def test_rows_held_out_are_judged_with_their_weights_and_those_of_training_s_classes():
    weight = RNG.uniform(0.1, 3.0, ROWS)
    often = numpy.where(RNG.random(ROWS) < 0.8, "dear", LABELS)
    given = {"X_val": FRAME, "y_val": often, "sample_weight_val": weight}
    model = classifier(class_weight="balanced", max_epochs=2).fit(FRAME, LABELS, **given)
    last = classifier(class_weight="balanced", max_epochs=2).fit(FRAME, LABELS, **given)
    share = {label: 0.5 / (label == LABELS).mean() for label in ("dear", "cheap")}
    whole = weight * [share[label] for label in often]
    probabilities = model.predict_proba(FRAME)
    best = min(row["val_log_loss"] for row in last.history_.rows)
    assert best == pytest.approx(log_loss(often, probabilities, sample_weight=whole), rel=1e-5)


def test_members_are_trained_on_the_mean_of_their_losses():
    """Not on the loss of their mean."""
    y, t = numpy.asarray([[[1.0], [2.0]], [[3.0], [6.0]]]), numpy.asarray([[0.0], [1.0]])
    weight = numpy.asarray([1.0, 3.0])
    loss = _Members(squared_error)
    assert loss(y, t) == pytest.approx((1 + 1 + 9 + 25) / 4)
    assert loss(y, t, sample_weight=weight) == pytest.approx((1 + 3 * 1 + 9 + 3 * 25) / 8)


class Stop(Callback):
    """Ctrl-C in the third epoch."""

    def epoch_starts(self, trainer):
        if trainer.epoch == 2:
            raise KeyboardInterrupt


def test_ctrl_c_keeps_what_was_trained():
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model = regressor(callbacks=[Stop()]).fit(FRAME, PRICE)
    assert model.n_iter_ == 2
    assert numpy.isfinite(model.predict(FRAME)).all()


def test_a_number_column_with_a_word_in_it_is_said():
    size = [str(value) for value in RNG.integers(0, 20, ROWS)]
    size[7] = size[8] = size[9] = size[10] = "oops"
    with pytest.warns(TableWarning, match="'size' is taken as a category, but 9.* a row holds 'oops'"):
        regressor(max_epochs=1).fit(FRAME.assign(size=size), PRICE)


def test_a_metric_without_a_value_is_said():
    with pytest.warns(UserWarning, match="val_roc_auc has no value on the 400 rows held out, in no epoch"):
        model = classifier(metric="roc_auc").fit(FRAME, LABELS, X_val=FRAME, y_val=numpy.full(ROWS, "dear"))
    assert model.best_epoch_ == QUICK["max_epochs"]


def test_a_pickle_has_no_values_of_columns_left_out():
    with pytest.warns(TableWarning, match="'ticket' is left out"):
        model = regressor(max_epochs=1).fit(FRAME.assign(ticket=[f"secret {n}" for n in range(ROWS)]), PRICE)
    data = pickle.dumps(model)
    assert b"secret" not in data
    assert pickle.loads(data).preprocessing_.messages == ["column 'ticket' is left out"]


def test_a_column_left_out_is_said_and_others_are_not():
    words = [f"ticket {n}" for n in range(ROWS)]
    with pytest.warns(TableWarning, match="'ticket' is left out: it looks like an identifier") as caught:
        regressor(max_epochs=1).fit(FRAME.assign(ticket=words, number=numpy.arange(ROWS)), PRICE)
    assert [str(each.message).split("'")[1] for each in caught] == ["ticket"]
