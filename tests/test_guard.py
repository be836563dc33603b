"""Looking at a device value inside a step raises, in every test; and compiled steps look at none."""

import contextlib

import numpy
import pytest
from guard import READS, no_looks_inside_steps

import xpnn
from xpnn import nn, optim, testing


def network(device):
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2)).initialize(seed=0).to(device)


def total(x):
    return xpnn.namespace_of(x).sum(x)


def loss(model, x, t):
    return nn.squared_error(model(x), t)


@pytest.fixture
def batch(elsewhere):
    return [elsewhere.asarray(numpy.ones((5, width)), dtype="float32") for width in (3, 2)]


@pytest.fixture
def strict(elsewhere):
    if elsewhere.name != "strict:device1":
        pytest.skip("the guard stands on array_api_strict's device1")
    return elsewhere


def test_a_walk_back_that_looks_is_stopped(strict):
    @xpnn.differentiable
    def looking(x):
        return x * x, (lambda dy: 2 * x * float(dy[0]),)

    x = strict.asarray([1.0, 2.0])
    with pytest.raises(AssertionError, match=r"read inside a step, by __float__ in Tape\.gradients"):
        xpnn.grad(lambda x: total(looking(x)))(x)
    assert xpnn.grad(lambda x: total(looking(x)))(numpy.asarray([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert float(x[0]) == 1.0  # outside of steps one may look


def test_what_breaks_off_inside_the_guard_leaves_no_trace(strict):
    kind = type(strict.asarray([1.0]))
    before = [getattr(kind, name) for name in READS]
    with contextlib.suppress(KeyError), no_looks_inside_steps():
        assert [getattr(kind, name) for name in READS] != before
        raise KeyError
    assert [getattr(kind, name) for name in READS] == before


def test_an_optimizer_that_looks_is_stopped(strict, batch):
    class Looking(optim.SGD):
        def rule(self, p, g, state, rate, step, options):
            if bool(step > 3):
                super().rule(p, g, state, rate, step, options)

    model = network(strict)
    optimizer = Looking(model, learning_rate=0.1)
    gradients = xpnn.grad(loss)(model, *batch)
    with pytest.raises(AssertionError, match=r"read inside a step, by __bool__ in Optimizer\.step"):
        optimizer.step(gradients)


@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam, optim.AdamW])
def test_a_compiled_step_looks_at_nothing(elsewhere, batch, rule):
    model = network(elsewhere)
    optimizer = rule(model, learning_rate=0.1)
    both = xpnn.value_and_grad(loss)

    def step(x, t):
        value, gradients = both(model, x, t)
        optimizer.step(optim.clip_by_global_norm(gradients, 1.0, nonfinite="propagate")[0])
        return value

    fast = xpnn.compile(step, state=(model, optimizer))
    with testing.no_device_reads():  # while it is recorded, too
        for _ in range(5):
            fast(*batch)
    assert fast.plan() is not None
