"""Schedules against PyTorch's, step by step: rtol = 1e-12, PyTorch multiplies its way from rate to rate."""

import array_api_strict
import numpy
import pytest

from xpnn import optim

STEPS = 60
RATE = 0.3
# ours; the name of PyTorch's and its options
CASES = {
    "step_decay": (optim.step_decay(RATE, steps=7, factor=0.5), "StepLR", {"step_size": 7, "gamma": 0.5}),
    "milestones": (
        optim.milestones(RATE, steps=[3, 4, 30], factor=0.5),
        "MultiStepLR",
        {"milestones": [3, 4, 30], "gamma": 0.5},
    ),
    "exponential_decay": (optim.exponential_decay(RATE, factor=0.9), "ExponentialLR", {"gamma": 0.9}),
    "factor_at_start": (
        optim.factor_at_start(RATE, steps=9, factor=0.2),
        "ConstantLR",
        {"factor": 0.2, "total_iters": 9},
    ),
    "linear": (
        optim.linear(RATE, steps=9, start_factor=0.2, end_factor=0.7),
        "LinearLR",
        {"start_factor": 0.2, "end_factor": 0.7, "total_iters": 9},
    ),
    "linear, defaults": (optim.linear(RATE, steps=5), "LinearLR", {}),
    "polynomial_decay": (
        optim.polynomial_decay(RATE, steps=40, power=1.7),
        "PolynomialLR",
        {"total_iters": 40, "power": 1.7},
    ),
    "cosine_annealing": (
        optim.cosine_annealing(RATE, steps=11, final=0.1),
        "CosineAnnealingLR",
        {"T_max": 11, "eta_min": 0.1},
    ),
    "cosine_restarts": (optim.cosine_restarts(RATE, steps=7), "CosineAnnealingWarmRestarts", {"T_0": 7}),
    "cosine_restarts, longer": (
        optim.cosine_restarts(RATE, steps=3, growth=3, final=0.1),
        "CosineAnnealingWarmRestarts",
        {"T_0": 3, "T_mult": 3, "eta_min": 0.1},
    ),
    **{
        f"cyclic, {mode}": (
            optim.cyclic(0.1, RATE, steps_up=5, steps_down=down, mode=mode, factor=0.98),
            "CyclicLR",
            {
                "base_lr": 0.1,
                "max_lr": RATE,
                "step_size_up": 5,
                "step_size_down": down,
                "mode": {"exponential": "exp_range"}.get(mode, mode),
                "gamma": 0.98,
                "cycle_momentum": False,
            },
        )
        for mode, down in (("triangular", None), ("triangular2", 3), ("exponential", 8))
    },
    **{
        f"one_cycle, {shape}, {'three' if three else 'two'} phases": (
            optim.one_cycle(
                RATE,
                steps=STEPS + 1,
                share_up=0.23,
                shape=shape,
                three_phases=three,
                start_factor=0.1,
                final_factor=0.01,
            ),
            "OneCycleLR",
            {
                "max_lr": RATE,
                "total_steps": STEPS + 1,
                "pct_start": 0.23,
                "anneal_strategy": {"cosine": "cos"}.get(shape, shape),
                "three_phase": three,
                "div_factor": 10.0,
                "final_div_factor": 100.0,
                "cycle_momentum": False,
            },
        )
        for shape in ("cosine", "linear")
        for three in (False, True)
    },
    "one_cycle, defaults": (
        optim.one_cycle(RATE, steps=STEPS + 1),
        "OneCycleLR",
        {"max_lr": RATE, "total_steps": STEPS + 1, "cycle_momentum": False},
    ),
}


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed; it judges these schedules")


def rates_of(torch, make):
    """The rates of PyTorch's scheduler that `make(optimizer)` gives."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    scheduler, rates = make(optimizer), []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def agree(schedule, expected):
    numpy.testing.assert_allclose([float(schedule(n)) for n in range(STEPS)], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_rates_are_pytorchs(torch, name):
    schedule, judge, options = CASES[name]
    agree(schedule, rates_of(torch, lambda o: getattr(torch.optim.lr_scheduler, judge)(o, **options)))


def test_restarts_begin_where_a_logarithm_is_rounded_down():
    schedule = optim.cosine_restarts(1.0, steps=1, growth=10)  # log(1000) / log(10) is 2.9999999999999996
    assert [float(schedule(n)) for n in (0, 1, 11, 111)] == [1.0] * 4


def test_joined_is_pytorchs_sequence(torch):
    of = torch.optim.lr_scheduler
    ours = optim.joined(
        [
            optim.factor_at_start(RATE, steps=4, factor=0.1),
            optim.exponential_decay(RATE, factor=0.9),
            optim.cosine_annealing(RATE, steps=9),
        ],
        steps=[10, 35],
    )

    def make(o):
        parts = [
            of.ConstantLR(o, factor=0.1, total_iters=4),
            of.ExponentialLR(o, gamma=0.9),
            of.CosineAnnealingLR(o, 9),
        ]
        return of.SequentialLR(o, parts, milestones=[10, 35])

    agree(lambda n: ours(n) if n < 35 else 0.0, [x if n < 35 else 0.0 for n, x in enumerate(rates_of(torch, make))])


def test_product_is_pytorchs_chain_and_lambda(torch):
    of = torch.optim.lr_scheduler
    ours = optim.product(
        RATE, [optim.factor_at_start(1.0, steps=4, factor=0.1), optim.exponential_decay(1.0, factor=0.9)]
    )
    chain = lambda o: of.ChainedScheduler(  # noqa: E731
        [of.ConstantLR(o, factor=0.1, total_iters=4), of.ExponentialLR(o, gamma=0.9)], optimizer=o
    )
    agree(ours, rates_of(torch, chain))
    one = optim.product(RATE, [lambda step: 1 / (1 + step)])
    agree(one, rates_of(torch, lambda o: of.LambdaLR(o, lambda step: 1 / (1 + step))))


def test_warmup_cosine_is_warmup_and_then_a_cosine():
    schedule = optim.warmup_cosine(RATE, steps=50, warmup_steps=8, final=0.03)
    parts = optim.joined([optim.warmup(RATE, steps=8), optim.cosine_decay(RATE, steps=42, final=0.03)], steps=[8])
    agree(schedule, [float(parts(n)) for n in range(STEPS)])
    assert float(schedule(1000)) == pytest.approx(0.03)


@pytest.mark.parametrize("name", [*CASES, "warmup_cosine"])
def test_a_step_on_another_device_gives_a_rate_there_and_is_not_read(name):
    device = array_api_strict.Device("device1")
    schedule = CASES[name][0] if name in CASES else optim.warmup_cosine(RATE, steps=50, warmup_steps=8)
    for n in (0, 5, 30):
        rate = schedule(array_api_strict.asarray(n, device=device))
        assert rate.device == device
        assert rate.dtype == array_api_strict.float64
        assert float(rate) == pytest.approx(float(schedule(n)), rel=1e-14)


WRONG = [
    (lambda: optim.milestones(0.1, steps=[3, 3]), "expected steps to grow"),
    (lambda: optim.milestones(0.1, steps=3), "a list of integers"),
    (lambda: optim.joined([0.1, 0.2], steps=[]), "a step between each two schedules, got 0 for 2"),
    (lambda: optim.linear(0.1, steps=0), "steps of 1 or more"),
    (lambda: optim.one_cycle(0.1, steps=10, share_up=0.6, three_phases=True), "share_up of at most 0.5"),
    (lambda: optim.one_cycle(0.1, steps=10, shape="cubic"), "'cosine', 'linear', got 'cubic'"),
    (lambda: optim.cyclic(0.1, 0.2, mode="other"), "'triangular', 'triangular2', 'exponential'"),
    (lambda: optim.warmup_cosine(0.1, steps=5, warmup_steps=5), "steps of 6 or more"),
    (lambda: optim.cosine_restarts(0.1, steps=5, growth=0), "growth of 1 or more"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_options_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
