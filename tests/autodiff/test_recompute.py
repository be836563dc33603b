"""Recomputing: the same bits as without, models and buffers included, less memory, no gradient lost in a closure."""

from functools import partial

import numpy
import pytest
from autodiff_blocks import X, network, same, total

import xpnn
from xpnn import differentiable, grad, jvp, recompute, stop_gradient, testing, value_and_grad, vjp
from xpnn.arrays.namespaces import namespace_of


def squares(y):
    return total(y * y)


# The same bits


@pytest.mark.parametrize("way", ["argument", "itself", "method", "keyword", "in a tree", "partial", "in parts"])
def test_models_with_dropout_and_running_statistics_give_the_same_bits(way):
    def forward(model, x):
        if way == "argument":
            return recompute(lambda model, x: model(x))(model, x)
        if way == "itself":
            return recompute(model)(x)
        if way == "method":
            return recompute(model.forward)(x)
        if way == "keyword":
            return recompute(lambda x, *, net: net(x))(x, net=model)
        if way == "in a tree":
            return recompute(lambda p: p["nets"][0](p["x"]))({"nets": [model], "x": x})
        if way == "partial":
            return recompute(partial(lambda model, x: model(x), model))(x)
        for part in model:
            x = recompute(part)(x)
        return x

    plain, saving = network(), network()
    for _ in range(3):  # steps: buffers go on from one to the next
        a = value_and_grad(lambda model, x: squares(model(x)), argnums=(0, 1))(plain, X)
        b = value_and_grad(lambda model, x: squares(forward(model, x)), argnums=(0, 1))(saving, X)
        same(a, b)
        same(plain.state_dict(), saving.state_dict())
    assert saving[2].calls == 3


def test_higher_derivatives_of_a_model_give_the_same_numbers():
    x, v = X.astype("float64"), X.astype("float64") ** 2
    results = []
    for wrap in (lambda f: f, recompute):
        model = network().to(dtype="float64")

        def penalty(model, x, wrap=wrap):
            slope = grad(lambda x, model: squares(wrap(lambda m, x: m(x))(model, x)))(x, model)
            return squares(slope)

        tangent = jvp(lambda x, model=model: penalty(model, x), (x,), (v,))
        results.append((grad(penalty, argnums=(0, 1))(model, x), tangent, model.state_dict()))
    for one, other in zip(*(xpnn.arrays.tree.flatten(tree)[0] for tree in results), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)  # sums may be in another order


def test_a_way_back_that_is_walked_twice_and_later():
    model = network()
    y, back = vjp(lambda x: recompute(model)(x), X)
    model.eval()  # the block is run again as it was
    before = model.state_dict()
    first, second = back(y), back(y)
    same(first, second)
    same(before, model.state_dict())
    twin = network()
    same(first, vjp(lambda x: twin(x), X)[1](y))


def test_values_of_all_kinds_come_out_as_they_are():
    def block(x, n, name, factor=2.0):
        xp = namespace_of(x)
        return {"y": x * n * factor, "most": xp.argmax(x), "name": name, "none": None, "pair": (x, xp.ones(2), True)}

    def f(x):
        out = recompute(block)(x, 3, "word", factor=1.5)
        assert int(out["most"]) == 2
        assert (out["name"], out["none"], out["pair"][2]) == ("word", None, True)
        return total(out["y"] * out["pair"][0]) + total(out["pair"][1])

    x = numpy.asarray([1.0, 2.0, 3.0])
    value, gradient = value_and_grad(f)(x)
    assert value == 4.5 * 14 + 2
    assert gradient.tolist() == [9, 18, 27]
    assert recompute(block)(x, 3, "word")["most"] == 2


def test_outside_a_differentiation_it_is_the_function():
    assert recompute(lambda x: x * 2)(3.0) == 6
    assert type(recompute(lambda x: x * 2)(X)) is numpy.ndarray
    assert recompute(squares).__name__ == "squares"
    assert grad(lambda x: x * recompute(lambda y: float(y) * 2)(3.0))(1.0) == 6


def test_on_other_places_all_checks_pass():
    block = lambda x, w: namespace_of(x, w).tanh(x @ w) * 2.0  # noqa: E731
    w = X[:3, :2] + 0.1
    testing.check(lambda x: recompute(block)(x, namespace_of(x).asarray(w, dtype=x.dtype, device=x.device)), X)
    for place in testing.places():
        testing.check_gradient(recompute(block), *place.put((X, w)), name=place.name)


def test_only_gradients_that_are_asked_for_are_computed():
    runs = []

    @differentiable
    def counted(x, w):
        def dx(dy):
            runs.append("x")
            return dy * w

        return x * w, (dx, None)

    block = recompute(lambda x, w: counted(x, w))
    assert grad(lambda x: block(x, numpy.asarray(3.0)))(2.0) == 3
    # w belongs to another level, and has no derivative
    assert grad(lambda w: grad(lambda x: block(x, stop_gradient(w)))(2.0) * w)(3.0) == 3
    assert runs == ["x"] * 2


def test_a_block_is_run_once_more_for_all_its_arguments():
    runs = []

    def block(x, w, b):
        runs.append(1)
        return x * w + b

    assert grad(lambda *args: recompute(block)(*args) * 2.0, argnums=(0, 1, 2))(2.0, 3.0, 4.0) == (6, 4, 2)
    assert len(runs) == 2


# What would go wrong silently raises


def test_a_tensor_in_the_closure_raises():
    model = network()
    held = {}

    def by_default(x, w=None):
        return x * w

    def f(w, x=2.0):
        held["w"] = w
        by_default.__defaults__ = (w,)
        return x * w

    class Holder:
        def __init__(self, w):
            self.w = w

        def block(self, x):
            return x * self.w

    cases = {
        "w": lambda w: recompute(lambda x: x * w)(w * 1.0),
        "w of an outer level": lambda w: grad(lambda x: recompute(lambda x: x * w)(x))(2.0) * w,
        "w in a list": lambda w: recompute(lambda x, ws: x * ws[0])(w * 1.0, [w]) * recompute(_user([w]))(w * 1.0),
        "w in a helper": lambda w: recompute(lambda x: _user(w)(x))(w * 1.0),
        "w by default": lambda w: f(w) * recompute(by_default)(w * 1.0),
        "w by a keyword's default": lambda w: recompute(_by_keyword(w))(w * 1.0),
        "w of an object": lambda w: recompute(Holder(w).block)(w * 1.0),
        "w by partial in a closure": lambda w: recompute(_calling(partial(_times, w)))(w * 1.0),
    }
    for name, case in cases.items():
        with pytest.raises(TypeError, match=r"xpnn\.recompute: .*would be lost: make it an argument"):
            print(name, grad(case)(3.0))
    with pytest.raises(TypeError, match=r"block .* uses `factor`"):
        grad(lambda w: recompute(_by_keyword(w))(w * 1.0))(3.0)
    with pytest.raises(TypeError, match=r"<lambda> \(at test_recompute\.py:\d+\) uses `model`"):
        grad(lambda model: squares(recompute(lambda x: model(x))(model[0].weight)))(model)

    def too_deep(w):  # for anybody to look there
        nest = {1: {2: {3: {4: {5: [w]}}}}}
        return recompute(lambda x: x * nest[1][2][3][4][5][0])(w)

    with pytest.raises(TypeError, match=r"not one of its arguments.*\(at test_recompute\.py:\d+\)"):
        grad(too_deep)(3.0)
    with pytest.raises(TypeError, match=r"not one of its arguments"):
        grad(lambda w: recompute(lambda x, hide: x * hide())(w * 1.0, Hiding(w)))(3.0)


class Hiding:
    """An argument that is no tree and holds a Tensor."""

    def __init__(self, w):
        self.w = w

    def __call__(self):
        return self.w


def _user(w):
    return lambda x: x * (w[0] if isinstance(w, list) else w)


def _calling(g):
    return lambda x: g(x)


def _by_keyword(w):
    def block(x, *, factor=w):
        return x * factor

    return block


def _times(w, x):
    return x * w


def test_a_model_with_buffers_in_the_closure_raises_unless_it_is_in_evaluation():
    teacher = network()
    f = lambda x: squares(recompute(lambda x: teacher(x))(x))  # noqa: E731
    with pytest.raises(TypeError, match=r"uses the model `teacher`, in training and with the buffer 2\.calls"):
        grad(f)(X)
    teacher.eval()
    same(grad(f)(X), grad(lambda x: squares(network().eval()(x)))(X))


def test_writing_into_an_argument_raises():
    def block(x):
        x *= 2.0
        return x * x

    with pytest.raises(TypeError, match=r"block \(at .*writes into one of its arguments.*copy=True"):
        grad(lambda x: total(recompute(block)(x * 1.0)))(numpy.asarray([3.0]))
    with pytest.raises(TypeError, match=r"writes into one of its arguments"):  # through a view
        grad(lambda x: total(recompute(lambda x: block(x[1:]))(x)))(numpy.asarray([3.0, 1.0]))
    fresh = lambda x: block(namespace_of(x).asarray(x, copy=True))  # noqa: E731
    assert grad(lambda x: total(recompute(fresh)(x * 1.0)))(numpy.asarray([3.0])) == 24
    assert grad(lambda x: recompute(block)(x * 1.0))(3.0) == 24  # a scalar: `*=` only gives the name another value


def test_what_a_block_leaves_elsewhere_raises_when_it_is_used():
    """Each of these would lose the gradient of what was left; without recompute it is 4 x."""
    x = numpy.asarray([1.0, 2.0, 3.0])
    where = lambda: type("Anywhere", (), {"y": []})()  # noqa: E731

    def left(place):
        def block(x):
            place.y.append(total(x * x))
            return x * x

        return block

    def as_attribute(place):
        def block(x):
            place.y = [total(x * x)]
            return x * x

        return block

    for leave in (left, as_attribute):

        def loss(x, leave=leave, wrap=recompute):
            place = where()
            return total(wrap(leave(place))(x)) + place.y[0]

        assert grad(lambda x, loss=loss: loss(x, wrap=lambda f: f))(x).tolist() == [4, 8, 12]
        for transform in (grad, value_and_grad, lambda f: lambda x: jvp(f, (x,), (x,)), lambda f: grad(grad_norm(f))):
            with pytest.raises(RuntimeError, match=r"has ended.*\(at test_recompute\.py:\d+\)"):
                transform(loss)(x)
    with pytest.raises(TypeError, match=r"float\(\) of a Tensor whose differentiation has ended"):
        grad(lambda x: (lambda place: total(recompute(left(place))(x)) * float(place.y[0]))(where()))(x)
    place = where()
    with pytest.raises(RuntimeError, match="has ended"):
        value_and_grad(lambda x: (total(recompute(left(place))(x)), place.y[-1] * 2.0), aux=True)(x)

    def inside_another(x):
        place = where()
        return total(recompute(lambda x: recompute(left(place))(x) + place.y[0])(x))

    with pytest.raises(RuntimeError, match="has ended"):
        grad(inside_another)(x)


def grad_norm(f):
    return lambda x: squares(grad(f)(x))


def test_a_constant_may_be_left_elsewhere():
    seen = []

    def block(x):
        seen.append(stop_gradient(total(x)))
        return x * x

    x = numpy.asarray([1.0, 2.0])
    assert grad(lambda x: total(recompute(block)(x)) * seen[0])(x).tolist() == [6, 12]


def test_a_write_into_an_array_of_the_caller_raises():
    def carrying(y, x):
        y[0] = x[0] * 2.0

    def counting(y, x):
        y[0] = y[0] + 1.0

    def into_a_view(y, x):
        y[:2] *= x[:2]

    for write in (carrying, counting, into_a_view):

        def loss(x, write=write):
            y = namespace_of(x).zeros(3, dtype=x.dtype)

            def block(x):
                write(y, x)
                return x * x

            return total(recompute(block)(x)) + total(y)

        def deep(x, write=write):
            nest = {1: {2: {3: {4: {5: [namespace_of(x).zeros(3, dtype=x.dtype)]}}}}}  # for anybody to look there

            def block(x):
                write(nest[1][2][3][4][5][0], x)
                return x * x

            return total(recompute(block)(x)) + total(nest[1][2][3][4][5][0])

        for f in (loss, lambda x, loss=loss: squares(grad(loss)(x))):
            with pytest.raises(TypeError, match=r"block \(at test_recompute\.py:\d+\) writes into `y`, .*return it"):
                grad(f)(X[0])
        if write is not counting:
            with pytest.raises(RuntimeError, match="has ended"):
                grad(deep)(X[0])


def test_a_changed_list_or_dictionary_among_the_arguments_raises():
    def appending(x, parts):
        parts["some"].append(x * x)
        return x * x

    def replacing(x, parts):
        parts["one"] = x * x
        return x * x

    for block in (appending, replacing):
        with pytest.raises(TypeError, match=rf"{block.__name__} \(at .*changes a list or dictionary among its arg"):
            grad(lambda x, block=block: total(recompute(block)(x, {"some": [x], "one": x})))(X)


def test_arguments_and_views_come_out_as_such():
    x = numpy.asarray([1.0, 2.0, 3.0])

    def itself(wrap, x):
        x = x * 1.0
        y = wrap(lambda x: x)(x)
        y += 1.0  # x is y
        return total(x * y)

    def view_of_an_argument(wrap, x):
        x = x * 1.0
        y, z = wrap(lambda x: (x[1:], x * x))(x)
        x[2] = x[0] * 5.0  # seen in y
        return total(y * y * z[1:])

    def alone(wrap, x):
        y = wrap(lambda x: namespace_of(x).reshape(x * x, (3, 1)))(x)
        y *= 2.0
        return total(y * y)

    def views_of_one_array(wrap, x):
        def block(x):
            y = x * x
            return y, y[:2], y[1:]

        y, first, last = wrap(block)(x)
        y[1] = y[0]
        return total(y * y) + total(first * last)

    def twice_the_same(wrap, x):
        y, z = wrap(lambda x: (lambda y: (y, y))(x * x))(x)
        y *= 2.0
        return total(y * z)

    def a_constant(wrap, x):
        c = namespace_of(x).ones(3, dtype=x.dtype)
        d, y = wrap(lambda x, c: (c[:2], x * c))(x, c)
        c[0] = x[2]
        return total(d * y[:2])

    for f in (itself, view_of_an_argument, alone, views_of_one_array, twice_the_same, a_constant):
        expected, found = (value_and_grad(lambda x, w=wrap, f=f: f(w, x))(x) for wrap in (lambda g: g, recompute))
        same(found, expected)
        expected, found = (
            grad(lambda x, w=wrap, f=f: squares(grad(lambda x: f(w, x))(x)))(x) for wrap in (lambda g: g, recompute)
        )
        numpy.testing.assert_allclose(found, expected, rtol=1e-13)  # sums may be in another order
    grad(lambda x: total(x) if recompute(lambda x: x)(x) is x else pytest.fail("another Tensor"))(x)
    with pytest.raises(ValueError, match=r"shows elements of another one.*copy=True"):  # loud where it is not right
        grad(lambda x: total(recompute(lambda x: x[1:])(x).__imul__(2.0)))(x)


def test_errors_of_the_function_pass_through():
    with pytest.raises(KeyError, match="on purpose"):
        grad(recompute(lambda x: {}["on purpose"]))(1.0)
