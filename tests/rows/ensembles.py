"""Rows of the layers of several networks at once."""

from rows.base import normal, row
from xpnn import nn

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
