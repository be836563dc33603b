"""Kernels, compiled as C++ and run one thread after the other."""

import ctypes
import functools
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy

from cupy._calls import call
from cupy._memory import block_of
from cupy._streams import note

_TYPES = {
    "bool": "bool", "int8": "signed char", "int16": "short", "int32": "int", "int64": "long long",
    "uint8": "unsigned char", "uint16": "unsigned short", "uint32": "unsigned", "uint64": "unsigned long long",
    "float32": "float", "float64": "double",
}  # fmt: skip
_OF_CUDA = """
#include <cmath>
using namespace std;
#define __device__ static
#define __global__
struct Place { unsigned x; };
static thread_local Place blockIdx, blockDim, threadIdx;
static unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{ return (unsigned __int128)a * b >> 64; }
"""


@functools.cache
def _folder():
    return tempfile.TemporaryDirectory(prefix="kernels")


@functools.cache
def _compiled(source):
    """A library of what `source` defines, without fused multiply-adds."""
    compiler = shutil.which("g++")
    if compiler is None:
        raise ImportError("the stand-in's kernels need g++")
    file = Path(_folder().name) / f"{hashlib.sha256(source.encode()).hexdigest()}.cpp"
    file.write_text(_OF_CUDA + source)
    command = [compiler, "-O1", "-ffp-contract=off", "-shared", "-fPIC", str(file), "-o", str(file.with_suffix(".so"))]
    subprocess.run(command, check=True, capture_output=True)
    return ctypes.CDLL(str(file.with_suffix(".so")))


class RawKernel:
    """A kernel all of whose arguments are addresses and words of 64 bits."""

    def __init__(self, code, name, options=(), **others):
        self.code, self.name = code, name

    def __call__(self, grid, block, args):
        count = len(args)
        given = ", ".join(f"unsigned long long a{k}" for k in range(count))
        types, passed = ", ".join(["unsigned long long"] * count), ", ".join(f"a{k}" for k in range(count))
        launcher = f"""
        extern "C" void launch(unsigned grid, unsigned block, {given})
        {{
            blockDim.x = block;
            for (blockIdx.x = 0; blockIdx.x < grid; ++blockIdx.x)
                for (threadIdx.x = 0; threadIdx.x < block; ++threadIdx.x)
                    ((void (*)({types})){self.name})({passed});
        }}"""
        launch = _compiled(self.code + launcher).launch
        arrays = [x for x in args if hasattr(x, "host")]
        words = [ctypes.c_uint64(x.data.ptr if hasattr(x, "host") else int(x)) for x in args]

        def work():
            launch(ctypes.c_uint(grid[0]), ctypes.c_uint(block[0]), *words)

        work()
        note(work, *[block_of(x.host) for x in arrays])


class ElementwiseKernel:
    """`operation` for each element of the broadcast arguments; results are written into given outputs."""

    def __init__(self, in_params, out_params, operation, name="kernel", *, no_return=False, options=(), **others):
        self.parameters = [self._parameter(text) for text in (in_params + ", " + out_params).split(",") if text.strip()]
        self.outputs = len([text for text in out_params.split(",") if text.strip()])
        given = ", ".join(f"{_TYPES[dtype]} *p_{name}" for _, dtype, name in self.parameters)
        inside = " ".join(
            f"{_TYPES[dtype]} *{name} = p_{name};" if raw else f"{_TYPES[dtype]} &{name} = p_{name}[k];"
            for raw, dtype, name in self.parameters
        )
        loop = f"for (long k = 0; k < size; k++) {{ {inside} {operation} }}"
        self.source = f'extern "C" void work(long size, {given}) {{ {loop} }}'

    @staticmethod
    def _parameter(text):
        words = text.split()
        return words[0] == "raw", words[-2], words[-1]

    def __call__(self, *args):
        work = _compiled(self.source).work

        def run(*hosts):
            outputs = hosts[-self.outputs :]
            whole = [
                x if raw else numpy.broadcast_to(x, outputs[0].shape)
                for x, (raw, *_) in zip(hosts, self.parameters, strict=True)
            ]
            for out in outputs:
                for x in hosts:
                    same = x.ctypes.data == out.ctypes.data and x.strides == out.strides
                    if x is not out and not same and numpy.may_share_memory(x, out):
                        raise NotImplementedError("a kernel reads what it writes elsewhere")
            for x, (_, dtype, name) in zip(whole, self.parameters, strict=True):
                if x.dtype != dtype:
                    raise TypeError(f"{name} is {x.dtype}, not {dtype}")
            dense = [numpy.array(x, order="C") for x in whole]
            work(ctypes.c_long(outputs[0].size), *[ctypes.c_void_p(x.ctypes.data) for x in dense])
            for out, made in zip(outputs, dense[-self.outputs :], strict=True):
                out[...] = made

        call(run, *args)
