"""Nearest upsampling: the places of PyTorch for every small size, and for factors that are no whole numbers."""

import numpy
import pytest

from xpnn import nn

FACTORS = [1.1, 1.3, 2.7, 0.7, 1 / 3, 2 / 3, 10 / 7, 3.2857142857142856, 0.123, 5.9]


@pytest.fixture
def interpolate():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these places")
    return lambda x, **options: torch.nn.functional.interpolate(torch.tensor(x), **options).numpy()


def test_all_sizes_up_to_40(interpolate):
    for n in range(1, 41):
        x = numpy.arange(n, dtype="float64").reshape(1, 1, n)
        for m in range(1, 41):
            numpy.testing.assert_array_equal(nn.upsample(x, size=m), interpolate(x, size=m), err_msg=f"{n} to {m}")


@pytest.mark.parametrize("factor", FACTORS)
def test_factors(interpolate, factor):
    for n in range(9, 65):
        x = numpy.arange(n, dtype="float64").reshape(1, 1, n)
        expected = interpolate(x, scale_factor=factor)
        numpy.testing.assert_array_equal(nn.upsample(x, scale_factor=factor), expected, err_msg=f"{n} times {factor}")


def test_places_are_the_same_in_float32():
    x = numpy.arange(64).reshape(1, 1, 64)
    for n, m in ((14, 46), (26, 22), (39, 33), (64, 37)):  # PyTorch is one element off in some of these
        exact = [o * n // m for o in range(m)]
        assert nn.upsample(x[..., :n].astype("float32"), size=m).ravel().tolist() == exact
