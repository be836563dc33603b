"""Pools: numbers by hand, NaN and infinity, every wrong input."""

import numpy
import pytest

import xpnn
from xpnn import nn


def test_numbers_by_hand():
    x = numpy.asarray([[[1.0, 2.0, 3.0, 4.0, 5.0]]])
    assert nn.max_pool1d(x, 2).tolist() == [[[2.0, 4.0]]]
    assert nn.max_pool1d(x, 2, ceil_mode=True).tolist() == [[[2.0, 4.0, 5.0]]]
    assert nn.max_pool1d(-x, 3, stride=2, padding=1).tolist() == [[[-1.0, -2.0, -4.0]]]  # padding is below all numbers
    assert nn.avg_pool1d(x, 3, stride=2, padding=1).tolist() == [[[1.0, 3.0, 3.0]]]
    assert nn.avg_pool1d(x, 3, stride=2, padding=1, count_padding=False).tolist() == [[[1.5, 3.0, 4.5]]]
    assert nn.adaptive_avg_pool1d(x, 2).tolist() == [[[2.0, 4.0]]]  # the third element belongs to both
    assert nn.adaptive_max_pool1d(x, 7).tolist() == [[[1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 5.0]]]


def test_a_tie_goes_to_the_first_and_a_gradient_is_not_lost_beside_nan():
    def total(x):
        return xpnn.namespace_of(x).sum(nn.max_pool1d(x, 2))

    assert xpnn.grad(total)(numpy.asarray([[3.0, 3.0, 1.0, 2.0]])).tolist() == [[1.0, 0.0, 0.0, 1.0]]
    x = numpy.asarray([[numpy.nan, 1.0, -numpy.inf, -numpy.inf]])
    y, dx = xpnn.value_and_grad(lambda x: nn.max_pool1d(x, 2)[0, 1])(x)
    assert (float(y), dx.tolist()) == (-numpy.inf, [[0.0, 0.0, 1.0, 0.0]])
    assert numpy.isnan(nn.max_pool1d(x, 2)[0, 0])
    assert xpnn.grad(lambda x: nn.max_pool1d(x, 2)[0, 0])(x).sum() == 1.0


def test_infinity_stays_in_its_window():
    x = numpy.asarray([[[numpy.inf, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]])
    for y in (nn.avg_pool1d(x, 2), nn.adaptive_avg_pool1d(x, 3), nn.upsample(x, size=9, mode="linear")):
        assert numpy.isfinite(y).any()
        assert not numpy.isnan(y[..., 1:]).any()


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(2), nn.AdaptiveMaxPool2d(3)])
def test_one_image_gives_what_it_gives_in_a_batch(pool):
    x = numpy.random.default_rng(0).standard_normal((3, 2, 5, 6)).astype("float32")
    numpy.testing.assert_array_equal(pool(x[1]), pool(x)[1])
    assert pool(x).dtype == "float32"


def test_repr_shows_what_is_not_usual():
    assert repr(nn.MaxPool2d((2, 3), dilation=2, ceil_mode=True)) == "MaxPool2d((2, 3), dilation=2, ceil_mode=True)"
    assert repr(nn.AvgPool1d(2, stride=1, divisor=3)) == "AvgPool1d(2, stride=1, divisor=3)"
    assert repr(nn.AdaptiveMaxPool3d((1, None, 2))) == "AdaptiveMaxPool3d((1, None, 2))"
    assert repr(nn.GlobalAvgPool()) == "GlobalAvgPool()"


X = numpy.ones((1, 1, 3, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: nn.max_pool2d(X, 4),
            r"max_pool2d expected an input at least as large as its window, 4, got .*\(3, 3\)",
        ),
        (lambda: nn.MaxPool2d(2, padding=2), r"MaxPool2d expected padding of at most half of kernel_size, \(2, 2\)"),
        (lambda: nn.MaxPool2d(0), "MaxPool2d expected kernel_size to be a positive integer"),
        (lambda: nn.MaxPool2d(2, stride=0), "MaxPool2d expected stride"),
        (lambda: nn.MaxPool1d(2)(X), r"MaxPool1d expected x of shape \(n, channels, length\)"),
        (lambda: nn.AvgPool2d(2, divisor=0)(X), "AvgPool2d expected a divisor other than 0"),
        (lambda: nn.AdaptiveAvgPool2d(0), "AdaptiveAvgPool2d expected output_size to be a positive integer"),
        (lambda: nn.AdaptiveAvgPool2d((1, 2, 3)), "AdaptiveAvgPool2d expected output_size"),
        (lambda: nn.adaptive_max_pool2d(X[:, :, :0], 2), "expected x with elements behind its channels"),
        (lambda: nn.global_avg_pool(X[0, 0]), r"global_avg_pool expected x of shape \(n, channels, ...\)"),
        (lambda: nn.global_max_pool(X[..., :0]), "with elements in them"),
    ],
)
def test_wrong_calls(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveMaxPool2d(1), nn.GlobalAvgPool()])
@pytest.mark.parametrize("dtype", ["int64", "complex128", "bool"])
def test_only_real_floating_point_numbers(pool, dtype):
    with pytest.raises(TypeError, match=f"real floating-point numbers, got {dtype}"):
        pool(X.astype(dtype))
