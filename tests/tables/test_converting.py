"""Columns stored otherwise than in training: taken where they can be meant in one way only, else the row is named."""

import datetime

import numpy
import pytest

from xpnn.tables.converting import as_booleans, as_dates, as_numbers, as_text, date_in, number_in
from xpnn.tables.reading import column_of

NAN = float("nan")


def same(column, expected):
    return numpy.array_equal(column.values, expected, equal_nan=True)


def test_numbers():
    assert same(as_numbers(column_of(["1", None, " -2.5e1 "])), [1, NAN, -25])
    assert same(as_numbers(column_of([True, None, False])), [1, NAN, 0])
    assert same(as_numbers(column_of([1.5, None])), [1.5, NAN])
    assert same(as_numbers(column_of(["nan", "inf"])), [NAN, numpy.inf])


def test_text():
    column = as_text(column_of([3.0, None, 20.0, 0.5, 3.0]))
    assert column.levels == ("0.5", "20", "3")
    assert column.values.tolist() == [2, -1, 1, 0, 2]
    assert as_text(column_of([None, 2.0**70])).levels == (str(2**70),)
    assert as_text(column_of([float("inf"), -1e-300])).levels == ("-1e-300", "inf")
    assert as_text(column_of([True, False])).levels == ("False", "True")
    assert as_text(column_of([None])).values.tolist() == [-1]


def test_booleans():
    for values in (
        ["true", None, "FALSE"],
        [1, None, 0],
        [1.0, None, 0.0],
        ["1", "", "0"],
        ["1.0", "", "0e0"],
        [True, None, False],
    ):
        assert as_booleans(column_of(values)).values.tolist() == [1, -1, 0]


def test_dates():
    expected = numpy.asarray(["2013-01-31T05:06:07", "NaT"], dtype="datetime64[us]")
    for word in (
        "2013-01-31T05:06:07Z",
        "2013-01-31T05:06:07-05",
        "2013-01-31 05:06:07",
        "2013-01-31T05:06:07+02:00",
        "2013-01-31 05:06:07 +0200",
    ):
        assert same(as_dates(column_of([word, None])), expected)
    assert same(as_dates(column_of([None, None])), numpy.asarray(["NaT", "NaT"], dtype="datetime64[us]"))


@pytest.mark.parametrize(
    "word", ["", "2013", "20130131", "31/1/2013", "2013-1-31", "2013-02-30", "2013-01-31T25:00", "x"]
)
def test_what_is_no_date(word):
    assert date_in(word) is None


@pytest.mark.parametrize("word", ["", "1_000", "1,5", "0x10", "abc", "12 %"])
def test_what_is_no_number(word):
    assert number_in(word) is None


@pytest.mark.parametrize(
    ("convert", "values", "error", "message"),
    [
        (as_numbers, ["1", None, "x"], ValueError, "column 'a' expected a number, got 'x' in row 2$"),
        (
            as_numbers,
            ["z", "y", "1", "z"],
            ValueError,
            "column 'a' expected a number, got 'z' in row 0 and 2 more rows",
        ),
        (as_numbers, [datetime.date(2020, 1, 2)], TypeError, "expected numbers, got dates, in row 0 2020-01-02"),
        (as_booleans, ["true", "yes"], ValueError, "column 'a' expected true or false, got 'yes' in row 1"),
        (as_booleans, ["1.0", "nan"], ValueError, "column 'a' expected true or false, got 'nan' in row 1"),
        (as_booleans, [0, 2], ValueError, "column 'a' expected true or false, got '2' in row 1"),
        (as_dates, ["2020-01-01", "soon"], ValueError, "column 'a' expected a date as in 2013-01-31 .*'soon' in row 1"),
        (as_dates, [None, 7], TypeError, "column 'a' expected dates, got numbers, in row 1 7"),
    ],
)
def test_the_row_is_named(convert, values, error, message):
    with pytest.raises(error, match=message):
        convert(column_of(values, name="a"))


def test_a_level_that_no_row_has_may_be_wrong():
    column = column_of(["1", "x", "2"])
    assert same(as_numbers(column.take(numpy.asarray([0, 2]))), [1, 2])
    assert same(as_numbers(column.take(numpy.asarray([], dtype=int))), [])
