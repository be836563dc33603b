"""Kernels that compiled steps generate compile for all kinds of GPU in use, without a warning. No GPU is needed.

Their numbers are checked by compiling the same source as C++: see compiler/test_cuda_kernels.py.
"""

import functools

import numpy
import nvrtc
import pytest
from compiler_twins import network, training_step
from graph_stand_in import as_c
from kernel_expressions import arguments, everything, program_of, single_runs

import xpnn
from xpnn import nn, optim
from xpnn.compiler.cuda_kernels import Run
from xpnn.compiler.kernel_runs import in_runs
from xpnn.compiler.program import copied

ARCHITECTURES = [75, 80, 90, 100, 120]
FOUND = nvrtc.find_library()
GLOBAL = 'extern "C" __global__ void'
STRIDE = "for (long k = blockIdx.x * blockDim.x + threadIdx.x; k < size; k += gridDim.x * blockDim.x)"


def elementwise(x):
    xp = xpnn.namespace_of(x)
    y = xp.tanh(x) * xp.exp(-x) + xp.log1p(xp.abs(x)) ** 0.5 + xp.pow(xp.maximum(x, 0.1), 1.7)
    y = xp.where(x > 0, y, xp.minimum(x, 0.5)) - xp.logaddexp(x, y) + xp.astype(xp.isfinite(x), x.dtype)
    return xp.hypot(xp.sin(y), xp.copysign(y, x)) + xp.floor(y), xp.logical_and(y > 0, x <= 1)


def programs():
    """The calls of a training step and of a function, after rewriting."""
    model = nn.Sequential(network(dropout=0.5), nn.GELU()).to(dtype="float32")
    optimizer = optim.Adam(model, learning_rate=optim.cosine_decay(0.1, steps=5))
    given = numpy.ones((6, 4), dtype="float32"), numpy.ones((6, 2), dtype="float32")
    fast = xpnn.compile(training_step(model, optimizer), state=(model, optimizer), rewriting=())
    others = [xpnn.compile(elementwise, rewriting=()) for _ in range(2)]
    for _ in range(2):
        fast(*given)
        others[0](given[0])
        others[1](given[0].astype("float64"))
    for each in (fast, *others):
        program = copied(each.plan().program)
        for rewrite in xpnn.compile(elementwise)._rewriting():
            rewrite(program)
        yield program


@functools.cache
def sources():
    """Kernels of whole runs, and one of each expression that there is, of each dtype."""
    found = []
    for program in programs():
        runs = [step for step in in_runs([c for c in program.calls if not c.makes], program) if isinstance(step, Run)]
        found += [as_c(f"run{len(found) + k}", run, program, GLOBAL, STRIDE) for k, run in enumerate(runs)]
    assert len(found) >= 6
    for dtype, of_integers in [("float32", "int64"), ("float64", "int32"), ("float32", "uint8")]:
        program = program_of(everything, *arguments(dtype, of_integers))
        runs = [run for _, run in single_runs(program)]
        assert len(runs) > 80
        found += [as_c(f"run{len(found) + k}", run, program, GLOBAL, STRIDE) for k, run in enumerate(runs)]
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_generated_kernels_compile_without_a_warning(architecture):
    if not FOUND:
        pytest.skip("NVRTC is not installed; `nox -s kernels` installs it")
    found = sources()
    code, said = nvrtc.Nvrtc(FOUND).compiled("\n".join(found), architecture)
    assert said == ""
    assert code.startswith(b"\x7fELF")
    assert all(f".text.run{k}\0".encode() in code for k in range(len(found)))
