"""Loading a state: in place, from elsewhere, by any name of a shared array, and what does not fit."""

import numpy
import pytest

from xpnn import nn

X = numpy.random.default_rng(0).standard_normal((5, 3)).astype("float32")


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        self.a = nn.Linear(3, 3, bias=False)
        self.b = nn.Linear(3, 3, bias=False)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(nn.tanh(self.a(x)))


def network(seed=0):
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2)).initialize(seed=seed)


def bits(model):
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in model.state_dict().items()}


def test_a_state_dict_holds_copies_and_goes_back_in_place():
    model = network()
    held = model[0].weight
    state = model.state_dict()
    before = bits(model)
    model[0].weight[...] = 0
    assert (state["0.weight"] != 0).any()
    assert model.load_state_dict(state) is model
    assert bits(model) == before
    assert model[0].weight is held
    state["0.weight"][...] = 5
    assert bits(model) == before


def test_a_state_from_another_device_and_precision_fits(elsewhere):
    model = network()
    model.load_state_dict(network(seed=4).to(elsewhere, dtype="float64").state_dict())
    assert bits(model) == bits(network(seed=4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("3.bias"), "missing 3.bias, unexpected none"),
        (lambda s: s.update(extra=numpy.ones(1)), "missing none, unexpected extra"),
        (lambda s: s.update({"3.bias": numpy.ones(3)}), r"3.bias expected shape \(2,\), got \(3,\)"),
        (lambda s: s.update({"3.bias": numpy.ones((2, 1))}), r"3.bias expected shape \(2,\), got \(2, 1\)"),
        (lambda s: s.update({"3.bias": numpy.arange(2)}), "3.bias expected float32, got int64"),
        (lambda s: s.update({"3.bias": numpy.ones(2, dtype="complex64")}), "3.bias expected float32, got complex64"),
        (lambda s: s.update({"3.bias": [1.0, 2.0]}), r"3.bias expected shape \(2,\), got list"),
        (lambda s: s.update({"2.calls": numpy.asarray(1.5)}), "2.calls expected int64, got float64"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    model = network()
    state = network(seed=9).state_dict()
    change(state)
    before = bits(model)
    with pytest.raises(ValueError, match=message):
        model.load_state_dict(state)
    assert bits(model) == before


class Twice(nn.Module):
    """One layer in two places."""

    def __init__(self):
        self.a = nn.Linear(3, 3)
        self.b = self.a

    def forward(self, x):
        return self.b(nn.tanh(self.a(x)))


@pytest.mark.parametrize("kind", [Tied, Twice])
def test_a_shared_array_is_loaded_by_any_of_its_names(kind):
    model, values = kind().initialize(seed=1), {"weight": numpy.arange(9.0).reshape(3, 3), "bias": numpy.ones(3)}
    values = {name: values[name] for name, _ in model.a.named_parameters()}
    for layers in ("a", "b", "ab"):
        model.initialize(seed=1)
        assert not (model.a.weight == values["weight"]).any()
        model.load_state_dict({f"{layer}.{name}": value for layer in layers for name, value in values.items()})
        assert (model.a.weight == values["weight"]).all()
        assert model.a.weight is model.b.weight
    assert list(model.state_dict()) == (["a.weight", "b.weight"] if kind is Tied else ["a.weight", "a.bias"])
    model.load_state_dict(model.state_dict())


@pytest.mark.parametrize("kind", [Tied, Twice])
def test_names_of_one_array_must_agree(kind):
    model = kind().initialize(seed=1)
    before, own = bits(model), model.a.state_dict()
    state = {f"{layer}.{name}": value for name, value in own.items() for layer in "ab"}
    state["a.weight"] = numpy.full((3, 3), numpy.nan)
    with pytest.raises(ValueError, match=rf"a\.weight and b\.weight are one array of {kind.__name__}, and differ"):
        model.load_state_dict(state)
    with pytest.raises(ValueError, match=r"missing a\.weight, unexpected none"):
        model.load_state_dict({name: value for name, value in state.items() if "weight" not in name})
    assert bits(model) == before
    model.load_state_dict({**state, "b.weight": state["a.weight"].copy()})  # NaN is NaN
    assert numpy.isnan(model.b.weight).all()


def test_a_state_of_pytorchs_with_a_layer_in_two_places_loads():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it makes the state")
    layer = torch.nn.Linear(3, 3)
    theirs = torch.nn.Sequential(layer, torch.nn.Tanh(), layer)
    ours = nn.Linear(3, 3)
    model = nn.Sequential(ours, nn.Tanh(), ours).load_state_dict(
        {name: array.numpy() for name, array in theirs.state_dict().items()}
    )
    numpy.testing.assert_allclose(model(X), theirs(torch.tensor(X)).detach(), rtol=1e-5, atol=1e-6)  # float32


def test_a_state_that_is_no_mapping_is_refused():
    with pytest.raises(TypeError, match="list"):
        network().load_state_dict([numpy.ones(3)])
