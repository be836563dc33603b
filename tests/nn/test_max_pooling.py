"""Where the largest elements were: PyTorch's places, those that get the gradient, NaN."""

import numpy
import pytest

import xpnn
from xpnn import nn
from xpnn.autodiff.tensor import Tensor

RNG = numpy.random.default_rng(3)
POOLS = [
    ("max_pool1d", (2, 3, 9), {"kernel_size": 2}),
    ("max_pool1d", (3, 9), {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True}),
    ("max_pool2d", (2, 3, 7, 6), {"kernel_size": (3, 2), "stride": (1, 2), "padding": 1, "ceil_mode": True}),
    ("max_pool3d", (2, 2, 4, 5, 6), {"kernel_size": 2, "stride": (1, 2, 3), "padding": (0, 1, 1)}),
    ("adaptive_max_pool1d", (2, 3, 9), {"output_size": 4}),
    ("adaptive_max_pool2d", (2, 3, 7, 6), {"output_size": (3, 4)}),
    ("adaptive_max_pool3d", (2, 4, 5, 6), {"output_size": (2, 3, None)}),
]


@pytest.mark.parametrize(("name", "shape", "options"), POOLS)
def test_places_are_pytorchs(name, shape, options):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these places")
    x = RNG.integers(0, 3, shape).astype("float64")  # with many that are equal, of which the first counts
    theirs = getattr(torch.nn.functional, name)(torch.tensor(x), **options, return_indices=True)
    y, places = getattr(nn, name)(x, **options, return_indices=True)
    assert places.dtype == "int64"
    numpy.testing.assert_array_equal(y, theirs[0])
    numpy.testing.assert_array_equal(places, theirs[1])
    kind = getattr(nn, name.replace("adaptive_max_pool", "AdaptiveMaxPool").replace("max_pool", "MaxPool"))
    layer = kind(**options, return_indices=True)
    numpy.testing.assert_array_equal(layer(x)[1], places)
    assert "return_indices=True" in repr(layer)


@pytest.mark.parametrize(("name", "shape", "options"), POOLS)
def test_the_gradient_goes_to_these_places(name, shape, options):
    x = RNG.standard_normal(shape)

    def total(x):
        y, places = getattr(nn, name)(x, **options, return_indices=True)
        assert type(places) is Tensor  # off the path, as what argmax gives
        return xpnn.namespace_of(y).sum(y), places

    (_, places), dx = xpnn.value_and_grad(total, aux=True)(x)
    size = numpy.prod(shape[-int(name[-2]) :])  # of a channel
    channels = numpy.asarray(places).reshape(dx.size // size, -1)
    counted = [numpy.bincount(channel, minlength=size) for channel in channels]
    numpy.testing.assert_array_equal(dx.reshape(-1, size), counted)


def test_the_first_nan_of_a_window_counts_as_its_largest_element():
    nan = numpy.nan
    x = numpy.asarray([[1.0, nan, 5.0, nan], [nan, numpy.inf, 1.0, 2.0], [3.0, 4.0, 4.0, 1.0]])
    y, places = nn.max_pool1d(x, 4, return_indices=True)
    assert numpy.isnan(y[:2, 0]).all()
    assert places[:, 0].tolist() == [1, 0, 1]
    dx = xpnn.grad(lambda x: xpnn.namespace_of(x).sum(nn.max_pool1d(x, 4)))(x)
    assert dx.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]


def test_values_and_places_in_a_compiled_step():
    layer = nn.MaxPool2d(2, return_indices=True)
    fast = xpnn.compile(lambda x: layer(x), exact=True)
    for _ in range(4):
        x = RNG.standard_normal((2, 3, 4, 4))
        for found, expected in zip(fast(x), layer(x), strict=True):
            numpy.testing.assert_array_equal(found, expected)
