"""Fourier transforms: values against the library's, gradients against PyTorch's in first and second order."""

import numpy
import pytest
from torch_judge import RNG, check

from xpnn import grad, value_and_grad
from xpnn.arrays.namespaces import namespace_of
from xpnn.autodiff.namespace import namespace_over

REAL = RNG.standard_normal((3, 5))
COMPLEX = RNG.standard_normal((3, 5)) + 1j * RNG.standard_normal((3, 5))
CUBE = RNG.standard_normal((3, 4, 5))
COMPLEX_CUBE = CUBE + 1j * RNG.standard_normal((3, 4, 5))
XP = namespace_over(namespace_of(REAL))

NORMS = ("backward", "ortho", "forward")
ONE_AXIS = [("fft", COMPLEX), ("ifft", COMPLEX), ("rfft", REAL), ("irfft", COMPLEX), ("hfft", COMPLEX), ("ihfft", REAL)]
AXES = [("fftn", COMPLEX_CUBE), ("ifftn", COMPLEX_CUBE), ("rfftn", CUBE), ("irfftn", COMPLEX_CUBE)]


def transformed(name, **options):
    return lambda xp, x: getattr(xp.fft, name)(x, **options)


def by_torch(name, axis=None, axes=None, **options):
    """PyTorch says dim for axis and axes."""
    if axis is not None or axes is not None:
        options["dim"] = axes if axis is None else axis
    return transformed(name, **options)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("name", "x"), ONE_AXIS, ids=[name for name, _ in ONE_AXIS])
def test_one_axis(name, x, norm):
    for n in (None, 1, 2, 3, 4, 5, 6, 8, 9):  # cropped, as it is, padded; odd and even
        for axis in (-1, 0):
            options = {"n": n, "axis": axis, "norm": norm}
            if n == 1 and name == "hfft":
                options["n"] = 2
            check(transformed(name, **options), x, torch_function=by_torch(name, **options), tolerance=1e-10)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("name", "x"), AXES, ids=[name for name, _ in AXES])
def test_several_axes(name, x, norm):
    for options in (
        {},
        {"axes": (0, 2)},
        {"axes": (-1,)},
        {"axes": (2, 0)},
        {"s": (2, 7), "axes": (0, 1)},
        {"s": (4, 3), "axes": (-1, -2)},
        {"s": (4, 3, 6), "axes": (0, 1, 2)},
    ):
        options = {**options, "norm": norm}
        check(transformed(name, **options), x, torch_function=by_torch(name, **options), tolerance=1e-10)


@pytest.mark.parametrize("name", ["fft", "ifft", "fftn", "ifftn"])
def test_real_numbers_have_a_real_gradient(name):
    check(transformed(name), REAL)


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
def test_shifts(name):
    for axes in (None, 0, (0, 2), [-1]):
        found = getattr(XP.fft, name)(CUBE, axes=axes)
        numpy.testing.assert_array_equal(found, getattr(numpy.fft, name)(CUBE, axes=axes))
    check(transformed(name), CUBE)


@pytest.mark.parametrize(("name", "x"), [*ONE_AXIS, *AXES], ids=[name for name, _ in (*ONE_AXIS, *AXES)])
@pytest.mark.parametrize("norm", NORMS)
def test_values_are_the_library_s_own(name, x, norm):
    below = namespace_of(x)
    numpy.testing.assert_array_equal(getattr(XP.fft, name)(x, norm=norm), getattr(below.fft, name)(x, norm=norm))
    lengths = {"n": 6} if name in dict(ONE_AXIS) else {"s": (4, 6), "axes": (0, 2)}
    found, expected = (getattr(space.fft, name)(x, norm=norm, **lengths) for space in (XP, below))
    numpy.testing.assert_array_equal(found, expected)


def test_an_inverse_undoes_its_transform_in_the_gradient_too():
    for there, back, x, options in (
        ("fft", "ifft", COMPLEX, {}),
        ("rfft", "irfft", REAL, {"n": 5}),
        ("hfft", "ihfft", COMPLEX, {"n": 9}),
        ("ihfft", "hfft", REAL, {"n": 5}),
    ):
        x = x + 0 if there != "hfft" else x - 1j * numpy.imag(x) * (numpy.arange(5) == 0)  # the first one is real
        weight = RNG.standard_normal(x.shape)

        def loss(x, there=there, back=back, options=options, weight=weight):
            xp = namespace_of(x)
            first = {"n": options["n"]} if there == "hfft" else {}
            y = getattr(xp.fft, back)(getattr(xp.fft, there)(x, **first), **({} if first else options))
            return xp.sum((xp.real(y) if "complex" in str(y.dtype) else y) * weight)

        numpy.testing.assert_allclose(grad(loss)(x), weight, rtol=1e-12, atol=1e-12)


def test_float32_stays():
    for name in ("fft", "rfft", "irfft", "fftn", "rfftn", "hfft", "ihfft"):
        x = (COMPLEX if name not in ("rfft", "rfftn", "ihfft") else REAL).astype(
            "complex64" if name not in ("rfft", "rfftn", "ihfft") else "float32"
        )

        def loss(x, name=name):
            xp = namespace_of(x)
            y = getattr(xp.fft, name)(x)
            assert str(y.dtype) in ("complex64", "float32")
            return xp.sum(xp.abs(y))

        value, gradient = value_and_grad(loss)(x)
        assert value.dtype == numpy.float32
        assert gradient.dtype == x.dtype


def test_a_wrong_norm_or_length():
    with pytest.raises(ValueError, match="expected norm 'backward', 'ortho' or 'forward', got 'unitary'"):
        XP.fft.fft(COMPLEX, norm="unitary")
    with pytest.raises(ValueError, match="0"):
        grad(lambda x: namespace_of(x).sum(namespace_of(x).fft.irfft(x, n=0)))(COMPLEX)


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_axes_named_twice_are_refused(name):
    def f(x):
        xp = namespace_of(x)
        x = x if "r" in name else xp.astype(x, xp.complex128)
        return xp.sum(xp.abs(getattr(xp.fft, name)(x, axes=(0, -2))))

    with pytest.raises(ValueError, match=r"expected different axes to transform, got \(0, -2\) of 2 axes"):
        grad(f)(numpy.ones((3, 4)))
