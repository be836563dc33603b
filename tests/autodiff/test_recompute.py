"""Recomputing: the same bits as without, models and buffers included, less memory, no gradient lost in a closure."""

import gc
import tracemalloc
import weakref
from functools import partial

import array_api_strict
import numpy
import pytest

import xpnn
from xpnn import differentiable, grad, jvp, nn, recompute, stop_gradient, testing, value_and_grad, vjp
from xpnn.arrays.namespaces import namespace_of

X = numpy.random.default_rng(0).standard_normal((5, 3)).astype("float32")


def total(x):
    return namespace_of(x).sum(x)


def same(a, b):
    """The same bits, in trees too."""
    (a, _), (b, _) = (xpnn.arrays.tree.flatten(tree) for tree in (a, b))
    assert len(a) == len(b) > 0
    for one, other in zip(a, b, strict=True):
        assert one.dtype == other.dtype
        numpy.testing.assert_array_equal(one, other)


class Normalizing(nn.Module):
    """A layer whose running mean is written in each call, and used in the next."""

    def __init__(self):
        self.scale = nn.Parameter(numpy.ones(3, dtype="float32"))
        self.mean = nn.Buffer(numpy.zeros(3, dtype="float32"))

    def forward(self, x):
        xp = namespace_of(x)
        y = (x - self.mean * 1.0) * self.scale
        self.mean[...] = 0.5 * self.mean + 0.5 * stop_gradient(xp.mean(x, axis=0))
        return y


def network():
    return nn.Sequential(
        nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.4), nn.Linear(8, 3), Normalizing(), nn.Dropout(0.2)
    ).initialize(seed=1)


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
        "w of an object": lambda w: recompute(Holder(w).block)(w * 1.0),
        "w by partial in a closure": lambda w: recompute(_calling(partial(_times, w)))(w * 1.0),
    }
    for name, case in cases.items():
        with pytest.raises(TypeError, match=r"xpnn\.recompute: .*would be lost: make it an argument"):
            print(name, grad(case)(3.0))
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
        grad(lambda x: recompute(block)(x * 1.0))(3.0)
    fresh = lambda x: block(namespace_of(x).asarray(x, copy=True))  # noqa: E731
    assert grad(lambda x: recompute(fresh)(x * 1.0))(3.0) == 24


def test_errors_of_the_function_pass_through():
    with pytest.raises(KeyError, match="on purpose"):
        grad(recompute(lambda x: {}["on purpose"]))(1.0)


# Memory


DEPTH, SEGMENTS = 64, 8
WIDE = numpy.full((64, 400), 0.5)


def layers(x, count):
    xp = namespace_of(x)
    for _ in range(count):
        x = xp.tanh(x * 1.5)
    return x


def deep(x):
    return total(layers(x, DEPTH))


def saving(x):
    for _ in range(SEGMENTS):
        x = recompute(layers)(x, DEPTH // SEGMENTS)
    return total(x)


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def peak(f):
    """The most arrays like WIDE that were held at once."""
    f()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        f()
        now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert now - before < WIDE.nbytes  # no array is left; Python keeps some small objects for later
    return (most - before) / WIDE.nbytes


def test_a_chain_in_segments_takes_the_memory_of_one_segment_and_the_ends(no_collector):
    same(grad(saving)(WIDE), grad(deep)(WIDE))
    plain, less = peak(lambda: grad(deep)(WIDE)), peak(lambda: grad(saving)(WIDE))
    # two arrays a layer of 64 (x * 1.5 and tanh), or of the 8 of one segment and the 8 ends of all; and a few gradients
    assert plain > DEPTH
    assert less < 2 * SEGMENTS + SEGMENTS + 6


def test_memory_falls_in_second_order_too(no_collector):
    both = [lambda f=f: jvp(grad(f), (WIDE,), (WIDE,)) for f in (deep, saving)]
    for one, other in zip(*(f() for f in both), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-300)  # sums in another order
    plain, less = (peak(f) for f in both)
    assert less < plain / 2


def test_a_kept_way_back_keeps_no_gradients(no_collector):
    _, back = vjp(lambda x, w: recompute(lambda x, w: x * w)(x, w), X, X)
    found = back(X)
    alive = [weakref.ref(gradient) for gradient in found]
    del found
    assert [ref() for ref in alive] == [None, None]


@pytest.mark.parametrize("strict", [False, True], ids=["numpy", "strict"])
def test_nothing_is_left_after_an_error_or_an_unused_way_back(no_collector, strict):
    alive = []
    x = array_api_strict.asarray(X, device=array_api_strict.Device("device1")) if strict else X

    def block(parts, model):
        y = parts["x"] * 2.0
        alive.append(weakref.ref(y))
        return {"y": y * y}

    def f(x, model, fails=False):
        y = recompute(block)({"x": x}, model)["y"]
        z = recompute(block)({"x": y}, model)["y"]
        alive.append(weakref.ref(y))
        if fails:
            raise KeyError
        return z

    model = network() if not strict else network().to(testing.places()[2].device)
    vjp(f, x, model)
    grad(lambda x: total(f(x, model)))(x)
    grad(lambda x: total(x) + 0 * total(stop_gradient(f(x, model))))(x)
    for _ in range(2):
        with pytest.raises(KeyError):
            grad(lambda x: f(x, model, fails=True))(x)
    assert [ref() for ref in alive] == [None] * len(alive)
