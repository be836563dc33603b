"""CuPy's extras."""

from cupy._streams import DeviceSynchronized, allow_synchronize
