"""Makes this process, or a child of it, believe in a driver and a CuPy in any state of repair. See stand_in/cupy."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy
import pytest

from xpnn.arrays import devices, probe

_TESTS = Path(__file__).parent

# One way to fail for each code, or several where several signs lead to it: the driver's version (None: no driver), the
# settings of the stand-in for CuPy (None: not installed), and the code.
FAILURES: dict[str, tuple[int | None, dict[str, Any] | None, str]] = {
    "no CuPy, no driver": (None, None, "not-installed"),
    "no CuPy": (13000, None, "not-installed"),
    "no driver": (None, {}, "no-driver"),
    "no driver (35)": (0, {"status": 35, "driver": 0}, "no-driver"),
    "stub driver (34)": (0, {"status": 34, "driver": 0}, "no-driver"),
    "no device (100)": (13000, {"status": 100}, "no-visible-device"),
    "no device (count 0)": (13000, {"count": 0}, "no-visible-device"),
    "import fails": (13000, {"import": "======\nnumpy.core is too old\n======"}, "broken-install"),
    "driver too old (35)": (12080, {"status": 35, "driver": 12080}, "driver-too-old"),
    "driver mismatch (803)": (13000, {"status": 803}, "driver-error"),
    "no cuBLAS": (13000, {"kernel": "ImportError"}, "missing-libraries"),
    "no NVRTC": (13000, {"kernel": "DynamicLibNotFoundError"}, "missing-libraries"),
    "kernel fails": (13000, {"kernel": "RuntimeError"}, "kernel-failed"),
    "forked": (13000, {"kernel": "forked"}, "kernel-failed"),
    "out of memory": (13000, {"kernel": "CUDARuntimeError"}, "kernel-failed"),
    "wrong result": (13000, {"wrong": True}, "kernel-failed"),
}

ABSENT = {"not-installed", "no-driver", "no-visible-device"}


def pretend(monkeypatch: pytest.MonkeyPatch, driver: int | None, cupy: dict[str, Any] | None) -> None:
    """Puts this process on a machine with that driver and that CuPy; use inside `restored_modules`."""
    forget()
    monkeypatch.setattr(probe, "_load_driver", lambda: None if driver is None else _driver(driver))
    for name in [name for name in sys.modules if _is_cupy(name)]:
        del sys.modules[name]
    if cupy is None:
        sys.modules["cupy"] = None  # type: ignore[assignment]  # Python's own sign for "not to be found"
        return
    monkeypatch.syspath_prepend(_TESTS / "stand_in")
    monkeypatch.setenv("STAND_IN_CUPY", json.dumps(cupy))
    namespace = ModuleType("array_api_compat.cupy")
    namespace.asarray = lambda x, dtype=None, device=None: numpy.asarray(x, dtype=dtype)  # type: ignore[attr-defined]
    sys.modules[namespace.__name__] = namespace


@contextmanager
def restored_modules() -> Iterator[None]:
    """Afterwards, the real CuPy (or none) is back, and nothing that was found out is remembered."""
    before = {name: module for name, module in sys.modules.items() if _is_cupy(name)}
    try:
        yield
    finally:
        for name in [name for name in sys.modules if _is_cupy(name)]:
            del sys.modules[name]
        sys.modules.update(before)
        forget()


def forget() -> None:
    """Forgets what was found out and said."""
    probe._remembered.cache_clear()
    devices._say_once.cache_clear()


def run_elsewhere(code: str, driver: int | None, cupy: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a process of its own, on a machine with that driver and that CuPy."""
    start = f"import pytest, fake_gpu; fake_gpu.pretend(pytest.MonkeyPatch(), {driver!r}, {cupy!r})\n"
    paths = os.pathsep.join([str(_TESTS), str(_TESTS.parent)])
    return subprocess.run(
        [sys.executable, "-c", start + code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths}
    )


def _is_cupy(name: str) -> bool:
    return name.partition(".")[0] in {"cupy", "cupyx"} or name.startswith("array_api_compat.cupy")


def _driver(version: int) -> Any:
    def tell(reference: Any) -> int:
        ctypes.cast(reference, ctypes.POINTER(ctypes.c_int))[0] = version
        return 0

    return SimpleNamespace(cuDriverGetVersion=tell)
