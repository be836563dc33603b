"""Data at the door: checked and converted once, then cut into batches whose order a seed decides.

Bad data are refused before anything is trained: a NaN in one row of a table would otherwise turn every parameter into
NaN within a step, and a label out of range would read a neighbour's memory on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Any

import numpy

from xpnn.arrays.devices import Device
from xpnn.arrays.namespaces import Array, dtype_name, is_complex, is_floating, namespace_of
from xpnn.arrays.native import to_host
from xpnn.training.sampling import shuffled

__all__ = ["batch_indices"]

TOGETHER = 2**16  # numbers that are taken at once, which stay in a core's cache
LINE = 128  # bytes: of a GPU's cache


def batch_indices(
    count: int, batch_size: int, *, seed: int = 0, epoch: int = 0, shuffle: bool = True
) -> Iterator[numpy.ndarray]:
    """The rows of each batch of an epoch: `count` rows in a random order, `batch_size` at a time; the last may be
    smaller.

    The order is a function of `seed` and `epoch`, the same on every device.

    Raises
    ------
    ValueError
        If there are no rows, or the batch size is not a positive integer.

    Examples
    --------
    >>> [len(rows) for rows in batch_indices(10, 4)]
    [4, 4, 2]
    """
    if count < 1:
        raise ValueError(f"expected at least one row of data, got {count}")
    require_whole("batch_size", batch_size, 1)
    order = shuffled(count, seed=seed, epoch=epoch) if shuffle else numpy.arange(count)
    return (order[start : start + batch_size] for start in range(0, count, batch_size))


def gathered(
    arrays: Sequence[Array], indices: Iterable[numpy.ndarray], device: Device
) -> Iterator[list[tuple[Array, ...]]]:
    """The rows of `arrays` for each batch of `indices`, in lists of batches of equal size.

    Small batches that follow one another are taken at once and are parts of one array: a call that takes rows costs
    about as much as 32 rows of 30 numbers do. On a GPU each batch begins as an array of its own would, since the last
    bits of a product depend on that; where the parts would not, batches are taken one by one.
    """
    xp = device.xp
    on_cpu = device.name == "cpu"
    numbers = sum(prod(array.shape[1:]) for array in arrays)  # in a row

    def taken(some: list[numpy.ndarray]) -> list[tuple[Array, ...]]:
        index = device.asarray(some[0] if len(some) == 1 else numpy.concatenate(some))
        whole = [xp.take(array, index, axis=0) for array in arrays]
        if len(some) == 1:
            return [tuple(whole)]
        size = len(some[0])
        return [tuple([part[n : n + size, ...] for part in whole]) for n in range(0, size * len(some), size)]

    some: list[numpy.ndarray] = []
    for rows in indices:
        if some and (
            len(rows) != len(some[0])
            or (len(some) + 1) * len(rows) * numbers > TOGETHER
            or not (on_cpu or _are_aligned(arrays, len(rows)))
        ):
            yield taken(some)
            some = []
        some.append(rows)
    if some:
        yield taken(some)


def _are_aligned(arrays: Sequence[Array], rows: int) -> bool:
    """Whether so many rows of each array fill whole lines of a GPU's cache."""
    sizes = [rows * prod(array.shape[1:]) * int(getattr(array, "itemsize", 1)) for array in arrays]
    return all(size % LINE == 0 for size in sizes)


def require_whole(name: str, value: Any, least: int) -> None:
    """Raise unless `value` is an integer of `least` or more."""
    if isinstance(value, bool) or not isinstance(value, int | numpy.integer) or value < least:
        raise ValueError(f"expected {name} to be an integer of {least} or more, got {value!r}")


def prepared(name: str, x: Array, device: Device, dtype: Any) -> Array:
    """`x` on the device, floating-point values in `dtype`, once they are seen to be finite.

    Raises
    ------
    TypeError
        If `x` is not an array, or holds neither numbers nor booleans.
    ValueError
        If it has no rows or holds NaN, infinity or numbers too large for `dtype`.
    """
    namespace_of(x)
    if not getattr(x, "shape", ()):
        raise ValueError(f"{name} expected an array with a row per item, got shape {getattr(x, 'shape', ())}")
    if x.shape[0] == 0:
        raise ValueError(f"{name} has no rows: got shape {x.shape}")
    if is_complex(x.dtype) or not (is_floating(x.dtype) or dtype_name(x.dtype).startswith(("int", "uint", "bool"))):
        words = ": xpnn.tables turns words into numbers, Target those of labels" if _holds_words(x) else ""
        raise TypeError(f"{name} expected real numbers, got dtype {x.dtype}{words}")
    if not is_floating(x.dtype):
        return device.asarray(x)
    with numpy.errstate(over="ignore"):  # what is too large for `dtype` becomes infinite and is then refused
        moved = device.asarray(x, dtype=dtype)
    bad = device.xp.logical_not(device.xp.isfinite(moved))
    if bool(device.xp.any(bad)):
        rows = numpy.flatnonzero(to_host(bad).reshape(x.shape[0], -1).any(axis=1))
        raise ValueError(
            f"{name} holds NaN, infinity or numbers too large for {dtype_name(dtype)} in {len(rows)} of {x.shape[0]} "
            f"rows, first in row {rows[0]}: drop, fill or scale them first"
        )
    return moved


def _holds_words(x: Any) -> bool:
    """Whether an array of NumPy's holds words, or objects that may be some."""
    return isinstance(x, numpy.ndarray) and x.dtype.kind in "OSTU"


def prepared_weight(weight: Array, count: int, device: Device, dtype: Any) -> Array:
    """The sample weights on the device: one per row, none negative, not all zero."""
    weight = prepared("sample_weight", weight, device, dtype)
    if weight.shape != (count,):
        raise ValueError(f"sample_weight expected shape ({count},), one weight per row, got {weight.shape}")
    xp = namespace_of(weight)
    weight = xp.astype(weight, dtype)
    if bool(xp.any(weight < 0)) or not bool(xp.any(weight > 0)):
        raise ValueError("sample_weight expected weights of 0 or more that are not all 0")
    return weight
