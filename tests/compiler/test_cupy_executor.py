"""A compiled step as one CUDA graph. Without a GPU NumPy stands in for CuPy, kernels are compiled as C++, and work is
done once more instead of being captured: all but the capture and cuBLAS is as on a GPU (`test_cupy_executor_gpu.py`).
"""

import gc
import threading
import weakref

import numpy
import pytest
from compiler_twins import Twins, network, normal, training_step
from graph_stand_in import COMPILER, Again, OnNumpy
from graph_steps_tried import graph_of

import xpnn
from xpnn import nn, optim
from xpnn.compiler import cupy_executor as executors
from xpnn.compiler.kernel_runs import in_runs
from xpnn.compiler.plans import Plan

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")


@pytest.fixture
def libraries(monkeypatch, tmp_path):
    """Plans on NumPy are made as on CuPy; the libraries that were made for them, one for each try."""
    made = []

    class Own(OnNumpy):
        def __init__(self):
            super().__init__(tmp_path)
            made.append(self)

    def executor(plan, recorder, rewriting, examples):
        return executors.cupy_executor(plan.program, recorder.kept, examples, rewriting, lambda device: made_by[0]())

    made_by = [Own]
    made.append(made_by)  # the first entry: what makes them, for tests to change
    monkeypatch.setattr(Plan, "_executor", executor)
    return made


def replayed(step, *given, state=(), exact=True, calls=4):
    fast = xpnn.compile(step, state=state, exact=exact)
    for _ in range(calls - 1):
        fast(*given)
    return fast, fast(*given)


X = normal(6, 4)


# The same numbers


@pytest.mark.parametrize("rate", [0.01, optim.cosine_decay(0.1, steps=9)])
def test_training_is_the_same_to_the_last_bit(libraries, rate):
    twins = Twins(make=lambda: network(dropout=0.3), optimizer=lambda model: optim.Adam(model, learning_rate=rate))
    twins.run(8)
    assert twins.compiled.plan().executor.reason == ""
    assert libraries[1].captured == 1
    assert int(twins.fast_optimizer.steps) == 8  # what was tried when the plan was made is undone


@needs_compiler
@pytest.mark.parametrize("loss_of", [nn.squared_error, nn.binary_cross_entropy_with_logits, nn.cross_entropy])
def test_kernels_give_the_plain_losses_and_all_of_adam_is_one(libraries, loss_of):
    model, other = network(), network()
    step = training_step(model, optim.Adam(model, learning_rate=0.1), loss_of)
    adam = optim.Adam(other, learning_rate=0.1)
    fast = xpnn.compile(training_step(other, adam, loss_of), state=(other, adam))
    for _ in range(8):
        x, t = normal(6, 4), normal(6, 2)
        t = t.argmax(axis=1) if loss_of is nn.cross_entropy else (t > 0).astype("float32")
        numpy.testing.assert_allclose(fast(x, t), step(x, t), rtol=1e-5)  # exp of C++ and of NumPy differ
    found, program = graph_of(fast), executors.copied(fast.plan().program)
    for rewrite in fast._rewriting():
        rewrite(program)
    steps = in_runs([call for call in program.calls if not call.makes], program)
    runs = [step for step in steps if hasattr(step, "shape")]
    assert [len(run.calls) > 9 for run in runs if run.shape == adam.groups[0].parameters.shape] == [True]
    assert found.parts[0] < 0.5 * len(fast.plan().program.calls)
    assert f"replayed as one CUDA graph of {found.parts[0]} steps, {len(runs)} of them generated" in str(fast.plan())


def test_other_shapes_and_modes_are_other_plans(libraries):
    twins = Twins(make=lambda: network(dropout=0.3))
    twins.run(4)
    twins.run(4, rows=3)
    twins.both(lambda model, _: model.eval())
    twins.run(4)
    twins.run(2, rows=3)
    assert twins.plans == 4
    assert len(libraries) == 1 + 4


def test_a_loaded_state_is_what_goes_on(libraries):
    twins = Twins()
    twins.run(4)
    saved = {name: array.copy() for name, array in twins.plain.state_dict().items()}
    twins.run(2)
    twins.both(lambda model, _: model.load_state_dict(saved))
    twins.run(3)
    assert twins.plans == 1


# What a step gives


def test_results_are_new_arrays(libraries):
    fast, kept = replayed(lambda x: 2 * x, X)
    assert fast.plan().executor.reason == ""
    fast(X + 1)
    numpy.testing.assert_array_equal(kept, 2 * X)


def test_arguments_and_state_come_back_as_themselves_and_views_as_views(libraries):
    state = {"sum": numpy.zeros((2, 3))}

    def step(x):
        xp = xpnn.namespace_of(x)
        state["sum"][...] += 1
        return x, xp.reshape(x, (-1,))[2:], state["sum"], state["sum"][0, :], xp.sum(x), 5

    fast, _ = replayed(step, X, state=state)
    assert fast.plan().executor.reason == ""
    mine = X + 1
    same, view, whole, row, total, number = fast(mine)
    assert same is mine
    assert whole is state["sum"]
    assert number == 5
    assert numpy.shares_memory(view, mine)
    numpy.testing.assert_array_equal(view, mine.reshape(-1)[2:])
    assert numpy.shares_memory(row, whole)
    assert (row == 5).all()
    assert total == mine.sum()


# What cannot be captured


def refusing(problem):
    class Refusing(OnNumpy):
        def capture(self, work):
            work()
            raise problem

    return Refusing


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            NotImplementedError("calling cuSOLVER is unsupported"),
            "NotImplementedError: calling cuSOLVER is unsupported",
        ),
        (MemoryError("Out of memory\nmore"), "MemoryError: Out of memory"),
    ],
)
@pytest.mark.parametrize("exact", [True, pytest.param(False, marks=needs_compiler)])
def test_where_a_capture_fails_the_calls_run_one_by_one(libraries, tmp_path, problem, said, exact):
    libraries[0][0] = lambda: refusing(problem)(tmp_path)
    twins = Twins()
    twins.compiled.exact = exact
    twins.run(6)
    assert twins.compiled.plan().executor.reason == said
    assert str(twins.compiled.plan()).endswith(f"replayed call by call, not as one CUDA graph: {said}")


@needs_compiler
def test_where_kernels_give_other_numbers_the_recorded_calls_are_captured(libraries, tmp_path):
    class Wrong(OnNumpy):
        def kernel(self, run, program):
            right = super().kernel(run, program)

            def wrong(*arrays):
                right(*arrays)
                arrays[-1][...] = arrays[-1] * 2 + 1

            return wrong

    libraries[0][0] = lambda: Wrong(tmp_path)
    step = training_step(model := network(), optimizer := optim.Adam(model, learning_rate=0.1))
    fast, _ = replayed(step, X, normal(6, 2), state=(model, optimizer), exact=False)
    assert fast.plan().executor.reason == ""
    assert fast.plan().executor.parts[1] == 0
    assert int(optimizer.steps) == 4


def test_a_graph_with_other_bits_is_not_used(libraries, tmp_path):
    class Other(OnNumpy):
        def product(self, a, b, out):
            return numpy.matmul(a, b) * numpy.float32(1 + 1e-6)

    libraries[0][0] = lambda: Other(tmp_path)
    twins = Twins()
    twins.run(6)
    assert "Differs: when it was tried, of " in twins.compiled.plan().executor.reason
    assert "where all bits should be equal" in twins.compiled.plan().executor.reason


def test_a_graph_that_forgets_an_argument_is_not_used(libraries, tmp_path):
    class Stale(OnNumpy):
        def put(self, place, x):
            place[...] = 0

    libraries[0][0] = lambda: Stale(tmp_path)
    fast, found = replayed(lambda x: 3 * x, X)
    assert fast.plan().executor.reason.startswith("Differs")
    numpy.testing.assert_array_equal(found, 3 * X)


def wrong_parameters(tmp_path, wrong):
    """Kernels that leave something else in parameters; `wrong(before, after)` says what."""

    class Wrong(OnNumpy):
        def kernel(self, run, program):
            right = super().kernel(run, program)
            outputs = [program.values[number].name for number in run.outputs]

            def call(*arrays):
                before = [x.copy() for x in arrays]
                right(*arrays)
                for name, x, was in zip(outputs, arrays[len(run.inputs) :], before[len(run.inputs) :], strict=True):
                    if "parameters" in name:
                        x[...] = wrong(was, x)

            return call

    return lambda: Wrong(tmp_path)


@needs_compiler
@pytest.mark.parametrize("wrong", [lambda a, b: a, lambda a, b: a - 3 * (b - a), lambda a, b: b * numpy.nan])
def test_a_graph_whose_optimizer_does_nothing_or_goes_the_wrong_way_is_not_used(libraries, tmp_path, wrong):
    libraries[0][0] = wrong_parameters(tmp_path, wrong)
    step = training_step(model := network(), optimizer := optim.Adam(model, learning_rate=0.001))
    fast, _ = replayed(step, X, normal(6, 2), state=(model, optimizer), exact=False)
    assert fast.plan().executor.reason == ""
    assert fast.plan().executor.parts[1] == 0  # the recorded calls as they are


class Baked(OnNumpy):
    """A capture that keeps what lay in arguments, or in the state, as numbers."""

    def capture(self, work):
        kept = work()
        graph = Again(lambda: [numpy.array(x) for x in kept])
        self.captured += 1
        return graph


def test_a_graph_that_keeps_its_arguments_as_numbers_is_not_used(libraries, tmp_path):
    libraries[0][0] = lambda: Baked(tmp_path)
    fast, found = replayed(lambda x: 3 * x, X)
    assert fast.plan().executor.reason.startswith("Differs")
    numpy.testing.assert_array_equal(found, 3 * X)


def test_a_graph_that_keeps_a_count_as_a_number_is_not_used(libraries, tmp_path):
    state = {"steps": numpy.zeros(3)}

    class Counted(OnNumpy):
        def capture(self, work):
            work()
            after = state["steps"].copy()

            def again():
                found = work()
                state["steps"][...] = after
                return found

            self.captured += 1
            return Again(again)

    def step(x):
        state["steps"][...] = state["steps"] + 1
        return x * 2

    libraries[0][0] = lambda: Counted(tmp_path)
    fast, _ = replayed(step, X, state=state)
    assert fast.plan().executor.reason.startswith("Differs")
    assert (state["steps"] == 4).all()


def test_numbers_that_are_all_nan_are_no_trial(libraries):
    state = {"w": numpy.full(3, numpy.nan)}

    def step(x):
        state["w"][...] = state["w"] + 1
        return x * 2

    fast, _ = replayed(step, X, state=state)
    assert "all NaN or infinite" in fast.plan().executor.reason


def test_sums_in_another_order_at_each_run_are_judged_by_how_far_plain_runs_are_apart(libraries, monkeypatch):
    turns = iter(range(10**6))

    def wavering(x, dtype=None, **options):
        return numpy.asarray(numpy.sum(x) * (1 + 1e-15 * (next(turns) % 7)))

    made = executors.cupy_executor

    def with_wavering(program, *rest):
        for call in program.calls:
            if call.name == "sum":
                call.function = wavering
        return made(program, *rest)

    monkeypatch.setattr(executors, "cupy_executor", with_wavering)
    fast, _ = replayed(lambda x: xpnn.namespace_of(x).sum(x * x), X.astype("float64"))
    assert fast.plan().executor.reason == ""
    assert fast.plan().executor.wavers


def square(x):
    x *= x
    return x + 0


def spectrum(x):
    xp = xpnn.namespace_of(x)
    return xp.real(xp.fft.fft(x))


@pytest.mark.parametrize(
    ("step", "given", "reason"),
    [
        (square, [numpy.ones(3)], "it writes into an argument"),
        (spectrum, [numpy.ones(4)], "fft keeps memory of its own"),
        (lambda x: xpnn.namespace_of(x).sort(x), [numpy.ones(3)], "sort waits for the device"),
        (lambda x: 2 * x, [numpy.float64(3)], "an argument is not an array on the device"),
        (lambda x: x, [numpy.ones(3)], "it makes no calls"),
        (lambda x, y: x + y, [X[:3], X[2:5]], "arguments share memory"),
        (lambda x: x[[0, 2]] + 1, [X], "getitem is given numbers of the host"),
    ],
)
def test_what_is_refused_at_once(libraries, step, given, reason):
    fast, _ = replayed(step, *given)
    assert fast.plan().executor.reason == reason
    assert len(libraries) == 1


@pytest.mark.parametrize("options", [{}, {"dtype": "float64"}])
def test_arrays_are_joined_with_other_options_as_asked_for(libraries, options):
    def step(x):
        return xpnn.namespace_of(x).concat([x, 2 * x], 1, **options)

    fast, found = replayed(step, X)
    assert fast.plan().executor.reason == ""
    numpy.testing.assert_array_equal(found, step(X))


def test_an_argument_that_is_a_part_of_the_state_is_refused(libraries):
    state = {"all": numpy.zeros((4, 2))}

    def step(x):
        state["all"][...] += 1
        return x * 2

    fast, found = replayed(step, state["all"][0], state=state)
    assert fast.plan().executor.reason == "arguments share memory"
    assert (found == 8).all()


def test_one_array_given_twice_is_one_argument(libraries):
    fast, found = replayed(lambda x, y: x * y, X, X)
    assert fast.plan().executor.reason == ""
    numpy.testing.assert_array_equal(found, X * X)


def test_on_another_current_device_the_calls_run_one_by_one(libraries):
    fast, _ = replayed(lambda x: 2 * x, X)
    libraries[1].here, libraries[1].begin = False, None
    numpy.testing.assert_array_equal(fast(X), 2 * X)


@pytest.mark.parametrize("exact", [True, pytest.param(False, marks=needs_compiler)])
def test_arguments_that_begin_anywhere_run_call_by_call_if_all_bits_count(libraries, exact):
    fast, _ = replayed(lambda x: 2 * x, X, exact=exact)
    assert fast.plan().executor.reason == ""
    asked = []
    libraries[1].begin, libraries[1].aligned = lambda: asked.append(1), lambda x: False
    numpy.testing.assert_array_equal(fast(X), 2 * X)
    assert bool(asked) is not exact


def test_a_graph_is_tried_itself_wherever_its_arguments_begin(libraries, tmp_path):
    class Other(OnNumpy):
        def product(self, a, b, out):
            return numpy.matmul(a, b) * 2

        def aligned(self, x):
            return False

    libraries[0][0] = lambda: Other(tmp_path)
    twins = Twins()
    twins.run(6)
    assert twins.compiled.plan().executor.reason.startswith("Differs")


def test_what_was_written_call_by_call_is_named_where_it_breaks_off(libraries):
    twins = Twins()
    twins.run(4)
    executor = twins.compiled.plan().executor
    libraries[1].here = False

    def fail(*arguments):
        executor._plain._position = len(executor.program.calls) - 1
        raise KeyboardInterrupt

    executor._plain.run = fail
    with pytest.raises(KeyboardInterrupt) as caught:
        twins.compiled(normal(6, 4), normal(6, 2))
    assert "It may have written" in caught.value.__notes__[0]


def test_the_lock_is_free_after_an_interruption_at_any_place(libraries):
    fast, _ = replayed(lambda x: 2 * x, X)
    library = libraries[1]

    def interrupted(*arguments):
        raise KeyboardInterrupt

    for name in ("begin", "put", "copy", "end"):
        right = getattr(library, name)
        setattr(library, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            fast(X)
        setattr(library, name, right)
        taken = []
        thread = threading.Thread(target=lambda taken=taken: taken.append(library.lock.acquire(timeout=1)))
        thread.start()
        thread.join()
        assert taken == [True]
        library.lock = threading.RLock()  # that thread's is gone


def test_a_plan_that_runs_call_by_call_says_why_in_the_log(libraries, caplog):
    with caplog.at_level("INFO", logger="xpnn"):
        replayed(lambda x: xpnn.namespace_of(x).sort(x), X)
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "INFO"]
    assert "call by call, not as one CUDA graph: sort waits for the device" in line
    assert "test_cupy_executor.py" in line


def test_a_replay_that_breaks_off_says_what_it_may_have_written(libraries):
    twins = Twins()
    twins.run(4)
    library = libraries[1]

    def fail(x):
        raise MemoryError("no memory for the result")

    library.copy = fail
    with pytest.raises(MemoryError) as caught:
        twins.compiled(normal(6, 4), normal(6, 2))
    assert "It may have written" in caught.value.__notes__[0]
    library.put = lambda place, x: fail(x)
    with pytest.raises(MemoryError) as caught:  # before anything ran
        twins.compiled(normal(6, 4), normal(6, 2))
    assert not hasattr(caught.value, "__notes__")
    assert library.started == 0  # its turn is over


def test_nothing_is_kept_in_circles(libraries):
    fast, _ = replayed(lambda x: 2 * x, X)
    gc.collect()
    gc.disable()
    try:
        died = []
        weakref.finalize(fast.plan().executor, died.append, True)
        fast.forget()
        assert died
    finally:
        gc.enable()


def test_a_stand_in_does_the_work_again():
    values = iter([[1], [2]])
    graph = Again(lambda: next(values))
    assert graph.result == [1]
    graph.launch()
    assert graph.result == [2]
