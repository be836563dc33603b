"""A small network with everything that a second run could get wrong, for the tests of recomputing."""

import numpy

import xpnn
from xpnn import nn, stop_gradient
from xpnn.arrays.namespaces import namespace_of

X = numpy.random.default_rng(0).standard_normal((5, 3)).astype("float32")


def total(x):
    return namespace_of(x).sum(x)


class Normalizing(nn.Module):
    """A layer whose running mean is written in each call, and used in the next."""

    def __init__(self):
        self.scale = nn.Parameter(numpy.ones(3, dtype="float32"))
        self.mean = nn.Buffer(numpy.zeros(3, dtype="float32"))

    def forward(self, x):
        xp = namespace_of(x)
        y = (x - self.mean * 1.0) * self.scale
        self.mean[...] = 0.5 * self.mean + 0.5 * stop_gradient(xp.mean(x, axis=0))
        return y


def network():
    return nn.Sequential(
        nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.4), nn.Linear(8, 3), Normalizing(), nn.Dropout(0.2)
    ).initialize(seed=1)


def same(a, b):
    """The same bits, in trees too."""
    (a, _), (b, _) = (xpnn.arrays.tree.flatten(tree) for tree in (a, b))
    assert len(a) == len(b) > 0
    for one, other in zip(a, b, strict=True):
        assert one.dtype == other.dtype
        numpy.testing.assert_array_equal(one, other)
