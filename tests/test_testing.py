"""The public checks: each catches what is wrong in just its way, and lets pass what is right."""

from typing import NamedTuple

import array_api_strict
import numpy
import pytest

import xpnn
from xpnn import nn, stop_gradient, testing
from xpnn.arrays.namespaces import namespace_of
from xpnn.autodiff.tape import differentiable
from xpnn.testing import check, check_gradient, places

PLACES = {place.name: place for place in places()}
NUMPY, READ_ONLY, STRICT = PLACES["numpy"], PLACES["read-only numpy"], PLACES["strict device1"]
DEVICE1 = array_api_strict.Device("device1")
X = numpy.random.default_rng(3).uniform(0.5, 1.5, (3, 4))


def total(x):
    return namespace_of(x).sum(x)


def is_strict(x):
    return namespace_of(x) is array_api_strict


def unary(forward, derivative):
    """An operation that multiplies `dy` by `derivative(x)`."""

    @differentiable
    def operation(x):
        def dx(dy):
            return dy * derivative(x)

        return forward(x), (dx,)

    return operation


square = unary(lambda x: x * x, lambda x: 2 * x)


def test_what_is_right_passes_everywhere():
    check(square, X)
    check(square, X[0, 0] + numpy.zeros(()))
    check(lambda layer, x: layer(x), nn.Linear(4, 2).initialize(seed=0), X)


def test_what_is_linear_in_everything_passes():
    class Shift(nn.Module):
        def __init__(self):
            self.shift = nn.Parameter(numpy.ones(4))

        def forward(self, x):
            return x + self.shift

    check(lambda layer, x: layer(x), Shift(), X)
    check(lambda layer, x: layer(x), nn.Sequential(Shift(), Shift()), X, argnums=0, where=[NUMPY])
    check(lambda x: 2 * x, X)


# Each wrong function is right in all other ways


@pytest.mark.parametrize(
    "derivative", [lambda x: 2.0002 * x, lambda x: -2 * x, lambda x: 0 * x, lambda x: 2 * x + 1, lambda x: x / 0 * 0]
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_a_wrong_derivative_is_caught(derivative):
    with pytest.raises(AssertionError, match=r"first derivative on numpy: the gradient gives .* differences"):
        check(unary(lambda x: x * x, derivative), X)


def test_a_derivative_wrong_in_one_element_is_caught():
    def last_doubled(x):
        xp = namespace_of(x)
        return 2 * x * (1 + xp.astype(x == xp.max(x), x.dtype))

    with pytest.raises(AssertionError, match="first derivative"):
        check(unary(lambda x: x * x, last_doubled), X, second_order=False)


def test_a_derivative_wrong_for_one_argument_is_caught():
    @differentiable
    def product(a, b):
        return a * b, (lambda dy: dy * b, lambda dy: dy * b)

    check(product, X, X + 1, argnums=0, second_order=False)
    with pytest.raises(AssertionError, match="first derivative"):
        check(product, X, X + 1)


def test_a_wrong_second_derivative_is_caught():
    wrong = unary(lambda x: x * x, lambda x: 2 * stop_gradient(x))
    check(wrong, X, second_order=False)
    with pytest.raises(AssertionError, match="second derivative on numpy"):
        check(wrong, X)


def test_a_derivative_that_is_missing_a_conjugate_is_caught():
    z = X + 1j * X[::-1]
    check(lambda z: z * z, z)
    with pytest.raises(AssertionError, match="first derivative"):
        check(unary(lambda z: z * z, lambda z: 2 * z), z)


def promoting(x):
    xp = namespace_of(x)
    return x * xp.ones(x.shape, dtype=xp.complex128 if "complex" in str(x.dtype) else xp.float64, device=x.device)


@pytest.mark.parametrize("place", [NUMPY, STRICT], ids=["numpy", "strict"])
def test_a_promoted_dtype_is_caught(place):
    with pytest.raises(AssertionError, match=rf"on {place.name}, float32 inputs gave a value of .*float64"):
        check(promoting, X, where=[place])


def test_a_promoted_complex_dtype_is_caught():
    with pytest.raises(AssertionError, match="float32 inputs gave a value of complex128"):
        check(promoting, X + 0j, where=[NUMPY])


def test_a_parameter_that_promotes_is_caught():
    class Shifted(nn.Module):
        def __init__(self):
            self.shift = nn.Parameter(numpy.ones(4))

        def forward(self, x):
            return promoting(x + self.shift)

    with pytest.raises(AssertionError, match="float32 inputs gave a value of float64"):
        check(lambda layer, x: layer(x), Shifted(), X, where=[NUMPY])


def test_an_input_changed_by_the_function_is_caught():
    @differentiable
    def changing(x):
        y = x * 1.0
        x[0, ...] = 7.0
        return y, (lambda dy: dy,)

    with pytest.raises(AssertionError, match="on numpy, the function or its derivative changed an input in place"):
        check(changing, X, where=[NUMPY])
    with pytest.raises(ValueError, match="read-only"):
        check(changing, X, where=[READ_ONLY])


def test_an_input_changed_by_the_derivative_is_caught():
    @differentiable
    def changing(x):
        def dx(dy):
            slope = 2 * x
            x[...] = 0 * x
            return dy * slope

        return x * x, (dx,)

    with pytest.raises(AssertionError, match="changed an input in place"):
        check(changing, X, where=[NUMPY], second_order=False)


def test_a_derivative_that_changes_the_gradient_it_gets_is_caught():
    @differentiable
    def changing(x):
        def dx(dy):
            dy *= 2
            return dy * x

        return x * x, (dx,)

    # alone it is right; in a sum the other term gets the same array
    assert xpnn.grad(changing)(3.0) == 6.0
    with pytest.raises(AssertionError, match="the derivative changed the gradient it was given in place"):
        check(changing, X, where=[NUMPY])


def test_a_changed_parameter_and_a_changed_label_are_caught():
    def decay(layer, x):
        if not isinstance(layer.weight, xpnn.Tensor):
            layer.weight[...] = 0.5 * layer.weight
        return layer(x)

    with pytest.raises(AssertionError, match="changed an input in place"):
        check(decay, nn.Linear(4, 2).initialize(seed=0), X, where=[NUMPY])

    def relabel(x, t):
        t[...] = 0 * t
        return x * x

    with pytest.raises(AssertionError, match="changed an input in place"):
        check(relabel, X, numpy.asarray([1, 2, 3]), where=[NUMPY])


def test_an_input_borrowed_for_a_while_is_caught_where_it_is_read_only():
    @differentiable
    def borrowing(x):
        x *= 2
        y = x * 1.0
        x /= 2
        return y, (lambda dy: 2 * dy,)

    check(borrowing, X, where=[NUMPY])
    with pytest.raises(ValueError, match="read-only"):
        check(borrowing, X, where=[NUMPY, READ_ONLY])


@pytest.mark.parametrize("look", [float, int, bool, complex, lambda x: x.__index__(), PLACES["numpy"].device.to_host])
def test_a_host_read_is_caught(look):
    @differentiable
    def looking(x):
        xp = namespace_of(x)
        look(xp.astype(xp.sum(x), xp.int64))
        return x * x, (lambda dy: 2 * dy * x,)

    check(looking, X, where=[NUMPY], second_order=False)
    with pytest.raises(AssertionError, match="a device value was read inside a step, by __"):
        check(looking, X, where=[NUMPY, STRICT], second_order=False)


def test_a_host_read_in_the_derivative_is_caught():
    @differentiable
    def looking(x):
        def dx(dy):
            return dy * 2 * x if bool(namespace_of(dy).isfinite(total(dy))) else dy

        return x * x, (dx,)

    with pytest.raises(AssertionError, match="a device value was read inside a step, by __bool__"):
        check(looking, X, where=[STRICT], second_order=False)


def test_what_breaks_on_strided_memory_is_caught():
    @differentiable
    def assuming(x):
        wrong = isinstance(x, numpy.ndarray) and not x.flags.c_contiguous
        return x * (3.0 if wrong else 2.0), (lambda dy: 2 * dy,)

    with pytest.raises(AssertionError, match="value of strided inputs on numpy"):
        check(assuming, X, where=[NUMPY])

    @differentiable
    def assuming_in_the_derivative(x):
        wrong = isinstance(x, numpy.ndarray) and not x.flags.c_contiguous
        return x * 2.0, (lambda dy: dy * (3.0 if wrong else 2.0),)

    with pytest.raises(AssertionError, match="gradient 0 of strided inputs on numpy"):
        check(assuming_in_the_derivative, X, where=[NUMPY])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x * (1 / x.shape[0]), "raised ZeroDivisionError"),
        (lambda x: x * namespace_of(x).max(x), "raised ValueError"),
        (lambda x: x if x.shape[0] else namespace_of(x).ones((1, 4)), r"gave shape \(1, 4\)"),
    ],
)
def test_what_breaks_without_items_is_caught(function, message):
    check(function, X, empty=False)
    with pytest.raises(AssertionError, match=f"on numpy, inputs without items {message}"):
        check(function, X)


def test_a_derivative_that_breaks_without_items_is_caught():
    @differentiable
    def broken(x):
        return x * 2.0, (lambda dy: 2 * dy if x.shape[0] else namespace_of(dy).ones((1, 4)),)

    with pytest.raises(AssertionError, match=r"without items raised ValueError: .* gave shape \(1, 4\)"):
        check(broken, X)


class Forgetful(nn.Module):
    """Saves all but what `lost` names, and loads without complaint."""

    def __init__(self, lost):
        self.factor = nn.Parameter(numpy.full(4, 2.0))
        self.shift = nn.Buffer(numpy.full(4, 0.5))
        self.scale = nn.Parameter(numpy.full(4, 3.0))
        self.lost = lost
        self.freeze("scale")

    def forward(self, x):
        return x * self.factor * self.scale + self.shift

    def state_dict(self):
        return {name: array for name, array in super().state_dict().items() if name != self.lost}

    def load_state_dict(self, state):
        for slot in self.slots():
            if slot.name in state:
                slot.value[...] = namespace_of(slot.value).asarray(state[slot.name], device=slot.value.device)
        return self


@pytest.mark.parametrize("lost", ["factor", "shift", "scale"])
def test_what_is_lost_on_saving_is_caught(lost):
    check(lambda layer, x: layer(x), Forgetful(""), X)
    with pytest.raises(AssertionError, match="after saving and loading on numpy"):
        check(lambda layer, x: layer(x), Forgetful(lost), X)


def test_different_numbers_on_another_library_are_caught():
    @differentiable
    def different(x):
        return x * (1.0 + 1e-9 * is_strict(x)), (lambda dy: dy * (1.0 + 1e-9 * is_strict(x)),)

    check(different, X, where=[NUMPY, READ_ONLY])
    with pytest.raises(AssertionError, match="value on strict device1, compared with numpy"):
        check(different, X, where=[NUMPY, STRICT])

    @differentiable
    def different_gradient(x):
        return x * 1.0, (lambda dy: dy * (1.0 + 1e-9 * is_strict(x)),)

    with pytest.raises(AssertionError, match="gradient 0 on strict device1, compared with numpy"):
        check(different_gradient, X)


def test_numbers_that_change_from_call_to_call_are_caught():
    generator = numpy.random.default_rng(0)

    @differentiable
    def noisy(x):
        return x * 1.0 + 1e-9 * generator.standard_normal(x.shape), (lambda dy: dy,)

    with pytest.raises(AssertionError):
        check(noisy, X, where=[NUMPY])


@pytest.mark.parametrize("beyond", [lambda x: x.sum(), lambda x: x.astype(x.dtype), lambda x: numpy.exp(x)])
def test_what_is_beyond_the_standard_is_caught(beyond):
    @differentiable
    def operation(x):
        beyond(x)
        return x * 2.0, (lambda dy: 2 * dy,)

    check(operation, X, where=[NUMPY], second_order=False)
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        check(operation, X, where=[STRICT], second_order=False)


def test_an_array_made_on_the_wrong_device_is_caught():
    @differentiable
    def astray(x):
        return x + namespace_of(x).ones(4, dtype=x.dtype), (lambda dy: dy,)

    check(astray, X, where=[NUMPY])
    with pytest.raises(ValueError, match="different devices"):
        check(astray, X, where=[STRICT])


# What check takes


def test_trees_models_labels_and_options_are_arguments():
    class Pair(NamedTuple):
        a: object
        b: object

    labels = numpy.asarray([1, 0, 2])
    check(lambda parts, t: parts["x"] * parts["more"][0], {"x": X, "more": [X + 1, None]}, labels)
    check(lambda pair: pair.a * pair.b, Pair(X, X + 1))
    check(lambda x, power: x**power, X, 3)


def test_only_floating_point_arguments_are_differentiated_unless_told():
    assert testing._wanted((X, numpy.asarray([1]), {"x": X}, nn.Linear(1, 1), 3, [X, 2]), None) == (0, 2, 3)
    assert testing._wanted((X, X), 1) == (1,)
    assert testing._wanted((X, X), (0, 1)) == (0, 1)


def test_arguments_are_copied():
    before = X.copy()
    layer = nn.Linear(4, 2).initialize(seed=0)
    weight = layer.weight
    check(lambda layer, x: layer(x), layer, X)
    numpy.testing.assert_array_equal(X, before)
    assert layer.weight is weight
    assert (weight.dtype, X.flags.writeable) == ("float32", True)


def test_a_gradient_is_checked_alone():
    check_gradient(square, X)
    check_gradient(lambda a, b: a * b, X, X, argnums=(0, 1), second_order=False)
    check_gradient(square, array_api_strict.asarray(X, device=DEVICE1))
    with pytest.raises(AssertionError, match="first derivative on my arrays"):
        check_gradient(unary(lambda x: x * x, lambda x: 3 * x), X, name="my arrays")


def test_the_tolerance_is_what_counts():
    slightly = unary(lambda x: 2.0 * x, lambda x: 2.0 + 1e-4 + 0 * x)
    with pytest.raises(AssertionError):
        check_gradient(slightly, X)
    check_gradient(slightly, X, tolerance=1e-2)


def test_nothing_to_differentiate_by_is_named():
    with pytest.raises(ValueError, match="at least one argument of floating-point arrays"):
        testing.check(lambda i: i + 1, numpy.arange(3))
