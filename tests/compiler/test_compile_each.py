"""Several steps in one call: as one after the other."""

import numpy
import pytest
from compiler_twins import Twins, network, normal

import xpnn


def batches(*rows):
    return [(normal(n, 4), normal(n, 2)) for n in rows]


def test_several_steps_are_as_one_after_the_other_to_the_last_bit():
    twins = Twins()
    for calls in (batches(6), batches(6, 6, 6), batches(6, 6, 3, 6, 3, 3, 3, 6), [], batches(6, 6, 6, 6)):
        expected = [twins.step(*args) for args in calls]
        assert twins.compiled.each(iter(calls)) == expected
        twins.require_same()
    assert twins.plans == 2


def test_results_are_left_alone_by_the_steps_that_follow():
    fast = xpnn.compile(lambda x: 2 * x)
    found = fast.each([(numpy.full(3, n),) for n in range(6)])
    assert [list(y) for y in found] == [[2 * n] * 3 for n in range(6)]


def test_parts_of_one_array_and_arrays_that_share_memory():
    def step(x, y):
        x += 1
        return x + y

    fast, whole = xpnn.compile(step), numpy.zeros((8, 2))
    calls = [(whole[n], whole[n] if n % 4 == 3 else numpy.ones(2)) for n in range(8)]
    assert [float(y[0]) for y in fast.each(calls)] == [2, 2, 2, 2] * 2
    assert numpy.array_equal(whole, numpy.ones((8, 2)))


def test_the_state_is_looked_at_anew_at_each_call():
    twins = Twins(lambda: network(dropout=0.5))
    for mode in (True, False, True):
        twins.both(lambda model, _, mode=mode: model.train(mode))
        calls = batches(6, 6, 6)
        assert twins.compiled.each(calls) == [twins.step(*args) for args in calls]
        twins.require_same()


def test_what_cannot_be_recorded_runs_plainly_in_the_middle_too():
    seen = []

    def step(x):
        seen.append(len(seen))
        return x + 1

    fast = xpnn.compile(step, fallback=True)
    with pytest.warns(xpnn.CompileWarning, match="changed what Python keeps"):
        found = fast.each([(numpy.full(1, n),) for n in range(6)])
    assert [int(y[0]) for y in found] == [1, 2, 3, 4, 5, 6]
    assert seen == list(range(6))


def test_an_error_in_the_middle_leaves_the_step_usable():
    fast = xpnn.compile(lambda x, rows: xpnn.namespace_of(x).take(x, rows, axis=0))
    good, bad = (numpy.arange(3.0), numpy.asarray([0, 1])), (numpy.arange(3.0), numpy.asarray([0, 9]))
    with pytest.raises(IndexError):
        fast.each([good, good, good, bad])
    assert [list(y) for y in fast.each([good, good])] == [[0, 1], [0, 1]]
