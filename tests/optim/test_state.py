"""An optimizer whose model changes under it, that is saved, loaded and copied, or gets what does not fit."""

import copy
import pickle

import numpy
import pytest
from elsewhere import on_gpu

import xpnn
from xpnn import nn, optim
from xpnn.arrays.devices import device_of
from xpnn.arrays.tree import tree_map
from xpnn.training import checkpoint

RNG = numpy.random.default_rng(9)
X, T = RNG.standard_normal((6, 3)), RNG.standard_normal((6, 2))
RULES = {
    "SGD": lambda model: optim.SGD(model, learning_rate=0.1),
    "momentum": lambda model: optim.SGD(model, learning_rate=0.1, momentum=0.9),
    "Adam": lambda model: optim.Adam(model, learning_rate=optim.exponential_decay(0.1, factor=0.9)),
    "AdamW": lambda model: optim.AdamW(model, groups={"*.bias": {"weight_decay": 0.0, "learning_rate": 0.01}}),
}


def network(seed=1, dtype="float64"):
    return nn.Sequential(nn.Linear(3, 3, dtype=dtype), nn.Tanh(), nn.Linear(3, 2, dtype=dtype)).initialize(seed=seed)


def loss(model, x, t):
    return nn.squared_error(model(x), t)


def train(optimizer, steps=3, put=lambda x: x):
    for _ in range(steps):
        optimizer.step(xpnn.grad(loss)(optimizer.model, put(X), put(T)))


def ones(model):
    return tree_map(lambda p: p * 0 + 1, model)


def bits(thing):
    return {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in thing.state_dict().items()}


# Models that change


@pytest.mark.parametrize("rule", RULES)
def test_moving_the_model_in_mid_run_changes_nothing(elsewhere, rule):
    here, there = RULES[rule](network()), RULES[rule](network())
    train(here, 6)
    train(there, 3)
    there.model.to(elsewhere)
    train(there, 3, put=elsewhere.asarray)
    for name, expected in here.model.state_dict().items():
        found = there.model.state_dict()[name]
        assert device_of(found) == elsewhere
        # rtol: the same operations in another library, on float64
        numpy.testing.assert_allclose(elsewhere.to_host(found), expected, rtol=1e-12, atol=1e-14)
    assert {device_of(a) for a in there.state_dict().values()} == {elsewhere}
    assert int(there.state_dict()["steps"]) == 6


@pytest.mark.parametrize("rule", RULES)
def test_changing_the_dtype_in_mid_run_keeps_the_state(rule):
    optimizer = RULES[rule](network(dtype="float32"))
    train(optimizer, put=lambda x: x.astype("float32"))
    before = optimizer.state_dict()
    optimizer.model.to(dtype="float64")
    train(optimizer, 1)
    assert {str(a.dtype) for name, a in optimizer.state_dict().items() if name != "steps"} == {"float64"}
    assert optimizer.state_dict()["steps"] == 4
    if rule == "momentum":
        assert (before["0.weight.velocity"] != 0).all()


def test_a_replaced_parameter_is_trained():
    model = network()
    optimizer = optim.SGD(model, learning_rate=0.5)
    train(optimizer)
    model[0].weight = numpy.zeros((3, 3))
    optimizer.step(ones(model))
    numpy.testing.assert_array_equal(model[0].weight, numpy.full((3, 3), -0.5))


def test_a_replaced_layer_of_another_shape_is_trained_and_the_others_keep_their_state():
    model = network()
    optimizer = optim.SGD(model, learning_rate=0.1, momentum=0.5)
    optimizer.step(ones(model))
    setattr(model, "2", nn.Linear(3, 4, dtype="float64"))
    before = model.state_dict()
    optimizer.step(ones(model))
    after = model.state_dict()
    # velocities: 1 and then 1.5 for the kept layer, 1 for the new one
    numpy.testing.assert_allclose(before["0.weight"] - after["0.weight"], 0.15, rtol=1e-12)
    numpy.testing.assert_allclose(before["2.weight"] - after["2.weight"], 0.1, rtol=1e-12)


def test_an_added_layer_is_trained_and_a_removed_one_forgotten():
    model = network()
    optimizer = optim.Adam(model, learning_rate=0.1)
    train(optimizer)
    setattr(model, "3", nn.Linear(2, 2, dtype="float64"))
    before = bits(model)
    train(optimizer)
    assert all(before[name] != after for name, after in bits(model).items())
    delattr(model, "3")
    train(optimizer)
    assert not [name for name in optimizer.state_dict() if name.startswith("3.")]


@pytest.mark.parametrize("rule", RULES)
def test_two_optimizers_of_one_model_take_turns(rule):
    """Each keeps its own state, as if the other's updates came from outside."""
    model, reference = network(), network()
    first, second = RULES[rule](model), optim.SGD(model, learning_rate=0.01)
    alone = RULES[rule](reference)
    for _ in range(3):
        train(first, 1)
        train(alone, 1)
        second.step(ones(model))
        for p in reference.parameters():
            p -= 0.01
    for a, b in zip(model.parameters(), reference.parameters(), strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


# Saving and loading


def test_the_names_of_the_state():
    names = {name: set(RULES[name](network()).state_dict()) for name in ("momentum", "Adam")}
    parameters = ("0.weight", "0.bias", "2.weight", "2.bias")
    assert names["momentum"] == {"steps", *(f"{p}.velocity" for p in parameters)}
    assert names["Adam"] == {"steps", *(f"{p}.{s}" for p in parameters for s in ("mean", "square"))}


@pytest.mark.parametrize("rule", RULES)
def test_a_run_goes_on_from_a_file_bit_for_bit(rule, tmp_path):
    whole, half = RULES[rule](network()), RULES[rule](network())
    train(whole, 6)
    train(half, 3)
    checkpoint.save(tmp_path / "model", half.model.state_dict())
    checkpoint.save(tmp_path / "optimizer", half.state_dict())
    again = RULES[rule](network(seed=4))
    again.model.load_state_dict(checkpoint.load(tmp_path / "model")[0])
    again.load_state_dict(checkpoint.load(tmp_path / "optimizer")[0])
    train(again, 3)
    assert bits(again) == bits(whole)
    assert bits(again.model) == bits(whole.model)


def test_a_state_dict_holds_copies():
    optimizer = RULES["Adam"](network())
    train(optimizer)
    state, before = optimizer.state_dict(), bits(optimizer)
    for array in state.values():
        array[...] = 7
    assert bits(optimizer) == before
    train(optimizer)
    assert {float(array.max()) for array in state.values()} == {7}


def test_a_state_from_another_device_and_precision_fits(elsewhere):
    optimizer, other = RULES["Adam"](network()), RULES["Adam"](network(dtype="float32").to(elsewhere))
    train(optimizer)
    other.load_state_dict(optimizer.state_dict())
    for name, array in other.state_dict().items():
        assert device_of(array) == elsewhere
        numpy.testing.assert_allclose(elsewhere.to_host(array), optimizer.state_dict()[name], rtol=1e-7)  # float32


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: s.pop("0.bias.mean"), ValueError, "does not fit this Adam: missing 0.bias.mean, unexpected none"),
        (lambda s: s.update(extra=s["steps"]), ValueError, "missing none, unexpected extra"),
        (lambda s: s.update({"2.bias.mean": numpy.ones(3)}), ValueError, r"2.bias.mean expected shape \(2,\), got \(3"),
        (lambda s: s.update({"2.bias.square": [1, 2]}), ValueError, r"2.bias.square expected shape \(2,\), got list"),
        (lambda s: s.update(steps=numpy.asarray(2.5)), ValueError, "steps expected int64, got float64"),
        (lambda s: s.update(steps=3), ValueError, r"steps expected shape \(\), got int"),
        (lambda s: s.update({"2.bias.mean": 1j * numpy.ones(2)}), ValueError, "2.bias.mean expected float64, got comp"),
        (lambda s: s.update({"2.bias.mean": numpy.ones(2, dtype=bool)}), ValueError, "expected float64, got bool"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, error, message):
    optimizer = RULES["Adam"](network())
    train(optimizer, 2)
    state = {name: array * 0 for name, array in optimizer.state_dict().items()}
    change(state)
    before = bits(optimizer)
    with pytest.raises(error, match=message):
        optimizer.load_state_dict(state)
    assert bits(optimizer) == before


@pytest.mark.parametrize("state", [None, [], "state", numpy.ones(3)])
def test_a_state_that_is_no_mapping(state):
    with pytest.raises(TypeError, match=r"state.*got (NoneType|list|str|ndarray)"):
        RULES["Adam"](network()).load_state_dict(state)


# Copies


@pytest.mark.parametrize("rule", ["SGD", "momentum", "AdamW"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_of_an_optimizer_trains_the_copy_of_its_model(rule, copied):
    model = network()
    optimizer = RULES[rule](model)
    train(optimizer)
    other_model, other = copied((model, optimizer))
    assert other.model is other_model
    assert bits(other) == bits(optimizer)
    before = bits(model)
    train(other)
    assert bits(model) == before
    train(optimizer)
    assert bits(other_model) == bits(model)
    assert bits(other) == bits(optimizer)


# Gradients that do not fit


def odd(position, array):
    """From the gradients of a network to a list of them with another array in one place."""
    return lambda gradients: [array if n == position else g for n, g in enumerate(gradients.parameters())]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda g: None, TypeError, "as value_and_grad gives them for it, got NoneType"),
        (lambda g: dict(g.named_parameters()), TypeError, "as value_and_grad gives them for it, got dict"),
        (lambda g: [], ValueError, "gradients of the model's 4 parameters, as value_and_grad gives them, got 0"),
        (lambda g: g[0], ValueError, "got 2 arrays"),
        (lambda g: g.parameters()[0], TypeError, "as value_and_grad gives them for it, got ndarray"),
        (lambda g: g.parameters()[:1], ValueError, "got 1 arrays"),
        (lambda g: [*g.parameters(), g[0].bias], ValueError, "got 5 arrays"),
        (odd(0, numpy.ones((3, 4))), ValueError, r"gradient of shape \(3, 3\), as its parameter, got \(3, 4\)"),
        (odd(2, numpy.ones((3, 2))), ValueError, r"gradient of shape \(2, 3\), as its parameter, got \(3, 2\)"),
        (odd(2, numpy.ones((1, 3))), ValueError, r"gradient of shape \(2, 3\), as its parameter, got \(1, 3\)"),
        (odd(2, 1j * numpy.ones((2, 3))), TypeError, "gradient of float64, as its parameter, got complex128"),
        (lambda g: [1.0] * 4, ValueError, r"gradient of shape \(3, 3\), as its parameter, got float"),
        (lambda g: [g[0].bias] * 4, ValueError, r"gradient of shape \(3, 3\), as its parameter, got \(3,\)"),
    ],
)
@pytest.mark.parametrize("rule", ["SGD", "momentum", "Adam"])
def test_gradients_that_do_not_fit_change_nothing(rule, change, error, message):
    optimizer = RULES[rule](network())
    train(optimizer, 2)
    gradients = change(xpnn.grad(loss)(optimizer.model, X, T))
    before = bits(optimizer), bits(optimizer.model)
    with pytest.raises(error, match=message):
        optimizer.step(gradients)
    assert (bits(optimizer), bits(optimizer.model)) == before


def test_gradients_of_another_library_change_nothing(elsewhere):
    optimizer = RULES["momentum"](network())
    train(optimizer)
    gradients = [elsewhere.asarray(g) for g in xpnn.grad(loss)(optimizer.model, X, T).parameters()]
    before = bits(optimizer), bits(optimizer.model)
    other = "cupy" if on_gpu(elsewhere) else "array_api_strict"
    with pytest.raises((TypeError, ValueError, RuntimeError), match=f"numpy.*{other}|{other}.*numpy"):
        optimizer.step(gradients)
    assert (bits(optimizer), bits(optimizer.model)) == before


def test_gradients_that_are_one_array_several_times_count_for_each_parameter():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)).initialize(seed=0)
    before = [p.copy() for p in model.parameters()]
    one = numpy.ones((2, 2), dtype="float32")
    optim.SGD(model, learning_rate=0.5).step([one, one])
    for p, old in zip(model.parameters(), before, strict=True):
        numpy.testing.assert_array_equal(p, old - numpy.float32(0.5))


def test_an_optimizer_of_ones_own_is_a_rule():
    class SignDescent(optim.Optimizer):
        state_names = ("last",)

        def __init__(self, model, *, learning_rate, kind="sign", groups=None):
            super().__init__(model, {"learning_rate": learning_rate, "kind": kind}, groups)

        def rule(self, p, g, state, rate, step, options):
            assert options["kind"] == "sign"
            p -= rate * xpnn.namespace_of(p).sign(g)
            state["last"][...] = g

    model = network()
    before = [p.copy() for p in model.parameters()]
    optimizer = SignDescent(model, learning_rate=0.25)
    optimizer.step(tree_map(lambda p: p * 0 - 3, model))
    for p, old in zip(model.parameters(), before, strict=True):
        numpy.testing.assert_allclose(p, old + 0.25, rtol=1e-15)
    assert (optimizer.state_dict()["0.bias.last"] == -3).all()
    with pytest.raises(ValueError, match="SignDescent expected learning_rate of 0 or more, got -1"):
        SignDescent(model, learning_rate=-1)
