"""Rows of normalisation: the variants that take other ways through the code."""

from rows.base import normal, positive, row
from xpnn import nn


def of_layer(layer, x):
    return layer(x)


def moved(layer):
    """The layer after a training batch, in evaluation."""
    for slot in layer.slots("buffer"):
        if slot.value.ndim:
            slot.value[...] = positive(*slot.value.shape)
    return layer.eval()


def with_affine(layer):
    """The layer with other factors and offsets than 1 and 0."""
    for slot in layer.slots("parameter"):
        slot.value[...] = normal(*slot.value.shape)
    return layer


row("batch_norm", nn.batch_norm, normal(5, 3), normal(3), normal(3), empty=False)
row("BatchNorm1d", of_layer, with_affine(nn.BatchNorm1d(3)), normal(5, 3))
row("BatchNorm1d, evaluation", of_layer, moved(with_affine(nn.BatchNorm1d(3))), normal(5, 3))
row(
    "BatchNorm1d without parameters",
    of_layer,
    nn.BatchNorm1d(3, affine=False, momentum=None),
    normal(5, 3),
    empty=False,
)
row("BatchNorm2d", of_layer, with_affine(nn.BatchNorm2d(2)), normal(3, 2, 2, 3), empty=False)
row("BatchNorm3d, evaluation", of_layer, moved(nn.BatchNorm3d(2, affine=False)), normal(2, 2, 1, 2, 2))
row("instance_norm", nn.instance_norm, normal(2, 3, 4), normal(3), normal(3), empty=False)
row("InstanceNorm1d", of_layer, nn.InstanceNorm1d(3), normal(2, 3, 4))
row("InstanceNorm2d", of_layer, with_affine(nn.InstanceNorm2d(2, affine=True)), normal(2, 2, 2, 3))
row("InstanceNorm3d, tracking", of_layer, nn.InstanceNorm3d(2, track=True), normal(2, 2, 2, 1, 3), empty=False)
row("layer_norm", nn.layer_norm, normal(3, 4), normal(4), normal(4), empty=False)
row("LayerNorm", of_layer, with_affine(nn.LayerNorm((2, 3))), normal(4, 2, 3))
row("group_norm", lambda x: nn.group_norm(x, groups=2), normal(3, 4))
row("GroupNorm", of_layer, with_affine(nn.GroupNorm(2, 4)), normal(3, 4, 2, 2))
row("rms_norm", lambda x: nn.rms_norm(x), normal(3, 4))
row("RMSNorm", of_layer, with_affine(nn.RMSNorm(4)), normal(3, 4))
row("local_response_norm", lambda x: nn.local_response_norm(x, 4, alpha=0.5, beta=0.6, offset=2.0), normal(2, 5, 2))
row("LocalResponseNorm", of_layer, nn.LocalResponseNorm(3, alpha=0.1), normal(2, 4, 2, 3))
row("weight_norm", nn.weight_norm, normal(3, 4), normal(3, 1), empty=False)
row("WeightNorm", of_layer, nn.WeightNorm(nn.Linear(4, 2)).initialize(seed=1), normal(3, 4))
