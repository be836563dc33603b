"""Options that need more than a look at their type: kinds of columns, widths, callbacks, rates."""

import numpy
import pytest

from xpnn.estimators import CurvesDisplay, TabularClassifier, TabularRegressor

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

ROWS = 300
RNG = numpy.random.default_rng(0)
FRAME = pandas.DataFrame(
    {
        "size": RNG.uniform(20, 90, ROWS),
        "zip": RNG.integers(0, 12, ROWS),
        "price": [f"{value:.0f}" for value in RNG.uniform(1, 1e6, ROWS)],
    }
)
Y = FRAME["size"].to_numpy()
LABELS = numpy.where(Y > 50, "large", "small")
QUICK = {"max_epochs": 2, "random_state": 0, "hidden_layer_sizes": (8,)}


def kinds(model):
    return {row["name"]: row["kind"] for row in model.preprocessing_.summary()}


def test_columns_are_what_kinds_says():
    model = TabularRegressor(**QUICK, kinds={"zip": "category", "price": "number", "size": "drop"}).fit(FRAME, Y)
    assert kinds(model) == {"zip": "category", "price": "number", "size": "dropped"}
    by_place = TabularRegressor(**QUICK, kinds={1: "category", -1: "number", 0: "drop"}).fit(FRAME, Y)
    numpy.testing.assert_array_equal(model.predict(FRAME), by_place.predict(FRAME))
    both = TabularRegressor(**QUICK, kinds={"price": "number", "size": "drop"}, categories=["zip"]).fit(FRAME, Y)
    numpy.testing.assert_array_equal(model.predict(FRAME), both.predict(FRAME))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kinds": {"street": "drop"}}, ValueError, r"kinds names columns that X does not have: \['street'\]"),
        ({"kinds": {7: "drop"}}, ValueError, "kinds expected names, or numbers of 3 columns, got 7"),
        ({"kinds": {"zip": "word"}}, ValueError, "kinds expected one of number, category, .* for 'zip', got 'word'"),
        (
            {"kinds": {"zip": "number"}, "categories": ["zip"]},
            ValueError,
            "'zip' cannot be a 'number' and a 'category'",
        ),
        ({"kinds": ["zip"]}, ValueError, "The 'kinds' parameter of TabularClassifier must be an instance of 'dict'"),
        ({"hidden_layer_sizes": (8.5,)}, ValueError, r"hidden_layer_sizes expected whole numbers, got \(8.5,\)"),
        ({"callbacks": [3]}, TypeError, r"callbacks expected functions callback\(trainer, row\) and Callbacks, got 3$"),
        ({"class_weight": {"large": -1}}, ValueError, "class_weight expected weights of 0 or more, got -1"),
    ],
)
def test_options_without_a_meaning_are_refused(options, error, message):
    model = TabularClassifier(**{**QUICK, "kinds": {"price": "number"}, **options})
    with pytest.raises(error, match=message):
        model.fit(FRAME, LABELS)
    assert not hasattr(model, "preprocessing_")


def test_a_rate_that_is_too_high_is_said():
    """In one error: the warnings of overflow, which are errors here, would be a word too many."""
    model = TabularRegressor(**QUICK, kinds={"price": "number"}, learning_rate=1e9)
    with pytest.raises(FloatingPointError, match=r"became .* schedule was 1e\+09: give a smaller learning_rate$"):
        model.fit(FRAME, Y)


@pytest.mark.parametrize(("verbose", "expected"), [(0, ""), (1, "Iteration 2, loss = "), (2, "val_r2")])
def test_what_is_printed(verbose, expected, capsys):
    TabularRegressor(**QUICK, kinds={"price": "number"}, verbose=verbose).fit(FRAME, Y)
    printed = capsys.readouterr()
    assert expected in printed.out
    assert bool(printed.out) == bool(verbose)
    assert not printed.err


def test_a_bar_is_shown(capsys):
    pytest.importorskip("tqdm")
    TabularRegressor(**QUICK, kinds={"price": "number"}, verbose=3).fit(FRAME, Y)
    printed = capsys.readouterr()
    assert "val_r2" in printed.out
    assert "2/2" in printed.err


def test_the_rate_in_the_history_is_that_of_the_network():
    model = TabularRegressor(max_epochs=8, learning_rate=0.01, kinds={"price": "number"}, random_state=0)
    rates = model.fit(FRAME, Y).history_["learning_rate"]
    assert 0.001 < max(rates) <= 0.01  # not six times as much, as its scale has


def test_the_history_is_that_of_a_training():
    model = TabularRegressor(**QUICK, kinds={"price": "number"}).fit(FRAME, Y)
    assert len(model.history_["loss"]) == len(model.history_["val_r2"]) == len(model.history_) == 2
    assert pandas.DataFrame(model.history_.rows)["loss"].tolist() == model.history_["loss"]
    pytest.importorskip("matplotlib").use("Agg")
    display = CurvesDisplay.from_estimator(model)
    assert display.val_score == model.history_["val_r2"]
    assert [axes.get_title() for axes in display.axes_] == ["loss", "score"]


def test_whole_numbers_that_name_a_column_are_its_name():
    frame = pandas.DataFrame({1: FRAME["size"], 2: FRAME["zip"], 3: FRAME["size"] * 2})
    model = TabularRegressor(**QUICK, kinds={1: "drop"}, categories=[2]).fit(frame, Y)
    assert kinds(model) == {"1": "dropped", "2": "category", "3": "number"}
    model = TabularRegressor(**QUICK, kinds={0: "drop"}, categories=[-2]).fit(frame, Y)
    assert kinds(model) == {"1": "dropped", "2": "category", "3": "number"}
