"""Columns from lists, arrays and series: one form for all, missing values of every spelling, errors that name rows."""

import datetime
from decimal import Decimal

import numpy
import pytest
from table_frames import LIBRARIES, frame_of

from xpnn.tables import Table, Target
from xpnn.tables.reading import column_of

NOW = datetime.datetime(2020, 1, 31, 23, 59, 59)
COLUMNS = {
    "whole": [3, None, -5],
    "real": [0.5, None, float("inf")],
    "flag": [True, None, False],
    "word": ["b", None, "a"],
    "when": [NOW, None, datetime.datetime(1969, 7, 20)],
    "day": [NOW.date(), None, datetime.date(1969, 7, 20)],
    "took": [datetime.timedelta(seconds=90), None, datetime.timedelta(days=-1)],
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_column_has_one_form_whatever_library_it_came_from(library):
    table = Table(frame_of(library, COLUMNS))
    assert table.names == list(COLUMNS)
    assert len(table) == 3
    numbers = {"whole": [3, numpy.nan, -5], "real": [0.5, numpy.nan, numpy.inf], "took": [90, numpy.nan, -86400]}
    for name, expected in numbers.items():
        column = table.column(name)
        assert (column.kind, column.values.dtype) == ("number", numpy.float64)
        assert numpy.array_equal(column.values, expected, equal_nan=True)
    for name, levels in {"flag": ("False", "True"), "word": ("a", "b")}.items():
        column = table.column(name)
        assert column.kind == {"flag": "boolean", "word": "text"}[name]
        assert column.levels == levels
        assert column.values.tolist() == [1, -1, 0]
    for name, first in {"when": "2020-01-31T23:59:59", "day": "2020-01-31"}.items():
        column = table.column(name)
        assert (column.kind, column.values.dtype) == ("date", "datetime64[us]")
        expected = numpy.asarray([first, "NaT", "1969-07-20"], dtype="datetime64[us]")
        assert numpy.array_equal(column.values, expected, equal_nan=True)
    for name in COLUMNS:
        assert table.column(name).missing.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("array", "kind", "values"),
    [
        (numpy.asarray([1, 2], dtype="uint8"), "number", [1, 2]),
        (numpy.asarray([0.5, numpy.nan], dtype="float32"), "number", [0.5, numpy.nan]),
        (numpy.asarray([True, False]), "boolean", [1, 0]),
        (numpy.asarray(["b", "a"]), "text", [1, 0]),
        (numpy.asarray(["b", None], dtype=object), "text", [0, -1]),
        (numpy.asarray([90, 60], dtype="timedelta64[s]"), "number", [90, 60]),
    ],
)
def test_numpy_arrays(array, kind, values):
    column = column_of(array)
    assert column.kind == kind
    assert numpy.array_equal(column.values, values, equal_nan=True)


def test_dates_of_numpy_and_pandas_stamps():
    expected = numpy.asarray(["2020-01-31T23:59:59", "NaT"], dtype="datetime64[us]")
    missing = numpy.datetime64("NaT", "us")
    for values in (expected.astype("datetime64[ns]"), [numpy.datetime64(NOW), missing], [NOW, None]):
        assert numpy.array_equal(column_of(values).values, expected, equal_nan=True)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_zone_is_left_out_and_the_clock_stays(library, zone):
    zoned = frame_of("pandas", {"when": [NOW, None]})
    zoned["when"] = zoned["when"].dt.tz_localize(zone)
    if library == "polars":
        polars = pytest.importorskip("polars")
        zoned = polars.DataFrame({"when": [NOW, None]}).with_columns(polars.col("when").dt.replace_time_zone(zone))
    column = Table(zoned).column("when")
    assert (column.kind, column.values[0]) == ("date", numpy.datetime64(NOW))
    assert column.missing.tolist() == [False, True]


def test_missing_values_of_every_spelling():
    pandas = pytest.importorskip("pandas")
    for values in (["a", None], ["a", float("nan")], ["a", pandas.NA], ["a", ""], ["a", "  "], ["a", pandas.NaT]):
        assert column_of(values).values.tolist() == [0, -1]
    for values in ([True, None], [True, pandas.NA]):
        assert column_of(values).values.tolist() == [1, -1]
    for values in ([2, None], [2, float("nan")], [2.0, pandas.NA], [Decimal(2), None]):
        assert numpy.array_equal(column_of(values).values, [2, numpy.nan], equal_nan=True)
    assert column_of([None, None]).missing.all()


def test_what_a_frame_calls_categorical_keeps_its_order():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    pytest.importorskip("narwhals")
    words, order = ["low", "high", None], ["low", "middle", "high"]
    ordered = [
        pandas.Series(pandas.Categorical(words, categories=order, ordered=True)),
        polars.Series(words, dtype=polars.Enum(order)),
    ]
    for series in ordered:
        column = column_of(series)
        assert (column.kind, column.levels) == ("category", tuple(order))
        assert column.values.tolist() == [0, 2, -1]
    for series in (pandas.Series(words, dtype="category"), polars.Series(words, dtype=polars.Categorical)):
        column = column_of(series)
        assert (column.kind, column.levels) == ("category", ("high", "low"))
        assert column.values.tolist() == [1, 0, -1]
    numbers = column_of(pandas.Series([3, 20, None], dtype="category"))
    assert (numbers.kind, numbers.levels, numbers.values.tolist()) == ("category", ("3", "20"), [0, 1, -1])


def test_categories_that_are_whole_numbers_of_any_size_are_told_apart():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    values = [2**53, 2**53 + 1, None, 7]
    column = column_of(pandas.Series(values, dtype="Int64").astype("category"))
    assert (column.kind, [column.levels[code] if code >= 0 else None for code in column.values]) == (
        "category",
        [str(2**53), str(2**53 + 1), None, "7"],
    )


@pytest.mark.parametrize("library", ["dict", "pandas"])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["x", None, 1], r"column 'a' holds text in row 0 \('x'\) and a number in row 2 \(1\): make it of one kind"),
        ([None, 1.5, True], r"column 'a' holds a number in row 1 \(1.5\) and a boolean in row 2 \(True\)"),
        ([NOW, "x"], r"column 'a' holds a date in row 0 \(.*\) and text in row 1 \('x'\)"),
        ([None, [1]], r"column 'a' expected numbers, text, booleans or dates, got list in row 1 \(\[1\]\): make"),
        ([b"x", None], r"column 'a' expected numbers, text, booleans or dates, got bytes in row 0 \(b'x'\)"),
    ],
)
def test_kinds_that_do_not_belong_together_are_named_with_their_rows(library, values, message):
    frame = frame_of(library, {"a": numpy.asarray([*values, None], dtype=object)[:-1]})
    with pytest.raises(TypeError, match=message):
        Table(frame).column("a")


def test_other_wrong_columns():
    with pytest.raises(TypeError, match="'age': expected a list, an array or a series, got int"):
        column_of(3, name="age")
    with pytest.raises(TypeError, match="'age': expected a list, an array or a series, got str"):
        column_of("words", name="age")
    with pytest.raises(ValueError, match=r"column 'age': expected one axis, got shape \(2, 1\)"):
        column_of(numpy.zeros((2, 1)), name="age")
    with pytest.raises(TypeError, match="column 'age': expected numbers, text, booleans or dates, got dtype complex"):
        column_of(numpy.zeros(2, dtype=complex), name="age")


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_columns_of_lists_and_of_times_have_no_meaning(library):
    with pytest.raises(TypeError, match="column 'a' expected numbers, text, booleans or dates, got list in row 0"):
        Table(frame_of(library, {"a": [[1], [2]]})).column("a")
    with pytest.raises(TypeError, match="column 'a' expected numbers, text, booleans or dates, got time in row 1"):
        Table(frame_of(library, {"a": [None, NOW.time()]})).column("a")


def test_arrays_of_other_libraries(elsewhere):
    column = column_of(elsewhere.asarray(numpy.asarray([1.0, 2.0])))
    assert column.values.tolist() == [1, 2]


@pytest.mark.parametrize("problem", [BufferError, RuntimeError])
def test_arrays_that_numpy_cannot_hold_are_named(problem, monkeypatch):
    strict = pytest.importorskip("array_api_strict")

    def refuse(x):
        raise problem("unsupported dtype")

    monkeypatch.setattr("xpnn.tables.reading.to_host", refuse)
    with pytest.raises(TypeError, match=r"^'age': expected an array that NumPy can hold, got .*Array: unsupported"):
        column_of(strict.asarray([1.0]), name="age")
    with pytest.raises(TypeError, match=r"^a table: expected an array that NumPy can hold, got .*Array: unsupported"):
        Table(strict.asarray([[1.0]]))


def test_what_is_needed_and_not_installed_is_named(monkeypatch):
    polars = pytest.importorskip("polars")
    monkeypatch.setitem(__import__("sys").modules, "narwhals", None)
    for make in (lambda: Table(polars.DataFrame({"a": [1]})), lambda: column_of(polars.Series([1]))):
        with pytest.raises(
            ModuleNotFoundError, match=r"to read a polars\.\w+ needs narwhals: pip install 'xpnn\[tables\]'"
        ):
            make()
    assert column_of([1, 2]).values.tolist() == [1, 2]


def test_categories_that_are_no_plain_values_are_taken_by_their_text():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    cut = column_of(pandas.Series(pandas.cut([1.5, -0.5, 9.0, 0.5], [-1, 0, 1, 2])))  # floats, for what is missing
    assert (cut.kind, cut.levels) == ("category", ("(-1, 0]", "(0, 1]", "(1, 2]"))
    assert cut.values.tolist() == [2, 0, -1, 1]
    months = pandas.PeriodIndex(["2020-02", "2020-01", None], freq="M")
    column = column_of(pandas.Series(pandas.Categorical(months)))
    assert (column.levels, column.values.tolist()) == (("2020-01", "2020-02"), [1, 0, -1])


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([2.0, 10.0, 2.5], ["2", "10", "2.5"]),
        (numpy.asarray([0.1, 0.3], "float32"), ["0.1", "0.3"]),
        ([True, True], ["True", "True"]),
        ([NOW, datetime.datetime(1969, 7, 20)], ["2020-01-31T23:59:59.000000", "1969-07-20T00:00:00.000000"]),
        ([datetime.timedelta(hours=3), datetime.timedelta(hours=1)], ["10800", "3600"]),
        ([Decimal("1.10"), Decimal(2)], ["1.1", "2"]),
        ([1e16, 3.0], ["10000000000000000", "3"]),
    ],
    ids=["float", "float32", "boolean", "date", "time", "decimal", "large"],
)
def test_categories_of_any_kind_are_the_words_of_a_column_that_is_not_categorical(values, words, ordered):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("narwhals")
    order = list(dict.fromkeys(values)) if isinstance(values, list) else values
    column = column_of(pandas.Series(pandas.Categorical([*values, None], categories=order, ordered=ordered)))
    assert column.kind == "category"
    assert [column.levels[code] if code >= 0 else None for code in column.values] == [*words, None]
    by_size = numpy.asarray(values).dtype.kind == "f" or words[0].isdigit()
    expected = dict.fromkeys(words) if ordered else sorted(set(words), key=float if by_size else None)
    assert column.levels == tuple(expected)


def test_categories_of_arrow_are_stored_as_they_are():
    arrow = pytest.importorskip("pyarrow")
    pytest.importorskip("narwhals")
    column = column_of(arrow.chunked_array([arrow.array([0.3, None, 0.1], arrow.float32())]).dictionary_encode())
    assert (column.levels, column.values.tolist()) == (("0.1", "0.3"), [1, -1, 0])


def test_categories_are_of_one_kind_where_a_row_has_them():
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("narwhals")
    for ordered in (True, False):
        series = pandas.Series(
            pandas.Categorical([2.0, 1.5, None, "few"], categories=["few", 1.5, 2.0], ordered=ordered)
        )
        with pytest.raises(TypeError, match=r"'a' holds a number in row 0 \(2.0\) and text in row 3 \('few'\): make"):
            column_of(series, name="a")
        column = column_of(series[:3])  # "few" is a category still, of no row
        assert (column.levels, column.values.tolist()) == (
            (("few", "1.5", "2"), [2, 1, -1]) if ordered else (("1.5", "2"), [1, 0, -1])
        )


def test_whole_numbers_of_128_bits():
    polars = pytest.importorskip("polars")
    pytest.importorskip("narwhals")
    column = column_of(polars.Series([2**64 - 1, None, -5], dtype=polars.Int128))
    assert (column.kind, column.dtype) == ("number", "int64")
    assert numpy.array_equal(column.values, [2.0**64, numpy.nan, -5], equal_nan=True)
    assert Target(task="binary").fit(polars.Series([3, 5, 3], dtype=polars.Int128)).classes.tolist() == [3, 5]


def test_numbers_beyond_those_of_float64_are_infinite():
    for values in ([10**400, None, -(10**400), 7], [Decimal("1e400"), None, Decimal("-1e400"), Decimal(7)]):
        column = column_of(values)
        assert numpy.array_equal(column.values, [numpy.inf, numpy.nan, -numpy.inf, 7], equal_nan=True)
