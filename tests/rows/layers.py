"""Rows of special functions, activations, layers and losses."""

import numpy

from rows.base import RNG, inside, normal, positive, row
from xpnn import nn, special

# Special functions and activations
for function in (
    special.expit,
    special.softplus,
    special.ndtr,
    nn.relu,
    nn.leaky_relu,
    nn.gelu,
    nn.softmax,
    nn.log_softmax,
):
    row(function.__name__, function, normal(3, 4))
row("nn.tanh", nn.tanh, normal(3, 4))
row("gelu, tanh form", lambda x: nn.gelu(x, approximate="tanh"), normal(3, 4))
row("softmax of axis 0", lambda x: nn.softmax(x, axis=0), normal(3, 4), empty=False)
row("dropout", lambda x: nn.dropout(x, 0.3, seed=1, step=2), normal(5, 4))

# Layers
for layer in (
    nn.Sigmoid(),
    nn.Tanh(),
    nn.ReLU(),
    nn.LeakyReLU(0.2),
    nn.GELU(),
    nn.Softmax(),
    nn.LogSoftmax(),
    nn.Dropout(0.5).eval(),
):
    row(repr(layer), lambda layer, x: layer(x), layer, normal(3, 4))
row("Linear", lambda layer, x: layer(x), nn.Linear(4, 2).initialize(seed=1), normal(3, 4))
row("Linear without bias", lambda layer, x: layer(x), nn.Linear(4, 2, bias=False).initialize(seed=1), normal(3, 4))
row("Linear of stacks", lambda layer, x: layer(x), nn.Linear(4, 2).initialize(seed=1), normal(2, 3, 4))
row("linear", nn.linear, normal(3, 4), normal(2, 4), normal(2), empty=False)
row("Linear of one item", lambda layer, x: layer(x), nn.Linear(4, 2).initialize(seed=1), normal(4), empty=False)
row(
    "Sequential",
    lambda model, x: model(x),
    nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).initialize(seed=1),
    normal(3, 4),
)

# Losses
LABELS = numpy.asarray([2, 0, 1])
WEIGHTS = numpy.asarray([0.5, 2.0, 1.0])
SOFT = RNG.dirichlet(numpy.ones(4), 3)
for reduction in ("mean", "sum", "none"):
    options = {"empty": reduction != "mean"}
    row(
        f"squared_error, {reduction}",
        lambda y, t, r=reduction: nn.squared_error(y, t, reduction=r),
        normal(3, 2),
        normal(3, 2),
        **options,
    )
    row(
        f"binary_cross_entropy, {reduction}",
        lambda p, t, r=reduction: nn.binary_cross_entropy(p, t, reduction=r),
        RNG.uniform(0.1, 0.9, (3, 2)),
        RNG.uniform(0, 1, (3, 2)),
        **options,
    )
    row(
        f"binary_cross_entropy_with_logits, {reduction}",
        lambda z, t, r=reduction: nn.binary_cross_entropy_with_logits(z, t, reduction=r),
        normal(3, 2),
        RNG.uniform(0, 1, (3, 2)),
        **options,
    )
    row(
        f"cross_entropy of labels, {reduction}",
        lambda z, t, r=reduction: nn.cross_entropy(z, t, reduction=r),
        normal(3, 4),
        LABELS,
        **options,
    )
    row(
        f"cross_entropy of probabilities, {reduction}",
        lambda z, t, r=reduction: nn.cross_entropy(z, t, reduction=r),
        normal(3, 4),
        SOFT,
        **options,
    )
    row(
        f"cross_entropy, weighted, {reduction}",
        lambda z, t, c, w, r=reduction: nn.cross_entropy(z, t, class_weight=c, sample_weight=w, reduction=r),
        normal(3, 4),
        LABELS,
        positive(4),
        WEIGHTS,
        argnums=0,
        empty=False,
    )
row(
    "squared_error, weighted",
    lambda y, t, w: nn.squared_error(y, t, sample_weight=w),
    normal(3, 2),
    normal(3, 2),
    WEIGHTS,
    empty=False,
)
row(
    "binary_cross_entropy_with_logits, positive_weight",
    lambda z, t: nn.binary_cross_entropy_with_logits(z, t, positive_weight=3.0),
    normal(3, 2),
    RNG.uniform(0, 1, (3, 2)),
    empty=False,
)
for layer, args in (
    (nn.SquaredError(), (normal(3, 2), normal(3, 2))),
    (nn.BinaryCrossEntropy(), (inside(3, 2) / 2 + 0.5, SOFT[:, :2])),
    (nn.BinaryCrossEntropyWithLogits(), (normal(3, 2), SOFT[:, :2])),
    (nn.CrossEntropy(), (normal(3, 4), LABELS)),
):
    row(type(layer).__name__, lambda loss, y, t: loss(y, t), layer, *args, empty=False)
