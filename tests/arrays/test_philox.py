"""The three forms of Philox4x64-10 give the published numbers, and the same as one another."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

from xpnn.arrays import _philox
from xpnn.arrays._philox import CUDA_SOURCE, four_words, words_in_standard_functions, words_on_cuda, words_on_numpy
from xpnn.arrays.devices import Device, device_of

TOP = 2**64 - 1

# The lines "philox4x64 10" of kat_vectors in Random123, the authors' own library: counter, key, result.
PUBLISHED = [
    (
        "0000000000000000 0000000000000000 0000000000000000 0000000000000000",
        "0000000000000000 0000000000000000",
        "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b",
    ),
    (
        "ffffffffffffffff ffffffffffffffff ffffffffffffffff ffffffffffffffff",
        "ffffffffffffffff ffffffffffffffff",
        "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0",
    ),
    (
        "243f6a8885a308d3 13198a2e03707344 a4093822299f31d0 082efa98ec4e6c89",
        "452821e638d01377 be5466cf34e90c6c",
        "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6",
    ),
]
published = pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [tuple([int(word, 16) for word in words.split()] for words in vector) for vector in PUBLISHED],
    ids=["zeros", "ones", "pi"],
)

CASES = [
    (count, key, step)
    for count in (0, 1, 4, 7, 1025)
    for key in ((0, 0), (TOP, 2**63), (12345, 678910))
    for step in (0, 1, 2**40, 2**63 - 1)
]


@published
def test_standard_functions_give_the_published_numbers(
    place: Device, counter: list[int], key: list[int], expected: list[int]
) -> None:
    given = (place.asarray(numpy.asarray([word], dtype="uint64")) for word in counter)
    words = four_words(tuple(given), (key[0], key[1]))
    assert [int(word[0]) for word in words] == expected


@published
def test_numpy_gives_the_published_numbers(counter: list[int], key: list[int], expected: list[int]) -> None:
    before = (sum(word << 64 * i for i, word in enumerate(counter)) - 1) % 2**256
    generator = numpy.random.Philox(counter=before, key=key[0] + (key[1] << 64))
    assert generator.random_raw(4).tolist() == expected


@published
def test_cuda_source_gives_the_published_numbers(
    kernel: ctypes.CDLL, counter: list[int], key: list[int], expected: list[int]
) -> None:
    words = (ctypes.c_uint64 * 4)(*counter)
    kernel.philox4x64_10(words, ctypes.c_uint64(key[0]), ctypes.c_uint64(key[1]))
    assert list(words) == expected


def test_numpy_counts_blocks_from_zero_in_each_step() -> None:
    for count, key, step in CASES:
        words = words_on_numpy(count, key, step)
        assert words.dtype == numpy.uint64
        assert words.tolist() == philox_in_python(count, key, step)


def test_numpy_keeps_no_state_between_calls_or_threads() -> None:
    results: dict[int, bool] = {}

    def work(which: int) -> None:
        expected = philox_in_python(5, (which, 7), 3)
        results[which] = all(words_on_numpy(5, (which, 7), 3).tolist() == expected for _ in range(300))

    threads = [threading.Thread(target=work, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(4), True)


@pytest.mark.parametrize("kind", ["int", "array"])
def test_standard_functions_give_the_bits_of_numpy(elsewhere: Device, kind: str) -> None:
    for count, key, step in CASES:
        given = step if kind == "int" else elsewhere.asarray(step, dtype="int64")
        words = words_in_standard_functions(elsewhere.xp, count, key, given, elsewhere.array_device)
        assert words.shape == (count,)
        assert device_of(words) == elsewhere
        numpy.testing.assert_array_equal(elsewhere.to_host(words), words_on_numpy(count, key, step), strict=True)


@pytest.mark.parametrize("kind", ["int", "array"])
def test_cuda_kernel_and_its_launch_give_the_bits_of_numpy(stand_in: SimpleNamespace, kind: str) -> None:
    for count, key, step in CASES:
        given = step if kind == "int" else numpy.asarray(step)
        words = words_on_cuda(count, key, given, 3)
        numpy.testing.assert_array_equal(words, words_on_numpy(count, key, step), strict=True)
    assert stand_in.devices == [3] * len(CASES)
    assert stand_in.compiled == 1


@pytest.mark.gpu
def test_a_real_gpu_gives_the_bits_of_numpy() -> None:
    import cupy

    for count, key, step in CASES:
        for given in (step, cupy.asarray(step)):
            words = words_on_cuda(count, key, given, None)
            numpy.testing.assert_array_equal(words.get(), words_on_numpy(count, key, step), strict=True)


def philox_in_python(count: int, key: tuple[int, int], step: int) -> list[int]:
    """The definition, in Python's own integers."""
    words: list[int] = []
    for block in range(-(-count // 4)):
        x0, x1, x2, x3 = block, 0, step, 0
        k0, k1 = key
        for _ in range(10):
            first, second = 0xD2E7470EE14C6C93 * x0, 0xCA5A826395121157 * x2
            x0, x1, x2, x3 = (second >> 64) ^ x1 ^ k0, second & TOP, (first >> 64) ^ x3 ^ k1, first & TOP
            k0, k1 = (k0 + 0x9E3779B97F4A7C15) & TOP, (k1 + 0xBB67AE8584CAA73B) & TOP
        words += [x0, x1, x2, x3]
    return words[:count]


# What CUDA's language has and C lacks, and a launch that runs one thread after another.
SHIM = """
typedef struct { unsigned x; } Index;
static Index blockIdx, blockDim, threadIdx;
#define __device__
#define __global__
static unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
%s
void launch(unsigned grid, unsigned threads, word *words, word blocks, word k0, word k1, word step, const word *array)
{
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < grid; ++blockIdx.x)
        for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x)
            philox_words(words, blocks, k0, k1, step, array);
}
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The CUDA source, compiled for this processor."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder: Path = tmp_path_factory.mktemp("philox")
    (folder / "philox.c").write_text(SHIM % CUDA_SOURCE)
    command = [compiler, "-std=gnu11", "-O2", "-shared", "-fPIC", "-o", "philox.so", "philox.c"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if "__int128" in done.stderr:
        pytest.skip("needs a C compiler with 128-bit integers")
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(folder / "philox.so"))


@pytest.fixture
def stand_in(kernel: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A `cupy` with what the launch needs, whose memory is the host's and whose kernels run here."""
    seen = SimpleNamespace(devices=[], compiled=0)

    class Device:
        def __init__(self, device: Any) -> None:
            seen.devices.append(device)

        def __enter__(self) -> None: ...

        def __exit__(self, *error: object) -> None: ...

    def raw_kernel(source: str, name: str) -> Callable[..., None]:
        assert (source, name) == ('extern "C" {' + CUDA_SOURCE + "}", "philox_words")
        seen.compiled += 1
        return launch

    def launch(grid: tuple[int], threads: tuple[int], arguments: tuple[Any, ...]) -> None:
        assert grid[0] > 0
        assert all(a.dtype == numpy.uint64 for a in arguments)  # CuPy passes each as its own type
        assert isinstance(arguments[0], numpy.ndarray)
        values = [a.ctypes.data if isinstance(a, numpy.ndarray) else int(a) for a in arguments]
        kernel.launch(ctypes.c_uint(grid[0]), ctypes.c_uint(threads[0]), *map(ctypes.c_uint64, values))

    cupy = SimpleNamespace(
        cuda=SimpleNamespace(Device=Device), empty=numpy.empty, uint64=numpy.uint64, RawKernel=raw_kernel
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    _philox._kernel.cache_clear()
    yield seen
    _philox._kernel.cache_clear()
