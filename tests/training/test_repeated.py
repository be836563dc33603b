"""Which calls are compiled: counted by kind, checked after a doubt, and only where that pays."""

import numpy
import pytest

from xpnn.training.repeated import KINDS, Repeated


def repeated(pays=3):
    """A step that sums up, and a list of its runs beside the compiled step."""
    runs, state = [], {"total": numpy.zeros(2)}

    def step(x):
        state["total"] += x
        return state["total"] * 1.0

    def noted(x):
        runs.append(x.shape)
        return step(x)

    made = Repeated(step, state, pays=pays)
    assert not made._fast._plans  # made here, of the step itself
    made.step = noted
    return made, runs


def call(made, size, times=1, **expected):
    return made.each([(numpy.ones(size),) for _ in range(times)], **expected)


def test_calls_of_one_kind_are_counted_with_those_ahead():
    made, runs = repeated(pays=6)
    for size, ahead in ((2, 0), (2, 4), (1, 0), (2, 0)):
        call(made, size, ahead=ahead)
    assert len(runs) == 4
    assert not made._fast._plans
    call(made, 2, ahead=3)
    call(made, 2)
    assert len(runs) == 4
    assert len(made._fast._plans) == 1
    assert [list(y) for y in call(made, 2, times=2)] == [[7, 7], [8, 8]]


def test_none_is_compiled_where_none_is_to_be():
    made, runs = repeated(pays=None)
    call(made, 2, times=50, ahead=1000)
    assert len(runs) == 50


def test_kinds_are_bounded():
    made, _ = repeated(pays=10**9)
    wide = made.step
    made.step = lambda x: wide(x[:1])
    for n in range(1, 3 * KINDS):
        call(made, n)
    assert len(made._met) == KINDS


def test_a_check_comes_first_after_a_doubt_and_only_then():
    made, runs = repeated()
    call(made, 2, times=5)
    before = made._fast._calls
    call(made, 2, times=4)
    assert made._fast._calls == before + 4
    made.doubt()
    assert [list(y) for y in call(made, 2, times=4)] == [[n, n] for n in (10, 11, 12, 13)]
    assert made._fast._calls == before + 7  # one of them was made both ways
    assert not runs
    assert len(made._measured) == 1


@pytest.mark.parametrize(("gain", "calls", "pays"), [(0.5, 2, False), (0.5, 3, True), (-0.5, 100, False)])
def test_few_calls_are_made_plainly_where_a_check_costs_more_than_replays_gain(gain, calls, pays):
    made, runs = repeated()
    call(made, 2, times=5)
    kind = next(iter(made._compiled))
    made._measured[kind] = [(gain, 1.2), (9.0, 1.2), (gain, 50.0), (-9.0, 1.0), (gain, 1.2)]
    made.doubt()
    call(made, 2, undisturbed=calls)
    assert len(runs) == (0 if pays else 1)
