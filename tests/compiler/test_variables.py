"""What a step reads by its variables: seen, or the step runs plainly."""

import types
import weakref
from dataclasses import dataclass
from types import SimpleNamespace
from unittest.mock import Mock

import numpy
import pytest

import xpnn
from xpnn import nn
from xpnn.compiler.variables import LONGEST


class Scaling:
    """A loss that is an object."""

    def __init__(self):
        self.factor, self.calls = 1.0, 0

    def __call__(self, y, t):
        return self.scaled(nn.squared_error(y, t))

    def scaled(self, loss):
        return loss * self.factor


class Counting(Scaling):
    def scaled(self, loss):
        self.calls += 1
        return loss


def step_of(loss):
    def step(y, t):
        return loss(y, t)

    return step


def test_the_attributes_of_an_object_that_the_step_calls_are_seen():
    loss = Scaling()
    fast, y, t = xpnn.compile(step_of(loss), exact=True), numpy.ones(2), numpy.zeros(2)
    found = []
    for factor in (1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 1.0):
        loss.factor = factor
        found.append(float(fast(y, t)))
    assert found == [1, 1, 1, 3, 3, 3, 1]


def test_an_object_that_counts_its_calls_is_hidden_state():
    fast = xpnn.compile(step_of(Counting()))
    with pytest.raises(xpnn.CannotRecord, match="changed what Python keeps"):
        [fast(numpy.ones(2), numpy.zeros(2)) for _ in range(3)]


@pytest.mark.parametrize("length", [0, LONGEST - 1, LONGEST, LONGEST + 1, 10 * LONGEST])
def test_a_list_that_grows_is_hidden_state_however_long(length):
    kept = [0] * length

    def step(x):
        kept.append(1)
        return x + 1

    fast = xpnn.compile(step)
    with pytest.raises(xpnn.CannotRecord, match="changed what Python keeps"):
        [fast(numpy.ones(2)) for _ in range(3)]


# What may change between two calls, and is seen: each case gives a step and what changes what it reads


class Scaled:
    factor = 1.0

    def __init__(self):
        self.config, self.hidden = Config(), 1.0

    @property
    def doubled(self):
        return 2 * self.hidden

    def by_class(self, x):
        return self.factor * x

    def by_object(self, x):
        return self.config.rate * x

    def by_property(self, x):
        return self.doubled * x


@dataclass
class Config:
    rate: float = 0.1


class Slotted:
    __slots__ = ("rate",)


class ScaledLayer(nn.Module):
    def forward(self, x):
        return x * NUMBERS.factor


NUMBERS = SimpleNamespace(factor=1.0)
OTHER = types.ModuleType("other_module")
exec("RATE = 2.0\ndef scaled(x): return RATE * x", vars(OTHER))


def of_nested_dictionary():
    options = {"optimizer": {"rate": 0.1}}
    return lambda x: x * options["optimizer"]["rate"], lambda: options["optimizer"].update(rate=5.0)


def of_list_in_tuple():
    pair = (1.0, [2.0])
    return lambda x: x * pair[1][0], lambda: pair[1].__setitem__(0, 5.0)


def of_renamed_keys():
    arrays = {"a": numpy.ones(2), "b": numpy.zeros(2)}

    def change():
        one, two = arrays.values()
        arrays.clear()
        arrays["b"], arrays["a"] = one, two

    return lambda x: x * arrays["a"], change


def of_object():
    config = SimpleNamespace(rate=0.1)
    return lambda x: x * config.rate, lambda: setattr(config, "rate", 5.0)


def of_new_attribute():
    config = SimpleNamespace()
    return lambda x: x * (config.rate if hasattr(config, "rate") else 1.0), lambda: setattr(config, "rate", 5.0)


def of_slots():
    config = Slotted()
    config.rate = 0.1
    return lambda x: x * config.rate, lambda: setattr(config, "rate", 5.0)


def of_dataclass_with_a_default():
    config = Config()
    return lambda x: x * config.rate, lambda: setattr(config, "rate", 5.0)


def of_default_of_a_class():
    scaled = Scaled()
    return scaled.by_class, lambda: setattr(scaled, "factor", 3.0)


def of_class(monkeypatch):
    return Scaled().by_class, lambda: monkeypatch.setattr(Scaled, "factor", 4.0)


def of_class_by_name(monkeypatch):
    return lambda x: x * Scaled.factor, lambda: monkeypatch.setattr(Scaled, "factor", 4.0)


def of_object_of_object():
    scaled = Scaled()
    return scaled.by_object, lambda: setattr(scaled.config, "rate", 3.0)


def of_replaced_object():
    scaled = Scaled()

    def change():
        scaled.config = Config(2.0)
        scaled.config.rate = 3.0

    return scaled.by_object, change


def of_property():
    scaled = Scaled()
    return scaled.by_property, lambda: setattr(scaled, "hidden", 3.0)


def of_replaced_function():
    scale, factor = (lambda x: 2 * x), 3.0

    def change():
        nonlocal scale, factor
        scale = lambda x: factor * x  # noqa: E731
        factor = 4.0

    return lambda x: scale(x), change


def of_module(monkeypatch):
    return lambda x: x * OTHER.RATE, lambda: monkeypatch.setattr(OTHER, "RATE", 3.0)


def of_function_of_a_module(monkeypatch):
    return lambda x: OTHER.scaled(x), lambda: monkeypatch.setattr(OTHER, "RATE", 3.0)


def of_function_of_another_module(monkeypatch):
    scaled = OTHER.scaled
    return lambda x: scaled(x), lambda: monkeypatch.setattr(OTHER, "RATE", 3.0)


def of_variable_made_later(monkeypatch):
    def step(x):
        try:
            return x * LATER
        except NameError:
            return x

    return step, lambda: monkeypatch.setitem(globals(), "LATER", 3.0)


def of_keyword_default():
    model = nn.Dropout(0.5)

    def step(x, *, model=model):
        return x * (2.0 if model.training else 3.0)

    return step, model.eval


def of_models_in_a_list():
    models = [nn.Dropout(0.5), nn.Dropout(0.5)]
    return lambda x: x * sum(2.0 if model.training else 3.0 for model in models), models[1].eval


def of_model_of_an_object():
    holder = SimpleNamespace(model=nn.Dropout(0.5))
    return lambda x: x * (2.0 if holder.model.training else 3.0), holder.model.eval


def of_layer(monkeypatch):
    layer = ScaledLayer()
    return lambda x: layer(x), lambda: monkeypatch.setattr(NUMBERS, "factor", 3.0)


CASES = [value for name, value in globals().copy().items() if name.startswith("of_")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__[3:])
def test_a_change_is_seen(case, monkeypatch):
    step, change = case(monkeypatch) if case.__code__.co_argcount else case()
    fast, x = xpnn.compile(step), numpy.ones(2)
    before = [fast(x) for _ in range(4)]
    assert fast.plan() is not None
    change()
    assert not numpy.array_equal(step(x), before[0]), "the case changes nothing"
    for _ in range(4):
        assert numpy.array_equal(fast(x), step(x))


def test_what_is_not_read_may_change():
    config = SimpleNamespace(rate=2.0, epoch=0)
    fast = xpnn.compile(lambda x: x * config.rate)
    for config.epoch in range(10):
        fast(numpy.ones(2))
    assert len(fast._plans) == 1
    assert "1 plans" in repr(fast)


def test_libraries_are_not_looked_through():
    fast = xpnn.compile(lambda x: numpy.float64(2) * x + numpy.pi)
    fast(numpy.ones(2))
    assert len(fast.state._variables.look()) <= 1


def test_what_changed_is_named_for_a_layer_with_a_number_of_groups():
    layer = nn.GroupNorm(2, 4).initialize(seed=0)
    layer.calls = 0

    def step(x):
        layer.calls += 1
        return layer(x)

    fast = xpnn.compile(step, state=layer)
    with pytest.raises(xpnn.CannotRecord, match=r"GroupNorm calls: 1 -> 2"):
        [fast(numpy.ones((3, 4), dtype="float32")) for _ in range(2)]


def test_an_object_with_any_attribute_is_no_model():
    stand_in = Mock(factor=2.0)
    fast = xpnn.compile(lambda x: x * stand_in.factor)
    for stand_in.factor in (2.0, 2.0, 2.0, 3.0, 3.0, 3.0):
        assert fast(numpy.ones(2))[0] == stand_in.factor


def test_an_array_in_a_variable_lives_no_longer_than_the_variable():
    x = numpy.ones(10)

    def step(y):
        return xpnn.namespace_of(y).add(x, y)

    fast, held = xpnn.compile(step), weakref.ref(x)
    for _ in range(3):
        fast(numpy.ones(10))
    fast.forget()
    x = numpy.zeros(10)
    for _ in range(3):
        assert fast(numpy.ones(10))[0] == 1
    assert held() is None
