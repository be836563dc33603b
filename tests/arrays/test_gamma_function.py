"""The gamma function's relatives from standard functions, against 40-digit arithmetic and SciPy."""

import numpy
import pytest
from elsewhere import rounding

from xpnn.arrays import gamma_function
from xpnn.arrays.devices import device_of
from xpnn.arrays.gamma_function import betaln, digamma, gammaln, polygamma

INF, NAN = numpy.inf, numpy.nan


def trigamma(x):
    return polygamma(1, x)


def third(x):
    return polygamma(3, x)


# x, gammaln, digamma, and polygamma of 1 and 3, by 40-digit arithmetic at exactly these floating-point numbers.
VALUES = numpy.asarray(
    [
        [1e-30, 69.07755278982137, -9.999999999999999e29, 9.999999999999998e59, 5.999999999999998e120],
        [0.001, 6.907178885383853, -1000.5755719318103, 1000001.6425331958, 6000000000006.469],
        [0.5, 0.5723649429247001, -1.9635100260214235, 4.934802200544679, 97.40909103400244],
        [0.9999, 5.7729791561193866e-05, -0.5773801703298691, 1.6451745107027036, 6.496428639406033],
        [1.0001, -5.771334222047127e-05, -0.5770511835143348, 1.6446936879331444, 6.4914513859393415],
        [1.4616321449683622, -0.12148629053584961, -9.241265521729427e-17, 0.9676722454476212, 1.5509985657339065],
        [1.5, -0.12078223763524522, 0.03648997397857652, 0.9348022005446793, 1.4090910340024372],
        [1.9999, -4.227520877215346e-05, 0.42271983967113097, 0.6449744806987031, 0.4940280392860124],
        [2.0001, 4.2281658112919945e-05, 0.4228488264846654, 0.6448936579371437, 0.49385078605932026],
        [3.0, 0.6931471805599453, 0.9227843350984671, 0.39493406684822646, 0.11893940226682916],
        [7.75, 8.025458396315983, 1.9817915626943456, 0.13771379144765566, 0.005199152294702223],
        [8.25, 9.033186919605123, 2.0483845613664946, 0.1288542628854482, 0.004261340634498469],
        [30.5, 72.9534711841694, 3.401243668961661, 0.03333024811280161, 7.403296175438848e-05],
        [100000.0, 1051287.7089736569, 11.512920464961896, 1.0000050000166667e-05, 2.0000300002e-15],
        [1e30, 6.807755278982137e31, 69.07755278982137, 9.999999999999999e-31, 2e-90],
        [-1e-09, 20.723265837523627, 999999999.4227843, 9.999999999999999e17, 5.999999999999999e36],
        [-0.3, 1.4648400508576025, 2.113309779635399, 13.945160267805722, 766.6198904191685],
        [-0.5, 1.2655121234846454, 0.03648997397857652, 8.934802200544679, 193.40909103400244],
        [-1.75, 1.0160888092144358, -2.322691628614361, 19.301637544529786, 1558.3848404165494],
        [-2.6, -0.11801163280539748, 0.1148975066969342, 10.591688362390217, 283.53838059773574],
        [-10.1, -13.0209732710115, 12.030052248548309, 103.26156923946725, 60014.25021906147],
        [-60.4, -189.07564302667043, 5.130009739388748, 10.895146269098687, 283.60229122570223],
    ]
)
FUNCTIONS = [(gammaln, 1), (digamma, 2), (trigamma, 3), (third, 4)]
BETA = numpy.asarray(
    [
        [1e-09, 3.5, 20.723265835266037],
        [0.5, 0.5, 1.1447298858494002],
        [2.0, 3.0, -2.4849066497880004],
        [0.3, 1000000.0, -3.0488550675711994],
        [7.9, 8.1, -10.847617252400042],
        [40.0, 1000000000.0, -722.2988739972129],
        [100000000.0, 200000000.0, -190954258.57711312],
        [1.0, 10000000000000.0, -29.933606208922594],
    ]
)


@pytest.mark.parametrize(("function", "column"), FUNCTIONS)
def test_known_values(function, column):
    above = VALUES[:, 0] > 0
    x, expected = VALUES[:, 0], VALUES[:, column]
    found = function(x)
    # The bounds that the docstrings state: of the value itself for x > 0, zeros of the functions included.
    numpy.testing.assert_allclose(found[above], expected[above], rtol=7.5e-16, atol=0)
    bound = 2e-15 * numpy.maximum(numpy.abs(expected), {third: 6}.get(function, 1))
    assert numpy.all(numpy.abs(found - expected)[~above] <= bound[~above])


@pytest.mark.parametrize(("function", "column"), FUNCTIONS)
def test_float32(function, column):
    x = numpy.asarray(
        [0.001, 0.5, 0.75, 1.25, 1.5, 2.5, 3.0, 7.75, 8.25, 30.5, 1e5, -0.5, -1.75, -60.5], dtype="float32"
    )
    found = function(x)
    assert found.dtype == "float32"
    numpy.testing.assert_allclose(found, function(x.astype(float)), rtol=1e-6, atol=1e-6)


def test_beta():
    a, b, expected = BETA.T
    bound = 4.5e-15 * numpy.maximum(numpy.abs(expected), 1)
    assert numpy.all(numpy.abs(betaln(a, b) - expected) <= bound)
    assert numpy.array_equal(betaln(a, b), betaln(b, a))
    narrow = betaln(a.astype("float32"), b.astype("float32"))
    assert narrow.dtype == "float32"
    numpy.testing.assert_allclose(narrow, expected, rtol=2e-6)
    assert betaln(a[:, None], b).shape == (8, 8)


def test_the_recurrence_over_a_wide_range():
    # log gamma(x + 1) = log gamma(x) + log(x), over all seams; an identity that no formula here uses
    x = numpy.concatenate([numpy.linspace(0.01, 12, 2001), numpy.linspace(-12.01, -0.01, 2001)])
    x = x[numpy.abs(x - numpy.round(x)) > 1e-3]
    scale = 1e-14 * (1 + numpy.abs(numpy.log(numpy.abs(x - numpy.round(x)))))
    assert numpy.all(numpy.abs(gammaln(x + 1) - gammaln(x) - numpy.log(numpy.abs(x))) <= 4 * scale)
    distance = numpy.abs(x - numpy.round(x))
    assert numpy.all(numpy.abs(digamma(x + 1) - digamma(x) - 1 / x) <= 1e-14 / distance**2)
    assert numpy.all(numpy.abs(trigamma(x + 1) - trigamma(x) + 1 / x**2) <= 3e-14 / distance**3)


@pytest.mark.parametrize("n", [1, 2, 5, 12, 25])
def test_polygamma_of_all_orders(n):
    scipy_special = pytest.importorskip("scipy.special", reason="SciPy is not installed; it judges these values")
    x = numpy.asarray([0.01, 0.3, 1.0, 4.4, 12.6, 70.0, -0.3, -2.6, -7.25])
    numpy.testing.assert_allclose(polygamma(n, x), scipy_special.polygamma(n, x), rtol=1e-13)
    narrow = x[n < 20 :].astype("float32")
    inside = narrow[numpy.abs(narrow - numpy.round(narrow)) > 0.2] if n > 9 else narrow
    wide = polygamma(n, inside.astype(float))
    fits = numpy.abs(wide) < 3e38
    numpy.testing.assert_allclose(polygamma(n, inside[fits]), wide[fits], rtol=5e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_poles_and_ends(dtype):
    largest = float(numpy.finfo(dtype).max)
    x = numpy.asarray([INF, -INF, NAN, 0.0, -0.0, -1.0, -2.0, largest, -largest, 1e-40], dtype=dtype)
    with numpy.errstate(over="raise", divide="raise", invalid="raise"):
        found = [gammaln(x), digamma(x), trigamma(x), polygamma(2, x)]
    expected = [
        [INF, -INF, NAN, INF, INF, INF, INF, INF, INF, -numpy.log(x[9])],
        [INF, NAN, NAN, -INF, INF, NAN, NAN, numpy.log(x[7]), NAN, -INF if dtype == "float32" else -1e40],
        [0, INF, NAN, INF, INF, INF, INF, 0, INF, INF if dtype == "float32" else 1e80],
        [0, -INF, NAN, -INF, -INF, -INF, -INF, 0, -INF, -INF if dtype == "float32" else -2e120],
    ]
    for y, wanted in zip(found, expected, strict=True):
        assert y.dtype == dtype
        numpy.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-38)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ends_of_beta(dtype):
    largest = float(numpy.finfo(dtype).max)
    a = numpy.asarray([0, 0, 1, 1, INF, NAN, -1, 2, largest], dtype=dtype)
    b = numpy.asarray([0, 1, 1, INF, INF, 1, 3, NAN, 1.0], dtype=dtype)
    with numpy.errstate(over="raise", divide="raise", invalid="raise"):
        found = betaln(a, b)
    expected = [INF, INF, 0, -INF, -INF, NAN, NAN, NAN, -numpy.log(largest)]
    numpy.testing.assert_allclose(found, expected, rtol=0.02, atol=1e-6)  # beyond a quarter of the largest: cut off


def test_gammaln_grows_to_infinity_where_it_should():
    assert gammaln(numpy.asarray([2.5e305])) < INF
    assert gammaln(numpy.asarray([2.6e305])) == INF


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function", [gammaln, digamma, trigamma, third, lambda x: betaln(x * x, x * x + 0.5)])
def test_numbers_elsewhere_are_those_of_numpy(elsewhere, function, dtype):
    host = numpy.linspace(-6.1, 12, 2 * 3 * 5).reshape(2, 3, 5).astype(dtype)
    x = elsewhere.asarray(host)
    y = function(x)
    assert (y.shape, y.dtype, device_of(y)) == (x.shape, x.dtype, elsewhere)
    # on a GPU a few roundings of log and sin, relative to the terms, which reach 10 and cancel near zeros
    rtol = rounding(elsewhere, dtype, units=64)
    numpy.testing.assert_allclose(elsewhere.to_host(y), function(host), rtol=rtol, atol=10 * rtol, strict=True)


@pytest.mark.parametrize("function", [gammaln, digamma, trigamma])
def test_any_layout_and_shape_and_the_input_stays(function):
    x = numpy.linspace(0.1, 12, 24).reshape(4, 6)
    x.flags.writeable = False
    before, y = x.copy(), function(x)
    numpy.testing.assert_array_equal(x, before)
    # NumPy may compute log of strided numbers by another routine: the last digit may differ
    numpy.testing.assert_allclose(function(x[::2, ::-1].T), y[::2, ::-1].T, rtol=1e-14, atol=1e-15)
    numpy.testing.assert_allclose(function(numpy.asarray(x[0, 0])), y[0, 0], rtol=1e-14)
    assert function(x[:0]).shape == (0, 6)


@pytest.mark.parametrize("function", [gammaln, digamma, trigamma, lambda x: betaln(x, x)])
@pytest.mark.parametrize(("x", "says"), [(numpy.arange(3), "got int64"), (numpy.zeros(2, complex), "got complex128")])
def test_other_kinds_are_refused(function, x, says):
    with pytest.raises(TypeError, match=says):
        function(x)


def test_the_highest_order_still_has_a_derivative_of_its_own_formula():
    assert numpy.isfinite(polygamma(gamma_function.HIGHEST_ORDER, numpy.asarray([0.5, -0.5], dtype="float32"))).all()
