"""The few things that the Array API standard lacks, or that a library does much better itself.

Everything here has a portable form in standard functions; the branches on the library are for the cases with a reason
beside them. No other file above the compiler's executors branches on the library.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any

import numpy

from xpnn.arrays.error_function import erfc
from xpnn.arrays.namespaces import Array, Namespace, array_device, namespace_of
from xpnn.arrays.products import product
from xpnn.arrays.recording import recordable

__all__ = [
    "block_elements",
    "cumulative_error_function",
    "from_number",
    "is_immutable",
    "scatter_add",
    "share_memory",
    "special_function",
    "stack_scalars",
    "sum_over",
    "sums_of_products",
    "to_host",
    "used_rows",
]


def to_host(x: Array) -> Any:
    """`x` as a NumPy array, from whatever device it lives on; NumPy arrays come back as they are.

    Examples
    --------
    >>> to_host(numpy.arange(3))
    array([0, 1, 2])
    """
    if isinstance(x, numpy.ndarray | numpy.generic):
        return numpy.asarray(x)
    if hasattr(x, "get") and type(x).__module__.startswith("cupy"):
        return x.get()
    if getattr(type(x), "stands_on_another", False):
        return to_host(x._plain("conversion to NumPy"))  # raises if a gradient would be lost
    if not hasattr(x, "__dlpack__"):
        raise TypeError(f"expected an array, got a {type(x).__name__}: arrays are moved one by one")
    try:
        return numpy.array(numpy.from_dlpack(x))
    except BufferError:  # read-only memory, which libraries on NumPy 2.0 do not export
        return numpy.from_dlpack(namespace_of(x).asarray(x, copy=True))


def stack_scalars(values: list[Array]) -> Array:
    """Arrays of shape () of one dtype and device as one of shape (n,).

    Examples
    --------
    >>> stack_scalars([numpy.asarray(1.0), numpy.asarray(2.0)])
    array([1., 2.])
    """
    if isinstance(values[0], numpy.ndarray | numpy.generic):  # 2 us for a hundred; numpy.stack takes 47 to 150 us
        return numpy.array(values)
    return namespace_of(values[0]).stack(values)


def from_number(x: float | complex | int) -> Any:
    """A Python number as a NumPy array of shape ().

    Examples
    --------
    >>> from_number(2.0)
    array(2.)
    """
    return numpy.asarray(x)


@recordable
def scatter_add(updates: Array, indices: Any, shape: tuple[int, ...]) -> Array:
    """An array of zeros of `shape` with `updates` added at `indices`; repeated places add up.

    `updates` has the shape that an array of `shape` has after indexing with `indices` (integers, integer arrays,
    slices, as one key or a tuple). `x[indices] += updates` adds only once where a place repeats, so it cannot serve
    here.

    Examples
    --------
    >>> scatter_add(numpy.ones(3), numpy.asarray([0, 2, 2]), (4,))
    array([1., 0., 2., 0.])
    """
    xp = namespace_of(updates)
    total = xp.zeros(shape, dtype=updates.dtype, device=array_device(updates))
    if _is_library(xp, "numpy"):
        if isinstance(indices, numpy.ndarray) and updates.ndim > indices.ndim:  # by element, in a fifth of the time
            length = prod(shape[1:])
            places = indices.astype(numpy.int64)[..., None] * length + numpy.arange(length)
            numpy.add.at(total.reshape(-1), places.reshape(-1), updates.reshape(-1))
        else:
            numpy.add.at(total, indices, updates)
        return total
    if _is_library(xp, "cupy") and updates.dtype.name in _ADDED_BY_CUPY:
        import cupy

        for part, of_updates in zip(_parts(total), _parts(updates), strict=True):
            cupy.add.at(part, indices, of_updates)
        return total
    return _scatter_add_by_products(xp, updates, indices, total)


# What CUDA adds atomically; complex numbers are two of these.
_ADDED_BY_CUPY = frozenset("int32 int64 uint32 uint64 float16 float32 float64 complex64 complex128".split())


def _parts(x: Array) -> tuple[Array, ...]:
    """Views of the real and the imaginary part, or `x` itself."""
    return (x.real, x.imag) if x.dtype.kind == "c" else (x,)


def _scatter_add_by_products(xp: Namespace, updates: Array, indices: Any, total: Array) -> Array:
    """The portable form: a product with the one-hot matrix of the places."""
    shape = total.shape
    if isinstance(indices, tuple):  # name each element by its number, and index the numbers
        size = prod(shape)
        places = xp.reshape(xp.arange(size, device=array_device(total)), shape)[indices]
        updates = xp.reshape(updates, (prod(places.shape), 1))
    else:  # whole slices of the first axis
        size, wide = shape[0], xp.astype(indices, xp.int64)  # uint8 cannot count more than 255 rows
        places = xp.where(wide < 0, wide + shape[0], wide)
        updates = xp.reshape(updates, (prod(places.shape), prod(shape[1:])))
    numbers = xp.expand_dims(xp.arange(size, dtype=places.dtype, device=array_device(total)), axis=1)
    one_hot = xp.astype(numbers == xp.reshape(places, (1, -1)), total.dtype)
    return xp.reshape(product(one_hot, updates), shape)


def sum_over(x: Array, *, axis: int | tuple[int, ...] | None = None) -> Array:
    """The sum along `axis`, or of all elements: `xp.sum`, in half its time on small NumPy arrays (1.1 for 2.3 µs).

    Examples
    --------
    >>> sum_over(numpy.ones((2, 3)), axis=0)
    array([2., 2., 2.])
    """
    return _add(x, axis=axis) if type(x) is numpy.ndarray else namespace_of(x).sum(x, axis=axis)


_add = numpy.add.reduce


def sums_of_products(a: Array, b: Array) -> Array:
    """The sum of a * b along the first axis.

    Of large matrices on NumPy by `einsum`, which makes no array of the products: 45 µs in place of 100 for 256 x 1024
    numbers of float32. `vecdot` along this axis would walk down the columns.

    Examples
    --------
    >>> sums_of_products(numpy.ones((2, 3)), numpy.ones((2, 3)))
    array([2., 2., 2.])
    """
    if array_device(a) == "cpu" and len(a.shape) == 2 and prod(a.shape) >= _LARGE:
        return _sums_of_columns(a, b)
    return sum_over(a * b, axis=0)


_LARGE = 1 << 14  # below, the call of einsum takes longer than what it saves


@recordable
def _sums_of_columns(a: Array, b: Array) -> Array:
    if _is_library(namespace_of(a, b), "numpy"):
        return numpy.einsum("ij,ij->j", a, b)
    return sum_over(a * b, axis=0)


def used_rows(g: Array) -> Array | None:
    """The numbers of the rows of `g`, along its first axis, that hold anything but zeros, where looking costs nothing:
    on NumPy; None elsewhere (see `require_labels`).

    Of 100 000 rows of 64 numbers in 2 ms, where `any` along the rows takes 3.5: bits of 8 bytes at a time first, then
    the numbers of the rows that have some, since -0 has one.

    Examples
    --------
    >>> used_rows(numpy.asarray([[0.0, 0.0], [0.0, -1.0], [numpy.nan, 0.0]]))
    array([1, 2])
    """
    if not isinstance(g, numpy.ndarray):
        return None
    g = g.reshape(g.shape[0], -1)
    if not (g.flags.c_contiguous and g.size and g.shape[1] * g.itemsize % 8 == 0):
        return numpy.flatnonzero(g.any(axis=1))
    rows = numpy.flatnonzero(numpy.bitwise_or.reduce(g.view(numpy.uint64), axis=1))
    return rows[g[rows].any(axis=1)]


def block_elements(x: Array) -> int:
    """How many numbers a part of a computation on `x` may hold that is done part by part.

    On a CPU 2^20, 4 MiB of float32: large enough for a matrix product on several threads, small enough for a cache. A
    convolution of 64 images on two threads takes a third longer in parts of a quarter of it. On a GPU each call is a
    launch, so there are few and large parts, of 256 MiB.

    Examples
    --------
    >>> block_elements(numpy.zeros(3))
    1048576
    """
    return 1 << (26 if _is_library(namespace_of(x), "cupy") else 20)


def share_memory(a: Array, b: Array) -> bool:
    """Whether what is written into one of two arrays may show in the other.

    Of NumPy, CuPy and array_api_strict it is asked; of other libraries, whose slices and reshaped arrays are views as a
    rule, it is taken for granted.

    Examples
    --------
    >>> x = numpy.zeros((2, 3))
    >>> share_memory(x[0], x), share_memory(x[0, 0], x), share_memory(x.T.reshape(6), x)
    (True, False, False)
    """
    if getattr(type(a), "records_calls", False):
        a, b = a.plain, b.plain
    if isinstance(a, numpy.generic) or isinstance(a, numpy.ndarray) != isinstance(b, numpy.ndarray):
        return False
    if isinstance(a, numpy.ndarray):
        return numpy.may_share_memory(a, b)
    xp = namespace_of(a)
    if _is_library(xp, "cupy"):
        return bool(xp.may_share_memory(a, b))
    if _is_library(xp, "array_api_strict"):
        return bool(numpy.may_share_memory(a._array, b._array))
    return True


def is_immutable(x: Array) -> bool:
    """Whether `x` is a scalar of NumPy's, for which `x += 1` makes another one.

    Examples
    --------
    >>> is_immutable(numpy.zeros(2)[0]), is_immutable(numpy.zeros(()))
    (True, False)
    """
    return isinstance(x.plain if getattr(type(x), "records_calls", False) else x, numpy.generic)


@recordable
def cumulative_error_function(x: Array) -> Array:
    """`1 + erf(x / sqrt(2))`, twice the standard normal distribution function, accurate in both tails.

    On a GPU CuPy's own `erfc`, one kernel where the formula takes dozens; elsewhere `error_function.erfc`, so that
    results on a CPU do not depend on whether SciPy is installed.

    Examples
    --------
    >>> float(cumulative_error_function(numpy.asarray(0.0)))
    1.0
    """
    scaled = x * -(0.5**0.5)
    if _is_library(namespace_of(x), "cupy"):
        from cupyx.scipy.special import erfc as on_gpu

        return on_gpu(scaled)
    return erfc(scaled)


# What SciPy has and `error_function` and `gamma_function` do not do better: its erfc is within 5.7e-14 only, its betaln
# within 1.4e-9, its polygamma gives float64 for float32 (measured with SciPy 1.17).
_OF_SCIPY = frozenset("betainc digamma entr erf gammainc gammaincc gammaln log_ndtr logit stdtr xlogy".split())
_OF_CUPY = _OF_SCIPY | {"erfc"}  # one kernel, where the formula takes dozens


@recordable
def special_function(name: str, formula: Callable[..., Array], *arrays: Array) -> Array:
    """The array library's own special function `name` of `arrays`, or else `formula(*arrays)`.

    CuPy's are in cupyx.scipy.special, NumPy's in scipy.special, if that is installed: for small arrays they take a
    hundredth of the time of a formula in many steps (gammaln of 10 numbers 0.5 for 59 µs), for large ones a third.
    SciPy is imported when a function of it is first asked for. All other libraries take the formula.

    Examples
    --------
    >>> special_function("none of theirs", lambda x: x * x, numpy.asarray(3.0)).tolist()
    9.0
    """
    xp = namespace_of(*arrays)
    if name in _OF_SCIPY and _is_library(xp, "numpy"):
        return getattr(_scipy_special(), name, formula)(*arrays)
    if name in _OF_CUPY and _is_library(xp, "cupy"):
        import cupyx.scipy.special as of_cupy

        return getattr(of_cupy, name, formula)(*arrays)
    return formula(*arrays)


@cache
def _scipy_special() -> Any:
    """The module scipy.special, or None where SciPy is not installed."""
    try:
        import scipy.special as of_scipy
    except ImportError:
        return None
    return of_scipy


def _is_library(xp: Namespace, library: str) -> bool:
    return str(xp.__name__).removeprefix("array_api_compat.") == library
