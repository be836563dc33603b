"""Which layers draw random numbers, and that another model with their seeds draws the same."""

import numpy
import pytest

from xpnn import nn
from xpnn.nn.drawing import draws_of, require_draws, set_draws

LAYERS = [
    nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.DropPath, nn.AlphaDropout, nn.FeatureAlphaDropout,
    nn.RReLU,
]  # fmt: skip
ONES = numpy.random.default_rng(0).normal(size=(8, 8, 4, 4, 4))
SHAPES = {nn.Dropout1d: (0, 0), nn.Dropout2d: (0,)}  # axes that are left out


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_with_the_seed_of_another_draws_the_same(kind):
    x = ONES[SHAPES.get(kind, ())]
    one, other = nn.Sequential(nn.Identity(), kind()).initialize(seed=3), nn.Sequential(nn.Identity(), kind())
    assert draws_of(one) == {"1": [3, draws_of(one)["1"][1]]}
    assert not numpy.array_equal(one(x), other(x))
    require_draws(other, draws_of(one))
    set_draws(other, draws_of(one))
    assert draws_of(other) == draws_of(one)
    numpy.testing.assert_array_equal(one(x), other(x))  # both have drawn once before


def test_other_layers_do_not_draw():
    assert draws_of(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.BatchNorm1d(2))) == {}


def test_a_layer_that_does_not_draw_has_no_seed():
    with pytest.raises(ValueError, match="there is a seed for '0', which is no layer of the model's that draws"):
        require_draws(nn.Sequential(nn.ReLU()), {"0": [1, "rrelu/0"]})
