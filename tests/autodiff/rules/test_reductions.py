"""What rows cannot say of reductions: the dtype to compute in, and extremes of NaN."""

import numpy
import pytest

from xpnn import grad, testing, value_and_grad
from xpnn.arrays.namespaces import namespace_of

X = numpy.asarray([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]], dtype="float32")


def total(x):
    return namespace_of(x).sum(x)


@pytest.mark.parametrize("place", testing.places(), ids=lambda place: place.name)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sum", {}),
        ("prod", {}),
        ("cumulative_sum", {}),
        ("cumulative_sum", {"include_initial": True}),
        ("cumulative_prod", {}),
        ("cumulative_prod", {"include_initial": True}),
    ],
)
def test_dtype_is_that_of_the_value_and_the_gradient_has_that_of_the_argument(place, name, options):
    x = place.put(X, "float32")
    seen = []

    def f(x):
        xp = namespace_of(x)
        y = getattr(xp, name)(x, axis=1, dtype=xp.float64, **options)
        seen.append(y.dtype)
        return total(y)

    value, gradient = value_and_grad(f)(x)
    xp = namespace_of(x)
    assert seen == [xp.float64]
    assert (value.dtype, gradient.dtype) == (xp.float64, xp.float32)
    expected = grad(lambda x: total(getattr(namespace_of(x), name)(x, axis=1, **options)))(X.astype("float64"))
    # one rounding to float32
    numpy.testing.assert_allclose(place.device.to_host(gradient), expected, rtol=1e-7)


@pytest.mark.parametrize("name", ["prod", "cumulative_prod"])
def test_products_in_another_dtype_do_not_overflow_in_that_of_the_argument(name):
    x = numpy.asarray([1e30, 1e30, 1e-30, 1e-30, 1.0], dtype="float32")

    def last(x):
        y = getattr(namespace_of(x), name)(x, dtype=numpy.float64)
        return y if name == "prod" else y[-1]

    # the product of the others
    numpy.testing.assert_allclose(grad(last)(x), [1e-30, 1e-30, 1e30, 1e30, 1.0], rtol=1e-6)  # of float32 inputs


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_the_extreme_of_nan_is_nan_and_its_gradient_a_quiet_0(name, axis):
    x = X.astype("float64")
    x[0, 1] = numpy.nan  # no element equals NaN
    found = grad(lambda x: total(getattr(namespace_of(x), name)(x, axis=axis)))(x)
    beside = grad(lambda x: total(getattr(namespace_of(x), name)(x, axis=axis)))(X.astype("float64"))
    touched = {None: ..., 0: (slice(None), 1), 1: 0}[axis]  # what is reduced together with the NaN
    beside[touched] = 0.0
    numpy.testing.assert_array_equal(found, beside)
