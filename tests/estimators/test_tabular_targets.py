"""What is given as y: errors in words of tables, and labels that stay what they are."""

import datetime

import numpy
import pytest
from sklearn.exceptions import DataConversionWarning

from xpnn.estimators import TabularClassifier, TabularRegressor
from xpnn.estimators.tabular_targets import labels_of, numbers_of

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

ROWS = 60
X = numpy.random.default_rng(0).standard_normal((ROWS, 2))
QUICK = {"max_epochs": 1, "random_state": 0}


def column(y, **options):
    return pandas.DataFrame({"y": pandas.Series(y, **options)})


LABELS = [list, pandas.Series, lambda y: pandas.Series(y, dtype="string"), "polars"]
IN_A_COLUMN = [column, lambda y: column(y, dtype="string"), lambda y: [[one] for one in y]]


@pytest.mark.parametrize("made", [*LABELS, *IN_A_COLUMN])
def test_a_missing_label_is_said_with_its_row(made):
    made = pytest.importorskip("polars").Series if made == "polars" else made
    y = ["yes", "no"] * (ROWS // 2)
    y[7] = None
    with pytest.raises(ValueError, match=r"Input y contains NaN: its value in row 7 is missing \((None|nan|<NA>)\)"):
        TabularClassifier(**QUICK).fit(X, made(y))


def test_a_missing_number_is_said_with_its_row():
    y = [*range(ROWS - 1), None]
    with pytest.raises(ValueError, match="Input y contains NaN: its value in row 59 is missing"):
        TabularRegressor(**QUICK).fit(X, y)
    with pytest.raises(ValueError, match="Input y contains NaN: its value in row 59 is missing"):
        numbers_of([[n, n if n is None else 1] for n in y])


@pytest.mark.parametrize("made", [list, lambda y: pandas.Series(y, dtype=object), column, IN_A_COLUMN[-1]])
def test_words_beside_numbers_are_refused(made):
    with pytest.raises(ValueError, match="labels of one kind, got 1 in row 0 and 'a' in row 1"):
        TabularClassifier(**QUICK).fit(X, made([1, "a"] * (ROWS // 2)))


DATES = numpy.datetime64("2020-01-01", "us") + numpy.arange(ROWS).astype("timedelta64[D]")


@pytest.mark.parametrize(
    "y",
    [
        DATES,
        DATES - DATES[0],
        pandas.Series(DATES),
        pandas.Series(DATES).dt.tz_localize("UTC"),
        [datetime.date(2020, 1, 1 + n % 28) for n in range(ROWS)],
    ],
)
def test_dates_are_no_targets_of_a_regression(y):
    with pytest.raises(TypeError, match=r"y expected numbers, got dates .* / numpy.timedelta64\(1, 'D'\)"):
        TabularRegressor(**QUICK).fit(X, y)


def test_rows_that_are_not_there_are_refused():
    polars = pytest.importorskip("polars")
    lazy = polars.DataFrame({"y": numpy.arange(ROWS)}).lazy()
    for model in (TabularRegressor(**QUICK), TabularClassifier(**QUICK)):
        with pytest.raises(TypeError, match=r"got a LazyFrame: give y.collect\(\)"):
            model.fit(X, lazy)


@pytest.mark.parametrize(("given", "dtype"), [("Int64", "int64"), ("boolean", "bool"), (object, "int64")])
def test_labels_of_columns_that_could_hold_missing_ones_keep_their_kind(given, dtype):
    y = pandas.Series([0, 1] * (ROWS // 2), dtype=given)
    predicted = TabularClassifier(**QUICK).fit(X, y).predict(X)
    assert predicted.dtype == dtype
    assert labels_of(y).dtype == dtype
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        in_a_column = TabularClassifier(**QUICK).fit(X, y.to_frame()).predict(X)
    assert in_a_column.dtype == dtype
    numpy.testing.assert_array_equal(in_a_column, predicted)


def test_an_array_of_words_is_left_alone():
    y = numpy.asarray(["a", "b"])
    assert labels_of(y) is y
    assert labels_of(several := [["a", "b"], ["c", "d"]]) is several


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (TabularClassifier, numpy.asarray),
        (TabularClassifier, pandas.Series),
        (TabularRegressor, numpy.asarray),
        (TabularRegressor, pandas.Series),
        (TabularRegressor, lambda y: numpy.stack([y, y], axis=1)),
    ],
)
def test_a_number_that_is_missing_is_said_where(kind, form):
    y = (numpy.arange(60) % 2).astype(float)
    y[7] = numpy.nan
    with pytest.raises(ValueError, match=r"^Input y contains NaN: its value in row 7 is missing \(nan\)\. Leave"):
        kind().fit(X, form(y))
