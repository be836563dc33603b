"""Rows of modules that hold others."""

from rows.base import normal, row
from xpnn import nn


def in_turn(layers, x):
    for layer in layers:
        x = layer(x)
    return x


def summed(heads, x):
    return heads["mean"](x) + heads["spread"](x)


LAYERS = nn.ModuleList([nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)]).initialize(seed=1)
HEADS = nn.ModuleDict({"mean": nn.Linear(4, 2), "spread": nn.Linear(4, 2)}).initialize(seed=1)
NAMED = nn.Sequential({"hidden": nn.Linear(4, 4), "bend": nn.Tanh()})

row("ModuleList", in_turn, LAYERS, normal(3, 4))
row("ModuleDict", summed, HEADS, normal(3, 4))
row("Residual", lambda block, x: block(x), nn.Residual(NAMED).initialize(seed=1), normal(3, 4))
