"""Rules against PyTorch's over 50 steps, in options that PyTorch's own cases (`tests/parity`) do not have; and Lion,
which PyTorch lacks, against its formula.

rtol = 1e-10, atol = 1e-12, as in test_optimizers.
"""

import numpy
import pytest

import xpnn
from xpnn import nn, optim

RNG = numpy.random.default_rng(6)
X, T = RNG.standard_normal((8, 3)), RNG.standard_normal((8, 2))
CASES = {  # our rule, our options, PyTorch's options
    "SGD, dampened": ("SGD", {"momentum": 0.5, "dampening": 0.4}, {"momentum": 0.5, "dampening": 0.4}),
    "Adam, amsgrad": ("Adam", {"amsgrad": True, "beta2": 0.5}, {"amsgrad": True, "betas": (0.9, 0.5)}),
    "AdamW, amsgrad": ("AdamW", {"amsgrad": True, "beta2": 0.5}, {"amsgrad": True, "betas": (0.9, 0.5)}),
    "Adamax": ("Adamax", {"beta1": 0.5, "beta2": 0.9, "epsilon": 0.1}, {"betas": (0.5, 0.9), "eps": 0.1}),
    "NAdam": (
        "NAdam",
        {"beta1": 0.8, "beta2": 0.9, "epsilon": 0.1, "momentum_decay": 0.1},
        {"betas": (0.8, 0.9), "eps": 0.1, "momentum_decay": 0.1},
    ),
    # beta2 = 0.9: the mean square counts from the 6th step on; 0.5: never
    "RAdam": ("RAdam", {"beta1": 0.8, "beta2": 0.9, "epsilon": 0.1}, {"betas": (0.8, 0.9), "eps": 0.1}),
    "RAdam, never": ("RAdam", {"beta2": 0.5}, {"betas": (0.9, 0.5)}),
    "Adagrad": (
        "Adagrad",
        {"rate_decay": 0.1, "initial_sum": 0.5, "epsilon": 0.1},
        {"lr_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 0.1},
    ),
    "Adadelta": ("Adadelta", {"decay": 0.5, "epsilon": 0.1}, {"rho": 0.5, "eps": 0.1}),
    "RMSprop": ("RMSprop", {"decay": 0.5, "epsilon": 0.1}, {"alpha": 0.5, "eps": 0.1}),
    "RMSprop, centered": (
        "RMSprop",
        {"decay": 0.5, "epsilon": 0.1, "centered": True, "momentum": 0.5, "weight_decay": 0.1},
        {"alpha": 0.5, "eps": 0.1, "centered": True, "momentum": 0.5, "weight_decay": 0.1},
    ),
}
ALL = ["SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Adagrad", "Adadelta", "RMSprop", "Lion"]


@pytest.fixture
def torch():
    module = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these optimizers")
    module.set_default_dtype(module.float64)  # in which it keeps NAdam's product
    yield module
    module.set_default_dtype(module.float32)


def network(dtype="float64", bias=True):
    layers = nn.Linear(3, 4, bias=bias, dtype=dtype), nn.Tanh(), nn.Linear(4, 2, bias=bias, dtype=dtype)
    return nn.Sequential(*layers).initialize(seed=2)


def loss(model, x, t):
    return nn.squared_error(model(x), t)


def made(rule, model, **options):
    return getattr(optim, rule)(model, **{"learning_rate": 0.05, **options})


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", CASES)
def test_50_steps_are_pytorchs(torch, name, decay):
    rule, ours, theirs = CASES[name]
    model = network()
    judge = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    judge.load_state_dict({name: torch.tensor(array) for name, array in model.state_dict().items()})
    decay = {"weight_decay": decay}
    optimizer, other = (
        made(rule, model, **{**decay, **ours}),
        getattr(torch.optim, rule)(judge.parameters(), **{"lr": 0.05, **decay, **theirs}),
    )
    for step in range(50):
        optimizer.step(xpnn.grad(loss)(model, X, T))
        other.zero_grad()
        torch.nn.functional.mse_loss(judge(torch.tensor(X)), torch.tensor(T)).backward()
        other.step()
        for key, expected in judge.state_dict().items():
            found = model.state_dict()[key]
            numpy.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12, err_msg=f"{key} after {step + 1}")


@pytest.mark.parametrize("rule", ["NAdam", "RAdam"])
def test_decoupled_weight_decay_is_pytorchs(torch, rule):
    model = network()
    judge = torch.nn.Linear(3, 4).double()
    judge.load_state_dict({name: torch.tensor(array) for name, array in model[0].state_dict().items()})
    options = {"weight_decay": 0.3, "decoupled_weight_decay": True}
    optimizer = made(rule, model[0], **options)
    other = getattr(torch.optim, rule)(judge.parameters(), lr=0.05, **options)
    for _ in range(20):
        gradients = [RNG.standard_normal((4, 3)), RNG.standard_normal(4)]
        for p, g in zip(judge.parameters(), gradients, strict=True):
            p.grad = torch.tensor(g)
        other.step()
        optimizer.step(gradients)
    numpy.testing.assert_allclose(model[0].weight, judge.weight.detach(), rtol=1e-10)


@pytest.mark.parametrize("rule", ["SGD", "NAdam", "RAdam", "Adagrad", "Adadelta", "RMSprop"])
def test_decoupled_weight_decay_does_not_pass_through_the_state(rule):
    plain, decayed = network(), network()
    optimizer = made(rule, plain)
    other = made(rule, decayed, weight_decay=0.5, decoupled_weight_decay=True)
    gradients = xpnn.grad(loss)(plain, X, T)
    before = plain[0].weight.copy()
    optimizer.step(gradients)
    other.step(gradients)
    expected = plain[0].weight - 0.05 * 0.5 * before
    numpy.testing.assert_allclose(decayed[0].weight, expected, rtol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_lion_is_its_formula(decay):
    model = network()
    optimizer = made("Lion", model, beta1=0.8, beta2=0.6, weight_decay=decay)
    p = model[0].weight.copy()
    m = numpy.zeros_like(p)
    for _ in range(20):
        gradients = xpnn.grad(loss)(model, X, T)
        g = gradients[0].weight.copy()
        p = p - 0.05 * (numpy.sign(0.8 * m + 0.2 * g) + decay * p)
        m = 0.6 * m + 0.4 * g
        optimizer.step(gradients)
        numpy.testing.assert_allclose(model[0].weight, p, rtol=1e-12)


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("scale", ["original", "adamw"])
def test_muon_is_pytorchs_without_its_rounding_to_bfloat16(torch, monkeypatch, scale, nesterov):
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    layer, judge = nn.Linear(5, 3, bias=False, dtype="float64"), torch.nn.Linear(5, 3, bias=False)
    judge.load_state_dict({"weight": torch.tensor(layer.weight)})
    ours = optim.Muon(layer, learning_rate=0.1, scale=scale, nesterov=nesterov)
    words = {"original": "original", "adamw": "match_rms_adamw"}
    other = torch.optim.Muon(judge.parameters(), lr=0.1, nesterov=nesterov, adjust_lr_fn=words[scale])
    for _ in range(10):
        g = RNG.standard_normal((3, 5))
        judge.weight.grad = torch.tensor(g)
        other.step()
        ours.step([g])
    numpy.testing.assert_allclose(layer.weight, judge.weight.detach(), rtol=1e-10)


def test_muons_update_has_singular_values_near_1():
    for shape in ((6, 3), (3, 6), (4, 4)):
        layer = nn.Linear(*shape[::-1], bias=False, dtype="float64")
        layer.weight[...] = 0.0
        optim.Muon(layer, learning_rate=1.0, weight_decay=0.0).step([RNG.standard_normal(shape)])
        values = numpy.linalg.svd(layer.weight / max(1, shape[0] / shape[1]) ** 0.5, compute_uv=False)
        assert values.min() > 0.6
        assert values.max() < 1.3


def test_muon_of_zeros_stays():
    layer = nn.Linear(3, 2, bias=False)
    before = layer.weight.copy()
    optim.Muon(layer, weight_decay=0.0).step([numpy.zeros((2, 3), dtype="float32")])
    assert numpy.array_equal(layer.weight, before)


@pytest.mark.parametrize("rule", [*ALL, "Muon"])
def test_a_quadratic_bowl_is_descended_in_float32(rule):
    layer = nn.Linear(3, 4, bias=False)
    layer.weight[...] = 1.0
    optimizer = made(rule, layer, **({"learning_rate": 10.0} if rule == "Adadelta" else {}))
    for _ in range(60):
        optimizer.step([layer.weight.copy()])
    assert layer.weight.dtype == "float32"
    assert float(numpy.abs(layer.weight).max()) < 0.9


@pytest.mark.parametrize("rule", [name for name in ALL if name != "SGD"])
def test_a_gradient_of_zero_from_the_first_step_is_no_nan(rule):
    model = network("float32")
    before = model.state_dict()
    made(rule, model, **({"weight_decay": 0.0} if rule in ("AdamW", "Lion") else {})).step(
        [numpy.zeros_like(p) for p in model.parameters()]
    )
    assert all(numpy.array_equal(model.state_dict()[name], before[name]) for name in before)


def test_state_that_no_option_asks_for_is_not_there():
    model = network()
    assert not [name for name in made("Adam", model).state_dict() if "largest" in name]
    assert [name for name in made("Adam", model, amsgrad=True).state_dict() if "largest" in name]
    kept = {name.rpartition(".")[2] for name in made("RMSprop", model).state_dict()}
    assert kept == {"steps", "square"}


def test_numbers_of_the_state_are_saved_for_each_parameter():
    model = network()
    optimizer = made("NAdam", model, groups={"*.bias": {"learning_rate": 0.1}})
    for _ in range(3):
        optimizer.step(xpnn.grad(loss)(model, X, T))
    state = optimizer.state_dict()
    products = [array for name, array in state.items() if name.endswith("momentum_product")]
    assert len(products) == 4
    assert {array.shape for array in products} == {()}
    assert len({float(array) for array in products}) == 1
    assert 0.0 < float(products[0]) < 0.2


WRONG = [
    (lambda m: optim.Adam(m, amsgrad=1), TypeError, "amsgrad to be True or False"),
    (lambda m: optim.SGD(m, learning_rate=0.1, momentum=0.5, nesterov=True, dampening=0.1), ValueError, "no dampening"),
    (lambda m: optim.SGD(m, learning_rate=0.1, dampening=1.5), ValueError, "dampening from 0 to 1"),
    (lambda m: optim.Adadelta(m, decay=1.0), ValueError, "decay from 0 to below 1"),
    (lambda m: optim.Adagrad(m, rate_decay=-0.5), ValueError, "rate_decay of 0 or more"),
    (lambda m: optim.NAdam(m, momentum_decay=-0.2), ValueError, "momentum_decay of 0 or more"),
    (lambda m: optim.Muon(m), ValueError, "two axes, got 0.bias of shape"),
    (lambda m: optim.Muon(m.freeze("*.bias"), iterations=0), ValueError, "iterations to be a positive integer"),
    (lambda m: optim.Muon(m.freeze("*.bias"), scale="other"), ValueError, "'original' or 'adamw'"),
    (lambda m: optim.Muon(m.freeze("*.bias"), coefficients=(1.0, 2.0)), ValueError, "three coefficients"),
    (lambda m: optim.Adam(m, groups={"*": {"used_rows_only": 1}}), TypeError, "used_rows_only to be True or False"),
    (
        lambda m: optim.NAdam(m, groups={"*": {"used_rows_only": True}}),
        ValueError,
        "its rule is not one for each element",
    ),
]


@pytest.mark.parametrize(("make", "error", "message"), WRONG, ids=[message for *_, message in WRONG])
def test_wrong_options_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make(network())
