"""Batches of rows for training, dense or of a sparse matrix, which becomes dense batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from scipy import sparse

from xpnn.training.data import batch_indices

__all__ = ["Dense", "SparseRows", "batches_of"]


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


def batches_of(arrays: tuple[Any, ...], batch_size: int, shuffle: bool, seed: int) -> Dense:
    """The rows of `(x, t)` or `(x, t, w)` in batches."""
    if sparse.issparse(arrays[0]):
        return SparseRows(arrays, batch_size, shuffle, seed)
    return Dense(arrays, batch_size, shuffle)
