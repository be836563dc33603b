"""A compiled step gives what the plain step gives, whatever changes between calls."""

import copy
import gc
import warnings
import weakref

import numpy
import pytest
from compiler_twins import Twins, network, normal, training_step

import xpnn
from xpnn import nn, optim

# The same numbers


def test_training_is_the_same_to_the_last_bit():
    twins = Twins()
    twins.run(6)
    assert twins.plans == 1


def test_sums_in_another_order_are_near():
    model, other = network(), network()
    step = training_step(model, optim.SGD(model, learning_rate=0.1))
    optimizer = optim.SGD(other, learning_rate=0.1)
    fast = xpnn.compile(training_step(other, optimizer), state=(other, optimizer))
    for _ in range(6):
        x, t = normal(200, 4), normal(200, 2)
        # float32 sums of 400 numbers: 400 roundings of 6e-8 at most
        numpy.testing.assert_allclose(step(x, t), fast(x, t), rtol=2.4e-5)


@pytest.mark.parametrize(
    "rate", [optim.exponential_decay(0.1, factor=0.5), optim.warmup(0.1, steps=4), optim.step_decay(0.1, steps=2)]
)
def test_schedules_and_step_counts_advance(rate):
    twins = Twins(optimizer=lambda model: optim.SGD(model, learning_rate=rate, momentum=0.9))
    twins.run(6)
    assert int(twins.fast_optimizer.steps) == 6


def test_dropout_draws_a_new_mask_at_each_step():
    twins = Twins(make=lambda: network(dropout=0.5))
    twins.run(6)
    assert int(twins.fast.state_dict()["2.calls"]) == 6


def test_running_statistics_advance():
    class Center(nn.Module):
        def __init__(self):
            self.mean = nn.Buffer(numpy.zeros(4, dtype="float32"))

        def forward(self, x):
            xp = xpnn.namespace_of(x)
            self.mean[...] = 0.9 * self.mean + 0.1 * xp.mean(x, axis=0)
            return x - self.mean

    twins = Twins(make=lambda: nn.Sequential(Center(), nn.Linear(4, 2)).initialize(seed=1))
    twins.run(6)


def test_results_are_left_alone_by_later_steps():
    fast = xpnn.compile(lambda x: (2 * x, x + 1, xpnn.namespace_of(x).sum(x)))
    results, expected = [], []
    for _ in range(6):
        x = normal(3, 4)
        results.append(fast(x))
        expected.append((2 * x, x + 1))
    for (double, more, _), (a, b) in zip(results, expected, strict=True):
        assert numpy.array_equal(double, a)
        assert numpy.array_equal(more, b)


def test_results_may_be_written_into():
    fast = xpnn.compile(lambda x: 2 * x)
    for _ in range(5):
        y = fast(numpy.ones(3))
        assert numpy.array_equal(y, [2, 2, 2])
        y += 1


# What makes a new plan


def test_new_shapes_dtypes_and_strides_make_new_plans():
    fast = xpnn.compile(lambda x: xpnn.namespace_of(x).sum(2 * x, axis=0), exact=True)
    for x in (normal(3, 4), normal(5, 4), normal(3, 4, dtype="float64"), normal(4, 3).T, normal(3), normal(0, 4)):
        for _ in range(4):
            y = fast(x)
            assert y.dtype == x.dtype
            assert numpy.array_equal(y, (2 * x).sum(axis=0))
    assert len(fast._plans) == 6


def test_the_last_smaller_batch_goes_between():
    twins = Twins()
    for _ in range(4):
        twins.run(2, rows=6)
        twins.run(1, rows=3)
    assert twins.plans == 2


def test_python_arguments_count_by_value():
    fast = xpnn.compile(lambda x, factor, *, shift=0, name=None: x * factor + shift)
    x = normal(3)
    for _ in range(4):
        assert numpy.array_equal(fast(x, 2), x * 2)
        assert numpy.array_equal(fast(x, 3), x * 3)
        assert numpy.array_equal(fast(x, 3, shift=1), x * 3 + 1)
        assert numpy.array_equal(fast(x, 3, shift=1, name="a"), x * 3 + 1)
        assert fast(x, True).dtype == "float32"
        assert numpy.array_equal(numpy.signbit(fast(x, 1, shift=-0.0)), numpy.signbit(x))
        assert fast(normal(3, dtype="int8") * 0, 1).dtype == "int8"
        assert fast(normal(3, dtype="int8") * 0, 1.0).dtype == "float64"


def test_zero_and_minus_zero_are_two_arguments():
    fast = xpnn.compile(lambda x, zero: xpnn.namespace_of(x).copysign(x, xpnn.namespace_of(x).asarray(zero)))
    for _ in range(4):
        assert fast(numpy.ones(()), 0.0) == 1
        assert fast(numpy.ones(()), -0.0) == -1


def test_not_a_number_is_one_argument():
    fast = xpnn.compile(lambda x, fill: x * fill)
    for _ in range(4):
        assert numpy.isnan(fast(numpy.ones(1), float("nan")))[0]
    assert len(fast._plans) == 1


def test_trees_as_arguments():
    def step(batch, pair):
        xp = xpnn.namespace_of(batch["x"])
        return {"sum": xp.sum(batch["x"]) + pair[0], "none": None, "parts": [pair[1] * 2, 3]}

    fast = xpnn.compile(step)
    for _ in range(4):
        x, y = normal(3), normal(3)
        result = fast({"x": x, "name": "a"}, [numpy.float32(1), y])
        assert numpy.allclose(result["sum"], x.sum() + 1)
        assert result["none"] is None
        assert numpy.array_equal(result["parts"][0], y * 2)
        assert result["parts"][1] == 3
    with pytest.raises(KeyError, match="x"):
        fast({"z": x}, [numpy.float32(1), y])
    fast({"name": "a", "x": x}, [numpy.float32(1), y])  # the order of a dictionary counts: it may be walked
    assert len(fast._plans) == 1


def test_dictionaries_in_another_order_are_not_mixed_up():
    fast = xpnn.compile(lambda batch: batch["a"] - batch["b"])
    for _ in range(4):
        a, b = normal(2), normal(2)
        assert numpy.array_equal(fast({"a": a, "b": b}), a - b)
        assert numpy.array_equal(fast({"b": b, "a": a}), a - b)


def test_training_and_evaluation_have_plans_of_their_own():
    model = network(dropout=0.5)
    fast, other = xpnn.compile(lambda x: model(x), state=model), copy.deepcopy(model)
    x = normal(3, 4)
    for mode in (True, False, True, False, True):
        model.train(mode), other.train(mode)
        for _ in range(3):
            # without a gradient a product may be grouped in another way
            assert numpy.allclose(fast(x), other(x), rtol=1e-6)


CHANGES = {
    "another learning rate": lambda model, optimizer: optimizer.groups[0].options.update(beta1=0.5),
    "weights loaded": lambda model, optimizer: model.load_state_dict(network().state_dict()),
    "optimizer loaded": lambda model, optimizer: optimizer.load_state_dict(
        {name: array * 0 for name, array in optimizer.state_dict().items()}
    ),
    "weight replaced": lambda model, optimizer: setattr(model[0], "weight", numpy.ones((5, 4), dtype="float32")),
    "layer frozen": lambda model, optimizer: model.freeze("0.*"),
    "evaluation": lambda model, optimizer: model.eval(),
    "an attribute": lambda model, optimizer: setattr(model[2], "p", 0.25),
    "moved to its own device": lambda model, optimizer: model.to("cpu"),
    "weights written": lambda model, optimizer: model[0].weight.fill(0.5),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_between_calls_is_seen(change):
    twins = Twins(make=lambda: network(dropout=0.5))
    twins.run(4)
    twins.both(CHANGES[change])
    twins.run(4)


def test_another_dtype_of_the_model_makes_a_new_plan():
    twins = Twins()
    twins.run(4)
    twins.both(lambda model, optimizer: model.to(dtype="float64"))
    twins.run(4, dtype="float64")


def test_a_layer_appended_to_a_list_is_seen():
    class Stack(nn.Module):
        def __init__(self):
            self.layers = [nn.Linear(4, 4)]

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x[:, :2]

    twins = Twins(make=lambda: Stack().initialize(seed=0))
    twins.run(4)
    twins.both(lambda model, optimizer: model.layers.append(nn.Linear(4, 4).initialize(seed=1)))
    twins.run(4)
    assert int(twins.fast_optimizer.steps) == int(twins.plain_optimizer.steps)


def test_a_variable_of_the_step_is_seen():
    factor, offsets = 2, [1]

    def step(x):
        return factor * x + offsets[0]

    fast, x = xpnn.compile(step), numpy.ones(2)
    assert [fast(x)[0] for _ in range(4)] == [3, 3, 3, 3]
    factor = 5
    assert [fast(x)[0] for _ in range(4)] == [6, 6, 6, 6]
    offsets[0] = 2
    assert [fast(x)[0] for _ in range(4)] == [7, 7, 7, 7]


GLOBAL_FACTOR = 2


def test_a_variable_of_the_module_is_seen(monkeypatch):
    def inner(x):
        return GLOBAL_FACTOR * x

    fast, x = xpnn.compile(lambda x: inner(x) + 1), numpy.ones(2)
    assert [fast(x)[0] for _ in range(4)] == [3, 3, 3, 3]
    monkeypatch.setitem(globals(), "GLOBAL_FACTOR", 5)
    assert [fast(x)[0] for _ in range(4)] == [6, 6, 6, 6]


def test_a_model_that_only_the_step_knows_counts_as_state():
    model = network()
    fast = xpnn.compile(lambda x: model(x))
    x = normal(3, 4)
    for _ in range(4):
        assert numpy.allclose(fast(x), model(x), rtol=1e-6)
    model.to(dtype="float64")
    x = normal(3, 4, dtype="float64")
    for _ in range(4):
        assert numpy.allclose(fast(x), model(x), rtol=1e-14)


def look_ups(fast):
    """Counts the calls of a compiled step that had to look for their plan."""
    found, other = [], fast._other
    fast._other = lambda args, kwargs: found.append(1) or other(args, kwargs)
    return found


def test_calls_that_take_turns_are_known_without_a_look_up():
    fast = xpnn.compile(lambda x: 2 * x)
    calls = [normal(rows, 2) for rows in (3, 4, 5, 6)]
    for _ in range(3):
        for x in calls:
            fast(x)
    found = look_ups(fast)
    for x in 3 * calls:
        numpy.testing.assert_array_equal(fast(x), 2 * x)
    assert not found
    fast(normal(7, 2))
    assert found  # it counts


def test_an_earlier_call_is_not_taken_for_one_with_another_state():
    state = {"w": numpy.asarray(2.0)}
    fast = xpnn.compile(lambda x: state["w"] * x, state=state)
    calls = [numpy.ones(3), numpy.ones(4)]
    for _ in range(4):
        for x in calls:
            fast(x)
    state["w"] = numpy.asarray(5.0)
    for _ in range(4):
        for x in calls:
            numpy.testing.assert_array_equal(fast(x), 5 * x)


def test_calls_whose_plans_were_dropped_hold_no_arrays_of_the_state():
    state, gone = {"w": numpy.zeros(100)}, []
    fast = xpnn.compile(lambda x: state["w"][:2] + x, state=state)
    for _ in range(9):
        state["w"] = numpy.zeros(100)
        gone.append(weakref.ref(state["w"]))
        for _ in range(4):
            fast(numpy.ones(2))
    gc.collect()
    assert fast._lasts.keys() <= fast._plans.keys()
    assert sum(array() is not None for array in gone) == len(fast._plans) == 3


def test_plans_are_bounded_and_the_one_used_longest_ago_goes():
    fast = xpnn.compile(lambda x: 2 * x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xpnn.CompileWarning)
        for size in range(1, 20):
            for _ in range(3):
                fast(numpy.ones(size))
                fast(numpy.ones(1))
    assert len(fast._plans) == 16
    shapes = [plan.program.values[0].shape for plan in fast._plans.values()]
    assert (1,) in shapes
    assert (2,) not in shapes


def test_a_plan_that_makes_room_is_gone_without_the_collector():
    fast, gone = xpnn.compile(lambda x: xpnn.namespace_of(x).sum(x + 1)), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xpnn.CompileWarning)
        gc.disable()
        try:
            for size in range(1, 30):
                for _ in range(3):
                    fast(numpy.ones(size))
                arrays = fast.plan().executor.buffers.arrays
                gone.append(weakref.ref(next(array for array in arrays.values() if array.size == size)))
        finally:
            gc.enable()
    assert [array() is None for array in gone] == [True] * 13 + [False] * 16


def test_thrashing_is_reported_once_and_says_what_changed():
    fast = xpnn.compile(lambda x, number: number * x)
    with pytest.warns(xpnn.CompileWarning, match=r"recorded anew 17 times within 100 calls.*argument.*14.*15") as seen:  # noqa: PT031
        for number in range(60):
            assert fast(numpy.ones(1), number) == number
    assert len(seen) == 1
    assert seen[0].filename == __file__


def test_sixteen_shapes_are_no_thrashing():
    fast = xpnn.compile(lambda x: 2 * x)
    for _ in range(4):
        for size in range(16):
            fast(numpy.ones(size))


# Memory that is shared


def test_the_same_array_twice():
    def step(a, b):
        a += 1
        return a * b

    fast, plain = xpnn.compile(step), step
    for same in (False, False, False, True, True, True, True, False):
        a, b = normal(3), normal(3)
        pair, other = (a, a if same else b), (a.copy(), b.copy())
        other = (other[0], other[0] if same else other[1])
        assert numpy.array_equal(fast(*pair), plain(*other))
        assert numpy.array_equal(pair[0], other[0])


def test_one_array_given_twice_is_not_two_that_overlap():
    def step(a, b):
        a += 1
        return a * b

    fast, data, other = xpnn.compile(step), numpy.arange(4.0), numpy.arange(4.0)
    for _ in range(4):
        assert numpy.array_equal(fast(data[:3], data[1:]), step(other[:3], other[1:]))
        x = normal(3, dtype="float64")
        y = x.copy()
        assert numpy.array_equal(fast(x, x), step(y, y))
        assert numpy.array_equal(data, other)


def test_an_array_of_the_state_as_argument_is_not_one_that_overlaps_it():
    def of(base):
        state = {"w": base[:4]}

        def step(x):
            state["w"] += 1
            return state["w"] * x

        return state, step

    data, other = numpy.arange(5.0), numpy.arange(5.0)
    (state, step), (plain_state, plain) = of(data), of(other)
    fast = xpnn.compile(step, state=state)
    for _ in range(4):
        assert numpy.array_equal(fast(data[1:]), plain(other[1:]))
        assert numpy.array_equal(fast(state["w"]), plain(plain_state["w"]))
        assert numpy.array_equal(data, other)


def test_an_argument_that_is_a_variable_of_the_step():
    w = numpy.ones(3)

    def step(x):
        double = xpnn.namespace_of(x).add
        before = double(w, w)
        x += 1
        return before + double(w, w)

    fast = xpnn.compile(step)
    for n in range(12):
        given = w if n % 4 == 3 else numpy.ones(3)
        expected = 4 * w + (2 if given is w else 0)
        assert numpy.array_equal(fast(given), expected)


def test_views_of_one_array_as_arguments():
    def step(a, b):
        a *= 2
        return a + b

    fast = xpnn.compile(step)
    for shift in (4, 4, 4, 1, 1, 1, 4, 1, 0, 0, 0):
        data, other = numpy.arange(8.0), numpy.arange(8.0)
        assert numpy.array_equal(fast(data[:4], data[shift : shift + 4]), step(other[:4], other[shift : shift + 4]))
        assert numpy.array_equal(data, other)


def test_an_argument_that_lies_in_the_state():
    state, other = {"w": numpy.ones(4)}, {"w": numpy.ones(4)}

    def step_on(state):
        def step(x):
            state["w"] += x
            return state["w"] * x

        return step

    fast = xpnn.compile(step_on(state), state=state)
    for kind in "aaabbbbabcccca":
        x = numpy.arange(4.0)
        given = {"a": lambda s, x=x: x, "b": lambda s: s["w"][::-1], "c": lambda s: s["w"]}[kind]
        assert numpy.array_equal(fast(given(state)), step_on(other)(given(other)))
        assert numpy.array_equal(state["w"], other["w"])


def test_read_only_arguments():
    fast = xpnn.compile(lambda x: x * 2)
    for n in range(5):
        x = normal(3)
        x.flags.writeable = n % 2 == 0
        assert numpy.array_equal(fast(x), x * 2)


def test_writing_into_a_read_only_argument_raises_as_in_the_plain_step():
    def step(x):
        x += 1
        return x

    fast = xpnn.compile(step)
    for _ in range(3):
        assert fast(numpy.ones(2))[0] == 2
    x = numpy.ones(2)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        fast(x)
    assert x[0] == 1


def test_state_in_a_file_mapped_to_memory(tmp_path):
    state = {"w": numpy.memmap(tmp_path / "w", dtype="float64", shape=(3,), mode="w+")}

    def step(x):
        state["w"] += x
        return state["w"] * 1

    fast = xpnn.compile(step, state=state)
    for n in range(1, 6):
        assert fast(numpy.ones(3))[0] == n
    assert fast(state["w"][:])[0] == 10
