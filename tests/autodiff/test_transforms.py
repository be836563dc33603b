"""Transforms: nesting, siblings, levels, trees, and every way in which a gradient could get lost."""

import gc
import weakref

import numpy
import pytest

import xpnn
import xpnn.testing
from xpnn import grad, nn, stop_gradient, value_and_grad, vjp
from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import namespace_of
from xpnn.autodiff.tape import differentiable


def total(x):
    return namespace_of(x).sum(x)


def test_values_and_gradients_of_a_number():
    assert value_and_grad(lambda x: x**3)(2.0) == (8.0, 12.0)
    assert grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 3.0) == (3.0, 2.0)


def test_derivatives_nest_to_the_fifth_order():
    f = lambda x: x**5  # noqa: E731
    for expected in (80.0, 160.0, 240.0, 240.0, 120.0):
        f = grad(f)
        assert f(2.0) == expected


def test_levels_are_not_confused():
    # Siskind and Pearlmutter's example: d/dx (x * d/dy (x + y) at y = 1) = 1
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0) == 6.0


def test_sibling_gradients_do_not_touch_one_another():
    assert grad(lambda x: grad(lambda y: y**2)(x) + grad(lambda y: y**3)(x))(2.0) == 2 + 12


def test_a_gradient_inside_a_gradient_with_a_shared_variable():
    # f(x) = (d/dy x^2 y^3 at y = x) = 3 x^4
    assert grad(lambda x: grad(lambda y: x**2 * y**3)(x))(2.0) == 12 * 8


def test_trees_come_back_in_their_shape():
    tree = {"w": numpy.asarray([1.0, 2.0]), "rest": (numpy.asarray(3.0), [None])}
    gradient = grad(lambda p: total(p["w"] ** 2) * p["rest"][0])(tree)
    assert gradient["w"].tolist() == [6.0, 12.0]
    assert gradient["rest"][0] == 5.0
    assert gradient["rest"][1] == [None]


def test_auxiliary_values_come_back_plain():
    (value, aux), gradient = value_and_grad(lambda x: (x * x, {"twice": 2 * x}), aux=True)(3.0)
    assert (value, aux["twice"], gradient) == (9.0, 6.0, 6.0)
    assert not isinstance(aux["twice"], xpnn.Tensor)


def test_an_unused_argument_has_zero_gradient():
    assert grad(lambda x, y: x * 2, argnums=1)(1.0, numpy.ones(3)).tolist() == [0, 0, 0]


def test_stop_gradient_cuts_at_all_levels():
    assert grad(lambda x: x * stop_gradient(x))(3.0) == 3.0
    assert grad(grad(lambda x: x * stop_gradient(x * x)))(3.0) == 0.0


def test_vjp_can_be_walked_several_times():
    y, back = vjp(lambda x: x * x, numpy.asarray([1.0, 2.0]))
    assert y.tolist() == [1.0, 4.0]
    assert [back(numpy.asarray(v))[0].tolist() for v in ([1.0, 0.0], [0.0, 1.0])] == [[2.0, 0.0], [0.0, 4.0]]


def test_vjp_of_a_tree_of_values():
    _, back = vjp(lambda x, y: {"a": x * y, "b": [x + y]}, numpy.asarray(2.0), numpy.asarray(3.0))
    dx, dy = back({"a": numpy.asarray(1.0), "b": [numpy.asarray(10.0)]})
    assert (dx, dy) == (13.0, 12.0)


def test_vjp_refuses_a_gradient_of_another_shape():
    _, back = vjp(lambda x: x * x, numpy.ones(3))
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        back(numpy.ones(2))


def test_complex_gradients_point_uphill_as_in_pytorch():
    gradient = grad(lambda z: total(namespace_of(z).abs(z) ** 2))(numpy.asarray([1 + 2j]))
    numpy.testing.assert_allclose(gradient, [2 + 4j])


def test_equal_gradients_are_objects_of_their_own():
    a, b = grad(lambda x, y: total(x + y), argnums=(0, 1))(numpy.ones(2), numpy.ones(2))
    assert a is not b


@pytest.mark.parametrize("scale", [1, 1000])
def test_a_long_chain_needs_no_recursion(scale):
    def chain(x):
        for _ in range(100 * scale):
            x = x * 1.0
        return x

    assert grad(chain)(3.0) == 1.0


def test_everything_is_freed_without_the_cycle_collector():
    class Marker:
        pass

    gc.disable()
    try:
        marker = Marker()
        alive = weakref.ref(marker)

        @differentiable
        def marked(x, marker):
            def dx(dy):
                assert marker
                return dy

            return x * 1.0, (dx, None)

        grad(lambda x: marked(x, marker))(2.0)
        grad(grad(lambda x: marked(x * x, marker)))(2.0)
        value = value_and_grad(lambda x: marked(x, marker))(2.0)[0]
        marker = None
        assert alive() is None
        assert value == 2.0
    finally:
        gc.enable()


# What would lose a gradient raises


def test_converting_a_tensor_on_the_path_raises():
    for convert in (float, int, numpy.asarray, lambda x: numpy.exp(x), lambda x: x.__dlpack__()):
        with pytest.raises(TypeError, match=r"gradient|differentiated"):
            grad(lambda x, convert=convert: convert(x) * x)(2.0)


def test_assigning_a_tensor_into_an_array_raises():
    def f(x):
        y = numpy.zeros(1)
        y[0] = x
        return total(y)

    with pytest.raises((TypeError, ValueError)) as caught:
        grad(f)(2.0)
    assert "lose the gradient" in f"{caught.value} {caught.value.__cause__}"


def test_constants_convert():
    def f(x):
        xp = namespace_of(x)
        assert bool(xp.any(x > 0))
        assert float(xp.zeros(())) == 0.0
        assert int(xp.argmax(x)) == 1
        return total(x) if x[0] < x[1] else total(-x)

    assert grad(f)(numpy.asarray([1.0, 2.0])).tolist() == [1.0, 1.0]


def test_a_name_without_a_rule_raises_by_name():
    with pytest.raises(AttributeError, match=r"unwrap has no derivative rule.*\(at test_transforms\.py:\d+\)"):
        grad(lambda x: total(namespace_of(x).unwrap(x)))(numpy.ones(3))
    with pytest.raises(AttributeError, match="no nonsense"):
        grad(lambda x: namespace_of(x).nonsense(x))(1.0)


def test_an_argument_without_a_derivative_raises():
    @differentiable
    def half(x, y):
        return x * y, (lambda dy: dy * y, None)

    assert grad(half)(2.0, 3.0) == 3.0
    with pytest.raises(TypeError, match="half has no derivative for argument 1"):
        grad(half, argnums=1)(2.0, 3.0)


def test_a_tensor_by_keyword_raises():
    @differentiable
    def scaled(x, *, factor):
        return x * factor, (lambda dy: dy * factor,)

    with pytest.raises(TypeError, match="option factor"):
        grad(lambda x: scaled(x, factor=x))(2.0)


def test_a_tensor_hidden_in_a_closure_raises():
    def f(w):
        @differentiable
        def g(x):
            return x * w, (lambda dy: dy * w,)

        return g(w * 1.0)

    with pytest.raises(TypeError, match="not one of its positional arguments"):
        grad(f)(2.0)


def test_a_tensor_that_outlives_its_differentiation_raises():
    kept = []
    grad(lambda x: kept.append(x) or x * x)(2.0)
    with pytest.raises(RuntimeError, match="has ended"):
        kept[0] * 2
    assert "level" in repr(kept[0])


def test_a_wrong_shape_from_a_rule_raises():
    @differentiable
    def wrong(x):
        return x * 1.0, (lambda dy: namespace_of(dy).sum(dy),)

    with pytest.raises(ValueError, match=r"derivative of wrong for argument 0 gave shape \(\)"):
        grad(lambda x: total(wrong(x)))(numpy.ones(3))


@pytest.mark.parametrize(
    ("function", "argument", "error", "message"),
    [
        (lambda x: x, numpy.ones(2), ValueError, r"one number.*\(2,\)"),
        (lambda x: x, numpy.asarray(1j), TypeError, "real loss"),
        (lambda x: "1.0", numpy.ones(2), TypeError, r"array of shape \(\)"),
        (total, numpy.ones(2, dtype="int64"), TypeError, "floating-point arrays, got an array of int64"),
        (total, [1], TypeError, "floating-point arrays, got int 1"),
        (total, "text", TypeError, "got str 'text'"),
    ],
)
def test_what_cannot_be_differentiated_raises(function, argument, error, message):
    with pytest.raises(error, match=message):
        grad(function)(argument)


def test_a_loss_without_the_model_raises():
    model = nn.Linear(2, 1)
    with pytest.raises(ValueError, match="does not depend on any parameter of the Linear"):
        grad(lambda m, x: total(model(x)))(model, numpy.ones((1, 2), dtype="float32"))
    with pytest.raises(ValueError, match="argument 3"):
        grad(total, argnums=3)(1.0)


def test_setting_an_attribute_inside_a_differentiated_call_raises():
    class Counting(nn.Module):
        def __init__(self):
            self.linear = nn.Linear(2, 1)
            self.count = 0

        def forward(self, x):
            self.count += 1
            return self.linear(x)

    model = Counting()
    x = numpy.ones((1, 2), dtype="float32")
    model(x)
    assert model.count == 1
    with pytest.raises(AttributeError, match="would be lost"):
        grad(lambda m: total(m(x)))(model)


def test_several_outputs():
    @differentiable
    def both(x):
        def dx(dy):
            return dy[0] * 2 + dy[1] * 3

        return (2 * x, 3 * x), (dx,)

    assert grad(lambda x: both(x)[0] * both(x)[1])(2.0) == 2 * 6 * 2
    assert grad(lambda x: both(x)[1])(2.0) == 3.0
    assert grad(grad(lambda x: both(x * x)[1]))(2.0) == 6.0


def test_gradients_stay_on_the_device_and_read_nothing(elsewhere):
    x = elsewhere.asarray([1.0, 2.0])
    with xpnn.testing.no_device_reads():
        gradient = grad(lambda x: strict_total(x * x))(x)
    assert device_of(gradient) == elsewhere


def strict_total(x):
    return namespace_of(x).sum(x)


def test_trees_of_users_hold_floating_point_arrays_too():
    class Pair:
        def __init__(self, a, b):
            self.parts = (a, b)

        def tree_flatten(self):
            return list(self.parts), lambda leaves: Pair(*leaves)

    gradient = grad(lambda pair: pair.parts[0] * pair.parts[1])(Pair(2.0, numpy.asarray(3.0)))
    assert [float(part) for part in gradient.parts] == [3.0, 2.0]
    with pytest.raises(TypeError, match="expected floating-point arrays, got an array of int64"):
        grad(lambda pair: pair.parts[0])(Pair(numpy.asarray(1.0), numpy.asarray(2)))
