"""One warning if hardly any value of a column is one of training's."""

import warnings

import numpy
import pytest

from xpnn.estimators import TabularClassifier, TabularRegressor
from xpnn.tables import TableWarning

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

ROWS = 60
RNG = numpy.random.default_rng(0)
FRAME = pandas.DataFrame(
    {"a": RNG.standard_normal(ROWS), "t": RNG.choice(["Rome", "Oslo"], ROWS), "u": RNG.choice(list("xyz"), ROWS)}
)
Y = (FRAME["a"] > 0).to_numpy()


@pytest.fixture(scope="module")
def model():
    return TabularClassifier(max_epochs=1, random_state=0).fit(FRAME, Y)


def test_columns_of_new_levels_only_are_named_once(model):
    new = FRAME.assign(t=FRAME["t"].str.lower(), u=None)
    with pytest.warns(
        TableWarning, match=r"^X has hardly any value .* in 't' \('(rome|oslo)' in row 0 of 't'\)"
    ) as seen:
        model.predict(new)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    with pytest.warns(TableWarning, match="in 't', 'u' "):
        model.predict_proba(FRAME.assign(t="Bonn", u="w"))


def test_a_new_level_now_and_then_is_no_news(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(FRAME.assign(t=["Bonn"] * 50 + ["Rome"] * 10))
        model.predict(FRAME[:9].assign(t="Bonn"))  # few rows
        model.predict(FRAME.assign(t=None))


def test_x_val_is_named():
    with pytest.warns(TableWarning, match="^X_val has hardly any value") as seen:
        TabularClassifier(max_epochs=1).fit(FRAME, Y, X_val=FRAME.assign(t="Bonn"), y_val=Y)
    assert seen[0].filename == __file__


def test_a_column_that_was_rare_levels_in_training_already_is_as_it_was():
    words = ["often"] * 40 + [f"word {n // 4}" for n in range(1960)]  # 40 of 2000 rows with a level of its own
    frame = pandas.DataFrame({"a": RNG.standard_normal(2000), "t": words})
    model = TabularClassifier(max_epochs=1).fit(frame, frame["a"] > 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(frame)


@pytest.mark.parametrize(
    ("trained", "given"),
    [
        (numpy.asarray([0.1, 0.2], "float32"), numpy.asarray([0.1, 0.2])),
        (numpy.asarray([0.1, 0.2]), numpy.asarray([0.1, 0.2], "float32")),
        (numpy.asarray([0, 1]), numpy.asarray([False, True])),
        (numpy.asarray([False, True]), numpy.asarray([0, 1])),
        (numpy.asarray(["2020-01-01", "2020-03-01"], "datetime64[s]"), numpy.asarray(["2020-01-01", "2020-03-01"])),
    ],
)
def test_equal_values_that_are_stored_otherwise_are_the_same_level(trained, given):
    x = numpy.arange(60) / 60
    rows = numpy.arange(60) % 2
    model = TabularRegressor(kinds={"c": "category"}, max_epochs=3, random_state=0)
    model.fit(_frame(x, trained[rows]), x + rows)
    same, other = model.predict(_frame(x[:4], trained[rows[:4]])), model.predict(_frame(x[:4], given[rows[:4]]))
    numpy.testing.assert_array_equal(same, other)


def _frame(x, c):
    return pandas.DataFrame({"x": x, "c": c})


@pytest.mark.parametrize(
    "trained", [numpy.asarray([3, 7]), numpy.asarray(["2020-01-01", "2020-03-01"], "datetime64[s]")]
)
def test_a_single_row_of_another_kind_is_warned_of(trained):
    x, rows = numpy.arange(60) / 60, numpy.arange(60) % 2
    model = TabularRegressor(kinds={"c": "category"}, max_epochs=1, random_state=0)
    model.fit(_frame(x, trained[rows]), x)
    with pytest.warns(TableWarning, match="hardly any value .* 'c'"):
        model.predict(_frame(x[:1], ["1 March"]))


def test_bands_of_numbers_are_a_category():
    rng = numpy.random.default_rng(0)
    size = rng.standard_normal(300)
    frame = pandas.DataFrame({"size": size, "band": pandas.cut(size, [-9, -1, 0, 1, 9])})
    model = TabularClassifier(max_epochs=2, random_state=0).fit(frame, size > 0)
    assert {row["name"]: row["kind"] for row in model.preprocessing_.summary()}["band"] == "category"
    other = frame.assign(band=pandas.cut(size, [-9, 0.5, 9]))
    with pytest.warns(TableWarning, match="X has hardly any value that training had often in 'band'"):
        assert numpy.isfinite(model.predict_proba(other)).all()


def test_whole_numbers_that_float64_does_not_tell_apart_are_said_to_be_there():
    rng = numpy.random.default_rng(0)
    frame = pandas.DataFrame({"size": rng.standard_normal(300), "key": 2**60 + rng.integers(0, 2**40, 300)})
    for kinds in (None, {"key": "number"}):
        with pytest.warns(TableWarning, match=r"column 'key' holds whole numbers of 2\*\*53 or more"):
            TabularClassifier(max_epochs=1, kinds=kinds, random_state=0).fit(frame, frame["size"] > 0)
