"""Tensors given to CuPy's own functions, and arrays of the host beside a GPU's: what is said then."""

import numpy
import pytest

import xpnn
from xpnn import nn, optim

pytestmark = pytest.mark.gpu

X = numpy.ones((4, 3), dtype="float32")


@pytest.fixture
def cuda():
    return xpnn.device("cuda")


@pytest.fixture
def model(cuda):
    return nn.Linear(3, 2).initialize(seed=0).to(cuda)


def test_an_elementwise_function_of_the_gpus_library_names_the_tensors_own(cuda, model):
    def loss(model, x):
        xp = xpnn.namespace_of(x)  # of the data alone
        return xpnn.namespace_of(model.weight).sum(xp.exp(model(x)))

    with pytest.raises(TypeError, match=r"cupy\.exp got a Tensor, .* xp = xpnn\.namespace_of\(y\)"):
        xpnn.value_and_grad(loss)(model, cuda.asarray(X))


def test_operators_of_the_gpus_library_with_a_tensor_are_differentiated(cuda, model):
    def loss(model, x):
        xp = xpnn.namespace_of(x)
        y = model(x)
        return xpnn.namespace_of(y).sum(xp.divide(xp.add(x[:, :2], y), xp.add(x[:, :2], 1)))

    _, gradients = xpnn.value_and_grad(loss)(model, cuda.asarray(X))
    assert cuda.to_host(gradients.bias).tolist() == [2.0, 2.0]


@pytest.mark.parametrize("function", ["sum", "concat"])
def test_other_functions_get_a_word_about_the_tensors_own(cuda, model, function):
    def loss(model, x):
        xp = xpnn.namespace_of(x)
        y = model(x)
        return xp.sum(y) if function == "sum" else xp.concat([y, x[:, :2]])

    with pytest.raises((TypeError, AttributeError)) as caught:
        xpnn.value_and_grad(loss)(model, cuda.asarray(X))
    assert "xpnn.namespace_of(" in "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


def test_an_array_of_the_host_in_a_loss_gets_a_word_about_moving_it(cuda, model):
    def loss(model, x):
        return xpnn.namespace_of(model.weight).sum(model(x) * numpy.ones(2, dtype="float32"))

    for differentiated in (
        lambda: xpnn.value_and_grad(loss)(model, cuda.asarray(X)),
        lambda: xpnn.vjp(loss, model, cuda.asarray(X)),
    ):
        with pytest.raises(TypeError) as caught:
            differentiated()
        assert "xpnn.device(...).asarray(x)" in "\n".join([str(caught.value), *caught.value.__notes__])


def test_arguments_of_a_compiled_step_that_were_left_on_the_host_are_named_as_such(cuda, model):
    optimizer = optim.SGD(model, learning_rate=0.1)

    def step(x):
        value, gradients = xpnn.value_and_grad(lambda model, x: nn.squared_error(model(x), x[:, :2]))(model, x)
        optimizer.step(gradients)
        return value

    fast_step = xpnn.compile(step, state=(model, optimizer))
    for _ in range(4):
        with pytest.raises(TypeError, match=r"one library, got arrays of numpy and of cupy: move them"):
            fast_step(X)
        fast_step(cuda.asarray(X))
    assert "CUDA graph" in str(fast_step.plan())
