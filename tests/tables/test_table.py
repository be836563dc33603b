"""Tables: names, rows taken that keep their numbers, columns read only when asked, what is no table."""

import subprocess
import sys

import numpy
import pytest
from table_frames import LIBRARIES, frame_of

from xpnn.tables import Preprocessing, Table

COLUMNS = {"a": [0.0, 1.0, 2.0, 3.0], "b": ["w", "x", None, "z"]}


@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_taken_twice_are_those_of_the_frame(library):
    table = Table(frame_of(library, COLUMNS))
    part = table.take([3, 1, 2]).take(numpy.asarray([True, False, True]))
    assert len(part) == 2
    assert part.column("a").values.tolist() == [3, 2]
    assert [part.column("b").row(place) for place in (0, 1)] == [3, 2]
    assert part.column("b").value(0) == "z"
    assert part.column("b").missing.tolist() == [False, True]
    assert len(table.take([])) == len(table.take([False] * 4)) == 0
    assert Table(part).column("a").values.tolist() == [3, 2]
    assert table.column("a").values.tolist() == [0, 1, 2, 3]


def test_errors_name_the_row_of_the_frame_first_given():
    preprocessing = Preprocessing().fit({"a": [1.0, 2.0]})
    table = Table({"a": ["5", "6", "seven", "8", "nine"]}).take([4, 3, 2])
    with pytest.raises(ValueError, match="column 'a' expected a number, got 'nine' in row 4 and 1 more rows"):
        preprocessing.transform(table)


def test_an_array_has_columns_by_place(elsewhere):
    table = Table(elsewhere.asarray(numpy.asarray([[1.0, 2.0], [3.0, 4.0]])))
    assert (table.names, len(table), table.positional) == (["x0", "x1"], 2, True)
    assert table.column("x1").values.tolist() == [2, 4]
    assert not Table(COLUMNS).positional


def test_an_array_of_objects_has_columns_of_each_kind():
    table = Table(numpy.asarray([[1, "x"], [2.5, None]], dtype=object))
    assert table.column("x0").values.tolist() == [1, 2.5]
    assert table.column("x1").levels == ("x",)


def test_a_column_that_nobody_asks_for_need_not_make_sense():
    frame = {"a": [1.0, 2.0], "mixed": ["x", 1]}
    assert Preprocessing().fit(frame, exclude=["mixed"]).transform(frame).names == ("a",)
    table = Table(frame)
    with pytest.raises(TypeError, match="column 'mixed'"):
        table.column("mixed")


@pytest.mark.parametrize("library", ["pandas", "pyarrow"])
def test_two_columns_of_one_name(library):
    module = pytest.importorskip(library)
    pytest.importorskip("narwhals")
    if library == "pandas":
        frame = module.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])
    else:
        frame = module.table([[1], [2], [3]], names=["a", "b", "a"])
    with pytest.raises(ValueError, match=r"the table has 2 columns named 'a' \(columns \[0, 2\]\): rename them"):
        Table(frame)


def test_names_are_text():
    with pytest.raises(ValueError, match=r"the table has 2 columns named '1' \(columns \[0, 1\]\)"):
        Table({1: [5], "1": [6]})
    assert Table({1: [5]}).names == ["1"]


def test_what_is_no_table():
    expected = (
        "a table expected a frame of pandas, polars or PyArrow, a dict of columns or an array with two axes, got "
    )
    pytest.importorskip("narwhals")
    for wrong in (None, "data.csv", [[1, 2]]):
        with pytest.raises(TypeError, match=expected + r"builtins\."):
            Table(wrong)
    polars = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=expected + "polars"):
        Table(polars.Series([1]))
    with pytest.raises(TypeError, match=r"got a LazyFrame: call \.collect\(\) first"):
        Table(polars.LazyFrame({"a": [1]}))
    with pytest.raises(ValueError, match=r"two axes, rows and columns, got shape \(3,\)"):
        Table(numpy.zeros(3))
    with pytest.raises(ValueError, match=r"columns of equal length, got \{'a': 1, 'b': 2\}"):
        Table({"a": [1], "b": [1, 2]})
    with pytest.raises(TypeError, match="column 'a' expected a list, an array or a series, got str"):
        Table({"a": "x"})


def test_no_library_of_frames_is_loaded_before_a_frame_comes():
    code = "import sys; from xpnn import tables; tables.Preprocessing().fit({'a': [1, 2]}); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(run.stdout.split()) & {"narwhals", "pandas", "polars", "pyarrow", "scipy", "sklearn"}


def test_rows_and_columns_that_are_not_there():
    table = Table(COLUMNS)
    with pytest.raises(ValueError, match="the table has no column 'c', it has 'a', 'b'"):
        table.column("c")
    with pytest.raises(ValueError, match=r"take expected a bool for each of 4 rows, got shape \(1,\)"):
        table.take([True])
    with pytest.raises(IndexError):
        table.take([4])
