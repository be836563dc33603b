"""Columns as numbers and codes: formulas written out, parts of dates as pandas has them, unseen and missing values."""

import dataclasses
import json

import numpy
import pytest

from xpnn.tables import robust_scale, smooth_clip
from xpnn.tables.encoders import PARTS, CategoryEncoder, DateEncoder, NumberEncoder, as_json, from_json
from xpnn.tables.reading import column_of

RNG = numpy.random.default_rng(2)
NUMBERS = RNG.standard_normal(50)
WORDS = ["a"] * 5 + ["b"] * 3 + ["c"] * 3 + ["d"] + [None] * 4
STAMPS = numpy.datetime64("1999-12-31T22:00:00") + RNG.integers(0, 10**9, 50).astype("timedelta64[s]")


def number(values, scaling="robust", indicator=True):
    return NumberEncoder.fitted(column_of(values), scaling, indicator)


def category(values=WORDS, *, rare_below=1, most_levels=100, one_hot_up_to=9):
    options = {"rare_below": rare_below, "most_levels": most_levels, "one_hot_up_to": one_hot_up_to}
    return CategoryEncoder.fitted(column_of(values, name="w"), **options)


def test_numbers_robustly_scaled():
    encoder = number(NUMBERS)
    centre, factor = robust_scale(NUMBERS)
    values, missing = encoder.encode(column_of([*NUMBERS, numpy.nan]))
    assert numpy.array_equal(values[:-1], smooth_clip((NUMBERS - centre) * factor))
    assert values[-1] == 0  # the median
    assert missing.tolist() == [False] * 50 + [True]


def test_a_missing_number_is_the_median_whatever_the_scale():
    for scaling in ("none", "standard", "robust"):
        values, _ = number([1.0, 2.0, 6.0, 2.0, None, 3.0, 1.0], scaling).encode(column_of([None, 2.0]))
        assert values[0] == values[1]
    assert number([1.0, 2.0, 9.0, None], "none").encode(column_of([None]))[0] == 2


def test_infinite_numbers_are_the_extremes_of_training_and_others_go_beyond_them():
    encoder = number([1.0, 5.0, numpy.inf], "none", indicator=False)
    values = encoder.encode(column_of([numpy.inf, -numpy.inf, 1e300, 7.0, -7.0]))[0]
    assert values.tolist() == [5, 1, 5, 7, -7]
    robust = number([1.0, 2.0, 3.0, numpy.inf]).encode(column_of([3.0, numpy.inf]))[0]
    assert robust[0] == robust[1]


def test_the_same_number_with_holes_is_only_where_it_is_missing():
    encoder = number([4.0, None, 4.0])
    assert encoder.outputs == ("column missing",)
    assert numpy.asarray(encoder.encode(column_of([None, 3.0]))).tolist() == [[True, False]]


def test_parts_of_dates_are_those_of_pandas():
    pandas = pytest.importorskip("pandas")
    judge = pandas.Series(STAMPS.astype("datetime64[ns]")).dt
    year, day, week = (PARTS[part](STAMPS) for part in ("time of year", "time of day", "day of week"))
    seconds = judge.hour * 3600 + judge.minute * 60 + judge.second
    numpy.testing.assert_allclose(day, seconds / 86400, rtol=1e-15)
    numpy.testing.assert_allclose(week, judge.day_of_week / 7, rtol=1e-15)
    days = judge.day_of_year - 1 + seconds / 86400
    numpy.testing.assert_allclose(year, days / numpy.where(judge.is_leap_year, 366, 365), rtol=1e-13)
    assert judge.is_leap_year.any()


def test_dates_are_days_and_points_on_circles():
    column = column_of(STAMPS, name="when")
    encoder = DateEncoder.fitted(column, "none", True)
    parts = [f"when {part} {way}" for part in PARTS for way in ("sin", "cos")]
    assert list(encoder.outputs) == ["when", "when missing", *parts]
    made = numpy.asarray(encoder.encode(column_of([*STAMPS.tolist(), None])))
    numpy.testing.assert_allclose(made[0, :-1], STAMPS.astype("int64") / 86400, rtol=1e-15)
    assert made[0, -1] == numpy.median(made[0, :-1])
    assert made[1].tolist() == [0] * 50 + [1]
    assert (made[2:, -1] == 0).all()
    numpy.testing.assert_allclose(made[2:8:2, :-1] ** 2 + made[3:8:2, :-1] ** 2, 1, rtol=1e-15)
    angle = 2 * numpy.pi * PARTS["day of week"](STAMPS)
    numpy.testing.assert_array_equal(made[4:6, :-1], [numpy.sin(angle), numpy.cos(angle)])


def test_parts_that_do_not_vary_are_left_out():
    days = ["2020-01-01", "2020-01-08", "2020-01-15"]
    assert DateEncoder.fitted(column_of(numpy.asarray(days, dtype="datetime64[D]")), "none", False).parts == (
        "time of year",
    )


def test_levels_by_how_often_they_come_missing_among_them():
    encoder = category()
    assert encoder.levels == ("a", None, "b", "c", "d")
    assert encoder.codes(column_of(["d", None, "new", "a"])).tolist() == [5, 2, 0, 1]
    assert category(rare_below=3).levels == ("a", None, "b", "c")
    assert category(rare_below=4).levels == (None, "a")  # of two, in order of what they mean
    assert category(most_levels=3).levels == ("a", None, "b")
    assert category(rare_below=5).levels == ("a",)


def test_forms():
    encoder = category()
    assert encoder.outputs == ("w=a", "w missing", "w=b", "w=c", "w=d")
    assert numpy.asarray(encoder.encode(column_of(["b", None, "new"]))).T.tolist() == [
        [0, 0, 1, 0, 0],
        [0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    assert category(one_hot_up_to=5).form == "one-hot"
    coded = category(one_hot_up_to=4)
    assert (coded.form, coded.outputs, coded.encode(column_of(["b"]))) == ("codes", (), [])


@pytest.mark.parametrize(
    ("values", "name", "given", "expected"),
    [
        (["b", "a", "b"], "w=b", ["a", "b", "new", None], [-1, 1, 0, 0]),
        ([True, True, False], "w=True", ["false", 1, True, None], [-1, 1, 1, 0]),
        (["x", "x", None], "w=x", ["x", None, "new"], [1, -1, 0]),
    ],
)
def test_two_levels_are_one_column_of_signs(values, name, given, expected):
    encoder = category(values)
    assert (encoder.form, encoder.outputs) == ("sign", (name,))
    assert [encoder.encode(column_of([value]))[0][0] for value in given] == expected
    assert category(values, one_hot_up_to=1).form == "codes"


def test_numbers_as_categories_are_the_same_level_however_stored():
    from xpnn.tables.finding import seen_as

    column = seen_as("category", column_of([1, 2, 3])).column
    encoder = CategoryEncoder.fitted(column, rare_below=1, most_levels=9, one_hot_up_to=0)
    for values in ([2, 3], [2.0, 3.0], ["2", "3"], [2.0, 3, None]):
        assert encoder.codes(column_of(values))[:2].tolist() == [2, 3]


@pytest.mark.parametrize(
    "encoder",
    [
        number(NUMBERS),
        number([1.0, None, 1.0]),
        category(),
        category([True, False]),
        DateEncoder.fitted(column_of(STAMPS), "standard", False),
    ],
    ids=["number", "indicator", "category", "boolean", "date"],
)
def test_an_encoder_comes_back_from_json_as_it_was(encoder):
    numbers, data = json.loads(json.dumps(as_json(encoder), allow_nan=False))
    again = from_json(numbers[0] if numbers else [], data)
    assert again == encoder
    assert dataclasses.asdict(again) == dataclasses.asdict(encoder)


def test_what_is_rare_is_counted_in_rows_whatever_they_weigh():
    column = column_of(["few"] * 2 + ["some"] * 3 + ["many"] * 5, name="w")
    weight = numpy.repeat([100.0, 0.1, 0.2], [2, 3, 5])
    options = {"most_levels": 9, "one_hot_up_to": 9, "sample_weight": weight}
    assert CategoryEncoder.fitted(column, rare_below=3, **options).levels == ("many", "some")
    assert CategoryEncoder.fitted(column, rare_below=2, **options).levels == ("few", "many", "some")
