"""Errors about X name what to do; of rows held out they name X_val, y_val or sample_weight_val."""

import numpy
import pytest
import sklearn

from xpnn.estimators import TabularClassifier, TabularRegressor

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

ROWS = 60
RNG = numpy.random.default_rng(0)
FRAME = pandas.DataFrame({"a": RNG.standard_normal(ROWS), "t": RNG.choice(list("xyz"), ROWS)})
Y = FRAME["a"].to_numpy()
QUICK = {"max_epochs": 1, "random_state": 0}


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_columns_that_are_others_come_with_a_remedy(library):
    given = {name: FRAME[name].to_numpy() for name in FRAME}
    module = pytest.importorskip(library)
    frame = module.table if library == "pyarrow" else module.DataFrame
    model = TabularRegressor(**QUICK).fit(frame(given), Y)
    with pytest.raises(ValueError, match=r"same order .*\nGive the columns .*: X.*list\(model.feature_names_in_\)"):
        model.predict(frame({"t": given["t"], "a": given["a"]}))
    with pytest.raises(ValueError, match=r"now missing:\n- t\ntraining had 'a', 't', this frame has 'a': add"):
        model.predict(frame({"a": given["a"]}))


@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        ({"X_val": FRAME[["a"]]}, "^X_val: The feature names"),
        ({"X_val": FRAME.assign(a=numpy.inf)}, "^X_val: Input X contains infinity"),
        ({"X_val": FRAME.assign(a="word")}, "^X_val: column 'a' expected a number, got 'word' in row 0"),
        ({"y_val": Y * numpy.nan}, "^y_val: Input y contains NaN"),
        ({"y_val": Y[:4]}, "^y_val: Found input variables with inconsistent numbers of samples"),
        ({"sample_weight_val": -numpy.ones(ROWS)}, "^sample_weight_val: Negative values"),
        ({"sample_weight_val": numpy.zeros(ROWS)}, "^sample_weight_val: Sample weights must contain"),
    ],
)
def test_rows_held_out_are_named_in_errors(held_out, message):
    with pytest.raises(ValueError, match=message):
        TabularRegressor(**QUICK).fit(FRAME, Y, **{"X_val": FRAME, "y_val": Y, **held_out})


@pytest.mark.parametrize("dispatch", [False, True])
def test_arrays_of_other_libraries_are_moved_to_the_host(dispatch, elsewhere, monkeypatch):
    """And results are NumPy's: words, dates and missing values, which tables are about, no other library has."""
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    x = RNG.standard_normal((ROWS, 3))
    labels = (x[:, 0] > 0).astype(int)
    with sklearn.config_context(array_api_dispatch=dispatch):
        for model, y in ((TabularRegressor(**QUICK), x[:, 1]), (TabularClassifier(**QUICK), labels)):
            expected = model.fit(x, y, sample_weight=x[:, 2] ** 2).predict(x)
            rows, targets, weight = (elsewhere.asarray(given) for given in (x, y, x[:, 2] ** 2))
            found = model.fit(rows, targets, sample_weight=weight).predict(rows)
            assert type(found) is numpy.ndarray
            numpy.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("names", [[0, 1], pandas.MultiIndex.from_tuples([("a", 1), ("a", 2)])])
def test_columns_whose_names_are_no_words_are_compared_too(names):
    frame = pandas.DataFrame(RNG.standard_normal((ROWS, 2)), columns=names)
    model = TabularRegressor(**QUICK).fit(frame, Y)
    with pytest.raises(ValueError, match="columns should be those of fit, in the same order: training had"):
        model.predict(frame[frame.columns[::-1]])
    numpy.testing.assert_array_equal(model.predict(frame), model.predict(frame.to_numpy()))


def test_an_array_may_be_followed_by_a_frame_with_numbers_for_names():
    model = TabularRegressor(**QUICK).fit(RNG.standard_normal((ROWS, 2)), Y)
    assert model.predict(pandas.DataFrame(numpy.zeros((3, 2)))).shape == (3,)


def test_numbers_beside_words_in_lists_of_rows_stay_numbers():
    rows = [[float(a), t] for a, t in zip(FRAME["a"], FRAME["t"], strict=True)]
    model = TabularRegressor(**QUICK).fit(rows, Y)
    assert [row["kind"] for row in model.preprocessing_.summary()] == ["number", "category"]
    numpy.testing.assert_array_equal(model.predict(rows), model.predict(numpy.asarray(rows, dtype=object)))


def test_infinity_as_a_word_among_numbers_is_refused():
    words = FRAME.assign(a=FRAME["a"].astype(str))
    wrong = words.assign(a=["-inf" if n == 4 else a for n, a in enumerate(words["a"])])
    message = "infinity .* first is '-inf' in column 'a', row 4"
    with pytest.raises(ValueError, match=message):
        TabularRegressor(**QUICK, kinds={"a": "number"}).fit(wrong, Y)
    model = TabularRegressor(**QUICK, kinds={"a": "number"}).fit(words, Y)
    with pytest.raises(ValueError, match=message):
        model.predict(wrong)
    with pytest.raises(ValueError, match="^X_val: .*" + message):
        model.fit(words, Y, X_val=wrong, y_val=Y)


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (1e39, "column 'a' expected numbers within 3.403e\\+38"),
        (1e300, "column 'a' expected numbers within"),
        (1e-300, "column 'a' expected numbers that differ by"),
    ],
)
def test_numbers_that_no_scale_brings_into_range_are_named(factor, message):
    with pytest.raises(ValueError, match=message):
        TabularRegressor(**QUICK).fit(FRAME.assign(a=FRAME["a"] * factor), Y)
    TabularRegressor(**QUICK, kinds={"a": "drop"}).fit(FRAME.assign(a=FRAME["a"] * factor), Y)


@pytest.mark.parametrize("power", [-200, -20, 140])
def test_weights_count_by_their_ratios_however_large_they_are(power):
    weight, x = 1.0 + numpy.arange(ROWS) % 3, FRAME[["a"]].to_numpy("float32")
    model = TabularRegressor(max_epochs=3, random_state=0)
    expected = model.fit(x, Y, sample_weight=weight).predict(x)
    numpy.testing.assert_array_equal(model.fit(x, Y, sample_weight=weight * 2.0**power).predict(x), expected)


@pytest.mark.parametrize("column", [[object()] * ROWS, [[1]] * ROWS, [numpy.inf] * ROWS, [1, "a"] * (ROWS // 2)])
def test_columns_to_drop_are_not_looked_at(column):
    plain, odd = FRAME.assign(c=0.0), FRAME.assign(c=column)
    model = TabularRegressor(**QUICK, kinds={"c": "drop"}).fit(odd, Y, X_val=odd, y_val=Y)
    expected = TabularRegressor(**QUICK, kinds={"c": "drop"}).fit(plain, Y, X_val=plain, y_val=Y)
    numpy.testing.assert_array_equal(model.predict(odd), expected.predict(plain))
    model.set_params(kinds=None)  # what the fit had counts
    numpy.testing.assert_array_equal(model.predict(odd), expected.predict(plain))
    with pytest.raises((TypeError, ValueError), match=r"in column 'c'|column 'c' (expected|holds)"):
        model.fit(odd, Y)


def test_objects_in_an_array_are_not_looked_at_in_columns_to_drop():
    x = numpy.column_stack([Y.astype(object), [{1}] * ROWS])
    model = TabularRegressor(**QUICK, kinds={1: "drop"}).fit(x, Y)
    numpy.testing.assert_array_equal(model.predict(x), model.predict(numpy.column_stack([Y, Y])))


def test_infinity_in_a_column_of_an_array_is_refused_unless_it_is_dropped():
    x = numpy.column_stack([Y, numpy.full(ROWS, numpy.inf)])
    with pytest.raises(ValueError, match=r"Input X contains infinity .* The first is in column 'x1', row 0"):
        TabularRegressor(**QUICK).fit(x, Y)
    model = TabularRegressor(**QUICK, kinds={1: "drop"}).fit(x, Y)
    numpy.testing.assert_array_equal(model.predict(x), model.predict(x * [1, 0.5]))
    with pytest.raises(ValueError, match=r"Input X contains infinity .* The first is in column 'a', row 1"):
        TabularRegressor(**QUICK).fit(pandas.DataFrame({"a": [1, 10**400, 3], "b": [1, 2, 4]}), [1, 2, 3])


@pytest.mark.parametrize(
    "made", [lambda rows: rows, lambda rows: rows[["a"]].to_numpy(), lambda rows: rows[["a"]].values.tolist()]
)
def test_one_row_is_too_few_to_learn_from_and_enough_to_predict(made):
    with pytest.raises(ValueError, match=r"Found array with 1 sample.* while a minimum of 2 is required"):
        TabularRegressor(**QUICK).fit(made(FRAME[:1]), Y[:1])
    model = TabularRegressor(**QUICK).fit(made(FRAME), Y)
    assert model.predict(made(FRAME[:1])).shape == (1,)
    with pytest.raises(ValueError, match=r"Found array with 0 sample|Expected 2D array"):
        model.predict(made(FRAME[:0]))
