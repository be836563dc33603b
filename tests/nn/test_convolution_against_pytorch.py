"""Convolutions, padding and pools: values, gradients and second derivatives are PyTorch's, in float64."""

import numpy
import pytest
from torch_judge import check

from xpnn import nn

torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these numbers")
RNG = numpy.random.default_rng(5)
NAMES = {"count_padding": "count_include_pad", "divisor": "divisor_override"}


def agrees(name, *shapes, tolerance=1e-9, **options):
    """The function of this name of ours and of PyTorch's give the same, with random arrays of these shapes."""
    args = [RNG.standard_normal(shape) for shape in shapes]
    ours = getattr(nn, name)
    theirs = getattr(torch.nn.functional, name, None)
    named = {("pad" if name == "pad" and key == "padding" else NAMES.get(key, key)): options[key] for key in options}
    expected = theirs(*(torch.tensor(a) for a in args), **named).numpy()
    numpy.testing.assert_allclose(ours(*args, **options), expected, rtol=tolerance, atol=tolerance)
    check(
        lambda xp, *arrays: ours(*arrays, **options),
        *args,
        torch_function=lambda xp, *arrays: theirs(*arrays, **named),
        tolerance=tolerance,
    )


CONVOLUTIONS = [
    ((2, 3, 9), (4, 3, 3), {}),
    ((3, 9), (4, 3, 3), {"stride": 2, "padding": 1}),
    ((2, 4, 11), (6, 2, 3), {"dilation": 3, "groups": 2, "padding": "same"}),
    ((2, 3, 7, 6), (4, 3, 3, 2), {}),
    ((2, 3, 7, 6), (4, 3, 3, 2), {"stride": (2, 3), "padding": (2, 1), "dilation": (2, 1)}),
    ((2, 3, 7, 6), (4, 3, 4, 3), {"padding": "same"}),
    ((2, 3, 7, 6), (4, 3, 2, 2), {"padding": "valid", "stride": 3}),
    ((2, 4, 5, 5), (4, 1, 3, 3), {"groups": 4, "padding": 1}),
    ((2, 3, 5, 5), (4, 3, 1, 1), {"padding": 3}),
    ((2, 3, 5, 5), (4, 3, 1, 1), {"stride": 2}),
    ((2, 2, 4, 5, 6), (3, 2, 2, 3, 2), {"stride": (1, 2, 2), "padding": (0, 1, 1), "dilation": (2, 1, 1)}),
    ((2, 5, 4, 5), (2, 1, 2, 2, 2), {"groups": 2}),
]


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # PyTorch, of kernels of even length
@pytest.mark.parametrize(("x", "w", "options"), CONVOLUTIONS)
def test_convolutions(x, w, options):
    agrees(f"conv{len(w) - 2}d", x, w, w[:1], **options)


TRANSPOSED = [
    ((2, 3, 5), (3, 4, 3), {}),
    ((3, 5), (3, 4, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    ((2, 4, 5), (4, 1, 2), {"groups": 2, "dilation": 3, "output_padding": 2, "stride": 2}),
    ((2, 3, 4, 3), (3, 2, 3, 2), {"stride": (2, 3), "padding": (2, 1), "dilation": (2, 1), "output_padding": (1, 2)}),
    ((2, 4, 4, 3), (4, 3, 2, 2), {"stride": 2, "groups": 2}),
    ((2, 2, 3, 3), (2, 2, 1, 1), {"stride": 3, "output_padding": 2}),
    ((1, 2, 2, 3, 2), (2, 2, 2, 1, 3), {"stride": (2, 1, 1), "padding": (1, 0, 1)}),
]


@pytest.mark.parametrize(("x", "w", "options"), TRANSPOSED)
def test_transposed_convolutions(x, w, options):
    agrees(f"conv_transpose{len(w) - 2}d", x, w, (w[1] * options.get("groups", 1),), **options)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    ("shape", "padding"), [((2, 3, 4), (1, 3)), ((2, 3, 4, 5), (1, 0, 2, 3)), ((1, 2, 4, 5, 3), (1, 2, 0, 1, 3, 2))]
)
def test_padding(mode, shape, padding):
    agrees("pad", shape, padding=padding, mode=mode)


def test_negative_padding_cuts_off():
    agrees("pad", (2, 3, 4), padding=(-1, 2, 0, -2))


POOLS = [
    ("max_pool1d", (2, 3, 9), {"kernel_size": 2}),
    ("max_pool1d", (3, 9), {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True}),
    ("max_pool2d", (2, 3, 7, 6), {"kernel_size": 2}),
    ("max_pool2d", (2, 3, 7, 6), {"kernel_size": (3, 2), "stride": (1, 2), "padding": 1, "ceil_mode": True}),
    ("max_pool3d", (2, 2, 4, 5, 6), {"kernel_size": 2, "stride": (1, 2, 3), "padding": (0, 1, 1)}),
    ("avg_pool1d", (2, 3, 9), {"kernel_size": 2, "ceil_mode": True}),
    ("avg_pool2d", (3, 7, 6), {"kernel_size": 2}),
    ("avg_pool2d", (2, 3, 7, 6), {"kernel_size": (3, 2), "stride": 2, "padding": 1, "ceil_mode": True}),
    ("avg_pool2d", (2, 3, 7, 6), {"kernel_size": 3, "stride": 1, "padding": 1, "count_padding": False}),
    ("avg_pool2d", (2, 3, 7, 6), {"kernel_size": 3, "divisor": 5}),
    ("avg_pool3d", (2, 2, 4, 5, 6), {"kernel_size": 2, "stride": (1, 2, 3), "padding": (0, 1, 1)}),
    ("adaptive_avg_pool1d", (2, 3, 9), {"output_size": 3}),
    ("adaptive_avg_pool2d", (2, 3, 7, 6), {"output_size": (3, 4)}),
    ("adaptive_avg_pool3d", (2, 2, 4, 5, 6), {"output_size": (2, 3, 1)}),
    ("adaptive_avg_pool2d", (3, 2, 5), {"output_size": (5, None)}),
    ("adaptive_max_pool1d", (2, 3, 9), {"output_size": 3}),
    ("adaptive_max_pool2d", (2, 3, 7, 6), {"output_size": (3, 4)}),
    ("adaptive_max_pool3d", (2, 2, 4, 5, 6), {"output_size": (2, 3, 1)}),
    ("adaptive_max_pool2d", (3, 2, 5), {"output_size": (5, None)}),
]


@pytest.mark.parametrize(("name", "shape", "options"), POOLS)
def test_pools(name, shape, options):
    agrees(name, shape, **options)


@pytest.mark.parametrize("name", ["max_pool2d", "adaptive_max_pool2d"])
def test_the_first_of_equal_elements_gets_the_gradient(name):
    x = RNG.integers(0, 2, (2, 3, 7, 6)).astype("float64")
    x[0, 0, 0, 1] = -numpy.inf
    options = {"kernel_size": 3, "stride": 2} if name == "max_pool2d" else {"output_size": (3, 4)}
    check(
        lambda xp, x: getattr(nn, name)(x, **options),
        numpy.maximum(x, -5.0),
        torch_function=lambda xp, x: getattr(torch.nn.functional, name)(x, **options),
    )


FOLDS = [{"kernel_size": 2}, {"kernel_size": (3, 2), "dilation": (1, 2), "padding": (2, 1), "stride": (2, 1)}]


@pytest.mark.parametrize("options", FOLDS)
def test_unfold_and_fold(options):
    agrees("unfold", (2, 3, 5, 6), **options)
    agrees("unfold", (3, 5, 6), **options)
    columns = nn.unfold(numpy.zeros((2, 3, 5, 6)), **options)
    agrees("fold", columns.shape, output_size=(5, 6), **options)


@pytest.mark.parametrize("name", ["pixel_shuffle", "pixel_unshuffle"])
@pytest.mark.parametrize("shape", [(2, 8, 4, 2), (8, 2, 6)])
def test_pixels_and_channels(name, shape):
    x = RNG.standard_normal(shape)
    expected = getattr(torch.nn.functional, name)(torch.tensor(x), 2).numpy()
    numpy.testing.assert_array_equal(getattr(nn, name)(x, 2), expected)


LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 5), (1, 2, 3, 4, 2)])
@pytest.mark.parametrize(
    "options", [{"size": 7}, {"scale_factor": 2}, {"scale_factor": 1.7}, {"scale_factor": 0.6}, {"size": 1}]
)
@pytest.mark.parametrize("mode", ["nearest", "linear", "corners"])
def test_upsample(shape, options, mode):
    if mode != "nearest":
        options = {**options, "mode": LINEAR[len(shape)], "align_corners": mode == "corners"}
    x = RNG.standard_normal(shape)
    expected = torch.nn.functional.interpolate(torch.tensor(x), **options).numpy()
    numpy.testing.assert_allclose(nn.upsample(x, **options), expected, rtol=1e-9, atol=1e-9)
    check(
        lambda xp, x: nn.upsample(x, **options),
        x,
        torch_function=lambda xp, x: torch.nn.functional.interpolate(x, **options),
    )
