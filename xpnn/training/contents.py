"""What data hold, in a few letters: so that an epoch is not gone on with on other data of the same shape.

To read all rows would take long where they are many, so it is a digest of some, from the first on at equal distances.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy

from xpnn.arrays.namespaces import Array

__all__ = ["SOME", "digest", "some_rows"]

SOME = 64  # rows


def some_rows(array: Array) -> Array:
    """At most 64 rows of an array, at equal distances."""
    return array[:: -(-max(1, int(array.shape[0])) // SOME), ...]


def digest(arrays: Sequence[numpy.ndarray]) -> str:
    """A few letters that other numbers, shapes or dtypes would change."""
    found = hashlib.blake2b(digest_size=8)
    for array in arrays:
        if array.dtype.hasobject:  # places in memory, not what is there
            continue
        found.update(f"{array.dtype} {array.shape} ".encode())
        found.update(numpy.ascontiguousarray(array).tobytes())
    return found.hexdigest()
