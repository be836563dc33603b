"""Work captured in a CUDA graph, in a memory pool of its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

__all__ = ["Captured"]


class Captured:
    """A graph of what `work` does, with all its arrays.

    Memory that CuPy's common pool gives out during the capture could be given to others later, while the graph still
    writes there. So the work runs in a pool of its own, which lives as long as the graph. It runs some times as it is
    first, in this pool: kernels are compiled and handles made outside the capture.
    """

    def __init__(self, work: Callable[[], Any], stream: Any, *, warm_up: int = 2) -> None:
        import cupy

        self.stream, self.pool = stream, cupy.cuda.MemoryPool()
        with cupy.cuda.using_allocator(self.pool.malloc), stream:
            for _ in range(warm_up):
                self.result = work()
            stream.synchronize()
            stream.begin_capture()
            try:
                self.result = work()
            except BaseException:
                with suppress(Exception):  # the capture is broken already, and says so once more
                    stream.end_capture()
                raise
            self.graph = stream.end_capture()
            self.graph.upload(stream)
        stream.synchronize()

    def launch(self) -> Any:
        """Start the work once more; gives its result, whose numbers come later."""
        self.graph.launch(self.stream)
        return self.result

    def nodes(self) -> int | None:
        """How many kernels and copies the graph has, if the runtime tells."""
        with suppress(Exception):
            text = str(self.graph.debug_dot_str())
            return sum(line.count("shape=") for line in text.splitlines() if "->" not in line) or None
        return None
