"""What a compiled step does about errors and about what cannot be recorded; copies and memory."""

import copy
import gc
import pickle
import random
import tracemalloc
import weakref

import numpy
import pytest
from compiler_twins import Experiment, network, normal, training_step

import xpnn
from xpnn import nn, optim
from xpnn.compiler.recorder import Recorder
from xpnn.compiler.state import LOOKS

# Errors


def test_an_error_in_a_recording_leaves_the_state_as_before():
    model = network(dropout=0.5)
    optimizer = optim.Adam(model, learning_rate=0.1)
    step, fail = training_step(model, optimizer), [True]

    def failing(x, t):
        value = step(x, t)
        x += 1
        if fail[0]:
            raise KeyboardInterrupt
        return value

    fast = xpnn.compile(failing, state=(model, optimizer))
    before, other = model.state_dict(), optimizer.state_dict()
    places = [(container, key, container[key]) for container, key, _ in optimizer.recordable_places()]
    x, t = numpy.ones((3, 4), dtype="float32"), numpy.ones((3, 2), dtype="float32")
    with pytest.raises(KeyboardInterrupt):
        fast(x, t)
    assert all(numpy.array_equal(before[name], array) for name, array in model.state_dict().items())
    assert all(numpy.array_equal(other[name], array) for name, array in optimizer.state_dict().items())
    assert all(container[key] is array for container, key, array in places)
    assert numpy.array_equal(x, numpy.ones((3, 4)))
    assert xpnn.grad(lambda x: xpnn.namespace_of(x).sum(x))(numpy.ones(2))[0] == 1  # nothing is being recorded
    fail[0] = False
    for _ in range(4):
        fast(x, t)
    assert int(optimizer.steps) == 4


def test_a_wrong_label_is_found_before_anything_is_written():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3)).initialize(seed=0)
    optimizer = optim.SGD(model, learning_rate=0.1)
    loss = xpnn.value_and_grad(lambda model, x, t: nn.cross_entropy(model(x), t))

    def step(x, t):
        value, gradients = loss(model, x, t)
        optimizer.step(gradients)
        return value

    fast = xpnn.compile(step, state=(model, optimizer))
    x, t = normal(3, 4), numpy.asarray([0, 1, 2])
    for _ in range(3):
        fast(x, t)
    before, other = model.state_dict(), optimizer.state_dict()
    for wrong in (3, -1):
        with pytest.raises(ValueError, match=f"labels from 0 to 2 for 3 classes, got {wrong}") as caught:
            fast(x, numpy.asarray([0, wrong, 1]))
        assert not getattr(caught.value, "__notes__", [])
    assert all(numpy.array_equal(before[name], array) for name, array in model.state_dict().items())
    assert all(numpy.array_equal(other[name], array) for name, array in optimizer.state_dict().items())
    fast(x, t)
    assert int(optimizer.steps) == 4


def test_an_error_in_the_middle_of_a_replay_says_what_was_written():
    state = {"count": numpy.zeros(()), "late": numpy.zeros(())}

    def step(x, index):
        state["count"] += 1
        picked = xpnn.namespace_of(x).take(x, index, axis=0)
        state["late"] += 1
        return picked

    fast = xpnn.compile(step, state=state)
    for _ in range(3):
        fast(normal(3), numpy.asarray([0, 2]))
    with pytest.raises(IndexError) as caught:
        fast(normal(3), numpy.asarray([0, 7]))
    assert "count" in caught.value.__notes__[0]
    assert state["late"] == 3
    assert numpy.array_equal(fast(numpy.arange(3.0), numpy.asarray([0, 2])), [0, 2])


# Fall back


def test_what_cannot_be_recorded_runs_plainly_with_one_warning():
    state = {"w": numpy.zeros(())}

    def step(x):
        state["w"] += 1
        return x if x[0] > 0 else -x

    fast = xpnn.compile(step, state=state, fallback=True)
    words = r"step runs without being compiled: a condition .*test_compile_errors.py:\d+"
    with pytest.warns(xpnn.CompileWarning, match=words) as seen:  # noqa: PT031 (only the first call warns)
        for n in range(1, 6):
            assert fast(numpy.asarray([1.0, 2.0]))[0] == 1
            assert fast(numpy.asarray([-1.0, 2.0]))[0] == 1
            assert state["w"] == 2 * n
        fast(numpy.ones(3))
    assert len(seen) == 1
    assert seen[0].filename == __file__
    assert type(state["w"]) is numpy.ndarray


def test_numpy_methods_run_plainly_with_one_warning():
    fast = xpnn.compile(lambda x: x.mean(axis=0), fallback=True)
    with pytest.warns(xpnn.CompileWarning, match="has no mean"):
        assert [fast(numpy.ones(2)) for _ in range(4)] == [1, 1, 1, 1]


LOOKING = {
    "float": lambda x: float(x[0]),
    "if": lambda x: 1.0 if x[0] > 0 else 2.0,
    "item": lambda x: x[0].item(),
    "method": lambda x: x.mean(),
    "function": lambda x: numpy.exp(x),
    "array function": lambda x: numpy.median(x),
    "conversion": lambda x: numpy.asarray(x)[0],
    "mask": lambda x: xpnn.namespace_of(x).sum(x[x > 0]),
    "shape": lambda x: xpnn.namespace_of(x).unique_values(x)[0],
}


@pytest.mark.parametrize("look", LOOKING.values(), ids=LOOKING)
def test_a_step_that_looks_at_numbers_runs_once_at_each_call(look):
    """Its random numbers, counts and writes are those of a step that nobody tried to compile."""

    def runs(compiled):
        state, rng, calls = {"w": numpy.zeros(2), "v": numpy.zeros(2)}, random.Random(0), Experiment()
        calls.calls = 0

        def step(x):
            calls.calls += 1
            state["w"] += x * rng.random()
            y = look(x) * x
            state["v"] = state["v"] + y
            return y * calls.calls

        if compiled:
            step = xpnn.compile(step, state=state, fallback=True)
        found = [step(numpy.asarray([1.0, -2.0])).tobytes() for _ in range(6)]
        assert {type(x) for x in state.values()} == {numpy.ndarray}
        return found, calls.calls, state["w"].tobytes(), state["v"].tobytes()

    with pytest.warns(xpnn.CompileWarning, match="step runs without being compiled: ") as warned:
        found = runs(True)
    assert len(warned) == 1
    assert found == runs(False)
    assert found[1] == 6


def test_a_step_that_fails_to_be_recorded_twice_is_not_recorded_again():
    """A count in the key makes it another one at each call."""
    runs, kind = [], Experiment()
    kind.calls = 0

    def step(x):
        kind.calls += 1
        runs.append(type(x))
        return x.reshape(-1) if type(x) is numpy.ndarray else numpy.ndarray.reshape(x, -1)  # takes no stand-in

    fast = xpnn.compile(step, fallback=True)
    with pytest.warns(xpnn.CompileWarning):  # noqa: PT031
        for _ in range(10):
            fast(numpy.ones(2))
    assert len(runs) == 12
    assert runs[-8:] == [numpy.ndarray] * 8


def test_errors_of_the_step_itself_are_raised_with_fallback_too():
    fast = xpnn.compile(lambda x: x @ numpy.ones(5), fallback=True)
    with pytest.raises(ValueError, match="matmul"):
        fast(numpy.ones(3))


def test_a_list_that_keeps_results_runs_plainly_and_stays_usable():
    kept = []

    def step(x):
        kept.append(2 * x)
        return x + 1

    fast = xpnn.compile(step, fallback=True)
    with pytest.warns(xpnn.CompileWarning, match="kept"):  # noqa: PT031
        for n in range(1, 5):
            fast(numpy.ones(2))
            assert len(kept) == n
    assert [float(y[0]) for y in kept] == [2, 2, 2, 2]
    assert numpy.array_equal(numpy.asarray(kept[0]), [2, 2])
    assert numpy.array_equal(kept[0] + kept[1], [4, 4])
    assert kept[0].sum() == 4


def test_hidden_state_runs_plainly_for_good():
    experiment = Experiment()
    fast = xpnn.compile(experiment.counting, fallback=True)
    with pytest.warns(xpnn.CompileWarning, match="count") as seen:
        assert [int(fast(numpy.ones(()))) for _ in range(8)] == list(range(1, 9))
    assert len(seen) == 1


def test_libraries_that_cannot_be_written_are_refused_by_name(monkeypatch):
    from types import SimpleNamespace

    from xpnn.compiler import recording

    monkeypatch.setattr(recording, "namespace_of", lambda *arrays: SimpleNamespace(__name__="jax.numpy"))
    with pytest.raises(TypeError, match=r"compile writes parameters in place, which jax.numpy arrays do not allow"):
        xpnn.compile(lambda x: x)(numpy.ones(2))


@pytest.mark.parametrize("option", ["exact", "fallback"])
def test_options_that_are_no_bool_are_refused(option):
    with pytest.raises(TypeError, match=f"compile expected {option} to be True or False, got 'yes'"):
        xpnn.compile(lambda x: x, **{option: "yes"})


def test_a_step_without_arrays_is_refused():
    with pytest.raises(xpnn.CannotRecord, match="neither the arguments nor the state"):
        xpnn.compile(lambda: 3)()


@pytest.mark.parametrize("before", [0, 1], ids=["first", "second"])
def test_an_error_at_any_call_of_a_recording_leaves_everything_as_before(before, monkeypatch):
    def make():
        model = network(dropout=0.5)
        optimizer = optim.Adam(model, learning_rate=0.1)
        step = training_step(model, optimizer)

        def whole(x, t):
            x += 1
            return step(x, t)

        return model, optimizer, whole

    model, optimizer, step = make()
    other, other_optimizer, fast_step = make()
    fast = xpnn.compile(fast_step, state=(other, other_optimizer), exact=True)
    x, t = normal(3, 4), normal(3, 2)
    own_x = x.copy()
    for _ in range(before):
        assert step(x, t) == fast(own_x, t)
    real, failing, made = Recorder.call, [0], [0]

    def call(*args, **kwargs):
        made[0] += 1
        if made[0] == failing[0]:
            raise ZeroDivisionError
        return real(*args, **kwargs)

    monkeypatch.setattr(Recorder, "call", call)
    places = [(container, key, container[key]) for container, key, _ in other_optimizer.recordable_places()]
    for failing[0] in range(1, 100):
        made[0] = 0
        try:
            fast(own_x, t)
        except ZeroDivisionError:
            assert all(container[key] is array for container, key, array in places)
            assert own_x.tobytes() == x.tobytes()
            for mine, its in ((model, other), (optimizer, other_optimizer)):
                assert all(map(numpy.array_equal, mine.state_dict().values(), its.state_dict().values()))
        else:
            break
    assert 30 < failing[0] < 99
    step(x, t)
    monkeypatch.undo()
    for _ in range(4):
        assert step(x, t) == fast(own_x, t)


def unplannable(program):
    raise AssertionError("a rewrite with a mistake")


def test_a_plan_that_cannot_be_made_leaves_the_state_as_before():
    state = {"n": numpy.zeros(())}

    def step(x):
        state["n"] += 1.0
        x += 1
        return state["n"] * x

    fast, x = xpnn.compile(step, state=state, rewriting=[unplannable]), numpy.ones(2)
    assert fast(x)[0] == 2
    for _ in range(2):  # recorded, and recorded again: in turn
        with pytest.raises(AssertionError, match="a rewrite with a mistake"):
            fast(x)
        assert (state["n"], x[0]) == (1, 2)
        state["n"] -= 1.0
        x -= 1
        assert fast(x)[0] == 2


def test_a_plan_that_cannot_be_made_falls_back_once():
    state = {"n": numpy.zeros(())}

    def step(x):
        state["n"] += 1.0
        return state["n"] * x

    fast = xpnn.compile(step, state=state, rewriting=[unplannable], fallback=True)
    with pytest.warns(xpnn.CompileWarning, match="runs without being compiled: a rewrite with a mistake") as seen:
        assert [float(fast(numpy.ones(()))) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert len(seen) == 1


def test_something_made_at_the_first_use_of_each_shape_is_no_hidden_state():
    made = {}

    def step(x):
        if x.shape not in made:
            made[x.shape] = len(x) + 1.0
        return x * made[x.shape]

    fast = xpnn.compile(step)
    for _ in range(4):
        for size in (2, 3, 4):
            assert fast(numpy.ones(size))[0] == size + 1


# Copies and memory


def module_level(x):
    return 2 * x


def test_copies_make_plans_of_their_own():
    fast = xpnn.compile(module_level, exact=True)
    for _ in range(3):
        fast(numpy.ones(2))
    for other in (copy.copy(fast), copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        assert other.plan() is None
        assert other.exact
        assert [other(numpy.ones(2))[0] for _ in range(4)] == [2, 2, 2, 2]
    assert fast.plan() is not None


def test_a_copied_method_goes_with_its_object():
    experiment = Experiment()
    fast = xpnn.compile(experiment.step, state=(experiment.model, experiment.optimizer))
    x, t = normal(3, 4), normal(3, 2)
    for _ in range(3):
        fast(x, t)
    other, before = copy.deepcopy(fast), experiment.model.state_dict()
    for _ in range(4):
        other(x, t)
    assert all(numpy.array_equal(before[name], array) for name, array in experiment.model.state_dict().items())
    assert int(other.step.__self__.optimizer.steps) == 7


def test_a_copied_step_of_an_object_is_the_copy_that_the_object_holds():
    experiment = Experiment()
    experiment.fast = xpnn.compile(experiment.step, state=(experiment.model, experiment.optimizer))
    other = copy.deepcopy(experiment.fast)
    assert other is other.step.__self__.fast
    again = copy.deepcopy(experiment)
    assert again.fast.step.__self__ is again


@pytest.mark.parametrize("calls", range(1, 5))
def test_arguments_and_results_live_no_longer_than_their_user_wants(calls):
    import weakref

    state = {"w": numpy.zeros((10, 10))}

    def step(x):
        state["w"] += x
        return x * 2, state["w"] + x

    fast = xpnn.compile(step, state=state)
    for _ in range(calls):
        x = normal(10, 10, dtype="float64")
        result = fast(x)
    held = [weakref.ref(array) for array in (x, *result)]
    del x, result
    assert [array() for array in held] == [None] * 3  # without the collector


def test_memory_is_steady_over_ten_thousand_replays():
    model = nn.Linear(2, 1).initialize(seed=0)
    optimizer = optim.SGD(model, learning_rate=0.01)
    fast = xpnn.compile(training_step(model, optimizer), state=(model, optimizer))
    x, t = normal(4, 2), normal(4, 1)
    for _ in range(LOOKS + 10):
        fast(x, t)
    gc.disable()
    try:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10_000):
            fast(x, t)
        assert tracemalloc.get_traced_memory()[0] - before < 1000
    finally:
        tracemalloc.stop()
        gc.enable()


def test_a_plan_does_not_keep_the_arguments_or_the_arrays_of_its_recording():
    import weakref

    fast = xpnn.compile(lambda x: 2 * x + 1)
    x = normal(1000)
    found = weakref.ref(x)
    for _ in range(4):
        fast(x)
    del x
    gc.collect()
    assert found() is None


def test_arrays_that_were_replaced_in_the_state_do_not_stay_in_plans():
    state = {"w": numpy.zeros(3)}
    fast = xpnn.compile(lambda x: state["w"] * x, state=state)
    alive = []
    for n in range(7):
        state["w"] = numpy.full(3, float(n))
        alive.append(weakref.ref(state["w"]))
        for rows in (1, 2):
            assert [fast(numpy.ones((rows, 3)))[0, 0] for _ in range(3)] == [n] * 3
    gc.collect()
    assert [made() is not None for made in alive] == [False] * 4 + [True] * 3


def test_arrays_that_take_turns_in_the_state_keep_their_plans():
    state = {"w": numpy.zeros(3)}
    arrays = [numpy.zeros(3), numpy.ones(3), numpy.full(3, 2.0)]
    fast = xpnn.compile(lambda x: state["w"] * x, state=state)
    plans = []
    for n in range(30):
        state["w"] = arrays[n % 3]
        assert fast(numpy.ones(3))[0] == n % 3
        plans.append(fast.plan())
    assert plans[6:9] == plans[27:30]
    assert len({id(plan) for plan in plans[6:]}) == 3
