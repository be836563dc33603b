"""Random numbers as a function of (seed, stream name, step, element), without a state.

    keep = keep_mask(x.shape, 0.9, seed=seed, stream="dropout/encoder.0", step=step, like=x)

Whoever calls twice gets the same numbers twice; new ones come from another step or another stream. So the same seed
gives the same weights, batches and masks, bit for bit, on every device and in any order of calls; an interrupted
run goes on from a seed and a step, and no generator has to be saved.

**Independent streams** come from names: `"init/encoder.0.weight"`, `"shuffle"`, `"dropout/encoder.1"`. The seed and
a 64-bit hash (BLAKE2b) of the name are the two words of the generator's key, and numbers of two keys are unrelated
even where the keys differ in one bit. Within a stream, each step has 2^64 blocks of four 64-bit words of its own,
so steps never overlap. Give each use its own name, and count its steps upwards.

The generator is Philox4x64-10 (`xpnn.arrays._philox`). `bits` and `keep_mask` work on the device of an array;
`uniform`, `normal` and `permutation` are drawn on the host with NumPy, for the caller to move. All are made from
the generator's raw bits: NumPy promises these for ever, but not what its `Generator` methods make of them.
"""

from __future__ import annotations

import functools
import hashlib
import math
import operator
import os
from collections.abc import Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy

from xpnn.arrays._normal import normal_from_words
from xpnn.arrays._philox import words_in_standard_functions, words_on_cuda, words_on_numpy
from xpnn.arrays.namespaces import Array, Namespace, array_device, namespace_of
from xpnn.arrays.recording import recordable

__all__ = ["bits", "fractions", "fresh_seed", "keep_mask", "normal", "permutation", "require_seed", "uniform"]

Shape: TypeAlias = int | Sequence[int]

_NUMPY_ARRAY = numpy.empty(0)


@recordable
def bits(count: int, *, seed: int, stream: str, step: Any = 0, like: Array | None = None, device: Any = None) -> Array:
    """`count` random 64-bit words: a uint64 array of shape (count,).

    Parameters
    ----------
    count
        How many; the first ones do not depend on it.
    seed
        Integer from 0 to 2^64 - 1.
    stream
        Name of the stream.
    step
        Integer from 0 to 2^64 - 1, or an integer array of shape () of `like`'s library and on its device. On a
        device it is not read by the host, and so its sign is not checked.
    like
        An array whose library makes the result, by default NumPy; not PyTorch, whose uint64 lacks the arithmetic.
    device
        Where the result is made, if not where `like` is.

    Raises
    ------
    ValueError
        If `count`, `seed` or `step` is out of range.
    TypeError
        If one of them is not an integer, or `stream` is not a string.

    Examples
    --------
    >>> bits(2, seed=0, stream="doc")
    array([13974847116515483204,  9472031683130366501], dtype=uint64)
    """
    count, key = _whole("count", count), (require_seed(seed), _hash(stream))
    like = _NUMPY_ARRAY if like is None else like
    xp = namespace_of(like)
    counter = _step(step, like)
    if _is(xp, "numpy"):
        return words_on_numpy(count, key, counter)
    device = array_device(like) if device is None else device
    if _is(xp, "cupy"):
        return words_on_cuda(count, key, counter, device)
    return words_in_standard_functions(xp, count, key, counter, device)


@recordable
def keep_mask(shape: Shape, probability: float, *, seed: int, stream: str, step: Any, like: Array) -> Array:
    """A bool array of `shape` on the device of `like`, each element True with `probability`.

    Each element takes 16 bits: element i is True where bits 16 (i mod 4) and up of word i // 4 of `bits` are less
    than 2^16 times the probability, rounded. So the probability is rounded to a multiple of 2^-16, an error of at
    most 8e-6; 0 and 1 stay exact. For seed, stream and step see `bits`.

    Raises
    ------
    ValueError
        If `probability` is not from 0 to 1, or a length is negative.

    Examples
    --------
    >>> keep_mask((2, 4), 0.5, seed=0, stream="doc", step=0, like=numpy.empty(0))
    array([[ True,  True, False, False],
           [ True,  True,  True, False]])
    """
    lengths = _lengths(shape)
    if not isinstance(probability, Real):
        raise TypeError(f"expected the probability as a number, got {probability!r}")
    if not 0 <= probability <= 1:
        raise ValueError(f"expected a probability from 0 to 1, got {probability}")
    xp, threshold = namespace_of(like), round(float(probability) * 2**16)
    if threshold in (0, 2**16):
        return xp.full(lengths, threshold > 0, dtype=xp.bool, device=array_device(like))
    size = math.prod(lengths)
    words = bits(-(-size // 4), seed=seed, stream=stream, step=step, like=like)
    return xp.reshape(_quarters(xp, words)[:size] < threshold, lengths)


@recordable
def fractions(count: int, *, seed: int, stream: str, step: Any = 0, like: Array) -> Array:
    """`count` numbers spread evenly from 0 to less than 1, in the dtype and place of `like`: those of `uniform`.

    Each takes a word of `bits`, whose upper 53 bits it uses, or 24 in float32.

    Examples
    --------
    >>> fractions(3, seed=0, stream="doc", like=numpy.empty(0))
    array([0.75757798, 0.51347987, 0.71719054])
    """
    xp = namespace_of(like)
    used = 53 if xp.finfo(like.dtype).bits == 64 else 24
    words = bits(count, seed=seed, stream=stream, step=step, like=like)
    return xp.astype(words >> (64 - used), like.dtype) * 2.0**-used


def _quarters(xp: Namespace, words: Array) -> Array:
    """Each word as four 16-bit numbers, lowest bits first."""
    if _is(xp, "numpy") or _is(xp, "cupy"):  # the same bytes, read as other numbers: saves 5 ms a million on NumPy
        return words.astype("<u8", copy=False).view("<u2")
    shifts = xp.arange(0, 64, 16, dtype=xp.uint64, device=array_device(words))
    return xp.reshape((words[:, None] >> shifts[None, :]) & 0xFFFF, (-1,))


def uniform(
    shape: Shape, *, low: float = 0.0, high: float = 1.0, seed: int, stream: str, step: Any = 0, dtype: Any = "float64"
) -> numpy.ndarray:
    """Numbers spread evenly from `low` to less than `high`: a NumPy array of `shape`.

    `low + (high - low) k 2^-b` with k the upper b bits of one word each, b = 53, or 24 in float32; so float32 gives
    nearly the numbers of float64. Bounds other than 0 and 1 can make `high` itself come out by rounding.

    Raises
    ------
    ValueError
        If the bounds are not finite or in the wrong order, or for shape, seed or step as in `bits`.
    TypeError
        If `dtype` is not float32 or float64.

    Examples
    --------
    >>> uniform(3, low=-1.0, seed=0, stream="doc")
    array([0.51515596, 0.02695973, 0.43438107])
    """
    chosen = _floating(dtype)
    if not (low <= high and math.isfinite(high - low)):
        raise ValueError(f"expected finite bounds with low <= high, got low={low} and high={high}")
    used = 53 if chosen == numpy.float64 else 24
    lengths = _lengths(shape)
    words = bits(math.prod(lengths), seed=seed, stream=stream, step=step)
    u: numpy.ndarray = (words >> (64 - used)).astype(numpy.float64) * 2.0**-used
    return (low + (high - low) * u).astype(chosen, copy=False).reshape(lengths)


def normal(shape: Shape, *, seed: int, stream: str, step: Any = 0, dtype: Any = "float64") -> numpy.ndarray:
    """Numbers of the normal distribution with mean 0 and variance 1: a NumPy array of `shape`.

    The distribution function's inverse of one word each (`xpnn.arrays._normal`), by operations that IEEE 754 rounds
    in one way only: the same bits on every processor and with every version of NumPy. float32 is float64, rounded.

    Raises
    ------
    ValueError
        For shape, seed or step as in `bits`.
    TypeError
        If `dtype` is not float32 or float64.

    Examples
    --------
    >>> normal(3, seed=0, stream="doc")
    array([0.69853282, 0.03379545, 0.57451563])
    """
    chosen = _floating(dtype)
    lengths = _lengths(shape)
    words = bits(math.prod(lengths), seed=seed, stream=stream, step=step)
    return normal_from_words(words).astype(chosen, copy=False).reshape(lengths)


def permutation(n: int, *, seed: int, stream: str, step: Any = 0) -> numpy.ndarray:
    """The integers from 0 to `n` - 1 in random order: a NumPy array of shape (n,) of int64.

    The order that sorts `n` words; two equal words, which happen about once in 2^65 / n^2 draws, stay as they are.

    Examples
    --------
    >>> permutation(5, seed=0, stream="doc")
    array([3, 4, 1, 2, 0])
    """
    words = bits(n, seed=seed, stream=stream, step=step)
    order = numpy.argsort(words)  # with AVX-512 5 times as fast as a stable sort for 10^5 words; slower for 100
    found = words[order]
    if (found[1:] == found[:-1]).any():
        order = numpy.argsort(words, kind="stable")
    return order.astype(numpy.int64, copy=False)


def fresh_seed() -> int:
    """A seed from the operating system's entropy, for those who give none.

    Below 2^53, so that every reader of JSON keeps all its digits.

    Examples
    --------
    >>> 0 <= fresh_seed() < 2**53
    True
    """
    return int.from_bytes(os.urandom(8), "little") >> 11


def require_seed(seed: Any) -> int:
    """`seed` as an int, if it is an integer from 0 to 2^64 - 1.

    Examples
    --------
    >>> require_seed(3)
    3
    """
    return _whole("seed", seed)


@functools.lru_cache(maxsize=1024)
def _hash_of(stream: str) -> int:
    return int.from_bytes(hashlib.blake2b(stream.encode(), digest_size=8).digest(), "little")


def _hash(stream: str) -> int:
    if not isinstance(stream, str):
        raise TypeError(f"expected the name of a stream as a string, got {stream!r}")
    return _hash_of(stream)


def _whole(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"expected {name} to be an integer, got {value!r}")
    if not 0 <= number < 2**64:
        raise ValueError(f"expected {name} to be from 0 to 2^64 - 1, got {number}")
    return number


def _step(step: Any, like: Array) -> Any:
    """`step` as an int where the host may read it, else as the array it is."""
    if isinstance(step, numpy.ndarray | numpy.generic) or not hasattr(step, "shape"):
        return _whole("step", step)
    xp = namespace_of(like, step)
    if step.shape != () or not xp.isdtype(step.dtype, "integral"):
        raise TypeError(f"expected step to be an integer of shape (), got {step.dtype} of shape {step.shape}")
    return step


def _lengths(shape: Shape) -> tuple[int, ...]:
    return tuple(_whole("a length of the shape", n) for n in (shape if isinstance(shape, Sequence) else (shape,)))


def _floating(dtype: Any) -> numpy.dtype[Any]:
    chosen: numpy.dtype[Any] = numpy.dtype(dtype)
    if chosen not in (numpy.float32, numpy.float64):
        raise TypeError(f"expected dtype float32 or float64, got {chosen}")
    return chosen


def _is(xp: Namespace, library: str) -> bool:
    return str(xp.__name__).removeprefix("array_api_compat.") == library
