"""Rewrites that run calls another way: where they help, where they must keep off, and the same numbers."""

import warnings

import numpy
import pytest
from compiler_twins import planned

import xpnn
from xpnn.compiler import rewrites

RNG = numpy.random.default_rng(0)
X = RNG.normal(size=(40, 6))


# as_numbers


def scalars(t):
    xp = xpnn.namespace_of(t)
    t = xp.astype(t, xp.float64)
    return 0.001 / (1 - 0.9**t), xp.sqrt(t - 3.0), 1.0 / (t - 3.0), -(t * 0.1 + 2) / 7


def said(warning):
    return str(warning.message).replace("scalar ", "")  # NumPy's scalars and arrays say it in other words


def test_numbers_are_those_of_arrays_with_their_warnings():
    fast = xpnn.compile(scalars, exact=True)
    for value in (1, 2, 5, 1000, 12345, 2**60 + 1, 3, 0):
        with warnings.catch_warnings(record=True) as plain_warnings:
            warnings.simplefilter("always")
            plain = scalars(numpy.asarray(value))
        with warnings.catch_warnings(record=True) as fast_warnings:
            warnings.simplefilter("always")
            compiled = fast(numpy.asarray(value))
        assert numpy.asarray(plain).tobytes() == numpy.asarray(compiled).tobytes(), value
        assert {said(w) for w in plain_warnings} == {said(w) for w in fast_warnings}
    assert sum(call.way == "number" for call in fast.plan().program.calls) >= 8


def test_a_number_that_is_written_into_is_an_array():
    state = {"s": numpy.asarray(1, dtype="int32")}

    def step(x):
        xp = xpnn.namespace_of(x)
        y = xp.astype(state["s"], xp.float64)
        y += 1.0
        return y * 2

    _, result = planned(step, X, state=state)
    assert result == 4


def test_float32_and_larger_arrays_do_not_become_numbers():
    step = lambda x: (x + 1) / 3  # noqa: E731
    for x in (numpy.asarray(0.1, dtype="float32"), numpy.ones(1), numpy.ones((2, 2))):
        plan, result = planned(step, x)
        assert not any(call.way for call in plan.program.calls)
        assert numpy.asarray(result).tobytes() == numpy.asarray(step(x)).tobytes()


# powers_as_numbers


def powers(t):
    t = xpnn.namespace_of(t).astype(t, xpnn.namespace_of(t).float64)
    return 0.9**t, 1.0**t, 2.0**t, (-0.5) ** t, t**0.9


def test_powers_of_numbers_up_to_1_are_those_of_python():
    rewriting = [rewrites.as_numbers, rewrites.powers_as_numbers]
    plan, _ = planned(powers, numpy.asarray(1), rewriting=rewriting)
    assert [call.way for call in plan.program.calls if call.name == "pow"] == ["number", "number", "", "", ""]
    fast = xpnn.compile(powers, rewriting=rewriting)
    for value in (1, 2, 1000, 2**60, 0, -3, -10000):  # the last is more than a float64 can be
        with numpy.errstate(all="ignore"):
            numpy.testing.assert_array_max_ulp(
                numpy.stack(powers(numpy.asarray(value))), numpy.stack(fast(numpy.asarray(value))), 1
            )
    assert 0 < fast(numpy.asarray(3))[0] < 1


def test_a_count_in_int64_goes_on_as_numpys_does():
    state = {"n": numpy.asarray(2**63 - 6)}

    def step():
        state["n"] += 2
        return state["n"] + 0

    fast = xpnn.compile(step, state=state)
    assert [int(fast()) for _ in range(5)] == [2**63 - 4, 2**63 - 2, -(2**63), -(2**63) + 2, -(2**63) + 4]
    assert "item() + 2" in fast.plan().executor.source


@pytest.mark.parametrize("number", [numpy.float32(0.1), numpy.float64(0.1), numpy.int64(3), numpy.bool_(True)])
def test_scalars_of_numpy_beside_numbers(number):
    step = lambda x: xpnn.namespace_of(x).max(x + 0) * number + 1  # noqa: E731
    _, result = planned(step, X)
    assert numpy.asarray(result).tobytes() == numpy.asarray(step(X)).tobytes()


def test_a_view_of_a_number_shows_it():
    state = {"s": numpy.asarray(0.0)}

    def step(x):
        xp = xpnn.namespace_of(x)
        state["s"] += 1.0
        y = xp.astype(state["s"], xp.float64)
        return xp.astype(y, xp.float64, copy=False)

    fast = xpnn.compile(step, state=state)
    assert [float(fast(X)) for _ in range(5)] == [1, 2, 3, 4, 5]


# reuse_arguments


def test_a_chain_lies_in_one_buffer():
    step = lambda x: xpnn.namespace_of(x).exp((x + 1) * 2) - 3  # noqa: E731
    plan, result = planned(step, X)
    assert plan.executor.buffers.bytes == X.nbytes
    assert (result == step(X)).all()


def test_a_result_of_another_dtype_has_memory_of_its_own():
    step = lambda x: xpnn.namespace_of(x).sqrt((x + 1) / 2)  # noqa: E731
    _, result = planned(step, numpy.arange(40))
    assert (result == step(numpy.arange(40))).all()


def test_a_result_in_another_order_of_axes_has_memory_of_its_own():
    def step(x, w):
        xp = xpnn.namespace_of(x)
        y = xp.matrix_transpose(x) + 1  # by columns
        return xp.reshape(w + y, (-1,)) * 2  # a view: the sum lies by rows

    w = RNG.normal(size=(6, 40))
    _, result = planned(step, X, w)
    assert (result == step(X, w)).all()


def test_an_argument_that_is_read_later_keeps_its_memory():
    def step(x):
        y = x + 1
        part = y[1:, :]
        z = y * 2
        return z + y, part

    _, result = planned(step, X)
    for a, b in zip(result, step(X), strict=True):
        assert (a == b).all()


# in_blocks

LARGE = RNG.normal(size=(700, 300)).astype("float32")


def long_chain(x):
    xp = xpnn.namespace_of(x)
    y = xp.maximum(x + x[0, :], 0.0) * 2 - x[:, :1]
    z = xp.sqrt(y * y + 1.0)
    z *= y
    return z, xp.astype(z > 1, x.dtype) * 3


def test_large_arrays_run_in_blocks():
    plan, result = planned(lambda x: long_chain(x + 0), LARGE, rewriting=rewrites.ALL)
    assert "for " in plan.executor.source
    for a, b in zip(result, long_chain(LARGE + 0), strict=True):
        assert a.tobytes() == b.tobytes()


def test_small_arrays_do_not():
    plan, _ = planned(lambda x: long_chain(x + 0), LARGE[:30], rewriting=rewrites.ALL)
    assert "for " not in plan.executor.source


def test_rows_of_another_block_are_not_read_after_they_are_written():
    state = {"x": LARGE.copy()}

    def step(y):
        x = state["x"]
        x += 1.0
        x *= x[0, :]  # the first row, which this very call changes
        x[1:, :] += x[:-1, :]
        x[1:, :] -= 0.5 * x[:-1, :]
        xp = xpnn.namespace_of(x)
        x *= xp.reshape(xp.matrix_transpose(x), (700, 300))
        return y + 1

    with numpy.errstate(over="ignore", invalid="ignore"):
        planned(step, X, state=state, rewriting=rewrites.ALL, calls=3)
        compiled, state["x"] = state["x"], LARGE.copy()
        for _ in range(3):
            step(X)
    assert compiled.tobytes() == state["x"].tobytes()


# sums_as_products, rows_by_columns


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("shape", [(40, 6), (1, 300), (300, 1), (70, 70)])
def test_sums_as_products_are_near_the_sums(shape, axis, keepdims):
    x = RNG.normal(size=shape).astype("float32")

    def step(x):
        xp = xpnn.namespace_of(x)
        return xp.sum(x + 0, axis=axis, keepdims=keepdims), xp.max(x + 0, axis=1, keepdims=keepdims)

    plan, result = planned(step, x)
    assert any(call.way == "product" for call in plan.program.calls)
    assert "dot(" in plan.executor.source
    for a, b in zip(result, step(x), strict=True):
        assert a.shape == b.shape
        numpy.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4)  # up to 4900 terms of size 1, 6e-8 each


@pytest.mark.parametrize("dtype", ["int32", "float16", "complex64"])
def test_sums_of_other_dtypes_stay_sums(dtype):
    x = (10 * X).astype(dtype)
    plan, result = planned(lambda x: xpnn.namespace_of(x).sum(x + x, axis=0), x)
    assert not any(call.way for call in plan.program.calls)
    assert (result == (x + x).sum(axis=0, dtype=result.dtype)).all()


def test_long_sums_stay_sums():
    plan, _ = planned(lambda x: xpnn.namespace_of(x).sum(x + x), numpy.ones(70_000, dtype="float32"))
    assert not any(call.way == "product" for call in plan.program.calls)


def test_infinity_and_nan_pass_through_sums_and_maxima():
    x = numpy.zeros((40, 6))
    x[0, 0], x[3, 1], x[5, 2] = numpy.inf, numpy.nan, -numpy.inf
    _, (total, largest) = planned(lambda x: (lambda y: (y.sum(0), y.max(1)))(_Methods(x + 0)), x)
    numpy.testing.assert_array_equal(total, x.sum(axis=0))
    numpy.testing.assert_array_equal(largest, x.max(axis=1))


class _Methods:
    def __init__(self, x):
        self.x, self.xp = x, xpnn.namespace_of(x)

    def sum(self, axis):
        return self.xp.sum(self.x, axis=axis)

    def max(self, axis):
        return self.xp.max(self.x, axis=axis)


def test_the_maximum_of_short_rows_is_taken_by_columns_and_of_long_ones_is_not():
    step = lambda x: xpnn.namespace_of(x).max(x + 0, axis=-1)  # noqa: E731
    plan, result = planned(step, X)
    assert [call.way for call in plan.program.calls] == ["", "columns"]
    assert (result == X.max(axis=-1)).all()
    for x in (RNG.normal(size=(40, 60)), RNG.normal(size=(4, 6)), RNG.normal(size=(40, 6, 2))):
        assert not any(call.way for call in planned(step, x)[0].program.calls)


def test_exact_leaves_out_what_adds_in_another_order():
    fast = xpnn.compile(lambda x: xpnn.namespace_of(x).sum(x + 0, axis=0), exact=True)
    for _ in range(4):
        fast(X)
    assert not any(call.way for call in fast.plan().program.calls)
    known = {rewrite.__name__ for rewrite in (*rewrites.ALL, *rewrites.LOOSE)}
    assert known | {"ALL", "LOOSE"} == set(rewrites.__all__)
