"""erf and erfc from standard functions, against 40-digit arithmetic and the C library's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from elsewhere import rounding

from xpnn.arrays.devices import Device, device_of
from xpnn.arrays.error_function import erf, erfc

# x, erf(x) and erfc(x), by 40-digit arithmetic.
VALUES = numpy.asarray(
    [
        [0.5, 0.5204998778130465, 0.4795001221869535],
        [1.0, 0.8427007929497149, 0.15729920705028513],
        [1.5, 0.9661051464753108, 0.033894853524689274],
        [2.0, 0.9953222650189527, 0.004677734981047266],
        [-0.25, -0.27632639016823696, 1.276326390168237],
        [-2.5, -0.999593047982555, 1.999593047982555],
        [1e-10, 1.1283791670955126e-10, 0.999999999887162],
        [0.001, 0.0011283787909692365, 0.9988716212090307],
        [0.125, 0.1403162048013338, 0.8596837951986662],
        [0.75, 0.7111556336535151, 0.28884436634648486],
        [3.25, 0.9999956972205363, 4.302779463675122e-06],
        [4.0, 0.9999999845827421, 1.541725790028002e-08],
        [5.0, 0.9999999999984626, 1.537459794428035e-12],
        [6.0, 1.0, 2.1519736712498913e-17],
        [10.0, 1.0, 2.088487583762545e-45],
        [13.0, 1.0, 1.7395573154667246e-75],
        [19.3125, 1.0, 3.0552010055376656e-164],
        [25.0, 1.0, 8.300172571196523e-274],
        [26.5, 1.0, 2.2109076642637343e-307],
    ]
)


@pytest.mark.parametrize(("function", "column", "tolerance"), [(erf, 1, 4.5e-16), (erfc, 2, 1.5e-15)])
def test_known_values(function: Callable[[Any], Any], column: int, tolerance: float) -> None:
    # The bounds that the docstrings state.
    numpy.testing.assert_allclose(function(VALUES[:, 0]), VALUES[:, column], rtol=tolerance, atol=0)


@pytest.mark.parametrize(("function", "exact"), [(erf, math.erf), (erfc, math.erfc)])
@pytest.mark.parametrize(("dtype", "end", "tolerance"), [("float64", 26.5, 3e-15), ("float32", 9.1, 8e-7)])
def test_the_whole_range(
    function: Callable[[Any], Any], exact: Callable[[float], float], dtype: str, end: float, tolerance: float
) -> None:
    # Ours are at most 1.4e-15 or 7.5e-7 off, and C libraries a few units in the last place, 1.1e-16 each.
    small = 10.0 ** numpy.linspace(-30, 0, 301)
    x = numpy.concatenate([numpy.linspace(-7, end, 4001), small, -small]).astype(dtype)
    expected = [exact(value) for value in x.tolist()]
    y = function(x)
    assert y.dtype == dtype
    numpy.testing.assert_allclose(y.astype(float), expected, rtol=tolerance, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values_and_no_warnings(dtype: str) -> None:
    largest = float(numpy.finfo(dtype).max)
    x = numpy.asarray([numpy.nan, numpy.inf, -numpy.inf, 0.0, -0.0, largest, -largest, 30.0, -30.0], dtype=dtype)
    with numpy.errstate(over="raise", divide="raise", invalid="raise"):
        y, complement = erf(x), erfc(x)
    numpy.testing.assert_array_equal(
        y, numpy.asarray([numpy.nan, 1, -1, 0, -0.0, 1, -1, 1, -1], dtype=dtype), strict=True
    )
    assert numpy.signbit(y).tolist()[1:] == [False, True, False, True, False, True, False, True]
    expected = numpy.asarray([numpy.nan, 0, 2, 1, 1, 0, 2, 0, 2], dtype=dtype)
    numpy.testing.assert_array_equal(complement, expected, strict=True)


def test_erfc_dies_out_gradually() -> None:
    # Below the smallest normal number digits are lost one by one: the first two are 1.15e-316 and 2.33e-321.
    numpy.testing.assert_allclose(erfc(numpy.asarray([26.9])), [1.152240567263922e-316], rtol=1e-6)
    assert 0 < erfc(numpy.asarray([27.1]))[0] < 1e-320
    assert erfc(numpy.asarray([27.3]))[0] == 0


@pytest.mark.parametrize("function", [erf, erfc])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_elsewhere_are_those_of_numpy(elsewhere: Device, function: Callable[[Any], Any], dtype: str) -> None:
    host = numpy.linspace(-6, 10, 2 * 3 * 5).reshape(2, 3, 5).astype(dtype)
    x = elsewhere.asarray(host)
    y = function(x)
    assert (y.shape, y.dtype, device_of(y)) == (x.shape, x.dtype, elsewhere)
    # on a GPU a few units of the last place from exp, and numbers below the smallest normal one may be 0
    tolerance = {"rtol": rounding(elsewhere, dtype, units=16), "atol": rounding(elsewhere, dtype) and 1e-37}
    numpy.testing.assert_allclose(elsewhere.to_host(y), function(host), **tolerance, strict=True)


@pytest.mark.parametrize("function", [erf, erfc])
def test_any_layout_and_shape_and_the_input_stays(function: Callable[[Any], Any]) -> None:
    x = numpy.linspace(-3, 3, 24).reshape(4, 6)
    x.flags.writeable = False
    before, y = x.copy(), function(x)
    numpy.testing.assert_array_equal(x, before)
    numpy.testing.assert_array_equal(function(x[::2, ::-1].T), y[::2, ::-1].T)
    assert function(x[0, 0]) == function(numpy.asarray(x[0, 0])) == y[0, 0]
    assert function(x[:0]).shape == (0, 6)


@pytest.mark.parametrize("function", [erf, erfc])
@pytest.mark.parametrize(
    ("x", "says"),
    [
        (numpy.arange(3), "got int64"),
        (numpy.zeros(2, complex), "got complex128"),
        ([1.0], "got a list"),
        (1.0, "float"),
    ],
)
def test_other_kinds_are_refused(function: Callable[[Any], Any], x: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        function(x)
