"""CUDA graphs: work captured once, with all its arrays, and started as a whole.

Memory that CuPy's common pool gives out during a capture could be given to others later, while the graph still writes
there. So a graph's work runs in a memory pool of its own, which lives as long as the graph. cuBLAS's workspace is one
for all graphs of a device; so they take turns, whatever streams they are started on.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any
from weakref import WeakValueDictionary

from xpnn.compiler.cuda_kernels import Run, declared, kernel, source
from xpnn.compiler.cuda_products import Blas
from xpnn.compiler.program import Program

__all__ = ["Cuda"]

ALIGNED = 128  # bytes: a line of the cache; cuBLAS asks for 16, and chooses another way without


class _Turns:
    """What all graphs of one device share; it goes with the last of them."""

    def __init__(self) -> None:
        import cupy

        self.lock = threading.RLock()  # one graph is made or started at a time
        self.blas: Blas | None = None  # made for the first product
        self.event = cupy.cuda.Event(disable_timing=True)  # the end of the last graph's work


_turns: WeakValueDictionary[int, _Turns] = WeakValueDictionary()
_making = threading.Lock()


class Cuda:
    """The device that holds a graph's arrays, as `graph_steps.Library`."""

    def __init__(self, device: int) -> None:
        import cupy

        self._cupy, self._device = cupy, device
        if not self.is_here():
            raise RuntimeError("its arrays are on another device than the current one")
        with _making:
            turns = _turns.get(device)
            if turns is None:
                turns = _turns[device] = _Turns()
        self._turns = turns
        self.pool = cupy.cuda.MemoryPool()
        self._stream: Any = None  # of a capture
        self._blas: Blas | None = None  # that works on it
        self._now: Any = None  # of a start

    # Arrays

    def empty(self, shape: tuple[int, ...], dtype: Any, order: str) -> Any:
        return self._cupy.empty(shape, dtype=dtype, order=order)

    def like(self, x: Any) -> Any:
        """An array of the shape, dtype and strides of `x`."""
        low = sum(min(0, (n - 1) * stride) for n, stride in zip(x.shape, x.strides, strict=True) if n)
        high = sum(max(0, (n - 1) * stride) for n, stride in zip(x.shape, x.strides, strict=True) if n)
        memory = self._cupy.cuda.alloc(high - low + x.itemsize)
        return self._cupy.ndarray(x.shape, x.dtype, memory + -low, strides=x.strides)

    def put(self, place: Any, x: Any) -> None:
        """Copy `x` into `place`, which is `like` it."""
        if not x.size:
            return
        if x.flags.c_contiguous or x.flags.f_contiguous:
            place.data.copy_from_device_async(x.data, x.nbytes)
        else:
            place[...] = x

    def copy(self, x: Any) -> Any:
        return x.copy(order="K")

    def bytes_held(self) -> int:
        """The memory of the pool."""
        return int(self.pool.total_bytes())

    # Work

    def product(self, a: Any, b: Any, out: Any) -> Any:
        if self._blas is None:
            if self._turns.blas is None:
                self._turns.blas = Blas()
            self._blas = self._turns.blas
            self._blas.use(self._stream)
        return self._blas.product(a, b, out)

    def vecdot(self, function: Callable[..., Any], a: Any, b: Any, *, axis: int = -1) -> Any:
        """Products of vectors, as array_api_compat has them on CuPy: of stacks of rows with columns."""
        cupy = self._cupy
        a, b = cupy.broadcast_arrays(cupy.moveaxis(a, axis, -1), cupy.moveaxis(b, axis, -1))
        return self.product(cupy.conj(a[..., None, :]), b[..., None], None)[..., 0, 0]

    def kernel(self, run: Run, program: Program) -> Callable[..., Any]:
        made: Callable[..., Any] = kernel(*declared(run, program), source(run, program))
        return made

    @contextmanager
    def private(self) -> Iterator[None]:
        """Work on a stream and in memory of the graph's own; the device has nothing else to do before and after."""
        cupy = self._cupy
        with self._turns.lock:
            cupy.cuda.runtime.deviceSynchronize()
            self._stream = cupy.cuda.Stream(non_blocking=True)
            try:
                with cupy.cuda.using_allocator(self.pool.malloc), self._stream:
                    yield
            finally:
                self._stream, self._blas = None, None
                cupy.cuda.runtime.deviceSynchronize()

    def capture(self, work: Callable[[], list[Any]]) -> _Captured:
        """A graph of what `work` does; it has run before, so that nothing is compiled or loaded meanwhile."""
        stream, collects = self._stream, gc.isenabled()
        stream.synchronize()
        gc.disable()  # to free another graph would end the capture
        try:
            with _nothing_from_the_host(self._cupy):
                stream.begin_capture()
                try:
                    result = work()
                except BaseException:
                    with suppress(Exception):  # the capture is broken already, and says so once more
                        stream.end_capture()
                    raise
                graph = stream.end_capture()
        finally:
            if collects:
                gc.enable()
        graph.upload(stream)
        return _Captured(graph, result)

    # Turns

    def is_here(self) -> bool:
        """Whether the device is the current one."""
        return bool(self._cupy.cuda.runtime.getDevice() == self._device)

    def aligned(self, x: Any) -> bool:
        """Whether an array begins as the graph's own do, as far as that decides how it is computed with."""
        return bool(x.data.ptr % ALIGNED == 0)

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held from `begin` to `end`."""
        return self._turns.lock

    def begin(self) -> None:
        """Wait, on the device, until the last graph is done.

        On the same stream too, where that is nothing to wait for: a number of a stream or of a thread may have been
        another's before.
        """
        self._now = self._cupy.cuda.get_current_stream()
        self._now.wait_event(self._turns.event)

    def end(self) -> None:
        """The next graph may start after what was asked of the device so far."""
        self._turns.event.record(self._now)


_capturing: set[int] = set()  # threads
_netting = threading.Lock()


@contextmanager
def _nothing_from_the_host(cupy: Any) -> Iterator[None]:
    """Raise where this thread copies from the host: the copy would be made again from memory that is another's by then.

    CuPy copies by way of pinned memory, whose allocator is set for all threads, so the others are passed on to the
    pool. If it is not CuPy's own, it stays, since what was set cannot be asked for and put back.
    """
    pool = _own_pinned_pool(cupy)
    if pool is None:
        yield
        return
    me = threading.get_ident()

    def allocator(size: int) -> Any:
        if threading.get_ident() in _capturing:
            raise NotImplementedError("it copies numbers from the host, which cannot be captured")
        return pool.malloc(size)

    with _netting:
        _capturing.add(me)
        cupy.cuda.set_pinned_memory_allocator(allocator)
    try:
        yield
    finally:
        with _netting:
            _capturing.discard(me)
            if not _capturing:
                cupy.cuda.set_pinned_memory_allocator(pool.malloc)


def _own_pinned_pool(cupy: Any) -> Any:
    """CuPy's pool of pinned memory if that is in use, by what it gives out; else None."""
    if _capturing:
        return cupy.get_default_pinned_memory_pool()  # on another device, which has seen to that
    try:
        pool, given = cupy.get_default_pinned_memory_pool(), cupy.cuda.alloc_pinned_memory(1)
        return pool if given.mem.pool() is pool else None
    except Exception:  # other versions of CuPy, or no memory
        return None


class _Captured:
    """A graph, and the arrays that hold what it gives."""

    def __init__(self, graph: Any, result: list[Any]) -> None:
        self.graph, self.result = graph, result

    def launch(self) -> None:
        """Start the work on the current stream."""
        self.graph.launch()
