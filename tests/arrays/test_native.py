"""What the standard lacks: the same on every library, and what is refused."""

import numpy
import pytest
from elsewhere import on_gpu, rounding
from hypothesis import given, settings
from hypothesis import strategies as st

import xpnn
from xpnn import stop_gradient
from xpnn.arrays import native
from xpnn.arrays.checks import require_labels
from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.native import cumulative_error_function, from_number, scatter_add, to_host

RNG = numpy.random.default_rng(5)


# To the host


@pytest.mark.parametrize("x", [numpy.ones((2, 3)), numpy.ones((2, 3)).T, numpy.ones(4)[::2], numpy.empty((0, 2))])
def test_numpy_arrays_come_back_as_they_are(x):
    assert to_host(x) is x


def test_numpy_scalars_become_arrays():
    y = to_host(numpy.float32(2.5))
    assert type(y) is numpy.ndarray
    assert (y.shape, y.dtype, y) == ((), "float32", 2.5)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int8", "int64", "uint64", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (3,), (2, 3)])
def test_arrays_of_other_devices_arrive_whole(elsewhere, shape, dtype):
    x = RNG.integers(0, 2, shape).astype(dtype)
    y = to_host(elsewhere.asarray(x))
    assert type(y) is numpy.ndarray
    assert y.dtype == x.dtype
    numpy.testing.assert_array_equal(y, x)


def test_what_arrives_is_a_copy_of_ones_own(elsewhere):
    x = elsewhere.asarray(numpy.ones(3))
    y = to_host(x)
    y[0] = 7.0
    assert float(x[0]) == 1.0


def test_strided_and_turned_arrays_arrive_in_order(elsewhere):
    x = elsewhere.asarray(numpy.arange(12.0).reshape(3, 4))
    numpy.testing.assert_array_equal(to_host(x.T), numpy.arange(12.0).reshape(3, 4).T)
    numpy.testing.assert_array_equal(to_host(x[:, ::2]), numpy.arange(12.0).reshape(3, 4)[:, ::2])
    numpy.testing.assert_array_equal(to_host(elsewhere.xp.flip(x)), numpy.arange(12.0)[::-1].reshape(3, 4))


def test_a_tensor_on_the_path_does_not_leave():
    with pytest.raises(TypeError, match=r"on the way to a gradient.*stop_gradient"):
        xpnn.grad(lambda x: x * to_host(x))(2.0)


def test_the_way_out_that_the_error_names_works():
    assert xpnn.grad(lambda x: x * to_host(stop_gradient(x)))(2.0) == 2.0
    assert float(to_host(stop_gradient(numpy.asarray(2.0)))) == 2.0


def test_a_number_becomes_an_array():
    for number, dtype in ((2.0, "float64"), (2, "int64"), (2j, "complex128")):
        y = from_number(number)
        assert (type(y), y.shape, y.dtype, y) == (numpy.ndarray, (), dtype, number)


# Adding where places repeat


def added_one_by_one(updates, indices, shape):
    total = numpy.zeros(shape, dtype=updates.dtype)
    places = numpy.arange(total.size).reshape(shape)[indices]
    for place, update in zip(places.reshape(-1), updates.reshape(-1), strict=True):
        total.reshape(-1)[place] += update
    return total


CASES = {
    "rows": ((4, 3), numpy.asarray([2, 0, 2, 2])),
    "a table of rows": ((4, 3), numpy.asarray([[2, 0], [2, 2]])),
    "no rows": ((4, 3), numpy.asarray([], dtype="int64")),
    "rows counted from the end": ((4,), numpy.asarray([-1, 3, -4])),
    "pairs": ((3, 4), (numpy.asarray([0, 1, 1]), numpy.asarray([3, 2, 2]))),
    "a grid": ((3, 4), (numpy.asarray([[0], [2]]), numpy.asarray([[1, 1, 3]]))),
    "pairs counted from the end": ((3, 4), (numpy.asarray([-1, 1, 2]), numpy.asarray([3, -2, -1]))),
    "numbers of 32 bits": ((4,), numpy.asarray([1, 1, 3], dtype="int32")),
    "one element": ((1,), numpy.asarray([0, 0, 0])),
}


@pytest.mark.parametrize("case", CASES)
def test_repeated_places_add_up(case, place):
    shape, indices = CASES[case]
    updates = RNG.integers(-9, 9, numpy.zeros(shape)[indices].shape).astype("float64")  # whole: sums are exact
    expected = added_one_by_one(updates, indices, shape)
    moved = tuple(map(place.asarray, indices)) if isinstance(indices, tuple) else place.asarray(indices)
    found = scatter_add(place.asarray(updates), moved, shape)
    assert device_of(found) == place
    numpy.testing.assert_array_equal(to_host(found), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_sums_keep_their_dtype(place, dtype):
    updates = place.asarray(numpy.ones(3, dtype=dtype))
    found = scatter_add(updates, place.asarray(numpy.asarray([0, 0, 1])), (2,))
    assert found.dtype == updates.dtype
    assert to_host(found).tolist() == [2, 1]


@settings(deadline=None)  # a kernel of CuPy's is compiled when it is first used
@given(st.data())
def test_all_libraries_add_alike(elsewhere, data):
    rows, columns = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    indices = numpy.asarray(data.draw(st.lists(st.integers(0, rows - 1), max_size=6)), dtype="int64")
    updates = RNG.integers(-9, 9, (len(indices), columns)).astype("float64")
    expected = scatter_add(updates, indices, (rows, columns))
    numpy.testing.assert_array_equal(expected, added_one_by_one(updates, indices, (rows, columns)))
    found = scatter_add(elsewhere.asarray(updates), elsewhere.asarray(indices), (rows, columns))
    numpy.testing.assert_array_equal(to_host(found), expected)


def test_updates_stay_as_they_are():
    updates = numpy.ones(3)
    updates.flags.writeable = False
    scatter_add(updates, numpy.asarray([0, 0, 1]), (2,))


@pytest.mark.parametrize("place", [4, -5])
def test_a_place_out_of_range_is_refused_on_numpy(place):
    with pytest.raises(IndexError):
        scatter_add(numpy.ones(1), numpy.asarray([place]), (4,))


# Labels


@pytest.mark.parametrize("labels", [[], [0], [0, 4, 2], [[1, 2], [3, 4]]])
@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8"])
def test_labels_in_range_are_accepted(labels, dtype):
    require_labels(numpy.asarray(labels, dtype=dtype), 5)


@pytest.mark.parametrize(("labels", "wrong"), [([0, 5], 5), ([-1, 0], -1), ([[1, 2], [9, -3]], 9)])
def test_the_first_label_out_of_range_is_named(labels, wrong):
    with pytest.raises(ValueError, match=f"labels from 0 to 4 for 5 classes, got {wrong}"):
        require_labels(numpy.asarray(labels), 5)


def test_labels_on_a_device_are_not_looked_at(elsewhere):
    with xpnn.testing.no_device_reads():
        require_labels(elsewhere.asarray(numpy.asarray([7])), 5)


# The error function


def test_twice_the_normal_distribution_function_in_both_tails():
    from scipy.special import ndtr

    x = numpy.concatenate([numpy.linspace(-37, 9, 501), [0.0, -0.0]])
    # erfc's own error, and in the lower tail that of the rounded x / sqrt(2), which counts x² times
    bound = (x * x + 32) * numpy.finfo("float64").eps * ndtr(x)
    assert numpy.all(numpy.abs(cumulative_error_function(x) - 2 * ndtr(x)) <= 2 * bound)
    ends = cumulative_error_function(numpy.asarray([-numpy.inf, numpy.inf, numpy.nan]))
    assert ends[:2].tolist() == [0.0, 2.0]
    assert numpy.isnan(ends[2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_error_function_is_the_same_elsewhere_and_keeps_the_dtype(elsewhere, dtype):
    x = numpy.linspace(-6, 6, 101).astype(dtype)
    found = cumulative_error_function(elsewhere.asarray(x))
    assert device_of(found) == elsewhere
    assert to_host(found).dtype == dtype
    # the same operations in the same order, up to the libraries' exp: a few units of the last place. On CuPy it is erfc
    # of CUDA, and at -6 the rounding of x / sqrt(2) alone counts x² times.
    rtol = rounding(elsewhere, dtype, units=64) or 8 * numpy.finfo(dtype).eps
    numpy.testing.assert_allclose(to_host(found), cumulative_error_function(x), rtol=rtol)


def test_libraries_are_told_apart_by_their_own_name(elsewhere):
    other = "cupy" if on_gpu(elsewhere) else "array_api_strict"
    for library, x in (("numpy", numpy.ones(1)), (other, elsewhere.asarray(numpy.ones(1)))):
        names = ("numpy", "cupy", "array_api_strict")
        assert [name for name in names if native._is_library(namespace_of(x), name)] == [library]


# Sums of products


@pytest.mark.parametrize("shape", [(3, 2), (300, 100), (100, 10, 20), (0, 3)])
def test_sums_of_products_go_along_the_first_axis(shape):
    a, b = RNG.standard_normal((2, *shape))
    expected = numpy.sum(a * b, axis=0)
    xp = pytest.importorskip("array_api_strict")
    found = native.sums_of_products(a, b)
    elsewhere = native.sums_of_products(xp.asarray(a), xp.asarray(b))
    for y in (found, numpy.asarray(elsewhere)):
        numpy.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)  # sums of up to 300 numbers of size 1
