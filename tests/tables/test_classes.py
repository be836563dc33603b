"""Labels: any type, in order, the same label however stored, and unknown ones with their rows."""

import numpy
import pytest

from xpnn.tables.classes import class_codes, classes_of, labels_of
from xpnn.tables.reading import column_of

LABELS = [
    (["b", "a", "b"], "<U1"),
    ([3, 1, 20], "int64"),
    (numpy.asarray([3, 1, 20], dtype="int16"), "int16"),
    ([0.5, 2.0, -1.0], "float64"),
    (numpy.asarray([0.5, 2.0], dtype="float32"), "float32"),
    (numpy.asarray([0.1, 0.3], dtype="float32"), "float32"),
    (numpy.asarray([0.1, 0.3], dtype="float16"), "float16"),
    ([True, False, True], "bool"),
    ([True, True], "bool"),
]


@pytest.mark.parametrize(("labels", "dtype"), LABELS)
def test_labels_are_sorted_and_keep_their_type(labels, dtype):
    classes = classes_of(column_of(labels))
    assert classes.dtype == dtype
    assert classes.tolist() == sorted(set(numpy.asarray(labels).tolist()))
    codes = class_codes(column_of(labels), classes)
    assert codes.dtype == numpy.int64
    assert numpy.array_equal(classes[codes], labels)
    again = labels_of(classes.tolist(), classes.dtype.str)
    assert again.dtype == classes.dtype
    assert numpy.array_equal(again, classes)


def test_scikit_learn_agrees():
    judge = pytest.importorskip("sklearn.preprocessing").LabelEncoder()
    words = numpy.random.default_rng(1).choice(["left", "right", "up", "Down"], 50)
    assert numpy.array_equal(class_codes(column_of(words), classes_of(column_of(words))), judge.fit_transform(words))


def test_a_label_is_the_same_however_stored():
    numbers, booleans = numpy.asarray([1, 3]), numpy.asarray([False, True])
    for values in ([3, 1], [3.0, 1.0], ["3", "1"], ["3.0", "1.00"]):
        assert class_codes(column_of(values), numbers).tolist() == [1, 0]
    for values in ([True, False], ["true", "FALSE"], [1, 0]):
        assert class_codes(column_of(values), booleans).tolist() == [1, 0]
    assert class_codes(column_of([3, 1]), numpy.asarray(["1", "3"])).tolist() == [1, 0]
    assert class_codes(column_of([0.5]), numpy.asarray([0.25, 0.5])).tolist() == [1]
    short = numpy.asarray([0.1, 0.3], dtype="float32")
    for values in ([0.3, 0.1], ["0.3", "0.10"], short[::-1], short[::-1].astype("float64")):
        assert class_codes(column_of(values), short).tolist() == [1, 0]
    assert class_codes(column_of(short[::-1]), numpy.asarray([0.1, 0.3])).tolist() == [1, 0]


def test_an_unknown_label_is_named_with_its_row():
    column = column_of(["a", "c", "b", "z"], name="t").take(numpy.asarray([0, 2, 3]))
    with pytest.raises(ValueError, match="target 't' expected one of 'a', 'b', got 'z' in row 3"):
        class_codes(column, numpy.asarray(["a", "b"]))
    with pytest.raises(ValueError, match=r"expected one of 0, .* 9 and 2 more, got 11 in row 1"):
        class_codes(column_of([3, 11]), numpy.asarray([*range(11), 12]))
    with pytest.raises(ValueError, match="expected one of False, got 'True' in row 0"):
        class_codes(column_of([True]), numpy.asarray([False]))


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2, 10], "int64"),
        ([0.5, 2.0, 10.0], "float64"),
        (numpy.asarray([0.1, 0.3], "float32"), "float32"),
        ([False, True], "bool"),
        ([2**53, 2**53 + 1], "int64"),
        (["no", "yes"], "<U3"),
    ],
)
def test_labels_that_the_frame_calls_categorical_come_back_as_they_were(values, dtype, ordered):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("narwhals")
    order = list(values)[::-1] if ordered else list(values)
    index = pandas.Index(numpy.asarray(order, dtype=numpy.asarray(values).dtype))
    column = column_of(pandas.Series(pandas.Categorical([*values] * 2, categories=index, ordered=ordered)))
    classes = classes_of(column)
    assert classes.dtype == dtype
    assert numpy.array_equal(classes, numpy.asarray(order, dtype))
    assert numpy.array_equal(classes[class_codes(column, classes)], numpy.asarray([*values] * 2, dtype))
    if 2**53 not in values:  # which no plain column tells from its neighbour
        assert numpy.array_equal(classes[class_codes(column_of(values), classes)], numpy.asarray(values, dtype))


def test_categories_that_are_beyond_any_array_of_whole_numbers_stay_words():
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("narwhals")
    column = column_of(pandas.Series(pandas.Categorical([2**70, 5])))
    assert classes_of(column).tolist() == ["5", str(2**70)]


def test_whole_numbers_that_float64_takes_for_their_neighbours_are_other_labels():
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("narwhals")
    column = column_of(pandas.Series(pandas.Categorical([2**53, 2**53 + 2])))
    with pytest.raises(ValueError, match=f"got '{2**53 + 1}' in row 0"):
        class_codes(column_of([str(2**53 + 1)]), classes_of(column))
