"""The summary: what was found in each column, as data that JSON can hold."""

import json

import numpy
import pytest

from xpnn.tables import Preprocessing, TableWarning

FRAME = {
    "n": [3.0, None, numpy.inf, 1.0, 3.0],
    "w": ["a", "b", "a", None, "a"],
    "d": numpy.asarray(["2020-01-01", "NaT", "2020-05-01", "2020-03-01", "2020-03-01"], dtype="datetime64[D]"),
    "c": [7] * 5,
    "e": [None] * 5,
    "y": [1.0] * 5,
}


def test_what_is_said_of_each_kind():
    with pytest.warns(TableWarning):
        preprocessing = Preprocessing(kinds={"e": "drop"}, one_hot_up_to=2).fit(FRAME, exclude=["y"])
    lines = {line["name"]: line for line in preprocessing.summary()}
    assert list(lines) == ["n", "w", "d", "c", "e"]
    assert lines["n"] == {
        "name": "n",
        "kind": "number",
        "stored": "number",
        "rows": 5,
        "missing": 1,
        "different": 3,
        "infinite": 1,
        "least": 1.0,
        "median": 3.0,
        "greatest": 3.0,
        "outputs": ["n", "n missing"],
        "categories": 0,
        "message": preprocessing.messages[0],
    }
    assert {k: lines["w"][k] for k in ("kind", "stored", "missing", "different", "top", "outputs", "categories")} == {
        "kind": "category",
        "stored": "text",
        "missing": 1,
        "different": 2,
        "top": [["a", 3], ["b", 1]],
        "outputs": [],
        "categories": 4,
    }
    assert lines["d"]["kind"] == "date"
    assert [lines["d"][key][:10] for key in ("least", "median", "greatest")] == [
        "2020-01-01",
        "2020-03-01",
        "2020-05-01",
    ]
    assert (lines["c"]["kind"], lines["c"]["outputs"], lines["c"]["least"]) == ("constant", [], 7.0)
    assert (lines["e"]["kind"], lines["e"]["missing"]) == ("dropped", 5)
    assert (lines["e"]["least"], lines["e"]["different"]) == (None, 0)
    assert json.loads(json.dumps(preprocessing.summary(), allow_nan=False)) == preprocessing.summary()


def test_no_more_than_ten_levels_are_shown():
    frame = {"w": [f"w{n % 15:02}" for n in range(44)]}
    top = Preprocessing().fit(frame).summary()[0]["top"]
    assert top == [[f"w{n:02}", 3] for n in range(10)]


def test_words_that_are_dates_are_summed_up_as_dates():
    line = Preprocessing().fit({"d": ["2020-01-01", "2021-01-01"]}).summary()[0]
    assert (line["stored"], line["kind"], line["greatest"][:4]) == ("text", "date", "2021")
