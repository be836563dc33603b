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
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

__all__ = ["Stream"]

Given = Iterable[Any] | Callable[..., Iterable[Any]]


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
    kept
        How many of the batches read last can be had again, for those that were read ahead and not used.
    """

    def __init__(
        self, data: Given, *, batch_size: int | None, batches_per_epoch: int | None, drop_last: bool, kept: int
    ) -> None:
        self.data, self.batch_size = data, batch_size
        self.batches_per_epoch, self.drop_last = batches_per_epoch, drop_last
        self.takes_epoch = callable(data) and "epoch" in inspect.signature(data).parameters
        self.once = not callable(data) and hasattr(data, "__next__")
        self._items: Iterator[Any] | None = None
        self._begun = -1  # the epoch at whose start `_items` was made
        self._place = 0  # the number of the next batch of `_items`
        self._kept: deque[list[Any]] = deque(maxlen=kept)  # those before it
        self._again: deque[list[Any]] = deque()  # it and those after it, if they were read before
        self._reader: object = None

    def reader(self, epoch: int, start: int) -> Callable[[], list[Any]]:
        """A function that gives the samples of the next batch at each call, from batch `start` on; none at the end.

        Raises
        ------
        ValueError
            If that lies behind what an iterator, which can be read only once, has given.
        """
        self._go_to(epoch, start)
        number, ended = start, False
        reader = self._reader = object()

        def read() -> list[Any]:
            nonlocal number, ended
            if ended or number == self.batches_per_epoch:
                return []
            if reader is not self._reader:
                raise RuntimeError("a stream can be read by one iterator at a time, and another was made meanwhile")
            try:
                batch = self._next()
            except Exception as error:
                self._begun = -1  # a generator that raised would seem to be at its end
                error.add_note(f"It came from the stream, while reading batch {number} of epoch {epoch}")
                raise
            if not batch:
                self._require_end(epoch, number)
                ended = True
            number += 1
            return batch

        return read

    def _require_end(self, epoch: int, number: int) -> None:
        """Raise if an epoch may not end before this batch."""
        if self.batches_per_epoch is not None:
            expected = f"expected {self.batches_per_epoch} batches per epoch"
            raise ValueError(f"the stream ended before batch {number} of epoch {epoch}: {expected}")
        if number == 0:
            raise ValueError(f"the stream gave no samples in epoch {epoch}")

    def _go_to(self, epoch: int, start: int) -> None:
        """Stand before batch `start` of `epoch`."""
        runs_on = self.batches_per_epoch is not None and not self.takes_epoch  # from epoch to epoch
        begun, place = (0, epoch * (self.batches_per_epoch or 0) + start) if runs_on else (epoch, start)
        if begun == self._begun:
            while self._place > place and self._kept:
                self._again.appendleft(self._kept.pop())
                self._place -= 1
        if begun != self._begun or self._place > place:
            self._begin(epoch, begun)
        while self._place < place:
            if not self._next():
                raise ValueError(f"the stream ended before batch {start} of epoch {epoch}")

    def _begin(self, epoch: int, begun: int) -> None:
        """Stand before the first batch of the stream."""
        if self.once and self._items is not None:
            raise ValueError(
                f"the stream cannot start anew for epoch {epoch}: what was given is a {type(self.data).__name__}, "
                "which can be read only once. Give a function that gives one"
            )
        made = self.data(**({"epoch": epoch} if self.takes_epoch else {})) if callable(self.data) else self.data
        self._items, self._begun, self._place = iter(made), begun, 0
        self._kept.clear()
        self._again.clear()

    def _next(self) -> list[Any]:
        """The samples of the next batch, none at the end."""
        assert self._items is not None
        batch = self._again.popleft() if self._again else list(islice(self._items, self.batch_size or 1))
        if self.drop_last and self.batch_size and len(batch) < self.batch_size:
            return []
        if batch:
            self._kept.append(batch)
            self._place += 1
        return batch
