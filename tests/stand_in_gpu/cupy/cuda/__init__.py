"""One device, called Stand-in GPU."""

import os
from types import SimpleNamespace

from cupy._memory import (
    Memory,
    MemoryPointer,
    MemoryPool,
    OutOfMemoryError,
    PinnedMemoryPool,
    alloc,
    alloc_pinned_memory,
    set_pinned_memory_allocator,
    using_allocator,
)
from cupy._streams import (
    CUDARuntimeError,
    Event,
    Graph,
    Stream,
    get_current_stream,
    get_elapsed_time,
    synchronizing,
)
from cupy.cuda.device import Device


def _count():
    return 0 if os.environ.get("CUDA_VISIBLE_DEVICES") == "" else 1


runtime = SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    getDeviceCount=_count,
    getDevice=lambda: 0,
    driverGetVersion=lambda: 13000,
    runtimeGetVersion=lambda: 13000,
    getDeviceProperties=lambda number: {
        "name": b"Stand-in GPU", "totalGlobalMem": 2**34, "multiProcessorCount": 1, "l2CacheSize": 2**20,
    },
    deviceSynchronize=synchronizing,
    free=lambda pointer: None,
)


def is_available():
    return True
