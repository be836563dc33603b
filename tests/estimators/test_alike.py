"""What counts as the same parameter as before."""

import copy
from functools import partial

import numpy
import pytest

pytest.importorskip("sklearn")

from scipy import sparse

from xpnn import nn
from xpnn.estimators.alike import alike, kept

LONG = numpy.arange(2000.0)
OTHER = numpy.where(LONG == 1000, 7.0, LONG)
NAN = numpy.asarray([1.0, numpy.nan])


def loss(y, t):
    return y


def weighing(*weights):
    return nn.CrossEntropy(class_weight=numpy.asarray(weights, dtype="float32"))


ALIKE = [
    (1, 1.0), (1, numpy.int64(1)), ("a", "a"), (float("nan"), float("nan")),
    (numpy.float64(2), numpy.float64(2)), ([1, (2,)], [1, (2,)]), (None, None),
    (LONG, LONG.copy()), (NAN, NAN.copy()), ({"a": 1, "b": LONG}, {"b": LONG.copy(), "a": 1}), (loss, loss),
    (weighing(1, 2), weighing(1, 2)), (partial(loss, w=LONG), partial(loss, w=LONG.copy())),
    (nn.Sequential(nn.Linear(2, 2)).initialize(0), nn.Sequential(nn.Linear(2, 2)).initialize(0)),
]  # fmt: skip
UNLIKE = [
    (1, 2), (1, "1"), ([1], (1,)), ([1], [1, 2]), (LONG, OTHER), (LONG, LONG.astype("float32")), (LONG, LONG[None]),
    (LONG[:1], 0.0), ({"a": 1}, {"b": 1}), ({"a": LONG}, {"a": OTHER}), (loss, lambda y, t: y), (None, 0),
    (weighing(1, 2), weighing(1, 3)), (nn.ReLU(), nn.Tanh()), (partial(loss, w=LONG), partial(loss, w=OTHER)),
    (nn.Sequential(nn.Linear(2, 2)).initialize(0), nn.Sequential(nn.Linear(2, 2)).initialize(1)),
    (sparse.eye(2), sparse.eye(2)), (float("nan"), 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "same"), [*((*pair, True) for pair in ALIKE), *((*pair, False) for pair in UNLIKE)])
def test_values_are_compared_by_what_they_do(a, b, same):
    assert alike(a, b) is same
    assert alike(b, a) is same


def test_arrays_of_other_libraries_are_compared_on_the_host(elsewhere):
    a, b = (elsewhere.asarray([1.0, x]) for x in (2.0, 3.0))
    assert alike(a, elsewhere.asarray([1.0, 2.0]))
    assert not alike(a, b)


def test_what_is_kept_does_not_change_with_what_was_given():
    layer = nn.Linear(2, 2)
    given = {"sizes": [4, 3], "edges": LONG.copy(), "pair": ([1],), "layer": layer}
    now = copy.copy(kept(given))
    assert alike(now, given)
    assert now["layer"] is layer
    for change in (lambda: given["sizes"].append(1), lambda: given["edges"].fill(0), lambda: given["pair"][0].pop()):
        before = kept(given)
        change()
        assert not alike(before, given)
