"""What a column is found to be, and what is said about it."""

import datetime

import numpy
import pytest

from xpnn.tables.finding import found, seen_as
from xpnn.tables.reading import column_of

MANY = range(40)
DAY = datetime.date(2020, 1, 1)
NAN = float("nan")

FOUND = {
    "numbers": ([1.5, 2.5, None], "number"),
    "whole numbers that repeat": ([1, 2, 2], "number"),
    "the same number, with a hole": ([1, 1, None], "number"),
    "words": (["a", "b", None], "category"),
    "the same word, with a hole": (["a", "a", None], "category"),
    "booleans": ([True, False], "boolean"),
    "dates": ([DAY, datetime.date(2020, 1, 2)], "date"),
    "dates as text": (["2020-01-01", "2020-01-02T05:00:00Z", None], "date"),
    "few numbers as text": (["1", "2", "3"], "category"),
    "fewer than 20 words, all different": ([f"w{n}" for n in range(19)], "category"),
    "20 words in 40 rows": ([f"w{n // 2}" for n in MANY], "category"),
    "whole numbers far apart, all different": ([n * n for n in MANY], "number"),
}
QUIET = {
    "one number": ([3, 3.0], "constant", "column 'a' is left out: it is always 3$"),
    "one word": (["x", "x"], "constant", "it is always 'x'"),
    "false": ([False, False], "constant", "it is always 'False'"),
    "one date": ([DAY, DAY], "constant", "it is always '2020-01-01"),
    "one date as text": (["2020-01-01"] * 2, "constant", "it is always '2020-01-01"),
}
LOUD = {
    "nothing": ([None, None], "empty", "column 'a' is left out: each of its 2 values is missing"),
    "nothing finite": ([numpy.inf, None], "empty", "column 'a' is left out: it holds no finite number"),
    "infinite ones": (
        [1, 2, -numpy.inf, 1e300],
        "number",
        "column 'a' holds 2 infinite values, first in row 2: they count as the largest or least",
    ),
    "row numbers": ([n + 7 for n in MANY][::-1], "number", r"looks like a row number .* kinds=\{'a': 'drop'\}"),
    "most row numbers": ([n for n in MANY if n % 4], "number", "looks like a row number"),
    "names": (
        [f"w{n}" for n in MANY],
        "identifier",
        r"looks like an identifier, 40 different values in 40 rows \('w0', …\); kinds=\{'a': 'category'\} takes it",
    ),
    "sentences": ([f"this is sentence {n}" for n in MANY], "text", "looks like free text, 40 different values in 40"),
    "numbers as text": ([f"{n}.5" for n in MANY], "identifier", r"its text is all numbers: kinds=\{'a': 'number'\}"),
    "numbers as text that repeat": (
        [f"{n // 2}.5" for n in MANY],
        "category",
        r"column 'a' is taken as a category, but its text is all numbers: kinds=\{'a': 'number'\}",
    ),
    "nearly numbers": (
        [f"{n}.5" for n in MANY] + [None, "?", "?"],
        "identifier",
        r"95\.2% of its .*, and row 41 holds '\?': does that stand for a missing value\? Then leave the cell empty",
    ),
    "mostly numbers, and a sign for missing ones": (
        ["1", "2", "3", "4"] * 10 + ["NA", "?"] * 10,
        "category",
        r"66\.7% of its values are numbers, and row 40 holds 'NA': does that stand for a missing value\?",
    ),
    "many numbers, and one word": (
        [f"{n // 2}" for n in MANY] + ["none of them"] * 10,
        "category",
        r"80\.0% of its values are numbers, and row 40 holds 'none of them': does that",
    ),
    "nearly dates": (
        ["2020-01-01", "2020-01-02"] * 10 + ["2020-02-31"],
        "category",
        r"95\.2% of its values are dates, and row 20 holds '2020-02-31'",
    ),
}


LOUD |= {
    "words that come once each, in many rows": (
        [f"w{n}x" for n in range(400)],
        "identifier",
        r"400 different values in 400 rows \('w0x', …\); none of them comes often enough for a category$",
    ),
    "words that come once each, in fewer rows": (
        [f"w{n}x" for n in range(399)],
        "identifier",
        r"\('w0x', …\); kinds={'a': 'category'} takes it as a category$",
    ),
    "whole numbers of 2**53": ([1, -(2**53), 2], "number", r"'a' holds whole numbers of 2\*\*53 or more, as in row 1"),
    "whole numbers that float64 takes for one": (
        [2**53, 2**53 + 1, 2**53],
        "constant",
        r"'a' is left out: it is always .*; column 'a' holds whole numbers of 2\*\*53 or more, .* as text they are",
    ),
}
FOUND |= {
    "whole numbers below 2**53": ([2**53 - 1, 1 - 2**53, 1], "number"),
    "fractions of any size": ([1e30, 2.5, 1.0], "number"),
    "names that are numbers, and words": (["1", "2", "3", "first"] * 10, "category"),
    "two numbers and a sign": (["0", "0", "1", "?"] * 10, "category"),
    "few numbers": (["1", "2", "3", "?", "?", "?"] * 10, "category"),
}


@pytest.mark.parametrize("case", FOUND)
def test_kinds(case):
    values, kind = FOUND[case]
    finding = found(column_of(values, name="a"))
    assert (finding.kind, finding.message) == (kind, "")


@pytest.mark.parametrize("case", QUIET | LOUD)
def test_what_a_person_should_know(case):
    import re

    values, kind, message = (QUIET | LOUD)[case]
    finding = found(column_of(values, name="a"))
    assert finding.kind == kind
    assert re.search(message, finding.message), finding.message
    assert finding.quiet is (case in QUIET)


def test_rows_are_those_of_the_frame():
    column = column_of([numpy.inf, 1, 2, numpy.inf], name="a").take(numpy.asarray([1, 2, 3]))
    assert "first in row 3" in found(column).message


def test_a_kind_that_is_asked_for():
    column = column_of(["1", "2"], name="a")
    assert seen_as("number", column).column.values.tolist() == [1, 2]
    assert seen_as("category", column_of([1, 2])).column.levels == ("1", "2")
    assert seen_as("boolean", column_of([1, 0])).column.levels == ("False", "True")
    assert seen_as("date", column_of(["2020-01-01"])).column.kind == "date"
    assert seen_as("drop", column).kind == "dropped"
    assert seen_as("number", column_of([None])).kind == "empty"
    with pytest.raises(ValueError, match="column 'a' expected true or false, got '2' in row 1"):
        seen_as("boolean", column)
