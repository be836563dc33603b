"""Philox4x64-10: random bits as a function of a counter and a key, without a state.

Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011). Like a cipher, it stirs four
64-bit words (the counter) with two more (the key) until no pattern is left; every block of four words is computed
on its own, so the millionth number costs as much as the first and blocks can be computed in any order, on any
number of processors:

    repeat ten times:
        hi0:lo0 = M0 * x0,   hi1:lo1 = M1 * x2                    128-bit products
        x0, x1, x2, x3 = hi1 ^ x1 ^ k0, lo1, hi0 ^ x3 ^ k1, lo0
        k0, k1 = k0 + W0, k1 + W1                                 modulo 2^64

Integers are exact, so the three forms here (NumPy's own generator, functions of the Array API standard, one CUDA
kernel) give the same bits. Block b of a step is made from the counter (b, 0, step, 0); its words are elements 4b to
4b + 3.
"""

from __future__ import annotations

import functools
import threading
from typing import Any, TypeAlias

import numpy

from xpnn.arrays.namespaces import Array, Namespace

__all__ = ["CUDA_SOURCE", "four_words", "words_in_standard_functions", "words_on_cuda", "words_on_numpy"]

Key: TypeAlias = tuple[int, int]
FourWords: TypeAlias = tuple[Array, Array, Array, Array]

_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_INCREMENTS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)  # the golden ratio and √3 - 1, as fractions of 2^64
_ROUNDS = 10
_HALF = 0xFFFFFFFF
_WORD = 0xFFFFFFFFFFFFFFFF
_THREAD = threading.local()


def words_on_numpy(count: int, key: Key, step: int) -> numpy.ndarray:
    """The first `count` words of `step` from NumPy's own Philox, about 4 ns each."""
    generator = getattr(_THREAD, "generator", None)
    if generator is None:
        generator = _THREAD.generator = numpy.random.Philox(key=0)
    # Its state is set and not used afterwards, so that this is a function: 0.8 µs, where a new generator takes 9 µs.
    generator.state = {
        "bit_generator": "Philox",
        "state": {"counter": _one_less(step), "key": key},
        "buffer": (0, 0, 0, 0),
        "buffer_pos": 4,
        "has_uint32": 0,
        "uinteger": 0,
    }
    words: numpy.ndarray = generator.random_raw(count)
    return words


def _one_less(step: int) -> tuple[int, int, int, int]:
    """The 256-bit counter before (0, 0, step, 0), lowest word first: NumPy counts up before it makes a block."""
    return (_WORD, _WORD, step - 1, 0) if step else (_WORD, _WORD, _WORD, _WORD)


def words_in_standard_functions(xp: Namespace, count: int, key: Key, step: Array | int, device: Any) -> Array:
    """The same in standard functions: 40 to 90 ns each. `step` is an int, or an array on `device` that is not read."""
    blocks = xp.arange(-(-count // 4), dtype=xp.uint64, device=device)
    if isinstance(step, int):
        steps = xp.full((1,), step, dtype=xp.uint64, device=device)
    else:
        steps = xp.reshape(xp.astype(step, xp.uint64), (1,))
    zeros = xp.zeros_like(blocks)
    words = xp.stack(four_words((blocks, zeros, steps, zeros), key), axis=-1)
    return xp.reshape(words, (-1,))[:count]


def four_words(counter: FourWords, key: Key) -> FourWords:
    """Philox of four uint64 arrays whose shapes broadcast; none of them is (), since NumPy's scalars warn at 2^64."""
    x0, x1, x2, x3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        high0, low0 = _product(x0, _MULTIPLIERS[0])
        high1, low1 = _product(x2, _MULTIPLIERS[1])
        x0, x1, x2, x3 = high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0
        k0, k1 = (k0 + _INCREMENTS[0]) & _WORD, (k1 + _INCREMENTS[1]) & _WORD
    return x0, x1, x2, x3


def _product(x: Array, m: int) -> tuple[Array, Array]:
    """The high and the low word of x * m, from four products of 32-bit halves, none of which overflows."""
    x_high, x_low = x >> 32, x & _HALF
    m_high, m_low = m >> 32, m & _HALF
    crossed = x_low * m_high
    middle = ((x_low * m_low) >> 32) + (crossed & _HALF) + x_high * m_low  # at most 2^64 - 1
    return x_high * m_high + (crossed >> 32) + (middle >> 32), x * m


# Also valid C, once the words of CUDA are defined: so that its numbers can be checked where there is no GPU.
CUDA_SOURCE = """
typedef unsigned long long word;

__device__ void philox4x64_10(word *x, word k0, word k1)
{
    for (int round = 0; round < 10; ++round) {
        word high0 = __umul64hi(0xD2E7470EE14C6C93ULL, x[0]), low0 = 0xD2E7470EE14C6C93ULL * x[0];
        word high1 = __umul64hi(0xCA5A826395121157ULL, x[2]), low1 = 0xCA5A826395121157ULL * x[2];
        x[0] = high1 ^ x[1] ^ k0;
        x[1] = low1;
        x[2] = high0 ^ x[3] ^ k1;
        x[3] = low0;
        k0 += 0x9E3779B97F4A7C15ULL;
        k1 += 0xBB67AE8584CAA73BULL;
    }
}

/* One thread makes one block. The step is *step_array where there is one, so that no host has to know it. */
__global__ void philox_words(word *words, word blocks, word k0, word k1, word step, const word *step_array)
{
    word block = (word)blockIdx.x * blockDim.x + threadIdx.x;
    if (block >= blocks) return;
    word x[4] = {block, 0, step_array ? *step_array : step, 0};
    philox4x64_10(x, k0, k1);
    for (int i = 0; i < 4; ++i) words[4 * block + i] = x[i];
}
"""
_THREADS = 256


def words_on_cuda(count: int, key: Key, step: Array | int, device: Any) -> Array:
    """The same on a GPU, by one kernel. `step` is an int, or an array on `device` that the host does not read."""
    import cupy

    blocks = -(-count // 4)
    with cupy.cuda.Device(device):  # None is the current one
        words = cupy.empty(4 * blocks, dtype=cupy.uint64)
        numbers = [numpy.uint64(blocks), numpy.uint64(key[0]), numpy.uint64(key[1])]
        if isinstance(step, int):
            where = [numpy.uint64(step), numpy.uint64(0)]  # a null pointer
        else:
            where = [numpy.uint64(0), step.astype(cupy.uint64, copy=False)]
        if blocks:
            _kernel()((-(-blocks // _THREADS),), (_THREADS,), (words, *numbers, *where))
    return words[:count]


@functools.cache
def _kernel() -> Any:
    import cupy

    return cupy.RawKernel('extern "C" {' + CUDA_SOURCE + "}", "philox_words")
