"""Where else than on NumPy: array_api_strict's device1, which stands in for a GPU everywhere, and maybe a GPU.

Two fixtures of `conftest.py` give a test each of them in turn, as a `Device`: `elsewhere` these two, `place` NumPy as
well. A GPU is looked for when the test runs; without one it shows as skipped, with the reason.
"""

import numpy
import pytest

import xpnn

ELSEWHERE = [pytest.param("strict", id="strict"), pytest.param("cupy", id="cupy", marks=pytest.mark.gpu)]
PLACES = ["numpy", *ELSEWHERE]
EVERYWHERE = pytest.mark.parametrize("place", PLACES, indirect=True)


def device_named(name: str) -> xpnn.Device:
    """The device that one of the words of `PLACES` means."""
    if name != "strict":
        return xpnn.device({"numpy": "cpu", "cupy": "cuda"}[name])
    strict = pytest.importorskip("array_api_strict")
    return xpnn.Device(xp=strict, name="strict:device1", array_device=strict.Device("device1"))


def on_gpu(device: xpnn.Device) -> bool:
    """Whether other functions compute there than NumPy's, which array_api_strict calls as well."""
    return device.name.startswith("cuda")


def rounding(device: xpnn.Device, dtype: str = "float64", *, units: float = 8) -> float:
    """The relative tolerance for the numbers of NumPy computed on `device` by the same operations in the same order.

    0 where NumPy itself computes them, some units of the last place on a GPU: its exp and its kin round otherwise.
    """
    return units * float(numpy.finfo(dtype).eps) if on_gpu(device) else 0.0
