"""Which rows each batch holds: the options of a loader, checked, and the orders of `sampling` cut into batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy

from xpnn.arrays.native import to_host
from xpnn.arrays.random import require_seed
from xpnn.training.sampling import block_groups, by_length, drawn, shuffled, shuffled_blocks, stratified
from xpnn.training.sources import as_arrays

__all__ = ["Order", "per_row", "weights"]

BLOCK = 2**18  # bytes that a disk reads at once
GROUP = 256  # blocks whose rows are shuffled together: 64 MiB


class Order:
    """The rows of each batch of each epoch, as `Loader` describes its options."""

    def __init__(
        self,
        rows: int,
        *,
        batch_size: int,
        shuffle: bool | str,
        seed: int,
        sampling_weight: Any = None,
        lengths: Any = None,
        stratify: Any = None,
        drop_last: bool = False,
        batches_per_epoch: int | None = None,
        bytes_per_row: int | None = None,
    ) -> None:
        self.rows, self.batch_size, self.shuffle, self.seed = rows, batch_size, shuffle, require_seed(seed)
        self.drop_last, self.batches_per_epoch = drop_last, batches_per_epoch
        self.cumulative = None if sampling_weight is None else _sums(sampling_weight, rows)
        self.lengths = None if lengths is None else per_row("lengths", lengths, rows)
        self.classes = None if stratify is None else _numbered(per_row("stratify", stratify, rows, numbers=False))
        self.block = 0
        self._require_one_order(bytes_per_row)
        pieces = rows // batch_size if drop_last else -(-rows // batch_size)
        if not pieces:
            raise ValueError(f"drop_last of {rows} rows in batches of {batch_size} leaves no batch")
        self.batches_of_rows = pieces  # in one pass through all rows
        self._made: tuple[int, numpy.ndarray] | None = None

    def _require_one_order(self, bytes_per_row: int | None) -> None:
        ways = {"sampling_weight": self.cumulative, "lengths": self.lengths, "stratify": self.classes}
        given = [name for name, value in ways.items() if value is not None]
        if self.shuffle == "blocks":
            given.append('shuffle="blocks"')
            if bytes_per_row is None:
                raise ValueError('shuffle="blocks" needs arrays, whose rows are of equal size')
            self.block = max(1, BLOCK // max(1, bytes_per_row))
        if len(given) > 1:
            raise ValueError(f"Loader expected one way to choose the order, got {' and '.join(given)}")
        if not self.shuffle and (self.cumulative is not None or self.classes is not None):
            raise ValueError(f"Loader cannot keep the order of the rows (shuffle=False) with {given[0]}")

    def __len__(self) -> int:
        return self.batches_per_epoch or self.batches_of_rows

    def batches(self, epoch: int, start: int) -> Iterator[numpy.ndarray]:
        """The rows of each batch of `epoch` from number `start` on.

        With `batches_per_epoch`, epochs go on in the passes through all rows where the one before ended.
        """
        for number in range(epoch * len(self) + start, (epoch + 1) * len(self)):
            of_pass, place = divmod(number, len(self) if self.cumulative is not None else self.batches_of_rows)
            first = place * self.batch_size
            yield self._order(of_pass)[first : first + self.batch_size]

    def _order(self, number: int) -> numpy.ndarray:
        """The order of a pass through the rows, which an epoch of few batches does not make anew."""
        made = self._made
        if made is None or made[0] != number:
            made = self._made = number, self._new_order({"seed": self.seed, "epoch": number})
        return made[1]

    def _new_order(self, when: dict[str, int]) -> numpy.ndarray:
        if self.cumulative is not None:
            draws = self.batches_per_epoch * self.batch_size if self.batches_per_epoch else self.rows
            return drawn(self.cumulative, draws, **when)
        if self.lengths is not None:
            return by_length(self.lengths, self.batch_size, shuffle=bool(self.shuffle), **when)
        if self.classes is not None:
            return stratified(self.classes, **when)
        if self.block:
            return shuffled_blocks(self.rows, self.block, GROUP, **when)
        return shuffled(self.rows, **when) if self.shuffle else numpy.arange(self.rows)

    def group_of(self, epoch: int, batch: int) -> tuple[int, int]:
        """Of shuffled blocks: the pass through the rows, and the group of blocks, that a batch begins in."""
        of_pass, place = divmod(epoch * len(self) + batch, self.batches_of_rows)
        return of_pass, place * self.batch_size // (self.block * GROUP)

    def blocks(self, of_pass: int, group: int) -> list[list[slice]]:
        """The rows of a group of blocks, and of the next one."""
        groups = block_groups(self.rows, self.block, GROUP, seed=self.seed, epoch=of_pass)
        found = [
            [slice(n * self.block, min((n + 1) * self.block, self.rows)) for n in blocks.tolist()]
            for blocks in groups[group : group + 2]
        ]
        return [*found, []][:2]

    def describe(self) -> dict[str, Any]:
        """What decides the order, as JSON has it: arrays by a digest of their bytes."""
        arrays = {"sampling_weight": self.cumulative, "lengths": self.lengths, "stratify": self.classes}
        return {
            "rows": self.rows,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "drop_last": self.drop_last,
            "batches_per_epoch": self.batches_per_epoch,
            "block": self.block,
            **{name: None if array is None else _digest(array) for name, array in arrays.items()},
        }


def per_row(name: str, values: Any, rows: int, *, numbers: bool = True) -> numpy.ndarray:
    """One value per row, of any library's column or array, or a list.

    Raises
    ------
    ValueError
        If there are not as many values as rows.
    TypeError
        If they are no `numbers`, where they have to be.
    """
    if numbers or hasattr(values, "__dlpack__"):
        values = to_host(as_arrays(values, name))
    found = numpy.asarray(values)
    if found.shape != (rows,):
        raise ValueError(f"{name} expected shape ({rows},), one value per row, got {found.shape}")
    if numbers and found.dtype.kind not in "biuf":
        raise TypeError(f"{name} expected numbers, got dtype {found.dtype}")
    return found


def weights(name: str, values: Any, rows: int) -> numpy.ndarray:
    """One weight per row, none negative, not all zero.

    Raises
    ------
    ValueError
        If they are not so.
    """
    found = per_row(name, values, rows)
    if not (numpy.isfinite(found).all() and (found >= 0).all() and found.any()):
        raise ValueError(f"{name} expected finite weights of 0 or more that are not all 0")
    return found


def _sums(sampling_weight: Any, rows: int) -> numpy.ndarray:
    return numpy.cumsum(weights("sampling_weight", sampling_weight, rows), dtype=numpy.float64)


def _numbered(labels: numpy.ndarray) -> numpy.ndarray:
    """The number of each row's class."""
    _, classes = numpy.unique(labels, return_inverse=True)
    return classes


def _digest(array: numpy.ndarray) -> str:
    return hashlib.blake2b(numpy.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()
