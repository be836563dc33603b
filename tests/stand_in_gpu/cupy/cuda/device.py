"""The one device."""

from cupy._streams import CUDARuntimeError, synchronizing


class Device:
    def __init__(self, device=None):
        self.id = 0 if device is None else int(device)

    def __enter__(self):
        if self.id:
            raise CUDARuntimeError(101, "cudaErrorInvalidDevice: invalid device ordinal")
        return self

    def __exit__(self, *problem):
        pass

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    __hash__ = None

    def __int__(self):
        return self.id

    def __repr__(self):
        return f"<CUDA Device {self.id}>"

    def use(self):
        self.__enter__()

    def synchronize(self):
        synchronizing()

    mem_info = (2**33, 2**34)
    compute_capability = "90"


def get_cublas_handle():
    return 1
