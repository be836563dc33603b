"""The places that checks run on, reads of a device, and the check of optimizers."""

import sys

import array_api_strict
import numpy
import pytest

import xpnn
from xpnn import nn, optim
from xpnn.arrays.namespaces import namespace_of
from xpnn.testing import check_optimizer, no_device_reads, places

PLACES = {place.name: place for place in places()}
NUMPY, READ_ONLY, STRICT = PLACES["numpy"], PLACES["read-only numpy"], PLACES["strict device1"]
CPU, DEVICE1 = array_api_strict.Device("CPU_DEVICE"), array_api_strict.Device("device1")
X = numpy.random.default_rng(3).uniform(0.5, 1.5, (3, 4))


def is_strict(x):
    return namespace_of(x) is array_api_strict


# Places


def test_places_are_numpy_read_only_numpy_and_strict_on_its_second_device():
    assert list(PLACES)[:3] == ["numpy", "read-only numpy", "strict device1"]
    assert STRICT.device.array_device == DEVICE1


def test_without_strict_there_are_fewer_places(monkeypatch):
    monkeypatch.setitem(sys.modules, "array_api_strict", None)
    assert [place.name for place in places()][:2] == ["numpy", "read-only numpy"]
    assert "strict device1" not in [place.name for place in places()]


def test_a_place_puts_floats_in_the_dtype_asked_for_and_keeps_the_rest():
    tree = {"x": X, "t": numpy.asarray([1, 2]), "z": X + 1j, "n": 3, "mask": X > 1}
    for place in PLACES.values():
        put = place.put(tree, "float32")
        kinds = {name: str(x.dtype).rpartition(".")[2] for name, x in put.items() if name != "n"}
        assert kinds == {"x": "float32", "t": "int64", "z": "complex64", "mask": "bool"}
        assert put["n"] == 3
    assert str(STRICT.put(X).device) == str(DEVICE1)
    read_only = READ_ONLY.put([X, numpy.asarray([1])])
    assert not read_only[0].flags.writeable
    assert not read_only[1].flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        read_only[0][0] = 1.0


def test_a_place_copies_models():
    layer = nn.Linear(4, 2)
    moved = STRICT.put(layer)
    assert moved.weight.device == DEVICE1
    assert isinstance(layer.weight, numpy.ndarray)


# Reading a device


@pytest.mark.parametrize(
    "look",
    [
        float,
        int,
        bool,
        complex,
        lambda x: [1, 2][array_api_strict.astype(x, array_api_strict.int64)],
        numpy.from_dlpack,
        lambda x: array_api_strict.from_dlpack(x),
        lambda x: x.to_device(CPU),
        lambda x: 1 if x else 0,
        lambda x: xpnn.device("cpu").to_host(x),
    ],
    ids="float int bool complex index dlpack from_dlpack to_device if to_host".split(),
)
def test_reads_off_the_cpu_are_refused_and_others_are_not(look):
    with no_device_reads():
        look(array_api_strict.asarray(1.0, device=CPU))
        with pytest.raises(AssertionError, match=r"a device value was read inside a step, by (__\w+__|to_device) of"):
            look(array_api_strict.asarray(1.0, device=DEVICE1))
    look(array_api_strict.asarray(1.0, device=DEVICE1))


def test_computing_is_no_read():
    x = array_api_strict.asarray(X, device=DEVICE1)
    with no_device_reads():
        y = array_api_strict.where(x > 1, array_api_strict.exp(x), x)[0, :]
        y[...] = y * 2 + STRICT.device.asarray(numpy.ones(4))
        assert y.shape == (4,)
        assert y.to_device(DEVICE1) is y


def test_reading_works_again_after_an_error_inside_and_nests():
    x = array_api_strict.asarray(1.0, device=DEVICE1)
    with pytest.raises(KeyError), no_device_reads():
        raise KeyError
    assert float(x) == 1.0
    with no_device_reads():
        with no_device_reads():
            pass
        with pytest.raises(AssertionError):
            float(x)
    assert float(x) == 1.0


# Optimizers


class Descent(optim.SGD):
    """Right; the classes below each break one thing."""

    def __init__(self, model):
        super().__init__(model, learning_rate=0.1, momentum=0.5)


class Different(Descent):
    def rule(self, p, g, state, rate, step, options):
        super().rule(p, g, state, rate, step, options)
        p *= 1.0 + 1e-9 * is_strict(p)


class Promoting(Descent):
    count = 0

    def step(self, gradients):
        super().step(gradients)
        self.count += 1
        if self.count == 5:  # the last: before, the layer itself would refuse its inputs
            self.model.to(dtype="float64")


class Reading(Descent):
    def rule(self, p, g, state, rate, step, options):
        if float(step) > 0:
            super().rule(p, g, state, rate, step, options)


class ForgettingItsState(Descent):
    def state_dict(self):
        return {name: 0 * array if "velocity" in name else array for name, array in super().state_dict().items()}


class CountingInPython(Descent):
    count = 0

    def rule(self, p, g, state, rate, step, options):
        self.count += 1
        super().rule(p, g / self.count, state, rate, step, options)


class NotCountingOn(Descent):
    def load_state_dict(self, state):
        super().load_state_dict({**state, "steps": 0 * state["steps"]})

    def rule(self, p, g, state, rate, step, options):
        g /= namespace_of(p).astype(step, p.dtype)
        super().rule(p, g, state, rate, step, options)


def test_a_right_optimizer_passes():
    check_optimizer(Descent)
    check_optimizer(lambda model: optim.Adam(model, learning_rate=0.1), steps=3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Different, "after 5 steps on strict device1, compared with numpy"),
        (Promoting, "on numpy, the optimizer made float32 parameters float64"),
        (Reading, "a device value was read inside a step, by __float__"),
        (ForgettingItsState, "continued from a file on numpy"),
        (CountingInPython, "continued from a file on numpy"),
        (NotCountingOn, "continued from a file on numpy"),
    ],
)
def test_a_wrong_optimizer_is_caught(wrong, message):
    with pytest.raises(AssertionError, match=message):
        check_optimizer(wrong)


def test_an_optimizer_that_reads_is_caught_on_the_device_only():
    check_optimizer(Reading, where=[NUMPY])
    check_optimizer(Different, where=[NUMPY])
