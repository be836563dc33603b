"""Generated kernels: their numbers, by compiling the same source as C++, against NumPy's."""

import sys
from types import ModuleType

import numpy
import pytest
from graph_stand_in import COMPILER, OnNumpy
from kernel_expressions import INTEGERS, arguments, everything, program_of, single_runs

import xpnn
from xpnn.compiler import cuda_kernels
from xpnn.compiler.cuda_kernels import KERNELS, Run, is_elementwise, kernel, source
from xpnn.compiler.kernel_runs import ARRAYS, LONGEST, in_runs

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")


def runs_of(program):
    return [step for step in in_runs(list(program.calls), program) if isinstance(step, Run)]


@needs_compiler
@pytest.mark.parametrize("of_integers", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_expression_gives_the_numbers_of_the_library(tmp_path, dtype, of_integers):
    given = arguments(dtype, of_integers)
    program, library = program_of(everything, *given), OnNumpy(tmp_path)
    numbers = [n for n, value in enumerate(program.values) if value.kind == "argument"]
    arrays = dict(zip(numbers, given, strict=True))
    work = [(call, run, library.kernel(run, program)) for call, run in single_runs(program)]
    checked = set()
    with numpy.errstate(all="ignore"):
        for call in program.calls:
            terms = [arrays[x.number] if hasattr(x, "number") else x for x in call.args]
            arrays[call.results[0]] = call.function(*terms, **call.kwargs)
        for call, run, kernel in work:
            expected = arrays[call.results[0]]
            out = numpy.full(expected.shape, 77, dtype=expected.dtype)
            kernel(*[arrays[n] for n in run.inputs], out)
            # exp and its kin are within some units of the last place, in C++ and in NumPy; all else is exact
            numpy.testing.assert_allclose(
                out,
                expected,
                rtol=8 * numpy.finfo(dtype).eps,
                atol=1e-30,
                err_msg=f"{call.name}: {source(run, program)}",
            )
            checked.add(call.name)
    refused = {call.name for call in program.calls} - checked
    assert refused == {"getitem"}


def test_every_expression_that_there_is_is_among_them():
    program = program_of(everything, *arguments("float32"))
    names = {call.name for call, _ in single_runs(program)}
    assert set(cuda_kernels._FLOATING) | set(cuda_kernels._WHOLE) == names | {"setitem"}
    types = {str(program.values[n].dtype) for _, run in single_runs(program) for n in (*run.inputs, *run.outputs)}
    assert types | {"float64", "int32", "uint8"} == set(cuda_kernels.TYPES)


def test_what_has_no_source_is_left_to_the_library():
    i, x = INTEGERS.astype("int32"), numpy.arange(13, dtype="float32")

    def step(x, i, z):
        xp = xpnn.namespace_of(x)
        x32 = x[:]
        x32 += 0.5
        narrow = x * 1
        narrow += xp.astype(x, xp.float64)  # computed in float64, put into float32
        return (
            i // 2, i % 3, x % 2.0, xp.signbit(x), z * 2, i > 0.5, i + numpy.float32(2), narrow,
            xp.where(i > 0, x, float("inf")), xp.isnan(i), xp.floor(i), i ** 2,
        )  # fmt: skip

    program = program_of(step, x, i, x * 1j)
    refused = [call.name for call in program.calls if not is_elementwise(call, program)]
    for name in ("floor_divide", "remainder", "signbit", "where"):
        assert name in refused
    compared = [call for call in program.calls if call.name == "greater"]
    assert sum(is_elementwise(call, program) for call in compared) == 2  # i > 0.5 in float64, and i > 0
    into_narrow = [call for call in program.calls if call.name == "add" and call.target >= 0]
    assert [is_elementwise(call, program) for call in into_narrow] == [True, False]


@needs_compiler
def test_views_of_what_a_run_writes_end_it(tmp_path):
    state = {"w": numpy.arange(6.0)}

    def step(x):
        w = state["w"]
        w *= 2
        w += x
        first = w[:3]  # read after the writes
        y = first + 1
        y = y * w[3:]
        w -= 1
        return y

    program = program_of(step, numpy.ones(6), state=state)
    steps = in_runs(list(program.calls), program)
    shapes = [step.shape for step in steps if isinstance(step, Run)]
    assert shapes == [(6,), (3,)]
    assert [step.name for step in steps if not isinstance(step, Run)] == ["getitem", "getitem", "subtract"]


def test_runs_are_of_a_size_that_a_kernel_can_have():
    def step(x):
        kept = []
        for k in range(100):
            x = x * 1.5 + k
            kept.append(x)
        return kept

    runs = runs_of(program_of(step, numpy.ones(3)))
    assert max(len(run.calls) for run in runs) <= LONGEST
    assert max(len(run.inputs) + len(run.outputs) for run in runs) <= ARRAYS
    assert sum(len(run.calls) for run in runs) == 200


def test_the_same_run_of_other_steps_is_the_same_kernel():
    sources = set()
    for rows in (3, 5):
        (run,) = runs_of(program := program_of(lambda x: (x * 2 + 1) * x, numpy.ones((rows, 2))))
        sources.add(source(run, program))
    assert sources == {
        "double v0 = i0;\ndouble v1 = (double)(((double)v0) * ((double)2LL));\n"
        "double v2 = (double)(((double)v1) + ((double)1LL));\ndouble v3 = (double)(((double)v2) * ((double)v0));\n"
        "o0 = v3;"
    }


def test_kernels_that_are_kept_are_bounded(monkeypatch):
    cupy = ModuleType("cupy")
    cupy.ElementwiseKernel = lambda *arguments, **options: arguments
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    kernel.cache_clear()
    for k in range(2 * KERNELS):
        assert kernel("float32 i0", "float32 o0", f"o0 = i0 * {k};")[2].endswith(f"{k};")
    assert kernel.cache_info().currsize == KERNELS
    kernel.cache_clear()
