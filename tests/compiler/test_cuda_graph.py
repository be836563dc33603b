"""What is asked of CUDA to make and start a graph, and in which order, with a stand-in for CuPy."""

import gc
import sys
import threading
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import numpy
import pytest

from xpnn.compiler import cuda_graph


@pytest.fixture
def fake(monkeypatch):
    """A module `cupy` that notes what it is asked; its current stream can be set."""
    cupy, asked = ModuleType("cupy"), []
    cupy.asked, cupy.allocator, cupy.wrong = asked, "common", None

    class Stream:
        count = 0

        def __init__(self, non_blocking=False):
            Stream.count += 1
            self.ptr = Stream.count
            self.before = None

        def __eq__(self, other):
            return self.ptr == other.ptr

        def __hash__(self):
            return self.ptr

        def __enter__(self):
            self.before, cupy.stream = cupy.stream, self

        def __exit__(self, *problem):
            cupy.stream = self.before

        def synchronize(self):
            asked.append("synchronize the stream")

        def begin_capture(self):
            asked.append("begin")

        def end_capture(self):
            asked.append("end")
            if cupy.wrong:
                raise RuntimeError("the capture is broken")
            return SimpleNamespace(upload=lambda stream: asked.append("upload"), launch=lambda: asked.append("launch"))

        def wait_event(self, event):
            asked.append(f"{self.ptr} waits")

    class Event:
        def __init__(self, disable_timing):
            assert disable_timing

        def record(self, stream):
            asked.append(f"recorded in {stream.ptr}")

    @contextmanager
    def using_allocator(allocator):
        cupy.allocator = allocator
        yield
        cupy.allocator = "common"

    pool = SimpleNamespace(malloc="private", total_bytes=lambda: 512)
    cupy.stream = Stream()
    cupy.cuda = SimpleNamespace(
        Stream=Stream, Event=Event, MemoryPool=lambda: pool, using_allocator=using_allocator,
        get_current_stream=lambda: cupy.stream,
        runtime=SimpleNamespace(getDevice=lambda: 0, deviceSynchronize=lambda: asked.append("synchronize the device")),
    )  # fmt: skip
    for name in ("broadcast_arrays", "conj", "moveaxis"):
        setattr(cupy, name, getattr(numpy, name))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return cupy


def test_a_graph_is_captured_on_a_stream_and_in_memory_of_its_own(fake):
    cuda, user = cuda_graph.Cuda(0), fake.stream
    seen = []

    def work():
        seen.append((fake.stream is not user, fake.allocator, gc.isenabled()))
        return ["result"]

    with cuda.private():
        work()
        graph = cuda.capture(work)
    assert seen == [(True, "private", True), (True, "private", False)]
    assert gc.isenabled()
    assert graph.result == ["result"]
    assert fake.stream is user
    assert fake.allocator == "common"
    assert fake.asked == [
        "synchronize the device", "synchronize the stream", "begin", "end", "upload", "synchronize the device",
    ]  # fmt: skip
    assert cuda.bytes_held() == 512


@pytest.mark.parametrize("broken", [True, False])
def test_a_capture_that_fails_is_ended_and_says_what_failed_first(fake, broken):
    cuda, fake.wrong = cuda_graph.Cuda(0), broken

    def work():
        raise NotImplementedError("not while a stream is captured")

    with pytest.raises(NotImplementedError, match="not while"), cuda.private():
        cuda.capture(work)
    assert fake.asked[-2:] == ["end", "synchronize the device"]
    assert gc.isenabled()
    assert cuda._turns.lock.acquire(blocking=False)


def started(cuda):
    with cuda.lock:
        cuda.begin()
        cuda.end()


def test_graphs_of_a_device_always_wait_for_one_another(fake):
    """Numbers of streams and threads are used again, so that equal ones say nothing."""
    one, other = cuda_graph.Cuda(0), cuda_graph.Cuda(0)
    first, second = fake.stream, fake.cuda.Stream()
    for cuda, stream in ((one, first), (other, first), (one, second)):
        fake.stream = stream
        started(cuda)
    a, b = first.ptr, second.ptr
    assert fake.asked == [
        f"{a} waits", f"recorded in {a}", f"{a} waits", f"recorded in {a}", f"{b} waits", f"recorded in {b}",
    ]  # fmt: skip
    assert one.lock is other.lock


def pinned(fake, **own):
    """CuPy's pool of pinned memory, as far as it is asked for; the allocators that are set."""
    allocators = []
    pool = SimpleNamespace(malloc=lambda size: "pinned")
    fake.get_default_pinned_memory_pool = lambda: pool
    fake.cuda.set_pinned_memory_allocator = allocators.append
    given = SimpleNamespace(mem=SimpleNamespace(pool=lambda: own.get("pool", pool)))
    fake.cuda.alloc_pinned_memory = lambda size: given
    return pool, allocators


def test_a_copy_from_the_host_in_a_capture_raises_in_that_thread_only(fake):
    cuda, (pool, allocators) = cuda_graph.Cuda(0), pinned(fake)
    elsewhere = []

    def work():
        thread = threading.Thread(target=lambda: elsewhere.append(allocators[-1](8)))
        thread.start()
        thread.join()
        allocators[-1](8)

    with pytest.raises(NotImplementedError, match="from the host"), cuda.private():
        cuda.capture(work)
    assert elsewhere == ["pinned"]
    assert allocators[-1] is pool.malloc
    assert not cuda_graph._capturing


def test_an_allocator_of_the_users_stays(fake):
    _, allocators = pinned(fake, pool=None)
    cuda = cuda_graph.Cuda(0)
    with cuda.private():
        assert cuda.capture(lambda: [1]).result == [1]
    assert not allocators


def test_what_graphs_share_goes_with_the_last_of_them(fake):
    one, other = cuda_graph.Cuda(0), cuda_graph.Cuda(0)
    assert one._turns is other._turns
    del one
    assert list(cuda_graph._turns) == [0]
    del other
    assert not cuda_graph._turns


def test_arrays_of_another_device_are_refused(fake):
    with pytest.raises(RuntimeError, match="another device"):
        cuda_graph.Cuda(1)


@pytest.mark.parametrize("axis", [-1, -2])
def test_products_of_vectors_are_products_of_rows_with_columns(fake, axis):
    cuda = cuda_graph.Cuda(0)
    cuda._blas = SimpleNamespace(product=lambda a, b, out: a @ b)
    x = numpy.arange(12.0).reshape(3, 4) * (1 + 2j)
    y = numpy.arange(12.0)[::-1].reshape(3, 4) * 1j + 1
    found = cuda.vecdot(None, x, y, axis=axis)
    numpy.testing.assert_allclose(found, (x.conj() * y).sum(axis=axis))
    assert cuda.vecdot(None, x[0], y[1]) == (x[0].conj() * y[1]).sum()
