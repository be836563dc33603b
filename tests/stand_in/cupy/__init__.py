"""A package called cupy, over NumPy, that works or fails as the environment variable STAND_IN_CUPY (JSON) says.

import: a text to fail the import with; import_warning: a text to warn with; status: what counting devices fails with;
count: how many devices there are; driver, runtime: versions; kernel: the class of error of the first computation;
wrong: compute wrongly.
"""

import json
import os
import warnings
from types import SimpleNamespace

import numpy

_SETTINGS = {"count": 1, "driver": 13000, "runtime": 13020} | json.loads(os.environ["STAND_IN_CUPY"])
__version__ = "14.0"

if "import" in _SETTINGS:
    raise ImportError(_SETTINGS["import"])
if "import_warning" in _SETTINGS:
    warnings.warn(_SETTINGS["import_warning"], stacklevel=2)


class CUDARuntimeError(RuntimeError):
    """CuPy's error: a number, and a text that differs between versions."""

    def __init__(self, status):
        super().__init__(f"a text about {status} that nobody should compare")
        self.status = status


class DynamicLibNotFoundError(RuntimeError):
    """The error of cuda-pathfinder, known by its name."""


_KERNEL_ERRORS = {
    "ImportError": ImportError("no libcublas"),
    "DynamicLibNotFoundError": DynamicLibNotFoundError("no libnvrtc\n  Listing of folders:\n    stubs"),
    "RuntimeError": RuntimeError("compiling:\n  failed at last\n======="),
    "CUDARuntimeError": CUDARuntimeError(2),
    "forked": CUDARuntimeError(3),
}


class Device:
    current = 0
    entered = []  # noqa: RUF012, a record that all share

    def __init__(self, number):
        self.id = number

    def __enter__(self):
        Device.entered.append(self.id)
        return self

    def __exit__(self, *details):
        return None

    def __str__(self):
        return f"<CUDA Device {self.id}>"

    def use(self):
        Device.current = self.id

    mem_info = (2**30, 2**31)
    compute_capability = "90"


def _count():
    if "status" in _SETTINGS:
        raise CUDARuntimeError(_SETTINGS["status"])
    return _SETTINGS["count"]


cuda = SimpleNamespace(
    Device=Device,
    runtime=SimpleNamespace(
        getDeviceCount=_count,
        driverGetVersion=lambda: _SETTINGS["driver"],
        runtimeGetVersion=lambda: _SETTINGS["runtime"],
        getDeviceProperties=lambda number: {"name": b"Stand-in GPU"},
    ),
)


def add(x, y):
    if "kernel" in _SETTINGS:
        raise _KERNEL_ERRORS[_SETTINGS["kernel"]]
    return x + y


def matmul(x, y):
    return x @ y + 1 if _SETTINGS.get("wrong") else x @ y


asarray = asnumpy = numpy.asarray
