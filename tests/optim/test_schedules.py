"""Schedules: exact rates at their borders, PyTorch's rates where it has the same schedule, and wrong arguments.

rtol = 1e-13: PyTorch multiplies the last rate by a factor at every step, and errors of 1e-16 add up over 100 steps.
"""

import numpy
import pytest
from elsewhere import rounding

import xpnn.testing
from xpnn import nn, optim
from xpnn.arrays.devices import device_of

SCHEDULES = {
    "constant": optim.constant(0.1),
    "step_decay": optim.step_decay(0.1, steps=3),
    "exponential_decay": optim.exponential_decay(0.1, factor=0.9),
    "cosine_decay": optim.cosine_decay(0.1, steps=7, final=0.01),
    "warmup": optim.warmup(optim.cosine_decay(0.1, steps=7), steps=4),
}


def rates(schedule, steps):
    return [float(schedule(n)) for n in steps]


# Borders


def test_constant():
    assert rates(optim.constant(0.1), (0, 1, 10**9)) == [0.1] * 3
    assert optim.constant(0)(5) == 0


def test_step_decay_falls_after_each_full_number_of_steps():
    assert rates(optim.step_decay(8.0, steps=3, factor=0.5), range(8)) == [8, 8, 8, 4, 4, 4, 2, 2]
    assert rates(optim.step_decay(8.0, steps=1, factor=0.5), range(3)) == [8, 4, 2]
    assert rates(optim.step_decay(1.0, steps=3), (0, 2)) == [1, 1]
    assert rates(optim.step_decay(1.0, steps=2, factor=0.0), range(4)) == [1, 1, 0, 0]


def test_exponential_decay_falls_at_every_step():
    assert rates(optim.exponential_decay(8.0, factor=0.5), range(4)) == [8, 4, 2, 1]
    assert rates(optim.exponential_decay(3.0, factor=1.0), (0, 10**6)) == [3, 3]
    assert rates(optim.exponential_decay(1.0, factor=0.5), (10**6,)) == [0]


def test_cosine_decay_goes_from_the_rate_to_the_final_one_and_stays():
    # atol: cos(pi / 2) is 6e-17
    found = rates(optim.cosine_decay(1.0, steps=4, final=0.2), (0, 1, 2, 4, 5, 10**9))
    expected = [1, 0.2 + 0.4 * (1 + 0.5**0.5), 0.6, 0.2, 0.2, 0.2]
    numpy.testing.assert_allclose(found, expected, rtol=1e-15)
    assert rates(optim.cosine_decay(1.0, steps=1), (0, 1, 2)) == [1, 0, 0]
    assert rates(optim.cosine_decay(0.5, steps=10), (10, 11)) == [0, 0]


def test_warmup_grows_from_a_part_of_the_rate_to_all_of_it():
    assert rates(optim.warmup(1.0, steps=4), range(6)) == [0.25, 0.5, 0.75, 1, 1, 1]
    assert rates(optim.warmup(1.0, steps=1), range(3)) == [1, 1, 1]


def test_warmup_multiplies_the_schedule_under_it_without_shifting_it():
    under = optim.step_decay(8.0, steps=3, factor=0.5)
    assert rates(optim.warmup(under, steps=4), range(8)) == [2, 4, 6, 4, 4, 4, 2, 2]
    assert rates(optim.warmup(lambda n: 0.5, steps=2), range(3)) == [0.25, 0.5, 0.5]


# Against PyTorch


@pytest.mark.parametrize(
    ("schedule", "name", "options", "steps"),
    [
        (optim.step_decay(0.1, steps=7, factor=0.3), "StepLR", {"step_size": 7, "gamma": 0.3}, 100),
        (optim.step_decay(0.1, steps=5), "StepLR", {"step_size": 5}, 100),
        (optim.exponential_decay(0.1, factor=0.97), "ExponentialLR", {"gamma": 0.97}, 100),
        (optim.cosine_decay(0.1, steps=40), "CosineAnnealingLR", {"T_max": 40}, 40),
        (optim.cosine_decay(0.1, steps=40, final=0.03), "CosineAnnealingLR", {"T_max": 40, "eta_min": 0.03}, 40),
        (optim.warmup(0.1, steps=10), "LinearLR", {"start_factor": 0.1, "total_iters": 9}, 30),
        (optim.constant(0.1), "ConstantLR", {"factor": 1.0}, 10),
    ],
)
def test_rates_are_pytorchs(schedule, name, options, steps):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    expected = []
    for _ in range(steps + 1):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    # atol: at its end CosineAnnealingLR is some 1e-17 off 0, from the errors of its recursion
    numpy.testing.assert_allclose(rates(schedule, range(steps + 1)), expected, rtol=1e-13, atol=1e-15)


# Kinds of steps


@pytest.mark.parametrize("name", SCHEDULES)
def test_steps_may_be_numbers_or_arrays_of_any_library(elsewhere, name):
    schedule = SCHEDULES[name]
    for n in (0, 3, 11):
        expected = float(schedule(n))
        assert float(schedule(numpy.asarray(n))) == expected
        assert float(schedule(numpy.int64(n))) == expected
        there = schedule(elsewhere.asarray(n))
        if name != "constant":
            assert (there.dtype, there.shape) == (elsewhere.xp.float64, ())
            assert device_of(there) == elsewhere
        assert float(there) == pytest.approx(expected, rel=rounding(elsewhere), abs=0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_reads_nothing_from_the_device(elsewhere, name):
    with xpnn.testing.no_device_reads():
        SCHEDULES[name](elsewhere.asarray(3))


@pytest.mark.parametrize("name", SCHEDULES)
def test_an_optimizer_uses_the_rate_of_its_step(name):
    model = nn.Linear(1, 1, bias=False, dtype="float64")
    model.weight[...] = 0.0
    optimizer = optim.SGD(model, learning_rate=SCHEDULES[name])
    moved = []
    for n in range(9):
        numpy.testing.assert_allclose(optimizer.learning_rates()["weight"], float(SCHEDULES[name](n)), rtol=1e-15)
        before = model.weight.item()
        optimizer.step(xpnn.grad(lambda m: xpnn.namespace_of(m.weight).sum(m.weight))(model))
        moved.append(before - model.weight.item())
    # rtol: differences of numbers of size 1 in float64
    numpy.testing.assert_allclose(moved, rates(SCHEDULES[name], range(9)), rtol=1e-12, atol=1e-15)


# What is refused

MAKERS = {
    "constant": optim.constant,
    "step_decay": lambda rate: optim.step_decay(rate, steps=3),
    "exponential_decay": lambda rate: optim.exponential_decay(rate, factor=0.5),
    "cosine_decay": lambda rate: optim.cosine_decay(rate, steps=3),
    "warmup": lambda rate: optim.warmup(rate, steps=3),
}


@pytest.mark.parametrize("rate", [-0.1, numpy.nan, numpy.inf, -numpy.inf])
@pytest.mark.parametrize("name", MAKERS)
def test_rates_out_of_range(name, rate):
    with pytest.raises(ValueError, match=f"{name} expected a .*learning_rate of 0 or more, got {rate}"):
        MAKERS[name](rate)


@pytest.mark.parametrize("rate", ["0.1", None, [0.1], True])
@pytest.mark.parametrize("name", MAKERS)
def test_rates_that_are_no_numbers(name, rate):
    with pytest.raises(TypeError, match=rf"{name} expected a .*learning_rate to be a number, got "):
        MAKERS[name](rate)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.step_decay(0.1, steps=0), "step_decay expected steps of 1 or more, got 0"),
        (lambda: optim.step_decay(0.1, steps=-3), "step_decay expected steps of 1 or more, got -3"),
        (lambda: optim.step_decay(0.1, steps=3, factor=-1), "step_decay expected a factor of 0 or more, got -1"),
        (lambda: optim.exponential_decay(0.1, factor=-0.5), "exponential_decay expected a factor of 0 or more, got"),
        (lambda: optim.exponential_decay(0.1, factor=numpy.nan), "exponential_decay expected a factor of 0 or more"),
        (lambda: optim.cosine_decay(0.1, steps=0), "cosine_decay expected steps of 1 or more, got 0"),
        (lambda: optim.cosine_decay(0.1, steps=3, final=-1), "cosine_decay expected a final rate of 0 or more, got"),
        (lambda: optim.warmup(0.1, steps=0), "warmup expected steps of 1 or more, got 0"),
        (lambda: optim.warmup(0.1, steps=numpy.inf), "warmup expected steps of 1 or more, got inf"),
        (lambda: optim.warmup(0.1, steps=10.5), "warmup expected steps to be a whole number, got 10.5"),
        (lambda: optim.one_cycle(0.1, steps=10.5), "one_cycle expected steps to be a whole number, got 10.5"),
        (lambda: optim.linear(0.1, steps=1.5), "linear expected steps to be a whole number, got 1.5"),
        (lambda: optim.cosine_restarts(0.1, steps=5, growth=1.5), "restarts expected a growth to be a whole number"),
        (lambda: optim.warmup_cosine(0.1, steps=9, warmup_steps=0.5), "expected warmup_steps to be a whole number"),
        (lambda: optim.cyclic(0.1, 0.5, steps_up=3, steps_down=2.5), "cyclic expected steps_down to be a whole number"),
        (lambda: optim.cyclic(0.5, 0.1), "cyclic expected a base rate of at most the learning_rate, 0.1, got 0.5"),
    ],
)
def test_options_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_whole_numbers_of_other_kinds():
    for steps in (10.0, 1e1, numpy.int64(10)):
        assert rates(optim.linear(1.0, steps=steps), (3, 20)) == rates(optim.linear(1.0, steps=10), (3, 20))


@pytest.mark.parametrize("name", ["step_decay", "cosine_decay", "warmup"])
def test_steps_that_are_no_numbers(name):
    with pytest.raises(TypeError, match=f"{name} expected steps to be a number, got '3'"):
        getattr(optim, name)(0.1, steps="3")


def test_warmup_cosine_without_a_warmup():
    rates = [float(optim.warmup_cosine(1.0, steps=10, warmup_steps=0)(n)) for n in (0, 5, 10)]
    assert numpy.allclose(rates, [1.0, 0.5, 0.0], atol=1e-12)
