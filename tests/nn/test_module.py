"""Models: what they hold and how it is found, shared, frozen, moved, copied, saved and refused."""

import copy
import pickle
from typing import NamedTuple

import numpy
import pytest

import xpnn
from xpnn import nn, optim
from xpnn.arrays.devices import device_of
from xpnn.arrays.tree import flatten, named_leaves, tree_map


class Scale(nn.Module):
    def __init__(self, features):
        self.factor = nn.Parameter(numpy.ones(features, dtype="float32"))
        self.calls = nn.Buffer(numpy.zeros((), dtype="int64"))

    def forward(self, x):
        self.calls[...] = self.calls + 1
        return x * self.factor


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        self.a = nn.Linear(3, 3, bias=False)
        self.b = nn.Linear(3, 3, bias=False)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(nn.tanh(self.a(x)))


class Towers(nn.Module):
    """Modules in a list, a tuple and a dictionary."""

    def __init__(self):
        self.towers = [nn.Linear(2, 2), nn.Linear(2, 2)]
        self.pair = (nn.Tanh(), nn.Linear(2, 2))
        self.heads = {"mean": nn.Linear(2, 1), "spread": [nn.Linear(2, 1)]}

    def forward(self, x):
        for layer in (*self.towers, *self.pair):
            x = layer(x)
        return self.heads["mean"](x) + self.heads["spread"][0](x)


def network(seed=0):
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2)).initialize(seed=seed)


def bits(model):
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in model.state_dict().items()}


def loss(model, x):
    y = model(x)
    return xpnn.namespace_of(y).sum(y * y)


X = numpy.random.default_rng(0).standard_normal((5, 3)).astype("float32")


# What a model holds


def test_names_and_shapes_are_those_of_pytorch():
    shapes = {name: array.shape for name, array in network().state_dict().items()}
    assert shapes == {"0.weight": (4, 3), "0.bias": (4,), "2.calls": (), "3.weight": (2, 4), "3.bias": (2,)}


def test_parameters_buffers_and_frozen_parameters_are_told_apart():
    model = Scale(2)
    assert [slot.name for slot in model.slots("parameter")] == ["factor"]
    assert [slot.name for slot in model.slots("buffer")] == ["calls"]
    assert [name for name, _ in model.named_parameters()] == ["factor"]
    assert model.parameters()[0] is model.factor
    assert isinstance(model.factor, numpy.ndarray)  # the raw array itself, nothing around it


def test_modules_in_lists_tuples_and_dictionaries_are_found_in_order():
    model = Towers()
    expected = ["towers.0", "towers.1", "pair.1", "heads.mean", "heads.spread.0"]
    assert [name.rpartition(".")[0] for name, _ in model.named_parameters()][::2] == expected
    gradients = xpnn.grad(loss)(model, numpy.ones((3, 2), dtype="float32"))
    assert [name for name, _ in gradients.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert all(bool((g != 0).any()) for g in gradients.parameters()[-4:])


def test_modules_appended_to_a_list_later_are_found():
    class Grown(nn.Module):
        def __init__(self):
            self.layers = []
            for _ in range(2):
                self.layers.append(nn.Linear(2, 2))

    assert len(Grown().parameters()) == 4


def test_modules_in_a_named_tuple_can_be_differentiated():
    class Pair(NamedTuple):
        first: nn.Module
        second: nn.Module

    class Model(nn.Module):
        def __init__(self):
            self.pair = Pair(nn.Linear(3, 2), nn.Linear(2, 1))

        def forward(self, x):
            return self.pair.second(self.pair.first(x))

    gradients = xpnn.grad(loss)(Model(), X)
    assert gradients.pair.first.weight.shape == (2, 3)


def test_a_shared_module_is_one_module():
    layer = nn.Linear(3, 3)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    assert [name for name, _ in model.named_modules()] == ["", "0", "1"]
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]
    gradient = xpnn.grad(loss)(model, X)
    assert gradient[0] is gradient[2]
    assert len(flatten(model)[0]) == 2


def test_the_gradient_has_the_shape_of_the_tree_and_carries_the_rest_along():
    model = network()
    gradient = xpnn.grad(loss)(model, X)
    assert type(gradient) is nn.Sequential
    assert gradient[2].calls is model[2].calls
    assert gradient[0].weight.shape == (4, 3)
    assert named_leaves(gradient)[0][0] == "0.weight"


def test_trees_of_models_map():
    model = network()
    doubled = tree_map(lambda p: 2 * p, model)
    assert (doubled[0].weight == 2 * model[0].weight).all()


# What a model refuses


def test_an_array_that_nobody_declared_is_refused():
    class Forgetful(nn.Module):
        def __init__(self):
            self.weight = numpy.ones(3)

    with pytest.raises(TypeError, match=r"Forgetful.weight is an array that nobody declared: .* Parameter\(.*Buffer\("):
        Forgetful()


@pytest.mark.parametrize("held", [[numpy.ones(3)], {"w": numpy.ones(3)}, [nn.Parameter(numpy.ones(3))]])
def test_undeclared_arrays_in_lists_are_refused_too(held):
    class Forgetful(nn.Module):
        def __init__(self):
            self.weights = held

    with pytest.raises(TypeError, match="weights"):
        Forgetful()


@pytest.mark.parametrize("declare", [nn.Parameter, nn.Buffer])
@pytest.mark.parametrize("value", [[1.0], "w", numpy.ma.ones(3)])
def test_only_arrays_can_be_declared(declare, value):
    with pytest.raises(TypeError, match="expected a"):
        declare(value)


def test_a_parameter_of_integers_is_refused():
    with pytest.raises(TypeError, match="int64"):
        nn.Parameter(numpy.arange(3))


def test_a_parameter_is_replaced_by_arrays_only():
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match="weight"):
        layer.weight = 3.0
    assert layer.weight.shape == (2, 2)


@pytest.mark.parametrize("number", [numpy.float64(2), numpy.int64(2), numpy.float32(2)], ids=repr)
def test_numpys_numbers_become_pythons_and_promote_nothing(number):
    class Scaled(nn.Module):
        def __init__(self):
            self.scale = number

        def forward(self, x):
            return self.scale * x

    assert type(Scaled().scale) in (int, float)
    assert Scaled()(X).dtype == "float32"


def test_replacing_and_removing_arrays():
    layer = nn.Linear(2, 2)
    layer.weight = numpy.zeros((2, 2), dtype="float32")
    layer.bias = None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer(numpy.ones((1, 2), dtype="float32")).tolist() == [[0, 0]]


def test_a_deleted_layer_is_gone():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    delattr(model, "1")
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]


def test_setting_an_attribute_inside_a_differentiated_call_is_refused():
    class Keeper(Scale):
        def forward(self, x):
            self.last = 1
            return x * self.factor

    with pytest.raises(AttributeError, match=r"cannot set last of a Keeper inside a differentiated call.*in place"):
        xpnn.grad(loss)(Keeper(3), X)


def test_writing_into_a_buffer_inside_a_differentiated_call_lasts():
    model = Scale(3)
    xpnn.grad(loss)(model, X)
    assert model.calls == 1


def test_a_module_without_forward_says_so():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty defines no forward\(self, ...\)"):
        Empty()(1)


@pytest.mark.parametrize("layer", [3, numpy.tanh, nn.Linear, None])
def test_sequential_takes_modules_only(layer):
    with pytest.raises(TypeError, match=r"Sequential expected modules, got .* at position 1"):
        nn.Sequential(nn.Tanh(), layer)


# Sequential


def test_sequential_is_a_sequence():
    model = network()
    assert len(model) == 4
    assert [type(layer).__name__ for layer in model] == ["Linear", "Tanh", "Dropout", "Linear"]
    assert model[-1] is model[3]
    with pytest.raises(IndexError):
        model[4]
    assert nn.Sequential()(X) is X


def test_repr_shows_the_tree():
    assert repr(network()) == (
        "Sequential(\n  (0): Linear(3, 4)\n  (1): Tanh()\n  (2): Dropout(p=0.5)\n  (3): Linear(4, 2)\n)"
    )
    assert repr(nn.Sequential(nn.Sequential(nn.Linear(1, 2, bias=False)))) == (
        "Sequential(\n  (0): Sequential(\n    (0): Linear(1, 2, bias=False)\n  )\n)"
    )
    assert "(heads.spread.0): Linear(2, 1)" in repr(Towers())


# Sharing and freezing


def test_tied_parameters_are_one_parameter_with_one_gradient():
    model = Tied()
    assert [name for name, _ in model.named_parameters()] == ["a.weight"]
    gradient = xpnn.grad(loss)(model, X)
    assert gradient.a.weight is gradient.b.weight
    untied = copy.deepcopy(model)
    untied.b.weight = untied.b.weight.copy()
    parts = xpnn.grad(loss)(untied, X)
    numpy.testing.assert_allclose(gradient.a.weight, parts.a.weight + parts.b.weight, rtol=1e-6)  # float32


@pytest.mark.parametrize("freeze", ["nothing", "a.weight", "b.weight"])
def test_tied_parameters_stay_tied_when_trained(freeze):
    model = Tied().initialize(seed=0)
    if freeze != "nothing":
        model.freeze(freeze)
    if model.parameters():
        optimizer = optim.SGD(model, learning_rate=0.1)
        optimizer.step(xpnn.grad(loss)(model, X))
    assert model.a.weight is model.b.weight


def test_tied_parameters_stay_tied_when_moved_copied_and_pickled(elsewhere):
    for other in (
        Tied().to(elsewhere),
        Tied().to(dtype="float64"),
        copy.deepcopy(Tied()),
        pickle.loads(pickle.dumps(Tied())),
    ):
        assert other.a.weight is other.b.weight


def test_freeze_and_unfreeze_by_patterns():
    model = network()
    names = lambda kind: [slot.name for slot in model.slots(kind)]  # noqa: E731
    model.freeze("0.*")
    assert (names("parameter"), names("frozen")) == (["3.weight", "3.bias"], ["0.weight", "0.bias"])
    model.freeze("*.bias", "3.weight")
    assert names("parameter") == []
    model.unfreeze("*.weight")
    assert names("parameter") == ["0.weight", "3.weight"]
    model.unfreeze()
    model.freeze()
    assert names("frozen") == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert set(model.state_dict()) == set(network().state_dict())  # frozen ones are saved


def test_a_pattern_that_matches_nothing_freezes_nothing():
    model = network()
    with pytest.raises(ValueError, match=r"no parameter is named '1.\*'; there are 0.weight, 0.bias, 3.weight"):
        model.freeze("0.*", "1.*")
    assert model.slots("frozen") == []


def test_frozen_parameters_take_part_without_a_gradient():
    model = network().eval().freeze("0.*")
    full = xpnn.grad(loss)(network().eval(), X)
    gradient = xpnn.grad(loss)(model, X)
    assert len(gradient.parameters()) == 2
    assert (gradient[3].weight == full[3].weight).all()
    assert gradient[0].weight is model[0].weight
    with pytest.raises(ValueError, match="does not depend on any parameter of the Sequential"):
        xpnn.grad(loss)(model.freeze(), X)


# Seeds, modes, moves


def test_a_seed_gives_the_same_bits_everywhere(place):
    moved = network(seed=1).to(place).initialize(seed=7)
    expected = network(seed=7).state_dict()
    for name, array in moved.state_dict().items():
        assert place.to_host(array).tobytes() == expected[name].tobytes(), name


def test_initialize_is_by_path_and_seed():
    a, b = network(seed=1), network(seed=2)
    assert bits(a) == bits(network(seed=1))
    assert not (a[0].weight == b[0].weight).any()
    assert not (a[0].weight[:2] == a[3].weight[:, :3]).any()  # layers are independent
    assert a.initialize(seed=2) is a
    assert bits(a) == bits(b)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "0", None, True])
@pytest.mark.parametrize("first", [nn.Linear(3, 3), nn.Dropout(0.5)], ids=["Linear", "Dropout"])
def test_a_bad_seed_changes_nothing(first, seed):
    model = nn.Sequential(first, nn.Linear(3, 2)).initialize(seed=3)
    before, seeds = bits(model), [getattr(layer, "seed", None) for layer in model]
    with pytest.raises((TypeError, ValueError), match="expected seed to be"):
        model.initialize(seed=seed)
    assert bits(model) == before
    assert [getattr(layer, "seed", None) for layer in model] == seeds


def test_train_and_eval_reach_all_modules():
    model = Towers()
    assert all(not module.training for _, module in model.eval().named_modules())
    assert all(module.training for _, module in model.train().named_modules())
    assert model.train(False) is model


def test_models_move_and_change_dtype(elsewhere):
    model = network().to(elsewhere, dtype="float64")
    assert {device_of(a) for a in model.parameters()} == {elsewhere}
    assert all(a.dtype == elsewhere.xp.float64 for a in model.parameters())
    assert str(model[2].calls.dtype).endswith("int64")  # integers keep their dtype
    back = model.to(xpnn.device("cpu"), dtype="float32")
    assert bits(back) == bits(network())


@pytest.mark.parametrize("where", [{"dtype": "nonsense"}, {"device": "gpu"}, {"device": 3}])
def test_a_bad_place_is_refused_with_a_clear_error(where):
    model = network()
    before = bits(model)
    with pytest.raises((TypeError, ValueError), match=r"expected|device"):
        model.to(**where)
    assert bits(model) == before


# Copies and state


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("trained", [False, True])
def test_copies_are_equal_and_independent(copied, trained):
    model = network()
    if trained:  # the parameters are then views into an optimizer's buffer
        optimizer = optim.Adam(model)
        optimizer.step(xpnn.grad(loss)(model, X))
    other = copied(model)
    assert bits(other) == bits(model)
    assert (other(X) == model(X)).all()  # the same mask, too
    other[0].weight[...] = 0
    other.freeze("0.*").eval()
    assert (model[0].weight != 0).any()
    assert model.training
    assert not model.slots("frozen")
