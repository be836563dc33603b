"""Dropout of channels and items, and alpha dropout: what is dropped, means and variances, wrong inputs."""

import numpy
import pytest

import xpnn
from xpnn import nn

LAYERS = {
    "Dropout1d": (nn.Dropout1d, (50, 20, 6), (50, 20)),
    "Dropout1d of one item": (nn.Dropout1d, (1000, 6), (1000,)),
    "Dropout2d": (nn.Dropout2d, (50, 20, 3, 2), (50, 20)),
    "Dropout2d of rows": (nn.Dropout2d, (50, 20, 3), (50, 20)),
    "Dropout3d": (nn.Dropout3d, (50, 20, 3, 2, 1), (50, 20)),
    "Dropout3d of one item": (nn.Dropout3d, (1000, 3, 2, 1), (1000,)),
    "DropPath": (nn.DropPath, (1000, 3, 2), (1000,)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_whole_channels_or_items_are_dropped_and_the_mean_is_kept(name):
    kind, shape, groups = LAYERS[name]
    layer = nn.Sequential(kind(0.25)).initialize(seed=3)
    x = numpy.ones(shape)
    y, back = xpnn.vjp(layer, x)
    kept = y.reshape(*groups, -1)
    assert set(numpy.unique(kept)) == {0.0, 1 / 0.75}
    assert (kept == kept[..., :1]).all()
    assert abs(y.mean() - 1) < 0.06  # 3 deviations of 1000 draws: 3 * sqrt(0.25 / 0.75 / 1000)
    assert numpy.array_equal(back(x)[0], y)
    assert not numpy.array_equal(layer(x), y)
    assert layer.eval()(x) is x


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_alpha_dropout_keeps_mean_and_variance(p):
    x = numpy.random.default_rng(0).standard_normal(200_000)
    y = nn.alpha_dropout(x, p, seed=1)
    # 4 deviations of 200 000 numbers: 4 / sqrt(200 000) of the mean, of the variance some times as much
    assert abs(y.mean()) < 0.009
    assert abs(y.var() - 1) < 0.03
    low = -1.7580993408473766
    a = ((1 - p) * (1 + p * low**2)) ** -0.5
    dropped = numpy.isclose(y, a * low - a * p * low, rtol=1e-3)  # p is rounded to 16 bits
    assert abs(dropped.mean() - p) < 0.005


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_feature_alpha_dropout_is_alpha_dropout_of_channels(p):
    x = numpy.random.default_rng(0).standard_normal((500, 40, 10))
    y = nn.feature_alpha_dropout(x, p, seed=1)
    # 4 deviations of 20 000 channels of one number each: 4 / sqrt(20 000) of the mean, of the variance some times it
    assert abs(y.mean()) < 0.03
    assert abs(y.var() - 1) < 0.09
    low = -1.7580993408473766
    share = round((1 - p) * 2**16) / 2**16
    a = (share * (1 + (1 - share) * low**2)) ** -0.5
    offset = -a * (1 - share) * low
    dropped = numpy.isclose(y, a * low + offset, rtol=1e-12)
    assert (dropped == dropped[..., :1]).all()
    assert abs(dropped.mean() - p) < 0.015  # 4 deviations of 20 000 channels
    numpy.testing.assert_allclose(y[~dropped], a * x[~dropped] + offset, rtol=1e-12)
    layer = nn.Sequential(nn.FeatureAlphaDropout(p)).initialize(seed=3)
    assert not numpy.array_equal(layer(x), layer(x))
    assert layer.eval()(x) is x


def test_edges():
    x = numpy.ones((3, 2, 2))
    for function in (nn.channel_dropout, nn.drop_path, nn.alpha_dropout, nn.feature_alpha_dropout):
        assert function(x, 0, seed=0) is x
        assert not function(x, 1, seed=0).any()
        assert not xpnn.grad(lambda x, f=function: xpnn.namespace_of(x).sum(f(x, 1, seed=0)))(x).any()
        assert function(x.astype("float32"), 0.5, seed=0).dtype == "float32"


def test_masks_are_recorded_with_their_count():
    x = numpy.ones((4, 3, 2))
    one, two = (nn.Sequential(nn.Dropout1d(), nn.AlphaDropout(), nn.DropPath()).initialize(seed=2) for _ in range(2))
    fast = xpnn.compile(two, state=(two,), exact=True)
    for _ in range(4):
        assert numpy.array_equal(one(x), fast(x))


@pytest.mark.parametrize("kind", [nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.DropPath])
def test_probabilities_that_are_none(kind):
    with pytest.raises(ValueError, match=f"{kind.__name__} expected a probability p between 0 and 1, got 1.5"):
        kind(1.5)


def test_wrong_shapes_and_kinds():
    for layer, shape in ((nn.Dropout1d(), (3,)), (nn.Dropout2d(), (3, 2)), (nn.Dropout3d(), (2, 3, 4))):
        with pytest.raises(ValueError, match=r"axes, got shape \("):
            layer(numpy.ones(shape))
        assert layer.calls == 0
    with pytest.raises(ValueError, match=r"\(N, C, ...\), got shape \(3,\)"):
        nn.channel_dropout(numpy.ones(3), seed=0)
    with pytest.raises(ValueError, match=r"\(N, ...\), got shape \(\)"):
        nn.drop_path(numpy.ones(()), seed=0)
    for function in (nn.channel_dropout, nn.drop_path, nn.alpha_dropout):
        with pytest.raises(TypeError, match="floating-point numbers, got int64"):
            function(numpy.ones((2, 2), dtype="int64"), seed=0)


def test_a_state_of_pytorchs_loads_and_keeps_the_count_of_draws():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it makes the state")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(), torch.nn.RReLU(), torch.nn.Linear(4, 2))
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.RReLU(), nn.Linear(4, 2)).initialize(seed=0)
    x = numpy.ones((2, 3), dtype="float32")
    model(x)
    state = {name: array.numpy() for name, array in theirs.state_dict().items()}
    model.load_state_dict(state)
    assert (model[1].calls, model[2].calls) == (1, 1)
    numpy.testing.assert_allclose(
        model.eval()(x), theirs.eval()(torch.tensor(x)).detach(), rtol=1e-5, atol=1e-6
    )  # float32, sums of four
    with pytest.raises(ValueError, match=r"missing 3\.bias"):
        model.load_state_dict({name: array for name, array in state.items() if name != "3.bias"})
