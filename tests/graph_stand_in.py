"""What stands in for CUDA where there is none: NumPy, with kernels compiled as C++ and work that is done once more."""

import ctypes
import shutil
import subprocess
import threading
from contextlib import contextmanager

import numpy

from xpnn.arrays.namespaces import dtype_name
from xpnn.compiler.cuda_kernels import TYPES, source

COMPILER = shutil.which("g++")


class Again:
    """Work, as a graph."""

    def __init__(self, work):
        self.work, self.result = work, work()

    def launch(self):
        self.result = self.work()


class OnNumpy:
    """`graph_steps.Library` on NumPy; all kernels are compiled at the first call of one."""

    def __init__(self, folder=None):
        self.folder, self.sources, self.compiled = folder, [], None
        self.here, self.started, self.captured = True, 0, 0
        self.lock = threading.RLock()

    def empty(self, shape, dtype, order):
        return numpy.full(shape, 77, dtype=dtype, order=order)  # not what anybody wants

    def like(self, x):
        return numpy.array(x)

    def put(self, place, x):
        place[...] = x

    def copy(self, x):
        return x.copy()

    def product(self, a, b, out):
        return numpy.matmul(a, b)

    def vecdot(self, function, a, b, **options):
        return function(a, b, **options)

    @contextmanager
    def private(self):
        yield

    def capture(self, work):
        self.captured += 1
        return Again(work)

    def is_here(self):
        return self.here

    def aligned(self, x):
        return True

    def begin(self):
        self.started += 1

    def end(self):
        self.started -= 1

    def bytes_held(self):
        return 0

    def kernel(self, run, program):
        name = f"kernel{len(self.sources)}"
        self.sources.append(as_c(name, run, program))
        numbers = [run.is_number(n, program) for n in run.inputs] + [False] * len(run.outputs)

        def call(*arrays):
            if self.compiled is None:
                self.compiled = compiled("\n".join(self.sources), self.folder)
            whole = [x if one else numpy.broadcast_to(x, run.shape) for x, one in zip(arrays, numbers, strict=True)]
            dense = [numpy.array(x, order="C") for x in whole]
            size = ctypes.c_long(int(numpy.prod(run.shape)))
            getattr(self.compiled, name)(size, *[ctypes.c_void_p(x.ctypes.data) for x in dense])
            for out, made in zip(arrays[len(run.inputs) :], dense[len(run.inputs) :], strict=True):
                out[...] = made

        return call


def as_c(name, run, program, before='extern "C" void', loop="for (long k = 0; k < size; k++)"):
    """A kernel as a function of C++, or of CUDA."""
    names = [f"i{k}" for k in range(len(run.inputs))] + [f"o{k}" for k in range(len(run.outputs))]
    numbers = [run.is_number(n, program) for n in run.inputs] + [False] * len(run.outputs)
    types = [TYPES[dtype_name(program.values[n].dtype)] for n in (*run.inputs, *run.outputs)]
    given = ", ".join(f"{t} *p_{n}" for n, t in zip(names, types, strict=True))
    inside = [
        f"{t} *{n} = p_{n};" if one else f"{t} &{n} = p_{n}[k];"
        for n, t, one in zip(names, types, numbers, strict=True)
    ]
    body = "\n".join([*inside, source(run, program)])
    return f"{before} {name}(long size, {given}) {{ {loop} {{ {body} }} }}"


def compiled(text, folder):
    """A library of functions of C++, without fused multiply-adds, as `--fmad=false` has it."""
    (folder / "kernels.cpp").write_text(f"#include <cmath>\nusing namespace std;\n{text}")
    command = [COMPILER, "-O0", "-ffp-contract=off", "-shared", "-fPIC", "kernels.cpp", "-o", "kernels.so"]
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "kernels.so"))
