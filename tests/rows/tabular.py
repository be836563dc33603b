"""Rows of encodings and embeddings of the columns of a table."""

import numpy

from rows.base import inside, normal, row
from xpnn import nn

EDGES = [numpy.asarray([-1.0, -0.25, 0.5, 1.0]), numpy.asarray([-0.3, 0.4])]
PADDED = numpy.asarray([[-1.0, -0.25, 0.5, 1.0], [-0.3, 0.4, 0.4, 0.4]])
CODES = numpy.asarray([[1, 3], [0, 0], [1, 2]])


def of_layer(layer, x):
    return layer(x)


row("piecewise_linear_encoding", nn.piecewise_linear_encoding, inside(4, 2), PADDED, argnums=0, empty=False)
row("PiecewiseLinearEmbedding", of_layer, nn.PiecewiseLinearEmbedding(EDGES, 3).initialize(seed=1), inside(4, 2))
row("periodic_encoding", nn.periodic_encoding, normal(4, 2), normal(2, 3), empty=False)
row(
    "PeriodicEmbedding",  # of slow waves: third derivatives of fast ones spoil central differences
    of_layer,
    nn.PeriodicEmbedding(2, 3, frequencies=4, deviation=0.1, activation=False).initialize(seed=1),
    normal(4, 2),
)
row("linear_per_feature", nn.linear_per_feature, normal(2, 2, 3, 4), normal(3, 4, 2), normal(3, 2), empty=False)
row("LinearPerFeature", of_layer, nn.LinearPerFeature(3, 4, 2).initialize(seed=1), normal(2, 3, 4))
row("LinearEmbedding", of_layer, nn.LinearEmbedding(2, 3).initialize(seed=1), normal(4, 2))
row("CategoricalEmbedding", of_layer, nn.CategoricalEmbedding([2, 4], 3).initialize(seed=1), CODES)
