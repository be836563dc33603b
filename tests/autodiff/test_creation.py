"""Functions that make arrays, in the differentiable namespace: constants, unless a Tensor goes in."""

import array_api_strict
import numpy
import pytest

from xpnn import grad, stop_gradient
from xpnn.arrays.namespaces import namespace_of
from xpnn.autodiff.namespace import (
    namespace_over,
)

NUMPY = namespace_of(numpy.ones(1))
OVER = {"numpy": namespace_over(NUMPY), "strict": namespace_over(array_api_strict)}
X = numpy.asarray([0.5, -1.5, 2.25])

# The standard's functions, version 2024.12, without constants, dtypes and the extensions
STANDARD = (
    "arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril triu zeros "
    "zeros_like astype broadcast_arrays broadcast_to can_cast finfo iinfo isdtype result_type abs acos acosh add asin "
    "asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert bitwise_or bitwise_right_shift bitwise_xor "
    "ceil clip conj copysign cos cosh divide equal exp expm1 floor floor_divide greater greater_equal hypot imag "
    "isfinite isinf isnan less less_equal log log1p log2 log10 logaddexp logical_and logical_not logical_or "
    "logical_xor maximum minimum multiply negative nextafter not_equal positive pow real reciprocal remainder round "
    "sign signbit sin sinh square sqrt subtract tan tanh trunc take take_along_axis __array_namespace_info__ matmul "
    "matrix_transpose tensordot vecdot concat expand_dims flip moveaxis permute_dims repeat reshape roll squeeze "
    "stack tile unstack argmax argmin count_nonzero nonzero searchsorted where unique_all unique_counts "
    "unique_inverse unique_values argsort sort cumulative_prod cumulative_sum max mean min prod std sum var all any "
    "diff"
).split()
LATER = {"broadcast_shapes", "isin"}  # of version 2025.12: there if the library below has them


def total(x):
    return namespace_of(x).sum(x)


def on_path(look):
    """What `look` sees of a Tensor on the path, for X."""
    seen = []
    grad(lambda x: seen.append(look(x)) or total(x))(X)
    return seen[0]


# Creation


@pytest.mark.parametrize(
    "create",
    [
        lambda xp, x: xp.zeros(x.shape, dtype=x.dtype, device=x.device),
        lambda xp, x: xp.ones(3),
        lambda xp, x: xp.full(x.shape, 2.5),
        lambda xp, x: xp.arange(3, dtype=x.dtype),
        lambda xp, x: xp.linspace(0, 1, num=3),
        lambda xp, x: xp.eye(3)[0, :],
        lambda xp, x: xp.zeros_like(x),
        lambda xp, x: xp.ones_like(x),
        lambda xp, x: xp.full_like(x, 2.0),
        lambda xp, x: xp.asarray([1.0, 2.0, 3.0]),
        lambda xp, x: xp.meshgrid(xp.arange(3.0), xp.arange(3.0))[0][0, :],
        lambda xp, x: xp.from_dlpack(stop_gradient(x)),
    ],
)
def test_made_arrays_are_constants_with_the_numbers_of_the_library(create):
    y = on_path(lambda x: create(x.__array_namespace__(), x))
    assert "constant" in repr(y)
    numpy.testing.assert_array_equal(numpy.asarray(y), create(NUMPY, X))
    numpy.testing.assert_array_equal(grad(lambda x: total(x * create(namespace_of(x), x)))(X), create(NUMPY, X))


def test_empty_arrays_have_shape_and_dtype():
    for shape, dtype in on_path(
        lambda x: [
            (y.shape, y.dtype) for xp in [namespace_of(x)] for y in (xp.empty((2, 3), dtype=xp.int8), xp.empty_like(x))
        ]
    ):
        assert (shape, dtype) in (((2, 3), "int8"), ((3,), "float64"))


@pytest.mark.parametrize(
    "create",
    [
        lambda xp, x: xp.meshgrid(x, x)[0][0, :],
        lambda xp, x: xp.full((3,), x[0]),
        lambda xp, x: xp.full((3,), fill_value=x[0]),
        lambda xp, x: xp.full_like(x, x[0]),
        lambda xp, x: xp.linspace(x[1], x[0], 3),
        lambda xp, x: xp.arange(x[0], x[0] + 3.0),
        lambda xp, x: xp.from_dlpack(x),
    ],
    ids="meshgrid full full-by-keyword full_like linspace arange from_dlpack".split(),
)
def test_an_array_made_from_a_tensor_on_the_path_keeps_its_gradient_or_raises(create):
    # nothing may lose a gradient silently: what has no derivative here must say so
    def difference_quotient():
        h = 1e-6
        columns = [X + h * direction for direction in numpy.eye(3)], [X - h * direction for direction in numpy.eye(3)]
        ahead, behind = ([total(create(NUMPY, x)) for x in side] for side in columns)
        return (numpy.asarray(ahead) - numpy.asarray(behind)) / (2 * h)

    try:
        gradient = grad(lambda x: total(create(namespace_of(x), x)))(X)
    except (AttributeError, TypeError, ValueError):
        return
    numpy.testing.assert_allclose(gradient, difference_quotient(), atol=1e-6)


def test_asarray_keeps_a_tensor_on_its_path():
    assert grad(lambda x: total(namespace_of(x).asarray(x) * x))(X).tolist() == (2 * X).tolist()
    assert on_path(lambda x: namespace_of(x).asarray(x) is x)
    single = on_path(lambda x: namespace_of(x).asarray(x, dtype=numpy.float32))
    assert single.dtype == "float32"
    assert "constant" not in repr(single)


def test_asarray_of_lists_with_tensors_keeps_their_gradients():
    nest = lambda x: namespace_of(x).asarray([[1.0, x[0] * x[1]], (2, x[2])])  # noqa: E731
    assert grad(lambda x: total(nest(x) * nest(x)))(X).tolist() == [2.25, -0.75, 4.5]
    assert on_path(nest).dtype == "float64"
    y = on_path(lambda x: namespace_of(x).asarray([stop_gradient(x)[0], 1.0]))
    assert numpy.asarray(y).tolist() == [0.5, 1.0]
    rows = lambda x: namespace_of(x).asarray([[x[0], x[1] ** 2, 0], [0.0, 0, 1]])  # noqa: E731
    assert grad(lambda x: total(rows(x)))(X).tolist() == [1.0, -3.0, 0.0]
    assert on_path(lambda x: namespace_of(x).asarray([x[0], 1j])).dtype == "complex128"
    assert grad(lambda x: total(namespace_of(x).asarray([x[0], 1])))(X.astype("float32")).dtype == "float32"
    with pytest.raises(ValueError, match="shape"):
        on_path(lambda x: namespace_of(x).asarray([x, x[0]]))
    for wrong in (lambda x: (part for part in x), lambda x: {"a": x}):
        with pytest.raises(TypeError, match="asarray expected an array, a number or a nest of lists, got"):
            on_path(lambda x, wrong=wrong: namespace_of(x).asarray(wrong(x)))


def test_full_takes_a_tensor():
    assert grad(lambda x: total(namespace_of(x).full((2, 3), x[0])))(X).tolist() == [6.0, 0.0, 0.0]
    assert grad(lambda x: total(namespace_of(x).full_like(x, x[0] * x[1])))(X).tolist() == [-4.5, 1.5, 0.0]
    assert on_path(lambda x: namespace_of(x).full(2, x[0], dtype=numpy.float32)).dtype == "float32"
    assert "constant" in repr(on_path(lambda x: namespace_of(x).full(2, 1.5)))


@pytest.mark.parametrize("cast", [lambda xp, x, d: xp.astype(x, d), lambda xp, x, d: xp.asarray(x, dtype=d)])
@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_integers_and_booleans_of_a_tensor_are_off_the_path(cast, dtype):
    y = on_path(lambda x: cast(namespace_of(x), x, getattr(NUMPY, dtype)))
    assert "constant" in repr(y)

    def loss(x):
        xp = namespace_of(x)
        return total(x * xp.astype(cast(xp, x, getattr(NUMPY, dtype)), xp.float64))

    # the integer is constant almost everywhere, so the derivative is the integer itself
    numpy.testing.assert_array_equal(grad(loss)(X), X.astype(dtype))
