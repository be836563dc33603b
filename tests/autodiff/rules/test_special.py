"""Special functions against SciPy, PyTorch and 50-digit arithmetic, and at the ends of their domains."""

import subprocess
import sys

import numpy
import pytest

from xpnn import grad, special, vjp
from xpnn.arrays import native
from xpnn.arrays.namespaces import namespace_of

INF, NAN = numpy.inf, numpy.nan
BOTH = numpy.asarray([-5.3, -2.4, -1.01, -0.99, -0.2, 0.1, 0.5, 1.3, 2.7, 8.6])
UNIT = numpy.asarray([1e-9, 0.1, 0.26, 0.49, 0.5, 0.77, 0.999])
POSITIVE = numpy.asarray([1e-3, 0.3, 0.99, 1.2, 1.8, 2.5, 7.9, 8.1, 40.0, 1e4])
UNARY = {
    **dict.fromkeys(["erf", "erfc", "ndtr", "log_ndtr", "expit", "log_expit", "gammaln", "digamma"], BOTH),
    **{"logit": UNIT, "entr": POSITIVE},
}


def nested(function, order):
    """The derivative of `order` of an elementwise function."""
    for _ in range(order):
        function = slope_of(function)
    return function


def slope_of(function):
    def slope(x):  # with ones and not by a sum, in which inf - inf would be NaN
        return vjp(function, x)[1](namespace_of(x).ones_like(x))[0]

    return slope


@pytest.fixture(params=["library", "formula"])
def path(request, monkeypatch):
    """Values by SciPy, and by our own formulas as without it."""
    if request.param == "formula":
        monkeypatch.setattr(native, "_scipy_special", lambda: None)
    else:
        pytest.importorskip("scipy.special", reason="SciPy is not installed; the formulas are tested without it")
    return request.param


# Values


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 2e-14), ("float32", 3e-6)])
def test_values_are_those_of_scipy(name, dtype, tolerance, path):
    judge = pytest.importorskip("scipy.special", reason="SciPy is not installed; it judges these values")
    x = UNARY[name].astype(dtype)
    found = getattr(special, name)(x)
    assert found.dtype == dtype
    # SciPy's own errors are 5.7e-14 for erfc and 3.4e-14 for digamma; float32: x / sqrt(2) is rounded in ndtr
    rtol = tolerance * (8 if name in ("erfc", "ndtr", "log_ndtr") else 1)
    numpy.testing.assert_allclose(found, getattr(judge, name)(x), rtol=rtol, atol=tolerance / 10)


def test_values_of_two_arguments_are_those_of_scipy(path):
    judge = pytest.importorskip("scipy.special", reason="SciPy is not installed; it judges these values")
    column = POSITIVE[:, None]
    numpy.testing.assert_allclose(special.xlogy(column, POSITIVE), judge.xlogy(column, POSITIVE), rtol=1e-15)
    numpy.testing.assert_allclose(special.betaln(column, POSITIVE), judge.betaln(column, POSITIVE), rtol=1e-11)
    for n in (0, 1, 4):
        numpy.testing.assert_allclose(special.polygamma(n, BOTH), judge.polygamma(n, BOTH), rtol=1e-13)


def test_the_door_takes_scipy_where_it_should(monkeypatch):
    pytest.importorskip("scipy.special", reason="SciPy is not installed")
    refuse = lambda *arrays: pytest.fail("the formula was taken")  # noqa: E731
    for name in ("erf", "gammaln", "digamma", "log_ndtr", "logit", "entr"):
        native.special_function(name, refuse, UNIT)
    native.special_function("xlogy", refuse, UNIT, UNIT)
    assert native.special_function("erfc", lambda x: "ours", UNIT) == "ours"
    monkeypatch.setattr(native, "_scipy_special", lambda: None)
    assert native.special_function("erf", lambda x: "ours", UNIT) == "ours"


def test_without_scipy_the_formulas_serve_and_import_loads_none():
    code = (
        "import sys, numpy, xpnn; assert 'scipy' not in sys.modules; sys.modules['scipy'] = None\n"
        "print(float(xpnn.special.gammaln(numpy.asarray(5.0))))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert abs(float(run.stdout) - numpy.log(24)) < 1e-14


# Gradients

TORCH = {
    "log_expit": "nn.functional.logsigmoid",
    **{name: f"special.{name}" for name in "erf erfc ndtr log_ndtr expit gammaln digamma logit entr".split()},
}


def of_torch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these gradients")
    found = torch
    for part in TORCH.get(name, f"special.{name}").split("."):
        found = getattr(found, part)
    return torch, found


def torch_derivative(torch, function, x, order):
    tensor = torch.tensor(x, requires_grad=True)
    y = function(tensor)
    for _ in range(order):
        (y,) = torch.autograd.grad(y.sum(), tensor, create_graph=True)
    return y.detach().numpy()


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("name", UNARY)
def test_derivatives_are_those_of_pytorch(name, order, path):
    torch, judge = of_torch(name)
    x = numpy.abs(UNARY[name]) if name in ("gammaln", "digamma") else UNARY[name]  # theirs is worse for x < 0
    found, expected = nested(getattr(special, name), order)(x), torch_derivative(torch, judge, x, order)
    # their trigamma is 5e-10 off (ours is within 1e-14, see below), and terms cancel in their third derivatives
    rtol = 1e-7 if order == 3 else 1e-9 if (name, order) == ("digamma", 1) else 1e-12
    numpy.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-9 if order == 3 else 1e-13)


@pytest.mark.parametrize("name", ["gammaln", "digamma"])
def test_derivatives_below_zero_are_those_of_pytorch(name, path):
    torch, judge = of_torch(name)
    found, expected = nested(getattr(special, name), 1)(BOTH), torch_derivative(torch, judge, BOTH, 1)
    numpy.testing.assert_allclose(found, expected, rtol=1e-9 if name == "digamma" else 1e-11)  # theirs, as above


def test_xlogy_and_beta_against_pytorch(path):
    torch, judge = of_torch("xlogy")
    theirs_beta = lambda a, b: torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)  # noqa: E731
    for ours, theirs in ((special.xlogy, judge), (special.betaln, theirs_beta)):
        a, b = POSITIVE[:, None][:8], POSITIVE[:8]
        arrays = [torch.tensor(part, requires_grad=True) for part in (a, b)]
        theirs(*arrays).sum().backward()
        found = grad(lambda x, y, f=ours: namespace_of(x).sum(f(x, y)), argnums=(0, 1))(a, b)
        for mine, array in zip(found, arrays, strict=True):
            numpy.testing.assert_allclose(mine, array.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_polygamma_against_pytorch():
    torch, judge = of_torch("polygamma")
    for n in (1, 2, 4):
        found = nested(lambda x, n=n: special.polygamma(n, x), 1)(POSITIVE)
        expected = torch_derivative(torch, lambda x, n=n: judge(n, x), POSITIVE, 1)
        numpy.testing.assert_allclose(found, expected, rtol=1e-12)


HIGHER = [  # the first and third derivative: the relative error allowed in float64
    ("erf", [-3.1, -0.4, 0.0, 0.7, 2.2], 1e-14),
    ("gammaln", [0.2, 1.0, 1.46, 2.0, 9.4, 300.0, -0.4, -3.3], 1e-14),
    ("digamma", [0.2, 1.0, 1.46, 2.0, 9.4, 300.0, -0.4, -3.3], 1e-14),
    ("log_ndtr", [-1e3, -100.0, -40.0, -5.0, -1.5, -1.0, -0.5, 0.0, 1.5], 1e-11),  # 1.5e-12 measured
]


@pytest.mark.parametrize(("name", "at", "tolerance"), HIGHER)
@pytest.mark.parametrize("order", [1, 3])
def test_derivatives_in_50_digits(name, at, tolerance, order, path):
    mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed; it judges these derivatives")
    exact = {
        "erf": lambda t: mpmath.diff(mpmath.erf, t, order),
        "gammaln": lambda t: psi(order - 1, t),
        "digamma": lambda t: psi(order, t),
        "log_ndtr": lambda t: mpmath.diff(lambda s: mpmath.log(mpmath.erfc(-s / mpmath.sqrt(2)) / 2), t, order),
    }[name]

    def psi(n, t):
        if t > 0:
            return mpmath.psi(n, t)
        return (-1) ** n * psi(n, 1 - t) - mpmath.diff(lambda s: mpmath.pi * mpmath.cot(mpmath.pi * s), t, n)

    with mpmath.workdps(50):
        expected = [float(exact(mpmath.mpf(t))) for t in at]
    numpy.testing.assert_allclose(nested(getattr(special, name), order)(numpy.asarray(at)), expected, rtol=tolerance)


# The ends of the domains: in both precisions, with warnings as errors

ENDS = [  # name, arguments, values, gradients with respect to the first argument
    ("erf", [-INF, INF, NAN, -40.0, 1e30], [-1, 1, NAN, -1, 1], [0, 0, NAN, 0, 0]),
    ("erfc", [-INF, INF, NAN, -40.0, 1e30], [2, 0, NAN, 2, 0], [0, 0, NAN, 0, 0]),
    ("ndtr", [-INF, INF, NAN, -60.0, 1e30], [0, 1, NAN, 0, 1], [0, 0, NAN, 0, 0]),
    ("log_ndtr", [-INF, INF, NAN, -1e4, 1e30], [-INF, 0, NAN, -50000010.129278915, 0], [INF, 0, NAN, 10000.0001, 0]),
    ("log_expit", [-INF, INF, NAN, -1000.0, 1000.0], [-INF, 0, NAN, -1000, 0], [1, 0, NAN, 1, 0]),
    ("gammaln", [INF, 0.0, NAN, -INF], [INF, INF, NAN, -INF], [INF, -INF, NAN, NAN]),
    ("gammaln", [-1.0, -2.0], [INF, INF], [NAN, NAN]),
    ("digamma", [INF, 0.0, -0.0, -1.0, NAN], [INF, -INF, INF, NAN, NAN], [0, INF, INF, INF, NAN]),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "at", "values", "slopes"), ENDS, ids=[f"{e[0]} {n}" for n, e in enumerate(ENDS)])
def test_ends(name, at, values, slopes, dtype, path):
    x, function = numpy.asarray(at, dtype=dtype), getattr(special, name)
    for order, expected in ((0, values), (1, slopes)):
        found = nested(function, order)(x)
        assert found.dtype == dtype
        numpy.testing.assert_allclose(found, expected, rtol=1e-6)
    assert nested(function, 3)(x).dtype == dtype


SLOPES = [  # infinite or missing slopes, which NumPy says aloud
    ("logit", [0.0, 1.0, -1.0, 2.0, NAN], [-INF, INF, NAN, NAN, NAN], [INF, INF, NAN, NAN, NAN]),
    ("entr", [0.0, -1.0, NAN, INF, 1.0], [0, -INF, NAN, -INF, 0], [INF, NAN, NAN, -INF, -1]),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "at", "values", "slopes"), SLOPES, ids=[case[0] for case in SLOPES])
def test_ends_with_infinite_slopes(name, at, values, slopes, dtype, path):
    x, function = numpy.asarray(at, dtype=dtype), getattr(special, name)
    found = function(x)
    with numpy.errstate(divide="ignore"):
        slope = nested(function, 1)(x)
    assert found.dtype == slope.dtype == dtype
    numpy.testing.assert_array_equal(found, values)
    numpy.testing.assert_array_equal(slope, slopes)
    torch, judge = of_torch(name)
    numpy.testing.assert_array_equal(slope, torch_derivative(torch, judge, x, 1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_xlogy_beside_zero(dtype, path):
    x, y = (numpy.asarray(part, dtype=dtype) for part in ([0, 0, 0, 0, 0, 2], [0, -1, INF, NAN, 2, 1]))
    numpy.testing.assert_array_equal(special.xlogy(x, y), [0, 0, 0, NAN, 0, 0])
    slopes = grad(lambda x, y: namespace_of(x).sum(special.xlogy(x, y)), argnums=(0, 1))(x, y)
    assert {slope.dtype for slope in slopes} == {numpy.dtype(dtype)}
    numpy.testing.assert_allclose(slopes[0], [0, 0, INF, NAN, numpy.log(2), 0], rtol=1e-6)
    numpy.testing.assert_array_equal(slopes[1], [0, 0, 0, NAN, 0, 2])  # PyTorch gives NaN for the first


def test_logsumexp_of_nothing_but_minus_infinity():
    assert special.logsumexp(numpy.asarray([-INF, -INF])) == -INF
    assert grad(special.logsumexp)(numpy.asarray([-INF, -INF])).tolist() == [0, 0]


# What comes in


def test_python_numbers_beside_float32_stay_float32():
    x = numpy.asarray([0.5, 2.0], dtype="float32")
    for function in (special.xlogy, special.betaln):
        for y in (function(x, 2), function(3.0, x)):
            assert y.dtype == "float32"
        slope = grad(lambda x, f=function: namespace_of(x).sum(f(x, 2.0)))(x)
        assert slope.dtype == "float32"


@pytest.mark.parametrize("name", "erf erfc log_ndtr logit log_expit gammaln digamma entr".split())
@pytest.mark.parametrize("x", [numpy.arange(3), numpy.ones(2, complex), numpy.ones(2, bool)])
def test_other_kinds_are_refused_by_name(name, x):
    with pytest.raises(TypeError, match=f"{name} expected real floating-point numbers, got {x.dtype}"):
        getattr(special, name)(x)


@pytest.mark.parametrize("name", ["xlogy", "betaln"])
def test_other_kinds_beside_a_good_one_are_refused_by_name(name):
    for args in ((numpy.arange(3), numpy.ones(3)), (numpy.ones(3), numpy.ones(3, complex)), (2.0, numpy.arange(3))):
        with pytest.raises(TypeError, match=f"{name} expected real floating-point numbers"):
            getattr(special, name)(*args)


def test_orders_of_polygamma_are_checked():
    for n in (1.0, True, numpy.asarray(1)):
        with pytest.raises(TypeError, match="polygamma expected a Python integer for n"):
            special.polygamma(n, POSITIVE)
    for n in (-1, 26):
        with pytest.raises(ValueError, match=f"polygamma expected n from 0 to 25, got {n}"):
            special.polygamma(n, POSITIVE)
    with pytest.raises(TypeError, match="polygamma expected real floating-point numbers, got int64"):
        special.polygamma(1, numpy.arange(3))
