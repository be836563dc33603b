"""What rows cannot say of choosing: derivatives of all orders just where two numbers are equal."""

import numpy
import pytest

from xpnn import grad, hessian, testing
from xpnn.arrays.namespaces import namespace_of


def clip(x, low, high):
    return namespace_of(x).clip(x, low, high)


def total(x):
    return namespace_of(x).sum(x)


@pytest.mark.parametrize("bounds", [(-1.0, 2.0), (None, 2.0), (-1.0, None)])
def test_bounds_count_as_inside_in_all_orders(bounds):
    at = [bound for bound in bounds if bound is not None]
    for x in at:
        assert grad(lambda x: clip(x, *bounds) ** 3)(x) == 3 * x**2
        assert grad(grad(lambda x: clip(x, *bounds) ** 3))(x) == 6 * x
        assert grad(grad(grad(lambda x: clip(x, *bounds) ** 3)))(x) == 6
    outside = [-3.0] * (bounds[0] is not None) + [5.0] * (bounds[1] is not None)
    for x in outside:
        assert grad(lambda x: clip(x, *bounds) ** 3)(x) == 0
        assert grad(grad(lambda x: clip(x, *bounds) ** 3))(x) == 0


@pytest.mark.parametrize("place", testing.places(), ids=lambda place: place.name)
def test_the_hessian_at_a_bound(place):
    x = place.put(numpy.asarray([-2.0, -1.0, 0.5, 2.0, 3.0]))
    h = place.device.to_host(hessian(lambda x: total(clip(x, -1.0, 2.0) ** 2))(x))
    numpy.testing.assert_array_equal(h, numpy.diag([0.0, 2.0, 2.0, 2.0, 0.0]))


def test_second_derivatives_by_a_bound_where_it_holds():
    x = numpy.asarray([0.0, 1.0, 2.0])

    def f(low):
        return total(clip(namespace_of(low).asarray(x), low, 5.0) ** 2)

    # the square of the bound for the one number below it; a tie belongs to x
    assert grad(f)(1.0) == 2
    assert grad(grad(f))(1.0) == 2
