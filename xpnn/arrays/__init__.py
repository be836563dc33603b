"""Arrays of any library: namespaces, devices, random numbers, trees."""

from xpnn.arrays.devices import Device, DeviceUnavailable, device
from xpnn.arrays.namespaces import namespace_of

__all__ = ["Device", "DeviceUnavailable", "device", "namespace_of"]
