"""Writing into Tensors: the same elements as NumPy writes, views included, and the right gradients."""

import array_api_strict
import numpy
import pytest
from elsewhere import rounding

import xpnn
from xpnn import grad, nn, testing
from xpnn.arrays.namespaces import namespace_of

X = numpy.asarray([[0.5, -1.5, 2.25], [1.0, 3.0, -2.0]])


def total(x):
    return namespace_of(x).sum(x)


def fresh(x):
    """A copy that may be written into."""
    return namespace_of(x).asarray(x, copy=True)


def writes_element(x):
    y = fresh(x)
    y[0, 1] = x[1, 0] * 3
    return y


def writes_number(x):
    y = fresh(x)
    y[..., 0] = 4.0
    return y


def writes_slice_of_itself(x):
    y = fresh(x)
    y[0, :] = y[1, :] * y[0, :]
    y[:, 1] *= y[:, 2]
    return y


def writes_by_mask(x):
    y = fresh(x)
    y[x > 1.2] = 0.0
    return y * x


def writes_values_by_mask(x):
    y = fresh(x)
    y[x > 1.2] = x[x > 1.2] ** 2
    return y


def writes_into_zeros(x):
    xp = namespace_of(x)
    y = xp.zeros((3, 2), dtype=x.dtype, device=x.device)
    for i in range(3):
        y[i, :] = x[:, i] * (i + 1)
    return y


def writes_broadcast(x):
    y = fresh(x)
    y[:, 1:] = x[1, 0]
    y[:, :2] = x[:, 2:]
    return y


def adds_in_place(x):
    y = fresh(x)
    y += x[0, 0]
    y *= y
    y -= 2.0
    y /= x + 10
    return y


def powers_in_place(x):
    y = fresh(x)
    y **= 2
    y %= 1.7
    y @= namespace_of(x).eye(3, dtype=x.dtype, device=x.device) * 2
    return y


def writes_through_a_view(x):
    y = fresh(x)
    row = y[1, ...]
    row[0] = x[0, 2] * x[0, 1]
    return y


def writes_through_views_of_views(x):
    xp = namespace_of(x)
    y = fresh(x)
    part = xp.flip(y, axis=1)[:, :2]
    flat = xp.squeeze(xp.expand_dims(part[1:, :], axis=0), axis=0)
    turned = xp.matrix_transpose(flat)
    turned[0, 0] = x[0, 0] * 5
    turned += 1.0
    return y + xp.permute_dims(xp.permute_dims(y, (1, 0)), (1, 0))


def sees_the_write_in_a_view(x):
    y = fresh(x)
    column, turned = y[:, 0], y.T
    y[0, 0] = x[1, 1] * 2
    y += 1.0
    return column + turned[0, :]


def writes_through_reshape(x):
    xp = namespace_of(x)
    y = fresh(x)
    flat = xp.reshape(y, (-1,))
    flat[1:4] = flat[2:5] * x[0, 0]
    return y


def writes_through_parts_of_complex_numbers(x):
    xp = namespace_of(x)
    z = x + 1j * xp.flip(x, axis=0)
    xp.real(z)[0, :] = x[1, :] * 2
    part = xp.imag(z)
    part *= x
    return xp.real(z) * xp.imag(z)


def writes_into_a_grid(x):
    xp = namespace_of(x)
    one, two = xp.meshgrid(x[0, :], x[1, :])
    one[0, :] = two[1, :]
    return one * two


def writes_without_a_cast(x):
    y = fresh(x)
    same = namespace_of(x).astype(y, y.dtype, copy=False)
    same[0, 0] = 2.0
    return y * y


def writes_a_longer_shape(x):
    y = fresh(x)
    y[0, :] = x[None, 1, :]
    return y


KINDS = ("writes", "adds", "powers", "sees")
FUNCTIONS = [value for name, value in list(globals().items()) if name.split("_")[0] in KINDS]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_values_are_those_of_plain_arrays_and_gradients_those_of_differences(function, place):
    x = place.asarray(X.copy())
    value, _ = xpnn.vjp(function, x)
    numpy.testing.assert_allclose(place.to_host(value), function(X), rtol=rounding(place))
    testing.check_gradient(function, x, name=place.name)
    assert xpnn.vjp(function, place.asarray(X, dtype="float32"))[0].dtype == place.xp.float32
    numpy.testing.assert_array_equal(place.to_host(x), X)


def test_integer_places_that_repeat_take_the_last_value():
    def f(x):
        y = fresh(x)
        y[numpy.asarray([0, 2, 2, 0])] = x[1] * namespace_of(x).asarray([1.0, 2.0, 3.0, 4.0])
        return y

    x = numpy.asarray([1.0, 2.0, 4.0])
    numpy.testing.assert_array_equal(xpnn.vjp(f, x)[0], [8.0, 2.0, 6.0])
    testing.check_gradient(f, x)


def test_the_array_of_the_caller_is_never_written():
    def f(x):
        x[0, 0] = 1.0
        x *= 3.0
        return total(x)

    x = X.copy()
    numpy.testing.assert_array_equal(grad(f)(x), [[0, 3, 3], [3, 3, 3]])
    numpy.testing.assert_array_equal(x, X)
    constants = X.copy()
    grad(lambda x: total(adds_in_place(namespace_of(x).asarray(constants)) * x))(X)
    numpy.testing.assert_array_equal(constants, X)


def test_names_of_one_tensor_see_its_writes_as_with_numpy():
    def f(x):
        y = x
        y += 1.0
        y *= x
        return total(y)

    numpy.testing.assert_array_equal(grad(f)(X), 2 * (X + 1))
    plain = X.copy()
    assert grad(lambda x: (lambda y: total(y))(x))(X).shape == plain.shape


def test_what_was_computed_before_a_write_keeps_its_derivative():
    def f(x):
        y = fresh(x)
        product = y * y
        y[...] = 0.0
        return total(product) + total(y)

    numpy.testing.assert_array_equal(grad(f)(X), 2 * X)


def test_writes_nest():
    def f(x):
        y = namespace_of(x).zeros_like(x)
        y[0, :] = x[0, :] ** 3
        return total(y)

    second = grad(lambda x: total(grad(f)(x)))
    numpy.testing.assert_allclose(second(X)[0], 6 * X[0])
    third = grad(lambda x: total(grad(lambda x: total(grad(f)(x)))(x)))
    numpy.testing.assert_allclose(third(X), [[6.0] * 3, [0.0] * 3])


def test_an_inner_tensor_written_into_an_outer_array_may_not_stay_there():
    outer = []

    def f(x):
        y = fresh(x)
        outer.append(y)

        def g(z):
            y[0, 0] = total(z)
            return total(y)

        return total(grad(g)(x)) + total(y)

    with pytest.raises(RuntimeError, match="differentiation has ended"):
        grad(f)(X)


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda xp, x: xp.broadcast_to(x, (2, 2, 3)).__setitem__((0, 0, 0), 1), ValueError, "broadcast_to.*copy=True"),
        (lambda xp, x: xp.zeros(3, dtype=xp.int64).__setitem__(0, x[0, 0]), TypeError, "lose the gradient.*astype"),
        (lambda xp, x: xp.zeros(3).__setitem__(0, x[0, 0] * 1j), TypeError, "lose the gradient.*astype"),
        (lambda xp, x: xp.ones(2, dtype=xp.int64).__iadd__(0.5), TypeError, r"expected a result of int64.*x = x \+ y"),
        (lambda xp, x: x[0, ...].__imul__(x), ValueError, r"expected a result of shape \(3,\).*got shape \(2, 3\)"),
        (lambda xp, x: fresh(x).__setitem__((0, 7), 1.0), IndexError, "7"),
        (lambda xp, x: fresh(x).__setitem__(0, x), ValueError, "shape"),
        (lambda xp, x: numpy.zeros(2).__setitem__(0, x[0, 0]), (TypeError, ValueError), "lose the grad|array element"),
        (lambda xp, x: numpy.zeros((2, 3)).__iadd__(x), TypeError, "got a Tensor"),
    ],
)
def test_writes_that_cannot_be_right_raise_and_change_nothing(write, error, message):
    def f(x):
        before = x * 1.0
        with pytest.raises(error, match=message):
            write(namespace_of(x), x)
        return total(x * before)

    numpy.testing.assert_array_equal(grad(f)(X), 2 * X)


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: {"model": m}, lambda m: [m]])
def test_parameters_of_a_model_cannot_be_written_into(wrap):
    model = nn.Linear(3, 1).initialize(seed=0)

    def loss(tree):
        layer = tree if isinstance(tree, nn.Module) else tree["model" if isinstance(tree, dict) else 0]
        layer.weight[...] = 0.0
        return total(layer.weight)

    with pytest.raises(TypeError, match=r"a parameter of a model cannot be written into.*copy=True"):
        grad(loss)(wrap(model))


def test_long_chains_of_views_are_no_trouble():
    def f(x):
        for _ in range(15_000):
            x = namespace_of(x).reshape(x.T, (2, 3))
        return total(x)

    assert grad(f)(X).tolist() == numpy.ones((2, 3)).tolist()


def test_views_that_are_gone_are_forgotten():
    def f(x):
        y = fresh(x)
        for _ in range(1000):
            y[0, :] = y[1, :] + y[0, :] * 0.5
        assert len(y._views) < 20
        return total(y)

    grad(f)(X)


def test_float32_stays_float32():
    def f(x):
        y = namespace_of(x).zeros(3, dtype=x.dtype)
        y[1:] = x[:2]
        y += numpy.ones(3)  # float64, as NumPy takes it
        assert y.dtype == numpy.float32
        return total(y)

    assert grad(f)(numpy.ones(3, dtype=numpy.float32)).dtype == numpy.float32


def test_strict_refuses_what_the_standard_does_not_have():
    x = array_api_strict.asarray(X)

    def f(x):
        y = fresh(x)
        y[array_api_strict.asarray([0, 1]), 0] = 1.0
        return total(y)

    with pytest.raises(IndexError):
        grad(f)(x)


def test_writes_through_a_long_chain_of_views():
    def f(x):
        y = fresh(x)
        view = y
        for _ in range(2000):
            view = view[...]
        view += x
        return total(y)

    assert grad(f)(X).tolist() == numpy.full((2, 3), 2.0).tolist()


def test_a_python_number_is_no_place_to_write_into():
    def f(x):
        y = x
        y *= 2.0
        return y * x

    assert float(xpnn.value_and_grad(f)(3.0)[0]) == f(3.0) == 18.0
    assert float(grad(f)(3.0)) == 12.0


def test_a_scalar_takes_a_new_value_by_key_which_other_peoples_code_counts_on():
    def f(x):
        xp = namespace_of(x)
        mean, total_before = xp.mean(x), xp.sum(x)  # scalars of NumPy, whose own refuse this
        mean[total_before > 0] = x[0] * 2
        return mean * total_before

    value, gradient = xpnn.value_and_grad(f)(numpy.asarray([1.5, 0.5]))
    assert value == 6.0
    assert gradient.tolist() == [2 * 2.0 + 3.0, 3.0]  # of 2 x₀ (x₀ + x₁)


def test_the_imaginary_part_of_real_numbers_is_no_place_in_them():
    def f(x):
        namespace_of(x).imag(x)[...] = 3.0
        return total(x * x)

    numpy.testing.assert_array_equal(grad(f)(X), 2 * X)
