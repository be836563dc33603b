"""A plan against the plain step, from the same state."""

from types import SimpleNamespace

import numpy
import pytest
from compiler_twins import Twins, normal

import xpnn
from xpnn.compiler.checking import checked, planned

OUT_OF_SIGHT = SimpleNamespace(factor=2.0)


def test_a_plan_that_does_the_same_leaves_one_step_behind():
    twins = Twins()
    for n in range(6):
        x, t = normal(6, 4), normal(6, 2)
        assert planned(twins.compiled, x, t) == (n >= 2)
        expected = twins.step(x, t)
        if n < 2:
            assert twins.compiled(x, t) == expected
            continue
        check = checked(twins.compiled, x, t)
        assert check.same
        assert check.result == expected
        assert check.plain > 0
        assert check.replay > 0
        twins.require_same()


@pytest.mark.parametrize("where", ["result", "state"])
def test_a_change_out_of_sight_is_found_and_the_plain_step_counts(where):
    state = {"w": numpy.zeros(2)}

    def step(x):
        state["w"] += x * (vars(OUT_OF_SIGHT)["factor"] if where == "state" else 1)
        return x * (vars(OUT_OF_SIGHT)["factor"] if where == "result" else 1) if where == "result" else None

    OUT_OF_SIGHT.factor = 2.0
    fast, x = xpnn.compile(step, state=state, exact=True), numpy.ones(2)
    for _ in range(3):
        fast(x)
    before = state["w"].copy()
    OUT_OF_SIGHT.factor = 3.0
    check = checked(fast, x)
    assert not check.same
    assert numpy.array_equal(state["w"], before + (3 if where == "state" else 1))
    assert check.result is None if where == "state" else numpy.array_equal(check.result, [3, 3])
    OUT_OF_SIGHT.factor = 2.0
    assert checked(fast, x).same  # the plan is still there


def test_an_argument_that_the_step_writes_into_is_written_once():
    def step(x):
        x += 1
        return x * 1

    fast = xpnn.compile(step, exact=True)
    for _ in range(3):
        fast(numpy.zeros(2))
    x = numpy.zeros(2)
    assert checked(fast, x).same
    assert numpy.array_equal(x, [1, 1])


def test_an_error_is_that_of_the_plain_step_and_an_interruption_goes_through():
    table, rows = {"w": numpy.zeros(3)}, numpy.asarray([0, 1])

    def step(rows):
        table["w"] += 1
        return xpnn.namespace_of(rows).take(table["w"], rows, axis=0)

    fast = xpnn.compile(step, state=table, exact=True)
    for _ in range(3):
        fast(rows)
    with pytest.raises(IndexError):
        checked(fast, numpy.asarray([0, 7]))
    assert numpy.array_equal(table["w"], [4, 4, 4])  # what the plain step wrote before it raised


def test_a_step_that_gave_up_is_settled_and_runs_plainly():
    fast = xpnn.compile(lambda x: x if x[0] > 0 else -x, exact=True, fallback=True)
    with pytest.warns(xpnn.CompileWarning):
        fast(numpy.ones(2))
    assert planned(fast, numpy.ones(2))
    assert checked(fast, -numpy.ones(2)).result[0] == 1
    fast.give_up("for another reason")  # no second warning
    assert planned(fast, numpy.ones(9))
    assert checked(fast, numpy.ones(9)).same


@pytest.mark.parametrize("said", [False, True])
def test_replays_that_differ_among_themselves_need_not_be_the_plain_step_to_the_last_bit(said):
    """As on a GPU, where some sums are taken in the order in which threads arrive."""
    state = {"w": numpy.zeros(2)}

    def step(x):
        state["w"] += x * vars(OUT_OF_SIGHT)["factor"]
        return x * 3

    OUT_OF_SIGHT.factor = 2.0
    fast, x = xpnn.compile(step, state=state, exact=True), numpy.ones(2)
    for _ in range(3):
        fast(x)
    plan, turns = fast.plan(), iter(range(100))
    run = plan.run

    def wavering(*arrays):
        (found,) = run(*arrays)
        state["w"] *= 1 + 4e-16 * (1 if said else next(turns) % 3 + 1)
        return [found]

    plan.run = wavering
    assert not checked(fast, x).same  # NumPy's do not differ
    plan.executor.reason, plan.executor.wavers = "", said
    before = state["w"].copy()
    assert checked(fast, x).same
    assert numpy.array_equal(state["w"], before + 2)
    OUT_OF_SIGHT.factor = 3.0
    assert not checked(fast, x).same
    assert numpy.array_equal(state["w"], before + 5)
    plan.executor.wavers, plan.run = False, run
    OUT_OF_SIGHT.factor = 2.0 + 1e-12
    assert not checked(fast, x).same  # replays that do not differ are compared to the last bit
