"""Derivatives where a function bends, jumps or divides by zero: in float32, with warnings as errors.

Where PyTorch's value makes sense it is ours (measured with PyTorch 2.13; `test_as_in_pytorch` asks it where it is
installed). Where PyTorch gives NaN or an arbitrary large number we give 0, and the test says so.
"""

import functools
import warnings

import numpy
import pytest

from xpnn import grad, special, value_and_grad
from xpnn.arrays.namespaces import namespace_of

INF = numpy.inf


def standard(name, **options):
    """A function of the standard, found from its arguments."""

    def function(*args):
        found = namespace_of(*args)
        for part in name.split("."):
            found = getattr(found, part)
        return found(*args, **options)

    function.__name__ = name
    return function


def gradients(function, *args):
    """The gradients of the sum of `function` with respect to all arguments, in float32, as lists."""
    arrays = [numpy.asarray(a, dtype="float32") for a in args]
    total = lambda *a: namespace_of(*a).sum(function(*a))  # noqa: E731
    value, found = value_and_grad(total, argnums=tuple(range(len(arrays))))(*arrays)
    assert {str(x.dtype) for x in (value, *found)} == {"float32"}
    return [x.tolist() for x in found]


KINKS = [  # the function, its arguments, the gradient for each of them
    (standard("abs"), ([0.0, -0.0, -2.0],), ([0, 0, -1],)),
    (standard("sign"), ([0.0, 3.0],), None),
    (standard("maximum"), ([1.0, 2.0, 0.0], [1.0, 1.0, 3.0]), ([0.5, 1, 0], [0.5, 0, 1])),
    (standard("minimum"), ([1.0, 2.0, 0.0], [1.0, 1.0, 3.0]), ([0.5, 0, 1], [0.5, 1, 0])),
    (standard("clip", min=0.0, max=1.0), ([0.0, 1.0, 0.5, -0.1, 1.1],), ([1, 1, 1, 0, 0],)),
    (standard("clip", min=0.0), ([0.0, -1.0],), ([1, 0],)),
    (standard("clip", max=0.0), ([0.0, 1.0],), ([1, 0],)),
    (standard("clip"), ([0.0], [0.0], [1.0]), ([1], [0], [0])),
    (standard("clip"), ([1.0], [0.0], [1.0]), ([1], [0], [0])),
    (standard("clip"), ([-1.0, 2.0], [0.0, 0.0], [1.0, 1.0]), ([0, 0], [1, 0], [0, 1])),
    (standard("clip"), ([3.0], [2.0], [1.0]), ([0], [0], [1])),  # bounds in the wrong order: the upper one wins
    (standard("clip"), ([-1.0, 5.0], [0.5, 0.5], [0.5, 0.5]), ([0, 0], [1, 0], [0, 1])),  # together 1 for each
    (standard("clip"), ([-1.0], [0.0], [-1.0]), ([0], [0], [1])),
    (standard("pow"), ([0.0], [0.0]), ([0], [0])),
    (standard("pow"), ([0.0], [2.0]), ([0], [0])),
    (standard("pow"), ([0.0], [1.0]), ([1], [0])),
    (lambda x: x**0, ([0.0, 2.0],), ([0, 0],)),
    (lambda x: x**1, ([0.0, 2.0],), ([1, 1],)),
    (lambda x: x**2, ([0.0, -2.0],), ([0, -4],)),
    (lambda x: x**2.0, ([0.0, -2.0],), ([0, -4],)),
    (lambda x: 0.0**x, ([0.0, 2.0],), ([0, 0],)),
    (lambda x: 0**x, ([2.0],), ([0],)),
    (lambda x: 2.0**x, ([0.0],), ([numpy.float32(numpy.log(2))],)),
    (standard("square"), ([0.0],), ([0],)),
    (standard("copysign"), ([0.0, 2.0], [-1.0, -1.0]), ([0, -1], [0, 0])),
    (standard("remainder"), ([2.0], [3.0]), ([1], [0])),
    (standard("max"), ([[1.0, 1.0], [1.0, 0.0]],), ([[1 / 3] * 2, [1 / 3, 0]],)),
    (standard("min"), ([[1.0, 1.0], [1.0, 0.0]],), ([[0, 0], [0, 1]],)),
    (standard("max", axis=1), ([[1.0, 1.0], [1.0, 0.0]],), ([[0.5, 0.5], [1, 0]],)),
    (standard("prod"), ([0.0, 2.0, 3.0],), ([6, 0, 0],)),
    (standard("prod"), ([0.0, 2.0, 0.0],), ([0, 0, 0],)),
    (standard("prod", axis=1), ([[0.0, 2.0], [0.0, 0.0]],), ([[2, 0], [0, 0]],)),
    (standard("linalg.vector_norm"), ([0.0, 0.0],), ([0, 0],)),
    (standard("linalg.vector_norm", axis=1), ([[0.0, 0.0], [3.0, 4.0]],), ([[0, 0], [0.6, 0.8]],)),
    (standard("std"), ([2.0, 2.0],), ([0, 0],)),
    (standard("std", axis=1), ([[2.0, 2.0], [1.0, 3.0]],), ([[0, 0], [-0.5, 0.5]],)),
    (standard("var"), ([2.0, 2.0],), ([0, 0],)),
    (standard("atan2"), ([0.0], [0.0]), ([0], [0])),
    (standard("logaddexp"), ([0.0, -INF], [-INF, 0.0]), ([1, 0], [0, 1])),
    (standard("logaddexp"), ([INF, 0.0], [0.0, INF]), ([1, 0], [0, 1])),
    (lambda x: x**0, ([INF],), ([0],)),
    (special.logsumexp, ([-INF, 0.0],), ([0, 1],)),
    (special.softplus, ([0.0, -INF, 1e4],), ([0.5, 0, 1],)),
    (special.expit, ([0.0, -INF, INF],), ([0.25, 0, 0],)),
]
NAMED = [
    pytest.param(*case, id=f"{getattr(case[0], '__name__', 'lambda')} {number}") for number, case in enumerate(KINKS)
]
TORCH_NAMES = {"max": "amax", "min": "amin", "clip": "clamp"}


@pytest.mark.parametrize(("function", "args", "expected"), NAMED)
def test_gradients_at_kinks(function, args, expected):
    if expected is None:  # constant on both sides: there is nothing to differentiate
        assert gradients(lambda x: function(x) * x, *args) == [[0, 1]]
        return
    found = gradients(function, *args)
    for a, b in zip(found, expected, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-6)  # float32


def test_as_in_pytorch():
    torch = pytest.importorskip("torch")
    for name, options, args in (
        ("abs", {}, [[0.0, -2.0]]),
        ("maximum", {}, [[1.0, 2.0], [1.0, 1.0]]),
        ("minimum", {}, [[1.0, 2.0], [1.0, 1.0]]),
        ("clip", {"min": 0.0, "max": 1.0}, [[0.0, 1.0, 0.5, -0.1, 1.1]]),
        ("clip", {}, [[-1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]),
        ("pow", {}, [[0.0, 0.0, 0.0], [0.0, 1.0, 2.0]]),
        ("max", {}, [[1.0, 1.0, 0.0]]),
        ("min", {}, [[1.0, 1.0, 0.0, 0.0]]),
        ("prod", {}, [[0.0, 2.0, 3.0]]),
        ("prod", {}, [[0.0, 2.0, 0.0]]),
        ("linalg.vector_norm", {}, [[0.0, 0.0]]),
        ("remainder", {}, [[2.0], [3.0]]),
    ):
        tensors = [torch.tensor(a, requires_grad=True) for a in args]
        judge = functools.reduce(getattr, TORCH_NAMES.get(name, name).split("."), torch)
        judge(*tensors, **options).sum().backward()
        assert gradients(standard(name, **options), *args) == [t.grad.tolist() for t in tensors], name


def test_values_at_kinks():
    assert numpy.asarray(0.0) ** 0.0 == 1
    for function in (lambda x: x**0, lambda x: x**0.0, lambda x: namespace_of(x).pow(x, 0 * x)):
        assert value_and_grad(function)(numpy.asarray(0.0, dtype="float32")) == (1, 0)


# Infinite slopes: infinity is the right answer, and NumPy says aloud that it divided by zero


@pytest.mark.parametrize(
    ("function", "at", "slope"),
    [
        (standard("sqrt"), 0.0, INF),
        (lambda x: x**0.5, 0.0, INF),
        (standard("log"), 0.0, INF),
        (standard("asin"), 1.0, INF),
        (standard("acosh"), 1.0, INF),
    ],
)
def test_an_infinite_slope_is_infinite_and_not_nan(function, at, slope):
    with numpy.errstate(divide="ignore"):
        assert gradients(function, at) == [slope]


def test_what_counts_in_integers_is_constant():
    x = numpy.asarray([1.5, 2.5])
    for name in ("sum", "prod", "cumulative_sum", "cumulative_prod"):

        def loss(x, name=name):
            xp = namespace_of(x)
            y = getattr(xp, name)(x, axis=0, dtype=xp.int64)
            assert "constant" in repr(y)
            return xp.sum(x) * xp.sum(xp.astype(y, xp.float64))

        plain = getattr(namespace_of(x), name)(x, axis=0, dtype=numpy.int64)
        numpy.testing.assert_array_equal(grad(loss)(x), numpy.full(2, numpy.sum(plain)))


def test_pythons_complex_numbers_beside_numpys_scalars():
    for function in (lambda s: 1j * s, lambda s: 1j + s, lambda s: 1j - s, lambda s: 1j / s):


        def squared(x, function=function):
            xp = namespace_of(x)
            return xp.abs(function(xp.sum(x))) ** 2

        slope, h = grad(squared)(numpy.asarray([2.0, 1.0])), 1e-6
        expected = (abs(function(3.0 + h)) ** 2 - abs(function(3.0 - h)) ** 2) / (2 * h)
        numpy.testing.assert_allclose(slope, [expected, expected], rtol=1e-6)


def test_a_negative_base_with_a_complex_exponent():
    torch = pytest.importorskip("torch")
    z = numpy.asarray([0.5 + 0.25j, 1.0 - 2.0j])
    for base in (-1.5, numpy.asarray(-1.5)):
        found = grad(lambda z, b=base: namespace_of(z).real(namespace_of(z).sum(namespace_of(z).pow(b, z))))(z)
        there = torch.tensor(z, requires_grad=True)
        torch.pow(-1.5, there).sum().real.backward()
        numpy.testing.assert_allclose(found, there.grad.resolve_conj().numpy(), rtol=1e-12)


def test_the_variance_of_one_element_is_nan_and_no_error():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy says aloud that it has no degree of freedom
        assert numpy.isnan(grad(standard("var", correction=1.0))(numpy.asarray([2.0], dtype="float32"))).all()


def test_axes_that_are_not_there():
    x = numpy.ones((2, 3))
    for call in (
        lambda xp, x: xp.take(x, numpy.asarray([0]), axis=2),
        lambda xp, x: xp.take_along_axis(x, numpy.asarray([[0]]), axis=5),
        lambda xp, x: xp.unstack(x, axis=3),
        lambda xp, x: xp.diff(x, axis=4),
        lambda xp, x: xp.concat([x, x], axis=2),
        lambda xp, x: xp.cumulative_prod(x, axis=2),
        lambda xp, x: xp.sum(x, axis=(0, 2)),
    ):
        with pytest.raises(IndexError, match="out of bounds"):
            grad(lambda x, call=call: namespace_of(x).sum(call(namespace_of(x), x)))(x)
    with pytest.raises(ValueError, match="n of 0 or more, got -1"):
        grad(lambda x: namespace_of(x).sum(namespace_of(x).diff(x, n=-1)))(x)
    with pytest.raises(ValueError, match="take expected an axis"):
        grad(lambda x: namespace_of(x).sum(namespace_of(x).take(x, numpy.asarray([0]))))(x)
    for wrong in ([], 3.0, [1.0, 2.0]):
        with pytest.raises(TypeError, match="concat expected a list or tuple of arrays"):
            grad(lambda x, wrong=wrong: namespace_of(x).sum(namespace_of(x).concat(wrong)) + x[0, 0])(x)


# Where PyTorch gives NaN


def test_logsumexp_of_nothing_but_minus_infinity():
    assert gradients(special.logsumexp, [-INF, -INF]) == [[0, 0]]
    assert gradients(standard("logaddexp"), [-INF], [-INF]) == [[0], [0]]


def test_hypot_at_the_origin():
    assert gradients(standard("hypot"), [0.0], [0.0]) == [[0], [0]]


def test_the_norm_of_a_zero_vector_in_a_cosine():
    """PyTorch divides by its epsilon and gives 7e7."""

    def cosine(x, y):
        xp = namespace_of(x, y)
        norm = xp.linalg.vector_norm(x)
        safe = xp.where(norm == 0, xp.ones_like(norm), norm)
        return xp.sum(x * y) / (safe * xp.linalg.vector_norm(y))

    found = gradients(cosine, [0.0, 0.0], [1.0, 1.0])
    assert numpy.isfinite(found).all()


def test_a_function_is_made_safe_before_where_chooses():
    """log at 0 would give 0 times infinity; the argument is made safe first ("double where")."""

    def safe_log(x):
        xp = namespace_of(x)
        inside = xp.where(x > 0, x, xp.ones_like(x))
        return xp.where(x > 0, xp.log(inside), xp.zeros_like(x))

    assert gradients(safe_log, [0.0, 2.0]) == [[0, 0.5]]


def test_complex_abs_at_zero():
    x = numpy.asarray([0j, 3 + 4j], dtype="complex64")
    found = grad(lambda x: namespace_of(x).sum(namespace_of(x).abs(x)))(x)
    numpy.testing.assert_allclose(found, [0, 0.6 + 0.8j], rtol=1e-6)  # float32


def test_second_derivatives_at_kinks():
    for function, expected in (
        (standard("abs"), 0),
        (standard("square"), 2),
        (lambda x: x**2, 2),
        (lambda x: x**3, 0),
        (lambda x: x**1, 0),
        (special.expit, 0),
        (special.softplus, 0.25),
        (lambda x: namespace_of(x).maximum(x, 0 * x), 0),
        (lambda x: namespace_of(x).clip(x, 0.0, 1.0), 0),
    ):
        assert grad(grad(function))(numpy.asarray(0.0, dtype="float32")) == expected


# Digits


def test_the_variance_of_large_numbers_keeps_its_digits():
    """E[x^2] - E[x]^2 would give -8 for a mean of 1e4 and a variance of 1."""
    x = numpy.asarray([9999.0, 10001.0] * 50, dtype="float32")
    value, gradient = value_and_grad(standard("var"))(x)
    assert value == 1
    numpy.testing.assert_allclose(gradient, 2 * (x - 10000) / 100, rtol=1e-6)  # float32
    assert value_and_grad(standard("std"))(x)[0] == 1


def test_logsumexp_of_large_numbers():
    value, gradient = value_and_grad(special.logsumexp)(numpy.asarray([1e4, 1e4], dtype="float32"))
    numpy.testing.assert_allclose(value, 10000.693, rtol=1e-7)
    assert gradient.tolist() == [0.5, 0.5]
