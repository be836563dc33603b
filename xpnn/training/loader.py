"""Batches from data of any kind, loaded in the background while the model trains on those before.

    loader = Loader(numpy.load("x.npy", mmap_mode="r"), t, batch_size=256, shuffle="blocks", workers=1)
    for x, t in loader:
        ...

What a batch holds is a function of (seed, epoch, number of the batch), whatever the number of workers: so
`loader.batches(epoch, start)` goes on where another run was broken off, without loading what came before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import repeat, takewhile
from typing import Any

import numpy

from xpnn.arrays.namespaces import floating_name
from xpnn.arrays.random import require_seed
from xpnn.arrays.tree import flatten, tree_map
from xpnn.training.background import in_order
from xpnn.training.collating import Batch, collate, collate_padded, numeric
from xpnn.training.contents import digest
from xpnn.training.data import require_whole
from xpnn.training.order import Order
from xpnn.training.rows import Rows
from xpnn.training.sources import is_rows
from xpnn.training.streams import Stream

__all__ = ["Loader"]

TOGETHER = 2**18  # bytes of small batches that are taken at once
_TRANSFORM = int.from_bytes(hashlib.blake2b(b"transform", digest_size=8).digest(), "little")


class Loader:
    """Batches `(x, t)`, or `(x, t, w)` with weights, of NumPy arrays with a row per item.

    Parameters
    ----------
    x
        Inputs, as one of: an array of any library, maybe mapped from a file; a table or column of pandas, polars or
        PyArrow; lists of numbers; a sequence of samples (`__getitem__` and `__len__`), as PyTorch's map datasets; an
        iterable of samples, or a function that gives an iterator. A tuple, dictionary or list of arrays is several
        inputs (see `Samples`). A sample is `(x, t)`, `(x, t, w)`, or mere `x`.
    t
        Targets, alike; None where samples hold them, or there are none (batches are then `(x, None)`).
    sample_weight
        One weight of 0 or more for each row, which the loss is to weigh it by.
    batch_size
        Rows per batch; None for a stream whose items are batches already.
    shuffle
        True: each epoch takes the rows in another random order, the one of `Trainer.fit` on arrays. False: in their
        own. "blocks": nearly random, for files larger than memory: blocks of 256 KiB in random order, and rows
        shuffled among 256 blocks that follow one another; all others are let go from memory. A stream keeps its own
        order, and takes no True.
    seed
        Decides all that is random.
    sampling_weight
        One weight per row: rows are drawn with replacement, each as often as its weight says, as many as there are.
    lengths
        The length of each row's sequence: batches hold rows of similar length, and unless `collate` is given `x` of a
        batch is `(x, mask)`, as `padded` gives.
    stratify
        One label per row: every batch has nearly the shares of classes of the whole.
    transform
        A function `transform(x, t, random)`, or `transform(x, t, w, random)` with weights, that gives the batch as it
        is to be: a tuple of as many. `random` is a `numpy.random.Generator` made for (seed, epoch, batch).
    dtype
        "float32" or "float64": what floating-point numbers are converted to, batch by batch; None leaves them.
    workers
        Threads that load ahead; with 0 each batch is loaded when it is asked for. One is right for files; more for a
        slow transform or dataset that leaves the interpreter to others (NumPy, reading, decompressing).
    ahead
        Batches that wait at most, loaded or being loaded; small ones in bundles of 256 KiB count as one.
    drop_last
        Whether a last smaller batch is left out.
    batches_per_epoch
        Batches to count as an epoch, where it is not one pass through all rows; an endless stream needs it. The next
        epoch goes on where the last one ended.
    collate
        A function from the list of a batch's samples to the batch, for samples that do not stack.

    Raises
    ------
    TypeError, ValueError
        If data or options are not as above. What a dataset or `transform` raises comes out of the iterator with a note
        that names batch and row.

    Examples
    --------
    >>> loader = Loader(numpy.arange(10.0).reshape(5, 2), numpy.arange(5), batch_size=2, shuffle=False)
    >>> len(loader)
    3
    >>> for x, t in loader:
    ...     print(x.shape, t)
    (2, 2) [0 1]
    (2, 2) [2 3]
    (1, 2) [4]
    """

    def __init__(
        self,
        x: Any,
        t: Any = None,
        *,
        sample_weight: Any = None,
        batch_size: int | None = 32,
        shuffle: bool | str | None = None,
        seed: int = 0,
        sampling_weight: Any = None,
        lengths: Any = None,
        stratify: Any = None,
        transform: Callable[..., Batch] | None = None,
        dtype: Any = None,
        workers: int = 0,
        ahead: int = 4,
        drop_last: bool = False,
        batches_per_epoch: int | None = None,
        collate: Callable[[list[Any]], Batch] | None = None,
    ) -> None:
        require_whole("workers", workers, 0)
        require_whole("ahead", ahead, 1)
        if batch_size is not None:
            require_whole("batch_size", batch_size, 1)
        if batches_per_epoch is not None:
            require_whole("batches_per_epoch", batches_per_epoch, 1)
        if shuffle not in (None, True, False, "blocks"):
            raise ValueError(f'Loader expected shuffle to be True, False or "blocks", got {shuffle!r}')
        for name, function in (("transform", transform), ("collate", collate)):
            if function is not None and not callable(function):
                raise TypeError(f"Loader expected {name} to be a function, got {type(function).__name__}")
        self.seed, self.batch_size, self.workers, self.ahead = require_seed(seed), batch_size, workers, ahead
        self.batches_per_epoch, self.drop_last, self.transform = batches_per_epoch, drop_last, transform
        self._dtype = None if dtype is None else numpy.dtype(floating_name("Loader", dtype))
        self._collate = collate or _default_collate(lengths)
        self._rows: Rows | None = None
        self._stream: Stream | None = None
        self._contents: str | None = None  # a digest, once it was asked for
        per_row = {"sampling_weight": sampling_weight, "lengths": lengths, "stratify": stratify}
        if is_rows(x):
            if batch_size is None:
                raise ValueError("Loader expected batch_size for data with rows; None is for streams of batches")
            self._rows = Rows(x, t, sample_weight, collate, self._collate, ragged=lengths is not None)
            self._order = Order(
                self._rows.count,
                batch_size=batch_size,
                shuffle=True if shuffle is None else shuffle,
                seed=seed,
                drop_last=drop_last,
                batches_per_epoch=batches_per_epoch,
                bytes_per_row=self._rows.bytes_per_row,
                **per_row,
            )
        else:
            others = {"t": t, "sample_weight": sample_weight, "shuffle": shuffle or None, **per_row}
            _require_no_rows(type(x).__name__, others)
            self._stream = Stream(
                x,
                batch_size=batch_size,
                batches_per_epoch=batches_per_epoch,
                drop_last=drop_last,
                kept=2 * ahead + 2,  # what two queues may hold
            )

    @property
    def rows(self) -> int | None:
        """How many rows there are; None for a stream."""
        return None if self._rows is None else self._rows.count

    def __len__(self) -> int:
        if self._rows is not None:
            return len(self._order)
        if self.batches_per_epoch is None:
            raise TypeError("a Loader of a stream has no length, unless batches_per_epoch is given")
        return self.batches_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        return self.batches()

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from number `start` on.

        Threads, if any, end when the iterator comes to its end, is closed, or is dropped. A stream is read from the
        start of the epoch.

        Raises
        ------
        ValueError
            If `epoch` or `start` is not an integer of 0 or more, or there are not so many batches.
        """
        require_whole("epoch", epoch, 0)
        require_whole("start", start, 0)
        bound = self.batches_per_epoch if self._rows is None else len(self._order)
        if bound is not None and start > bound:
            raise ValueError(f"expected start to be {bound} at most, the number of batches, got {start}")
        return self._of_rows(epoch, start) if self._rows is not None else self._of_stream(epoch, start)

    def describe(self) -> dict[str, Any]:
        """What decides the order of the rows, in values of JSON, for a checkpoint: a run goes on where it is the same.

        Of arrays that includes 'contents', a digest of the first rows; of samples, which may be others each time, None.

        Examples
        --------
        >>> Loader(numpy.zeros((5, 2)), batch_size=2).describe()["rows"]
        5
        """
        if self._rows is not None:
            if self._contents is None and self._rows.are_arrays:
                first = numpy.arange(min(8, self._rows.count))  # of a file they lie together
                self._contents = digest(flatten(self._rows.take(first))[0])
            return {**self._order.describe(), "contents": self._contents}
        return {
            "rows": None,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "drop_last": self.drop_last,
            "batches_per_epoch": self.batches_per_epoch,
        }

    # Rows

    def _of_rows(self, epoch: int, start: int) -> Iterator[Batch]:
        with closing(in_order(self._bundles(epoch, start), workers=self.workers, ahead=self.ahead)) as bundles:
            for bundle in bundles:
                yield from bundle

    def _bundles(self, epoch: int, start: int) -> Iterator[Callable[[], list[Batch]]]:
        """Tasks that each load some batches of equal size."""
        assert self._rows is not None
        size, group = self._together(), (-1, -1)
        bundle: list[numpy.ndarray] = []
        first = start
        for number, rows in enumerate(self._order.batches(epoch, start), start):
            if self._order.block:
                group = self._told(group, epoch, number)
            if bundle and (len(bundle) == size or len(rows) != len(bundle[0])):
                yield partial(self._loaded, epoch, first, bundle)
                bundle, first = [], number
            bundle.append(rows)
        if bundle:
            yield partial(self._loaded, epoch, first, bundle)

    def _together(self) -> int:
        """How many batches are taken at once."""
        assert self._rows is not None
        if not self._rows.are_arrays or self._rows.bytes_per_row is None:
            return 1
        return max(1, TOGETHER // max(1, self._order.batch_size * self._rows.bytes_per_row))

    def _told(self, group: tuple[int, int], epoch: int, number: int) -> tuple[int, int]:
        """The group of blocks that a batch is in, of which the sources are told when it is another than before."""
        assert self._rows is not None
        now = self._order.group_of(epoch, number)
        if now != group:
            self._rows.expect(*self._order.blocks(*now))
        return now

    def _loaded(self, epoch: int, first: int, bundle: list[numpy.ndarray]) -> list[Batch]:
        assert self._rows is not None
        with _named(epoch, first, bundle):
            whole = self._rows.take(bundle[0] if len(bundle) == 1 else numpy.concatenate(bundle))
            parts = [whole] if len(bundle) == 1 else _parts(whole, len(bundle), len(bundle[0]))
        if self.transform is None and self._dtype is None and self._rows.are_arrays:
            return parts
        return [self._finished(epoch, first + n, parts[n], rows) for n, rows in enumerate(bundle)]

    # Streams

    def _of_stream(self, epoch: int, start: int) -> Iterator[Batch]:
        """Read by one thread, made to batches by others: the reading alone has to keep the order."""
        assert self._stream is not None
        read = self._stream.reader(epoch, start)
        with closing(in_order(repeat(read), workers=min(1, self.workers), ahead=self.ahead)) as lists:
            tasks = (
                partial(self._collated, epoch, number, samples)
                for number, samples in enumerate(takewhile(bool, lists), start)
            )
            with closing(in_order(tasks, workers=self.workers, ahead=self.ahead)) as batches:
                yield from batches

    def _collated(self, epoch: int, number: int, samples: list[Any]) -> Batch:
        with _named(epoch, number, []):
            batch = self._collate(samples) if self.batch_size else _ready(samples[0])
        return self._finished(epoch, number, batch, None)

    # Both

    def _finished(self, epoch: int, number: int, batch: Batch, rows: numpy.ndarray | None) -> Batch:
        with _named(epoch, number, [] if rows is None else [rows]):
            if self.transform is not None:
                batch = self.transform(*batch, self._random(epoch, number))
            if not isinstance(batch, tuple) or len(batch) not in (2, 3):
                what = "transform" if self.transform else "collate" if self.batch_size else "the stream"
                raise TypeError(f"Loader expected {what} to give a tuple (x, t) or (x, t, w), got {_short(batch)}")
            return batch if self._dtype is None else tree_map(self._converted, batch)

    def _random(self, epoch: int, number: int) -> numpy.random.Generator:
        key = numpy.asarray([self.seed, _TRANSFORM], dtype=numpy.uint64)
        counter = numpy.asarray([0, 0, number, epoch], dtype=numpy.uint64)
        return numpy.random.Generator(numpy.random.Philox(key=key, counter=counter))

    def _converted(self, x: Any) -> Any:
        if getattr(getattr(x, "dtype", None), "kind", "") != "f":
            return x
        with numpy.errstate(over="ignore"):  # what is too large becomes infinite, which the step sees
            return x.astype(self._dtype, copy=False)


def _parts(whole: Batch, count: int, size: int) -> list[Batch]:
    """So many batches of `size` rows out of one."""
    leaves, rebuild = flatten(whole)
    return [rebuild([leaf[n * size : (n + 1) * size] for leaf in leaves]) for n in range(count)]


def _ready(item: Any) -> Any:
    """A batch that a stream gave: a tuple, or a list as of PyTorch's DataLoader, with arrays of any library."""
    return tree_map(numeric, tuple(item)) if isinstance(item, tuple | list) else item


def _default_collate(lengths: Any) -> Callable[[list[Any]], Batch]:
    return collate if lengths is None else collate_padded


def _require_no_rows(kind: str, options: dict[str, Any]) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ValueError(f"Loader of a stream (a {kind}), which has no row numbers, takes no {' and no '.join(given)}")


@contextmanager
def _named(epoch: int, number: int, bundle: list[numpy.ndarray]) -> Iterator[None]:
    """Adds to an error which batch it comes from."""
    try:
        yield
    except Exception as error:
        some = [str(row) for rows in bundle for row in rows[:5].tolist()][:5]
        rows = f" (rows {', '.join(some)}, ...)" if some else ""
        which = f"batch {number}" if len(bundle) < 2 else f"batches {number} to {number + len(bundle) - 1}"
        error.add_note(f"It came up while loading {which} of epoch {epoch}{rows}")
        raise


def _short(value: Any) -> str:
    return f"a tuple of {len(value)}" if isinstance(value, tuple) else type(value).__name__
