"""Transforms inside transforms: levels are never confused, and all of them agree with closed forms to third order."""

import itertools

import numpy
import pytest

import xpnn
from xpnn import grad, hessian, hvp, jacobian, jvp, recompute, value_and_grad, vjp
from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.native import to_host

# torch.func scripts functions when it is first used
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def on_numpy(x):
    return numpy.asarray(x, dtype="float64")


@pytest.fixture
def put(place):
    return lambda x: place.asarray(x, dtype="float64")


def total(x):
    return namespace_of(x).sum(x)


def one(x):
    """The number 1 beside `x`, without a derivative."""
    return namespace_of(x).ones_like(xpnn.stop_gradient(x))


# Each way to differentiate a function of one number once
ONCE = {
    "grad": grad,
    "value_and_grad": lambda f: lambda x: value_and_grad(f)(x)[1],
    "vjp": lambda f: lambda x: vjp(f, x)[1](one(x))[0],
    "jvp": lambda f: lambda x: jvp(f, (x,), (one(x),))[1],
    "jacobian": jacobian,
    "recomputed grad": lambda f: grad(recompute(f)),
    "grad recomputed": lambda f: recompute(grad(f)),
    "grad of aux": lambda f: lambda x: grad(lambda x: (f(x), x), aux=True)(x)[0],
}
TWICE = {"hessian": hessian, "hvp": lambda f: lambda x: hvp(f, (x,), (one(x),))[0]}


def wave(x):
    xp = namespace_of(x)
    return xp.sin(2.0 * x) * x


def wave_derivatives(x):
    s, c = numpy.sin(2 * x), numpy.cos(2 * x)
    return [x * s, s + 2 * x * c, 4 * c - 4 * x * s, -12 * s - 8 * x * c]


@pytest.mark.parametrize("names", [*itertools.product(ONCE, repeat=2)], ids=" of ".join)
def test_any_transform_of_any_other(names, put):
    f = wave
    for name in reversed(names):
        f = ONCE[name](f)
    numpy.testing.assert_allclose(to_host(f(put(0.7))), wave_derivatives(0.7)[2], rtol=1e-13)  # rounding


@pytest.mark.parametrize("names", [*itertools.product(ONCE, repeat=3)], ids=" of ".join)
def test_any_transform_to_third_order(names):
    f = wave
    for name in reversed(names):
        f = ONCE[name](f)
    numpy.testing.assert_allclose(f(on_numpy(0.7)), wave_derivatives(0.7)[3], rtol=1e-13)  # rounding


@pytest.mark.parametrize("once", ONCE)
@pytest.mark.parametrize("twice", TWICE)
def test_hessians_of_derivatives_and_derivatives_of_hessians(once, twice, put):
    x, expected = put(0.7), wave_derivatives(0.7)[3]
    numpy.testing.assert_allclose(to_host(ONCE[once](TWICE[twice](wave))(x)), expected, rtol=1e-13)  # rounding
    numpy.testing.assert_allclose(to_host(TWICE[twice](ONCE[once](wave))(x)), expected, rtol=1e-13)


# Confusion of levels


@pytest.mark.parametrize("inner", [name for name in ONCE if "recomputed" not in name])  # it refuses closures
@pytest.mark.parametrize("outer", ONCE)
def test_perturbations_are_not_confused(outer, inner, put):
    """Siskind and Pearlmutter (2005): d/dx (x d/dy (x + y)) = 1, not 2; then with values at which they show."""
    outer, inner = ONCE[outer], ONCE[inner]
    assert float(outer(lambda x: x * inner_at(inner, lambda x, y: x + y, x, one(x)))(put(1.0))) == 1
    assert float(outer(lambda x: x * inner_at(inner, lambda x, y: x * y, x, 2.0 * one(x)))(put(3.0))) == 6
    assert float(outer(lambda x: inner_at(inner, lambda x, y: x * y * y, x, x))(put(3.0))) == 12


def inner_at(inner, f, x, y):
    """d/dy f(x, y): f closes over x."""
    return inner(lambda y: f(x, y))(y)


def test_sibling_derivatives_do_not_touch_one_another():
    f = lambda x: grad(lambda y: y**2)(x) * jvp(lambda y: y**3, (x,), (one(x),))[1] + hessian(lambda y: y**4)(x)  # noqa: E731
    assert float(grad(f)(2.0)) == 18 * 4 + 24 * 2  # 2x 3x² + 12x²


def test_back_of_vjp_is_called_at_any_level():
    _, back = vjp(lambda x: x**3, on_numpy(2.0))
    # 12 v: linear in v, at the levels of others
    assert float(grad(lambda v: back(v)[0] ** 2)(3.0)) == 2 * 12 * 12 * 3
    assert float(grad(grad(lambda v: back(v)[0] * v))(3.0)) == 24
    assert float(jvp(lambda v: back(v)[0], (3.0,), (1.0,))[1]) == 12

    def within(x):
        _, back = vjp(lambda y: y**3 * x, x)  # 3 y² x = 3 x³ at y = x
        return grad(lambda v: back(v)[0] * v)(x) * back(one(x))[0]  # 2 v 3x³ = 6 x⁴, times 3 x³

    assert float(grad(within)(2.0)) == 18 * 7 * 2**6


def test_back_of_vjp_outside_the_differentiation_it_was_made_in_raises():
    kept = []

    def f(x):
        y, back = vjp(lambda z: z * z * x, x)
        kept.append(back)
        return y

    grad(f)(2.0)
    with pytest.raises(RuntimeError, match="has ended"):
        kept[0](1.0)


def test_tangents_and_primals_of_different_levels():
    # d/dv of J v, and d/dx of it, with the other one constant
    assert float(grad(lambda v: jvp(lambda x: x**3, (2.0,), (v,))[1])(5.0)) == 12
    assert float(grad(lambda x: jvp(lambda x: x**3, (x,), (5.0,))[1])(2.0)) == 60
    assert float(grad(lambda x: hvp(lambda x: x**4, (x,), (x,))[0])(2.0)) == 12 * 3 * 4


def test_a_gradient_penalty():
    """The usual second-order loss: the gradient with respect to the input, inside a loss of the parameters."""
    torch = pytest.importorskip("torch")
    generator = numpy.random.default_rng(0)
    w, v, x = (generator.standard_normal(shape) for shape in ((4, 3), (4,), (5, 3)))

    def loss(w, v, x):
        score = lambda x: total(namespace_of(x, w).tanh(x @ w.T) @ v)  # noqa: E731
        return total((namespace_of(x, w).sum(grad(score)(x) ** 2, axis=1) - 1) ** 2) + score(x)

    def judge(w, v, x):
        score = lambda x: (torch.tanh(x @ w.T) @ v).sum()  # noqa: E731
        return ((torch.func.grad(score)(x) ** 2).sum(dim=1) - 1).pow(2).sum() + score(x)

    theirs = [torch.tensor(a) for a in (w, v, x)]
    numbers = (0, 1, 2)
    for a, b in zip(grad(loss, argnums=numbers)(w, v, x), torch.func.grad(judge, numbers)(*theirs), strict=True):
        numpy.testing.assert_allclose(a, b.numpy(), rtol=1e-11, atol=1e-12)
    ours, expected = hessian(loss, argnums=(0, 1))(w, v, x), torch.func.hessian(judge, (0, 1))(*theirs)
    for i, j in itertools.product((0, 1), repeat=2):
        numpy.testing.assert_allclose(ours[i][j], expected[i][j].numpy(), rtol=1e-10, atol=1e-11)


def test_third_derivatives_of_an_array_function_as_in_pytorch(put):
    torch = pytest.importorskip("torch")
    x = numpy.asarray([0.3, -1.2, 0.8])

    def f(x):
        xp = namespace_of(x)
        return xp.exp(-x) * xp.sum(x * x) + x[0] * x[1] * x[2]

    def judge(x):
        return torch.exp(-x) * (x * x).sum() + x[0] * x[1] * x[2]

    ours = jacobian(jacobian(jacobian(f)))(put(x))
    jac = torch.func.jacrev
    expected = jac(jac(jac(judge)))(torch.tensor(x)).numpy()
    numpy.testing.assert_allclose(to_host(ours), expected, rtol=1e-11, atol=1e-12)
    of_hessian = jacobian(hessian(lambda x: total(f(x))))(put(x))
    numpy.testing.assert_allclose(to_host(of_hessian), expected.sum(axis=0), rtol=1e-11, atol=1e-12)


def test_recomputed_blocks_inside_one_another_to_third_order():
    def inside(y, x):
        return y * y * x

    def block(x):
        return recompute(inside)(x, x) * recompute(lambda z: namespace_of(z).sin(z))(x)

    plain = lambda x: x**3 * namespace_of(x).sin(x)  # noqa: E731
    f, g = recompute(block), plain
    for _ in range(3):
        f, g = grad(f), grad(g)
        numpy.testing.assert_allclose(f(0.8), g(0.8), rtol=1e-14)
