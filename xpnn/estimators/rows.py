"""Rows for training and prediction, dense or of a sparse matrix, which becomes dense a part at a time.

A batch of training has as many rows as `batch_size` says. Where the number of rows is free, as in predictions, a part
of a sparse matrix takes `PART` bytes at most, or one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar

from scipy import sparse

from xpnn.training.data import batch_indices

__all__ = ["PART", "Dense", "HeldOutRows", "Parts", "SparseRows", "batches_of", "by_rows", "dense", "slices_of"]

PART = 2**24  # bytes of dense numbers that rows of a sparse matrix become at once


def slices_of(x: Any, most: int) -> Iterator[slice]:
    """Which rows of an array are computed with at once: so many at most, of a sparse matrix as many as `PART` allows.

    There is always a slice, be it of no row.
    """
    rows, at_once = int(x.shape[0]), most
    if sparse.issparse(x):
        at_once = max(1, min(most, PART // (max(1, int(x.shape[1])) * x.dtype.itemsize)))
    for start in range(0, max(1, rows), at_once):
        yield slice(start, min(start + at_once, rows))


def by_rows(x: Any) -> Any:
    """A sparse matrix in CSR format, whose rows are found fast; all else as it is."""
    return x.tocsr() if sparse.issparse(x) else x


def dense(x: Any, rows: slice) -> Any:
    """Some rows as a dense array."""
    return x[rows].toarray() if sparse.issparse(x) else x[rows, ...]


class Parts:
    """The rows of `(x, t)` or `(x, t, w)` with a sparse `x`, a part at a time, dense; as often as one likes."""

    def __init__(self, arrays: tuple[Any, ...], most: int) -> None:
        self.arrays, self.most = (by_rows(arrays[0]), *arrays[1:]), most

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        x, *rest = self.arrays
        for rows in slices_of(x, self.most):
            yield (dense(x, rows), *(array[rows] for array in rest))


class Dense:
    """Arrays, a row per item."""

    def __init__(self, arrays: tuple[Any, ...], batch_size: int, shuffle: bool) -> None:
        self.arrays, self.batch_size, self.shuffle = arrays, batch_size, shuffle
        self.rows = int(arrays[0].shape[0])

    def __len__(self) -> int:
        return -(-self.rows // self.batch_size)

    def given(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What `Trainer.fit` takes."""
        x, t, *w = self.arrays
        options = {"batch_size": self.batch_size, "shuffle": self.shuffle}
        return (x, t), ({**options, "sample_weight": w[0]} if w else options)


class SparseRows(Dense):
    """The same of a sparse matrix: a loader, as `Trainer.fit` takes it."""

    def __init__(self, arrays: tuple[Any, ...], batch_size: int, shuffle: bool, seed: int) -> None:
        super().__init__((arrays[0].tocsr(), *arrays[1:]), batch_size, shuffle)
        self.seed = seed

    def given(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What `Trainer.fit` takes."""
        return (self,), {}

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[tuple[Any, ...]]:
        """See `training.Loader`."""
        x, *rest = self.arrays
        order = batch_indices(self.rows, self.batch_size, seed=self.seed, epoch=epoch, shuffle=self.shuffle)
        for rows in islice(order, start, None):
            yield (x[rows].toarray(), *(array[rows] for array in rest))

    def describe(self) -> dict[str, Any]:
        """See `training.Loader`."""
        return {"rows": self.rows, "batch_size": self.batch_size, "shuffle": self.shuffle, "seed": self.seed}


class HeldOutRows(SparseRows):
    """Rows of a sparse matrix to validate with, in their order; the loss is that of all in one."""

    judged_at_once: ClassVar[bool] = True  # see `training.evaluation.Evaluation.of_loader`

    def __init__(self, arrays: tuple[Any, ...], most: int) -> None:
        super().__init__(arrays, next(slices_of(arrays[0], most)).stop, shuffle=False, seed=0)


def batches_of(arrays: tuple[Any, ...], batch_size: int, shuffle: bool, seed: int) -> Dense:
    """The rows of `(x, t)` or `(x, t, w)` in batches."""
    if sparse.issparse(arrays[0]):
        return SparseRows(arrays, batch_size, shuffle, seed)
    return Dense(arrays, batch_size, shuffle)
