"""The update rules against PyTorch's over 50 steps, in float64, and at the inputs that naive forms get wrong.

rtol = 1e-10, atol = 1e-12: each step adds errors of some 1e-16, and Adam's division by a small root magnifies them; the
options are chosen (epsilon 1e-2, momentum 0.5) so that variants of a rule differ by far more.
"""

import numpy
import pytest

import xpnn
from xpnn import nn, optim
from xpnn.arrays.tree import tree_map

RNG = numpy.random.default_rng(6)
X, T = RNG.standard_normal((8, 3)), RNG.standard_normal((8, 2))
STEPS = 50

SGD = {
    "plain": {},
    "momentum": {"momentum": 0.5},
    "Nesterov": {"momentum": 0.9, "nesterov": True},
    "decay": {"weight_decay": 0.1},
    "momentum and decay": {"momentum": 0.9, "weight_decay": 0.1},
    "all": {"momentum": 0.5, "nesterov": True, "weight_decay": 0.3},
}
ADAM = {
    "default": {},
    "betas": {"beta1": 0.5, "beta2": 0.8},
    "no first mean": {"beta1": 0.0},
    "no means": {"beta1": 0.0, "beta2": 0.0, "epsilon": 1e-2},
    "epsilon": {"epsilon": 1e-2},
    "epsilon 1": {"epsilon": 1.0, "beta2": 0.9},
    "decay": {"weight_decay": 0.1},
    "no decay": {"weight_decay": 0.0},
    "all": {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-2, "weight_decay": 0.3},
}
SCHEDULES = {
    "constant": 0.05,
    "step decay": optim.step_decay(0.05, steps=7, factor=0.5),
    "exponential decay": optim.exponential_decay(0.05, factor=0.9),
    "cosine decay": optim.cosine_decay(0.05, steps=30, final=0.01),
    "warmup": optim.warmup(optim.cosine_decay(0.05, steps=40), steps=10),
    "a user's": lambda step: 0.05 / (1 + step),
}
CASES = [
    pytest.param(rule, options, schedule, id=f"{rule}, {name}, {schedule}")
    for rule, table in (("SGD", SGD), ("Adam", ADAM), ("AdamW", ADAM))
    for name, options in table.items()
    for schedule in (SCHEDULES if name in ("momentum", "Nesterov", "all") else ("constant",))
]


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed; it judges these optimizers")


def network(dtype="float64"):
    return nn.Sequential(nn.Linear(3, 4, dtype=dtype), nn.Tanh(), nn.Linear(4, 2, dtype=dtype)).initialize(seed=2)


def loss(model, x, t):
    return nn.squared_error(model(x), t)


def twin(torch, model):
    """PyTorch's model with the same weights."""
    judge = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    judge.load_state_dict({name: torch.tensor(array) for name, array in model.state_dict().items()})
    return judge


def torch_optimizer(torch, rule, judge, options):
    names = {"learning_rate": "lr", "epsilon": "eps"}
    theirs = {names.get(name, name): value for name, value in options.items() if not name.startswith("beta")}
    if rule != "SGD":
        theirs["betas"] = (options.get("beta1", 0.9), options.get("beta2", 0.999))
    return getattr(torch.optim, rule)(judge.parameters(), **theirs)


def torch_step(torch, judge, optimizer):
    optimizer.zero_grad()
    torch.nn.functional.mse_loss(judge(torch.tensor(X)), torch.tensor(T)).backward()
    optimizer.step()


def assert_same(model, judge, message=""):
    for name, expected in judge.state_dict().items():
        found = model.state_dict()[name]
        numpy.testing.assert_allclose(found, expected.numpy(), rtol=1e-10, atol=1e-12, err_msg=f"{name} {message}")


# Against PyTorch


@pytest.mark.parametrize(("rule", "options", "schedule"), CASES)
def test_50_steps_are_pytorchs(torch, rule, options, schedule):
    rate = SCHEDULES[schedule]
    model = network()
    judge = twin(torch, model)
    optimizer = getattr(optim, rule)(model, learning_rate=rate, **options)
    other = torch_optimizer(torch, rule, judge, {"learning_rate": 0.05 if callable(rate) else rate, **options})
    rates = (lambda n: float(rate(n)) / 0.05) if callable(rate) else (lambda n: 1.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(other, rates)
    for step in range(STEPS):
        optimizer.step(xpnn.grad(loss)(model, X, T))
        torch_step(torch, judge, other)
        scheduler.step()
        if step in (0, 1, 9, STEPS - 1):
            assert_same(model, judge, f"after step {step + 1}")


@pytest.mark.parametrize("rule", ["SGD", "Adam", "AdamW"])
def test_defaults_are_pytorchs(torch, rule):
    model = network()
    judge = twin(torch, model)
    rate = {"learning_rate": 0.1} if rule == "SGD" else {}
    optimizer = getattr(optim, rule)(model, **rate)
    other = getattr(torch.optim, rule)(judge.parameters(), **({"lr": 0.1} if rate else {}))
    for _ in range(5):
        optimizer.step(xpnn.grad(loss)(model, X, T))
        torch_step(torch, judge, other)
    assert_same(model, judge)


def test_a_rate_that_changes_in_mid_run_acts_at_once_on_the_whole_velocity():
    """v <- 0.5 v + g, p <- p - rate v: the rate is outside the velocity, so old gradients count at the new rate."""
    model = nn.Linear(1, 1, bias=False, dtype="float64")
    model.weight[...] = 0.0
    optimizer = optim.SGD(model, learning_rate=lambda n: 0.1 if n < 2 else 0.01, momentum=0.5)
    found = []
    for _ in range(4):
        optimizer.step(xpnn.grad(lambda m: xpnn.namespace_of(m.weight).sum(m.weight))(model))
        found.append(model.weight.item())
    velocities = [1, 1.5, 1.75, 1.875]
    steps = [0.1, 0.1, 0.01, 0.01]
    expected = -numpy.cumsum(numpy.multiply(velocities, steps))
    numpy.testing.assert_allclose(found, expected, rtol=1e-14)


def test_adams_epsilon_is_added_after_the_correction_of_the_root():
    """With a constant gradient g, m / (1 - beta1^t) = g and v / (1 - beta2^t) = g^2: each step is g / (|g| + eps)."""
    model = nn.Linear(1, 1, bias=False, dtype="float64")
    model.weight[...] = 0.0
    optimizer = optim.Adam(model, learning_rate=0.1, epsilon=1e-2)
    for n in range(10):
        optimizer.step(xpnn.grad(lambda m: xpnn.namespace_of(m.weight).sum(m.weight * 1e-2))(model))
        # folded into the uncorrected root, the first step would be 0.0031, not 0.05
        numpy.testing.assert_allclose(model.weight, -0.1 * (n + 1) * 0.5, rtol=1e-12)


# Edges, in float32


def gradient_of(model, number):
    """Gradients that are all `number`, in the shape of the model."""
    return tree_map(lambda p: numpy.full_like(p, number), model)


RULES = {
    "SGD": lambda model: optim.SGD(model, learning_rate=0.1),
    "momentum": lambda model: optim.SGD(model, learning_rate=0.1, momentum=0.9),
    "Adam": lambda model: optim.Adam(model, learning_rate=0.1),
    "AdamW": lambda model: optim.AdamW(model, learning_rate=0.1, weight_decay=0.0),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_zero_gradient_changes_nothing(rule):
    model = network("float32")
    before = [p.tobytes() for p in model.parameters()]
    optimizer = RULES[rule](model)
    for _ in range(3):
        optimizer.step(gradient_of(model, 0.0))
    assert [p.tobytes() for p in model.parameters()] == before


@pytest.mark.parametrize("rule", ["Adam", "AdamW"])
@pytest.mark.parametrize("size", [1e-30, 1e-12, 1.0, 1e12])
def test_adams_first_step_is_the_rate_whatever_the_size(rule, size):
    model = network("float32")
    before = [p.copy() for p in model.parameters()]
    RULES[rule](model).step(gradient_of(model, size))
    # the square of 1e-30 underflows, and epsilon bounds tiny gradients: the step is then 0.1 size / (size + 1e-8)
    expected = 0.1 * size / ((size if size > 1e-20 else 0) + 1e-8)
    for p, old in zip(model.parameters(), before, strict=True):
        numpy.testing.assert_allclose(old - p, expected, rtol=1e-5, atol=1e-7)  # float32


def test_parameters_and_state_stay_float32_and_steps_integers():
    for rate in (0.1, numpy.float64(0.1), numpy.float32(0.1), optim.cosine_decay(0.1, steps=5), lambda n: 0.1):
        model = network("float32")
        optimizer = optim.AdamW(model, learning_rate=rate, weight_decay=numpy.float64(0.1), epsilon=numpy.float64(1e-3))
        for _ in range(2):
            optimizer.step(xpnn.grad(loss)(model, X.astype("float32"), T.astype("float32")))
        state = optimizer.state_dict()
        assert {str(p.dtype) for p in model.parameters()} == {"float32"}
        assert {name: str(s.dtype) for name, s in state.items() if s.dtype != "float32"} == {"steps": "int64"}
        assert state["steps"] == 2


def test_options_may_be_numpys_numbers_whatever_the_library_of_the_model(elsewhere):
    """array_api_strict refuses numpy.float32 beside its own arrays, and numpy.float64 would promote."""
    model = network("float32").to(elsewhere)
    number = numpy.float32(0.1)
    optimizer = optim.SGD(model, learning_rate=number, momentum=number, weight_decay=number)
    optimizer.step(tree_map(lambda p: p * 0 + 1, model))
    assert all(p.dtype == elsewhere.xp.float32 for p in model.parameters())


def test_the_step_count_stays_exact_and_finite_after_many_steps():
    model = network("float32")
    optimizer = optim.Adam(model, learning_rate=0.1)
    many = 2**31 + 2**24 + 1  # float32 could not count it, nor int32 hold it
    optimizer.load_state_dict(optimizer.state_dict() | {"steps": numpy.asarray(many)})
    optimizer.step(gradient_of(model, 1.0))
    assert optimizer.state_dict()["steps"] == many + 1
    assert all(numpy.isfinite(p).all() for p in model.parameters())


@pytest.mark.parametrize("rule", RULES)
def test_gradients_are_left_alone(rule):
    model = network()
    gradient = xpnn.grad(loss)(model, X, T)
    before = [g.copy() for g in gradient.parameters()]
    optimizer = RULES[rule](model)
    optimizer.step(gradient)
    optimizer.step(gradient)
    for g, old in zip(gradient.parameters(), before, strict=True):
        numpy.testing.assert_array_equal(g, old)


def test_a_rate_of_zero_is_allowed_and_moves_nothing():
    for rule in (optim.SGD, optim.Adam, optim.AdamW):
        model = network()
        before = [p.tobytes() for p in model.parameters()]
        rule(model, learning_rate=0.0, weight_decay=0.1).step(xpnn.grad(loss)(model, X, T))
        assert [p.tobytes() for p in model.parameters()] == before


# What is refused

OUT_OF_RANGE = [
    ("learning_rate", -0.1, "of 0 or more"),
    ("learning_rate", numpy.nan, "of 0 or more"),
    ("learning_rate", numpy.inf, "of 0 or more"),
    ("weight_decay", -1e-3, "of 0 or more"),
    ("weight_decay", numpy.nan, "of 0 or more"),
    ("momentum", 1.0, "from 0 to below 1"),
    ("momentum", -0.1, "from 0 to below 1"),
    ("beta1", 1.0, "from 0 to below 1"),
    ("beta2", 1, "from 0 to below 1"),
    ("beta2", numpy.nan, "from 0 to below 1"),
    ("epsilon", 0.0, "above 0"),
    ("epsilon", -1e-8, "above 0"),
    ("epsilon", numpy.inf, "above 0"),
]


def rules_with(name):
    return [optim.SGD] if name == "momentum" else [optim.Adam, optim.AdamW]


@pytest.mark.parametrize(("name", "value", "expected"), OUT_OF_RANGE)
def test_options_out_of_range(name, value, expected):
    for rule in rules_with(name):
        for options in ({"learning_rate": 0.1, name: value}, {"learning_rate": 0.1, "groups": {"*": {name: value}}}):
            model = network()
            held = model[0].weight
            with pytest.raises(ValueError, match=f"{rule.__name__} expected {name} {expected}, got {value!r}"):
                rule(model, **options)
            assert model[0].weight is held  # not moved into a flat array


@pytest.mark.parametrize("value", ["0.1", None, [0.1], numpy.asarray(0.1), True, 1j])
@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "momentum", "beta1", "epsilon"])
def test_options_that_are_no_numbers(name, value):
    for rule in rules_with(name):
        with pytest.raises(TypeError, match=f"{rule.__name__} expected {name} to be a number, got"):
            rule(network(), **{"learning_rate": 0.1, name: value})


def test_nesterov_needs_momentum():
    with pytest.raises(ValueError, match="SGD with nesterov=True expected momentum above 0, got 0"):
        optim.SGD(network(), learning_rate=0.1, nesterov=True)


@pytest.mark.parametrize("model", [None, [numpy.ones(3)], network().parameters(), nn.Linear])
def test_only_models_are_trained(model):
    with pytest.raises(TypeError, match=r"Adam expected a model \(a Module\), got (NoneType|list|type)"):
        optim.Adam(model)


@pytest.mark.parametrize("model", [nn.Tanh(), nn.Sequential(nn.Dropout(0.5)), network().freeze()])
def test_a_model_without_parameters(model):
    with pytest.raises(ValueError, match="has no parameters to train"):
        optim.Adam(model)


def test_optimizers_show_their_options():
    assert repr(optim.SGD(network(), learning_rate=0.1, momentum=0.9)) == (
        "SGD(learning_rate=0.1, momentum=0.9, nesterov=False, weight_decay=0.0)"
    )


def test_adam_refuses_complex_parameters_and_sgd_takes_them():
    class Rotation(nn.Module):
        def __init__(self):
            self.factor = nn.Parameter(numpy.asarray([1 + 1j, 2j]))

    for make in (optim.Adam, optim.AdamW):
        with pytest.raises(TypeError, match="expected real parameters, got factor of complex128"):
            make(Rotation())
    model = Rotation()
    optimizer = optim.SGD(model, learning_rate=0.5)
    optimizer.step([numpy.asarray([2.0, 2j])])
    assert model.factor.tolist() == [1j, 1j]


def test_rmsprop_centered_stays_finite_along_a_constant_gradient():
    model = nn.Linear(1, 500, bias=False)
    g = numpy.linspace(0.1, 3, 500, dtype="float32")[:, None]  # for some the mean square is rounded to below the square
    optimizer = optim.RMSprop(model, centered=True, decay=0.9)
    for _ in range(200):
        optimizer.step([g])
    assert numpy.isfinite(model.weight).all()


def test_nadam_keeps_the_product_of_its_momenta_where_a_layer_is_unfrozen():
    model = network()
    frozen = list(model.named_parameters())[-1][0]
    model.freeze(frozen)
    optimizer = optim.NAdam(model)
    rest = [numpy.ones_like(p) for p in model.parameters()]
    for _ in range(5):
        optimizer.step(rest)
    before = {name: x for name, x in optimizer.state_dict().items() if name.endswith("momentum_product")}
    model.unfreeze(frozen)
    after = optimizer.state_dict()
    assert set(before) < {name for name in after if name.endswith("momentum_product")}
    assert {float(x) for name, x in after.items() if name.endswith("momentum_product")} == {
        float(x) for x in before.values()
    }
    assert all(float(x) < 1 for x in before.values())
