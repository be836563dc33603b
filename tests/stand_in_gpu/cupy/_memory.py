"""Memory of the device that is the host's, in blocks that begin where CuPy's do, counted and limited as CuPy's."""

import ctypes
import threading
import weakref
from contextlib import contextmanager

import numpy

_UNIT = 512  # bytes: what CuPy's pools round up to, and where its blocks begin


class OutOfMemoryError(MemoryError):
    """CuPy's error, in its words."""

    def __init__(self, size, total, limit):
        super().__init__(
            f"Out of memory allocating {size:,} bytes "
            f"(allocated so far: {total:,} bytes, limit set to: {limit:,} bytes)."
        )


class Block(numpy.ndarray):
    """Bytes that arrays lie in; numpy finds it as the last base of each of them."""


def block_of(host):
    """The block that a host's array lies in, None if it is no array of the device."""
    while host is not None and not isinstance(host, Block):
        host = getattr(host, "base", None)
    return host


class Memory:
    def __init__(self, size):
        length = max(size, 1)
        raw = bytearray(length + _UNIT)  # not an array: NumPy would shorten the chain of bases
        start = -numpy.frombuffer(raw, "uint8").ctypes.data % _UNIT
        self.block = Block(length, "uint8", raw, start)
        self.size = size
        self.ptr = self.block.ctypes.data


class MemoryPointer:
    def __init__(self, block, offset=0):
        self.block, self.offset = block, offset
        self.ptr = block.ctypes.data + offset

    def __add__(self, offset):
        return MemoryPointer(self.block, self.offset + offset)

    def copy_from_device_async(self, source, size):
        from cupy._streams import note

        def copy():
            ctypes.memmove(self.ptr, source.ptr, size)

        copy()
        note(copy, self.block, source.block)


class MemoryPool:
    """Counts what it gives out, until that is freed."""

    def __init__(self):
        self._used = self._total = self._limit = 0
        self._lock = threading.RLock()

    def malloc(self, size):
        rounded = -(-size // _UNIT) * _UNIT
        with self._lock:
            total = max(self._total, self._used + rounded)
            if self._limit and total > self._limit:
                raise OutOfMemoryError(rounded, self._used, self._limit)
            self._used, self._total = self._used + rounded, total
        block = Memory(size).block
        weakref.finalize(block, self._free, rounded).atexit = False
        return MemoryPointer(block)

    def _free(self, size):
        with self._lock:
            self._used -= size

    def used_bytes(self):
        return self._used

    def total_bytes(self):
        return self._total

    def free_bytes(self):
        return self._total - self._used

    def free_all_blocks(self):
        with self._lock:
            self._total = self._used

    def set_limit(self, size=None, fraction=None):
        self._limit = size

    def get_limit(self):
        return self._limit


class PinnedMemoryPool:
    """Through it passes what comes from the host."""

    def malloc(self, size):
        return _Pinned(self)


class _Pinned:
    def __init__(self, pool):
        self.mem = self
        self.pool = weakref.ref(pool)


_pool, _pinned = MemoryPool(), PinnedMemoryPool()
_pinned_allocator = _pinned.malloc
_here = threading.local()


def alloc(size):
    return getattr(_here, "allocator", _pool.malloc)(size)


@contextmanager
def using_allocator(allocator):
    before = getattr(_here, "allocator", _pool.malloc)
    _here.allocator = allocator
    try:
        yield
    finally:
        _here.allocator = before


def alloc_pinned_memory(size):
    return _pinned_allocator(size)


def set_pinned_memory_allocator(allocator):
    global _pinned_allocator
    _pinned_allocator = allocator


def get_default_memory_pool():
    return _pool


def get_default_pinned_memory_pool():
    return _pinned
