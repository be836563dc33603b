"""Inverses, determinants and factorizations: gradients against PyTorch's, and singular matrices."""

import itertools
from math import inf

import numpy
import pytest
from torch_judge import MATRICES, SHAPES, adjoint, both, called, check, number, real, tuple_of

from xpnn import grad, testing
from xpnn.arrays.namespaces import is_complex, namespace_of
from xpnn.autodiff.namespace import namespace_over
from xpnn.autodiff.rules.adjugate import adjugate


@pytest.mark.parametrize("x", MATRICES)
@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "eigvals", "svdvals"])
def test_square_matrices(name, x):
    check(called(name), x, torch_function=lambda torch, x: tuple_of(called(name)(torch, x)))


@pytest.mark.parametrize("x", MATRICES)
@pytest.mark.parametrize("upper", [False, True])
def test_cholesky(x, upper):
    check(lambda xp, x: xp.linalg.cholesky(x @ adjoint(xp, x), upper=upper), x)


@pytest.mark.parametrize("x", MATRICES[:2])
def test_cholesky_of_a_matrix_that_is_not_made_symmetric_has_a_symmetric_gradient(x):
    x = x @ numpy.matrix_transpose(x)
    check(called("cholesky"), x)
    gradient = grad(lambda x: namespace_of(x).sum(namespace_of(x).linalg.cholesky(x)))(x)
    numpy.testing.assert_allclose(gradient, numpy.matrix_transpose(gradient), rtol=1e-12)


@pytest.mark.parametrize("make", [real, both])
@pytest.mark.parametrize(
    ("a", "b"),
    [((3, 3), (3,)), ((2, 3, 3), (2, 3, 4)), ((3, 3), (2, 3, 1)), ((2, 3, 3), (3, 2)), ((2, 1, 3, 3), (2, 3, 1))],
)
def test_solve(make, a, b):
    check(called("solve"), make(*a), make(*b))


def test_solve_with_a_vector_for_several_matrices():
    """PyTorch reads the vector otherwise there, the standard as one right side for all."""
    a, b = real(2, 3, 3), real(3)
    assert numpy.array_equal(namespace_over(namespace_of(a)).linalg.solve(a, b), namespace_of(a).linalg.solve(a, b))
    check(called("solve"), a, b, torch_function=lambda torch, a, b: torch.linalg.solve(a, b[:, None])[..., 0])


@pytest.mark.parametrize("x", SHAPES)
def test_qr(x):
    check(called("qr"), x, torch_function=lambda torch, x: tuple(torch.linalg.qr(x)))


def test_qr_complete():
    x = real(2, 3, 4)
    check(called("qr", mode="complete"), x, torch_function=lambda torch, x: tuple(torch.linalg.qr(x, mode="complete")))


def test_columns_that_a_complete_qr_adds():
    with pytest.raises(ValueError, match=r"qr with mode='complete' of shape \(4, 3\).*last 1 columns of Q"):
        grad(lambda x: number(namespace_of(x), namespace_of(x).linalg.qr(x, mode="complete").R))(real(4, 3))


@pytest.mark.parametrize("x", SHAPES)
def test_pinv(x):
    check(called("pinv"), x)
    check(called("pinv", rtol=0.01), x)


# Determinants without an inverse


def cofactors(x):
    """det(A) A⁻ᵀ without a division, by deleting a row and a column."""
    n = x.shape[-1]
    found = numpy.zeros_like(x)
    for i, j in itertools.product(range(n), range(n)):
        minor = numpy.delete(numpy.delete(x, i, axis=0), j, axis=1)
        found[i, j] = (-1) ** (i + j) * (numpy.linalg.det(minor) if n > 1 else 1)
    return found


def of_rank(rank, n=4, make=real):
    return make(n, rank) @ make(rank, n) if rank else 0 * make(n, n)


@pytest.mark.parametrize("make", [real, both])
@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_det_of_any_rank_has_the_cofactors_as_its_gradient(rank, make):
    def real_part(x):
        y = namespace_of(x).linalg.det(x)
        return namespace_of(y).real(y) if is_complex(y.dtype) else y

    x = of_rank(rank, make=make)
    scale = numpy.max(numpy.abs(x)) ** 3
    numpy.testing.assert_allclose(grad(real_part)(x), numpy.conj(cofactors(x)), rtol=1e-9, atol=1e-12 * scale)


def test_det_of_exact_zeros():
    """LU finds an exact 0 on the diagonal here, and the library's inverse raises."""
    x = numpy.asarray([[1.0, 2.0], [2.0, 4.0]])
    with pytest.raises(numpy.linalg.LinAlgError):
        numpy.linalg.inv(x)
    assert grad(lambda x: namespace_of(x).linalg.det(x))(x).round(12).tolist() == [[4, -2], [-2, 1]]
    assert not numpy.any(grad(lambda x: namespace_of(x).linalg.det(x))(numpy.zeros((3, 3))))
    assert grad(lambda x: namespace_of(x).linalg.det(x))(numpy.zeros((1, 1))).tolist() == [[1]]
    assert grad(lambda x: namespace_of(x).linalg.det(x))(numpy.zeros((0, 0))).shape == (0, 0)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_the_second_derivative_of_det_at_a_singular_matrix(rank):
    testing.check_gradient(lambda x: namespace_of(x).linalg.det(x), of_rank(rank))


def expanded(x):
    """The determinant of 3 by 3 matrices as a polynomial."""
    (a, b, c), (d, e, f), (g, h, i) = ([x[m, n] for n in range(3)] for m in range(3))
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def third_derivative(function, x):
    directions = numpy.random.default_rng(4).standard_normal((2, 3, 3))

    def cube(x):  # so that the derivatives of all lower orders enter too
        return (function(x) + 1) ** 3

    def slope(x):
        return namespace_of(x).sum(grad(cube)(x) * directions[0])

    def curve(x):
        return namespace_of(x).sum(grad(slope)(x) * directions[1])

    return grad(curve)(x)


@pytest.mark.parametrize(
    "x",
    [numpy.eye(3), real(3, 3), of_rank(2, n=3), of_rank(2, n=3) + 1e-9 * real(3, 3)],
    ids=["equal singular values", "regular", "rank 2", "almost rank 2"],
)
def test_the_third_derivative_of_det(x):
    found, expected = (third_derivative(f, x) for f in (lambda x: namespace_of(x).linalg.det(x), expanded))
    numpy.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("x", [numpy.diag([1.0, 1.0, 0.0]), of_rank(1, n=3), of_rank(0, n=3)])
def test_the_third_derivative_of_det_is_nan_and_not_wrong_where_it_is_not_known(x):
    assert numpy.all(numpy.isnan(third_derivative(lambda x: namespace_of(x).linalg.det(x), x)))
    several = numpy.stack([x, numpy.eye(3)])  # and the others are right
    found = third_derivative(lambda x: namespace_of(x).linalg.det(x)[1], several)
    numpy.testing.assert_allclose(found[1], third_derivative(expanded, numpy.eye(3)), rtol=1e-9, atol=1e-9)


def test_a_singular_matrix_among_others_does_not_spoil_them():
    x = real(3, 2, 2)
    x[1] = [[1.0, 2.0], [2.0, 4.0]]
    gradient = grad(lambda x: namespace_of(x).sum(namespace_of(x).linalg.det(x)))(x)
    for a, b in zip(gradient, x, strict=True):
        numpy.testing.assert_allclose(a, cofactors(b), rtol=1e-12, atol=1e-12)


def test_adjugate_of_a_large_matrix():
    x = real(30, 30)
    numpy.testing.assert_allclose(x @ adjugate(x) / numpy.linalg.det(x), numpy.eye(30), atol=1e-10)


def test_slogdet_of_a_singular_matrix():
    xp = namespace_over(namespace_of(numpy.zeros(1)))
    assert tuple(xp.linalg.slogdet(numpy.zeros((2, 2)))) == (0, -inf)
    with pytest.raises(numpy.linalg.LinAlgError, match="Singular"):
        grad(lambda x: namespace_of(x).linalg.slogdet(x).logabsdet)(numpy.zeros((2, 2)))
