"""The Tensor: conversions on and off the path, operators with everything around it, iteration."""

import copy
import operator

import array_api_strict
import numpy
import pytest
from elsewhere import on_gpu

import xpnn
from xpnn import grad, stop_gradient, value_and_grad
from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import namespace_of
from xpnn.autodiff.tape import constant

DEVICE1 = array_api_strict.Device("device1")
X = numpy.asarray([0.6, 1.5, 2.5])
OTHER = numpy.asarray([3.1, 2.2, 1.3])
LOST = "on the way to a gradient would lose the gradient"


def total(x):
    return namespace_of(x).sum(x)


def on_path(look, x=X):
    """What `look` sees of a Tensor on the path."""
    seen = []
    grad(lambda x: seen.append(look(x)) or total(x))(x)
    return seen[0]


def off_path(x):
    return constant(numpy.asarray(x))


# Conversions


@pytest.mark.parametrize("convert", [float, int, complex], ids=["float", "int", "complex"])
def test_numbers_are_read_off_the_path_only(convert):
    assert convert(off_path(2.0)) == 2
    with pytest.raises(TypeError, match=rf"{convert.__name__}\(\) of a Tensor {LOST}"):
        on_path(convert, numpy.asarray(2.0))


def test_an_index_is_read_off_the_path_only():
    assert list(range(off_path(2))) == [0, 1]
    assert [10, 20, 30][off_path(1)] == 20
    assert operator.index(off_path(3)) == 3
    with pytest.raises(TypeError, match=f"an integer index of a Tensor {LOST}"):
        on_path(operator.index, numpy.asarray(2.0))
    with pytest.raises(TypeError):
        operator.index(off_path(2.0))


def test_bool_works_on_and_off_the_path():
    assert [bool(off_path(x)) for x in (0.0, 1.0, False, True)] == [False, True, False, True]
    assert on_path(bool, numpy.asarray(2.0)) is True
    assert grad(lambda x: x * x if x else x)(3.0) == 6.0
    with pytest.raises(ValueError, match="ambiguous"):
        on_path(bool)


def test_numpy_reads_constants_and_refuses_tensors_on_the_path():
    y = numpy.asarray(off_path(X))
    assert type(y) is numpy.ndarray
    numpy.testing.assert_array_equal(y, X)
    assert numpy.asarray(off_path(X), dtype="float32").dtype == "float32"
    for convert in (numpy.asarray, numpy.array, numpy.from_dlpack, lambda x: numpy.asarray([x])):
        with pytest.raises((TypeError, ValueError)) as caught:
            on_path(convert)
        assert LOST in f"{caught.value} {caught.value.__cause__}"


def test_asking_for_a_copy_of_a_constant_gives_one():
    x = X.copy()
    copied = numpy.array(off_path(x), copy=True)
    copied[0] = 9.0
    assert x[0] == X[0]


def test_dlpack_reads_constants_and_refuses_tensors_on_the_path():
    numpy.testing.assert_array_equal(numpy.from_dlpack(off_path(X)), X)
    for use in (lambda x: x.__dlpack__(), lambda x: x.__dlpack_device__()):
        with pytest.raises(TypeError, match=f"export by DLPack of a Tensor {LOST}"):
            on_path(use)


def test_what_the_error_proposes_works():
    (value, seen), gradient = value_and_grad(lambda x: (x * x, 3 * x), aux=True)(2.0)
    assert (value, seen, gradient) == (4.0, 6.0, 4.0)
    assert grad(lambda x: x * float(stop_gradient(x)))(2.0) == 2.0


def test_constants_of_another_library_convert_as_it_does(elsewhere):
    x = constant(elsewhere.asarray(2.0))
    assert (float(x), bool(x)) == (2.0, True)


def test_lists_of_tensors_are_no_way_around():
    with pytest.raises((TypeError, ValueError)):
        on_path(lambda x: numpy.asarray([x[0], x[1]]))
    with pytest.raises(TypeError, match=LOST):
        on_path(lambda x: [float(part) for part in x])


# Attributes


def test_attributes_are_those_of_the_array_inside():
    x = numpy.ones((2, 3), dtype="float32")
    for look, expected in (
        (lambda x: x.shape, (2, 3)),
        (lambda x: (x.ndim, x.size, x.dtype), (2, 6, "float32")),
        (lambda x: x.device, "cpu"),
        (lambda x: x.T.shape, (3, 2)),
        (lambda x: (len(x), x.mT.shape), (2, (3, 2))),
    ):
        assert on_path(look, x) == expected
    with pytest.raises(AttributeError):
        on_path(lambda x: setattr(x, "shape", (6,)), x)
    with pytest.raises(AttributeError):
        on_path(lambda x: setattr(x, "grad", None), x)


def test_the_transposed_of_what_is_no_matrix_is_refused():
    with pytest.raises(ValueError, match=r"x\.T expected a matrix, got shape \(3,\)"):
        on_path(lambda x: x.T)


def test_parts_of_complex_numbers_are_attributes_too():
    z = numpy.asarray([1 + 2j, 3 - 1j])
    numpy.testing.assert_array_equal(grad(lambda z: total(z.real * z.imag))(z), [2 + 1j, -1 + 3j])
    assert on_path(lambda x: x.real is not None)


def test_a_tensor_stays_on_its_device():
    x = array_api_strict.asarray(X, device=DEVICE1)
    seen = []
    grad(lambda x: seen.append(x) or total(x.to_device(DEVICE1)))(x)
    assert seen[0].device == DEVICE1
    with pytest.raises(NotImplementedError, match="cannot move to another device inside a differentiation"):
        grad(lambda x: total(x.to_device(array_api_strict.Device("CPU_DEVICE"))))(x)


def test_the_text_of_a_tensor_tells_value_and_place():
    assert repr(off_path(2.0)) == "Tensor(array(2.), constant)"
    assert on_path(repr).startswith("Tensor(array([0.6, 1.5, 2.5]), level ")


def test_tensors_can_be_keys_and_be_copied_by_reference():
    x = off_path(2.0)
    assert {x: "found"}[x] == "found"
    assert hash(x) != hash(off_path(2.0))
    assert float(copy.copy(x)) == 2.0


# Operators


ARITHMETIC = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "%": operator.mod,
    "@": operator.matmul,
}
CONSTANT = {
    "//": operator.floordiv,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def by_differences(f, x):
    h = 1e-6
    return numpy.asarray([(f(x + h * v).sum() - f(x - h * v).sum()) / (2 * h) for v in numpy.eye(x.size)])


NUMBERS = [1.3, 2, numpy.float64(1.3), numpy.asarray(1.3)]
PAIRS = [(symbol, other) for symbol in ARITHMETIC for other in [OTHER, *NUMBERS] if symbol != "@" or other is OTHER]


@pytest.mark.parametrize(("symbol", "other"), PAIRS, ids=repr)
def test_arithmetic_both_ways_with_arrays_and_numbers(symbol, other):
    operate = ARITHMETIC[symbol]
    for f in (lambda x: operate(x, other), lambda x: operate(other, x)):
        value, gradient = value_and_grad(lambda x, f=f: total(f(x)))(X)
        numpy.testing.assert_allclose(value, f(X).sum(), rtol=1e-15)
        # central differences of these smooth functions: h² and eps / h, about 1e-9
        numpy.testing.assert_allclose(gradient, by_differences(f, X), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("other", [OTHER, 1.5, 2, numpy.float64(1.5)], ids=repr)
@pytest.mark.parametrize("symbol", CONSTANT)
def test_comparisons_both_ways_give_constants(symbol, other):
    operate = CONSTANT[symbol]
    for f in (lambda x: operate(x, other), lambda x: operate(other, x)):
        y = on_path(f)
        assert isinstance(y, xpnn.Tensor)
        assert "constant" in repr(y)
        numpy.testing.assert_array_equal(numpy.asarray(y), f(X))


@pytest.mark.parametrize("symbol", ARITHMETIC)
def test_operators_between_levels(symbol):
    operate = ARITHMETIC[symbol]

    def mixed(x):
        """The derivative by y, summed, where x is of the outer level and y of the inner one."""
        return total(grad(lambda y: total(operate(x, y)) + total(operate(y, x)))(1.3 * x))

    def mixed_by_differences(x):
        gradient = lambda y, x: by_differences(lambda y: operate(x, y) + operate(y, x), y).sum()  # noqa: E731
        h = 1e-3
        sides = [(x + h * v, x - h * v) for v in numpy.eye(3)]
        return [(gradient(1.3 * a, a) - gradient(1.3 * b, b)) / (2 * h) for a, b in sides]

    # differences of differences: eps / h² and h² meet at about 1e-6
    numpy.testing.assert_allclose(grad(mixed)(X), mixed_by_differences(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("symbol", [*ARITHMETIC, *CONSTANT])
def test_operators_with_raw_arrays_of_another_library(elsewhere, symbol):
    operate = {**ARITHMETIC, **CONSTANT}[symbol]
    x, array = (elsewhere.asarray(a) for a in (X, OTHER))
    uses = [lambda x: operate(x, array)]
    if symbol != "@":
        uses += [lambda x: operate(x, 2.0), lambda x: operate(2.0, x)]
    for use in uses:
        y = on_path(use, x)
        assert isinstance(y, xpnn.Tensor)
        assert device_of(y) == elsewhere
        assert ("constant" in repr(y)) == (symbol in CONSTANT)
    if on_gpu(elsewhere):
        assert isinstance(on_path(lambda x: operate(array, x), x), xpnn.Tensor)
        return
    with pytest.raises(TypeError):
        # strict's own operators give way to nobody; functions of the namespace take both orders
        on_path(lambda x: operate(array, x), x)


def test_functions_take_raw_arrays_and_tensors_in_any_order(place):
    raw, x = place.asarray(OTHER), place.asarray(X)
    gradient = grad(lambda x: total(namespace_of(raw, x).multiply(raw, x)))(x)
    assert place.to_host(gradient).tolist() == OTHER.tolist()


def test_signs_and_magnitude():
    x = numpy.asarray([1.5, -2.0])
    assert grad(lambda x: total(-x * 3))(x).tolist() == [-3, -3]
    assert grad(lambda x: total(+x))(x).tolist() == [1, 1]
    assert grad(lambda x: total(abs(x)))(x).tolist() == [1, -1]


@pytest.mark.parametrize("operate", [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift])
def test_operators_of_bits_work_on_constants_both_ways(operate):
    a, b = numpy.asarray([5, 6, 7]), numpy.asarray([1, 2, 1])
    for y in (operate(off_path(a), off_path(b)), operate(off_path(a), b), operate(a, off_path(b))):
        assert "constant" in repr(y)
        numpy.testing.assert_array_equal(numpy.asarray(y), operate(a, b))
    numpy.testing.assert_array_equal(numpy.asarray(operate(off_path(a), 2)), operate(a, 2))
    numpy.testing.assert_array_equal(numpy.asarray(operate(2, off_path(b))), operate(2, b))


def test_masks_combine():
    y = on_path(lambda x: (x > 1) & ~(x > 2) | (x < 1) ^ (x < 0))
    assert numpy.asarray(y).tolist() == [True, True, False]


@pytest.mark.parametrize("other", [None, "text", [1.0, 2.0, 3.0], object()], ids=repr)
def test_equality_with_what_is_no_array_is_false_and_order_is_refused(other):
    assert on_path(lambda x: x == other) is False
    assert on_path(lambda x: x != other) is True
    with pytest.raises(TypeError):
        on_path(lambda x: x < other)


@pytest.mark.parametrize("other", [None, "text", object()], ids=["None", "text", "object"])
@pytest.mark.parametrize("operate", [operator.add, operator.mul, operator.matmul, operator.pow, operator.floordiv])
def test_arithmetic_with_what_is_no_array_is_refused(operate, other):
    for f in (lambda x: operate(x, other), lambda x: operate(other, x)):
        with pytest.raises(TypeError):
            on_path(f)


def test_the_other_operand_may_take_over():
    class Taking:
        def __radd__(self, left):
            return "taken"

        def __rfloordiv__(self, left):
            return "taken"

        def __eq__(self, other):
            return "taken"

        __hash__ = None

    assert on_path(lambda x: x // Taking()) == "taken"
    assert on_path(lambda x: x == Taking()) == "taken"


# NumPy gives way


def test_numpys_operators_record():
    numpy.testing.assert_array_equal(grad(lambda x: total(OTHER * x))(X), OTHER)
    numpy.testing.assert_array_equal(grad(lambda x: total(numpy.float64(3) * x))(X), [3, 3, 3])
    numpy.testing.assert_array_equal(grad(lambda x: numpy.ones((2, 3))[0] @ x)(X), [1, 1, 1])


def test_numpys_functions_behind_operators_record_and_the_others_refuse():
    numpy.testing.assert_array_equal(grad(lambda x: total(numpy.multiply(OTHER, x)))(X), OTHER)
    numpy.testing.assert_array_equal(grad(lambda x: total(numpy.multiply(x, x)))(X), 2 * X)
    for name, function in (
        ("exp", numpy.exp),
        ("maximum", lambda x: numpy.maximum(x, 0.0)),
        ("add.reduce", numpy.add.reduce),
        ("multiply.outer", lambda x: numpy.multiply.outer(OTHER, x)),
        ("add", lambda x: numpy.add(x, 1.0, out=OTHER.copy())),
        ("add", lambda x: numpy.add(x, 1.0, where=X > 1)),
    ):
        with pytest.raises(TypeError, match=rf"numpy\.{name} got a Tensor.*xp = xpnn\.namespace_of"):
            on_path(function)


@pytest.mark.parametrize("write", [operator.iadd, operator.imul, operator.isub, operator.itruediv, operator.ipow])
def test_numpys_operators_in_place_are_refused_and_write_nothing(write):
    raw = OTHER.copy()
    with pytest.raises(TypeError, match="got a Tensor"):
        on_path(lambda x: write(raw, x))
    numpy.testing.assert_array_equal(raw, OTHER)


@pytest.mark.parametrize("function", [numpy.sum, numpy.mean, numpy.concatenate, numpy.linalg.norm, numpy.dot])
def test_no_function_of_numpy_loses_a_gradient(function):
    args = (OTHER,) if function is numpy.dot else ()
    with pytest.raises((TypeError, ValueError, AttributeError)):
        grad(lambda x: total(x) * function([x, x] if function is numpy.concatenate else x, *args))(X)


def test_numpy_cannot_be_written_to_from_the_path():
    for write in (lambda a, x: operator.setitem(a, slice(None), x), lambda a, x: numpy.copyto(a, x)):
        raw = OTHER.copy()
        with pytest.raises((TypeError, ValueError)):
            on_path(lambda x, raw=raw, write=write: write(raw, x))
        numpy.testing.assert_array_equal(raw, OTHER)


# Iteration and indexing


def test_a_tensor_is_iterated_row_by_row_with_gradients():
    def f(x):
        first, second, third = x
        return first * second + sum(2 * row for row in x) - third

    numpy.testing.assert_array_equal(grad(f)(X), [X[1] + 2, X[0] + 2, 1])
    rows = on_path(lambda x: [row.shape for row in x], numpy.ones((2, 3)))
    assert rows == [(3,), (3,)]
    assert on_path(list, numpy.empty((0, 2))) == []


def test_a_tensor_of_shape_has_no_length_and_no_rows():
    for use in (len, iter, list):
        with pytest.raises(TypeError, match="0-d"):
            on_path(use, numpy.asarray(1.0))


def test_rows_are_compared_when_one_is_looked_for():
    assert on_path(lambda x: 1.5 in x)
    assert not on_path(lambda x: 7.0 in x)
    assert on_path(lambda x: [float(stop_gradient(row)) for row in reversed(x)]) == [2.5, 1.5, 0.6]


def test_indices_may_be_constants_and_tensors():
    def f(x):
        xp = namespace_of(x)
        return x[xp.argmax(x)] * x[off_path([0, 0])][1] + total(x[x > 1.0])

    numpy.testing.assert_array_equal(grad(f)(X), [2.5, 1.0, 0.6 + 1.0])


@pytest.mark.parametrize("key", [3, (0, 0), "x", 1.5, slice("a")])
def test_a_bad_index_is_refused_as_numpy_does(key):
    with pytest.raises((IndexError, TypeError)):
        on_path(lambda x: x[key])
