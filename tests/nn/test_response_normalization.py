"""Local response normalisation: PyTorch's numbers and gradients, wrong inputs."""

import numpy
import pytest
from torch_judge import check

from xpnn import nn


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 3, 2, 4), (1, 4, 2, 1, 3)])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])  # 7 reaches over all channels and beyond
def test_numbers_and_gradients_are_pytorchs(shape, size):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these numbers")
    x = numpy.random.default_rng(0).standard_normal(shape)
    ours, theirs = (
        nn.LocalResponseNorm(size, alpha=0.3, beta=0.6, offset=1.5),
        torch.nn.LocalResponseNorm(size, alpha=0.3, beta=0.6, k=1.5),
    )
    numpy.testing.assert_allclose(ours(x), theirs(torch.tensor(x)), rtol=1e-12)
    check(lambda xp, x: ours(x), x, torch_function=lambda xp, x: theirs(x))


def test_defaults_are_pytorchs_and_precision_is_kept():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these numbers")
    x = numpy.linspace(-30, 30, 24).reshape(2, 4, 3)
    expected = torch.nn.LocalResponseNorm(2)(torch.tensor(x))
    numpy.testing.assert_allclose(nn.LocalResponseNorm(2)(x), expected, rtol=1e-12)
    assert nn.local_response_norm(x.astype("float32"), 2).dtype == "float32"


def test_wrong_inputs():
    with pytest.raises(ValueError, match=r"\(n, channels, ...\), got shape \(2, 3\)"):
        nn.local_response_norm(numpy.ones((2, 3)), 2)
    for size in (0, 1.5, True):
        with pytest.raises(ValueError, match="LocalResponseNorm expected size to be a positive integer"):
            nn.LocalResponseNorm(size)
    with pytest.raises(TypeError, match="got int64"):
        nn.local_response_norm(numpy.ones((2, 3, 4), dtype="int64"), 2)
    with pytest.raises(TypeError, match="leave the range of float16"):
        nn.local_response_norm(numpy.ones((2, 3, 4), dtype="float16"), 2)
