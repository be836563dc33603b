"""How NumPy is told where to put each result: the bits of the plain call, where another way to the result differs."""

import numpy
import pytest
from compiler_twins import assert_equal, replays

import xpnn
from xpnn.arrays.checks import require_labels

RNG = numpy.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "bool"])
def test_a_comparison_of_integers_with_a_fraction(dtype):
    step = lambda x: (x < 0.5, x >= 1.5, x == 1.0, x != 0.5)  # noqa: E731
    assert_equal(replays(step, numpy.asarray([0, 1, 2]).astype(dtype))[1])


@pytest.mark.parametrize("exponent", [2, 2.0, 0.5, 1, 1.0, -1.0, 3, 1.5])
@pytest.mark.parametrize("dtype", ["int8", "int64", "float32", "float64", "complex128"])
def test_powers_are_those_of_the_same_array(dtype, exponent):
    x = RNG.integers(1, 12, (5, 4)).astype(dtype)
    x[0, 0] = 1 if dtype == "int8" else 2**40 + 1  # whose square is no int64
    x[0, 1] = -0.0

    def step(x):
        xp = xpnn.namespace_of(x)
        return x**exponent, xp.pow(x, exponent), exponent**x

    with numpy.errstate(all="ignore"):
        assert_equal(replays(step, x)[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_of_scalars_are_those_of_scalars(dtype):
    """NumPy's scalars are raised by C's `pow`, whose last bit is not that of `square`."""

    def step(x):
        total = xpnn.namespace_of(x).sum(x)
        return total**2, total**0.5, total**-1, total**3, 2.0**total, total**total

    fast = xpnn.compile(step, exact=True)
    x = RNG.random((3,)).astype(dtype)
    with numpy.errstate(over="ignore"):
        assert_equal([(step(n * x), fast(n * x)) for n in map(numpy.dtype(dtype).type, range(1, 200))])


def test_a_condition_may_be_a_number():
    assert_equal(replays(lambda x: xpnn.namespace_of(x).where(x, x + 1, -x), numpy.asarray([0.0, 1.0, 2.0]))[1])


@pytest.mark.parametrize("shape", [(1, 70_000), (70_000,), (70_000, 1), (1, 1, 70_000)])
def test_large_arrays_of_one_row(shape):
    x = RNG.normal(size=shape)
    assert_equal(replays(lambda x: xpnn.namespace_of(x).maximum((x + 0) * 2 + 1, 0.0) * (x + 0), x, exact=True)[1])


def test_large_constants_in_a_run_of_blocks():
    def step(x):
        xp = xpnn.namespace_of(x)
        ones = xp.ones((300, 300)) + xp.ones((300, 300))
        return ones * x, ones / 3

    assert_equal(replays(step, RNG.normal(size=(300, 1)), exact=True)[1])


def test_sums_of_stretched_arrays_are_added_in_the_recorded_order():
    def step(x):
        xp = xpnn.namespace_of(x)
        wide, row = xp.broadcast_arrays(x, x[:1, :])
        first, *_, last = xp.unstack(xp.reshape(x, (20, 2, -1)), axis=1)
        return xp.sum(row), xp.sum(row * 1, axis=0), xp.sum(first), xp.sum(last * 3), xp.sum(wide)

    for n in range(5):
        assert_equal(replays(step, numpy.random.default_rng(n).normal(size=(40, 50)), exact=True)[1])


def test_labels_that_were_not_checked_raise():
    """Two columns of one array: the check of one says nothing of the other."""

    def step(x, labels):
        xp = xpnn.namespace_of(x)
        require_labels(labels[:, 0], 3)
        return xp.take_along_axis(x * 1.0, labels[:, 1:], axis=1)

    fast, x, labels = xpnn.compile(step), RNG.normal(size=(40, 3)), numpy.zeros((40, 2), dtype="int64")
    for _ in range(4):
        fast(x, labels)
    labels[0, 1] = 3
    with pytest.raises(IndexError):
        fast(x, labels)


def test_labels_that_are_written_into_after_the_check_raise():
    def step(x, labels, more):
        require_labels(labels, 3)
        labels += more
        xp = xpnn.namespace_of(x)
        return xp.take_along_axis(x * 1.0, xp.expand_dims(labels, axis=1), axis=1)

    fast, x, zeros = xpnn.compile(step), RNG.normal(size=(40, 3)), numpy.zeros(40, dtype="int64")
    for _ in range(4):
        fast(x, zeros.copy(), zeros)
    with pytest.raises(IndexError):
        fast(x, zeros.copy(), zeros + 3)


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 2), (3, 2, 1), (1, 2, 3)])
def test_products_keep_the_sign_of_zero(shape, dtype):
    rows, inner, columns = shape
    a, b = numpy.full((rows, inner), -0.0).astype(dtype), numpy.ones((inner, columns)).astype(dtype)
    step = lambda a, b: (a + 0 * b[0, 0]) @ b  # noqa: E731
    fast = xpnn.compile(lambda a, b: a @ b, exact=True)
    assert_equal([(a @ b, fast(a, b)) for _ in range(4)])
    assert_equal(replays(step, -a - b.T[:1, :] * 0, b, exact=True)[1])
