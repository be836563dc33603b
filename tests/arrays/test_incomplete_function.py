"""The incomplete gamma and beta functions from standard functions, against 40-digit arithmetic and SciPy."""

import numpy
import pytest
from elsewhere import rounding

from xpnn.arrays import incomplete_function
from xpnn.arrays.devices import device_of
from xpnn.arrays.incomplete_function import betainc, gammainc, gammaincc, stdtr

# a, x, P, Q by 40-digit arithmetic
GAMMA = numpy.asarray(
    [
        [0.5, 0.001, 0.03567059172967989, 0.9643294082703201],
        [0.5, 0.4, 0.6289066304773024, 0.37109336952269756],
        [0.5, 3.0, 0.9856941215645704, 0.01430587843542964],
        [1.0, 30.0, 0.9999999999999064, 9.357622968840175e-14],
        [2.5, 3.4, 0.7640554623054786, 0.2359445376945214],
        [2.5, 3.6, 0.7938140802904441, 0.20618591970955588],
        [12.0, 4.0, 0.000915229147270063, 0.99908477085273],
        [12.0, 40.0, 0.9999999391579728, 6.084202717664e-08],
        [150.0, 140.0, 0.20954362391860706, 0.790456376081393],
        [150.0, 170.0, 0.9443655686898067, 0.05563443131019329],
    ]
)
# a, b, x, I by 40-digit arithmetic
BETA = numpy.asarray(
    [
        [0.5, 0.5, 0.25, 0.3333333333333333],
        [0.5, 8.0, 0.0001, 0.03141356821405189],
        [2.0, 3.0, 0.1, 0.052300000000000006],
        [2.0, 3.0, 0.9, 0.9963],
        [7.5, 0.5, 0.97, 0.5061784589091688],
        [40.0, 60.0, 0.3, 0.017592508468930075],
        [40.0, 60.0, 0.55, 0.9987089895804122],
        [200.0, 0.5, 0.999, 0.5272441070252352],
    ]
)


def test_gamma_against_exact_arithmetic():
    a, x, lower, upper = GAMMA.T
    numpy.testing.assert_allclose(gammainc(a, x), lower, rtol=2e-13)  # x^a e^-x alone loses a times the last digit
    numpy.testing.assert_allclose(gammaincc(a, x), upper, rtol=2e-13)


def test_beta_against_exact_arithmetic():
    a, b, x, expected = BETA.T
    numpy.testing.assert_allclose(betainc(a, b, x), expected, rtol=2e-13)


@pytest.mark.parametrize("name", ["gammainc", "gammaincc", "betainc", "stdtr"])
def test_against_scipy(name):
    of_scipy = pytest.importorskip("scipy.special", reason="SciPy judges these values")
    rng = numpy.random.default_rng(0)
    a, b = rng.uniform(0.3, 300.0, (2, 500))
    x = rng.uniform(0.01, 0.99, 500)
    points = {"betainc": (a, b, x), "stdtr": (a, 8 * x - 4)}.get(name, (a, 2 * a * x))
    ours, theirs = getattr(incomplete_function, name)(*points), getattr(of_scipy, name)(*points)
    numpy.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-300)


def test_edges():
    two, ends = numpy.asarray(2.0), numpy.asarray([0.0, 1.0])
    assert gammainc(two, ends).tolist()[0] == 0.0
    assert gammaincc(two, ends).tolist()[0] == 1.0
    assert betainc(two, two, ends).tolist() == [0.0, 1.0]
    assert stdtr(two, numpy.asarray([0.0])).tolist() == [0.5]
    assert gammainc(two, numpy.asarray(1e5)).tolist() == 1.0
    assert gammaincc(two, numpy.asarray(1e5)).tolist() == 0.0


@pytest.mark.parametrize("function", [gammainc, gammaincc, stdtr])
def test_other_libraries_and_float32(elsewhere, function):
    a, x = numpy.asarray([0.5, 3.0]), numpy.asarray([0.4, 7.0])
    found = function(elsewhere.asarray(a), elsewhere.asarray(x))
    assert device_of(found) == elsewhere
    # on a GPU exp and log round otherwise, and the series adds up some tens of terms
    rtol = rounding(elsewhere, units=200) or 1e-14
    numpy.testing.assert_allclose(elsewhere.to_host(found), function(a, x), rtol=rtol)
    small = function(numpy.float32(a), numpy.float32(x))
    assert small.dtype == numpy.float32
    numpy.testing.assert_allclose(small, function(a, x), rtol=1e-5)


def test_what_is_not_defined_or_not_known_is_nan():
    two = numpy.asarray(2.0)
    for y in (
        gammainc(two, numpy.asarray(-1.0)),
        gammaincc(numpy.asarray(-0.3), numpy.asarray(1.0)),
        gammainc(numpy.asarray(1e5), numpy.asarray(1e5)),  # 400 terms would give 0.40 for 0.50
        betainc(two, two, numpy.asarray(1.5)),
        betainc(two, two, numpy.asarray(-0.5)),
        betainc(numpy.asarray(-0.3), two, numpy.asarray(0.5)),
    ):
        assert numpy.isnan(y)


def test_students_distribution_near_0_keeps_small_steps():
    special = pytest.importorskip("scipy.special")
    for df, t in ((75.1, 7.46e-8), (918.6, -0.0015), (3.0, 0.3), (3.0, -0.3), (1.0, 0.0)):
        found = stdtr(numpy.asarray(df), numpy.asarray(t))
        numpy.testing.assert_allclose(found, special.stdtr(df, t), rtol=1e-14)
