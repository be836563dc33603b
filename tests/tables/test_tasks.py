"""The task by what the targets are: the rule, and what allows no task."""

import datetime

import pytest

from xpnn.tables.reading import column_of
from xpnn.tables.tasks import task_of

FOUND = {
    "two words": (["a", "b", "a"], "binary"),
    "booleans": ([True, False], "binary"),
    "0 and 1": ([0, 1, 1], "binary"),
    "two fractions": ([0.5, 1.5], "binary"),
    "three words": (["a", "b", "c"], "multiclass"),
    "words of digits": (["1", "2", "3"], "multiclass"),
    "ten whole numbers, five rows each": (list(range(10)) * 5, "multiclass"),
    "whole numbers stored as fractions": ([0.0, 1.0, 2.0] * 5, "multiclass"),
    "eleven whole numbers": (list(range(11)) * 5, "regression"),
    "ten whole numbers, not five rows each": (list(range(10)) * 4, "regression"),
    "three fractions": ([0.5, 1.0, 1.5] * 10, "regression"),
}


@pytest.mark.parametrize("case", FOUND)
def test_the_rule(case):
    values, task = FOUND[case]
    found, reason = task_of(column_of(values))
    assert found == task
    assert str(len(set(values))) in reason


def test_what_is_asked_for_is_done_if_it_can_be():
    for values, task in (([0, 1], "regression"), ([1, 2, 3], "multiclass"), (["1", "2.5"], "regression")):
        assert task_of(column_of(values), task) == (task, "asked for")
    for values, task, message in (
        ([1, 2, 3], "binary", "two different values for task 'binary', got 3"),
        ([1, 2], "multiclass", "two different values: task 'binary', not 'multiclass'"),
        (["1", "x"], "regression", "column 't' expected a number, got 'x' in row 1"),
    ):
        with pytest.raises(ValueError, match=message):
            task_of(column_of(values, name="t"), task)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([2, 2], ValueError, "target 't' is always 2: there is nothing to learn"),
        (["x"], ValueError, "target 't' is always 'x'"),
        ([datetime.date(2020, 1, 1)], TypeError, "target 't' expected numbers or labels, got dates"),
        (
            ["1", "2", "3", "?"],
            ValueError,
            r"target 't' is text, though 75\.0% of it are numbers: in row 3 it holds '\?'",
        ),
        ([f"w{n}" for n in range(21)], ValueError, "21 different labels in 21 rows, too many to be classes"),
    ],
)
def test_what_allows_no_task(values, error, message):
    with pytest.raises(error, match=message):
        task_of(column_of(values, name="t"))
