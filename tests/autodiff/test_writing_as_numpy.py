"""What is a view of what, and what a key means: the same as with NumPy, in value and gradient."""

import numpy
import pytest

import xpnn
from xpnn import testing
from xpnn.arrays.namespaces import namespace_of


def swaps(x):
    y = x * 1
    y[0], y[1] = y[1], y[0]
    return y[0] + 10 * y[1]


def normalizes_by_an_element(x):
    y = x * 1
    m = y[0]
    y /= m
    return y * m


def eliminates(x):
    xp = namespace_of(x)
    a, d = xp.reshape(xp.concat([x, x[::-1] ** 2, x**3]), (3, 3)), 1.0
    for k in range(3):
        p = a[k, k]
        a[k, :] /= p
        d = d * p
        for i in range(k + 1, 3):
            a[i, :] -= a[k, :] * a[i, k]
    return d


def sorts_by_swapping(x):
    y = x * 1
    for i in range(3):
        for j in range(2 - i):
            if y[j] > y[j + 1]:
                y[j], y[j + 1] = y[j + 1], y[j]
    return y * namespace_of(x).asarray([1.0, 10.0, 100.0])


def sums_up_elements(x):
    y = x * 1
    s = y[0]
    for i in range(1, 3):
        s += y[i]
    return s * y[0]


def keeps_a_total(x):
    total = start = namespace_of(x).sum(x)
    for i in range(3):
        total += x[i] * x[0]
    return total - start


def doubles_elements_of_a_loop(x):
    total = 0.0
    for element in x:
        element *= 2
        total = total + element
    return total + namespace_of(x).sum(x)


def writes_into_a_copy_made_by_reshape(x):
    xp = namespace_of(x)
    y = xp.stack([x, x * x])
    flat = xp.reshape(y.T, (6,))
    flat[1] = 0 * flat[1]
    return xp.sum(y) + flat[1]


def writes_by_a_list_that_repeats(x):
    y = x * 1
    y[[0, 0, 2]] = x * x
    return y


def adds_by_a_list_that_repeats(x):
    y = x * 1
    y[[0, 0, 1]] += y[[0, 1, 2]] ** 2
    return y


AS_NUMPY = (
    swaps,
    normalizes_by_an_element,
    eliminates,
    sorts_by_swapping,
    sums_up_elements,
    keeps_a_total,
    doubles_elements_of_a_loop,
    writes_into_a_copy_made_by_reshape,
    writes_by_a_list_that_repeats,
    adds_by_a_list_that_repeats,
)


@pytest.mark.parametrize("function", AS_NUMPY, ids=lambda f: f.__name__)
def test_elements_and_other_copies_are_not_views_just_as_in_numpy(function):
    x = numpy.asarray([1.9, 0.7, 1.3])
    numpy.testing.assert_allclose(xpnn.vjp(function, x)[0], function(x.copy()), rtol=1e-14)
    testing.check_gradient(function, x)


# Keys


def reads_by_tuples(x):
    return x[(0, 0),] * x[(1, 1),]


def writes_by_tuples(x):
    y = namespace_of(x).stack([x, x * x])
    y[(0, 0), (1, 1)] = x[:2] * 3
    return y


def writes_into_rows_named_by_numpys_integers(x):
    y = namespace_of(x).stack([x, x * x])
    for i in numpy.arange(2):
        row = y[i]
        row *= 2
    return y


def counts_in_an_array(x):
    n = numpy.asarray(0)
    total = x * 0
    for _ in range(2):
        total[: n + 1] += x[n : n + 1] ** 2
        n += 1
    return total


def changes_the_key_afterwards(x):
    key = numpy.asarray([0, 1])
    y = x[key] ** 2
    key[:] = 2
    return y


def writes_at_the_ends(x):
    y = x * 1
    y[numpy.asarray(2)] = x[numpy.int64(0)] * 2
    y[[]] = 5.0
    y[numpy.asarray([False, True, False])] = x[[True, False, False]]
    return y


KEYS = (
    reads_by_tuples,
    writes_by_tuples,
    writes_into_rows_named_by_numpys_integers,
    counts_in_an_array,
    changes_the_key_afterwards,
    writes_at_the_ends,
)


@pytest.mark.parametrize("function", KEYS, ids=lambda f: f.__name__)
def test_keys_of_all_kinds_mean_what_they_mean_to_numpy(function):
    x = numpy.asarray([1.9, 0.7, 1.3])
    numpy.testing.assert_allclose(xpnn.vjp(function, x)[0], function(x.copy()), rtol=1e-14)
    testing.check_gradient(function, x)
