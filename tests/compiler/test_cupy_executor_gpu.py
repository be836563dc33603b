"""A compiled step as one CUDA graph, on a GPU."""

import gc
import threading
import weakref

import numpy
import pytest
from graph_steps_tried import graph_of, joined

import xpnn
from xpnn import nn, optim
from xpnn.arrays.native import to_host
from xpnn.compiler import cuda_graph
from xpnn.compiler import cupy_executor as executors


@pytest.fixture
def cuda():
    return xpnn.device("cuda")


def trainings(cuda, **options):
    """A plain and a compiled training of a network with dropout, by Adam with a schedule."""
    sides = []
    for compiled in (False, True):
        layers = [nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 3)]
        model = nn.Sequential(*layers).initialize(seed=1).to(cuda)
        optimizer = optim.Adam(model, learning_rate=optim.cosine_decay(0.01, steps=300))
        loss = xpnn.value_and_grad(lambda model, x, t: nn.cross_entropy(model(x), t))

        def step(x, t, model=model, optimizer=optimizer, loss=loss):
            value, gradients = loss(model, x, t)
            optimizer.step(gradients)
            return value

        fast = xpnn.compile(step, state=(model, optimizer), **options) if compiled else step
        sides.append((fast, model, optimizer))
    return sides


def batches(cuda, count, rows=32):
    generator = numpy.random.default_rng(0)
    for _ in range(count):
        x = generator.standard_normal((rows, 20), dtype="float32")
        yield cuda.asarray(x), cuda.asarray(numpy.abs(x[:, :3]).argmax(axis=1))


@pytest.mark.gpu
@pytest.mark.parametrize("exact", [True, False])
def test_on_a_gpu_200_steps_give_the_plain_losses(cuda, exact):
    (plain, model, _), (fast, other, optimizer) = trainings(cuda, exact=exact)
    kept, expected = [], []
    for x, t in batches(cuda, 200):
        expected.append(plain(x, t))
        kept.append(fast(x, t))
    graph_of(fast)
    kept, expected = ([float(loss) for loss in losses] for losses in (kept, expected))
    if exact:
        assert kept == expected
        mine, others = model.state_dict(), other.state_dict()
        assert all(numpy.array_equal(to_host(mine[name]), to_host(others[name])) for name in mine)
    else:
        numpy.testing.assert_allclose(kept, expected, rtol=1e-3)  # float32 roundings, and what training makes of them
    assert int(to_host(optimizer.steps)) == 200
    assert kept[-1] < kept[0]


@pytest.mark.gpu
def test_on_a_gpu_other_shapes_modes_and_loaded_states_go_on(cuda):
    (plain, model, _), (fast, other, _) = trainings(cuda, exact=True)
    saved = {name: to_host(array) for name, array in model.state_dict().items()}
    for rows, train in ((32, True), (7, True), (32, False), (7, True), (32, True)):
        for each in (model, other):
            each.train(train)
        for x, t in batches(cuda, 4, rows):
            assert float(plain(x, t)) == float(fast(x, t))
    for each in (model, other):
        each.load_state_dict(saved)
    for x, t in batches(cuda, 3):
        assert float(plain(x, t)) == float(fast(x, t))
    graph_of(fast)
    assert len(fast._plans) == 3


@pytest.mark.gpu
def test_on_a_gpu_streams_are_ordered(cuda):
    cupy = pytest.importorskip("cupy")
    state = {"total": cuda.asarray(numpy.zeros(1 << 20, dtype="float32"))}

    def step(x):
        state["total"][...] += x
        return state["total"] + 0

    fast = xpnn.compile(step, state=state, exact=True)
    x = cuda.asarray(numpy.ones(1 << 20, dtype="float32"))
    for _ in range(3):
        fast(x)
    graph_of(fast)
    cupy.cuda.Device().synchronize()
    streams = [cupy.cuda.Stream(non_blocking=True) for _ in range(3)] + [cupy.cuda.Stream.null]
    found = []
    for turn in range(40):
        with streams[turn % 4]:
            given = x * 2 - 1  # on this stream, just before
            found.append(fast(given))
    cupy.cuda.Device().synchronize()
    assert [float(y[-1]) for y in found] == [float(k + 4) for k in range(40)]
    assert all(bool((y == y[0]).all()) for y in found)


@pytest.mark.gpu
def test_on_a_gpu_threads_take_turns(cuda):
    cupy = pytest.importorskip("cupy")
    w = cuda.asarray(numpy.eye(64, dtype="float32") * 2)
    fasts = [xpnn.compile(lambda x: x @ w @ w + 1, exact=True) for _ in range(2)]
    x = cuda.asarray(numpy.ones((8, 64), dtype="float32"))
    for fast in fasts:
        for _ in range(3):
            fast(x)
        graph_of(fast)
    cupy.cuda.Device().synchronize()
    found = {0: [], 1: []}

    def work(number):
        with cupy.cuda.Stream(non_blocking=True) as stream:
            for k in range(50):
                found[number].append(fasts[number](x * k))
            stream.synchronize()

    threads = [threading.Thread(target=work, args=(number,)) for number in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in found.values():
        assert [float(y[3, 5]) for y in each] == [4.0 * k + 1 for k in range(50)]


@pytest.mark.gpu
def test_on_a_gpu_what_cannot_be_captured_says_why(cuda):
    def step(x):
        xp = xpnn.namespace_of(x)
        return xp.linalg.solve(x, x)

    x = cuda.asarray(numpy.eye(3) * 2)
    fast = xpnn.compile(step)
    found = [to_host(fast(x)) for _ in range(4)]
    assert all(numpy.array_equal(y, numpy.eye(3)) for y in found)
    assert "captur" in fast.plan().executor.reason
    assert "not as one CUDA graph" in str(fast.plan())
    assert float((x + 1)[0, 0]) == 3  # and the device goes on


@pytest.mark.gpu
def test_on_a_gpu_what_copies_from_the_host_runs_call_by_call(cuda, monkeypatch):
    def step(x):
        return x[[0, 2]] + 1

    for refused in (True, False):  # then by what the capture itself says
        if not refused:
            monkeypatch.setattr(executors, "_refused_call", lambda call: "")
        x = cuda.asarray(numpy.arange(24, dtype="float32").reshape(6, 4))
        fast = xpnn.compile(step, exact=True)
        for k in range(5):
            numpy.testing.assert_array_equal(to_host(fast(x + k)), to_host(step(x + k)))
        assert "host" in fast.plan().executor.reason


@pytest.mark.gpu
@pytest.mark.parametrize("value", [0.0, 1.5, 2])
def test_on_a_gpu_a_number_is_put_at_indices_in_a_graph(cuda, value):
    places = cuda.asarray(numpy.asarray([4, 0]))

    def step(x):
        y = x * 2
        y[places] = value
        y[1, places % 3] = value
        return y

    x = cuda.asarray(numpy.arange(1, 25, dtype="float32").reshape(6, 4))
    fast = xpnn.compile(step, exact=True)
    for k in range(5):
        found, expected = to_host(fast(x + k)), to_host(step(x + k))
        numpy.testing.assert_array_equal(found, expected)
    graph_of(fast)


@pytest.mark.gpu
def test_on_a_gpu_a_gradient_through_writes_at_indices_is_a_graph(cuda):
    places = cuda.asarray(numpy.asarray([3, 1]))

    def value(x):
        y = x + 0
        y[places] = x[:2] * 3
        return xpnn.namespace_of(y).sum(y * y)

    step = xpnn.value_and_grad(value)
    x = cuda.asarray(numpy.arange(1, 6, dtype="float32"))
    fast = xpnn.compile(step, exact=True)
    for k in range(5):
        for found, expected in zip(fast(x + k), step(x + k), strict=True):
            numpy.testing.assert_array_equal(to_host(found), to_host(expected))
    graph_of(fast)


@pytest.mark.gpu
@pytest.mark.parametrize("count", [8, 9, 70])
@pytest.mark.parametrize("name", ["stack", "concat"])
def test_on_a_gpu_many_arrays_are_joined_in_a_graph(cuda, name, count):
    step = joined(name, count)
    x = cuda.asarray(numpy.arange(24, dtype="float32").reshape(6, 4))
    fast = xpnn.compile(step, exact=True)
    for k in range(5):
        numpy.testing.assert_array_equal(to_host(fast(x + k)), to_host(step(x + k)))
    graph_of(fast)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_on_a_gpu_products_of_all_layouts_are_captured_bit_for_bit(cuda, dtype):
    generator = numpy.random.default_rng(0)

    def array(*shape):
        real = generator.standard_normal(shape)
        return cuda.asarray((real + 1j * generator.standard_normal(shape) if "c" in dtype else real).astype(dtype))

    pairs = [
        (array(5, 7), array(7, 3)), (array(7, 5).T, array(3, 7).T), (array(5, 7), array(7, 1)),
        (array(1, 7), array(7, 3)), (array(5, 7), array(7)), (array(7), array(7, 3)), (array(7), array(7)),
        (array(9, 7)[::2], array(7, 9)[:, ::3]), (array(4, 5, 7), array(4, 7, 3)), (array(4, 5, 7), array(7, 3)),
        (array(2, 1, 5, 7), array(3, 7, 2)), (array(7), array(4, 7, 3)), (array(4, 5, 7), array(7)),
        (array(0, 7), array(7, 3)), (array(5, 0), array(0, 3)), (array(1, 7), array(7, 1)),
    ]  # fmt: skip
    for a, b in pairs:
        fast = xpnn.compile(lambda a, b: a @ b, exact=True)
        for _ in range(4):
            found = fast(a, b)
        graph_of(fast)
        numpy.testing.assert_array_equal(to_host(found), to_host(a @ b))
    fast = xpnn.compile(lambda a, b: xpnn.namespace_of(a).vecdot(a, b), exact=True)
    a, b = array(6, 40), array(40)
    for _ in range(4):
        found = fast(a, b)
    graph_of(fast)
    numpy.testing.assert_array_equal(to_host(found), to_host(cuda.xp.vecdot(a, b)))


@pytest.mark.gpu
def test_on_a_gpu_the_memory_comes_back(cuda):
    cupy = pytest.importorskip("cupy")
    x = cuda.asarray(numpy.ones((2000, 2000), dtype="float32"))
    pool = cupy.get_default_memory_pool()
    for _ in range(3):
        gc.collect()
        before = pool.used_bytes()
        fast = xpnn.compile(lambda x: (x @ x + 1) @ x, exact=True)
        for _ in range(4):
            fast(x)
        library = graph_of(fast).library
        assert library.bytes_held() >= 3 * x.nbytes
        died = []
        weakref.finalize(library, died.append, True)
        del fast, library
        gc.collect()
        assert died
        assert pool.used_bytes() == before
    assert not cuda_graph._turns  # nor is the workspace kept
