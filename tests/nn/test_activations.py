"""Activations: values and gradients as PyTorch's, the ends of the number line, kinks, and wrong options.

Comparisons are in float64 with rtol = atol = 1e-12: a few operations, each with an error of 1e-16.
"""

import numpy
import pytest

import xpnn
from xpnn import nn, special

RNG = numpy.random.default_rng(4)
X = 3 * RNG.standard_normal((4, 3, 5))
DY = RNG.standard_normal(X.shape)
INF = numpy.inf

ACTIVATIONS = {  # the function, its layer, its name and options in torch.nn.functional
    "sigmoid": (nn.sigmoid, nn.Sigmoid(), ("sigmoid", {})),
    "tanh": (nn.tanh, nn.Tanh(), ("tanh", {})),
    "relu": (nn.relu, nn.ReLU(), ("relu", {})),
    "leaky_relu": (nn.leaky_relu, nn.LeakyReLU(), ("leaky_relu", {})),
    "leaky_relu 0.3": (
        lambda x: nn.leaky_relu(x, slope=0.3),
        nn.LeakyReLU(0.3),
        ("leaky_relu", {"negative_slope": 0.3}),
    ),
    "gelu": (nn.gelu, nn.GELU(), ("gelu", {})),
    "gelu tanh": (
        lambda x: nn.gelu(x, approximate="tanh"),
        nn.GELU(approximate="tanh"),
        ("gelu", {"approximate": "tanh"}),
    ),
    "softmax": (nn.softmax, nn.Softmax(), ("softmax", {"dim": -1})),
    "log_softmax": (nn.log_softmax, nn.LogSoftmax(), ("log_softmax", {"dim": -1})),
}
for axis in (0, 1, -2):
    ACTIVATIONS[f"softmax {axis}"] = (
        lambda x, axis=axis: nn.softmax(x, axis=axis),
        nn.Softmax(axis=axis),
        ("softmax", {"dim": axis}),
    )
    ACTIVATIONS[f"log_softmax {axis}"] = (
        lambda x, axis=axis: nn.log_softmax(x, axis=axis),
        nn.LogSoftmax(axis=axis),
        ("log_softmax", {"dim": axis}),
    )


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed; it judges these activations")


def value_and_gradient(function, x, dy=None):
    """The value, and the gradient of the sum of the value times `dy` (by default of the sum)."""
    y, back = xpnn.vjp(function, x)
    return y, back(numpy.ones_like(y) if dy is None else dy)[0]


def at(function, *numbers):
    """Value and gradient at each of `numbers` in float32; warnings are errors."""
    y, dx = value_and_gradient(function, numpy.asarray(numbers, dtype="float32"))
    assert (y.dtype, dx.dtype) == ("float32", "float32")
    return y, dx


# Against PyTorch


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_and_gradients_are_pytorchs(torch, name):
    function, layer, (judge, options) = ACTIVATIONS[name]
    x = torch.tensor(X, requires_grad=True)
    expected = getattr(torch.nn.functional, judge)(x, **options)
    expected.backward(torch.tensor(DY))
    for ours in (function, layer):
        y, dx = value_and_gradient(ours, X, DY)
        numpy.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
        numpy.testing.assert_allclose(dx, x.grad.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if "softmax " not in name])
def test_kinks_zeros_and_extremes_are_pytorchs(torch, name):
    """Softplus, which PyTorch cuts off at 20, is tested below."""
    function, _, (judge, options) = ACTIVATIONS[name]
    for numbers in ([0.0, -0.0], [1e4, -1e4, 0.0], [100.0, -100.0], [1e-30, -1e-30], [88.0, -88.0, 20.0, -20.0]):
        x = torch.tensor(numbers, dtype=torch.float32, requires_grad=True)
        expected = getattr(torch.nn.functional, judge)(x, **options)
        expected.sum().backward()
        y, dx = at(function, *numbers)
        # rtol: float32; atol: float32 at size 1, and the exponentials below 1e-38 that PyTorch flushes
        numpy.testing.assert_allclose(y, expected.detach().numpy(), rtol=2e-6, atol=2e-7)
        numpy.testing.assert_allclose(dx, x.grad.numpy(), rtol=2e-6, atol=2e-6)


def test_the_two_forms_of_gelu_differ_by_less_than_5e_4():
    x = numpy.linspace(-5, 5, 10001)
    difference = abs(nn.gelu(x) - nn.gelu(x, approximate="tanh")).max()
    assert 4.7e-4 < difference < 4.8e-4  # 4.73e-4


# Extremes in float32, with warnings as errors


def test_sigmoid_does_not_overflow():
    y, dx = at(nn.sigmoid, -1e4, -100.0, 0.0, 100.0, 1e4, INF, -INF)
    numpy.testing.assert_array_equal(y, [0, numpy.float32(numpy.exp(-100.0)), 0.5, 1, 1, 1, 0])
    numpy.testing.assert_array_equal(dx, [0, numpy.float32(numpy.exp(-100.0)), 0.25, 0, 0, 0, 0])


def test_sigmoid_keeps_its_digits_below():
    y, dx = at(nn.sigmoid, -80.0, -20.0)
    numpy.testing.assert_allclose(y, numpy.exp([-80.0, -20.0]), rtol=1e-6)  # float32
    numpy.testing.assert_allclose(dx, numpy.exp([-80.0, -20.0]), rtol=1e-6)


def test_softplus_keeps_its_digits_at_both_ends():
    y, dx = at(special.softplus, 100.0, -20.0, 1e4, -1e4, 0.0, -INF, INF)
    numpy.testing.assert_allclose(y, [100, 2.0611537e-9, 1e4, 0, numpy.log(2), 0, INF], rtol=1e-6)  # float32
    numpy.testing.assert_allclose(dx, [1, 2.0611537e-9, 1, 0, 0.5, 0, 1], rtol=1e-6)


def test_log_softmax_of_large_logits():
    y, dx = at(nn.log_softmax, 1e4, 0.0, 1e4)
    numpy.testing.assert_allclose(y, [-numpy.log(2), -1e4 - numpy.log(2), -numpy.log(2)], rtol=1e-6)  # float32
    numpy.testing.assert_allclose(dx, [-0.5, 1, -0.5], rtol=1e-6)  # 1 - 3 softmax


def test_softmax_of_large_logits():
    y, dx = at(nn.softmax, 1e38, -1e38, 1e38)
    assert y.tolist() == [0.5, 0, 0.5]
    assert dx.tolist() == [0, 0, 0]


def test_a_masked_element_has_no_share():
    for function, expected in ((nn.softmax, [0.5, 0, 0.5]), (nn.log_softmax, [-numpy.log(2), -INF, -numpy.log(2)])):
        y, dx = at(function, 3.0, -INF, 3.0)
        numpy.testing.assert_allclose(y, expected, rtol=1e-6)  # float32
        assert numpy.isfinite(dx).all()


def test_a_row_that_is_all_masked_has_no_nan():
    """Softmax gives zeros (PyTorch: NaN), its logarithm -inf, and neither hurts the rows beside it."""
    x = numpy.asarray([[-INF, -INF], [0.0, 0.0]], dtype="float32")
    y, dx = value_and_gradient(nn.softmax, x)
    assert y.tolist() == [[0, 0], [0.5, 0.5]]
    assert not dx.any()
    y, dx = value_and_gradient(nn.log_softmax, x)
    numpy.testing.assert_allclose(y, [[-INF, -INF], [-numpy.log(2)] * 2], rtol=1e-6)
    assert numpy.isfinite(dx).all()
    y, dx = value_and_gradient(lambda x: special.logsumexp(x, axis=1), x)
    numpy.testing.assert_allclose(y, [-INF, numpy.log(2)], rtol=1e-6)
    assert dx.tolist() == [[0, 0], [0.5, 0.5]]


@pytest.mark.parametrize("name", ["gelu", "gelu tanh"])
def test_gelu_far_from_zero(name):
    y, dx = at(ACTIVATIONS[name][0], -1e4, -100.0, 100.0, 1e4)
    assert y.tolist() == [0, 0, 100, 1e4]
    assert dx.tolist() == [0, 0, 1, 1]


def test_gelu_keeps_its_digits_below():
    # x Phi(x) at -6 is -6 * 9.865876e-10; 1 + erf would leave none of them in float32
    y, _ = at(nn.gelu, -6.0)
    numpy.testing.assert_allclose(y, [-6 * 9.865876450377e-10], rtol=1e-5)  # float32, exp(18) magnifies its rounding


# Kinks


def test_gradients_at_kinks():
    assert at(nn.relu, 0.0, -0.0)[1].tolist() == [0, 0]
    assert at(nn.leaky_relu, 0.0, -0.0)[1].tolist() == [numpy.float32(0.01)] * 2
    assert at(lambda x: nn.leaky_relu(x, slope=0.0), 0.0, -1.0, 1.0)[1].tolist() == [0, 0, 1]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_is_not_hidden(name):
    function, _, _ = ACTIVATIONS[name]
    x = X.copy()
    x[0, 0, 0] = numpy.nan
    assert numpy.isnan(function(x)[0, 0, 0])
    y = function(numpy.full((1, 1, 1), numpy.nan))
    assert numpy.isnan(y).all()


# Shapes


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if "softmax " not in name])
@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3), (1, 1)])
def test_empty_and_single_batches(name, shape):
    function, layer, _ = ACTIVATIONS[name]
    x = numpy.ones(shape, dtype="float32")
    y, dx = value_and_gradient(function, x)
    assert y.shape == dx.shape == layer(x).shape == shape


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "leaky_relu", "gelu", "gelu tanh"])
def test_numbers_of_no_axis(name):
    y, dx = value_and_gradient(ACTIVATIONS[name][0], numpy.asarray(0.5, dtype="float32"))
    assert y.shape == dx.shape == ()
    assert y.dtype == "float32"


# What is refused


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("x", [[1.0], 1.0, None, "x"])
def test_only_arrays_come_in(name, x):
    for function in ACTIVATIONS[name][:2]:
        with pytest.raises(TypeError, match=r"expected (an|at least one) array"):
            function(x)


@pytest.mark.parametrize("form", ["erf", "TANH", None, True])
def test_another_form_of_gelu(form):
    message = f"approximate is 'none' \\(erf\\) or 'tanh', got {form!r}"
    with pytest.raises(ValueError, match=message):
        nn.gelu(X, approximate=form)
    with pytest.raises(ValueError, match=message):
        nn.GELU(approximate=form)


@pytest.mark.parametrize("axis", [3, -4])
def test_an_axis_that_is_not_there(axis):
    for function in (nn.Softmax(axis=axis), nn.LogSoftmax(axis=axis)):
        with pytest.raises((ValueError, IndexError), match=f"{axis}"):
            function(X)


def test_layers_show_their_options():
    layers = (nn.Sigmoid(), nn.LeakyReLU(0.2), nn.GELU(approximate="tanh"), nn.Softmax(axis=1), nn.LogSoftmax())
    assert [repr(layer) for layer in layers] == [
        "Sigmoid()",
        "LeakyReLU(slope=0.2)",
        "GELU(approximate='tanh')",
        "Softmax(axis=1)",
        "LogSoftmax(axis=-1)",
    ]
    assert not any(layer.state_dict() for layer in layers)
