"""What is asked before each call, once it is asked by a function made for it: each change is still seen."""

import numpy
import pytest

import xpnn
from xpnn import nn, optim
from xpnn.compiler import state as states
from xpnn.compiler.guards import same_arguments, same_objects


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(states, "LOOKS", 1)


rate = 0.5


def made():
    """A compiled step whose state is looked at by a made function, and all that it depends on."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5), nn.Linear(3, 1)).initialize(seed=0)
    optimizer = optim.Adam(model, learning_rate=0.1)
    extra, settings, rates = {"a": numpy.ones(2), "b": numpy.ones(2)}, {"factor": 2.0}, [0.5, 0.25]
    factor = 3.0

    def step(x):
        loss = lambda model, x: factor * settings["factor"] * rates[0] * nn.squared_error(model(x), x[:, :1])  # noqa: E731
        value, gradients = xpnn.value_and_grad(loss)(model, x)
        optimizer.step(gradients)
        extra["a"] += extra["b"] * rate
        return value

    def other(value):
        nonlocal factor
        factor = value

    fast = xpnn.compile(step, state=(model, optimizer, extra))
    for _ in range(4):
        fast(numpy.ones((4, 2), dtype="float32"))
    assert fast.state._same()
    assert fast.state.known_key() is not None
    return fast, model, optimizer, extra, settings, rates, other


CHANGES = {
    "an attribute": lambda model, *_: setattr(model[1], "rate", 0.25),
    "the mode": lambda model, *_: model.eval(),
    "a new attribute": lambda model, *_: setattr(model[0], "note", 1),
    "an array": lambda model, *_: setattr(model[0], "weight", model[0].weight.copy()),
    "an option": lambda _, optimizer, *__: optimizer.groups[0].options.update(beta1=0.8),
    "an equal number of another kind": lambda a, b, c, settings, *_: settings.update(factor=2),
    "the order of a state": lambda a, b, extra, *_: extra.update(a=extra.pop("a")),
    "a name in a state": lambda a, b, extra, *_: extra.update(c=extra.pop("b")),
    "an array of a state": lambda a, b, extra, *_: extra.update(b=extra["b"].copy()),
    "an entry less": lambda a, b, c, d, rates, *_: rates.pop(),
    "an entry more": lambda a, b, c, d, rates, *_: rates.append(1),
    "an entry": lambda a, b, c, d, rates, *_: rates.__setitem__(0, 0.75),
    "a variable of the closure": lambda *parts: parts[-1](4.0),
    "a variable of the module": lambda *_: globals().update(rate=0.75),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_seen(change, monkeypatch):
    fast, *parts = made()
    monkeypatch.setitem(globals(), "rate", rate)  # puts it back
    change(*parts)
    assert not fast.state._same()
    assert fast.state.known_key() is None


def test_an_entry_of_another_kind_of_dictionary():
    class Loud(dict):
        def values(self):
            raise AssertionError("is not asked")

    held = Loud(a=1)
    same = same_objects([("values({})", held)], [], [1])
    assert same()
    held["a"] = 1.0
    assert not same()


def test_empty_containers_and_lengths():
    empty, data = [], [1, 2, 3]
    same = same_objects([("{}", empty)], [], [], [data], [3])
    assert same()
    data.append(4)
    assert not same()
    data.pop()
    empty.append(0)
    assert not same()


def kind(x):
    return type(x), x.shape, x.dtype, x.strides


def test_arguments_of_the_kind_that_share_nothing():
    x, y, state = numpy.ones((2, 3)), numpy.ones(3), numpy.ones(3)
    same = same_arguments([kind(x), kind(y)], {id(state)})
    assert same(x, y)
    assert same(numpy.zeros((4, 3))[1:3], numpy.zeros(4)[1:])
    assert not same(x, state)
    assert not same(x, state[:])
    assert not same(x, x[0])
    assert not same(x.astype("float32"), y)
    assert not same(numpy.ones((3, 2)).T, y)
    assert not same(numpy.ones((2, 4)), y)
    assert not same(1.0, y)
    assert not same(x, numpy.frombuffer(bytearray(24)))  # who knows who owns that
    assert not same_arguments([kind(x)], None)(x)
    assert same_arguments([], set())()
