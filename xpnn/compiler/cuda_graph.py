"""CUDA graphs: work captured once, with all its arrays, and started as a whole.

Memory that CuPy's common pool gives out during a capture could be given to others later, while the graph still writes
there. So a graph's work runs in a memory pool of its own, which lives as long as the graph. cuBLAS's workspace is one
for all graphs of a device; so they take turns, whatever streams they are started on.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakValueDictionary

from xpnn.compiler.cuda_kernels import Run, declared, kernel, source
from xpnn.compiler.cuda_products import Blas
from xpnn.compiler.program import Program

__all__ = ["Cuda"]


class _Turns:
    """What all graphs of one device share; it goes with the last of them."""

    def __init__(self) -> None:
        import cupy

        self.lock = threading.RLock()  # one graph is made or started at a time
        self.blas: Blas | None = None  # made for the first product
        self.event = cupy.cuda.Event(disable_timing=True)  # the end of the last graph's work
        self.last: Any = None  # the stream and thread that it was started in


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

    def begin(self) -> None:
        """Wait, on the device, until the last graph is done, if it was not started on this stream."""
        turns = self._turns
        turns.lock.acquire()
        try:
            self._now, thread = self._cupy.cuda.get_current_stream(), threading.get_ident()
            if turns.last is not None and turns.last != (self._now, thread):  # a stream per thread is one number in all
                self._now.wait_event(turns.event)
            turns.last = self._now, thread
        except BaseException:
            turns.lock.release()
            raise

    def end(self) -> None:
        """The next graph may start after what was asked of the device so far."""
        try:
            self._turns.event.record(self._now)
        finally:
            self._turns.lock.release()


class _Captured:
    """A graph, and the arrays that hold what it gives."""

    def __init__(self, graph: Any, result: list[Any]) -> None:
        self.graph, self.result = graph, result

    def launch(self) -> None:
        """Start the work on the current stream."""
        self.graph.launch()
