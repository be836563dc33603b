"""Length and memory: chains of 100 000 operations without recursion, and everything freed without the collector."""

import gc
import sys
import tracemalloc
import weakref
from contextlib import suppress

import numpy
import pytest

from xpnn import grad, hessian, hvp, jacobian, jvp, nn, recompute, value_and_grad, vjp
from xpnn.arrays.namespaces import namespace_of
from xpnn.autodiff.tape import differentiable, plain


def total(x):
    return namespace_of(x).sum(x)


def test_a_long_chain_is_differentiated_twice_without_recursion():
    def chain(x):
        y = x
        for _ in range(3000):
            y = y * 1.0
        return y * x

    # the gradient's own chain has 3000 operations forward and as many backward
    assert grad(grad(chain))(3.0) == 2.0


def test_a_long_chain_through_the_standard_operations_and_a_wide_one():
    def chain(x):
        y = x
        for _ in range(10_000):
            y = (y + x) - x
            y = y * 1.0 / 1.0
        return y

    assert grad(chain)(3.0) == 1.0
    assert grad(lambda x: total(namespace_of(x).stack([x] * 10_000)))(3.0) == 10_000


def test_a_chain_of_100_000_is_freed_without_recursion():
    def chain(x, count=100_000):
        y = x
        for _ in range(count):
            y = +y
        kept.append(y)
        return x * 1.0

    kept = []
    grad(chain)(1.0)  # the loss is not its end: nothing arrives there, and its notes are freed all the same
    kept.clear()

    @differentiable
    def failing(x):
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        grad(lambda x: failing(chain(x, 20_000)))(1.0)
    kept.clear()


# Memory


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_arrays_inside_are_freed_when_the_call_ends(no_collector, place):
    alive = []

    def f(x):
        y = x * x
        alive.append(weakref.ref(y))
        alive.append(weakref.ref(plain(y)))
        return total(y * y)

    x = place.asarray(numpy.ones(3))
    for transform in (grad, lambda f: grad(lambda x: total(grad(f)(x))), lambda f: lambda x: vjp(f, x)[0]):
        transform(f)(x)
        assert [ref() for ref in alive] == [None] * len(alive)
        alive.clear()


def test_an_error_inside_leaves_nothing_behind(no_collector):
    alive = []

    def f(x):
        y = x * x
        alive.append(weakref.ref(plain(y)))
        raise RuntimeError("on purpose")

    for _ in range(2):
        with suppress(RuntimeError):
            grad(f)(numpy.ones(3))
    assert [ref() for ref in alive] == [None, None]


def test_a_gradient_does_not_hold_the_notes(no_collector):
    alive = []

    def f(x):
        y = x * 2.0
        alive.append(weakref.ref(plain(y)))
        return total(y * x)

    value, gradient = value_and_grad(f)(numpy.ones(3))
    assert alive[0]() is None
    assert (value, gradient.tolist()) == (6.0, [4.0, 4.0, 4.0])


def test_the_way_back_of_vjp_holds_its_notes_only_while_it_lives(no_collector):
    alive = []

    def f(x):
        y = x * 2.0
        alive.append(weakref.ref(plain(y)))
        return y * y

    _, back = vjp(f, numpy.ones(3))
    assert alive[0]() is not None
    back(numpy.ones(3))
    assert alive[0]() is not None
    del back
    assert alive[0]() is None


def test_notes_are_freed_while_the_walk_passes(no_collector):
    count, size = 20, 400_000  # bytes of each array

    @differentiable
    def keeping(x):
        kept = x * 1.0

        def dx(dy):
            held.append(tracemalloc.get_traced_memory()[0])
            return dy + 0 * kept[0]

        return x * 1.0, (dx,)

    def chain(x):
        for _ in range(count):
            x = keeping(x)
        return total(x)

    held = []
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        gradient = grad(chain)(numpy.ones(size // 8))
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # each step back frees one kept array and may hold a few gradients: at the end little is left
    assert held[0] - before > count * size
    assert held[-1] - before < 8 * size
    assert after - before < 1.5 * gradient.nbytes


def test_many_gradients_take_no_more_memory_than_one(no_collector):
    f = value_and_grad(lambda x: total(x * x))
    x = numpy.ones(10_000)
    f(x)
    tracemalloc.start()
    try:
        f(x)
        first = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            f(x)
        growth = tracemalloc.get_traced_memory()[0] - first
    finally:
        tracemalloc.stop()
    assert growth < x.nbytes  # Python keeps some kilobytes of small objects for later, but no array


def block(x):
    return namespace_of(x).tanh(x * 1.5)


def small(x):
    return total(block(x))


def fails(x):
    block(x)
    raise KeyError


def raising(x):
    with suppress(KeyError):
        grad(fails)(x)


MODEL = nn.Linear(3, 1)
STEPS = {
    "value_and_grad": (10_000, value_and_grad(small)),
    "of a function that raised": (2000, raising),
    "vjp whose way back is dropped": (2000, lambda x: vjp(block, x)),
    "vjp whose way back is walked": (1000, lambda x: vjp(block, x)[1](x)),
    "jvp": (500, lambda x: jvp(block, (x,), (x,))),
    "jvp of grad": (300, lambda x: jvp(grad(small), (x,), (x,))),
    "jacobian": (500, jacobian(block)),
    "hessian": (300, hessian(small)),
    "hvp": (500, lambda x: hvp(small, (x,), (x,))),
    "recompute": (500, grad(lambda x: total(recompute(block)(x)))),
    "recompute in second order": (300, lambda x: hvp(recompute(small), (x,), (x,))),
    "recompute whose way back is dropped": (1000, lambda x: vjp(recompute(block), x)),
    "recompute of a model": (500, lambda x: vjp(lambda m: recompute(m)(x[None, :]), MODEL)),
    "auxiliary values": (1000, lambda x: value_and_grad(lambda x: (small(x), {"y": block(x)}), aux=True)(x)),
}


@pytest.mark.parametrize("name", STEPS)
def test_small_steps_leave_nothing_behind_without_the_collector(no_collector, name):
    count, step = STEPS[name]
    x = numpy.ones(3, dtype="float32")
    for _ in range(50):
        step(x)
    objects, blocks = len(gc.get_objects()), sys.getallocatedblocks()
    for _ in range(count):
        step(x)
    assert len(gc.get_objects()) - objects < 10
    # arrays are unknown to the collector; Python keeps up to 2000 freed tuples of a length for later
    assert sys.getallocatedblocks() - blocks < max(3000, count // 3)


def test_a_reported_loss_keeps_no_graph(no_collector):
    alive, reported = [], []

    def f(x):
        y = block(x)
        alive.extend([weakref.ref(y), weakref.ref(plain(y))])
        return total(y), {"loss": total(y), "largest": namespace_of(y).max(y)}

    x = numpy.ones(3)
    reported.append(value_and_grad(f, aux=True)(x)[0])
    reported.append(vjp(f, x, aux=True)[0])
    reported.append(jvp(f, (x,), (x,), aux=True)[0])
    reported.append(jacobian(f, aux=True)(x)[1])
    reported.append(hessian(f, aux=True)(x)[1])
    assert [ref() for ref in alive] == [None] * len(alive)
    assert len(reported) == 5


def test_the_graph_of_a_long_chain_is_freed_without_recursion_by_whoever_holds_it():
    def chain(x):
        y = x
        for _ in range(100_000):
            y = -y
        return y

    _, back = vjp(chain, numpy.asarray(1.0))  # never walked, then walked and kept
    assert back(numpy.asarray(1.0))[0] == 1
    del back
    assert hvp(lambda x: chain_of(x, 5000), (2.0,), (1.0,))[0] == 2
    assert jvp(lambda x: chain_of(x, 5000), (2.0,), (1.0,))[1] == 4


def chain_of(x, count):
    y = x * x
    for _ in range(count):
        y = y * 1.0
    return y
