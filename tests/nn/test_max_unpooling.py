"""Largest elements put back: PyTorch's numbers, elements that meet, every wrong input."""

import numpy
import pytest

import xpnn
from xpnn import nn

RNG = numpy.random.default_rng(4)
CASES = [
    (1, (2, 3, 8), {"kernel_size": 2}, None),
    (1, (3, 9), {"kernel_size": 2}, 9),
    (2, (2, 3, 7, 6), {"kernel_size": (3, 2)}, (7, 6)),
    (2, (3, 8, 8), {"kernel_size": 2, "padding": 1}, None),
    (3, (2, 2, 4, 5, 6), {"kernel_size": 2, "stride": (2, 3, 2)}, None),
]


@pytest.mark.parametrize(("axes", "shape", "options", "size"), CASES)
def test_unpooling_is_pytorchs(axes, shape, options, size):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these numbers")
    pooled, indices = getattr(nn, f"max_pool{axes}d")(RNG.standard_normal(shape), **options, return_indices=True)
    x = torch.tensor(pooled, requires_grad=True)
    lengths = (size,) if isinstance(size, int) else size
    expected = getattr(torch.nn.functional, f"max_unpool{axes}d")(
        x, torch.tensor(indices), **options, output_size=lengths
    )
    dy = RNG.standard_normal(expected.shape)
    expected.backward(torch.tensor(dy))
    function = getattr(nn, f"max_unpool{axes}d")
    y, back = xpnn.vjp(lambda x: function(x, indices, **options, output_size=size), pooled)
    numpy.testing.assert_array_equal(y, expected.detach())
    numpy.testing.assert_array_equal(back(dy)[0], x.grad)
    layer = getattr(nn, f"MaxUnpool{axes}d")(**options)
    numpy.testing.assert_array_equal(layer(pooled, indices, size), y)


def test_pooling_undoes_unpooling():
    x = numpy.abs(RNG.standard_normal((2, 3, 4, 6)))
    y, indices = nn.max_pool2d(x, 2, return_indices=True)
    again, places = nn.max_pool2d(nn.max_unpool2d(y, indices, 2), 2, return_indices=True)
    numpy.testing.assert_array_equal(again, y)
    numpy.testing.assert_array_equal(places, indices)


def test_elements_that_meet_are_added_up():
    y = nn.max_unpool1d(numpy.asarray([[2.0, 3.0]]), numpy.asarray([[1, 1]]), 2, stride=1)
    assert y.tolist() == [[0.0, 5.0, 0.0]]


def test_an_autoencoder_in_a_differentiated_and_compiled_step():
    pool, unpool = nn.MaxPool1d(2, return_indices=True), nn.MaxUnpool1d(2)

    def loss(x):
        return nn.squared_error(unpool(*pool(x)), xpnn.stop_gradient(x))

    fast = xpnn.compile(xpnn.grad(loss), exact=True)
    for _ in range(4):
        x = RNG.standard_normal((2, 3, 6))
        numpy.testing.assert_array_equal(fast(x), xpnn.grad(loss)(x))


X, INDICES = numpy.ones((1, 1, 2)), numpy.asarray([[[0, 3]]])
WRONG = {
    "index": (lambda: nn.max_unpool1d(X, INDICES + 1, 2), ValueError, r"max_unpool1d to lengths \(4,\): .*3, got 4"),
    "negative index": (lambda: nn.MaxUnpool1d(2)(X, INDICES - 1), ValueError, "from 0 to 3, got -1"),
    "shape": (lambda: nn.max_unpool1d(X, INDICES[0], 2), ValueError, r"shape of x, \(1, 1, 2\), got \(1, 2\)"),
    "kind": (lambda: nn.max_unpool1d(X, INDICES * 1.0, 2), TypeError, "indices to be integers, got float64"),
    "axes": (lambda: nn.MaxUnpool2d(2)(X[0], INDICES[0]), ValueError, r"MaxUnpool2d expected x of shape \(n, chan"),
    "size": (
        lambda: nn.max_unpool1d(X, INDICES, 2, output_size=6),
        ValueError,
        r"stride, 2, from \(4,\), got \(6,",
    ),
    "no size": (lambda: nn.max_unpool1d(X, INDICES, 2, output_size=0), ValueError, "output_size to be a positive int"),
    "padding": (lambda: nn.MaxUnpool1d(2, padding=2), ValueError, "padding of at most half"),
    "integers": (lambda: nn.max_unpool1d(INDICES, INDICES, 2), TypeError, "real floating-point numbers, got int64"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(name):
    call, kind, message = WRONG[name]
    with pytest.raises(kind, match=message):
        call()


def test_repr():
    assert repr(nn.MaxUnpool1d(2)) == "MaxUnpool1d(2)"
    assert repr(nn.MaxUnpool2d((2, 3), stride=1, padding=1)) == "MaxUnpool2d((2, 3), stride=1, padding=1)"
