"""Rows of the layers of several networks at once."""

import numpy

from rows.base import row
from xpnn import nn

RNG = numpy.random.default_rng(21)  # its own, so that the rows of other files keep their numbers


def normal(*shape):
    return RNG.standard_normal(shape)


row("ensemble_linear", nn.ensemble_linear, normal(3, 4, 2), normal(3, 5, 2), normal(3, 5), empty=False)
row("ensemble_linear of the same x", nn.ensemble_linear, normal(4, 2), normal(3, 5, 2), normal(3, 5), empty=False)
row(
    "EnsembleLinear",
    lambda layer, x: layer(x),
    nn.EnsembleLinear(3, 4, 2).initialize(seed=1),
    normal(3, 5, 4),
    empty=False,  # the first axis is that of the members
)
row(
    "EnsembleLinear of the same x",
    lambda layer, x: layer(x),
    nn.EnsembleLinear(3, 4, 2).initialize(seed=1),
    normal(5, 4),
)
row(
    "EnsembleLinear without bias",
    lambda layer, x: layer(x),
    nn.EnsembleLinear(3, 4, 2, bias=False).initialize(seed=1),
    normal(5, 4),
)
for kind in (nn.EnsembleBatchNorm, nn.EnsembleLayerNorm, nn.EnsembleRMSNorm):
    row(kind.__name__, lambda layer, x: layer(x), kind(3, 4), normal(3, 5, 4), empty=False)
row(
    "EnsembleBatchNorm in evaluation",
    lambda layer, x: layer(x),
    nn.EnsembleBatchNorm(3, 4).eval(),
    normal(3, 5, 4),
    empty=False,
)
