"""Where a Tensor could slip away with its gradient: it raises, or the gradient is right."""

import copy
import pickle
from collections import OrderedDict, defaultdict

import numpy
import pytest

import xpnn
from xpnn import differentiable, grad, nn, stop_gradient, value_and_grad, vjp
from xpnn.arrays.namespaces import namespace_of


def total(x):
    return namespace_of(x).sum(x)


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), [0, 1], None, [2, 3]),
        (slice(None), 0, None, [2, 3]),
        (slice(None), None, [0, 1], [2, 3]),
        (None, [0, 1], slice(None), None, [2, 3]),
        (..., None, 0),
        (None, slice(1, None), ..., 2),
        (0, None, ..., 1),
    ],
    ids=repr,
)
def test_new_axes_between_indices_keep_the_order_of_numpy(key):
    x = numpy.arange(60.0).reshape(3, 4, 5)
    y, back = vjp(lambda x: x[key], x)
    numpy.testing.assert_array_equal(y, x[key])
    dy = numpy.random.default_rng(0).standard_normal(y.shape)
    expected = numpy.zeros_like(x)
    numpy.add.at(expected, key, dy)
    numpy.testing.assert_array_equal(back(dy)[0], expected)


def test_an_operation_that_hides_a_tensor_raises_where_its_arguments_are_constants():
    @differentiable
    def keyword(x, *, options):
        return x * options["w"], (lambda dy: dy * options["w"],)

    for f in (
        lambda x: keyword(stop_gradient(2 * x), options={"w": x}),
        lambda x: differentiable(lambda a: (a * x, (lambda dy: dy * x,)))(stop_gradient(x)),
    ):
        with pytest.raises(TypeError, match="not one of its positional arguments"):
            value_and_grad(f)(3.0)


def test_a_tensor_of_an_ended_differentiation_is_refused_as_the_value():
    def leaks(x):
        kept = []
        grad(lambda y: kept.append(y * x) or y * x)(2.0)
        return kept[0]

    def leaks_by_an_error(x):
        kept = []

        def fails(y):
            kept.append(y * x)
            raise KeyError

        with pytest.raises(KeyError):
            grad(fails)(2.0)
        return kept[0]

    for f in (leaks, leaks_by_an_error):
        with pytest.raises(RuntimeError, match="has ended"):
            value_and_grad(f)(3.0)
    assert float(grad(lambda x: grad(lambda y: x * x)(1.0) + x)(3.0)) == 1  # an outer value within an inner one is fine


def test_copies_keep_the_gradient_and_pickles_are_refused():
    for copied in (copy.copy, copy.deepcopy, lambda x: copy.deepcopy([x])[0]):
        assert float(grad(lambda x, copied=copied: copied(x) ** 2)(3.0)) == 6
    with pytest.raises(TypeError, match="cannot be pickled"):
        grad(lambda x: pickle.loads(pickle.dumps(x)) ** 2)(3.0)


def test_stop_gradient_walks_all_containers_or_raises():
    class Listed(list):
        pass

    held = defaultdict(list)
    for make in (
        lambda x: stop_gradient(OrderedDict(a=x))["a"],
        lambda x: stop_gradient(Listed([x]))[0],
        lambda x: stop_gradient({"a": [(x, None, "word")]})["a"][0][0],
        lambda x: (held.update(a=x), stop_gradient(held)["a"])[1],
    ):
        assert float(grad(lambda x, make=make: x * make(x))(3.0)) == 3
    with pytest.raises(TypeError, match="in which a Tensor could hide"):
        grad(lambda x: x * next(iter(stop_gradient({x}))))(3.0)


@pytest.mark.parametrize("argnums", [(0, 0), (0, -2), (1, -1)])
def test_an_argument_named_twice_is_refused(argnums):
    with pytest.raises(ValueError, match="names an argument twice"):
        grad(lambda x, y: x * y, argnums=argnums)(3.0, 4.0)


def test_labels_made_inside_are_checked_too():
    z = numpy.asarray([[0.1, 0.2]])
    with pytest.raises(ValueError, match="labels from 0 to 1 for 2 classes, got -1"):
        grad(lambda z: nn.cross_entropy(z, namespace_of(z).argmin(z, axis=1) - 1))(z)


def test_gradients_are_a_tree_of_their_own():
    model = nn.Linear(2, 2).freeze("bias")
    gradients = grad(lambda m, x: total(m(x)))(model, numpy.ones((1, 2), dtype="float32"))
    model.unfreeze()
    assert len(gradients.parameters()) == 1
    gradients.freeze()
    assert len(model.parameters()) == 2
    with pytest.raises(ValueError, match="2 parameters"):
        xpnn.optim.SGD(model, learning_rate=0.1).step(gradients)


def test_powers_differentiate_again_where_the_exponent_passes_0():
    by_both = grad(lambda b: grad(lambda a: a**b)(numpy.asarray(2.0)))
    assert abs(float(by_both(numpy.asarray(0.0))) - 0.5) < 1e-15  # d/db of b a^(b-1) is a^(b-1) at b = 0
    third = grad(grad(grad(lambda x: (x * x + 0.1) ** x)))
    second = grad(grad(lambda x: (x * x + 0.1) ** x))
    for x in (0.0, 1.0):
        expected = (second(numpy.asarray(x + 1e-5)) - second(numpy.asarray(x - 1e-5))) / 2e-5
        assert abs(float(third(numpy.asarray(x))) - float(expected)) < 1e-6
    assert numpy.isnan(grad(lambda x: (-2.0) ** x)(numpy.asarray(2.0)))


def test_complex_numbers_have_their_gradient_or_are_refused():
    torch = pytest.importorskip("torch")
    generator = numpy.random.default_rng(0)
    x, w = (generator.standard_normal(shape) + 1j * generator.standard_normal(shape) for shape in ((3, 4), (2, 4)))
    dx, dw = grad(lambda x, w: total(namespace_of(x).abs(nn.tanh(nn.linear(x, w))) ** 2), argnums=(0, 1))(x, w)
    a, b = (torch.tensor(value, requires_grad=True) for value in (x, w))
    (torch.tanh(a @ b.T).abs() ** 2).sum().backward()
    numpy.testing.assert_allclose(dx, a.grad.numpy(), rtol=1e-10)
    numpy.testing.assert_allclose(dw, b.grad.numpy(), rtol=1e-10)
    for f in (nn.relu, nn.sigmoid, nn.gelu, nn.leaky_relu, xpnn.special.softplus, lambda x: nn.squared_error(x, x)):
        with pytest.raises(TypeError, match="real numbers, got complex128"):
            f(x)


def test_values_at_the_ends():
    assert xpnn.special.logsumexp(numpy.asarray([numpy.inf, 0.0])) == numpy.inf
    p = numpy.asarray([1e-9], dtype="float32")
    numpy.testing.assert_allclose(nn.binary_cross_entropy(p, 0 * p), 1e-9, rtol=1e-6)  # float32


def test_loading_a_state_that_holds_the_models_own_arrays_swaps_them():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).initialize(seed=0)
    a, b = model[0].weight.copy(), model[1].weight.copy()
    model.load_state_dict({**model.state_dict(), "0.weight": model[1].weight, "1.weight": model[0].weight})
    assert (model[0].weight == b).all()
    assert (model[1].weight == a).all()


def test_a_read_only_parameter_is_refused_before_anything_is_loaded():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).initialize(seed=0)
    model[1].bias.flags.writeable = False
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"1\.bias cannot be loaded: the model's array is read-only"):
        model.load_state_dict({name: array + 1 for name, array in before.items()})
    assert all((array == before[name]).all() for name, array in model.state_dict().items())
