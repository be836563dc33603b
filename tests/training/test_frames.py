"""Columns of pandas, polars and PyArrow as arrays of numbers, and what is no number named by its column."""

import datetime
import decimal

import numpy
import pytest

from xpnn.training.frames import columns_of, is_column, is_frame, numbers_of

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")

NUMBERS = {"whole": [1, 2, 3], "real": [0.5, 1.5, -2.0], "truth": [True, False, True]}
LIBRARIES = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "pyarrow": pyarrow.table}
EVERY_LIBRARY = pytest.mark.parametrize("library", LIBRARIES)


def column(library, values, **options):
    make = {"pandas": pandas.Series, "polars": polars.Series, "pyarrow": pyarrow.array}[library]
    return make(values, **options)


@EVERY_LIBRARY
def test_columns_of_numbers_are_arrays_by_name(library):
    frame = LIBRARIES[library](NUMBERS)
    assert is_frame(frame)
    assert not is_column(frame)
    found = columns_of("x", frame)
    assert {name: array.tolist() for name, array in found.items()} == NUMBERS
    assert [array.dtype.kind for array in found.values()] == ["i", "f", "b"]


@EVERY_LIBRARY
def test_one_column_is_an_array(library):
    one = column(library, [1, 2, 3])
    assert is_column(one)
    assert not is_frame(one)
    assert numbers_of("t", one).tolist() == [1, 2, 3]


@EVERY_LIBRARY
def test_a_column_of_floats_is_not_copied(library):
    values = numpy.arange(1000.0)
    found = columns_of("x", LIBRARIES[library]({"a": values}))["a"]
    assert found.base is not None  # the memory is another's


@EVERY_LIBRARY
@pytest.mark.parametrize("values", [[1, None, 3], [0.5, None, 2.0], [True, None, False]])
def test_a_missing_number_is_nan(library, values):
    options = {}
    if library == "pandas":
        options["dtype"] = {int: "Int64", float: "Float64", bool: "boolean"}[type(values[0])]
    found = numbers_of("t", column(library, values, **options))
    numpy.testing.assert_array_equal(found, [float(values[0]), numpy.nan, float(values[2])])


@pytest.mark.parametrize("dtype", ["Int8", "UInt16", "Float32", "boolean", "int64[pyarrow]", "float[pyarrow]"])
def test_pandas_extension_types_without_missing_numbers_keep_their_kind(dtype):
    found = numbers_of("t", pandas.Series([1, 0, 1], dtype=dtype))
    assert found.dtype.kind == {"I": "i", "U": "u", "F": "f", "b": "b", "i": "i", "f": "f"}[dtype[0]]
    assert found.tolist() == [1, 0, 1]


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_decimals_are_numbers(library):
    values = [decimal.Decimal("1.25"), decimal.Decimal("-3.50")]
    assert numbers_of("t", column(library, values)).tolist() == [1.25, -3.5]


def test_chunks_and_batches_of_pyarrow_are_taken():
    chunks = pyarrow.chunked_array([[1, 2], [3]])
    assert is_column(chunks)
    assert numbers_of("t", chunks).tolist() == [1, 2, 3]
    batch = pyarrow.record_batch({"a": [1.5, 2.5]})
    assert is_frame(batch)
    assert columns_of("x", batch)["a"].tolist() == [1.5, 2.5]


@EVERY_LIBRARY
@pytest.mark.parametrize(
    "values",
    [["a", "b", "c"], [datetime.datetime(2020, 1, day) for day in (1, 2, 3)], [b"a", b"b", b"c"]],
    ids=["words", "dates", "bytes"],
)
def test_a_column_of_something_else_is_named(library, values):
    frame = LIBRARIES[library]({"size": [1.0, 2.0, 3.0], "city": values})
    with pytest.raises(
        TypeError, match=r"x: column 'city' holds .+, not numbers: xpnn.tables turns such columns into numbers"
    ):
        columns_of("x", frame)


def test_categories_are_no_numbers():
    for one in (pandas.Series([1, 2], dtype="category"), polars.Series(["a", "b"], dtype=polars.Categorical)):
        with pytest.raises(TypeError, match=r"t holds .*[cC]ategor.*, not numbers"):
            numbers_of("t", one)


def test_frames_that_are_no_table_yet_are_refused():
    with pytest.raises(TypeError, match=r"polars' LazyFrame: call its collect\(\) first"):
        columns_of("x", polars.LazyFrame(NUMBERS))
    with pytest.raises(ValueError, match="x has no columns"):
        columns_of("x", pandas.DataFrame(index=[0, 1]))
    with pytest.raises(ValueError, match="x has two columns of the name 'a'"):
        columns_of("x", pandas.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]))


def test_columns_need_no_words_for_names():
    assert list(columns_of("x", pandas.DataFrame(numpy.ones((2, 2))))) == ["0", "1"]


@pytest.mark.parametrize("data", [None, 1.0, [1], {"a": [1]}, numpy.ones(3), "pandas"])
def test_other_things_are_neither(data):
    assert not is_frame(data)
    assert not is_column(data)
