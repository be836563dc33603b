"""Jacobians, Hessians, products with vectors: shapes, trees, models, dtypes, PyTorch's numbers, and clear errors."""

import re

import numpy
import pytest

import xpnn.testing
from xpnn import grad, hessian, hvp, jacobian, jvp, nn, vjp
from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.native import to_host

# torch.func scripts functions when it is first used
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

GENERATOR = numpy.random.default_rng(0)
A, X = GENERATOR.standard_normal((4, 3)), GENERATOR.standard_normal((3, 2))


def total(x):
    return namespace_of(x).sum(x)


def product(a, x):
    xp = namespace_of(a, x)
    return xp.tanh(xp.matmul(a, x))


def close(a, b, rtol=1e-12):
    numpy.testing.assert_allclose(to_host(a), to_host(b), rtol=rtol, atol=1e-13)


# Shapes and numbers


def test_as_in_pytorch():
    torch = pytest.importorskip("torch")
    func = torch.func
    judge = lambda a, x: torch.tanh(a @ x)  # noqa: E731
    a, x = torch.tensor(A), torch.tensor(X)
    for argnums in (0, 1):
        close(jacobian(product, argnums=argnums)(A, X), func.jacrev(judge, argnums)(a, x).numpy())
    both = jacobian(product, argnums=(1, -2))(A, X)
    assert [j.shape for j in both] == [(4, 2, 3, 2), (4, 2, 4, 3)]
    square, judge_square = lambda a, x: total(product(a, x) ** 2), lambda a, x: (judge(a, x) ** 2).sum()
    ours, theirs = hessian(square, argnums=(0, 1))(A, X), func.hessian(judge_square, (0, 1))(a, x)
    for i in (0, 1):
        for j in (0, 1):
            close(ours[i][j], theirs[i][j].numpy())
    da, dx = 0.3 * A + 1, X * X
    value, tangent = jvp(product, (A, X), (da, dx))
    expected = func.jvp(judge, (a, x), (torch.tensor(da), torch.tensor(dx)))
    close(value, expected[0].numpy())
    close(tangent, expected[1].numpy())
    _, expected = torch.autograd.functional.hvp(judge_square, (a, x), (torch.tensor(da), torch.tensor(dx)))
    for a, b in zip(hvp(square, (A, X), (da, dx)), expected, strict=True):
        close(a, b.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_of_them_agree_keep_the_dtype_and_stay_on_the_device(place, dtype):
    a, x, w = (place.asarray(value, dtype=dtype) for value in (A, X, X * X - 0.2))
    f = lambda x: product(a, x)  # noqa: E731
    square = lambda x: total(f(x) ** 2)  # noqa: E731
    with xpnn.testing.no_device_reads():
        j, h = jacobian(f)(x), hessian(square)(x)
        y, tangent = jvp(f, (x,), (w,))
        (product_,) = hvp(square, (x,), (w,))
        again = jvp(grad(square), (x,), (w,))[1]
    rtol = 1e-4 if dtype == "float32" else 1e-12
    close(numpy.tensordot(to_host(j), to_host(w), axes=2), tangent, rtol)
    close(numpy.tensordot(to_host(h), to_host(w), axes=2), product_, rtol)
    close(again, product_, rtol)
    for found in (j, h, y, tangent, product_, again):
        assert str(found.dtype).endswith(dtype)
        assert type(found) is type(namespace_of(x).asarray(found))
        assert device_of(found) == place
    close(jacobian(f)(x[::-1, :]), jacobian(f)(namespace_of(x).flip(x, axis=0)), rtol)


def test_one_number_and_none():
    assert jacobian(lambda x: x**3)(2.0) == 12
    assert hessian(lambda x: x**3)(2.0) == 12
    assert jvp(lambda x: x**3, (2.0,), (5,)) == (8, 60)
    assert hvp(lambda x: x**3, (2.0,), (5,)) == (60,)
    empty = numpy.ones((0, 3))
    assert jacobian(lambda x: x * 2)(empty).shape == (0, 3, 0, 3)
    assert jacobian(lambda x: x[:0, :])(numpy.ones((2, 3))).shape == (0, 3, 2, 3)
    assert jacobian(total)(empty).shape == (0, 3)
    assert hessian(lambda x: total(x**2))(empty).shape == (0, 3, 0, 3)
    assert jvp(lambda x: x * 2, (empty,), (empty,))[1].shape == (0, 3)
    assert hvp(lambda x: total(x**2), (empty,), (empty,))[0].shape == (0, 3)


def test_a_constant_function_has_zeros():
    x = numpy.ones((2, 3), dtype="float32")
    for constant in (numpy.ones(4), numpy.ones(4, dtype="float32")):
        found = jacobian(lambda x, constant=constant: constant)(x)
        assert (found.shape, found.dtype, found.any()) == ((4, 2, 3), numpy.float32, False)
    assert jvp(lambda x: numpy.ones(4), (x,), (x,))[1].tolist() == [0] * 4
    assert not hessian(total)(x).any()  # linear
    assert hessian(total)(x).shape == (2, 3, 2, 3)
    assert not hvp(total, (x,), (x,))[0].any()
    assert jacobian(lambda x: 3.0)(x).shape == (2, 3)


def test_infinite_slopes_are_quiet_where_the_gradient_is():
    x = numpy.asarray([0.0, 4.0])
    with numpy.errstate(divide="ignore"):
        assert jvp(lambda x: namespace_of(x).sqrt(x), (x,), (numpy.ones(2),))[1].tolist() == [numpy.inf, 0.25]
    assert grad(lambda x: x * 2.0)(numpy.inf) == 2
    assert jvp(lambda x: namespace_of(x).exp(x), (numpy.asarray(-numpy.inf),), (1.0,))[1] == 0


# Trees and models


def test_trees_give_trees_of_trees():
    p = {"w": numpy.asarray([2.0, 3.0]), "rest": [numpy.asarray(5.0), None]}
    f = lambda p: (p["w"] * p["rest"][0], {"sum": total(p["w"])})  # noqa: E731
    first, second = jacobian(f)(p)
    assert first["w"].tolist() == [[5, 0], [0, 5]]
    assert first["rest"][0].tolist() == [2, 3]
    assert second["sum"]["w"].tolist() == [1, 1]
    assert second["sum"]["rest"][0] == 0
    assert second["sum"]["rest"][1] is None
    h = hessian(lambda p: total(p["w"] ** 2) * p["rest"][0])(p)
    assert h["w"]["w"].tolist() == [[10, 0], [0, 10]]
    assert h["w"]["rest"][0].tolist() == h["rest"][0]["w"].tolist() == [4, 6]
    direction = {"w": numpy.asarray([1.0, 10.0]), "rest": [numpy.asarray(100.0), None]}
    value, tangent = jvp(f, (p,), (direction,))
    assert value[0].tolist() == [10, 15]
    assert tangent[0].tolist() == [205, 350]
    assert tangent[1]["sum"] == 11
    (times,) = hvp(lambda p: total(p["w"] ** 2) * p["rest"][0], (p,), (direction,))
    assert times["w"].tolist() == [410, 700]
    assert times["rest"][0] == 2 * 2 * 1 + 2 * 3 * 10


def test_models_have_jacobians_in_the_places_of_parameters():
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)).initialize(seed=0).to(dtype="float64")
    x, t = A, A[:, :1]
    loss = lambda model, x, t: nn.squared_error(model(x), t)  # noqa: E731
    j = jacobian(lambda model, x: model(x))(model, x)
    assert (type(j), j[0].weight.shape, j[2].bias.shape) == (nn.Sequential, (4, 1, 2, 3), (4, 1, 1))
    h = hessian(loss)(model, x, t)
    assert h[0].weight[2].bias.shape == (2, 3, 1)
    close(h[0].weight[2].weight, h[2].weight[0].weight.transpose(2, 3, 0, 1))
    slopes = grad(loss)(model, x, t)
    times, none, _ = hvp(loss, (model, x, t), (slopes, None, None))
    assert none is None
    blocks = [(0, "weight"), (0, "bias"), (2, "weight"), (2, "bias")]
    for i, name in blocks:
        row = getattr(h[i], name)
        parts = [(getattr(row[k], n), getattr(slopes[k], n)) for k, n in blocks]
        expected = sum(numpy.tensordot(part, v, axes=v.ndim) for part, v in parts)
        close(getattr(times[i], name), expected)
    value, tangent = jvp(loss, (model, x, t), (slopes, None, None))
    close(value, loss(model, x, t))
    close(tangent, numpy.asarray(sum((g * g).sum() for g in slopes.parameters())))
    assert all(isinstance(p, numpy.ndarray) for p in model.parameters())


def test_a_walk_through_several_values_at_once():
    walks = []

    @xpnn.differentiable
    def counted(x):
        return x * 2.0, (lambda dy: walks.append(1) or dy * 2.0,)

    def f(x):
        y = counted(x)
        return [y, y * 3.0, {"c": x}]

    _, back = vjp(f, numpy.ones(2))
    assert back([numpy.ones(2), numpy.ones(2), {"c": numpy.ones(2)}])[0].tolist() == [9, 9]
    assert len(walks) == 1


def test_auxiliary_values_options_and_keywords():
    f = lambda x, *, by=1.0: (x * by, {"twice": 2 * x})  # noqa: E731
    x = numpy.asarray([1.0, 2.0])
    j, aux = jacobian(f, aux=True)(x, by=3.0)
    assert (j.tolist(), aux["twice"].tolist()) == ([[3, 0], [0, 3]], [2, 4])
    (value, aux), tangent = jvp(f, (x,), (x,), aux=True)
    assert (value.tolist(), aux["twice"].tolist(), tangent.tolist()) == ([1, 2], [2, 4], [1, 2])
    (value, aux), back = vjp(f, x, aux=True)
    assert (value.tolist(), aux["twice"].tolist(), back(x)[0].tolist()) == ([1, 2], [2, 4], [1, 2])
    h, aux = hessian(lambda x, *, by: (total(x**by), "word"), aux=True)(x, by=3)
    assert (h.tolist(), aux) == ([[6, 0], [0, 12]], "word")
    for plain in (value, tangent, j):
        assert type(plain) is numpy.ndarray


# Complex numbers


def test_complex_numbers_as_in_pytorch():
    torch = pytest.importorskip("torch")
    z, w = (GENERATOR.standard_normal(3) + 1j * GENERATOR.standard_normal(3) for _ in range(2))
    f = lambda z: namespace_of(z).conj(z) * z * z + 2j * z  # noqa: E731
    theirs = lambda z: z.conj() * z * z + 2j * z  # noqa: E731
    value, tangent = jvp(f, (z,), (w,))
    expected = torch.func.jvp(theirs, (torch.tensor(z),), (torch.tensor(w),))
    close(value, expected[0].resolve_conj().numpy())
    close(tangent, expected[1].resolve_conj().numpy())
    real = jacobian(lambda z: namespace_of(z).real(f(z)))(z)
    close(real, torch.autograd.functional.jacobian(lambda z: theirs(z).real, torch.tensor(z)).resolve_conj().numpy())
    # the derivative of the gradient, by central differences: h² f''' and eps / h, both below 1e-8
    loss = lambda z: total(namespace_of(z).abs(f(z)) ** 2)  # noqa: E731
    difference = (grad(loss)(z + 1e-5 * w) - grad(loss)(z - 1e-5 * w)) / 2e-5
    numpy.testing.assert_allclose(hvp(loss, (z,), (w,))[0], difference, rtol=1e-7)
    complex_of_real = jvp(lambda x: x * x * (2 + 3j), (numpy.asarray(2.0),), (1.0,))[1]
    assert complex_of_real == 4 * (2 + 3j)


# Errors


def loss(w):
    return total(w * w)


MODEL = nn.Linear(3, 2).initialize(seed=0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: jacobian(loss)(numpy.ones(2, dtype="int64")), TypeError, r"argument 0: .*int64: write 2\.0 or xp\.as"),
        (lambda: hessian(loss)([1]), TypeError, "cannot differentiate loss .*argument 0: .*got int 1"),
        (lambda: jacobian(loss)([1]), TypeError, "cannot differentiate loss .*argument 0: .*got int 1"),
        (lambda: hvp(loss, (1,), (1.0,)), TypeError, "cannot differentiate loss .*got int 1"),
        (lambda: jvp(loss, (1,), (1.0,)), TypeError, "cannot differentiate loss.*got int 1"),
        (lambda: jacobian(lambda x: None)(1.0), TypeError, "got None: does it end with a return"),
        (lambda: jacobian(lambda x: "y")(1.0), TypeError, "to give arrays, got str 'y'"),
        (lambda: jacobian(lambda x: x > 0)(1.0), TypeError, "bool, which has no derivative: .*aux=True"),
        (lambda: jacobian(lambda x: x, aux=True)(1.0), TypeError, r"pair \(value, auxiliary\), got an array"),
        (lambda: jacobian(lambda x: x * 1j)(1.0), TypeError, r"value of <lambda> .* to be real, got complex128"),
        (lambda: hessian(lambda z: namespace_of(z).abs(z))(1j), TypeError, r"gradient of <lambda> .*xpnn\.hvp"),
        (lambda: hessian(lambda x: x)(numpy.ones(2)), ValueError, r"one number .*\(2,\): .*xpnn\.jacobian"),
        (lambda: hvp(lambda x: x, (numpy.ones(2),), (numpy.ones(2),)), ValueError, r"one number .*\(2,\)"),
        (lambda: jacobian(loss, argnums=1)(1.0), ValueError, "argument 1, but loss .* called with 1 pos"),
        (lambda: jacobian(loss, argnums="w"), TypeError, "argnums, a position or a tuple of positions.*'w'"),
        (lambda: jvp(loss, 1.0, 1.0), TypeError, r"primals in a tuple.*got float: write \(primal,\)"),
        (lambda: hvp(loss, (1.0,), 1.0), TypeError, r"tangents in a tuple.*got float: write \(tangent,\)"),
        (lambda: jvp(loss, (1.0,), (1.0, 2.0)), ValueError, "each of the 1 arguments of loss .*got 2"),
        (lambda: jvp(loss, (A,), (X,)), ValueError, r"like argument 0 of loss .*shape \(4, 3\), got \(3, 2\)"),
        (lambda: jvp(loss, (A,), (1.0,)), ValueError, r"shape \(4, 3\), got \(\)"),
        (lambda: jvp(loss, (A,), ("w",)), TypeError, "got str 'w'"),
        (lambda: jvp(loss, (A,), (A.astype("float32"),)), TypeError, r"float64, got float32: write xp\.astype"),
        (lambda: jvp(loss, (A,), (A.astype("int64"),)), TypeError, r"float64, got int64"),
        (lambda: jvp(loss, (1.0,), (1j,)), TypeError, r"float64, got complex 1j"),
        (lambda: jvp(loss, ([A, X],), ([A],)), ValueError, r"a tree of 2 arrays \[0, 1\], got 1 \[0\]"),
        (lambda: jvp(loss, ({"a": A, "b": A},), ({"b": A, "a": A},)), ValueError, r"\[a, b\], got 2 \[b, a\]"),
        (lambda: jvp(loss, (MODEL,), (A,)), ValueError, r"\[weight, bias\], got 1"),
        (lambda: vjp(loss, A)[1](X), ValueError, r"gradient of the value, of shape \(\), got \(3, 2\)"),
        (lambda: vjp(loss, A)[1](numpy.float32(1)), TypeError, "of float64, got float32"),
    ],
)
def test_each_error_names_what_was_given_and_what_was_expected(call, error, message):
    with pytest.raises(error, match=re.compile(message, re.DOTALL)):
        call()


def test_errors_say_where_the_function_is():
    line = test_errors_say_where_the_function_is.__code__.co_firstlineno + 3

    def vector(x):
        return x * 2

    for transform in (grad, hessian):
        with pytest.raises(ValueError, match=rf"vector \(at test_jacobians\.py:{line}\) to give one number"):
            transform(vector)(numpy.ones(2))
    with pytest.raises(TypeError, match=rf"argument 0 of vector \(at test_jacobians\.py:{line}\), of float64, got"):
        jvp(vector, (numpy.ones(2),), (numpy.ones(2, dtype="float32"),))


# Raw arrays of array_api_strict refuse a Tensor on their right


@xpnn.differentiable
def scaled_by_itself(x):
    """x²/2, whose backward function has the array on the left, as people write it."""
    return 0.5 * x * x, (lambda dy: x * dy,)


def test_a_backward_function_with_the_array_on_the_left_works_everywhere(place):
    f = lambda x: total(scaled_by_itself(x) * scaled_by_itself(x))  # noqa: E731
    x, w = place.asarray(X), place.asarray(X * X - 0.2)
    y, tangent = jvp(scaled_by_itself, (x,), (w,))
    close(y, 0.5 * X * X)
    close(tangent, to_host(x) * to_host(w))
    assert type(y) is type(tangent) is type(x)
    close(hvp(f, (x,), (w,))[0], 3 * X * X * to_host(w))
    # a direction that is differentiated, at a point that is not
    close(grad(lambda w: total(jvp(scaled_by_itself, (x,), (w,))[1] * w))(w), 2 * X * to_host(w))
    close(grad(lambda w: total(hvp(f, (x,), (w,))[0] * w))(w), 6 * X * X * to_host(w))
    # and the other way around
    close(grad(lambda x: total(jvp(scaled_by_itself, (x,), (w,))[1] * x))(x), 2 * X * to_host(w))
    close(grad(lambda x: total(hvp(f, (x,), (w,))[0]))(x), 6 * X * to_host(w))


def test_a_constant_tangent_inside_a_differentiation_stands_beside_tensors(place):
    x, w = place.asarray(X), place.asarray(X * X)

    def f(x):
        value, tangent = jvp(lambda y: y * 2.0, (x,), (w,))  # the tangent does not depend on x
        return total(tangent * x) + total(value)

    close(grad(f)(x), 2 * X * X + 2)
    # nothing depends on x: the value, the tangent and the auxiliary are constants
    (value, aux), tangent = jvp(lambda y: (y * w, y), (w,), (w,), aux=True)
    assert {type(value), type(aux), type(tangent)} == {type(x)}
