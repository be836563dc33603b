"""What a replay left behind, judged by what plain runs did."""

import numpy
import pytest

from xpnn.compiler.judging import fault

RNG = numpy.random.default_rng(0)
BEFORE = RNG.standard_normal(1000).astype("float32")
WAY = RNG.standard_normal(1000).astype("float32") * numpy.float32(1e-3)
RUNS = [BEFORE + WAY, BEFORE + WAY * numpy.float32(1 + 1e-4)]


def noise():
    """Signs that nothing decides but rounding, each a whole step of Adam's."""
    return BEFORE + RNG.choice(numpy.asarray([-1e-3, 1e-3], dtype="float32"), 1000)


def test_a_few_roundings_are_right_and_equal_bits_only_if_exact():
    for exact in (True, False):
        assert fault(RUNS[0].copy(), [RUNS[0]] * 2, BEFORE, exact=exact) == ""
    near = BEFORE + WAY * numpy.float32(1.001)
    assert fault(near, RUNS, BEFORE, exact=False) == ""
    assert "all bits" in fault(near, [RUNS[0]] * 2, BEFORE, exact=True)


def test_plain_runs_that_differ_allow_as_much_and_no_more():
    assert fault(BEFORE + WAY * numpy.float32(1 - 2e-4), RUNS, BEFORE, exact=True) == ""
    assert "off by" in fault(BEFORE + WAY * numpy.float32(1 - 4e-3), RUNS, BEFORE, exact=True)


@pytest.mark.parametrize("way", [WAY * 0, -WAY, -3 * WAY, WAY * numpy.float32(1.1), WAY[::-1]])
def test_no_move_or_another_is_wrong(way):
    assert "should have moved by" in fault(BEFORE + way, RUNS, BEFORE, exact=False)


def test_a_sign_that_rounding_decides_is_right_and_many_are_not():
    found = RUNS[0].copy()
    found[:10] = BEFORE[:10] - WAY[:10]
    assert fault(found, RUNS, BEFORE, exact=False) == ""
    found[:100] = BEFORE[:100] - WAY[:100]
    assert fault(found, RUNS, BEFORE, exact=False)


def test_where_rounding_decides_all_signs_the_length_of_the_way_counts():
    runs = [noise(), noise(), noise()]
    assert fault(noise(), runs, BEFORE, exact=False) == ""
    assert "moved by 0.0e+00" in fault(BEFORE.copy(), runs, BEFORE, exact=False)
    assert "moved by" in fault(BEFORE + (noise() - BEFORE) * 30, runs, BEFORE, exact=False)
    squares = [(RNG.standard_normal(32) * 1e-10) ** 2 for _ in range(4)]
    assert fault(squares[0] * 3, squares[1:], numpy.zeros(32), exact=False) == ""


@pytest.mark.parametrize("bad", [numpy.nan, numpy.inf, -numpy.inf])
def test_nan_and_each_infinity_are_themselves(bad):
    run = numpy.asarray([1.0, bad, 2.0])
    assert fault(run.copy(), [run, run], exact=False) == ""
    for other in {5.0, numpy.nan, numpy.inf, -numpy.inf} - {bad}:
        assert "NaN or infinity" in fault(numpy.asarray([1.0, other, 2.0]), [run, run], exact=False)


@pytest.mark.parametrize("bad", [numpy.nan, numpy.inf])
@pytest.mark.parametrize("exact", [True, False])
def test_numbers_none_of_which_is_finite_say_nothing(bad, exact):
    run = numpy.full(3, bad)
    assert "cannot be judged" in fault(run, [run, run], exact=exact)


def test_whole_numbers_are_equal_but_for_what_differs_between_plain_runs():
    run = numpy.arange(100)
    assert fault(run.copy(), [run, run], exact=False) == ""
    assert "whole numbers" in fault(run + (run == 7), [run, run], exact=False)
    assert fault(run + (run == 7), [run, run + (run == 8)], exact=False) == ""
    assert "shape" in fault(run[:3], [run, run], exact=False)
    assert fault(run[:0], [run[:0]], exact=True) == ""
