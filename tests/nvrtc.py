"""NVIDIA's compiler for CUDA sources, NVRTC, called through ctypes: it needs neither a GPU, nor a driver, nor CuPy."""

import ctypes
import ctypes.util
import sys
from pathlib import Path


def find_library() -> str:
    """The path of NVRTC: of NVIDIA's wheel in this environment, else of a toolkit that the system knows; '' if none."""
    for folder in map(Path, sys.path):
        for pattern in ("nvidia/*/lib/libnvrtc.so.*", "nvidia/*/bin/**/nvrtc64_*.dll"):
            for path in sorted(folder.glob(pattern)):
                if not {"alt", "builtins"} & set(path.name.replace("-", ".").replace("_", ".").split(".")):
                    return str(path)
    return ctypes.util.find_library("nvrtc") or ""


class Nvrtc:
    """The library, loaded: `compiled` gives the machine code of a source for one kind of GPU."""

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def architectures(self) -> list[int]:
        """The compute capabilities it can compile for: 90 is that of an H100."""
        count = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        found = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", found)
        return list(found)

    def compiled(self, source: str, architecture: int) -> tuple[bytes, str]:
        """The machine code of `source`, empty after an error, and what the compiler said, empty if all is well."""
        program = ctypes.c_void_p()
        self._call("nvrtcCreateProgram", ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
        try:
            options = [f"--gpu-architecture=sm_{architecture}".encode(), b"--std=c++17"]
            done = self._library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * 2)(*options))
            said = self._read("nvrtcGetProgramLogSize", "nvrtcGetProgramLog", program).rstrip(b"\0\n").decode()
            code = b"" if done else self._read("nvrtcGetCUBINSize", "nvrtcGetCUBIN", program)
            return code, said or (self._library.nvrtcGetErrorString(done).decode() if done else "")
        finally:
            self._call("nvrtcDestroyProgram", ctypes.byref(program))

    def _read(self, size_of: str, read: str, program: ctypes.c_void_p) -> bytes:
        size = ctypes.c_size_t()
        self._call(size_of, program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        self._call(read, program, text)
        return text.raw

    def _call(self, name: str, *arguments: object) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise RuntimeError(f"{name}: {self._library.nvrtcGetErrorString(status).decode()}")
