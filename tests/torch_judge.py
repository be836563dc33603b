"""PyTorch as the judge of gradients in first and second order: the same function of both, the same random loss."""

import numpy
import pytest

from xpnn import grad
from xpnn.arrays.namespaces import namespace_of

RNG = numpy.random.default_rng(11)


def real(*shape):
    return RNG.standard_normal(shape) + 2 * numpy.eye(*shape[-2:]) if len(shape) > 1 else RNG.standard_normal(shape)


def both(*shape):
    return real(*shape) + 1j * RNG.standard_normal(shape)


def number(xp, y, seed=0):
    """A real number that depends on all of `y`, or of a tuple of arrays, and on the phases of complex ones."""
    total = 0
    for part in y if isinstance(y, tuple) else (y,):
        generator = numpy.random.default_rng(seed)
        weight = generator.standard_normal(part.shape)
        square, linear = part * part * xp.asarray(weight), part * xp.asarray(generator.standard_normal(part.shape))
        complexes = "complex" in str(part.dtype)
        total = total + sum(xp.sum(xp.real(term) if complexes else term) for term in (square, linear))
    return total


def ours(function, *args):
    """The gradients, and the gradients of their inner product with fixed arrays."""
    every = tuple(range(len(args)))

    def loss(*arrays):
        xp = namespace_of(*arrays)
        return number(xp, function(xp, *arrays))

    def slope(*arrays):
        return sum(number(namespace_of(g), g, seed=3) for g in grad(loss, argnums=every)(*arrays))

    return [*grad(loss, argnums=every)(*args), *grad(slope, argnums=every)(*args)]


def theirs(function, *args):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these gradients")
    arrays = [torch.tensor(a, requires_grad=True) for a in args]
    first = torch.autograd.grad(number(torch, function(torch, *arrays)), arrays, create_graph=True)
    slope = sum(number(torch, g, seed=3) for g in first)
    second = torch.autograd.grad(slope, arrays)
    return [g.detach().resolve_conj().numpy() for g in (*first, *second)]


def check(function, *args, tolerance=1e-9, torch_function=None):
    """Equal gradients; the second ones lose digits where the inverse of a gap is squared."""
    for a, b in zip(ours(function, *args), theirs(torch_function or function, *args), strict=True):
        numpy.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, numpy.max(numpy.abs(b))))


def adjoint(xp, x):
    return xp.conj(x).mT if is_complex_array(x) else x.mT


def is_complex_array(x):
    return "complex" in str(x.dtype)


def called(name, **options):
    return lambda xp, *args: getattr(xp.linalg, name)(*args, **options)


MATRICES = [
    pytest.param(make(*shape), id=f"{make.__name__} {shape}") for make in (real, both) for shape in ((3, 3), (2, 3, 3))
]
SHAPES = [
    pytest.param(make(*shape), id=f"{make.__name__} {shape}")
    for make in (real, both)
    for shape in ((3, 3), (2, 4, 3), (2, 3, 5))
]


def tuple_of(y):
    return tuple(y) if isinstance(y, tuple) else y


MATRICES = [
    pytest.param(make(*shape), id=f"{make.__name__} {shape}") for make in (real, both) for shape in ((3, 3), (2, 3, 3))
]
SHAPES = [
    pytest.param(make(*shape), id=f"{make.__name__} {shape}")
    for make in (real, both)
    for shape in ((3, 3), (2, 4, 3), (2, 3, 5))
]
