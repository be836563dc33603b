"""Samples that come one after the other: iterables, generator functions, files read line by line.

A stream cannot be asked for its row 7. An epoch is what it gives from its start to its end, or so many batches of it;
to go on in the middle of one, what came before is read again and dropped. That needs a stream that can start anew:

    def lines(epoch):                        # a function that gives an iterator; `epoch`, if it wants it, is passed
        with open("data.txt") as file:
            for line in file:
                ...
                yield x, t

An iterable such as a list or a file reader of your own will do too. An iterator that is under way, such as what calling
the function gave, can be read only once: it lasts for one epoch, or for as many as `batches_per_epoch` makes of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

__all__ = ["Stream"]


class Stream:
    """Reads samples of a stream in batches, from any batch of any epoch on.

    Parameters
    ----------
    data
        An iterable, or a function that gives an iterator, `data()` or `data(epoch=...)`.
    batch_size
        Samples in a batch; None where each item of the stream is a batch already.
    batches_per_epoch
        Where to cut an endless stream.
    drop_last
        Whether a last smaller batch is left out.
    """

    def __init__(
        self,
        data: Iterable[Any] | Callable[..., Iterable[Any]],
        batch_size: int | None,
        batches_per_epoch: int | None,
        drop_last: bool,
    ) -> None:
        self.data, self.batch_size, self.batches_per_epoch, self.drop_last = (
            data,
            batch_size,
            batches_per_epoch,
            drop_last,
        )
        self.takes_epoch = callable(data) and "epoch" in inspect.signature(data).parameters
        self.once = not callable(data) and iter(data) is data
        self._items: Iterator[Any] | None = None
        self._epoch, self._read = -1, 0  # batches read of `_items`, which began with this epoch

    def reader(self, epoch: int, start: int) -> Callable[[], list[Any]]:
        """A function that gives the samples of the next batch at each call, from batch `start` on; none at the end.

        Raises
        ------
        ValueError
            If that lies behind what an iterator, which can be read only once, has given.
        """
        self._go_to(epoch, start)
        left = None if self.batches_per_epoch is None else self.batches_per_epoch - start
        given = start

        def read() -> list[Any]:
            nonlocal left, given
            if left == 0:
                return []
            batch = self._next()
            if not batch:
                if left is None and given == 0:
                    raise ValueError(f"the stream gave no samples in epoch {epoch}{self._if_once()}")
                if left is not None:
                    raise ValueError(
                        f"the stream ended before batch {given} of epoch {epoch}: expected {self.batches_per_epoch} "
                        f"batches per epoch{self._if_once()}"
                    )
                left = 0
                return []
            given += 1
            left = None if left is None else left - 1
            return batch

        return read

    def _go_to(self, epoch: int, start: int) -> None:
        """Stand before batch `start` of `epoch`."""
        runs_on = self.batches_per_epoch is not None and not self.takes_epoch  # from epoch to epoch
        begins, skipped = (0, epoch * (self.batches_per_epoch or 0) + start) if runs_on else (epoch, start)
        if self._items is None or self._epoch != begins or self._read > skipped:
            if self.once and self._items is not None:
                raise ValueError(
                    f"batch {start} of epoch {epoch} lies behind what the iterator has given, which can be read "
                    f"only once{self._if_once()}"
                )
            made = self.data(**({"epoch": epoch} if self.takes_epoch else {})) if callable(self.data) else self.data
            self._items, self._epoch, self._read = iter(made), begins, 0
        while self._read < skipped:
            if not self._next():
                raise ValueError(f"the stream ended before batch {start} of epoch {epoch}{self._if_once()}")

    def _next(self) -> list[Any]:
        """The samples of the next batch, none at the end."""
        assert self._items is not None
        batch = list(islice(self._items, self.batch_size or 1))
        if not batch or (self.drop_last and self.batch_size and len(batch) < self.batch_size):
            return []
        self._read += 1
        return batch

    def _if_once(self) -> str:
        if not self.once:
            return ""
        return f": pass a function that gives an iterator, not {type(self.data).__name__}"
