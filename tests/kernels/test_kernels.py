"""Every CUDA kernel of the package compiles for all kinds of GPU in use, without a warning. No GPU is needed.

The numbers of a kernel are checked where it belongs, by compiling the same source as C: see arrays/test_philox.py.
"""

import ast
import re
from pathlib import Path

import nvrtc
import pytest

import xpnn

PACKAGE = Path(xpnn.__file__).parent
# Turing (T4), Ampere (A100), Hopper (H100), Blackwell in servers and on desks
ARCHITECTURES = [75, 80, 90, 100, 120]
# What makes a kernel of CuPy's from a string
MAKERS = {"RawKernel", "RawModule", "ElementwiseKernel", "ReductionKernel"}
FOUND = nvrtc.find_library()


def sources(package=PACKAGE):
    """The text of each `CUDA_SOURCE` in the package, by the name of its file."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == ["CUDA_SOURCE"]:
                found[path.relative_to(package).as_posix()] = ast.literal_eval(node.value)
    return found


def makers(package=PACKAGE):
    """The files of the package that make kernels from strings."""
    found = set()
    for path in package.rglob("*.py"):
        words = {node.attr for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if hasattr(node, "attr")}
        if words & MAKERS:
            found.add(path.relative_to(package).as_posix())
    return found


SOURCES = sources()
GENERATED = "compiler/cuda_kernels.py"  # a kernel for each run of calls: see test_generated_kernels.py


@pytest.fixture(scope="module")
def compiler():
    if not FOUND:
        pytest.skip("NVRTC is not installed; `nox -s kernels` installs it")
    return nvrtc.Nvrtc(FOUND)


def test_every_kernel_is_a_source_that_is_checked_here():
    assert SOURCES
    assert makers() == set(SOURCES) | {GENERATED}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", SOURCES)
def test_kernels_compile_without_a_warning(compiler, name, architecture):
    code, said = compiler.compiled('extern "C" {' + SOURCES[name] + "}", architecture)
    assert said == ""
    assert code.startswith(b"\x7fELF")
    entries = re.findall(r"__global__ void (\w+)\(", SOURCES[name])
    assert entries
    assert all(f".text.{entry}\0".encode() in code for entry in entries)


def test_all_these_architectures_are_known_to_the_compiler(compiler):
    assert set(ARCHITECTURES) <= set(compiler.architectures())


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("__global__ void f(float *x) { int unused; *x = 1; }", 'warning.*"unused" was declared but never referenced'),
        ("__global__ void f(float *x) { *x = y; }", 'error: identifier "y" is undefined'),
    ],
)
def test_the_compiler_says_what_is_wrong(compiler, source, says):
    assert re.search(says, compiler.compiled(source, 90)[1])
