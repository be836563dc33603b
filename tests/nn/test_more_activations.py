"""The other elementwise activations and the gated linear units: PyTorch's values, gradients, kinks and extremes.

Comparisons are in float64 with rtol = atol = 1e-12: a few operations, each with an error of 1e-16.
"""

import numpy
import pytest

import xpnn
from xpnn import nn

RNG = numpy.random.default_rng(5)
X = 3 * RNG.standard_normal((4, 3, 6))
INF = numpy.inf
SLOPES = RNG.uniform(0.1, 0.4, 3)

ACTIVATIONS = {  # the function, its layer, its name and options in torch.nn.functional
    "elu": (nn.elu, nn.ELU(), "elu", {}),
    "elu 0.3": (lambda x: nn.elu(x, alpha=0.3), nn.ELU(0.3), "elu", {"alpha": 0.3}),
    "selu": (nn.selu, nn.SELU(), "selu", {}),
    # PyTorch rounds 1 / alpha to float32, so one without rounding
    "celu": (lambda x: nn.celu(x, alpha=0.25), nn.CELU(0.25), "celu", {"alpha": 0.25}),
    "softplus": (
        lambda x: nn.softplus(x, beta=2.0, threshold=20),
        nn.Softplus(beta=2.0, threshold=20),
        "softplus",
        {"beta": 2.0},
    ),
    "softplus below": (
        lambda x: nn.softplus(x, threshold=-1.0), nn.Softplus(threshold=-1.0), "softplus", {"threshold": -1.0},
    ),
    "softsign": (nn.softsign, nn.Softsign(), "softsign", {}),
    "silu": (nn.silu, nn.SiLU(), "silu", {}),
    "mish": (nn.mish, nn.Mish(), "mish", {}),
    "log_sigmoid": (nn.log_sigmoid, nn.LogSigmoid(), "logsigmoid", {}),
    "tanhshrink": (nn.tanhshrink, nn.Tanhshrink(), "tanhshrink", {}),
    "hardtanh": (nn.hardtanh, nn.Hardtanh(), "hardtanh", {}),
    "hardtanh -2 to 0.5": (
        lambda x: nn.hardtanh(x, low=-2.0, high=0.5),
        nn.Hardtanh(low=-2.0, high=0.5),
        "hardtanh",
        {"min_val": -2.0, "max_val": 0.5},
    ),
    "relu6": (nn.relu6, nn.ReLU6(), "relu6", {}),
    "hardsigmoid": (nn.hardsigmoid, nn.Hardsigmoid(), "hardsigmoid", {}),
    "hardswish": (nn.hardswish, nn.Hardswish(), "hardswish", {}),
    "hardshrink": (nn.hardshrink, nn.Hardshrink(), "hardshrink", {}),
    "softshrink": (nn.softshrink, nn.Softshrink(), "softshrink", {}),
    "threshold": (
        lambda x: nn.threshold(x, threshold=0.5, value=2.0),
        nn.Threshold(0.5, 2.0),
        "threshold",
        {"threshold": 0.5, "value": 2.0},
    ),
}  # fmt: skip
OTHERS = {
    "softmin": (nn.softmin, nn.Softmin(), "softmin", {"dim": -1}),
    "softmin 1": (lambda x: nn.softmin(x, axis=1), nn.Softmin(axis=1), "softmin", {"dim": 1}),
    "rrelu": (nn.RReLU().eval(), nn.RReLU().eval(), "rrelu", {}),
    "glu": (nn.glu, nn.GLU(), "glu", {}),
    "glu 0": (lambda x: nn.glu(x, axis=0), nn.GLU(axis=0), "glu", {"dim": 0}),
}
GATES = {
    "reglu": (nn.reglu, nn.ReGLU(), "relu"),
    "geglu": (nn.geglu, nn.GEGLU(), "gelu"),
    "swiglu": (nn.swiglu, nn.SwiGLU(), "silu"),
}


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed; it judges these activations")


def value_and_gradient(function, x, dy=None):
    y, back = xpnn.vjp(function, x)
    return y, back(numpy.ones_like(y) if dy is None else dy)[0]


def same(torch, functions, judge, of_gradient=1e-12):
    x = torch.tensor(X, requires_grad=True)
    expected = judge(x)
    dy = RNG.standard_normal(expected.shape)
    expected.backward(torch.tensor(dy))
    for ours in functions:
        y, dx = value_and_gradient(ours, X, dy)
        numpy.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
        numpy.testing.assert_allclose(dx, x.grad.numpy(), rtol=of_gradient, atol=of_gradient)


@pytest.mark.parametrize("name", ACTIVATIONS | OTHERS)
def test_values_and_gradients_are_pytorchs(torch, name):
    function, layer, judge, options = (ACTIVATIONS | OTHERS)[name]
    # the 1/6 of PyTorch's hardsigmoid is a float32 on the way back
    tolerance = 1e-7 if name == "hardsigmoid" else 1e-12
    same(torch, (function, layer), lambda x: getattr(torch.nn.functional, judge)(x, **options), tolerance)


@pytest.mark.parametrize("name", GATES)
def test_gates_are_the_activations_they_are_named_for(torch, name):
    function, layer, gate = GATES[name]
    same(torch, (function, layer), lambda x: x[..., :3] * getattr(torch.nn.functional, gate)(x[..., 3:]))


@pytest.mark.parametrize("channels", [1, 3])
def test_prelu_is_pytorchs(torch, channels):
    layer, theirs = nn.PReLU(channels, dtype="float64"), torch.nn.PReLU(channels, dtype=torch.float64)
    assert numpy.array_equal(layer.weight, theirs.weight.detach().numpy())
    layer.weight[...] = SLOPES[:channels]
    theirs.load_state_dict({name: torch.tensor(value) for name, value in layer.state_dict().items()})
    x, dy = torch.tensor(X, requires_grad=True), RNG.standard_normal(X.shape)
    expected = theirs(x)
    expected.backward(torch.tensor(dy))
    y, back = xpnn.vjp(lambda layer, x: layer(x), layer, X)
    gradients, dx = back(dy)
    numpy.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12)
    numpy.testing.assert_allclose(dx, x.grad.numpy(), rtol=1e-12)
    numpy.testing.assert_allclose(gradients.weight, theirs.weight.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_kinks_zeros_and_extremes_are_pytorchs(torch, name):
    function, _, judge, options = ACTIVATIONS[name]
    for numbers in (
        [0.0, -0.0, 0.5, -0.5, 3, -3, 1, -1, 6, -2],
        [1e4, -1e4],
        [1e-30, -1e-30],
        [88, -88, 20, -20],
    ):
        x = torch.tensor(numbers, dtype=torch.float32, requires_grad=True)
        expected = getattr(torch.nn.functional, judge)(x, **options)
        expected.sum().backward()
        y, dx = value_and_gradient(function, numpy.asarray(numbers, dtype="float32"))
        assert (y.dtype, dx.dtype) == ("float32", "float32")
        # rtol: float32; atol: float32 at size 1
        numpy.testing.assert_allclose(y, expected.detach().numpy(), rtol=2e-6, atol=2e-7)
        numpy.testing.assert_allclose(dx, x.grad.numpy(), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "softsign"])
def test_infinity_gives_no_nan(name):
    y = ACTIVATIONS[name][0](numpy.asarray([INF, 1.0]))
    assert y[0] == max(y[0], y[1])
    assert not numpy.isnan(y).any()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_is_not_hidden_and_no_elements_give_none(name):
    function, layer, _, _ = ACTIVATIONS[name]
    assert numpy.isnan(function(numpy.full(3, numpy.nan))).all()
    assert layer(numpy.ones((0, 2), dtype="float32")).shape == (0, 2)
    y, dx = value_and_gradient(function, numpy.asarray(0.7, dtype="float32"))
    assert (y.shape, dx.shape, y.dtype) == ((), (), "float32")


def test_softplus_is_exact_beyond_pytorchs_threshold():
    y, dx = value_and_gradient(nn.softplus, numpy.asarray([21.0, 1e4, -1e4]))
    assert y.tolist() == [21 + numpy.exp(-21), 1e4, 0]
    numpy.testing.assert_allclose(dx, [1 / (1 + numpy.exp(-21)), 1, 0], rtol=1e-15)


def test_second_derivatives_at_the_kink_of_a_smooth_function():
    # softsign and softplus pass through |x|, whose kinks cancel
    for function, expected in ((nn.softplus, 0.25), (nn.silu, 0.5), (nn.softsign, 0.0)):
        assert abs(float(xpnn.grad(xpnn.grad(function))(0.0)) - expected) < 1e-15


def test_random_slopes_are_a_function_of_seed_and_call():
    x = numpy.full((100, 40), -1.0)
    one, two = (nn.Sequential(nn.RReLU(low=0.1, high=0.3)).initialize(seed=3) for _ in range(2))
    first, second = one(x), one(x)
    assert numpy.array_equal(first, two(x))
    assert not numpy.array_equal(first, second)
    assert (-first).min() >= 0.1
    assert (-first).max() < 0.3
    assert abs((-first).mean() - 0.2) < 0.003  # 3 deviations of 4000 uniform numbers: 3 * 0.0577 / 63
    assert numpy.array_equal(one(-x), -x)
    assert numpy.array_equal(one.eval()(x), numpy.full_like(x, -0.2))


def test_random_slopes_are_recorded_with_their_count():
    layer = nn.RReLU()
    layer.reset(seed=1, path="")
    other = nn.RReLU()
    other.reset(seed=1, path="")
    fast = xpnn.compile(lambda x: other(x), state=(other,), exact=True)
    for _ in range(4):
        assert numpy.array_equal(layer(X), fast(X))


ONES = numpy.ones
WRONG = {
    "hardtanh": (lambda: nn.hardtanh(X, low=1.0, high=1.0), "low < high, got 1.0 and 1.0"),
    "Hardtanh": (lambda: nn.Hardtanh(low=2.0), "low < high, got 2.0 and 1.0"),
    "softshrink": (lambda: nn.softshrink(X, threshold=-1.0), "0 or more, got -1.0"),
    "Softshrink": (lambda: nn.Softshrink(-1.0), "0 or more, got -1.0"),
    # PyTorch rounds 1 / alpha to float32, so one without rounding
    "celu": (lambda: nn.celu(X, alpha=0.0), "alpha other than 0"),
    "CELU": (lambda: nn.CELU(0.0), "alpha other than 0"),
    "Softplus": (lambda: nn.Softplus(beta=0.0), "beta other than 0"),
    "glu": (lambda: nn.glu(ONES((2, 3))), r"axis -1 of x to have an even length, got shape \(2, 3\)"),
    "axis of glu": (lambda: nn.GLU(axis=2)(ONES((2, 4))), "axis 2"),
    "prelu": (lambda: nn.prelu(ONES((2, 3)), ONES(2)), r"\(1,\) or \(3,\)"),
    "PReLU": (lambda: nn.PReLU(2)(ONES((2, 3), "float32")), "axis 1 of x to be 2"),
    "no channels": (lambda: nn.PReLU(0), "positive integer"),
    "rrelu": (lambda: nn.RReLU(low=1.0, high=0.0), "low <= high"),
    "Softmax2d": (lambda: nn.Softmax2d()(ONES((2, 3))), r"\(C, H, W\), got shape \(2, 3\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_options_and_shapes(name):
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", ACTIVATIONS | GATES)
@pytest.mark.parametrize("x", [[1.0], None, numpy.ones(2, "int64"), numpy.ones(2, "complex128")], ids=repr)
def test_only_arrays_of_real_numbers_come_in(name, x):
    if name == "log_sigmoid" and x is None:
        pytest.skip("tested with special.log_expit")
    with pytest.raises(TypeError, match="expected"):
        (ACTIVATIONS | GATES)[name][0](x)


@pytest.mark.parametrize(
    ("threshold", "value", "expected"),
    [(1.5, -numpy.inf, [-numpy.inf, 2.0]), (1.5, numpy.nan, [numpy.nan, 2.0]), (numpy.inf, 7.0, [7.0, 7.0])],
)
def test_threshold_takes_infinite_numbers(threshold, value, expected):
    x = numpy.asarray([1.0, 2.0], dtype="float32")
    y = nn.threshold(x, threshold=threshold, value=value)
    assert y.dtype == "float32"
    numpy.testing.assert_array_equal(y, expected)
    slope = xpnn.grad(lambda x: xpnn.namespace_of(x).sum(nn.threshold(x, threshold=0.0, value=-numpy.inf)))
    numpy.testing.assert_array_equal(slope(x), [1.0, 1.0])


def test_the_slope_of_mish_is_1_far_out():
    x = numpy.asarray([1e2, 1e17, 1e25])
    numpy.testing.assert_allclose(xpnn.grad(lambda x: xpnn.namespace_of(x).sum(nn.mish(x)))(x), 1.0, rtol=1e-15)
