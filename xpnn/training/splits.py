"""Rows for training and rows to judge by: one cut, or as many as there are folds.

    x, x_test, t, t_test = split(x, t, stratify=t)
    for train, test in k_fold(len(x), 5, stratify=t):
        ...

What was trained on says nothing about new data, so rows that belong together (of one patient, of one day) must not
stand on both sides: `groups` keeps them together. With a rare class, chance may leave a part without it: `stratify`
divides each class by the same share.

Rows are dealt like cards. Shuffled, sorted by class, and dealt to the folds in turn, the folds' sizes and their numbers
of each class differ by one at most. Groups cannot be dealt so evenly: the largest goes first, each to the fold that has
least of what it brings.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy

from xpnn.training.data import require_whole
from xpnn.training.sampling import permuted

__all__ = ["k_fold", "rows_of_each", "split"]

Fold = tuple[numpy.ndarray, numpy.ndarray]


def split(*arrays: Any, fraction: float = 0.2, seed: int = 0, stratify: Any = None, groups: Any = None) -> list[Any]:
    """Each array cut into a large and a small part, rows drawn at random: `x, x_test, t, t_test = split(x, t)`.

    Parameters
    ----------
    arrays
        NumPy arrays of equal length.
    fraction
        Share of the rows in the small part, between 0 and 1.
    seed
        Decides which rows; an integer from 0 to 2^64 - 1.
    stratify
        Labels, one per row: each is divided by the same share, as nearly as whole rows allow, or whole groups; the part
        has as many rows as without. Which of two equal classes gives a row more is drawn, too.
    groups
        One value per row: rows of equal value stay together. The share is met as nearly as whole groups, added in
        random order where they bring it nearer, do.

    Raises
    ------
    TypeError
        If one is not a NumPy array.
    ValueError
        If lengths differ, or a part would be empty.

    Examples
    --------
    >>> large, small = split(numpy.arange(10), fraction=0.3)
    >>> len(large), len(small)
    (7, 3)
    """
    if not arrays:
        raise ValueError("split expected at least one array")
    for array in arrays:
        if not isinstance(array, numpy.ndarray) or not array.shape:
            shape = " of shape ()" if isinstance(array, numpy.ndarray) else ""
            raise TypeError(f"split expected NumPy arrays with a row per item, got {type(array).__name__}{shape}")
    labels, units = _per_row("split", "stratify", stratify), _per_row("split", "groups", groups)
    lengths = {len(array) for array in (*arrays, labels, units) if array is not None}
    if len(lengths) != 1:
        raise ValueError(f"split expected arrays of equal length, got lengths {sorted(lengths)}")
    (count,) = lengths
    if not (isinstance(fraction, Real) and 0 < fraction < 1):
        raise ValueError(f"split expected a fraction between 0 and 1, got {fraction!r}")
    order = permuted(count, seed=seed, stream="split", step=0) if count else numpy.arange(0)
    if units is None:
        small = _small_part(order, fraction, labels)
    else:
        small = _small_part_of_groups(order, fraction, labels, units)
    chosen = numpy.zeros(count, dtype=bool)
    chosen[small] = True
    if not 0 < len(small) < count:
        raise ValueError(f"split of {count} rows by {fraction} would leave a part empty")
    return [part for array in arrays for part in (array[order[~chosen[order]]], array[order[chosen[order]]])]


def _small_part(order: numpy.ndarray, fraction: float, labels: Any) -> numpy.ndarray:
    if labels is None:
        return order[: round(len(order) * fraction)]
    known, first, groups = numpy.unique(labels[order], return_index=True, return_inverse=True)
    parts = [order[groups == group] for group in range(len(known))]
    counts = rows_of_each(numpy.asarray([len(part) for part in parts], dtype=numpy.int64), fraction, first)
    return numpy.concatenate([part[:count] for part, count in zip(parts, counts.tolist(), strict=True)])


def rows_of_each(sizes: numpy.ndarray, fraction: float, priority: numpy.ndarray) -> numpy.ndarray:
    """How many rows of each class make up a part: their share rounded down, and a row more for the largest remainders.

    Rounding each class by itself would make of a fifth a third if all classes had three rows, and nothing if they had
    two.

    Parameters
    ----------
    sizes
        How many rows each class has, shape (k,).
    fraction
        The share, between 0 and 1.
    priority
        Shape (k,): of equal remainders the smallest comes first.

    Examples
    --------
    >>> rows_of_each(numpy.asarray([3, 3, 3, 60]), 0.2, numpy.asarray([5, 0, 2, 1]))
    array([ 0,  1,  1, 12])
    """
    wanted = sizes * fraction
    counts: numpy.ndarray = numpy.floor(wanted).astype(numpy.int64)
    more = round(int(sizes.sum()) * fraction) - int(counts.sum())
    remainders = numpy.round(wanted - counts, 9)  # 0.6 of one class is 0.6000000000000001 of another
    counts[numpy.lexsort((priority, -remainders))[:more]] += 1
    return counts


def _small_part_of_groups(order: numpy.ndarray, fraction: float, labels: Any, units: numpy.ndarray) -> numpy.ndarray:
    """Groups in the order in which they first come, each taken if the shares are nearer to `fraction` with it.

    Near is the sum over the classes of the squared distance from that share of the class.
    """
    table, group_of, met = _table(order, labels, units)
    totals = table.sum(axis=0)
    shares, wanted = numpy.zeros(table.shape[1]), fraction
    taken = numpy.zeros(len(table), dtype=bool)
    for group in met:
        added = table[group] / totals
        if (added * (2 * (shares - wanted) + added)).sum() < 0:
            taken[group] = True
            shares += added
    small: numpy.ndarray = order[taken[group_of[order]]]
    return small


def k_fold(n: int, folds: int = 5, *, seed: int = 0, stratify: Any = None, groups: Any = None) -> list[Fold]:
    """The rows `(train, test)` of each fold: every row is in the test part of one fold, and trained on in the others.

    Parameters
    ----------
    n
        How many rows there are.
    folds
        How many folds, 2 or more.
    seed
        Decides which rows; an integer from 0 to 2^64 - 1.
    stratify
        Labels, one per row: the folds' numbers of each differ by one at most, but for whole groups.
    groups
        One value per row: rows of equal value are in one fold.

    Returns
    -------
    list of tuples
        Arrays of row numbers, sorted.

    Raises
    ------
    TypeError
        If `n` is the rows themselves.
    ValueError
        If there are more folds than rows, or than groups.

    Examples
    --------
    >>> for train, test in k_fold(6, 3, groups=[0, 0, 1, 1, 2, 2]):
    ...     print(train, test)
    [0 1 4 5] [2 3]
    [2 3 4 5] [0 1]
    [0 1 2 3] [4 5]
    """
    if hasattr(n, "__len__"):
        raise TypeError(f"k_fold expected how many rows there are, as len(x) says, got {type(n).__name__}")
    require_whole("n", n, 1)
    require_whole("folds", folds, 2)
    labels, units = _per_row("k_fold", "stratify", stratify), _per_row("k_fold", "groups", groups)
    for name, values in (("stratify", labels), ("groups", units)):
        if values is not None and len(values) != n:
            raise ValueError(f"k_fold expected {name} to hold {n} values, one per row, got {len(values)}")
    there = n if units is None else len(numpy.unique(units))
    if there < folds:
        raise ValueError(f"k_fold of {there} {'rows' if units is None else 'groups'} cannot make {folds} folds")
    order = permuted(n, seed=seed, stream="folds", step=0)
    fold_of = _dealt(order, folds, labels) if units is None else _dealt_groups(order, folds, labels, units)
    return [(numpy.flatnonzero(fold_of != fold), numpy.flatnonzero(fold_of == fold)) for fold in range(folds)]


def _dealt(order: numpy.ndarray, folds: int, labels: Any) -> numpy.ndarray:
    """The fold of each row: dealt in turn, class by class."""
    if labels is not None:
        _, classes = numpy.unique(labels, return_inverse=True)
        order = order[numpy.argsort(classes[order], kind="stable")]
    fold_of = numpy.empty(len(order), dtype=numpy.int64)
    fold_of[order] = numpy.arange(len(order)) % folds
    return fold_of


def _dealt_groups(order: numpy.ndarray, folds: int, labels: Any, units: numpy.ndarray) -> numpy.ndarray:
    """The fold of each row: the groups, the largest first, each where the shares of its classes are least.

    What a fold would then have is measured by the sum of squared shares over the classes, which grows by
    2 share added + added².
    """
    table, group_of, met = _table(order, labels, units)
    shares = table / table.sum(axis=0)
    by_size = met[numpy.argsort(-table[met].sum(axis=1), kind="stable")]
    held, rows = numpy.zeros((folds, table.shape[1])), numpy.zeros(folds)
    fold_of_group = numpy.empty(len(table), dtype=numpy.int64)
    for group in by_size:
        fold = numpy.lexsort((rows, numpy.round(held @ shares[group], 12)))[0]  # of equal ones the smallest
        fold_of_group[group] = fold
        held[fold] += shares[group]
        rows[fold] += table[group].sum()
    fold_of: numpy.ndarray = fold_of_group[group_of]
    return fold_of


def _table(
    order: numpy.ndarray, labels: Any, units: numpy.ndarray
) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """How many rows of each class each group has, the group of each row, and the groups by their first rows."""
    known, group_of = numpy.unique(units, return_inverse=True)
    kinds, classes = (1, 0) if labels is None else _numbered(labels)
    table = numpy.bincount(group_of * kinds + classes, minlength=len(known) * kinds).reshape(len(known), kinds)
    _, first = numpy.unique(group_of[order], return_index=True)
    return table, group_of, numpy.argsort(first, kind="stable")


def _numbered(labels: numpy.ndarray) -> tuple[int, Any]:
    known, classes = numpy.unique(labels, return_inverse=True)
    return len(known), classes


def _per_row(who: str, name: str, values: Any) -> numpy.ndarray | None:
    found = None if values is None else numpy.asarray(values)
    if found is not None and found.ndim != 1:
        what = "label" if name == "stratify" else "value"
        raise ValueError(f"{who} expected {name} to hold one {what} per row, got shape {found.shape}")
    return found
