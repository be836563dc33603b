"""Values of callbacks and histories go through JSON and come back as they were."""

import json
import math

import numpy
import pytest

from xpnn.training.words import as_json, from_json

VALUES = [
    None, True, 3, -2.5, "nan", "inf", "$number", "", [1, [2.0, None]], {"a": {"b": []}}, {1: "one", "x": 2},
    {"$array": 5}, {"$number": "nan"}, {"$items": [[1, 2]]}, 1e308,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_as_they_were(value):
    found = from_json(json.loads(json.dumps(as_json(value), allow_nan=False)))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_come_back(value):
    found = from_json(json.loads(json.dumps(as_json({"a": [value]}), allow_nan=False)))
    numpy.testing.assert_array_equal(found["a"], [value])
    assert type(found["a"][0]) is float


@pytest.mark.parametrize(
    "array",
    [
        numpy.asarray([[1, 2], [3, 4]]), numpy.asarray([0.1, numpy.nan], dtype="float32"), numpy.zeros((0, 3)),
        numpy.asarray([True, False]), numpy.asarray([255], dtype="uint8"),
    ],
)  # fmt: skip
def test_arrays_come_back_with_their_dtype(array):
    found = from_json(json.loads(json.dumps(as_json([array]), allow_nan=False)))[0]
    numpy.testing.assert_array_equal(found, array.reshape(found.shape))
    assert found.dtype == array.dtype
    assert found.size == array.size


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (numpy.float32(0.5), 0.5), (numpy.int8(3), 3), (numpy.bool_(True), True), (numpy.asarray(2.0), 2.0),
        ((1, 2), [1, 2]), (numpy.float64("inf"), {"$number": "inf"}),
    ],
)  # fmt: skip
def test_numbers_of_numpy_become_pythons(given, found):
    assert as_json(given) == found
    assert type(as_json(given)) is type(found)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", 1j, numpy.asarray(["a"]), {"a": [object()]}])
def test_others_are_refused(value):
    with pytest.raises(TypeError, match="expected numbers, words, lists, dictionaries and arrays of real numbers, got"):
        as_json(value)


@pytest.mark.parametrize(
    "value",
    [
        {"$number": "3"}, {"$number": []}, {"$array": [1]}, {"$array": [[1], [2, 3]], "dtype": "int64"},
        {"$array": ["a"], "dtype": "object"}, {"$array": [1], "dtype": "no such"}, {"$items": 3}, {"$items": [[[], 1]]},
        {"$other": 1}, {"a": [{"$number": None}]},
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_never_written_is_refused(value):
    with pytest.raises(ValueError, match="expected a value as a checkpoint writes it, got"):
        from_json(value)
