"""Numbers that are written for people: how they are known, and what they are told apart from."""

import pytest

from xpnn.tables.finding import found
from xpnn.tables.reading import column_of
from xpnn.tables.spelling import spelled
from xpnn.tables.target import Target

SPELLED = {
    "decimal commas": (["4,85", "-2,4", "3", ",5"], "numbers with a decimal comma"),
    "decimal commas and points between thousands": (["1.234,85", "2,4"], "numbers with a decimal comma"),
    "thousands": (["1,234", "12", "-1,234,567.5"], "numbers with commas between thousands"),
    "money before": (["$10", "$ 12.5", "-$3"], "numbers with a sign"),
    "money after": (["10 €", "12.5€", "3€"], "numbers with a sign"),
    "shares": (["5%", "12.5 %", None], "numbers with a sign"),
    "days first": (["31/1/2013", "1/12/2013"], "dates ('1/12/2013', …): write them as in 2013-01-31"),
    "points": (["31.01.2013", "01.02.13"], "dates"),
    "years first": (["2013/01/31", "2014/1/3"], "dates"),
    "nearly all": ([f"{n},5" for n in range(9)] + ["?"], "numbers with a decimal comma"),
}
OTHER = [
    ["a", "b"],
    ["1", "2"],
    ["1.5", "2"],
    ["1,2,3", "4,5,6"],
    ["4,85", "?"],
    ["%", "$"],
    ["1/2", "2/3"],
    ["1-2/2013"],
    ["192.168.1.10", "10.0.0.1"],
    ["Oslo, Rome", "Bern"],
    [" ", "x"],
]


@pytest.mark.parametrize("case", SPELLED)
def test_numbers_are_known(case):
    values, said = SPELLED[case]
    assert spelled(column_of(values)).startswith(said)


@pytest.mark.parametrize("values", OTHER)
def test_other_words_are_not_numbers(values):
    assert spelled(column_of(values)) == ""


@pytest.mark.parametrize(("form", "remedy"), [("{},85", "decimal=','"), ("${}", "take the sign out")])
def test_a_column_of_them_is_no_identifier(form, remedy):
    column = column_of([form.format(n) for n in range(40)], name="a")
    message = found(column).message
    assert message.startswith("column 'a' is left out: it holds numbers with a ")
    assert message.endswith(remedy)
    repeated = found(column_of([form.format(n // 2) for n in range(40)], name="a"))
    assert repeated.kind == "category"
    assert "is taken as a category, but it holds numbers with a" in repeated.message
    with pytest.raises(ValueError, match="target 'y' holds numbers with a"):
        Target(name="y").fit([form.format(n) for n in range(40)])


def test_few_of_them_may_be_labels():
    target = Target(name="y").fit(["5%", "10%", "0%"] * 10)
    assert (target.task, found(column_of(["5%", "10%", "0%"] * 10)).message) == ("multiclass", "")
