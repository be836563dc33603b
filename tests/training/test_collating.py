"""Samples made into batches: stacked where alike, padded where they are sequences."""

from collections import namedtuple

import array_api_strict
import numpy
import pytest

from xpnn.training import padded
from xpnn.training.collating import collate, collate_padded, stacked

Pair = namedtuple("Pair", ["a", "b"])


def test_leaves_of_equal_places_are_stacked():
    items = [{"a": numpy.full((2, 3), n), "b": (n, Pair(numpy.float32(n), [n, n]))} for n in range(4)]
    found = stacked(items)
    assert found["a"].shape == (4, 2, 3)
    assert found["b"][0].tolist() == [0, 1, 2, 3]
    assert found["b"][1].a.dtype == "float32"
    assert type(found["b"][1]) is Pair
    assert found["b"][1].b.tolist() == [[n, n] for n in range(4)]


def test_a_list_of_numbers_is_a_vector_and_one_of_arrays_several():
    assert stacked([[1.0, 2.0], [3.0, 4.0]]).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    first, second = stacked([[numpy.zeros(2), numpy.zeros(3)]] * 4)
    assert (first.shape, second.shape) == ((4, 2), (4, 3))


def test_arrays_of_other_libraries_come_to_the_host():
    torch = pytest.importorskip("torch")
    place = array_api_strict.Device("device1")
    for array in (torch.arange(3), array_api_strict.arange(3, device=place)):
        found = stacked([array, array])
        assert type(found) is numpy.ndarray
        assert found.tolist() == [[0, 1, 2]] * 2


def test_a_batch_has_the_parts_of_its_samples():
    assert [part.tolist() for part in collate([(1, 2), (3, 4)])] == [[1, 3], [2, 4]]
    assert [part.tolist() for part in collate([(1, 2, 0.5), (3, 4, 1.5)])] == [[1, 3], [2, 4], [0.5, 1.5]]
    x, t = collate([numpy.ones(2), numpy.ones(2)])
    assert (x.shape, t) == ((2, 2), None)
    x, t = collate([{"a": 1}, {"a": 2}])
    assert (x["a"].tolist(), t) == ([1, 2], None)


def test_sequences_are_padded_with_their_targets_and_weights():
    (x, mask), t, w = collate_padded([([1.0, 2.0], 5, 0.5), ([3.0], 6, 1.5)])
    assert (x.tolist(), mask.tolist()) == ([[1.0, 2.0], [3.0, 0.0]], [[True, True], [True, False]])
    assert (t.tolist(), w.tolist()) == ([5, 6], [0.5, 1.5])
    (x, mask), t = collate_padded([numpy.ones((1, 2)), numpy.ones((3, 2))])
    assert (x.shape, mask.sum(axis=1).tolist(), t) == ((2, 3, 2), [1, 3], None)


def test_padding_is_what_is_asked_for():
    x, mask = padded([numpy.ones(3, "int8"), numpy.ones(5, "int8"), numpy.ones(0, "int8")], value=-7, multiple=4)
    assert (x.shape, x.dtype, mask.dtype) == ((3, 8), "int8", "bool")
    assert mask.sum(axis=1).tolist() == [3, 5, 0]
    assert set(x[mask].tolist()) == {1}
    assert set(x[~mask].tolist()) == {-7}
    assert padded([numpy.ones(4, "float32"), numpy.ones(4)], multiple=4)[0].shape == (2, 4)
    assert padded([numpy.ones(4, "float32"), numpy.ones(4)])[0].dtype == "float64"


@pytest.mark.parametrize(
    ("function", "samples", "error", "message"),
    [
        (stacked, [], ValueError, "at least one sample"),
        (stacked, [{"a": 1}, {"a": 1, "b": 2}], ValueError, "one structure, got samples of 1 and 2 arrays"),
        (
            stacked,
            [numpy.ones(2), numpy.ones((2, 1))],
            ValueError,
            r"got \(2,\) and \(2, 1\) in one batch: pass lengths=",
        ),
        (stacked, ["a", "b"], TypeError, "samples of numbers, got str of dtype <U1"),
        (stacked, [object()], TypeError, "samples of numbers, got object of dtype object"),
        (padded, [], ValueError, "padded expected sequences, got none"),
        (padded, [1.0], ValueError, "padded expected sequences, got a number"),
        (padded, [numpy.ones((2, 3)), numpy.ones((2, 4))], ValueError, r"first axis, got \(2, 3\) and \(2, 4\)"),
        (padded, [["a"]], TypeError, "samples of numbers, got list of dtype <U1"),
        (collate_padded, [([1.0], [1.0]), ([1.0], [1.0, 2.0])], ValueError, r"got \(1,\) and \(2,\) in one batch"),
    ],
)
def test_what_does_not_fit_is_refused(function, samples, error, message):
    with pytest.raises(error, match=message):
        function(samples)


@pytest.mark.parametrize("multiple", [0, 1.0, -1])
def test_a_bad_multiple_is_refused(multiple):
    with pytest.raises(ValueError, match="multiple to be an integer of 1 or more"):
        padded([[1.0]], multiple=multiple)
