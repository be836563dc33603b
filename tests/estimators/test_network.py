"""The networks of the estimators: what layers there are, and how their first weights are drawn."""

import numpy
import pytest

from xpnn import nn
from xpnn.estimators.network import dense_network, draw_weights, linear_layers, write_parameters


def kinds(network):
    return [type(layer).__name__ for layer in network]


def test_each_hidden_layer_has_its_own_parts_in_order():
    network = dense_network(3, [4, 5], 2, activation=["relu", nn.PReLU], dropout=[0.1, 0.5], normalization="layer")
    hidden = ["Linear", "LayerNorm", "ReLU", "Dropout", "Linear", "LayerNorm", "PReLU", "Dropout"]
    assert kinds(network) == [*hidden, "Linear"]
    assert [layer.p for layer in network if isinstance(layer, nn.Dropout)] == [0.1, 0.5]
    assert [layer.weight.shape for layer in linear_layers(network)] == [(4, 3), (5, 4), (2, 5)]
    assert kinds(dense_network(3, [4, 5], 2, activation="identity", dropout=[0.0, 0.5])) == [
        "Linear", "Linear", "Dropout", "Linear",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["activation", "dropout"])
def test_a_list_of_another_length_is_named(name):
    options = {"activation": "relu", name: ["relu"] if name == "activation" else [0.1]}
    with pytest.raises(ValueError, match=f"{name} expected one value for each of 2 hidden layers, got 1"):
        dense_network(3, [4, 5], 2, **options)


@pytest.mark.parametrize(("logistic", "share"), [(False, 6), (True, 2)])
def test_first_weights_fill_their_range_and_members_differ(logistic, share):
    network = dense_network(40, [60], 1, activation="relu", members=3, dtype="float64")
    draw_weights(network, 5, logistic=logistic)
    alone = dense_network(40, [60], 1, activation="relu", dtype="float64")
    draw_weights(alone, 5, logistic=logistic)
    weight = linear_layers(network)[0].weight
    bound = (share / 100) ** 0.5
    assert abs(weight).max() <= bound
    assert abs(weight).max() > 0.99 * bound
    numpy.testing.assert_array_equal(weight[0], linear_layers(alone)[0].weight)
    for layer in linear_layers(network):
        for array in (layer.weight, layer.bias):
            assert all(abs(array[a] - array[b]).max() > 0 for a, b in [(0, 1), (0, 2), (1, 2)])


def test_masks_begin_in_another_place_for_each_seed():
    network = dense_network(3, [4], 2, activation="rrelu", dropout=0.5)
    starts = []
    for seed in (0, 1, 2):
        draw_weights(network, seed, logistic=False)
        starts.append({int(layer.calls) for layer in network if isinstance(layer, nn.Dropout | nn.RReLU)})
    assert starts == [{0}, {1 << 32}, {2 << 32}]


def test_weights_that_do_not_fit_are_named_and_none_is_written():
    layers = linear_layers(dense_network(3, [4], 2, activation="relu"))
    before = [numpy.array(layer.weight) for layer in layers]
    with pytest.raises(ValueError, match=r"expected a weight for each layer, of shapes \(3, 4\), \(4, 2\), got"):
        write_parameters(layers, "weight", [numpy.ones((3, 4)), numpy.ones((2, 4))], None)
    for layer, array in zip(layers, before, strict=True):
        numpy.testing.assert_array_equal(layer.weight, array)
