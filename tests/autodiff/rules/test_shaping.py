"""What rows cannot say of shaping: which results are views and which are copies, and where arrays may live."""

import array_api_strict
import numpy
import pytest

import xpnn
from xpnn import grad, value_and_grad
from xpnn.arrays.namespaces import namespace_of

X = numpy.asarray([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])


def total(x):
    return namespace_of(x).sum(x)


def fresh(x):
    return namespace_of(x).asarray(x, copy=True)


# Each of these is a copy: what is written into it does not show in what it was made from
COPIES = {
    "reshape": lambda xp, x: xp.reshape(x, (3, 2), copy=True),
    "reshape to the same": lambda xp, x: xp.reshape(x, x.shape, copy=True),
    "astype": lambda xp, x: xp.astype(x, x.dtype),
    "astype by copy=True": lambda xp, x: xp.astype(x, x.dtype, copy=True),
    "astype to another dtype": lambda xp, x: xp.astype(x, xp.float32, copy=False),
    "asarray": lambda xp, x: xp.asarray(x, copy=True),
    "roll": lambda xp, x: xp.roll(x, 1),
    "concat": lambda xp, x: xp.concat([x]),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_write_into_a_copy_does_not_show(name):
    def f(x):
        x = fresh(x)
        y = COPIES[name](namespace_of(x), x)
        y[0, ...] = 0.0
        y *= 3.0
        return total(x * x)

    value, gradient = value_and_grad(f)(X)
    assert value == (X * X).sum()
    numpy.testing.assert_array_equal(gradient, 2 * X)
    with_numpy = X.copy()
    COPIES[name](namespace_of(X), with_numpy)[...] = 0.0
    numpy.testing.assert_array_equal(with_numpy, X)  # NumPy agrees that it is a copy


# Each of these is a view: numbers written into it show in what it was made from, at the right places
CUBE = numpy.arange(24.0).reshape(2, 3, 4) + 1
VIEWS = {
    "reshape": lambda xp, x: xp.reshape(x, (4, 6)),
    "permute_dims": lambda xp, x: xp.permute_dims(x, (2, 0, 1)),
    "permute_dims by negative axes": lambda xp, x: xp.permute_dims(x, (-1, 0, -2)),
    "matrix_transpose": lambda xp, x: xp.matrix_transpose(x),
    "mT": lambda xp, x: x.mT,
    "moveaxis": lambda xp, x: xp.moveaxis(x, 0, 2),
    "moveaxis of two": lambda xp, x: xp.moveaxis(x, (0, 1), (2, 0)),
    "moveaxis by negative axes": lambda xp, x: xp.moveaxis(x, -1, 0),
    "expand_dims": lambda xp, x: xp.expand_dims(x, axis=1),
    "squeeze": lambda xp, x: xp.squeeze(x[:, :1, :], axis=1),
    "flip": lambda xp, x: xp.flip(x, axis=1),
    "flip of all": lambda xp, x: xp.flip(x),
    "astype without a copy": lambda xp, x: xp.astype(x, x.dtype, copy=False),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_into_a_view_shows_where_numpy_shows_it(name):
    def f(x, scale):
        x = fresh(x) * 1.0
        y = VIEWS[name](namespace_of(x), x)
        y *= namespace_of(x).reshape(namespace_of(x).asarray(numpy.arange(y.size) + 2.0), y.shape)
        return total(x * x * scale)

    scale = numpy.cos(CUBE)
    expected = CUBE.copy()
    y = VIEWS[name](namespace_of(X), expected)
    y *= numpy.reshape(numpy.arange(y.size) + 2.0, y.shape)
    value, gradient = value_and_grad(f)(CUBE, scale)
    numpy.testing.assert_allclose(value, (expected * expected * scale).sum(), rtol=1e-13)  # rounding of a sum
    factor = expected / CUBE
    numpy.testing.assert_allclose(gradient, 2 * CUBE * factor**2 * scale, rtol=1e-14)


def test_astype_goes_to_no_other_device():
    one, two = (array_api_strict.Device(name) for name in ("device1", "device2"))
    x = array_api_strict.asarray(X, device=one)
    single = array_api_strict.float32
    found = grad(lambda x: total(namespace_of(x).astype(x, single, device=one)))(x)
    assert (found.device, found.dtype) == (one, array_api_strict.float64)
    for dtype in (single, x.dtype, array_api_strict.int64):
        with pytest.raises(NotImplementedError, match="cannot move to another device"):
            grad(lambda x, dtype=dtype: total(namespace_of(x).astype(x, dtype, device=two)) + total(x))(x)


def test_astype_of_a_complex_array_to_a_real_one_keeps_the_real_part_of_the_gradient():
    y = grad(lambda x: total(namespace_of(x).real(namespace_of(x).astype(x, xpnn.device("cpu").xp.complex128) * 2j)))(X)
    assert y.dtype == numpy.float64
    assert not y.any()
