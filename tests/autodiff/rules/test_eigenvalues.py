"""Eigenvalues and singular values: gradients against PyTorch's, and equal ones."""

from functools import partial

import numpy
import pytest
from torch_judge import MATRICES, SHAPES, adjoint, both, check, number, real, tuple_of

from xpnn import grad, hessian, jvp, value_and_grad
from xpnn.arrays.namespaces import is_complex, namespace_of
from xpnn.testing import check_gradient


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


SINGULAR = rotated([2.0, 1.0, 0.0])


def exponential(x):
    """A smooth function of a symmetric matrix, by its vectors: no backward function sees enough to differentiate it."""
    xp = namespace_of(x)
    values, vectors = xp.linalg.eigh((x + x.T) / 2)
    weight = xp.asarray(numpy.arange(9.0).reshape(3, 3))
    return xp.sum(((vectors * xp.exp(values)[None, :]) @ vectors.T) * weight)


def polar(x):
    xp = namespace_of(x)
    u, _, vh = xp.linalg.svd(x, full_matrices=False)
    return u @ vh


def by_singular_values(function, select=slice(None)):
    """U f(S) Vh: no backward function sees enough to differentiate it at equal values of S."""

    def weighted(x):
        xp = namespace_of(x)
        u, s, vh = xp.linalg.svd(x, full_matrices=False)
        y = (u * xp.expand_dims(function(s), axis=-2)) @ vh
        return xp.sum(xp.real(y[..., 0, select]) if is_complex(y.dtype) else y[..., 0, select])

    return weighted


def log_volume(x):
    return namespace_of(x).sum(namespace_of(x).log(namespace_of(x).linalg.eigvalsh(x)))


def squares(x):
    return namespace_of(x).sum(namespace_of(x).linalg.svdvals(x) ** 2)


@pytest.mark.parametrize(
    "function", [exponential, by_singular_values(lambda s: s**2), by_singular_values(lambda s: s**3, 1)]
)
@pytest.mark.parametrize("x", [numpy.eye(3), rotated([1.0, 1.0, 2.0])], ids=["all", "two"])
def test_a_gradient_by_the_vectors_of_equal_values_is_nan_and_not_wrong(function, x):
    assert numpy.any(numpy.isnan(grad(function)(x)))
    assert numpy.all(numpy.isfinite(grad(function)(rotated([1.0, 2.0, 3.0]))))


@pytest.mark.parametrize("x", [numpy.zeros((3, 2)), real(4, 3) * [1.0, 1.0, 0.0], 1j * SINGULAR])
def test_a_gradient_by_the_vectors_of_zeros_is_nan_and_not_wrong(x):
    assert numpy.any(numpy.isnan(grad(by_singular_values(lambda s: namespace_of(s).exp(s)))(x)))


def lyapunov(x, v):
    """The derivative of U Vh of a symmetric positive X in the direction V: U Ω Vh with Ω H + H Ω = Uh V - Vh U."""
    n, u = x.shape[0], numpy.linalg.svd(x)
    q = u.U @ u.Vh
    h, k = q.conj().T @ x, q.conj().T @ v
    omega = numpy.linalg.solve(numpy.kron(numpy.eye(n), h) + numpy.kron(h.T, numpy.eye(n)), (k - k.conj().T).T.ravel())
    return q @ omega.reshape(n, n).T


@pytest.mark.parametrize("make", [real, both])
@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [1.0, 1.0, 2.0], [3.0, 2.0, 1.0]])
def test_the_polar_factor_has_the_right_gradient_at_equal_values(values, make):
    x, v, weight = numpy.linalg.qr(make(3, 3)).Q @ rotated(values), make(3, 3), make(3, 3)

    def weighted(x):
        y = polar(x) * weight
        return namespace_of(y).sum(namespace_of(y).real(y) if is_complex(y.dtype) else y)

    along = numpy.sum(numpy.real(numpy.conj(grad(weighted)(x)) * v))
    numpy.testing.assert_allclose(along, numpy.sum(numpy.real(lyapunov(x, v) * weight)), rtol=1e-10)


@pytest.mark.parametrize("function", [polar, lambda x: namespace_of(x).linalg.svd(x).U, exponential])
def test_derivatives_in_a_direction_by_the_vectors_of_equal_values_are_nan_and_not_wrong(function):
    v = real(3, 3)
    assert numpy.any(numpy.isnan(jvp(function, (numpy.eye(3),), (v,))[1]))
    x, h = rotated([1.0, 2.0, 3.0]), 1e-6
    expected = (function(x + h * v) - function(x - h * v)) / (2 * h)
    numpy.testing.assert_allclose(jvp(function, (x,), (v,))[1], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("function", [log_volume, squares])
def test_second_derivatives_at_equal_values_are_nan_and_not_wrong(function):
    assert numpy.any(numpy.isnan(hessian(function)(numpy.eye(2))))
    assert numpy.all(numpy.isfinite(hessian(function)(numpy.diag([1.0, 2.0]))))


def test_values_that_differ_by_more_than_rounding_are_told_apart():
    for gap, known in ((1e-13, True), (1e-15, False)):
        assert numpy.all(numpy.isfinite(hessian(log_volume)(numpy.diag([1.0, 1.0 + gap])))) == known


def test_a_vector_whose_value_is_simple_is_differentiated_beside_equal_ones():
    def last(x):
        return namespace_of(x).linalg.eigh((x + x.T) / 2).eigenvectors[0, -1] ** 2

    check_gradient(last, rotated([1.0, 1.0, 3.0]), second_order=False)


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
