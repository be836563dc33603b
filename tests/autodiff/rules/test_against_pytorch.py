"""Gradients of the standard's functions against PyTorch's, real and complex, float64: one judge from outside."""

import numpy
import pytest

from xpnn import grad
from xpnn.arrays.namespaces import namespace_of

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed; it judges these gradients (pip install torch==2.13.0)"
)

RNG = numpy.random.default_rng(7)
REAL = RNG.uniform(0.2, 0.9, (3, 4))
OTHER = RNG.uniform(0.2, 0.9, (3, 4))
COMPLEX = RNG.uniform(0.2, 0.9, (3, 4)) + 1j * RNG.uniform(-0.9, 0.9, (3, 4))
COMPLEX_OTHER = RNG.uniform(0.2, 0.9, (3, 4)) + 1j * RNG.uniform(-0.9, 0.9, (3, 4))

UNARY = (
    "exp expm1 log log1p log2 log10 sqrt reciprocal square sin cos tan asin acos atan sinh cosh tanh asinh atanh abs "
    "negative positive".split()
)
COMPLEX_UNARY = (
    "exp log sqrt reciprocal square sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh abs real imag "
    "conj".split()
)
BINARY = "add subtract multiply divide pow maximum minimum logaddexp hypot atan2 remainder copysign".split()
COMPLEX_BINARY = "add subtract multiply divide pow matmul".split()
TORCH_NAMES = {"pow": "pow", "conj": "conj_physical", "remainder": "remainder", "vecdot": "linalg.vecdot"}


def ours(name, *args, **options):
    """The gradient of sum(|f|^2) + sum(real(f)), which shows real and imaginary parts."""

    def loss(*arrays):
        xp = namespace_of(*arrays)
        y = getattr(xp, name)(*arrays, **options)
        return xp.sum(xp.real(y * xp.conj(y))) + xp.sum(xp.real(y)) if "complex" in str(y.dtype) else xp.sum(y * y + y)

    return grad(loss, argnums=tuple(range(len(args))))(*args)


def theirs(name, *args):
    arrays = [torch.tensor(a, requires_grad=True) for a in args]
    y = getattr(torch, TORCH_NAMES.get(name, name))(*arrays)
    total = (y * y.conj()).real.sum() + y.real.sum() if y.is_complex() else (y * y + y).sum()
    total.backward()
    return [a.grad.resolve_conj().numpy() for a in arrays]


def check(name, *args):
    for a, b in zip(ours(name, *args), theirs(name, *args), strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    check(name, REAL)


@pytest.mark.parametrize("name", COMPLEX_UNARY)
def test_complex_unary(name):
    check(name, COMPLEX)


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    check(name, REAL, OTHER)


@pytest.mark.parametrize("name", COMPLEX_BINARY)
def test_complex_binary(name):
    other = COMPLEX_OTHER.T.copy() if name == "matmul" else COMPLEX_OTHER
    check(name, COMPLEX, other)


@pytest.mark.parametrize("name", ["multiply", "divide", "add"])
def test_real_beside_complex_has_a_real_gradient(name):
    check(name, REAL, COMPLEX)
    assert ours(name, REAL, COMPLEX)[0].dtype == numpy.float64


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "prod", "max", "min"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_reductions(name, axis):
    def loss(x):
        xp = namespace_of(x)
        y = getattr(xp, name)(x, axis=axis)
        return xp.sum(y * y)

    x = torch.tensor(REAL, requires_grad=True)
    options = {"correction": 0} if name in ("var", "std") else {}
    function = {"max": torch.amax, "min": torch.amin}.get(name, getattr(torch, name))
    if axis is not None:
        options["dim"] = axis
    (function(x, **options) ** 2).sum().backward()
    numpy.testing.assert_allclose(grad(loss)(REAL), x.grad.numpy(), rtol=1e-11, atol=1e-12)
