"""Rows of dropout beyond `rows.layers`: channels, items, and the kind that goes with SELU."""

from rows.base import normal, row
from xpnn import nn

row("channel_dropout", lambda x: nn.channel_dropout(x, 0.3, seed=1, step=2), normal(3, 4, 2))
row("drop_path", lambda x: nn.drop_path(x, 0.3, seed=1, step=2), normal(5, 4))
row("alpha_dropout", lambda x: nn.alpha_dropout(x, 0.3, seed=1, step=2), normal(5, 4))
row("feature_alpha_dropout", lambda x: nn.feature_alpha_dropout(x, 0.3, seed=1, step=2), normal(3, 4, 2))
for layer, shape in (
    (nn.Dropout1d(), (3, 2, 2)),
    (nn.Dropout2d(), (3, 2, 1, 2)),
    (nn.Dropout3d(), (3, 2, 1, 2, 1)),
    (nn.AlphaDropout(), (3, 2)),
    (nn.FeatureAlphaDropout(), (3, 2, 2)),
    (nn.DropPath(), (3, 2)),
):
    row(repr(layer), lambda layer, x: layer(x), layer.eval(), normal(*shape))
