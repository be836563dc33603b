"""What is data comes back as it was; what a stranger wrote is refused before NumPy sees it."""

import enum

import numpy
import pytest

pytest.importorskip("sklearn")

from xpnn.estimators.plain import packed, unpacked


def there_and_back(value):
    arrays = {}
    return unpacked(packed(value, "a", arrays), arrays)


@pytest.mark.parametrize("drawn", [0, 1, 623, 624])
def test_a_random_state_goes_on(drawn):
    random = numpy.random.RandomState(3)
    random.randint(2**32, size=drawn, dtype="uint32")
    random.standard_normal()  # the second of a pair is kept
    again = there_and_back(random)
    assert (again.standard_normal(5) == random.standard_normal(5)).all()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("pos", -1), ("pos", 625), ("pos", 2**30), ("pos", True), ("pos", 1.0), ("key", numpy.zeros(623, "uint32")),
        ("key", numpy.zeros(624, "int64")), ("key", numpy.zeros((2, 312), "uint32")), ("key", [0] * 624),
    ],
)  # fmt: skip
def test_a_random_state_that_points_beyond_its_key_is_refused(part, value):
    arrays = {}
    state = numpy.random.RandomState(0).get_state(legacy=False)
    state["state"][part] = value
    with pytest.raises(ValueError, match="a RandomState"):
        unpacked({"random": packed(state, "a", arrays)}, arrays)


@pytest.mark.parametrize("has_gauss", [2, "1", None])
def test_a_random_state_has_a_gauss_or_none(has_gauss):
    arrays = {}
    state = numpy.random.RandomState(0).get_state(legacy=False) | {"has_gauss": has_gauss}
    with pytest.raises(ValueError, match="a RandomState"):
        unpacked({"random": packed(state, "a", arrays)}, arrays)


def test_other_generators_are_no_data():
    with pytest.raises(TypeError, match=r"save cannot store a, a numpy\.random"):
        packed(numpy.random.RandomState(numpy.random.PCG64(0)), "a", {})


class Epochs(enum.IntEnum):
    FEW = 3


@pytest.mark.parametrize("value", [numpy.ma.array([1, 2], mask=[0, 1]), Epochs.FEW])
def test_what_would_come_back_as_less_is_refused(value):
    with pytest.raises(TypeError, match="save cannot store a/0"):
        packed([value], "a", {})
