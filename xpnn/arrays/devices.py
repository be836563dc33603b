"""Where arrays live: the CPU with NumPy, a GPU with CuPy, chosen by one word and explained in one sentence.

    device = xpnn.device("auto")            # a GPU if one can be used, else the CPU
    x = device.asarray([[0.0, 1.0]])        # moves data there; from here on, xp = namespace_of(x) does the rest

What a word does where the GPU cannot be used:

| request | CuPy, driver or GPU absent | GPU there, its set-up broken |
| --- | --- | --- |
| `cpu` | NumPy, nothing probed | the same |
| `auto` | NumPy, one INFO line | NumPy, one WARNING with the remedy |
| `cuda`, `fallback=True` (examples, command line) | NumPy, one WARNING with the reason | raises `DeviceUnavailable` |
| `cuda` (programs) | raises `DeviceUnavailable` | the same |

The choice is made here, once, before any work: nothing changes device in the middle of a run.
"""

from __future__ import annotations

import functools
import importlib
import logging
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy

from xpnn.arrays.gpu_namespace import gpu_namespace
from xpnn.arrays.namespaces import Array, Namespace, array_device, namespace_of
from xpnn.arrays.native import to_host
from xpnn.arrays.probe import DeviceUnavailable, Probe, dotted, driver_version, probe

__all__ = ["Device", "DeviceUnavailable", "Gpu", "device", "device_of", "gpu", "parse_request"]

_LOG = logging.getLogger("xpnn")
_CUDA = re.compile(r"cuda(?::(0|[1-9][0-9]{0,2}))?")


@dataclass(frozen=True, eq=False, kw_only=True)
class Device:
    """A place for arrays: which library computes, and on what.

    Usually made by `xpnn.device`. Built by hand it takes any Array API namespace, which is how the tests run on
    `array_api_strict` as a stand-in for a GPU. Two devices are equal if their arrays can meet in one operation, however
    they were asked for.

    Attributes
    ----------
    xp : Namespace
        The Array API namespace of the library.
    name : str
        `"cpu"`, `"cuda:0"`.
    array_device : Any
        What functions of `xp` take as `device=`.
    requested : str
        The word this device was asked for with.
    reason : str
        Why it is not what was asked for; empty if it is.

    Examples
    --------
    >>> cpu = device("cpu")
    >>> cpu.asarray([1.0, 2.0], dtype="float32")
    array([1., 2.], dtype=float32)
    """

    xp: Namespace
    name: str
    array_device: Any = None
    requested: str = ""
    reason: str = ""

    def asarray(self, x: Any, dtype: Any = None) -> Array:
        """`x` as an array of this device: from an array of any library or device, a number, or nested lists of numbers.

        The shape is kept, and so is the dtype unless `dtype` says otherwise: one of `xp`'s, or its name such as
        `"float32"`. As with `numpy.asarray`, the result may share its memory with `x`.

        Raises
        ------
        TypeError
            If `x` is not made of numbers, or is a Tensor on the way to a gradient.
        """
        source = x if self._is_foreign_memory(x) else _numbers(x)
        return self.xp.asarray(source, dtype=self._dtype(dtype), device=self.array_device)

    def to_host(self, x: Array) -> Any:
        """`x`, from this device or any other, as a NumPy array."""
        return to_host(x)

    def synchronize(self) -> None:
        """Waits until all work given to the device is done, as timing needs; on a CPU there is nothing to wait for."""
        wait = getattr(self.array_device, "synchronize", None)
        if wait is not None:
            wait()

    def describe(self) -> str:
        """One line for a log: the device, its library, and why it is not what was asked for.

        Examples
        --------
        >>> device("cpu").describe().startswith("cpu, numpy 2.")
        True
        """
        library = _library(self.xp)
        parts = [self.name, f"{library} {importlib.import_module(library).__version__}"]
        if library == "cupy":
            found = gpu(self.array_device.id)
            driver = dotted(driver_version() or 0)
            parts += [f"{found.model} ({found.memory / 2**30:.0f} GiB)", f"driver for CUDA {driver}"]
        return ", ".join(parts) + (f" (requested {self.requested}: {self.reason})" if self.reason else "")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Device):
            return NotImplemented
        return self._place() == other._place()

    def __hash__(self) -> int:
        return hash(self._place())

    def __deepcopy__(self, memo: dict[int, Any]) -> Device:
        return self  # it does not change

    def __reduce__(self) -> tuple[Any, ...]:
        """Words only, so that it can be pickled: whoever reads it asks for the device by its name."""
        library = _library(self.xp)
        if library not in ("numpy", "cupy"):
            raise TypeError(f"cannot pickle the device {self.name}: only those of NumPy and CuPy are known by a word")
        return device, (self.name,)

    def _place(self) -> tuple[Namespace, str]:
        return self.xp, str(self.array_device)  # CuPy's device objects cannot be hashed, nor compared with others

    def _is_foreign_memory(self, x: Any) -> bool:
        """Whether `x` is an array of this library, not NumPy's, so that it moves without passing through the host."""
        return not _is_python_or_numpy(x) and namespace_of(x) is self.xp

    def _dtype(self, dtype: Any) -> Any:
        if not isinstance(dtype, str):
            return dtype
        try:
            return getattr(self.xp, dtype)
        except AttributeError:
            raise TypeError(f"expected a dtype of {_library(self.xp)}, such as 'float32', got {dtype!r}") from None


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU: its model, its memory in bytes (`free` at the time of asking), its compute capability such as `"90"`."""

    name: str
    model: str
    memory: int
    free: int
    compute_capability: str


def device(request: str | Device = "auto", *, fallback: bool = False) -> Device:
    """The device for a word: `"cpu"`, `"cuda"` (the first GPU), `"cuda:1"`, or `"auto"` (a GPU if one can be used).

    A GPU counts only after it has computed a known result; `xpnn.arrays.probe` tells how it is found, and the table at
    the top of this module what happens when it is not. The chosen GPU becomes CuPy's current one in this thread.

    Parameters
    ----------
    request : str or Device
        The word; a `Device` is returned as it is.
    fallback : bool
        For `"cuda"`: use the CPU, with one warning, where CuPy, the driver or the GPU is absent. A GPU that is there
        but cannot be used raises all the same: on the CPU the work would take many times longer.

    Raises
    ------
    DeviceUnavailable
        If the GPU asked for cannot be used; `code`, `detail` and `remedy` say why and what to do.
    ValueError
        If the word is unknown.
    TypeError
        If `request` is neither a word nor a `Device`, or `fallback` no bool.

    Examples
    --------
    >>> device("cpu").name
    'cpu'
    """
    if type(fallback) is not bool:
        raise TypeError(f"fallback expected True or False, got {fallback!r:.60}")
    if isinstance(request, Device):
        return request
    library, ordinal = parse_request(request)
    if library == "cpu":
        return _cpu(request)
    found = probe(ordinal)
    if found.usable:
        return _cuda(request, found)
    if library == "cuda" and not (fallback and found.absent):
        raise DeviceUnavailable(found.code, found.detail, found.remedy)
    reason = f"{found.detail} [{found.code}]"
    level = logging.INFO if library == "auto" and found.absent else logging.WARNING
    _say_once(level, f"requested {request}, running on cpu: {reason}; {found.remedy}")
    return _cpu(request, reason)


def device_of(array: Array) -> Device:
    """The device that `array` is on.

    Examples
    --------
    >>> device_of(numpy.zeros(3)) == device("cpu")
    True
    """
    xp = namespace_of(array)
    while getattr(xp, "stands_on", None) is not None:  # a Tensor is where its value is
        xp = xp.stands_on
    library = _library(xp)
    if library == "numpy":
        return _cpu("cpu")
    place = array_device(array)
    name = f"cuda:{place.id}" if library == "cupy" else f"{library}:{str(place).removeprefix(f'{library}.')}"
    return Device(xp=xp, name=name, array_device=place, requested=name)


def gpu(ordinal: int) -> Gpu:
    """Model and memory of a GPU that `probe` counted as visible."""
    cupy = importlib.import_module("cupy")
    place = cupy.cuda.Device(ordinal)
    model = cupy.cuda.runtime.getDeviceProperties(ordinal)["name"]
    free, memory = place.mem_info
    return Gpu(
        name=f"cuda:{ordinal}",
        model=model.decode() if isinstance(model, bytes) else str(model),
        memory=int(memory),
        free=int(free),
        compute_capability=str(place.compute_capability),
    )


def parse_request(request: str) -> tuple[Literal["cpu", "auto", "cuda"], int]:
    """A device word taken apart: what is asked for, and the number of the GPU (0 where none is given).

    Raises
    ------
    TypeError, ValueError
        If it is not a word, or not one of those known.

    Examples
    --------
    >>> parse_request("cuda:1")
    ('cuda', 1)
    """
    accepted = "'auto', 'cpu', 'cuda' or 'cuda:N', N being the number of a GPU"
    if not isinstance(request, str):
        raise TypeError(f"expected a device word ({accepted}), got {type(request).__name__}")
    if request == "cpu" or request == "auto":
        return ("cpu", 0) if request == "cpu" else ("auto", 0)
    match = _CUDA.fullmatch(request)
    if match is None:
        raise ValueError(f"unknown device {request!r}: expected {accepted}")
    return "cuda", int(match[1] or 0)


def _cpu(request: str, reason: str = "") -> Device:
    xp = importlib.import_module("array_api_compat.numpy")
    return Device(xp=xp, name="cpu", array_device="cpu", requested=request, reason=reason)


def _cuda(request: str, found: Probe) -> Device:
    for note in found.notes:
        _say_once(logging.WARNING, f"CuPy warns: {note}")
    xp = gpu_namespace(importlib.import_module("array_api_compat.cupy"))
    place = importlib.import_module("cupy").cuda.Device(found.ordinal)
    place.use()
    return Device(xp=xp, name=f"cuda:{found.ordinal}", array_device=place, requested=request)


@functools.cache
def _say_once(level: int, message: str) -> None:
    """Logs a line the first time: the same choice is made for every model, and said for the first."""
    _LOG.log(level, "%s", message)


def _library(xp: Namespace) -> str:
    return str(xp.__name__).removeprefix("array_api_compat.").partition(".")[0]


def _is_python_or_numpy(x: Any) -> bool:
    return isinstance(x, bool | int | float | complex | list | tuple | numpy.ndarray | numpy.generic)


def _numbers(x: Any) -> Any:
    """`x` as a NumPy array of numbers in this machine's byte order."""
    host = _nested(x) if isinstance(x, bool | int | float | complex | list | tuple) else _from_array(x)
    if host.dtype.kind not in "biufc":
        raise TypeError(f"expected numbers, got {type(x).__name__} with elements of NumPy's dtype {host.dtype}")
    return host if host.dtype.isnative else host.astype(host.dtype.newbyteorder("="))


def _nested(x: Any) -> Any:
    try:
        return numpy.asarray(x)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"expected nested {type(x).__name__}s of numbers, all rows of one length: {error}") from error


def _from_array(x: Any) -> Any:
    namespace_of(x)  # refuses what is no plain array, by name
    return to_host(x)
