"""Finding out whether a GPU can really be used, and if not, why and what to do about it.

A library that imports and a GPU that computes are different things. CuPy imports without a driver; with a driver it
counts devices without the libraries it needs to run anything on them. So we look in the order in which things go wrong,
the cheap questions first, and believe only a result:

    CuPy installed? -> driver library there? -> CuPy imports? -> how many devices? -> does a known sum come out right?

The first "no" becomes a code, a sentence and a remedy. Status numbers and exception classes decide, never the text of
an error, which changes between versions. Without a driver the answer takes a millisecond, and CuPy is not imported.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import os
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

__all__ = ["DeviceUnavailable", "Probe", "dotted", "driver_library", "driver_version", "examine", "probe"]

_ABSENT = frozenset({"not-installed", "no-driver", "no-visible-device"})

# Numbers of cudaError_t, from the CUDA Runtime API reference.
_CALL_NEEDS_NEWER_DRIVER = 36
_INSUFFICIENT_DRIVER = 35  # the driver is too old, or absent: the driver's version, then 0, tells the two apart
_STUB_LIBRARY = 34  # the toolkit's stand-in for linking was found in place of a driver
_NO_DEVICE = 100
_DRIVERS = "580 or newer for CUDA 13, 525 for CUDA 12"
_NOT_INITIALIZED = 3  # what a forked child of a process that uses CUDA meets (seen on a GPU)


class DeviceUnavailable(RuntimeError):
    """The GPU that was asked for cannot be used.

    Attributes
    ----------
    code : str
        `not-installed` (CuPy), `no-driver`, `no-visible-device`: there is nothing to run on. `broken-install`,
        `driver-too-old`, `missing-libraries`, `kernel-failed`, `driver-error`: the set-up is at fault.
    detail : str
        What was found, in words.
    remedy : str
        What to do about it, in one line.

    Examples
    --------
    >>> print(DeviceUnavailable("not-installed", "CuPy is not installed", 'run: pip install "cupy-cuda13x[ctk]"'))
    cannot use the GPU: CuPy is not installed [not-installed]; run: pip install "cupy-cuda13x[ctk]"
    """

    def __init__(self, code: str, detail: str, remedy: str) -> None:
        super().__init__(code, detail, remedy)
        self.code = code
        self.detail = detail
        self.remedy = remedy

    def __str__(self) -> str:
        return f"cannot use the GPU: {self.detail} [{self.code}]; {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What was found when looking for GPU number `ordinal`.

    `code` is `"ok"` or one of those of `DeviceUnavailable`; `visible` counts the GPUs that CUDA shows this process;
    `notes` are the warnings that CuPy gave when it was imported, one line each.
    """

    ordinal: int
    code: str
    detail: str = ""
    remedy: str = ""
    visible: int = 0
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether a kernel ran on this GPU and gave the right answer."""
        return self.code == "ok"

    @property
    def absent(self) -> bool:
        """Whether there is nothing to run on, as opposed to a GPU that is there and cannot be used."""
        return self.code in _ABSENT and self.visible == 0


def probe(ordinal: int = 0) -> Probe:
    """Whether GPU number `ordinal` can be used: `examine`, asked once per process and remembered."""
    return _remembered(ordinal, os.getpid())


@functools.cache
def _remembered(ordinal: int, process: int) -> Probe:
    """A forked child asks again: it inherits this memory but cannot use its parent's GPU context."""
    return examine(ordinal)


def examine(ordinal: int = 0) -> Probe:
    """Whether GPU number `ordinal` can be used, found out anew.

    Costs about a millisecond where CuPy or the driver is absent; else it imports CuPy (0.1 to 0.5 s) and starts CUDA,
    after which a forked child process cannot use the GPU (a spawned one can).
    """
    notes: list[str] = []
    visible = 0
    try:
        driver = driver_version()
        _require_installed(driver)
        _require_driver(driver)
        cupy = _import_cupy(driver or 0, notes)
        visible = _count_devices(cupy)
        _require_visible(ordinal, visible)
        _compute_something_known(cupy, ordinal)
    except DeviceUnavailable as problem:
        found = {"code": problem.code, "detail": problem.detail, "remedy": problem.remedy}
        return Probe(ordinal=ordinal, visible=visible, notes=tuple(notes), **found)
    return Probe(ordinal=ordinal, code="ok", visible=visible, notes=tuple(notes))


def driver_library() -> str:
    """The file name of NVIDIA's driver library on this system."""
    return "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def driver_version() -> int | None:
    """The newest CUDA version that the installed driver can run, such as 13000 for 13.0; None without a driver.

    Asks the driver library itself, without starting CUDA and without CuPy. 0 means that the library cannot tell.
    """
    library = _load_driver()
    if library is None:
        return None
    version = ctypes.c_int(0)
    failed = library.cuDriverGetVersion(ctypes.byref(version))
    return 0 if failed else version.value


def _load_driver() -> Any:
    try:
        return ctypes.CDLL(driver_library())
    except OSError:
        return None


def dotted(version: int) -> str:
    """A CUDA version number as people write it.

    Examples
    --------
    >>> dotted(13000), dotted(12080)
    ('13.0', '12.8')
    """
    return f"{version // 1000}.{version % 1000 // 10}"


def _require_installed(driver: int | None) -> None:
    if _is_installed():
        return
    if driver is None:
        raise DeviceUnavailable(
            "not-installed",
            f"CuPy is not installed, and there is no NVIDIA driver either ({driver_library()} cannot be loaded)",
            "a machine without an NVIDIA GPU needs nothing more, and CuPy would change nothing there; "
            "on one that has a GPU, install NVIDIA's driver first, then CuPy",
        )
    if 0 < driver < 12000:
        raise DeviceUnavailable(
            "not-installed",
            f"CuPy is not installed, and the NVIDIA driver supports CUDA {dotted(driver)} only",
            f"update NVIDIA's driver ({_DRIVERS}), then run: {_install(0)}",
        )
    raise DeviceUnavailable("not-installed", "CuPy is not installed", f"run: {_install(driver)}")


def _is_installed() -> bool:
    if sys.modules.get("cupy") is not None:
        return True
    return importlib.util.find_spec("cupy") is not None


def _require_driver(driver: int | None) -> None:
    if driver is None:
        raise _no_driver(f"{driver_library()} cannot be loaded")


def _no_driver(how: str) -> DeviceUnavailable:
    return DeviceUnavailable(
        "no-driver",
        f"there is no NVIDIA driver ({how})",
        "a machine without an NVIDIA GPU needs nothing more; on one that has a GPU, install NVIDIA's driver "
        "(in a container: start it with the GPU passed in, such as --gpus all)",
    )


def _import_cupy(driver: int, notes: list[str]) -> Any:
    """CuPy, with the warnings of its import collected in `notes`."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            cupy = importlib.import_module("cupy")
            _ = cupy.cuda.runtime.getDeviceCount  # a folder that happens to be called cupy imports, and lacks this
    except Exception as error:
        remedy = f"uninstall every package that `pip list` shows as cupy or cupy-*, then run: {_install(driver)}"
        raise DeviceUnavailable("broken-install", f"CuPy cannot be imported ({_in_one_line(error)})", remedy) from error
    notes.extend(" ".join(_lines(warning.message)) for warning in caught)
    return cupy


def _count_devices(cupy: Any) -> int:
    """The number of GPUs that CUDA shows this process; CuPy's own `is_available` would not say why there are none."""
    runtime = cupy.cuda.runtime
    try:
        return int(runtime.getDeviceCount())
    except Exception as error:
        status = getattr(error, "status", None)
        if status == _NO_DEVICE:
            return 0
        if status == _STUB_LIBRARY:
            raise _no_driver(f"{driver_library()} is only a stub for linking") from error
        if status in (_INSUFFICIENT_DRIVER, _CALL_NEEDS_NEWER_DRIVER):
            raise _insufficient(int(runtime.driverGetVersion()), int(runtime.runtimeGetVersion())) from error
        raise DeviceUnavailable(
            "driver-error",
            f"the NVIDIA driver refuses to start ({_in_one_line(error)})",
            "restart the machine, as a driver update needs; if that does not help, reinstall NVIDIA's driver",
        ) from error


def _insufficient(driver: int, runtime: int) -> DeviceUnavailable:
    """Status 35 means a driver that is absent or too old; the driver's own version is 0 where it is absent."""
    if driver == 0:
        return _no_driver("CUDA finds none")
    older = "" if driver < 12000 else f", or uninstall this CuPy and run: {_install(driver)}"
    return DeviceUnavailable(
        "driver-too-old",
        f"the NVIDIA driver supports CUDA {dotted(driver)}, and the installed CuPy is for CUDA {runtime // 1000}",
        f"update NVIDIA's driver ({_DRIVERS}){older}",
    )


def _require_visible(ordinal: int, visible: int) -> None:
    if ordinal < visible:
        return
    if visible:
        names = ", ".join(f"cuda:{number}" for number in range(visible))
        raise DeviceUnavailable("no-visible-device", f"cuda:{ordinal} does not exist", f"choose one that does: {names}")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    raise DeviceUnavailable(
        "no-visible-device",
        "NVIDIA's driver shows this process no GPU" + ("" if hidden is None else f" (CUDA_VISIBLE_DEVICES={hidden!r})"),
        "see whether nvidia-smi lists one (in a container: start it with the GPU passed in, such as --gpus all)"
        if hidden is None
        else "unset the environment variable CUDA_VISIBLE_DEVICES, or set it to a number that nvidia-smi lists",
    )


def _compute_something_known(cupy: Any, ordinal: int) -> None:
    """One elementwise kernel (needs CUDA's compiler) and one product (needs cuBLAS), with whole numbers, so exact."""
    host = numpy.asarray([[1, 2], [3, 4]], dtype="float32")
    try:
        with cupy.cuda.Device(ordinal):
            x = cupy.asarray(host)
            total, product = cupy.asnumpy(cupy.add(x, x)), cupy.asnumpy(cupy.matmul(x, x))
    except Exception as error:
        raise _failed(cupy, error) from error
    if not (numpy.array_equal(total, host + host) and numpy.array_equal(product, host @ host)):
        raise DeviceUnavailable(
            "kernel-failed",
            f"cuda:{ordinal} computes wrongly (got {total.tolist()} and {product.tolist()}, "
            f"expected {(host + host).tolist()} and {(host @ host).tolist()})",
            "do not trust this GPU: look at its error counts with `nvidia-smi -q`, and update NVIDIA's driver and CuPy",
        )


def _failed(cupy: Any, error: Exception) -> DeviceUnavailable:
    # cuda-pathfinder, which loads CUDA's libraries for CuPy, has its own class for "not found"; it is no ImportError.
    missing = any(kind.__name__ in {"ImportError", "DynamicLibNotFoundError"} for kind in type(error).__mro__)
    if missing:
        wheels = _install(int(cupy.cuda.runtime.runtimeGetVersion()))
        return DeviceUnavailable(
            "missing-libraries",
            f"CuPy does not find CUDA's libraries ({_in_one_line(error, line=0)})",  # a listing of folders follows
            f"run: {wheels}",
        )
    if getattr(error, "status", None) == _NOT_INITIALIZED:
        return DeviceUnavailable(
            "kernel-failed",
            f"CUDA cannot start in this process ({_in_one_line(error)})",
            "if it was forked from one that uses the GPU, start it by 'spawn' or 'forkserver' instead (multiprocessing."
            "get_context, joblib's loky); else look at the driver with nvidia-smi",
        )
    return DeviceUnavailable(
        "kernel-failed",
        f"the GPU is there, but the first computation on it fails ({_in_one_line(error)})",
        "see with nvidia-smi whether it reports a fault or other programs fill its memory; then update driver and CuPy",
    )


def _install(version: int) -> str:
    """The command that installs the CuPy, with CUDA's libraries, that fits a CUDA version; 0 counts as the newest."""
    major = 12 if 0 < version < 13000 else 13
    return f'{_pip()} install "cupy-cuda{major}x[ctk]"'


def _pip() -> str:
    """The words for pip of this Python's environment, which need not be the one on the path."""
    found = shutil.which("pip")
    if not sys.executable or (found is not None and Path(found).parent == Path(sys.executable).parent):
        return "pip"
    return f'"{sys.executable}" -m pip' if " " in sys.executable else f"{sys.executable} -m pip"


def _in_one_line(error: Exception, line: int = -1) -> str:
    """Class and last line of an error, or another line."""
    lines = _lines(error)
    return f"{type(error).__name__}: {lines[line][:200]}" if lines else type(error).__name__


def _lines(message: object) -> list[str]:
    """The lines with words in them; CuPy frames its messages with ruled ones."""
    return [line.strip() for line in str(message).splitlines() if any(character.isalnum() for character in line)]
