"""Lists, dictionaries and names of modules, the residual block, and the summary of a model."""

import numpy
import pytest

import xpnn
from xpnn import nn

X = numpy.random.default_rng(0).standard_normal((4, 3)).astype("float32")


def names(model):
    return [name for name, _ in model.named_parameters()]


# ModuleList


def test_a_list_grows_shrinks_and_renames():
    a, b, c = nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)
    layers = nn.ModuleList([a])
    layers.append(c)
    layers.insert(1, b)
    assert list(layers) == [a, b, c]
    assert names(layers) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert layers[-1] is c
    assert list(layers[1:]) == [b, c]
    del layers[1]
    assert names(layers) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    layers[0] = c
    layers.extend([a])
    assert list(layers) == [c, c, a]
    assert repr(nn.ModuleList([b])) == "ModuleList(\n  (0): ReLU()\n)"


def test_a_list_refuses_what_is_no_module_and_stays_as_it_was():
    layers = nn.ModuleList([nn.ReLU()])
    with pytest.raises(TypeError, match="ModuleList expected modules, got int at position 1"):
        layers.append(3)
    with pytest.raises(IndexError):
        layers[1]
    with pytest.raises(IndexError):
        layers[1] = nn.ReLU()
    assert len(layers) == 1


# ModuleDict


def test_a_dictionary_holds_modules_by_name():
    a, b = nn.Linear(3, 2), nn.Linear(3, 1)
    heads = nn.ModuleDict({"mean": a})
    heads["spread"] = b
    assert (heads.keys(), heads.values(), heads.items()) == (["mean", "spread"], [a, b], [("mean", a), ("spread", b)])
    assert list(heads) == ["mean", "spread"]
    assert "mean" in heads
    assert len(heads) == 2
    assert names(heads) == ["mean.weight", "mean.bias", "spread.weight", "spread.bias"]
    heads["mean"] = b
    del heads["spread"]
    assert heads.items() == [("mean", b)]
    with pytest.raises(KeyError):
        heads["spread"]
    with pytest.raises(KeyError):
        del heads["spread"]


@pytest.mark.parametrize(
    ("key", "value", "kind", "message"),
    [
        ("a.b", nn.ReLU(), ValueError, "without dots, not empty, got 'a.b'"),
        ("", nn.ReLU(), ValueError, "not empty, got ''"),
        ("forward", nn.ReLU(), ValueError, "cannot name a module 'forward'"),
        ("training", nn.ReLU(), ValueError, "cannot name a module 'training'"),
        (1, nn.ReLU(), TypeError, "names as strings, got 1"),
        ("a", 1, TypeError, "ModuleDict expected modules, got int at 'a'"),
    ],
)
def test_a_dictionary_refuses_names_and_values(key, value, kind, message):
    heads = nn.ModuleDict()
    with pytest.raises(kind, match=message):
        heads[key] = value
    assert len(heads) == 0


# Sequential


def test_layers_with_names():
    model = nn.Sequential({"hidden": nn.Linear(3, 2), "bend": nn.Tanh(), "out": nn.Linear(2, 1)}).initialize(seed=0)
    assert names(model) == ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]
    assert model.hidden is model[0] is model["hidden"]
    assert numpy.array_equal(model(X), model.out(model.bend(model.hidden(X))))
    assert numpy.array_equal(model[:2](X), model.bend(model.hidden(X)))
    assert names(model[1:]) == ["out.weight", "out.bias"]
    assert repr(model[1:2]) == "Sequential(\n  (bend): Tanh()\n)"
    with pytest.raises(ValueError, match="cannot name a module 'eval'"):
        nn.Sequential({"eval": nn.Tanh()})
    with pytest.raises(TypeError, match="Sequential expected modules, got function at 'a'"):
        nn.Sequential({"a": lambda x: x})
    with pytest.raises(KeyError):
        model["inner"]


# Residual


def test_a_residual_block_adds_its_input():
    layer = nn.Linear(3, 3).initialize(seed=0)
    assert numpy.array_equal(nn.Residual(layer)(X), X + layer(X))
    block = nn.Residual(nn.Linear(3, 2), shortcut=nn.Linear(3, 2, bias=False)).initialize(seed=0)
    assert numpy.array_equal(block(X), block.shortcut(X) + block.layer(X))
    assert names(block) == ["layer.weight", "layer.bias", "shortcut.weight"]
    with pytest.raises(ValueError, match=r"Residual got \(4, 1\) of its layer beside \(4, 3\): give it a shortcut"):
        nn.Residual(nn.Linear(3, 1))(X)
    with pytest.raises(ValueError, match="its shortcut has to give the same"):
        nn.Residual(nn.Linear(3, 1), shortcut=nn.Linear(3, 2))(X)
    with pytest.raises(TypeError, match="Residual expected modules, got function at layer"):
        nn.Residual(lambda x: x)


# Summary


def test_summary_of_a_convolutional_network():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(), nn.Linear(64, 10)
    )
    model.freeze("0.*")
    before = model.state_dict()
    found = model.summary(numpy.zeros((2, 1, 4, 4), dtype="float32"))
    assert [row.output for row in found.rows] == [
        "(2, 10)", "(2, 4, 4, 4)", "(2, 4, 4, 4)", "(2, 4, 4, 4)", "(2, 64)", "(2, 64)", "(2, 10)",
    ]  # fmt: skip
    assert [row.parameters for row in found.rows] == [0, 40, 8, 0, 0, 0, 650]
    assert [row.multiply_adds for row in found.rows] == [0, 2 * 4 * 16 * 9, 0, 0, 0, 0, 2 * 64 * 10]
    assert (found.parameters, found.trained, found.multiply_adds) == (698, 658, 2432)
    assert found.bytes == 4 * (698 + 8) + 8 + 8  # running statistics, and two counters
    assert all(numpy.array_equal(before[name], value) for name, value in model.state_dict().items())
    assert model.training
    text = str(found).splitlines()
    assert text[3].split() == "0 Conv2d(1, 4, 3, padding=1) (2, 4, 4, 4) 40 1,152".split()
    assert text[-1] == "698 parameters (40 of them frozen), 2.8 KiB with buffers; 2,432 multiply-adds for this input"


def test_summary_counts_shared_layers_once_and_their_work_twice():
    layer = nn.Linear(3, 3)
    found = nn.Sequential(layer, nn.Tanh(), layer).summary(X)
    assert (found.parameters, found.multiply_adds) == (12, 2 * 4 * 9)


class Many(nn.Module):
    def __init__(self):
        self.used, self.unused = nn.Bilinear(3, 3, 2), nn.Linear(1, 1)

    def forward(self, a, b):
        return {"y": self.used(a, b), "parts": (a, 3)}


def test_summary_of_several_inputs_and_outputs():
    found = Many().summary(X, X)
    assert [row.output for row in found.rows] == ["y: (4, 2), parts: (4, 3), int", "(4, 2)", "not called"]
    assert found.rows[1].multiply_adds == 4 * 2 * (3 * 3 + 3)


def test_summary_elsewhere(elsewhere):
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh()).to(elsewhere)
    assert repr(model.summary(elsewhere.asarray(X))) == repr(nn.Sequential(nn.Linear(3, 2), nn.Tanh()).summary(X))


def test_a_model_of_containers_trains():
    model = nn.Sequential({"block": nn.Residual(nn.Linear(3, 3)), "out": nn.Linear(3, 1)}).initialize(seed=0)
    optimizer = xpnn.optim.SGD(model, learning_rate=0.1)
    step = xpnn.value_and_grad(lambda model: nn.squared_error(model(X), X[:, :1]))
    losses = []
    for _ in range(20):
        value, gradients = step(model)
        losses.append(float(value))
        optimizer.step(gradients)
    assert losses[-1] < losses[0] / 2


def test_a_summary_is_that_of_evaluation():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    x = numpy.zeros((1, 3), dtype="float32")  # one item has no variance to train with
    assert [row.output for row in model.summary(x).rows][1:] == ["(1, 2)", "(1, 2)"]
    assert model.training


def test_a_summary_shows_the_options_of_layers_that_keep_them_in_a_dictionary():
    x = numpy.zeros((1, 1, 8, 8), dtype="float32")
    model = nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), nn.Residual(nn.AvgPool2d(3, stride=1, padding=1)))
    assert [row.layer for row in model.summary(x).rows] == [
        "Sequential", "MaxPool2d(2, ceil_mode=True)", "Residual", "AvgPool2d(3, stride=1, padding=1)",
    ]  # fmt: skip
