"""The tape: which backward functions run, what reaches what, and what is refused."""

import numpy
import pytest

import xpnn
from xpnn import grad, stop_gradient, value_and_grad, vjp
from xpnn.arrays.namespaces import namespace_of
from xpnn.autodiff.tape import Tape, constant, differentiable, plain


def total(x):
    return namespace_of(x).sum(x)


@differentiable
def product(a, b):
    def da(dy):
        return dy * b

    def db(dy):
        return dy * a

    return a * b, (da, db)


def noted(calls, name):
    """An operation of two arguments that tells which of its backward functions ran."""

    @differentiable
    def operation(a, b):
        def da(dy):
            calls.append(f"{name}.a")
            return dy * b

        def db(dy):
            calls.append(f"{name}.b")
            return dy * a

        return a * b, (da, db)

    return operation


# The walk


def test_only_backward_functions_on_the_way_to_what_is_asked_for_run():
    calls = []
    first, second = noted(calls, "first"), noted(calls, "second")
    assert grad(lambda a, b: second(first(a, 2.0), b), argnums=0)(3.0, 5.0) == 10.0
    assert calls == ["second.a", "first.a"]


def test_results_that_the_loss_does_not_use_are_not_walked():
    calls = []
    unused, used = noted(calls, "unused"), noted(calls, "used")
    assert grad(lambda x: unused(x, x) is None or used(x, 3.0))(2.0) == 3.0
    assert calls == ["used.a"]


def test_a_value_used_many_times_gathers_all_its_gradients():
    def f(x):
        y = product(x, x)
        return total(y) + total(product(y, y)) + total(product(y, x))

    # x² + x⁴ + x³
    assert grad(f)(numpy.asarray([2.0, -1.0])).tolist() == [4 + 32 + 12, -2 - 4 + 3]


def test_gathering_changes_no_gradient_in_place():
    kept = []

    @differentiable
    def watched(x):
        def dx(dy):
            kept.append((dy, numpy.copy(dy)))
            return dy

        return x * 1.0, (dx,)

    grad(lambda x: total(watched(x) + watched(x) * x + x))(numpy.asarray([1.0, 2.0]))
    assert len(kept) == 2
    for dy, then in kept:
        numpy.testing.assert_array_equal(dy, then)


def test_an_operation_of_two_levels_is_noted_on_the_inner_tape_and_its_derivative_on_the_outer():
    # d/dy (x² y²) = 2 x² y = 2 x³ at y = x, whatever the order of the arguments
    for f in (lambda x, y: product(product(x, y), product(y, x)), lambda x, y: product(product(y, x), product(x, y))):
        assert grad(lambda x, f=f: grad(lambda y: f(x, y))(x))(2.0) == 6 * 2**2
        assert grad(lambda x, f=f: grad(lambda y: f(stop_gradient(x), y))(x))(2.0) == 2 * 2**2


def test_the_loss_may_be_the_argument_itself():
    assert grad(lambda x: x)(2.0) == 1.0
    assert value_and_grad(lambda x: +x)(2.0) == (2.0, 1.0)


# The mark


def test_on_plain_arrays_the_mark_gives_the_value_and_keeps_the_name():
    assert product(2.0, 3.0) == 6.0
    assert type(product(numpy.ones(2), 3.0)) is numpy.ndarray
    assert product.__name__ == "product"
    assert product.__wrapped__(2.0, 3.0)[0] == 6.0


def test_constants_give_constants():
    y = product(constant(numpy.asarray(2.0)), 3.0)
    assert "constant" in repr(y)
    assert float(y) == 6.0
    assert constant(y) is y
    assert [float(part) for part in constant((1.0, 2.0))] == [1.0, 2.0]


def test_plain_looks_through_all_levels_and_nests():
    seen = []
    grad(grad(lambda x: seen.append(plain([x, (x, 1.0)])) or x * x))(2.0)
    (inner,) = seen
    assert type(inner) is list
    assert type(inner[1]) is tuple
    assert [type(x) for x in (inner[0], inner[1][0])] == [numpy.float64] * 2


@pytest.mark.parametrize("gradient_dtype", ["float64", "complex64", "float32"])
def test_a_gradient_arrives_in_the_dtype_of_its_argument(gradient_dtype):
    @differentiable
    def careless(x):
        return x * 1, (lambda dy: (2 * dy).astype(gradient_dtype),)

    gradient = grad(lambda x: total(careless(x)))(numpy.ones(2, dtype="float32"))
    assert gradient.dtype == "float32"
    assert gradient.tolist() == [2, 2]


def test_options_by_keyword_pass_through_raw_and_recorded():
    @differentiable
    def scaled(x, *, factor=1.0):
        return x * factor, (lambda dy: dy * factor,)

    assert scaled(2.0, factor=3.0) == 6.0
    assert grad(lambda x: scaled(x, factor=3.0))(2.0) == 3.0
    assert grad(lambda x: scaled(x))(2.0) == 1.0


def test_a_constant_by_keyword_leaves_values_and_gradients_raw():
    @differentiable
    def scaled(x, *, factor):
        return x * factor, (lambda dy: dy * factor,)

    x = numpy.asarray([1.0, 2.0])
    value, gradient = value_and_grad(lambda x: total(scaled(x, factor=stop_gradient(x))))(x)
    assert not isinstance(value, xpnn.Tensor)
    assert not isinstance(gradient, xpnn.Tensor)
    assert gradient.tolist() == [1.0, 2.0]


# Several outputs


@differentiable
def halves(x):
    """The first and the second half."""
    n = x.shape[0] // 2

    def dx(dy):
        return namespace_of(*dy).concat(list(dy))

    return (x[:n], x[n:]), (dx,)


def test_each_of_several_outputs_has_its_own_gradient():
    x = numpy.asarray([1.0, 2.0, 3.0, 4.0])
    assert grad(lambda x: total(halves(x)[0] * halves(x)[1]))(x).tolist() == [3, 4, 1, 2]
    assert grad(lambda x: total(halves(x)[1] ** 2))(x).tolist() == [0, 0, 6, 8]
    assert [part.tolist() for part in halves(x)] == [[1, 2], [3, 4]]
    assert [type(part) for part in halves(constant(x))] == [xpnn.Tensor, xpnn.Tensor]


def test_several_outputs_of_different_shapes_and_dtypes_get_zeros_where_no_gradient_arrives():
    seen = []

    @differentiable
    def parts(x):
        def dx(dy):
            seen.append([(part.shape, part.dtype) for part in dy])
            return x * dy[1]

        wide = x.astype("float64") if x.dtype == "float32" else x
        return (wide[:1], total(x)), (dx,)

    x = numpy.ones(3, dtype="float32")
    assert grad(lambda x: parts(x)[1])(x).tolist() == [1, 1, 1]
    assert seen == [[((1,), "float64"), ((), "float32")]]


def test_several_outputs_nest():
    f = grad(lambda x: total(halves(x * x)[1] * x[:2]))
    # the loss is x3² x1 + x4² x2
    assert f(numpy.asarray([1.0, 2.0, 3.0, 4.0])).tolist() == [9, 16, 6, 16]
    assert grad(lambda x: total(f(x)))(numpy.asarray([1.0, 2.0, 3.0, 4.0])).tolist() == [6, 8, 8, 12]


# What would lose a gradient raises


def test_a_list_of_tensors_beside_a_tensor_raises():
    @differentiable
    def weighted(parts, w):
        return sum(part * w for part in parts), (None, lambda dy: dy * sum(parts))

    with pytest.raises(TypeError, match="weighted uses a Tensor that is not one of its positional arguments"):
        grad(lambda x: weighted([x, x], x))(2.0)


def test_a_closure_over_an_inner_tensor_raises_and_over_an_outer_one_works():
    def inner_captured(x):
        def g(y):
            @differentiable
            def f(a):
                return a * y, (lambda dy: dy * y,)

            return f(x) * y  # x is of the outer level, y of the inner one

        return grad(g)(2.0)

    with pytest.raises(TypeError, match="f uses a Tensor that is not one of its positional arguments"):
        grad(inner_captured)(3.0)

    def outer_captured(x):
        @differentiable
        def f(a):
            return a * x, (lambda dy: dy * x,)

        return grad(lambda y: f(y) * y)(2.0)

    # d/dy (x y²) = 2 x y = 4 x at y = 2, and its derivative by x is 4
    assert grad(outer_captured)(3.0) == 4.0


def test_several_outputs_are_all_looked_at():
    def f(w):
        @differentiable
        def both(x):
            return (x * 1.0, x * w), (lambda dy: dy[0],)

        return both(w * 1.0)[0]

    with pytest.raises(TypeError, match="both uses a Tensor"):
        grad(f)(2.0)


def test_a_missing_backward_function_raises_only_where_a_gradient_is_asked_for():
    @differentiable
    def short(a, b):
        return a * b, (lambda dy: dy * b,)

    assert grad(short)(2.0, 3.0) == 3.0
    assert grad(lambda a: short(a, stop_gradient(a)))(2.0) == 2.0
    with pytest.raises(TypeError, match=r"short has no derivative for argument 1.*stop_gradient"):
        grad(short, argnums=1)(2.0, 3.0)


def test_a_backward_function_that_gives_nothing_is_named():
    @differentiable
    def forgetful(x):
        def dx(dy):
            dy * 2

        return x * 2, (dx,)

    with pytest.raises((TypeError, ValueError), match="forgetful"):
        grad(forgetful)(2.0)


def test_a_gradient_of_another_shape_is_named_with_both_shapes():
    @differentiable
    def swapped(a, b):
        return a + total(b), (lambda dy: dy, lambda dy: dy[:1])

    with pytest.raises(ValueError, match=r"derivative of swapped for argument 1 gave shape \(1,\), expected \(3,\)"):
        grad(lambda a, b: total(swapped(a, b)), argnums=(0, 1))(numpy.ones(2), numpy.ones(3))


def test_a_tensor_kept_from_an_ended_differentiation_is_refused_by_every_operation():
    kept = []
    grad(lambda x: kept.append(x * x) or total(x * x))(numpy.ones(2))
    (x,) = kept
    for use in (lambda: -x, lambda: 2 * x, lambda: x[0], lambda: namespace_of(x).exp(x), lambda: total(x)):
        with pytest.raises(RuntimeError, match="whose differentiation has ended"):
            use()
    with pytest.raises(RuntimeError, match="whose differentiation has ended"):
        grad(lambda y: total(x * y))(numpy.ones(2))


def test_a_tensor_kept_from_vjp_is_refused_too():
    kept = []
    _, back = vjp(lambda x: kept.append(x) or x * x, numpy.ones(2))
    with pytest.raises(RuntimeError, match="has ended"):
        kept[0] * 2.0
    assert back(numpy.ones(2))[0].tolist() == [2, 2]


def test_a_tape_is_walked_once_unless_kept():
    tape = Tape()
    x = tape.variable(numpy.asarray(3.0))
    y = x * x
    for _ in range(2):
        assert tape.gradients(y, numpy.asarray(1.0), [x], keep=True) == [6.0]
    assert tape.gradients(y, numpy.asarray(1.0), [x]) == [6.0]
    with pytest.raises(RuntimeError, match="already walked back"):
        tape.gradients(y, numpy.asarray(1.0), [x])


def test_what_no_gradient_reaches_is_told_apart_from_zero():
    tape = Tape()
    x, other = tape.variable(numpy.asarray(3.0)), tape.variable(numpy.asarray(1.0))
    assert tape.gradients(x * 0.0, numpy.asarray(1.0), [x, other]) == [0.0, None]


def test_an_error_in_an_operation_is_the_users_own():
    @differentiable
    def failing(x):
        raise KeyError("on purpose")

    with pytest.raises(KeyError, match="on purpose"):
        grad(failing)(2.0)
    assert grad(lambda x: x * x)(2.0) == 4.0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x * 2,
        lambda x: (x * 2, lambda dy: dy * 2),
        lambda x: (x * 2, (lambda dy: dy * 2,), None),
        lambda x: ([x, x], (lambda dy: dy[0],)),
        lambda x: (2.0, (lambda dy: dy,)),
    ],
    ids=["no backward", "bare function", "three parts", "list", "number"],
)
def test_an_operation_that_returns_something_else_is_named(wrong):
    def operation(x):
        return wrong(x)

    with pytest.raises(TypeError, match=r"operation is marked @differentiable, so it must return \(value, backward\)"):
        grad(lambda x: total(differentiable(operation)(x)))(numpy.ones(2))


def test_and_on_plain_arrays_too():
    with pytest.raises(TypeError, match="must return"):
        differentiable(lambda x: x * 2)(numpy.ones(2))
