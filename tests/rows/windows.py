"""Rows of convolutions, pools, padding, folding and upsampling.

Layers take the way of their functions, so the functions' rows hold the options that lead through other code. An empty
weight is refused: no items are tried by the layers.
"""

from functools import partial

import numpy

from rows.base import normal, row
from xpnn import nn


def called(layer, x):
    return layer(x)


# Convolutions
row(
    "conv1d",
    partial(nn.conv1d, stride=2, padding=1, dilation=2),
    normal(2, 2, 7),
    normal(3, 2, 2),
    normal(3),
    empty=False,
)
row("conv2d", nn.conv2d, normal(2, 2, 3, 4), normal(3, 2, 2, 2), normal(3), empty=False)
row(
    "conv2d, groups, same",
    partial(nn.conv2d, groups=2, padding="same"),
    normal(2, 4, 3, 3),
    normal(2, 2, 2, 3),
    empty=False,
)
row(
    "conv3d",
    partial(nn.conv3d, padding=(0, 1, 0)),
    normal(1, 2, 3, 2, 3),
    normal(2, 2, 2, 2, 2),
    normal(2),
    empty=False,
)
row(
    "conv_transpose1d",
    partial(nn.conv_transpose1d, padding=1),
    normal(2, 3, 4),
    normal(3, 2, 3),
    normal(2),
    empty=False,
)
row(
    "conv_transpose2d",
    partial(nn.conv_transpose2d, stride=(2, 1), output_padding=(1, 0), groups=2),
    normal(2, 4, 2, 3),
    normal(4, 1, 2, 2),
    empty=False,
)
row(
    "conv_transpose3d",
    partial(nn.conv_transpose3d, stride=2, padding=(0, 1, 0)),
    normal(1, 2, 2, 2, 1),
    normal(2, 1, 2, 2, 1),
    empty=False,
)
row("Conv1d", called, nn.Conv1d(2, 2, 3, padding="same").initialize(seed=1), normal(2, 2, 4))
row("Conv2d", called, nn.Conv2d(2, 3, 2, stride=2).initialize(seed=1), normal(2, 2, 4, 3))
row(
    "Conv2d without bias, circular",
    called,
    nn.Conv2d(2, 1, 3, padding=1, padding_mode="circular", bias=False).initialize(seed=1),
    normal(2, 2, 3, 3),
)
row("Conv3d", called, nn.Conv3d(1, 2, 2).initialize(seed=1), normal(2, 1, 2, 3, 2))
row("ConvTranspose1d", called, nn.ConvTranspose1d(2, 2, 2, stride=2).initialize(seed=1), normal(2, 2, 3))
row("ConvTranspose2d", called, nn.ConvTranspose2d(2, 2, 2, bias=False).initialize(seed=1), normal(2, 2, 2, 3))
row("ConvTranspose3d", called, nn.ConvTranspose3d(1, 2, (1, 2, 2)).initialize(seed=1), normal(2, 1, 2, 1, 2))

# Padding
for mode in ("constant", "reflect", "replicate", "circular"):
    row(f"pad, {mode}", partial(nn.pad, padding=(2, 1, 0, 1), mode=mode, value=2.0), normal(2, 3, 3))
row("Pad1d", called, nn.Pad1d((1, 0)), normal(2, 1, 2))
row("Pad2d", called, nn.Pad2d((-1, 1, 0, 2), value=1.0), normal(2, 1, 2, 3))
row("Pad3d", called, nn.Pad3d(1, mode="replicate"), normal(1, 1, 2, 1, 2))

# Pools
row("max_pool1d", partial(nn.max_pool1d, kernel_size=2, padding=1, dilation=2), normal(2, 2, 6))
row("max_pool2d", partial(nn.max_pool2d, kernel_size=(2, 3), stride=1, ceil_mode=True), normal(2, 2, 3, 4))
row("max_pool3d", partial(nn.max_pool3d, kernel_size=2, stride=1), normal(1, 1, 3, 2, 3))
row("avg_pool1d", partial(nn.avg_pool1d, kernel_size=2, padding=1, count_padding=False), normal(2, 2, 5))
row("avg_pool2d", partial(nn.avg_pool2d, kernel_size=(2, 3), stride=1, ceil_mode=True), normal(2, 2, 3, 4))
row("avg_pool3d", partial(nn.avg_pool3d, kernel_size=2, divisor=3.0), normal(1, 1, 3, 2, 3))
row("adaptive_avg_pool1d", partial(nn.adaptive_avg_pool1d, output_size=3), normal(2, 2, 5))
row("adaptive_avg_pool2d", partial(nn.adaptive_avg_pool2d, output_size=(2, None)), normal(2, 2, 4, 3))
row("adaptive_avg_pool3d", partial(nn.adaptive_avg_pool3d, output_size=1), normal(1, 2, 2, 2, 3))
row("adaptive_max_pool1d", partial(nn.adaptive_max_pool1d, output_size=3), normal(2, 2, 5))
row("adaptive_max_pool2d", partial(nn.adaptive_max_pool2d, output_size=(2, None)), normal(2, 2, 4, 3))
row("adaptive_max_pool3d", partial(nn.adaptive_max_pool3d, output_size=1), normal(1, 2, 2, 2, 3))
row("global_avg_pool", nn.global_avg_pool, normal(2, 3, 2, 3))
row("global_max_pool", nn.global_max_pool, normal(2, 3, 2, 3))
for layer, lengths in (
    (nn.MaxPool1d(2, padding=1), (4,)),
    (nn.MaxPool2d(2), (4, 4)),
    (nn.MaxPool3d(2), (2, 2, 3)),
    (nn.AvgPool1d(2), (4,)),
    (nn.AvgPool2d(2, padding=1, count_padding=False), (4, 4)),
    (nn.AvgPool3d(2), (2, 2, 3)),
    (nn.AdaptiveAvgPool1d(2), (4,)),
    (nn.AdaptiveAvgPool2d((3, 2)), (4, 4)),
    (nn.AdaptiveAvgPool3d(1), (2, 2, 3)),
    (nn.AdaptiveMaxPool1d(2), (4,)),
    (nn.AdaptiveMaxPool2d((3, 2)), (4, 4)),
    (nn.AdaptiveMaxPool3d(1), (2, 2, 3)),
    (nn.GlobalAvgPool(), (3,)),
    (nn.GlobalMaxPool(), (3,)),
):
    row(repr(layer), called, layer, normal(2, 1, *lengths))

for layer, lengths in ((nn.MaxUnpool1d(2), (3,)), (nn.MaxUnpool2d(2), (1, 2)), (nn.MaxUnpool3d(2), (1, 1, 2))):
    axes, places = len(lengths), numpy.asarray([4, 0, 1][: lengths[-1]])
    indices = numpy.broadcast_to(places, (2, 2, *lengths)).copy()
    row(repr(layer), lambda layer, x, indices: layer(x, indices), layer, normal(2, 2, *lengths), indices)
    unpool = partial(getattr(nn, f"max_unpool{axes}d"), kernel_size=2)
    row(unpool.func.__name__, unpool, normal(2, 2, *lengths), indices)

# Windows as columns, channels as pixels
row("unfold", partial(nn.unfold, kernel_size=2, padding=1, stride=2), normal(2, 2, 3, 4))
row("fold", partial(nn.fold, output_size=(3, 3), kernel_size=2), normal(2, 8, 4))
row("pixel_shuffle", partial(nn.pixel_shuffle, factor=2), normal(2, 8, 1, 2))
row("pixel_unshuffle", partial(nn.pixel_unshuffle, factor=2), normal(2, 1, 2, 4))
row("Unfold", called, nn.Unfold((2, 1)), normal(2, 1, 3, 2))
row("Fold", called, nn.Fold((2, 3), 2, padding=1), normal(2, 4, 12))
row("PixelShuffle", called, nn.PixelShuffle(2), normal(1, 4, 1, 2))
row("PixelUnshuffle", called, nn.PixelUnshuffle(2), normal(1, 1, 2, 2))

# Upsampling
row("upsample, nearest by a factor", partial(nn.upsample, scale_factor=2), normal(2, 2, 2, 3))
row("upsample, nearest", partial(nn.upsample, size=(3, 2)), normal(2, 2, 2, 3))
row("upsample, bilinear", partial(nn.upsample, size=(3, 5), mode="bilinear"), normal(2, 2, 2, 3))
row("upsample, linear", partial(nn.upsample, scale_factor=1.5, mode="linear", align_corners=True), normal(2, 2, 4))
row("Upsample", called, nn.Upsample(scale_factor=2, mode="bilinear"), normal(2, 1, 2, 2))
