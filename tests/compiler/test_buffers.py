"""Where values lie: in as little memory as their lifetimes allow, and never two that are alive in one place."""

import numpy
import pytest

import xpnn
from xpnn.arrays.memory import ALIGNMENT
from xpnn.compiler import rewrites
from xpnn.compiler.program import Ref

X = numpy.random.default_rng(0).normal(size=(64, 8))


def plan_of(step, *given, state=(), rewriting=rewrites.ALL):
    fast = xpnn.compile(step, state=state, rewriting=rewriting)
    for _ in range(4):
        fast(*given)
    return fast.plan()


def lives(program):
    """For each storage its first and last position."""
    found = {}
    for position, call in enumerate(program.calls):
        for number in program.touches(call):
            storage = program.storage(number)
            found[storage] = (found.get(storage, (position, 0))[0], position)
    for ref in program.outputs:
        if type(ref) is Ref:
            storage = program.storage(ref.number)
            found[storage] = (found[storage][0], len(program.calls))
    return found


def deep(x):
    xp = xpnn.namespace_of(x)
    for n in range(6):
        y = xp.exp(xp.sin(x)) + n
        x = xp.reshape(xp.tanh(y) @ (xp.matrix_transpose(y) @ y), x.shape)
        x = xp.concat([x[:1, :], x[1:, :] - xp.sum(y, axis=0)])
    return x, y


@pytest.mark.parametrize("rewriting", [(), rewrites.ALL], ids=["none", "all"])
def test_values_that_are_alive_at_once_lie_apart(rewriting):
    plan = plan_of(deep, X, rewriting=rewriting)
    program, arrays = plan.program, plan.executor.buffers.arrays
    spans = {n: span for n, span in lives(program).items() if n in arrays}
    passed_on = {(call.over, call.results[0]) for call in program.calls if call.over >= 0}
    for a, (first_a, last_a) in spans.items():
        for b, (first_b, last_b) in spans.items():
            if a < b and first_a <= last_b and first_b <= last_a and (a, b) not in passed_on:
                assert not numpy.shares_memory(arrays[a], arrays[b]), (a, b)


def test_memory_is_used_again():
    plan = plan_of(deep, X)
    values = [v for n, v in enumerate(plan.program.values) if v.kind == "result" and v.storage == n]
    assert plan.executor.buffers.bytes < sum(int(numpy.prod(v.shape)) * 8 for v in values) / 4


def test_buffers_start_at_a_line_of_the_cache():
    plan = plan_of(deep, X)
    buffers = plan.executor.buffers
    for number in buffers._blocks:
        assert buffers.arrays[number].ctypes.data % ALIGNMENT == 0


def test_results_have_the_recorded_order_of_axes():
    def step(x):
        xp = xpnn.namespace_of(x)
        y = xp.matrix_transpose(x) + 1  # NumPy keeps the order of its argument
        return xp.reshape(xp.matrix_transpose(y), (-1,)) * 2

    plan = plan_of(step, X)
    added = plan.program.calls[1].results[0]
    assert plan.executor.buffers.arrays[added].flags.f_contiguous


def test_what_is_made_of_numbers_alone_is_made_once():
    def step(x):
        xp = xpnn.namespace_of(x)
        return x + xp.exp(xp.arange(8, dtype=x.dtype) / 3)

    plan = plan_of(step, X)
    assert len(plan.executor.lines) <= 2  # stretched and added


def test_a_view_of_a_buffer_is_made_once():
    plan = plan_of(lambda x: xpnn.namespace_of(x).matrix_transpose(x + 1)[1:, :] * 2, X)
    assert len(plan.executor.lines) == 2


def test_state_lies_where_it_is():
    state = {"w": numpy.zeros((64, 8))}

    def step(x):
        state["w"] += x
        return state["w"] * 2

    kept = state["w"]
    plan = plan_of(step, X, state=state)
    assert state["w"] is kept
    assert any(array is kept for array in plan.executor.buffers.arrays.values())
    numpy.testing.assert_allclose(kept, 4 * X, rtol=1e-12)
