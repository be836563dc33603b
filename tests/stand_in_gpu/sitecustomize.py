"""Python runs this at its start: the driver's library and cuBLAS are found, in this process and in those it starts."""

import ctypes
import os
import sys
from types import SimpleNamespace

_CDLL = ctypes.CDLL


def _version(reference):
    ctypes.cast(reference, ctypes.POINTER(ctypes.c_int))[0] = 13000
    return 0


def _library(name, *args, **kwargs):
    file = os.path.basename(str(name))
    if file in ("libcuda.so.1", "nvcuda.dll"):
        return SimpleNamespace(cuDriverGetVersion=_version)
    if file.startswith("libcublas.so"):
        from cublas_stand_in import Library

        return Library()
    return _CDLL(name, *args, **kwargs)


ctypes.CDLL = _library
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))  # where cublas_stand_in lies
