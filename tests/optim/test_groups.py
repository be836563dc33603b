"""Groups of parameters: flat arrays, options by name, sharing and freezing, models that change, saving and copying."""

import types

import numpy
import pytest

import xpnn
from xpnn import nn, optim
from xpnn.arrays.tree import tree_map

RNG = numpy.random.default_rng(9)
X, T = RNG.standard_normal((6, 3)), RNG.standard_normal((6, 2))
RULES = {
    "SGD": lambda model, **o: optim.SGD(model, learning_rate=0.1, **o),
    "momentum": lambda model, **o: optim.SGD(model, learning_rate=0.1, momentum=0.9, **o),
    "Adam": lambda model, **o: optim.Adam(model, learning_rate=0.1, **o),
}


def network(seed=1, dtype="float64"):
    layers = (nn.Linear(3, 3, dtype=dtype), nn.Tanh(), nn.Linear(3, 3, dtype=dtype), nn.Linear(3, 2, dtype=dtype))
    return nn.Sequential(*layers).initialize(seed=seed)


class Tied(nn.Module):
    """Two layers with one weight and biases of their own."""

    def __init__(self):
        self.a = nn.Linear(3, 3, dtype="float64")
        self.b = nn.Linear(3, 3, dtype="float64")
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(nn.tanh(self.a(x)))


class Holder(nn.Module):
    """Parameters as given."""

    def __init__(self, **arrays):
        for name, array in arrays.items():
            setattr(self, name, nn.Parameter(array))


def loss(model, x=X, t=T):
    y = model(x)
    return nn.squared_error(y, t[:, : y.shape[1]] if y.shape[1] <= t.shape[1] else x)


def train(optimizer, steps=3):
    for _ in range(steps):
        optimizer.step(xpnn.grad(loss)(optimizer.model))


def ones(model):
    return tree_map(lambda p: p * 0 + 1, model)


def bits(thing):
    return {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in thing.state_dict().items()}


def assert_close(model, expected, **tolerance):
    found, wanted = model.state_dict(), expected.state_dict()
    for name in wanted:
        numpy.testing.assert_allclose(found[name], wanted[name], err_msg=name, **tolerance)


# Flat arrays


def test_parameters_lie_in_one_aligned_array_and_the_model_sees_each_update():
    model = network(dtype="float32")
    before = [p.copy() for p in model.parameters()]
    optimizer = optim.SGD(model, learning_rate=0.5)
    flat = optimizer.groups[0].parameters
    held = model.parameters()
    for p, old in zip(held, before, strict=True):
        assert numpy.shares_memory(p, flat)
        assert (p.ctypes.data - flat.ctypes.data) % 256 == 0
        assert p.flags.c_contiguous
        numpy.testing.assert_array_equal(p, old)
    optimizer.step(ones(model))
    for p, same, old in zip(held, model.parameters(), before, strict=True):
        assert p is same  # no new arrays
        numpy.testing.assert_array_equal(p, old - numpy.float32(0.5))


@pytest.mark.parametrize("rule", RULES)
def test_any_shape_and_layout_of_parameters(rule):
    read_only = numpy.ones(3)
    read_only.flags.writeable = False
    arrays = {
        "none": numpy.zeros((0, 3)),
        "number": numpy.asarray(2.0),
        "fortran": numpy.asfortranarray(RNG.standard_normal((3, 4))),
        "strided": RNG.standard_normal((4, 6))[:, ::2],
        "none_again": numpy.zeros(0),
        "read_only": read_only,
        "long": RNG.standard_normal(1000),
    }
    before = {name: a.copy() for name, a in arrays.items()}
    model = Holder(**arrays)
    optimizer = RULES[rule](model)
    for name, old in before.items():
        numpy.testing.assert_array_equal(getattr(model, name), old)
    optimizer.step(ones(model))
    for name, old in before.items():
        assert getattr(model, name).shape == old.shape
        # atol: Adam's epsilon of 1e-8 times the rate
        numpy.testing.assert_allclose(getattr(model, name), old - 0.1, rtol=1e-14, atol=1e-8)
    assert (read_only == 1).all()  # the caller's own array is not written to


def test_dtypes_train_side_by_side():
    model = Holder(a=numpy.ones(3, dtype="float32"), b=numpy.ones(3), c=numpy.ones(2, dtype="float32"))
    optimizer = optim.SGD(model, learning_rate=0.5, momentum=0.5)
    optimizer.step(ones(model))
    assert [(str(p.dtype), p.tolist()) for p in model.parameters()] == [
        ("float32", [0.5] * 3),
        ("float64", [0.5] * 3),
        ("float32", [0.5] * 2),
    ]
    assert {str(a.dtype) for name, a in optimizer.state_dict().items() if name[0] == "b"} == {"float64"}


def test_what_is_loaded_into_the_model_is_what_is_updated():
    model, other = network(), network(seed=5)
    optimizer = optim.SGD(model, learning_rate=0.1)
    model.load_state_dict(other.state_dict())
    train(optimizer)
    train(optim.SGD(other, learning_rate=0.1))
    assert bits(model) == bits(other)
    model.initialize(seed=1)
    assert bits(model) == bits(network())
    assert numpy.shares_memory(model[0].weight, optimizer.groups[0].parameters)


@pytest.mark.parametrize("library", ["jax.numpy", "dask.array"])
def test_libraries_without_writing_in_place_are_refused_by_name(library):
    """A stand-in with the name only: JAX itself, beside PyTorch in one process, may abort when that ends."""
    namespace = types.ModuleType(library)

    class Array:
        shape, dtype, device = (3,), "float32", "cpu"

        def __array_namespace__(self, api_version=None):
            return namespace

    with pytest.raises(TypeError, match=f"writes parameters in place, which {library} arrays do not allow"):
        optim.SGD(Holder(w=Array()), learning_rate=0.1)


# Options by name


def test_groups_are_pytorchs_parameter_groups():
    torch = pytest.importorskip("torch")
    model = network()
    judge = torch.nn.Sequential(
        torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3), torch.nn.Linear(3, 2)
    ).double()
    judge.load_state_dict({name: torch.tensor(a) for name, a in model.state_dict().items()})
    groups = {
        "*.bias": {"weight_decay": 0.0, "learning_rate": 0.02},
        "0.*": {"learning_rate": optim.exponential_decay(0.05, factor=0.9)},
    }
    optimizer = optim.AdamW(model, learning_rate=0.01, weight_decay=0.3, epsilon=1e-2, groups=groups)
    named = dict(judge.named_parameters())
    other = torch.optim.AdamW(
        [
            {"params": [p for name, p in named.items() if "bias" in name], "weight_decay": 0.0, "lr": 0.02},
            {"params": [named["0.weight"]], "lr": 0.05},
            {"params": [named["2.weight"], named["3.weight"]]},
        ],
        lr=0.01,
        weight_decay=0.3,
        eps=1e-2,
    )
    constant = lambda n: 1.0  # noqa: E731
    scheduler = torch.optim.lr_scheduler.LambdaLR(other, [constant, lambda n: 0.9**n, constant])
    for _ in range(20):
        optimizer.step(xpnn.grad(loss)(model))
        other.zero_grad()
        torch.nn.functional.mse_loss(judge(torch.tensor(X)), torch.tensor(T)).backward()
        other.step()
        scheduler.step()
    for name, p in judge.state_dict().items():
        numpy.testing.assert_allclose(model.state_dict()[name], p.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)


def test_the_first_pattern_that_matches_counts():
    model = network()
    groups = {"*.bias": {"learning_rate": 0.0}, "0.*": {"learning_rate": 0.5}}
    before = model.state_dict()
    optim.SGD(model, learning_rate=0.25, groups=groups).step(ones(model))
    moved = {name: float((before[name] - a).max()) for name, a in model.state_dict().items()}
    expected = {"0.weight": 0.5, "2.weight": 0.25, "3.weight": 0.25}
    for name, distance in moved.items():
        numpy.testing.assert_allclose(distance, expected.get(name, 0), rtol=1e-14)


def test_learning_rates_are_told_for_each_group():
    groups = {"*.bias": {"learning_rate": optim.step_decay(0.5, steps=1, factor=0.5)}}
    optimizer = optim.SGD(network(), learning_rate=0.1, groups=groups)
    assert optimizer.learning_rates() == {"0.weight": 0.1, "0.bias": 0.5}
    optimizer.step(ones(optimizer.model))
    assert optimizer.learning_rates() == {"0.weight": 0.1, "0.bias": 0.25}


def test_the_own_rate_is_that_of_parameters_that_no_pattern_names():
    rate = optim.step_decay(0.1, steps=1, factor=0.5)
    optimizer = optim.SGD(network(), learning_rate=rate, groups={"0.*": {"learning_rate": 0.5}})
    assert list(optimizer.learning_rates().values()) == [0.5, 0.1]
    assert optimizer.own_rate() == 0.1
    optimizer.step(ones(optimizer.model))
    assert optimizer.own_rate() == 0.05
    optimizer.options["learning_rate"] = 0.25
    assert optimizer.own_rate() == 0.25
    assert optim.SGD(network(), learning_rate=0.1, groups={"*": {"learning_rate": 0.5}}).own_rate() == 0.5


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        ({"1.*": {}}, ValueError, r"no parameter is left for '1.\*'; there are 0.weight, 0.bias, 2.weight"),
        ({"*": {}, "0.*": {}}, ValueError, r"no parameter is left for '0.\*'"),
        ({"*.Bias": {}}, ValueError, "no parameter is left for"),
        ({"*.bias": {"lr": 0.1}}, ValueError, "SGD has no option lr; it has dampening"),
        ({"*.bias": {"epsilon": 0.1}}, ValueError, "SGD has no option epsilon"),
        ({"*.bias": 0.1}, TypeError, r"SGD expected groups as a mapping from patterns to options.*got \{'\*.bias': 0"),
        (["*.bias"], TypeError, "SGD expected groups as a mapping from patterns to options"),
        ({"*.bias": {"nesterov": True}}, ValueError, "nesterov=True expected momentum above 0"),
    ],
)
def test_groups_that_do_not_fit(groups, error, message):
    model = network()
    held = model[0].weight
    with pytest.raises(error, match=message):
        optim.SGD(model, learning_rate=0.1, groups=groups)
    assert model[0].weight is held


# Shared and frozen parameters


@pytest.mark.parametrize("rule", RULES)
def test_a_shared_parameter_is_updated_once(rule):
    torch = pytest.importorskip("torch")
    model = Tied().initialize(seed=3)
    a, b = torch.nn.Linear(3, 3).double(), torch.nn.Linear(3, 3).double()
    for layer, ours in ((a, model.a), (b, model.b)):
        layer.load_state_dict({"weight": torch.tensor(ours.weight), "bias": torch.tensor(ours.bias)})
    b.weight = a.weight
    optimizer = RULES[rule](model)
    options = {"momentum": 0.9} if rule == "momentum" else {}
    kind = torch.optim.Adam if rule == "Adam" else torch.optim.SGD
    other = kind([a.weight, a.bias, b.bias], lr=0.1, **options)
    for _ in range(5):
        optimizer.step(xpnn.grad(loss)(model))
        other.zero_grad()
        torch.nn.functional.mse_loss(b(torch.tanh(a(torch.tensor(X)))), torch.tensor(X)).backward()
        other.step()
    assert model.a.weight is model.b.weight
    for found, p in ((model.a.weight, a.weight), (model.a.bias, a.bias), (model.b.bias, b.bias)):
        numpy.testing.assert_allclose(found, p.detach().numpy(), rtol=1e-10, atol=1e-12)
    assert not [name for name in optimizer.state_dict() if name.startswith("b.weight")]


@pytest.mark.parametrize("rule", RULES)
def test_frozen_parameters_do_not_move(rule):
    model = network().freeze("0.*", "3.bias")
    before = bits(model)
    optimizer = RULES[rule](model)
    train(optimizer)
    after = bits(model)
    assert [name for name in before if before[name] != after[name]] == ["2.weight", "2.bias", "3.weight"]
    assert not [name for name in optimizer.state_dict() if name.startswith("0.")]


@pytest.mark.parametrize("rule", RULES)
def test_freezing_in_mid_run_keeps_the_state_of_the_others(rule):
    model, reference = network(), network()
    optimizer, other = RULES[rule](model), RULES[rule](reference)
    train(optimizer)
    train(other)
    model.freeze("0.*")
    frozen = model[0].weight.copy()
    for _ in range(3):
        optimizer.step(xpnn.grad(loss)(model))
        other.step(xpnn.grad(loss)(reference))
        reference[0].weight[...] = model[0].weight
        reference[0].bias[...] = model[0].bias
    numpy.testing.assert_array_equal(model[0].weight, frozen)
    assert_close(model, reference, rtol=1e-12, atol=1e-13)


def test_freezing_one_layer_for_another_of_the_same_shape_trains_the_other():
    """The number and shapes of trained parameters stay the same, so that only their identity tells."""
    model = network().freeze("0.*")
    optimizer = optim.SGD(model, learning_rate=0.1, momentum=0.9)
    train(optimizer)
    model.unfreeze().freeze("2.*")
    before = bits(model)
    train(optimizer)
    after = bits(model)
    assert [name for name in before if before[name] != after[name]] == ["0.weight", "0.bias", "3.weight", "3.bias"]


def test_freezing_a_whole_group_and_back():
    model = network()
    optimizer = optim.SGD(model, learning_rate=0.1, groups={"0.*": {"learning_rate": 0.5}})
    model.freeze("0.*")
    before = bits(model)
    optimizer.step(ones(model))
    assert bits(model)["0.weight"] == before["0.weight"]
    model.unfreeze()
    old = model[0].weight.copy()
    optimizer.step(ones(model))
    numpy.testing.assert_allclose(old - model[0].weight, 0.5, rtol=1e-14)


def test_a_parameter_that_the_loss_does_not_use_stays():
    model = nn.Sequential(*(nn.Linear(3, 3, dtype="float64") for _ in range(4))).initialize(seed=0)
    optimizer = optim.SGD(model, learning_rate=0.1, momentum=0.5)
    before = bits(model)
    optimizer.step(xpnn.grad(lambda m: nn.squared_error(m[1](X), X))(model))
    assert [name for name, b in bits(model).items() if b != before[name]] == ["1.weight", "1.bias"]


@pytest.mark.parametrize("compiled", [False, True])
def test_numbers_changed_by_hand(compiled):
    model = network()
    optimizer = optim.SGD(model, learning_rate=0.1, groups={"*.bias": {"learning_rate": 0.2}})

    def step(x, t):
        optimizer.step(xpnn.value_and_grad(loss)(model, x, t)[1])
        return xpnn.namespace_of(x).sum(x)

    run = xpnn.compile(step, state=(model, optimizer)) if compiled else step
    run(X, T)
    optimizer.options["learning_rate"] = 0.0
    before = model.state_dict()
    run(X, T)
    after = model.state_dict()
    same = {name for name in before if numpy.array_equal(before[name], after[name])}
    assert same == {name for name in before if name.endswith("weight")}
    optimizer.patterns["*.bias"]["learning_rate"] = 0.0
    run(X, T)
    assert all(numpy.array_equal(after[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["learning_rate", "lr", "beta1"])
def test_an_option_is_no_attribute(name):
    with pytest.raises(AttributeError, match=r"optimizer.options\['"):
        setattr(optim.Adam(network()), name, 0.0)
