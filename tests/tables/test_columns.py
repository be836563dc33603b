"""Columns: rows taken again and again keep their numbers, values as people read them, numbers as words."""

import numpy
import pytest

from xpnn.tables import Column, TableWarning
from xpnn.tables.columns import text_of_number
from xpnn.tables.reading import column_of


def test_rows_keep_their_numbers():
    column = column_of(["a", "b", "c", "d", "e"])
    part = column.take(numpy.asarray([4, 2, 0])).take(numpy.asarray([True, False, True])).take(numpy.asarray([1, 0]))
    assert [part.value(place) for place in (0, 1)] == ["a", "e"]
    assert [part.row(place) for place in (0, 1)] == [0, 4]
    assert (len(part), len(column), column.row(3)) == (2, 5, 3)


def test_values_for_people():
    assert column_of([3.0, 0.5]).value(0) == 3
    assert isinstance(column_of([3.0]).value(0), int)
    assert column_of([3.0, 0.5]).value(1) == 0.5
    assert column_of([float("inf"), 1e300]).value(0) == float("inf")
    assert column_of(["b", "a"]).value(0) == "b"
    assert column_of([True]).value(0) == "True"
    assert column_of(numpy.asarray(["2020-01-02"], dtype="datetime64[D]")).value(0) == "2020-01-02T00:00:00.000000"


def test_counts_are_those_of_the_rows_at_hand():
    column = column_of(["a", "b", None, "b"])
    assert column.counts().tolist() == [1, 2]
    assert column.take(numpy.asarray([0, 2])).counts().tolist() == [1, 0]


@pytest.mark.parametrize(("value", "text"), [(3.0, "3"), (-0.0, "0"), (0.1, "0.1"), (2.0**53, "9007199254740992")])
def test_numbers_as_words(value, text):
    assert text_of_number(value) == text
    assert float(text) == value


def test_a_column_can_be_made_by_hand():
    column = Column("a", "number", numpy.asarray([1.0, numpy.nan]))
    assert column.missing.tolist() == [False, True]


def test_a_warning_names_its_column():
    assert TableWarning("words", "a").column == "a"
    assert str(TableWarning("words", "a")) == "words"
