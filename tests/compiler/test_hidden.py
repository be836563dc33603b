"""What Python keeps out of the sight of a recording, and what a step draws from: steps that no plan may repeat."""

import contextvars
import itertools
import random
from collections import deque
from types import SimpleNamespace

import numpy
import pytest

import xpnn
from xpnn import nn

SETTING = contextvars.ContextVar("SETTING", default=0)
ARRAY = numpy.zeros(3)
LONG = dict.fromkeys(range(300), 0)
LAST = deque([0], maxlen=1)


def counts_itself():
    counts_itself.calls += 1


counts_itself.calls = 0


class Inner:
    __slots__ = ("numbers",)

    def __init__(self):
        self.numbers = numpy.zeros(2)


class Holder:
    """Keeps what changes where no name in the step leads to."""

    def __init__(self):
        self.inner, self.options, self.rng = Inner(), SimpleNamespace(k=0), random.Random(0)
        self.generator, self.legacy = numpy.random.default_rng(0), numpy.random.RandomState(0)
        self.bits = numpy.random.PCG64(0)


HOLDER = Holder()


def in_an_array():
    ARRAY[0] += 1


def in_a_slot():
    getattr(HOLDER, "inner").numbers[1] += 1  # noqa: B009 (a name that the code does not show)


def in_attributes_by_dictionary():
    vars(HOLDER.options)["k"] += 1


def in_a_long_dictionary():
    LONG[3] += 1


def in_a_deque():
    LAST.append(LAST[0] + 1)


DRAWS = {
    "random": random.random,
    "numpy.random": lambda: numpy.random.randint(0, 2),
    "Random": lambda: HOLDER.rng.random(),
    "Generator": lambda: HOLDER.generator.normal(),
    "RandomState": lambda: HOLDER.legacy.normal(),
    "BitGenerator": lambda: HOLDER.bits.random_raw(),
    "array": in_an_array,
    "slot": in_a_slot,
    "vars": in_attributes_by_dictionary,
    "long": in_a_long_dictionary,
    "deque": in_a_deque,
    "context": lambda: SETTING.set(SETTING.get() + 1),
    "function": counts_itself,
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_what_changes_while_the_step_does_the_same_is_found(draw):
    def step(x):
        draw()
        return 2 * x

    fast = xpnn.compile(step)
    fast(numpy.ones(2))  # once it may be a first use
    with pytest.raises(xpnn.CannotRecord, match="changed what Python keeps"):
        fast(numpy.ones(2))


def test_a_change_at_the_second_step_only_is_found():
    turns = random.Random(0)
    calls = []

    def step(x):
        if calls:
            turns.random()
        return 2 * x

    fast = xpnn.compile(step)
    fast(numpy.ones(2))
    calls.append(1)  # which lets the third call be the second of its kind
    fast(numpy.ones(2))
    with pytest.raises(xpnn.CannotRecord, match="turns"):
        fast(numpy.ones(2))


def generated():
    while True:
        yield 1


@pytest.mark.parametrize("made", [generated, itertools.count, lambda: iter([1] * 9)], ids=["yield", "count", "list"])
def test_an_iterator_within_reach_is_refused_by_name(made):
    class Scaled:
        def __init__(self):
            self.rates = made()

        def __call__(self, x):
            return min(next(self.rates), 1) * x

    with pytest.raises(xpnn.CannotRecord, match=r"iterator .*rates"):
        xpnn.compile(Scaled())(numpy.ones(2))


@pytest.mark.parametrize("seed", range(6))
def test_a_branch_at_random_is_taken_anew_at_each_step(seed):
    class Skipped(nn.Module):
        def __init__(self):
            self.inner, self.rng = nn.Linear(2, 2), random.Random(seed)

        def forward(self, x):
            return x if self.rng.random() < 0.5 else x + self.inner(x)

    found = []
    for compiled in (True, False):
        model = Skipped().initialize(seed=0)
        step = xpnn.compile(model, fallback=True) if compiled else model
        if compiled:
            with pytest.warns(xpnn.CompileWarning, match="rng"):
                found.append([step(numpy.ones((1, 2), dtype="float32")).tobytes() for _ in range(30)])
        else:
            found.append([step(numpy.ones((1, 2), dtype="float32")).tobytes() for _ in range(30)])
    assert found[0] == found[1]


def test_arrays_of_the_state_and_what_is_made_once_may_change():
    state = {"w": numpy.zeros(3)}
    part = state["w"][1:]  # the same memory by another name, within reach
    made = {}

    def step(x):
        if "noise" not in made:
            made["noise"] = random.random()
        state["w"] += x
        return x + made["noise"] + len(part)

    fast = xpnn.compile(step, state=state)
    for n in range(1, 7):
        fast(numpy.ones(3))
        assert state["w"][2] == n
    assert fast.plan() is not None


def test_functions_of_no_module_are_compiled():
    space = {}
    exec("def double(x):\n    return 2 * x", {"__builtins__": __builtins__}, space)
    double = space["double"]
    double.__module__ = None
    compiled = xpnn.compile(lambda x: double(x) + 1)
    other = xpnn.compile(double)
    assert [compiled(numpy.ones(2)).tolist() for _ in range(3)] == [[3.0, 3.0]] * 3
    assert [other(numpy.ones(2)).tolist() for _ in range(3)] == [[2.0, 2.0]] * 3
