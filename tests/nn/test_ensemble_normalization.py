"""Normalisation of several networks at once: each member's numbers are those of the layer for one network."""

import numpy
import pytest

import xpnn
from xpnn import nn

RNG = numpy.random.default_rng(4)
MEMBERS, ROWS, FEATURES = 3, 7, 5
X, DY = RNG.standard_normal((2, MEMBERS, ROWS, FEATURES))
TWINS = {
    "batch": (nn.EnsembleBatchNorm, nn.BatchNorm1d),
    "layer": (nn.EnsembleLayerNorm, nn.LayerNorm),
    "rms": (nn.EnsembleRMSNorm, nn.RMSNorm),
}


def pair(name):
    """The layer of all members, and the layers of each, with the same factors."""
    together, alone = TWINS[name]
    layer = together(MEMBERS, FEATURES, dtype="float64")
    layers = [alone(FEATURES, dtype="float64") for _ in range(MEMBERS)]
    for parameter in layer.parameters():
        parameter[...] = RNG.uniform(0.5, 1.5, parameter.shape)
    for k, one in enumerate(layers):
        for own, all_of_them in zip(one.parameters(), layer.parameters(), strict=True):
            own[...] = all_of_them[k]
    return layer, layers


@pytest.mark.parametrize("name", TWINS)
def test_each_member_is_normalised_as_if_alone(name):
    layer, layers = pair(name)
    y, back = xpnn.vjp(lambda layer, x: layer(x), layer, X)
    gradient, dx = back(DY)
    for k, one in enumerate(layers):
        expected, back_alone = xpnn.vjp(lambda layer, x: layer(x), one, X[k])
        gradient_alone, dx_alone = back_alone(DY[k])
        # rtol and atol: sums of 7 numbers of size 1, in another order
        numpy.testing.assert_allclose(y[k], expected, rtol=1e-12, atol=1e-13)
        numpy.testing.assert_allclose(dx[k], dx_alone, rtol=1e-11, atol=1e-13)
        for a, b in zip(gradient.slots("parameter"), gradient_alone.slots("parameter"), strict=True):
            numpy.testing.assert_allclose(a.value[k], b.value, rtol=1e-11, atol=1e-13)
        for a, b in zip(layer.slots("buffer"), one.slots("buffer"), strict=True):
            found = a.value if a.value.shape == () else a.value[k]
            numpy.testing.assert_allclose(found, b.value, rtol=1e-13)
    layer.eval()
    for k, one in enumerate(layers):
        numpy.testing.assert_allclose(layer(X)[k], one.eval()(X[k]), rtol=1e-12, atol=1e-13)


def test_initialize_starts_the_statistics_anew():
    layer = nn.EnsembleBatchNorm(MEMBERS, FEATURES, momentum=1.0, dtype="float64")
    layer(X)
    numpy.testing.assert_allclose(layer.running_mean, X.mean(axis=1))
    numpy.testing.assert_allclose(layer.running_var, X.var(axis=1, ddof=1))
    layer.weight[...] = 3.0
    layer.initialize(seed=0)
    assert [float(slot.value.max()) for slot in layer.slots("buffer")] == [0.0, 1.0, 0.0]
    assert layer.weight.max() == 1.0


def test_no_rows_move_nothing():
    layer = nn.EnsembleBatchNorm(MEMBERS, FEATURES, dtype="float64")
    assert layer(X[:, :0]).shape == (MEMBERS, 0, FEATURES)
    assert not layer.running_mean.any()


WRONG = {
    "members": (lambda: nn.EnsembleLayerNorm(0, 2), ValueError, "members to be a positive integer, got 0"),
    "features": (lambda: nn.EnsembleRMSNorm(1, 0.5), ValueError, "features to be a positive integer, got 0.5"),
    "momentum": (lambda: nn.EnsembleBatchNorm(1, 2, momentum=2.0), ValueError, "momentum from 0 to 1, got 2.0"),
    "one row": (
        lambda: nn.EnsembleBatchNorm(3, 5, dtype="float64")(X[:, :1]),
        ValueError,
        r"at least two rows in training, got shape \(3, 1, 5\)",
    ),
    "members of x": (
        lambda: nn.EnsembleLayerNorm(2, 5, dtype="float64")(X),
        ValueError,
        r"x of shape \(2, n, 5\), got shape \(3, 7, 5\)",
    ),
    "one network's x": (lambda: nn.EnsembleRMSNorm(3, 5, dtype="float64")(X[0]), ValueError, r"got shape \(7, 5\)"),
    "dtype": (lambda: nn.EnsembleLayerNorm(3, 5)(X), TypeError, "float32, as its own arrays, got float64"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name):
    call, kind, message = WRONG[name]
    with pytest.raises(kind, match=message):
        call()
