"""The dense layer: its numbers, its derivatives by hand, every layout of input, and every wrong one."""

import warnings

import numpy
import pytest
from elsewhere import on_gpu, rounding

import xpnn
from xpnn import nn
from xpnn.arrays.devices import device_of
from xpnn.nn import initializers

RNG = numpy.random.default_rng(0)
X = RNG.standard_normal((5, 3))
W = RNG.standard_normal((4, 3))
B = RNG.standard_normal(4)


def float32_layer():
    return nn.Linear(3, 4).initialize(seed=0)


def weighted_sum(x, w, b):
    y = nn.linear(x, w, b)
    xp = xpnn.namespace_of(y)
    return xp.sum(y * xp.asarray(DY, dtype=y.dtype))


DY = RNG.standard_normal((5, 4))


# Numbers


def test_values_and_gradients_are_those_of_the_formulas():
    # rtol: products of 3 to 5 terms in float64
    value, (dx, dw, db) = xpnn.value_and_grad(weighted_sum, argnums=(0, 1, 2))(X, W, B)
    numpy.testing.assert_allclose(value, ((X @ W.T + B) * DY).sum(), rtol=1e-14)
    numpy.testing.assert_allclose(dx, DY @ W, rtol=1e-13)
    numpy.testing.assert_allclose(dw, DY.T @ X, rtol=1e-13)
    numpy.testing.assert_allclose(db, DY.sum(axis=0), rtol=1e-13)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3), (2, 1, 5, 3), (0, 3), (2, 0, 3)])
def test_any_number_of_axes_before_the_last(shape):
    x = RNG.standard_normal(shape).astype("float32")
    layer = float32_layer()
    y = layer(x)
    assert (y.shape, y.dtype) == ((*shape[:-1], 4), "float32")
    # rtol and atol: 3 products and a sum in float32
    numpy.testing.assert_allclose(y, x @ layer.weight.T + layer.bias, rtol=1e-5, atol=1e-6)
    gradient = xpnn.grad(lambda layer, x: xpnn.namespace_of(layer.weight).sum(layer(x)))(layer, x)
    assert gradient.weight.shape == (4, 3)
    numpy.testing.assert_allclose(gradient.bias, x.size // 3)


def test_one_item_gives_the_row_that_it_gives_in_a_batch():
    layer = nn.Linear(3, 4, dtype="float64").initialize(seed=0)
    # rtol: a row alone and a row of a product may be summed in another order
    numpy.testing.assert_allclose([layer(row) for row in X], layer(X), rtol=1e-14)


@pytest.mark.parametrize("layout", ["C", "Fortran", "strided", "reversed", "read-only", "broadcast"])
def test_memory_layouts_of_inputs(layout):
    x = {
        "C": X,
        "Fortran": numpy.asfortranarray(X),
        "strided": numpy.repeat(X, 2, axis=1)[:, ::2],
        "reversed": X[::-1, ::-1].copy()[::-1, ::-1],
        "read-only": X.copy(),
        "broadcast": numpy.broadcast_to(X[:1], X.shape),
    }[layout]
    x.flags.writeable = False
    expected = nn.linear(numpy.ascontiguousarray(x), W, B)
    numpy.testing.assert_allclose(nn.linear(x, W, B), expected, rtol=1e-14)
    gradient = xpnn.grad(weighted_sum)(x, W, B)
    numpy.testing.assert_allclose(gradient, DY @ W, rtol=1e-13)


def test_without_bias():
    layer = nn.Linear(3, 4, bias=False).initialize(seed=0)
    assert layer.bias is None
    assert set(layer.state_dict()) == {"weight"}
    numpy.testing.assert_array_equal(layer(X.astype("float32")), nn.linear(X.astype("float32"), layer.weight))


def test_raw_arrays_in_raw_arrays_out(elsewhere):
    assert type(float32_layer()(X.astype("float32"))) is numpy.ndarray
    y = float32_layer().to(elsewhere)(elsewhere.asarray(X, dtype="float32"))
    assert type(y) is type(elsewhere.asarray(0))
    assert device_of(y) == elsewhere
    rtol = rounding(elsewhere, "float32")  # sums of three products of size 1
    numpy.testing.assert_allclose(elsewhere.to_host(y), float32_layer()(X.astype("float32")), rtol=rtol, atol=rtol)


# First values


@pytest.mark.parametrize("in_features", [1, 7, 1000])
def test_the_default_initializer_is_pytorchs(in_features):
    layer = nn.Linear(in_features, 50, dtype="float64").initialize(seed=0)
    bound = in_features**-0.5
    for array in (layer.weight, layer.bias):
        assert abs(array).max() <= bound
        assert abs(array).max() > 0.9 * bound  # the largest of 50 draws or more
    expected = bound / 3**0.5
    assert abs(layer.weight.std() - expected) < 3 * expected / (50 * in_features) ** 0.5


def test_another_initializer_starts_the_bias_at_zero():
    layer = nn.Linear(3, 4, initializer=initializers.orthogonal, dtype="float64").initialize(seed=0)
    assert not layer.bias.any()
    numpy.testing.assert_allclose(layer.weight.T @ layer.weight, numpy.eye(3), atol=1e-15)


def test_without_initialize_two_layers_differ():
    assert (nn.Linear(3, 4).weight != nn.Linear(3, 4).weight).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype(dtype):
    layer = nn.Linear(3, 4, dtype=dtype).initialize(seed=0)
    assert {str(p.dtype) for p in layer.parameters()} == {dtype}
    assert layer(X.astype(dtype)).dtype == dtype


# What is refused


@pytest.mark.parametrize("features", [0, -1, 2.0, "3", None, True])
def test_features_are_positive_integers(features):
    with pytest.raises(ValueError, match="Linear expected in_features to be a positive integer, got"):
        nn.Linear(features, 1)
    with pytest.raises(ValueError, match="Linear expected out_features to be a positive integer, got"):
        nn.Linear(1, features)


@pytest.mark.parametrize("dtype", ["float16", "int64", "f4", None])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match="Linear expected dtype 'float32' or 'float64', got"):
        nn.Linear(1, 1, dtype=dtype)


@pytest.mark.parametrize("shape", [(5, 4), (3, 5), (), (5, 3, 1), (0,)])
def test_a_wrong_shape_names_both(shape):
    with pytest.raises(ValueError, match=r"Linear expected the last axis of x to be 3 \(in_features\), got shape \("):
        float32_layer()(numpy.zeros(shape, dtype="float32"))


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "bool", "complex64"])
def test_another_dtype_is_not_promoted(dtype):
    with pytest.raises(TypeError, match=f"Linear expected x of dtype float32, as its weight, got {dtype}: convert"):
        float32_layer()(X.astype(dtype))


@pytest.mark.parametrize("x", [[[1.0, 2.0, 3.0]], (1.0, 2.0, 3.0), 1.0, None, "x", numpy.ma.ones((2, 3))])
def test_only_arrays_come_in(x):
    with pytest.raises(TypeError, match="expected a"):
        float32_layer()(x)


def test_arrays_of_two_libraries_do_not_mix(elsewhere):
    other = elsewhere.asarray(numpy.ones((2, 3), dtype="float32"))
    names = "(numpy.*{0}|{0}.*numpy)".format("cupy" if on_gpu(elsewhere) else "array_api_strict")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match=names):
            nn.linear(other, W)
        with pytest.raises(TypeError, match=names):
            float32_layer()(other)
        with pytest.raises(TypeError, match=names):
            float32_layer().to(elsewhere)(X.astype("float32"))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((5, 3), (4, 2), (4,)), r"last axis of x to be 2, as of w, got shape \(5, 3\)"),
        (((5, 3), (3, 4), (4,)), "last axis of x to be 4"),
        (((), (4, 3), (4,)), "last axis of x to be 3"),
        (((5, 3), (4, 3), (1,)), r"\(1,\)"),
        (((5, 3), (4, 3), (5, 4)), r"\(5, 4\)"),
        (((5, 3), (4, 3), ()), r"\(\)"),
    ],
)
def test_the_function_checks_shapes_and_broadcasts_nothing(shapes, message):
    with pytest.raises(ValueError, match=message):
        nn.linear(*(numpy.ones(shape) for shape in shapes))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: nn.Linear(2, 3)(x),
        lambda x: nn.linear(x, numpy.ones((3, 2), dtype="float32")),
        lambda x: nn.LayerNorm(2)(x),
    ],
)
def test_the_other_byte_order_is_named(call):
    x = numpy.ones((4, 2), dtype="float32")
    with pytest.raises(TypeError, match="float32 in the other byte order"):
        call(x.astype(x.dtype.newbyteorder()))
