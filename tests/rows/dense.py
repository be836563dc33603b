"""Rows of bilinear layers, embeddings and layers that change shapes."""

import numpy

from rows.base import normal, row
from xpnn import nn

INDICES = numpy.asarray([[1, 0], [3, 1], [2, 2]])  # no padding, whose gradient is 0 though it has an effect

row("bilinear", nn.bilinear, normal(3, 2), normal(3, 4), normal(5, 2, 4), normal(5), empty=False)
row(
    "Bilinear",
    lambda layer, a, b: layer(a, b),
    nn.Bilinear(2, 3, 2).initialize(seed=1),
    normal(2, 2, 2),
    normal(2, 2, 3),
)
row("embedding", lambda w, k: nn.embedding(k, w), normal(4, 3), INDICES, argnums=0, empty=False)
row("Embedding", lambda layer, k: layer(k), nn.Embedding(4, 3).initialize(seed=1), INDICES)
row(
    "Embedding with padding",
    lambda layer, k: layer(k),
    nn.Embedding(5, 3, padding_index=-1).initialize(seed=1),
    INDICES,
)
row("flatten", nn.flatten, normal(3, 2, 2))
row("Flatten", lambda layer, x: layer(x), nn.Flatten(), normal(3, 2, 2))
row("unflatten", lambda x: nn.unflatten(x, 1, (2, -1)), normal(3, 4))
row("Unflatten", lambda layer, x: layer(x), nn.Unflatten(1, (2, 2)), normal(3, 4))
row("Identity", lambda layer, x: layer(x), nn.Identity(), normal(3, 4))
