"""Three parts of a table's rows: to train on, to choose the best epoch by, and to measure on.

The rows that the scores are of are looked at once, at the end. The epoch is chosen by others, since the best of many
looks at one part is too good by chance. Of classes each part gets its share; of a class with few rows training has one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy

from xpnn.arrays.random import permutation
from xpnn.training.splits import rows_of_each

__all__ = ["LEAST_ROWS", "Parts", "split"]

LEAST_ROWS = 10
_MOST_TO_CHOOSE = 10_000  # rows; more cost time after each epoch and choose no better


@dataclass(frozen=True, eq=False)
class Parts:
    """Which rows are in which part: places, sorted.

    Attributes
    ----------
    training, validation, held_out
        To train on, to choose the epoch by, to measure on.
    """

    training: numpy.ndarray
    validation: numpy.ndarray
    held_out: numpy.ndarray


def split(rows: int, *, share: float, seed: int, classes: numpy.ndarray | None = None) -> Parts:
    """The parts of so many rows: `share` of them held out, and of the rest a tenth, at most 10 000, to choose by.

    Parameters
    ----------
    rows
        How many rows.
    share
        Between 0 and 1.
    seed
        Decides which.
    classes
        The number of each row's class, shape (rows,), or None.

    Raises
    ------
    ValueError
        If there are less than 10 rows.

    Examples
    --------
    >>> parts = split(100, share=0.2, seed=0)
    >>> len(parts.training), len(parts.validation), len(parts.held_out)
    (72, 8, 20)
    """
    if rows < LEAST_ROWS:
        raise ValueError(f"{rows} rows with a target are too few to learn from and measure on: {LEAST_ROWS} or more")
    kinds = numpy.zeros(rows, dtype=numpy.int64) if classes is None else classes
    order = permutation(rows, seed=seed, stream="split")
    held_out, rest = _parted(order, kinds, share)
    choose = min(0.1, _MOST_TO_CHOOSE / len(rest))
    validation, training = _parted(rest, kinds, choose)
    return Parts(numpy.sort(training), numpy.sort(validation), numpy.sort(held_out))


def _parted(order: numpy.ndarray, kinds: numpy.ndarray, share: float) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The first part with `share` of each kind, at least one row in all, and the rest."""
    by_kind = order[numpy.argsort(kinds[order], kind="stable")]
    sizes = numpy.bincount(kinds[by_kind])
    starts = numpy.cumsum(sizes) - sizes
    within = numpy.arange(len(by_kind)) - starts[kinds[by_kind]]
    priority = numpy.full(len(sizes), len(order))  # of equal classes the one that is met first
    priority[kinds[order[::-1]]] = numpy.arange(len(order))[::-1]
    counts = rows_of_each(numpy.where(sizes > 1, sizes, 0), share, priority)
    taken = within < numpy.minimum(counts, sizes - 1)[kinds[by_kind]]
    if not taken.any():
        taken[int(numpy.argmax(sizes[kinds[by_kind]]))] = True
    return by_kind[taken], by_kind[~taken]
