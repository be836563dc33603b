"""Distribution functions: derivatives in the place where they are asked, none by degrees of freedom."""

import array_api_strict
import numpy
import pytest
from elsewhere import on_gpu

import xpnn
from xpnn import testing
from xpnn.arrays.devices import device_of
from xpnn.autodiff.namespace import namespace_over
from xpnn.autodiff.rules.incomplete_functions import betainc, fdtr, fdtrc, gammainc, gammaincc, stdtr

X = numpy.asarray([[0.1, 0.3, 0.62], [0.5, 0.77, 0.9]])
A, B = numpy.asarray([0.6, 2.5, 9.0]), 4.0
OF_X = {
    "gammainc": lambda x: gammainc(A, 3 * x),
    "gammaincc": lambda x: gammaincc(2.5, 9 * x),
    "betainc": lambda x: betainc(A, B, x),
    "stdtr": lambda x: stdtr(A, 8 * x - 4),
    "fdtr": lambda x: fdtr(3.0, B, 2 * x),
    "fdtrc": lambda x: fdtrc(3.0, 7.0, 2 * x),
}


@pytest.mark.parametrize("name", OF_X)
def test_first_and_second_derivative(name):
    testing.check_gradient(OF_X[name], X)


# One for each formula: strict takes a Python call for each of their hundreds of terms
@pytest.mark.parametrize("name", ["gammaincc", "fdtr"])
def test_other_libraries_and_devices(elsewhere, name):
    there = elsewhere.asarray(X[0])
    value, back = xpnn.vjp(OF_X[name], there)
    expected, back_here = xpnn.vjp(OF_X[name], X[0])
    rtol = 1e-11 if on_gpu(elsewhere) else 1e-13  # CuPy has functions of its own
    numpy.testing.assert_allclose(elsewhere.to_host(value), expected, rtol=rtol)
    (slopes,) = back(elsewhere.xp.ones_like(there))
    assert device_of(slopes) == elsewhere
    numpy.testing.assert_allclose(elsewhere.to_host(slopes), back_here(numpy.ones(3))[0], rtol=rtol)


@pytest.mark.parametrize("name", ["gammainc", "gammaincc", "betainc", "stdtr"])
def test_no_derivative_by_the_degrees_of_freedom(name):
    function = getattr(namespace_over(xpnn.namespace_of(X)).special, name)
    rest = (4.0, 0.3) if name == "betainc" else (0.3,)
    with pytest.raises(TypeError, match=f"{name} has no derivative for argument 0"):
        xpnn.grad(lambda a: function(a, *(0 * a + r for r in rest)))(2.0)


@pytest.mark.parametrize("function", [gammainc, gammaincc, stdtr, lambda a, x: betainc(a, B, x)])
def test_float32_stays(function):
    value, back = xpnn.vjp(lambda x: function(2.5, x), numpy.float32(X))
    assert value.dtype == back(numpy.ones_like(value))[0].dtype == numpy.float32


def test_zero_and_no_elements():
    assert float(xpnn.grad(lambda x: stdtr(3.0, x))(0.0)) == pytest.approx(0.3675525969478613)  # 2 / (π √3)
    assert float(xpnn.grad(lambda x: gammainc(1.0, x))(0.0)) == 1.0
    assert xpnn.vjp(lambda x: betainc(2.0, 3.0, x), numpy.zeros((0, 3)))[0].shape == (0, 3)


def test_integers_are_refused():
    with pytest.raises(TypeError, match="gammainc expected"):
        gammainc(2.0, numpy.asarray([1, 2]))


def test_the_namespace_has_them_for_scipy():
    special = namespace_over(xpnn.namespace_of(X)).special
    assert special.stdtr is stdtr
    assert special.psi is xpnn.special.digamma
    with pytest.raises(AttributeError, match="has no nonsense"):
        special.nonsense  # noqa: B018


def test_the_density_of_students_distribution_keeps_its_digits_at_many_degrees_of_freedom():
    for df in (1e3, 1e8, 1e16):
        density = xpnn.grad(lambda t, df=df: stdtr(df, t))(numpy.asarray(1.0))
        # Student's density differs from the normal one by about 1 / (4 df) here
        numpy.testing.assert_allclose(density, numpy.exp(-0.5) / numpy.sqrt(2 * numpy.pi), rtol=1 / df + 1e-13)


def test_fishers_distribution_takes_arrays_on_array_api_strict():
    strict = array_api_strict
    x, n, m = (strict.asarray([value], dtype=strict.float64) for value in (1.0, 2.0, 4.0))
    for function, sign in ((fdtr, 1), (fdtrc, -1)):
        slope = xpnn.grad(lambda x, f=function: strict_sum(f(n, m, x)))(x)
        numpy.testing.assert_allclose(float(slope[0]), sign * (1 + 0.5) ** -3.0, rtol=1e-9)  # (1 + x / 2)^-3


def strict_sum(x):
    return xpnn.namespace_of(x).sum(x)
