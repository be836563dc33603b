"""What rows cannot say of indexing: keys that strict refuses, defaults, and writes by such keys."""

import numpy
import pytest

from xpnn import grad, hessian, value_and_grad
from xpnn.arrays.namespaces import namespace_of

X = numpy.asarray([2.0, -1.0, 0.5])
SQUARE = numpy.asarray([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0], [2.5, -0.5, 1.5]])


def total(x):
    return namespace_of(x).sum(x)


@pytest.mark.parametrize("key", [[0, 2, 2], numpy.asarray([0, 2, 2])], ids=["list", "array"])
def test_an_element_that_is_picked_twice_gets_both_gradients(key):
    weight = numpy.asarray([1.0, 10.0, 100.0])
    assert grad(lambda x: total(x[key] * weight))(X).tolist() == [1, 0, 110]
    # x0² + 110 x2²
    assert hessian(lambda x: total(x[key] ** 2 * weight))(X).tolist() == [[2, 0, 0], [0, 0, 0], [0, 0, 220]]


@pytest.mark.parametrize(
    "key", [([0, 2, 2], slice(1, None)), (slice(None), [1, 1]), ([0, 0], [1, 1]), (..., [2, 0, 2])], ids=str
)
def test_lists_beside_other_keys(key):
    picked = SQUARE[key]
    weight = numpy.arange(picked.size).reshape(picked.shape) + 1.0
    expected = numpy.zeros((3, 3))
    numpy.add.at(expected, key, 2 * picked * weight)
    numpy.testing.assert_array_equal(grad(lambda x: total(x[key] ** 2 * weight))(SQUARE), expected)


@pytest.mark.parametrize("key", [[0, 2, 2], numpy.asarray([0, 2, 2]), ([0, 2, 2],)], ids=["list", "array", "tuple"])
def test_a_value_that_is_written_over_by_a_later_one_gets_no_gradient(key):
    def f(v):
        y = namespace_of(v).zeros(3)
        y[key] = v
        return total(y * numpy.asarray([1.0, 10.0, 100.0]))

    value, gradient = value_and_grad(f)(X)
    assert value == 2 + 50
    assert gradient.tolist() == [1, 0, 100]


def test_take_along_axis_takes_the_last_axis_unless_told_otherwise():
    places = numpy.asarray([[0, 0], [1, 2], [2, 2]])
    take = lambda x, **axis: namespace_of(x).take_along_axis(x, places, **axis)  # noqa: E731
    expected = numpy.take_along_axis(SQUARE, places, axis=-1)
    value, gradient = value_and_grad(lambda x: total(take(x) ** 2))(SQUARE)
    assert value == (expected**2).sum()
    numpy.testing.assert_array_equal(gradient, grad(lambda x: total(take(x, axis=1) ** 2))(SQUARE))
    numpy.testing.assert_array_equal(gradient, 2 * SQUARE * [[2, 0, 0], [0, 1, 1], [0, 0, 2]])


def test_take_flattens_nothing_and_counts_from_the_end():
    found = grad(lambda x: total(namespace_of(x).take(x, numpy.asarray([-1, 0, -1]), axis=-1)))(SQUARE)
    assert found.tolist() == [[1, 0, 2]] * 3


# Writing numbers of another kind


def test_a_constant_may_be_written_into_an_array_of_another_kind_as_with_numpy():
    def f(x):
        xp = namespace_of(x)
        counts = xp.zeros(2, dtype=xp.int64)
        counts[0] = xp.asarray(3.7)  # off the path: no gradient is lost
        counts[1] = xp.sum(xp.astype(x > 0, xp.float64))
        seen.append(counts)
        return total(x * xp.astype(counts[0] + counts[1], x.dtype))

    seen = []
    assert grad(f)(X).tolist() == [5, 5, 5]
    assert numpy.asarray(seen[0]).tolist() == [3, 2]
    with pytest.raises(TypeError, match="lose the gradient"):
        grad(lambda x: total(x) + namespace_of(x).zeros(2, dtype=namespace_of(x).int64).__setitem__(0, x[0]))(X)


@pytest.mark.parametrize(
    ("dtype", "other"), [("bool", "int64"), ("bool", "float64"), ("int64", "float64"), ("int64", "uint64")]
)
def test_in_place_operators_do_not_change_the_kind_of_numbers(dtype, other):
    def f(x):
        xp = namespace_of(x)
        y = xp.ones(3, dtype=getattr(xp, dtype))
        y += xp.ones(3, dtype=getattr(xp, other))
        return total(x)

    with pytest.raises(TypeError, match=rf"x \+= y expected a result of {dtype}"):
        grad(f)(X)


def test_in_place_operators_with_what_is_no_array_raise_as_python_does():
    for write in (lambda x: x.__ior__("text"), lambda x: x.__ifloordiv__(None)):
        with pytest.raises(TypeError, match="unsupported operand"):
            grad(lambda x, write=write: total(write(x)))(X)
