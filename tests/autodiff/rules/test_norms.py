"""Norms: gradients against PyTorch's, and what happens at zeros."""

from math import inf

import numpy
import pytest
from torch_judge import both, called, check, real

from xpnn import grad, testing
from xpnn.arrays.namespaces import namespace_of


@pytest.mark.parametrize("x", [real(3, 4), both(2, 3, 4)])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, inf, -inf])
def test_matrix_norm(ord, keep, x):
    check(
        called("matrix_norm", ord=ord, keepdims=keep),
        x,
        torch_function=lambda torch, x: torch.linalg.matrix_norm(x, ord, keepdim=keep),
    )


@pytest.mark.parametrize("x", [real(3, 4), both(3, 4)])
@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
@pytest.mark.parametrize("ord", [2, 1, inf, -inf, 0, 3, 2.5, 0.5, -1, -2])
def test_vector_norm(ord, axis, x):
    if ord == 0:
        assert not numpy.any(grad(lambda x: namespace_of(x).sum(namespace_of(x).linalg.vector_norm(x, ord=0)))(x))
        return
    check(
        called("vector_norm", ord=ord, axis=axis),
        x,
        torch_function=lambda torch, x: torch.linalg.vector_norm(x, ord, axis),
    )


def test_the_nuclear_norm_of_equal_singular_values():
    gradient = grad(lambda x: namespace_of(x).linalg.matrix_norm(x, ord="nuc"))(numpy.eye(3, 2))
    numpy.testing.assert_allclose(gradient, numpy.eye(3, 2), atol=1e-15)
    shared = grad(lambda x: namespace_of(x).linalg.matrix_norm(x, ord=2))(numpy.eye(2))
    numpy.testing.assert_allclose(shared, numpy.eye(2) / 2, atol=1e-15)


def test_matrices_of_zeros_have_finite_gradients():
    for ord in ("fro", "nuc", 1, -1, 2, -2, inf, -inf):
        gradient = grad(lambda x, ord=ord: namespace_of(x).linalg.matrix_norm(x, ord=ord))(numpy.zeros((2, 3)))
        assert numpy.all(numpy.isfinite(gradient)), ord


@pytest.mark.parametrize("ord", [2, 1, 3, 2.5, 1.5, 0.5, 0, inf, -inf])
def test_norms_of_zeros_have_gradient_zero_in_first_and_second_order(ord):
    norm = lambda x: namespace_of(x).linalg.vector_norm(x, ord=ord)  # noqa: E731
    zeros = numpy.zeros(3, dtype="float32")
    assert not numpy.any(grad(norm)(zeros))
    slope = lambda x: namespace_of(x).sum(grad(norm)(x))  # noqa: E731
    assert numpy.all(numpy.isfinite(grad(slope)(zeros)))


@pytest.mark.parametrize("ord", [2.5, 3, 4])
def test_norms_beside_a_zero_element(ord):
    norm = lambda x: namespace_of(x).linalg.vector_norm(x, ord=ord)  # noqa: E731
    testing.check_gradient(norm, numpy.asarray([0.0, 2.0, -1.0]), tolerance=1e-4)  # |x|^2.5 is not smooth at 0


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_norms_of_high_order_do_not_overflow_in_their_gradient(scale):
    x = numpy.asarray([3.0, 4.0]) * scale
    gradient = grad(lambda x: namespace_of(x).linalg.vector_norm(x, ord=8))(x)
    numpy.testing.assert_allclose(gradient, grad(lambda x: namespace_of(x).linalg.vector_norm(x, ord=8))(x / scale))


@pytest.mark.parametrize("ord", [-1, -2.5])
def test_norms_of_negative_order_are_0_with_gradient_0_beside_a_zero(ord):
    """As in PyTorch, which gives NaN in second order."""
    norm = lambda x: namespace_of(x).linalg.vector_norm(x, ord=ord)  # noqa: E731
    x = numpy.asarray([0.0, 2.0, -1.0])
    with numpy.errstate(divide="ignore"):  # NumPy says aloud that it divided by 0
        assert norm(x) == 0
        assert not numpy.any(grad(norm)(x))
        assert not numpy.any(grad(lambda x: namespace_of(x).sum(grad(norm)(x)))(x))


@pytest.mark.parametrize("dtype", ["int8", "int64", "bool"])
def test_norms_of_integers_are_those_of_the_library(dtype):
    x = numpy.asarray([[-128, 1], [2, 3]]).astype(dtype)
    plain = namespace_of(x).linalg

    def norms(linalg, x):
        of_vectors = [linalg.vector_norm(x, ord=ord, axis=1) for ord in (1, 2, numpy.inf, -numpy.inf)]
        return of_vectors + [linalg.matrix_norm(x, ord=ord) for ord in (1, numpy.inf, "fro")]

    seen = []
    grad(lambda y: seen.append(norms(namespace_of(y).linalg, namespace_of(y).asarray(x))) or y)(1.0)
    for found, expected in zip(seen[0], norms(plain, x), strict=True):
        assert found.dtype == expected.dtype
        numpy.testing.assert_array_equal(numpy.asarray(found), expected)


def test_the_largest_of_no_elements_is_0_and_has_a_gradient():
    def f(x):
        return namespace_of(x).sum(namespace_of(x).linalg.vector_norm(x, ord=numpy.inf, axis=1))

    assert grad(f)(numpy.zeros((3, 0))).shape == (3, 0)
