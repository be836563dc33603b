"""Products against PyTorch; names, dtypes and errors of all linear algebra."""

import inspect
from math import inf

import numpy
import pytest
from torch_judge import both, called, check, number, real, tuple_of

from xpnn import grad, testing, value_and_grad
from xpnn.arrays.namespaces import namespace_of
from xpnn.autodiff.namespace import FFT_RULES, LINALG_RULES, namespace_over


@pytest.mark.parametrize("make", [real, both])
def test_products(make):
    def along(name, **options):
        """PyTorch says dim for axis."""
        return lambda torch, *args: getattr(torch, name)(*args, **options)

    check(called("cross"), make(2, 3), make(2, 3))
    check(called("cross"), make(4, 1, 3), make(1, 2, 3))
    check(called("vecdot"), make(2, 1, 3), make(4, 3))
    check(called("vecdot", axis=-2), make(2, 3, 1), make(3, 4), torch_function=called("vecdot", dim=-2))
    check(called("tensordot", axes=1), make(2, 3), make(3, 4), torch_function=along("tensordot", dims=1))
    check(called("diagonal", offset=1), make(2, 3, 4))
    check(called("trace", offset=-1), make(3, 3), torch_function=lambda torch, x: torch.diagonal(x, -1).sum())
    check(called("outer"), make(3), make(4), torch_function=along("outer"))


def test_cross_counts_a_positive_axis_from_the_front():
    a, b = real(3, 2), real(3, 2)
    xp = namespace_over(namespace_of(a))
    numpy.testing.assert_array_equal(xp.linalg.cross(a, b, axis=0), numpy.linalg.cross(a, b, axis=0))
    testing.check_gradient(lambda a, b: namespace_of(a, b).linalg.cross(a, b, axis=0), a, b)


@pytest.mark.parametrize("make", [real, both])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, -1, -3])
def test_matrix_power(make, n):
    if n == 0:
        x = make(2, 3, 3)
        assert not numpy.any(grad(lambda x: number(namespace_of(x), namespace_of(x).linalg.matrix_power(x, 0)))(x))
        return
    check(lambda xp, x: xp.linalg.matrix_power(x, n), make(2, 3, 3), tolerance=1e-8)


# Manners


def test_every_function_of_linalg_and_fft_has_a_row():
    from rows.base import ROWS

    tested = {row.name.removeprefix("complex ").split()[0].strip(",") for row in ROWS}
    assert not sorted({*LINALG_RULES, *FFT_RULES} - tested)


NAMES = {
    "linalg": "cholesky cross det diagonal eig eigh eigvals eigvalsh inv matmul matrix_norm matrix_power matrix_rank "
    "matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm",
    "fft": "fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift",
}


def parameters(function):
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("extension", NAMES)
def test_every_name_of_the_standard_is_there_with_its_parameters(extension):
    strict = pytest.importorskip("array_api_strict")
    xp = namespace_over(strict)
    for name in NAMES[extension].split():
        found = getattr(getattr(xp, extension), name)
        if name in LINALG_RULES or name in FFT_RULES:
            theirs = parameters(getattr(getattr(strict, extension), name))
            wrong = [
                (a, b)
                for a, b in zip(parameters(found), theirs, strict=True)
                if a[1:] != b[1:] or (a[0] != b[0] and a[1] is not inspect.Parameter.POSITIONAL_ONLY)
            ]
            assert not wrong, name


def test_results_have_the_names_of_the_standard():
    x = real(3, 3)
    xp = namespace_over(namespace_of(x))
    for y, fields in (
        (xp.linalg.qr(x), "Q R"),
        (xp.linalg.svd(x), "U S Vh"),
        (xp.linalg.eigh(x), "eigenvalues eigenvectors"),
        (xp.linalg.eig(x), "eigenvalues eigenvectors"),
        (xp.linalg.slogdet(x), "sign logabsdet"),
    ):
        assert y._fields == tuple(fields.split())


def test_values_are_the_library_s_own():
    x, vectors = real(2, 4, 3), real(2, 3)
    below = namespace_of(x)
    xp = namespace_over(below)
    square = x[:, :3]
    for name, *args in (
        ("inv", square), ("det", square), ("slogdet", square), ("eigh", square), ("eigvalsh", square),
        ("eig", square), ("eigvals", square), ("svd", x), ("svdvals", x), ("qr", x), ("pinv", x),
        ("cross", vectors, vectors), ("vecdot", vectors, vectors), ("solve", square, square),
        ("cholesky", square @ numpy.matrix_transpose(square)),
    ):  # fmt: skip
        found, expected = (tuple_of(getattr(space.linalg, name)(*args)) for space in (xp, below))
        for a, b in zip(*(y if isinstance(y, tuple) else (y,) for y in (found, expected)), strict=True):
            assert a.dtype == b.dtype
            numpy.testing.assert_array_equal(a, b)
    for ord in ("fro", "nuc", 1, -1, 2, -2, inf, -inf):
        numpy.testing.assert_allclose(
            xp.linalg.matrix_norm(x, ord=ord), below.linalg.matrix_norm(x, ord=ord), rtol=1e-14
        )


def test_integers_keep_their_dtype():
    a, b = numpy.asarray([[1, 2, 3]], dtype="int32"), numpy.asarray([[4, 5, 6]], dtype="int32")
    below = namespace_of(a)
    xp = namespace_over(below)
    for name, *args in (
        ("vecdot", a, b),
        ("matmul", a, b.T),
        ("outer", a[0], b[0]),
        ("cross", a, b),
        ("trace", a.T @ b),
        ("tensordot", a, b),
        ("diagonal", a),
    ):
        found, expected = getattr(xp.linalg, name)(*args), getattr(below.linalg, name)(*args)
        assert found.dtype == expected.dtype, name
        numpy.testing.assert_array_equal(found, expected)


def test_float32_stays():
    x = real(3, 3).astype("float32")
    for name in ("inv", "det", "eigvalsh", "svdvals", "pinv", "matrix_norm", "vector_norm"):
        value, gradient = value_and_grad(lambda x, n=name: number32(getattr(namespace_of(x).linalg, n)(x)))(x)
        assert value.dtype == gradient.dtype == numpy.float32, name


def number32(y):
    return namespace_of(y).sum(y * y)


def test_wrong_arguments():
    x = real(2, 3)
    xp = namespace_over(namespace_of(x))
    with pytest.raises(ValueError, match=r"matrix_power expected square matrices, got shape \(2, 3\)"):
        xp.linalg.matrix_power(x, 2)
    with pytest.raises(ValueError, match=r"matrix_norm expected ord 'fro'.*got 3"):
        xp.linalg.matrix_norm(x, ord=3)
    with pytest.raises(ValueError, match=r"matrix_norm expected matrices, got shape \(2,\)"):
        xp.linalg.matrix_norm(x[:, 0])
    with pytest.raises(ValueError, match=r"tensordot .*got axes=1 for shapes \(2, 3\) and \(2, 3\)"):
        xp.tensordot(x, x, axes=1)
    with pytest.raises(ValueError, match=r"tensordot .*got axes=\(\(0,\), \(5,\)\)"):
        xp.tensordot(x, x, axes=((0,), (5,)))
