"""From a list of samples to one batch: equal shapes are stacked, ragged sequences padded.

    collate([(x0, t0), (x1, t1), (x2, t2)]) == (stacked([x0, x1, x2]), stacked([t0, t1, t2]))

A sample is a tree (an array, a dictionary of arrays, ...), and so is the batch, each leaf with a row per sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from xpnn.arrays.native import to_host
from xpnn.arrays.tree import Tree, flatten

__all__ = ["Batch", "collate", "collate_padded", "item_of", "numeric", "padded", "stacked"]

Batch = tuple[Any, ...]
"""`(x, t)` or `(x, t, w)`: trees of NumPy arrays with a row per item."""


def collate(samples: Sequence[Any]) -> Batch:
    """The batch of samples `(x, t)`, or `(x, t, w)`, or of mere `x`, whose batch is `(x, None)`.

    Raises
    ------
    ValueError
        If samples differ in structure or shape.

    Examples
    --------
    >>> x, t = collate([([1.0, 2.0], 0), ([3.0, 4.0], 1)])
    >>> x, t
    (array([[1., 2.],
           [3., 4.]]), array([0, 1]))
    """
    whole = stacked([item_of(sample) for sample in samples])
    return (*whole, None)[: max(2, len(whole))]


def collate_padded(samples: Sequence[Any]) -> Batch:
    """As `collate`, where each `x` is a sequence of its own length: the batch's is `(x, mask)`, as `padded` gives.

    Examples
    --------
    >>> (x, mask), t = collate_padded([([1.0, 2.0], 0), ([3.0], 1)])
    >>> x
    array([[1., 2.],
           [3., 0.]])
    """
    items = [item_of(sample) for sample in samples]
    others = stacked([item[1:] for item in items])
    return (padded([item[0] for item in items]), *others, None)[: max(2, 1 + len(others))]


def item_of(sample: Any) -> tuple[Any, ...]:
    """A sample as a tuple: a tuple of two or three parts as it is, anything else as the only part.

    Examples
    --------
    >>> item_of(({"a": 1}, 0)), item_of({"a": 1})
    (({'a': 1}, 0), ({'a': 1},))
    """
    return sample if type(sample) is tuple and len(sample) in (2, 3) else (sample,)


def stacked(items: Sequence[Tree]) -> Tree:
    """The tree of arrays whose row i is item i.

    Raises
    ------
    ValueError
        If items differ in structure or shape.
    TypeError
        If one holds something else than numbers.

    Examples
    --------
    >>> stacked([{"a": 1, "b": (2.0,)}, {"a": 3, "b": (4.0,)}])
    {'a': array([1, 3]), 'b': (array([2., 4.]),)}
    """
    taken = [flatten(_with_vectors(item)) for item in items]
    if not taken:
        raise ValueError("expected at least one sample")
    if len(counts := {len(leaves) for leaves, _ in taken}) > 1:
        raise ValueError(f"expected samples of one structure, got samples of {min(counts)} and {max(counts)} arrays")
    columns = zip(*(leaves for leaves, _ in taken), strict=True)
    return taken[0][1]([_stack([numeric(leaf) for leaf in column]) for column in columns])


def _with_vectors(item: Tree) -> Tree:
    """The tree with each list of numbers as one leaf: a vector, not so many numbers apart."""
    if isinstance(item, dict):
        return {key: _with_vectors(part) for key, part in item.items()}
    if isinstance(item, tuple):
        parts = [_with_vectors(part) for part in item]
        return type(item)(*parts) if hasattr(item, "_fields") else tuple(parts)
    if isinstance(item, list) and not any(hasattr(part, "shape") or isinstance(part, dict | tuple) for part in item):
        return numpy.asarray(item)
    return item


def _stack(arrays: list[numpy.ndarray]) -> numpy.ndarray:
    if len({array.shape for array in arrays}) > 1:
        shapes = sorted({array.shape for array in arrays})
        raise ValueError(
            f"expected samples of one shape, got {shapes[0]} and {shapes[-1]} in one batch: pass lengths= to Loader, "
            "which pads sequences, or a collate= of your own"
        )
    return numpy.stack(arrays)


def numeric(leaf: Any) -> numpy.ndarray:
    """A number, or an array of any library, as a NumPy array.

    Raises
    ------
    TypeError
        If it holds something else than numbers.
    """
    if isinstance(leaf, numpy.ndarray | numpy.generic | int | float) or not hasattr(leaf, "__dlpack__"):
        found = numpy.asarray(leaf)
    else:
        found = to_host(leaf)
    if found.dtype.kind not in "biufc":
        raise TypeError(f"expected samples of numbers, got {type(leaf).__name__} of dtype {found.dtype}")
    return found


def padded(sequences: Sequence[Any], *, value: float = 0, multiple: int = 1) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Sequences of different lengths as one array and a mask that is True where a sequence is.

    Parameters
    ----------
    sequences
        Arrays of shapes (L_i, ...), alike but for the first axis.
    value
        What stands behind the end of a sequence.
    multiple
        The length of the result is the smallest multiple of this that holds the longest. With a number such as 16
        there are few shapes, and a compiled step is recorded for each shape anew.

    Returns
    -------
    tuple of arrays
        The sequences, (N, L, ...), and the mask, (N, L), of booleans.

    Raises
    ------
    ValueError
        If there is no sequence, or they differ in another axis.

    Examples
    --------
    >>> x, mask = padded([[1.0, 2.0, 3.0], [4.0]])
    >>> x
    array([[1., 2., 3.],
           [4., 0., 0.]])
    >>> mask.sum(axis=1)
    array([3, 1])
    """
    arrays = [numeric(sequence) for sequence in sequences]
    if not arrays or not all(array.shape for array in arrays):
        raise ValueError(f"padded expected sequences, got {'a number' if arrays else 'none'}")
    if not isinstance(multiple, int) or multiple < 1:
        raise ValueError(f"padded expected multiple to be an integer of 1 or more, got {multiple!r}")
    if len({array.shape[1:] for array in arrays}) > 1:
        shapes = sorted({array.shape for array in arrays}, key=lambda shape: shape[1:])
        raise ValueError(f"padded expected shapes alike but for the first axis, got {shapes[0]} and {shapes[-1]}")
    lengths = numpy.asarray([len(array) for array in arrays])
    longest = -(-int(lengths.max()) // multiple) * multiple
    dtype = numpy.result_type(*{array.dtype for array in arrays})
    x = numpy.full((len(arrays), longest, *arrays[0].shape[1:]), value, dtype=dtype)
    for row, array in zip(x, arrays, strict=True):
        row[: len(array)] = array
    return x, numpy.arange(longest) < lengths[:, None]
