"""Eigenvalues and singular values: gradients against PyTorch's, and equal ones."""

from functools import partial

import numpy
import pytest
from torch_judge import MATRICES, SHAPES, adjoint, check, number, real, tuple_of

from xpnn import grad, value_and_grad
from xpnn.arrays.namespaces import namespace_of


@pytest.mark.parametrize("x", MATRICES)
@pytest.mark.parametrize("name", ["eigh", "eigvalsh"])
def test_hermitian_eigenvalues(name, x):
    def function(xp, x):
        found = getattr(xp.linalg, name)(x + adjoint(xp, x))
        return found if name == "eigvalsh" else without_signs(xp, *found)

    check(function, x)
    # also of a Hermitian matrix as it is: the gradient is Hermitian, though the library reads one triangle
    check(
        lambda xp, x: tuple_of(getattr(xp.linalg, name)(x))[0] if name == "eigh" else xp.linalg.eigvalsh(x),
        x + adjoint(numpy, x),
    )


def without_signs(xp, values, vectors):
    """Of eigenvectors only what does not depend on their signs or phases."""
    return values, (vectors * values[..., None, :]) @ adjoint(xp, vectors), xp.abs(vectors)


@pytest.mark.parametrize("x", MATRICES)
def test_eig(x):
    def function(xp, x):
        values, vectors = xp.linalg.eig(x)
        return values, (vectors * values[..., None, :] ** 2) @ xp.linalg.inv(vectors), xp.abs(vectors)

    check(function, x, tolerance=1e-7)


@pytest.mark.parametrize("x", SHAPES)
def test_svd(x):
    def function(xp, x, full_matrices=False):
        u, s, vh = xp.linalg.svd(x, full_matrices=full_matrices)
        return s, (u * s[..., None, :] ** 2) @ vh, xp.abs(u), xp.abs(vh)

    check(function, x)
    if x.shape[-1] == x.shape[-2]:
        check(partial(function, full_matrices=True), x)


# Equal eigenvalues and singular values


def rotated(values):
    q = numpy.linalg.qr(real(len(values), len(values))).Q
    return q * numpy.asarray(values) @ q.T


@pytest.mark.parametrize("x", [numpy.eye(3), numpy.zeros((3, 3)), rotated([1.0, 1.0, 2.0])], ids=["1", "0", "1, 1, 2"])
def test_functions_of_equal_eigenvalues_have_the_right_gradient(x):
    expected = numpy.linalg.matrix_power(x, 2) * 3  # of trace(X³)
    for name in ("eigvalsh", "eigh"):

        def cubes(x, name=name):
            xp = namespace_of(x)
            values = getattr(xp.linalg, name)(x)
            return xp.sum((values if name == "eigvalsh" else values.eigenvalues) ** 3)

        numpy.testing.assert_allclose(grad(cubes)(x), expected, atol=1e-12)
    spectral = lambda x: with_spectrum(namespace_of(x), *namespace_of(x).linalg.eigh(x))  # noqa: E731
    assert numpy.all(numpy.isfinite(grad(spectral)(x)))


def with_spectrum(xp, values, vectors):
    return xp.sum((vectors * values[None, :]) @ vectors.mT)


def test_the_sum_of_equal_eigenvalues_is_the_trace_in_second_order_too():
    """Pairs that differ by rounding count as equal; else their gap of 1e-16 would make 1 out of 1e-16."""
    direction = real(6, 6)

    def trace(x):
        return namespace_of(x).sum(namespace_of(x).linalg.eigvalsh(x))

    def slope(x):
        return namespace_of(x).sum(grad(trace)(x) * direction)

    for _ in range(50):
        # the tolerance: a gap just beyond rounding, of 4e-15, divides an error of 1e-16
        numpy.testing.assert_allclose(grad(slope)(rotated([1.0, 1.0, 1.0, 2.0, 2.0, 3.0])), 0, atol=0.05)


@pytest.mark.parametrize("name", ["svdvals", "svd"])
def test_functions_of_equal_singular_values_have_the_right_gradient(name):
    def fourth(x):
        xp = namespace_of(x)
        found = getattr(xp.linalg, name)(x)
        return xp.sum((found if name == "svdvals" else found.S) ** 4)

    for x in (numpy.eye(3), rotated([1.0, 1.0, -2.0]), numpy.zeros((3, 2)), rotated([1.0, 1.0, 0.0])[:, :2]):
        numpy.testing.assert_allclose(grad(fourth)(x), 4 * x @ x.T @ x, atol=1e-12)  # of trace((X Xᵀ)²)


def test_a_real_matrix_with_complex_eigenvalues_has_a_real_gradient():
    x = numpy.asarray([[0.0, -1.0], [1.0, 0.0]])
    gradient = grad(lambda x: namespace_of(x).sum(namespace_of(x).imag(namespace_of(x).linalg.eigvals(x)) ** 2))(x)
    assert gradient.dtype == numpy.float64
    numpy.testing.assert_allclose(gradient, [[0, -2], [2, 0]], atol=1e-12)  # of -(l² + l²) = -trace(X²)


def test_vectors_that_full_matrices_add():
    x = real(4, 3)
    for part in (0, 2):
        with pytest.raises(ValueError, match=r"svd with full_matrices=True of shape \(4, 3\).*last 1 vectors"):
            grad(lambda x, p=part: number(namespace_of(x), namespace_of(x).linalg.svd(x)[p]))(x)
    only_values = grad(lambda x: namespace_of(x).sum(namespace_of(x).linalg.svd(x).S))(x)
    numpy.testing.assert_allclose(only_values, grad(lambda x: namespace_of(x).linalg.matrix_norm(x, ord="nuc"))(x))
    assert value_and_grad(lambda x: (namespace_of(x).sum(x), namespace_of(x).linalg.svd(x).U), aux=True)
