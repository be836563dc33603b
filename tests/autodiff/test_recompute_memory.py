"""What recomputing keeps: less memory for the way back, in second order too, and nothing when it is done."""

import gc
import tracemalloc
import weakref

import numpy
import pytest
from autodiff_blocks import X, network, same, total

from xpnn import grad, jvp, recompute, stop_gradient, vjp
from xpnn.arrays.namespaces import namespace_of

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


def test_nothing_is_left_after_an_error_or_an_unused_way_back(no_collector, place):
    alive = []
    x = place.asarray(X)

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

    model = network().to(place)
    vjp(f, x, model)
    grad(lambda x: total(f(x, model)))(x)
    grad(lambda x: total(x) + 0 * total(stop_gradient(f(x, model))))(x)
    for _ in range(2):
        with pytest.raises(KeyError):
            grad(lambda x: f(x, model, fails=True))(x)
    assert [ref() for ref in alive] == [None] * len(alive)


def test_notes_of_a_block_are_freed_while_it_is_walked_back(no_collector):
    count = 20
    weights = [WIDE + 0.01 * n for n in range(count)]

    def block(x, weights):
        xp = namespace_of(weights[0])
        for w in weights:
            x = xp.tanh(x * w)
        return x

    most = peak(lambda: grad(lambda ws: total(recompute(block)(WIDE, ws)))(weights))
    # two arrays a layer (x * w and tanh) at the start of the walk, one gradient a layer at its end; never all three
    assert most < 2 * count + 6
