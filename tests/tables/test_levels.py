"""Values that are stored otherwise than in training: the same level where they mean it, another where they may not."""

import datetime

import numpy
import pytest

from xpnn.tables import Preprocessing
from xpnn.tables.levels import places_of
from xpnn.tables.reading import column_of

DAYS = numpy.asarray(["2020-01-01", "2021-01-01", "2022-01-01"], "datetime64[D]")
ISO = ["2020-01-01", "2021-01-01", "2022-01-01"]
SHORT = numpy.asarray([0.1, 0.3], "float32")
SAME = [
    (ISO, DAYS),
    (DAYS, ISO),
    (ISO, ["2020-01-01T00:00:00", "2021-01-01 00:00", "2022-01-01"]),
    ([1.0, 2.0, 2.5], ["1.0", "2", "2.50"]),
    ([1, 2, 3], [" 1", "02", "3e0"]),
    (["1.0", "2.0", "3.0"], [1, 2, 3]),
    (SHORT, [0.1, 0.3]),
    ([0.1, 0.3], SHORT),
    (SHORT, SHORT.astype("float64")),  # as in an array of objects
    ([0.1, 0.3], SHORT.astype("float64")),
    (SHORT.astype("float64"), SHORT),  # as early files have them
    (["01", "02", "03"], numpy.asarray([1, 2, 3], "float32")),
    ([0, 1, 2], ["false", "TRUE", "2"]),
    (["no", "true", "false"], [None, True, False]),
    (["no", "TRUE", "FALSE"], [None, 1.0, 0.0]),
    ([True, False, None], ["True", "FALSE", None]),
]


def learned(values):
    """Codes for all levels, in the order of the values."""
    return Preprocessing(kinds={"c": "category"}, one_hot_up_to=0).fit({"c": values})


def codes_of(preprocessing, values):
    return preprocessing.transform({"c": values}).codes[:, 0].tolist()


@pytest.mark.parametrize(("values", "given"), SAME)
def test_what_can_be_meant_in_one_way_only_is_that_level(values, given):
    preprocessing = learned(values)
    expected = codes_of(preprocessing, values)
    here = [place for place, value in enumerate(list(given)) if value is not None]
    assert [codes_of(preprocessing, given)[place] for place in here] == [expected[place] for place in here]
    assert min(expected[place] for place in here) > 0
    arrays, data = preprocessing.state()
    assert codes_of(Preprocessing.from_state(arrays, data), given) == codes_of(preprocessing, given)


@pytest.mark.parametrize(
    ("values", "given"),
    [
        (["1", "2"], ["01", "1.0", "2e0"]),  # words, which may be names
        (["1.1", "1.2"], ["1.10"]),
        (["01", "001"], [1]),  # which of them?
        ([0.1, 0.3], [0.1 + 1e-9, 0.3 - 1e-9]),  # though they are the same as float32
        ([0.1, 0.1 + 1e-9], SHORT[:1].astype("float64")),
        ([2.0**30 + 1, 1e-50], [2.0**30, 0.0, 2e-50]),
        (["true", "TRUE"], [True]),
        ([2**53 - 1, 3], ["9007199254740993"]),
        ([1, 2], [datetime.date(2020, 1, 1)]),
        (["nan", "x"], [float("inf")]),
    ],
)
def test_what_may_be_another_thing_is_another_level(values, given):
    preprocessing = learned(values)
    assert min(codes_of(preprocessing, values)) > 0
    assert codes_of(preprocessing, given) == [0] * len(given)


def test_a_level_that_training_had_is_that_one_whatever_else_it_may_mean():
    assert places_of(["1", "01", None, "true"], column_of(["01", "1", "true"])) == [2, 1, 4]


def test_categories_of_a_frame_are_numbers_where_they_are():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    pytest.importorskip("narwhals", reason="needs narwhals")
    for values in ([1.0, 2.5], [1, 2]):
        preprocessing = learned(pandas.Series(values, dtype="category"))
        words = [f"{value:.2f}" for value in values]
        assert codes_of(preprocessing, words) == codes_of(preprocessing, values) == [1, 2]
        assert codes_of(learned(words), pandas.Series(values, dtype="category")) == [1, 2]


def test_a_state_that_does_not_say_whether_levels_were_numbers_is_read():
    arrays, data = learned([1, 2]).state()
    del data["encoders"][0]["numbers"]
    assert codes_of(Preprocessing.from_state(arrays, data), [2, "2.0"][:1]) == [2]
