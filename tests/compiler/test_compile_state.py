"""State, results and the kinds of steps of a compiled step: as of the plain one."""

import copy
import sys
import threading
import warnings
from functools import partial
from time import perf_counter_ns
from typing import NamedTuple

import numpy
import pytest
from compiler_twins import Experiment, network, normal

import xpnn
from xpnn import nn, optim
from xpnn.arrays.recording import recordable

# State


def test_state_in_dictionaries_may_be_replaced_by_the_step():
    state = {"w": numpy.zeros(3), "v": numpy.ones(3), "deep": {"n": numpy.zeros((), dtype="int64")}}
    arrays = dict(state)

    def step(x):
        state["w"] = state["w"] + x
        state["w"], state["v"] = state["v"], state["w"]
        state["deep"]["n"] = state["deep"]["n"] + 1
        return state["w"] * 1

    fast = xpnn.compile(step, state=state)
    w, v = numpy.zeros(3), numpy.ones(3)
    for n in range(1, 7):
        w, v = v, w + 1
        assert numpy.array_equal(fast(numpy.ones(3)), w)
        assert int(state["deep"]["n"]) == n
        assert all(state[name] is arrays[name] for name in ("w", "v"))


def test_arrays_of_the_state_may_change_places():
    state = {"w": numpy.zeros(3), "v": numpy.ones(3)}

    def step(x):
        state["w"], state["v"] = state["v"], state["w"]
        return state["w"] * x

    fast = xpnn.compile(step, state=state)
    assert [float(fast(numpy.ones(3))[0]) for _ in range(6)] == [1, 0, 1, 0, 1, 0]


def test_an_array_at_two_places_of_the_state_is_replaced_at_both_or_refused():
    array = numpy.zeros(3)
    state = {"u": array, "v": array, "list": [array]}

    def step(x):
        state["u"] = state["u"] + x
        return state["v"] * 1

    with pytest.raises(xpnn.CannotRecord, match="replaced u of its state, which is also at another place"):
        xpnn.compile(step, state=state)(numpy.ones(3))
    assert state["u"] is state["v"] is array
    assert (array == 0).all()

    def write(x):
        state["u"] += x
        return state["v"] * 1

    fast = xpnn.compile(write, state=state)
    assert [float(fast(numpy.ones(3))[0]) for _ in range(5)] == [1, 2, 3, 4, 5]


def test_the_array_that_a_step_replaces_is_given_with_its_old_numbers():
    state = {"w": numpy.zeros(3)}

    def step(x):
        old = state["w"]
        state["w"] = old + x
        return old, old[1:], state["w"] * 1

    fast, found = xpnn.compile(step, state=state), []
    for n in range(6):
        found.append(fast(numpy.ones(3)))
        for number, (old, part, new) in enumerate(found):
            assert numpy.array_equal(old, [number] * 3), n
            assert numpy.array_equal(part, [number] * 2)
            assert numpy.array_equal(new, [number + 1] * 3)


def test_a_step_that_replaces_state_by_another_shape_is_refused():
    state = {"w": numpy.zeros(3)}

    def step(x):
        state["w"] = xpnn.namespace_of(x).concat([state["w"], x])
        return x + 1

    before = state["w"]
    with pytest.raises(xpnn.CannotRecord, match=r"replaced w of its state, float64 of shape \(3,\).*shape \(4,\)"):
        xpnn.compile(step, state=state)(numpy.ones(1))
    assert state["w"] is before


def test_a_step_that_adds_or_removes_state_is_refused():
    state = {"w": numpy.zeros(3)}

    def adds(x):
        state["v"] = x + 1
        return x

    def removes(x):
        del state["w"]
        return x

    with pytest.raises(xpnn.CannotRecord, match="added an array to its state, v"):
        xpnn.compile(adds, state=state)(numpy.ones(1))
    assert type(state["v"]) is numpy.ndarray
    with pytest.raises(xpnn.CannotRecord, match="removed w from its state"):
        xpnn.compile(removes, state=state)(numpy.ones(1))
    assert numpy.array_equal(state["w"], numpy.zeros(3))


@pytest.mark.parametrize("state", [3, "w", numpy.ones(3), (nn.Linear(1, 1), 2.0)])
def test_other_kinds_of_state_are_refused(state):
    with pytest.raises(TypeError, match="expected the state as models, optimizers, and dictionaries or lists"):
        xpnn.compile(lambda x: x, state=state)


def test_a_step_that_is_no_function_is_refused():
    with pytest.raises(TypeError, match="compile expected a function, got int"):
        xpnn.compile(3)


def test_models_as_arguments_count_as_state():
    loss = xpnn.value_and_grad(lambda model, x, t: nn.squared_error(model(x), t))

    def step(model, x, t):
        value, gradients = loss(model, x, t)
        for parameter, gradient in zip(model.parameters(), gradients.parameters(), strict=True):
            parameter -= 0.1 * gradient
        return value

    fast = xpnn.compile(step, exact=True)
    for plain, model in ((network(), network()), (network(), network())):
        for _ in range(5):
            x, t = normal(3, 4), normal(3, 2)
            assert step(plain, x, t) == fast(model, x, t)
    assert len(fast._plans) == 2


def test_gradients_as_arguments_and_results():
    model = network(dropout=0.5)
    optimizer = optim.SGD(model, learning_rate=0.1)
    twin = copy.deepcopy(optimizer)
    loss = xpnn.value_and_grad(lambda model, x, t: nn.squared_error(model(x), t))
    gradients_of = xpnn.compile(lambda x, t: loss(model, x, t), state=model, exact=True)
    update = xpnn.compile(lambda gradients: optimizer.step(gradients), state=optimizer, exact=True)
    for n in range(6):
        x, t = normal(3, 4), normal(3, 2)
        value, gradients = gradients_of(x, t)
        expected, others = loss(twin.model, x, t)
        assert value == expected
        assert type(gradients[2].calls) is numpy.ndarray
        assert all(map(numpy.array_equal, gradients.parameters(), others.parameters()))
        assert update(gradients) is None
        twin.step(others)
        assert all(map(numpy.array_equal, model.parameters(), twin.model.parameters())), n
    assert len(update._plans) == 1


# Results


class Pair(NamedTuple):
    first: object
    second: object


def test_results_of_all_kinds():
    model = nn.Linear(2, 2).initialize(seed=0)
    state = {"w": numpy.zeros(4)}

    def step(x):
        state["w"] += 1
        return Pair(x, [model, None, 3, "word", {"w": state["w"], "view": state["w"][1:3]}]), x[::-1], 2 * x

    fast = xpnn.compile(step, state=(model, state))
    for n in range(1, 6):
        x = normal(3)
        pair, reversed_x, double = fast(x)
        assert type(pair) is Pair
        assert pair.first is x
        assert pair.second[0] is model
        assert pair.second[1:4] == [None, 3, "word"]
        assert pair.second[4]["w"] is state["w"]
        assert numpy.shares_memory(pair.second[4]["view"], state["w"])
        assert numpy.array_equal(pair.second[4]["view"], [n, n])
        assert numpy.shares_memory(reversed_x, x)
        assert numpy.array_equal(reversed_x, x[::-1])
        assert not numpy.shares_memory(double, x)
    assert type(model.weight) is numpy.ndarray


@pytest.mark.parametrize("result", [None, 3, "word", (), {}, [None]])
def test_steps_that_give_no_array(result):
    state = {"n": numpy.zeros(())}

    def step():
        state["n"] += 1
        return result

    fast = xpnn.compile(step, state=state)
    for n in range(1, 6):
        assert fast() == result
        assert state["n"] == n


def test_a_result_that_is_another_number_each_time_is_refused():
    fast = xpnn.compile(lambda x: (2 * x, perf_counter_ns()))
    fast(numpy.ones(2))
    with pytest.raises(xpnn.CannotRecord, match=r"one step gave \d+ and the next \d+"):
        fast(numpy.ones(2))


# Kinds of steps


def test_methods_partials_and_models_as_steps():
    here, there = Experiment(), Experiment()
    fast = xpnn.compile(there.step, exact=True)
    for _ in range(5):
        x, t = normal(3, 4), normal(3, 2)
        assert here.step(x, t) == fast(x, t)
    here.factor = there.factor = 3.0
    for _ in range(5):
        assert here.step(x, t) == fast(x, t)
    assert fast.__name__ == "step"
    scaled = xpnn.compile(partial(lambda a, x: a * x, 2))
    inference = xpnn.compile(here.model)
    for _ in range(4):
        assert scaled(numpy.ones(1)) == 2
        assert numpy.allclose(inference(x), here.model(x), rtol=1e-6)
    assert "partial" in repr(scaled)


def test_a_counter_of_an_object_is_refused_by_name():
    experiment = Experiment()
    fast = xpnn.compile(experiment.counting)
    fast(numpy.ones(1))
    with pytest.raises(xpnn.CannotRecord, match=r"what Python keeps.*count: 1 -> 2"):
        fast(numpy.ones(1))


# Inside and beside one another


def test_a_compiled_step_inside_another_is_a_part_of_it():
    state = {"w": numpy.ones(2)}

    def grow(x):
        state["w"] += x
        return state["w"] * 2

    inner = xpnn.compile(grow, state=state)
    for _ in range(4):
        inner(numpy.ones(2))
    outer = xpnn.compile(lambda x: inner(x) + 1)
    for n in range(6, 12):
        assert outer(numpy.ones(2))[0] == 2 * n + 1
        assert state["w"][0] == n
    assert "add" in str(outer.plan())


def test_a_compiled_step_inside_a_differentiation_is_seen_by_it():
    fast = xpnn.compile(lambda x: xpnn.namespace_of(x).sum(x**2))
    for _ in range(4):
        fast(numpy.ones(2))
        assert numpy.array_equal(xpnn.grad(fast)(numpy.ones(2)), [2, 2])


def test_a_step_that_calls_itself_is_refused():
    def step(x):
        return x * 2 if x.shape == (1,) else holder[0](x)

    holder = []
    other = xpnn.compile(lambda x: x + 1)
    holder.append(other)
    fast = xpnn.compile(step)
    assert fast(numpy.ones(2))[0] == 2

    holder[0] = fast
    with pytest.raises(RecursionError):  # inside its own recording it runs plainly, as the step would
        fast(numpy.ones(3))


def test_entering_a_step_again_from_a_replay_is_refused():
    calls = set()  # which is not watched

    @recordable
    def outside(x):
        if calls:
            calls.pop()(numpy.ones(2))
        return x * 2

    fast = xpnn.compile(lambda x: outside(x))
    for _ in range(3):
        fast(numpy.ones(2))
    calls.add(fast)
    with pytest.raises(RuntimeError, match="running already"):
        fast(numpy.ones(2))
    assert fast(numpy.ones(2))[0] == 2


def test_two_threads_with_two_steps():
    results = {}

    def work(name):
        state = {"w": numpy.zeros(50)}

        def step(x):
            state["w"] += x
            return xpnn.namespace_of(x).sum(state["w"])

        fast = xpnn.compile(step, state=state)
        results[name] = [float(fast(numpy.ones(50))) for _ in range(200)]

    threads = [threading.Thread(target=work, args=(name,)) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {name: [50.0 * n for n in range(1, 201)] for name in range(2)}


def test_threads_with_steps_of_one_model_do_not_see_one_another_record():
    model = network()
    given = [normal(n % 7 + 1, 4) for n in range(7)]
    expected = [model(x) for x in given]
    wrong = []

    def work(factor, compiled):
        step = lambda x: model(x) * factor  # noqa: E731
        call = xpnn.compile(step, state=model) if compiled else step
        for n in range(70):
            if not numpy.allclose(call(given[n % 7]), expected[n % 7] * factor, rtol=1e-5):
                wrong.append((factor, n))

    threads = [threading.Thread(target=work, args=(float(n), n < 4)) for n in range(1, 6)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with warnings.catch_warnings(record=True):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []
    assert type(model[0].weight) is numpy.ndarray


def test_two_threads_with_one_step_take_turns():
    state = {"n": numpy.zeros((), dtype="int64")}

    def step():
        state["n"] += 1
        return state["n"] * 1

    fast, seen = xpnn.compile(step, state=state), []
    threads = [threading.Thread(target=lambda: seen.extend(int(fast()) for _ in range(100))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, 401))


@pytest.mark.parametrize("given", ["model and optimizer", "optimizer and model", "optimizer", "model", "state"])
def test_a_model_and_its_optimizer_may_come_in_different_ways(given):
    loss = xpnn.value_and_grad(lambda model, x: nn.squared_error(model(x), x[:, :1]))
    found = []
    for compiled in (False, True):
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).initialize(seed=0)
        optimizer = optim.Adam(model, learning_rate=0.1)

        def update(model, optimizer, x):
            value, gradients = loss(model, x)
            optimizer.step(gradients)
            return value

        steps = {
            "model and optimizer": (update, (model, optimizer)),
            "optimizer and model": (lambda o, m, x, f=update: f(m, o, x), (optimizer, model)),
            "optimizer": (lambda o, x, m=model, f=update: f(m, o, x), (optimizer,)),
            "model": (lambda m, x, o=optimizer, f=update: f(m, o, x), (model,)),
            "state": (lambda m, x, o=optimizer, f=update: f(m, o, x), (model,)),
        }
        step, arguments = steps[given]
        chosen = xpnn.compile(step, state=optimizer if given == "state" else (), exact=True) if compiled else step
        generator = numpy.random.default_rng(0)
        batches = [generator.standard_normal((5, 3)).astype("float32") for _ in range(6)]
        found.append([float(chosen(*arguments, x)) for x in batches])
    assert found[0] == found[1]
    assert chosen.plan() is not None
