"""What rows cannot say of sorting and sets: positions and counts, and arrays without an axis."""

import numpy
import pytest

from xpnn import grad, testing, value_and_grad
from xpnn.arrays.namespaces import namespace_of

X = numpy.asarray([3.0, 1.0, 3.0, 2.0, 1.0, 1.0])
PLACES = pytest.mark.parametrize("place", testing.places(), ids=lambda place: place.name)
PARTS = {
    "unique_all": ["indices", "inverse_indices", "counts"],
    "unique_counts": ["counts"],
    "unique_inverse": ["inverse_indices"],
}


def total(x):
    return namespace_of(x).sum(x)


@PLACES
@pytest.mark.parametrize("name", PARTS)
def test_positions_and_counts_are_tensors_off_the_path(place, name):
    seen = []

    def f(x):
        xp = namespace_of(x)
        found = getattr(xp, name)(x)
        for part in PARTS[name]:
            y = getattr(found, part)
            assert "constant" in repr(y)
            assert namespace_of(y) is xp
            seen.append(y)
        last = xp.astype(getattr(found, PARTS[name][-1]), x.dtype)
        values = found.values if last.shape == found.values.shape else xp.take(found.values, seen[-1])
        return total(last * values**2)  # a raw array on the left would not know the Tensor

    value, gradient = value_and_grad(f)(place.put(X))
    expected = getattr(numpy, name)(X) if hasattr(numpy, name) else None
    if expected is not None:
        for part, y in zip(PARTS[name], seen, strict=True):
            numpy.testing.assert_array_equal(place.device.to_host(y), getattr(expected, part))
    assert gradient.shape == X.shape
    assert float(value) > 0


@PLACES
def test_a_gradient_goes_to_the_first_of_equal_elements(place):
    f = lambda x: total(namespace_of(x).unique_counts(x).values * 10.0)  # noqa: E731
    assert place.device.to_host(grad(f)(place.put(X))).tolist() == [10, 10, 0, 10, 0, 0]


@PLACES
def test_one_number_without_an_axis_is_refused(place):
    x = place.put(numpy.asarray(2.0))
    with pytest.raises(ValueError, match=r"sort expected an array of one axis or more, got shape \(\)"):
        grad(lambda x: namespace_of(x).sort(x))(x)


def test_plain_arrays_stay_plain():
    from xpnn.autodiff.rules import ordering

    found = ordering.unique_all(X)
    assert all(type(part) is numpy.ndarray for part in found)
    assert type(ordering.sort(X)) is numpy.ndarray
