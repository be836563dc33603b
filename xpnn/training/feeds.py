"""Where the batches of an epoch come from: arrays on the device, or a `Loader` that reads them from elsewhere.

Both give the calls of training steps, in lists of those with equal shapes, from any batch of any epoch on: what comes
is a function of seed, epoch and number of the batch, so that a training can be broken off and resumed, or a few steps
of it made again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy

from xpnn.arrays.devices import Device
from xpnn.arrays.namespaces import Array, is_floating
from xpnn.arrays.tree import Tree, flatten, tree_map
from xpnn.training.contents import digest, some_rows
from xpnn.training.data import batch_indices, gathered
from xpnn.training.limits import Limits

__all__ = ["Feed", "Held", "Streamed"]

Call = tuple[Array, ...]
TOGETHER = 64  # steps in a list at most


class Feed(ABC):
    """What gives the batches of an epoch."""

    epoch_batches: int | None  # how many, if that is known
    rows: int | None
    read_once = False  # whether going back to an earlier batch may be slow, or impossible

    @abstractmethod
    def batches(self, epoch: int, start: int) -> Iterator[list[Call]]:
        """The arrays of each batch of an epoch from number `start` on, in lists of batches of equal shapes."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What decides the order, as JSON."""

    def goes_on(self, other: Feed) -> bool:
        """Whether these are the batches of another feed, so that an epoch of that one can be gone on with."""
        return self.describe() == other.describe()

    def rows_of(self, epoch: int, batch: int) -> numpy.ndarray | None:
        """Which rows of the data are in a batch, if that is known."""
        return None

    def calls(self, epoch: int, start: int, accumulate: int) -> Iterator[list[Call]]:
        """The arguments of training steps: `accumulate` batches each, of equal shapes in each list."""
        if accumulate == 1:
            yield from self.batches(epoch, start)
            return
        each = (batch for batches in self.batches(epoch, start) for batch in batches)
        some: list[Call] = []
        while several := list(islice(each, accumulate)):
            call = tuple(array for batch in several for array in batch)
            if some and (len(some) == TOGETHER or _shapes(call) != _shapes(some[0])):
                yield some
                some = []
            some.append(call)
        if some:
            yield some


def _shapes(call: Call) -> list[tuple[int, ...]]:
    return [array.shape for array in call]


class Held(Feed):
    """Arrays that are held on the device, a row per item.

    Parameters
    ----------
    arrays
        Their leaves, one after the other.
    """

    def __init__(self, arrays: Sequence[Array], batch_size: int, *, shuffle: bool, seed: int, place: Device) -> None:
        self.arrays, self.place = list(arrays), place
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.rows = int(arrays[0].shape[0])
        self.epoch_batches = -(-self.rows // batch_size)
        self._contents = digest([place.to_host(some_rows(array)) for array in self.arrays])

    def _indices(self, epoch: int) -> Iterator[numpy.ndarray]:
        return batch_indices(self.rows or 0, self.batch_size, seed=self.seed, epoch=epoch, shuffle=self.shuffle)

    def batches(self, epoch: int, start: int) -> Iterator[list[Call]]:
        """See `Feed`."""
        return gathered(self.arrays, islice(self._indices(epoch), start, None), self.place)

    def rows_of(self, epoch: int, batch: int) -> numpy.ndarray | None:
        """See `Feed`."""
        return next(islice(self._indices(epoch), batch, None), None)

    def describe(self) -> dict[str, Any]:
        """See `Feed`."""
        return {
            "rows": self.rows, "batch_size": self.batch_size, "shuffle": self.shuffle, "seed": self.seed,
            "arrays": len(self.arrays), "contents": self._contents,
        }  # fmt: skip


class Streamed(Feed):
    """Batches of a loader, moved to the device one by one.

    Parameters
    ----------
    loader
        A `Loader`, or anything with `batches(epoch, start)`, `describe()` and maybe `len()`.

    Attributes
    ----------
    limits
        What numbers of a batch mean, once that is known and where steps do not look at them: it is checked here.
    """

    def __init__(self, loader: Any, place: Device, dtype: Any) -> None:
        self.loader, self.place, self.dtype = loader, place, dtype
        self.limits: Limits | None = None
        self.rows = getattr(loader, "rows", None)
        self.read_once = self.rows is None
        try:
            self.epoch_batches = len(loader)
        except TypeError:
            self.epoch_batches = None

    def first(self) -> tuple[Tree, ...]:
        """The first batch, on the device."""
        for batch in self.loader.batches(epoch=0, start=0):
            return self.moved(batch)
        raise ValueError("the loader gives no batches")

    def moved(self, batch: tuple[Tree, ...]) -> tuple[Tree, ...]:
        """A batch on the device, floating-point numbers in the model's dtype."""
        if not isinstance(batch, tuple) or len(batch) not in (2, 3):
            what = f"{type(batch).__name__}" + (f" of {len(batch)}" if hasattr(batch, "__len__") else "")
            raise ValueError(f"expected batches (x, t) or (x, t, sample_weight) to train with, got a {what}")
        if batch[1] is None:
            raise ValueError("expected batches (x, t) with targets, got none: Loader(x, t)")
        if len(batch) == 3:
            _check_weights(batch[2])
        if self.limits is not None:
            self.limits.check(batch)

        def move(array: Any) -> Array:
            return self.place.asarray(array, dtype=self.dtype if is_floating(array.dtype) else None)

        moved: tuple[Tree, ...] = tree_map(move, batch)
        return moved

    def batches(self, epoch: int, start: int) -> Iterator[list[Call]]:
        """See `Feed`."""
        for batch in self.loader.batches(epoch=epoch, start=start):
            yield [tuple(flatten(self.moved(batch))[0])]

    def describe(self) -> dict[str, Any]:
        """See `Feed`."""
        described: dict[str, Any] = self.loader.describe()
        return described

    def goes_on(self, other: Feed) -> bool:
        """See `Feed`: where a loader does not say what it holds, it has to be the same one."""
        if not isinstance(other, Streamed) or not super().goes_on(other):
            return False
        return other.loader is self.loader or self.describe().get("contents") is not None


def _check_weights(w: Any) -> None:
    """Raise if weights of rows, as a loader's batch has them on the host, are negative."""
    if isinstance(w, numpy.ndarray) and w.size and not w.min() >= 0:
        raise ValueError(f"expected weights of 0 or more in each batch, got {w.min()}")
