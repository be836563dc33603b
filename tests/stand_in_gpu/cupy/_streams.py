"""Streams, on which everything is done at once, and graphs, which do once more what was done while one was captured."""

import itertools
import threading
import time

_here = threading.local()
_numbers = itertools.count(1)


class CUDARuntimeError(RuntimeError):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class DeviceSynchronized(RuntimeError):
    """The host would have waited for the device."""


class Stream:
    def __init__(self, null=False, non_blocking=False):
        self.ptr = 0 if null else next(_numbers)
        self.captured = None
        self._before = []

    def __eq__(self, other):
        return isinstance(other, Stream) and self.ptr == other.ptr

    def __hash__(self):
        return self.ptr

    def __enter__(self):
        self._before.append(get_current_stream())
        _here.stream = self
        return self

    def __exit__(self, *problem):
        _here.stream = self._before.pop()

    def use(self):
        _here.stream = self
        return self

    def synchronize(self):
        if self.captured is not None:
            raise _while_captured()

    def wait_event(self, event):
        assert isinstance(event, Event)

    def begin_capture(self, mode=None):
        if self.ptr == 0:
            raise CUDARuntimeError(900, "cudaErrorStreamCaptureUnsupported: the legacy stream cannot be captured")
        self.captured = Graph()

    def end_capture(self):
        captured, self.captured = self.captured, None
        if captured is None or captured.broken:
            raise CUDARuntimeError(901, "cudaErrorStreamCaptureInvalidated: the capture is broken")
        return captured

    def is_capturing(self):
        return self.captured is not None


Stream.null = Stream(null=True)


class Event:
    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.recorded = None

    def record(self, stream=None):
        self.recorded = time.perf_counter()

    def synchronize(self):
        synchronizing()


def get_elapsed_time(begin, end):
    """Milliseconds."""
    return 1e3 * (end.recorded - begin.recorded)


class Graph:
    def __init__(self):
        self.work, self.kept, self.broken = [], [], False

    def upload(self, stream=None):
        assert not self.broken

    def launch(self, stream=None):
        for again in self.work:
            again()


def get_current_stream(device_id=None):
    return getattr(_here, "stream", Stream.null)


def capturing():
    """The graph that this thread's work goes into, None if it does not."""
    return get_current_stream().captured


def note(again, *kept):
    """Let the graph that is being captured, if one is, do this again, with the blocks that it uses kept."""
    graph = capturing()
    if graph is not None:
        graph.work.append(again)
        graph.kept.extend(kept)


def _while_captured():
    graph = capturing()
    if graph is not None:
        graph.broken = True
    return CUDARuntimeError(900, "cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing")


def synchronizing():
    """Called where the host waits for the device."""
    if capturing() is not None:
        raise _while_captured()
    if not getattr(_here, "may_wait", True):
        raise DeviceSynchronized("the host waits for the device")


class allow_synchronize:
    def __init__(self, allow):
        self.allow = allow

    def __enter__(self):
        self.before = getattr(_here, "may_wait", True)
        _here.may_wait = self.allow

    def __exit__(self, *problem):
        _here.may_wait = self.before
