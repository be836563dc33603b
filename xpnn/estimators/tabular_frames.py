"""What is given as X, as a `Table` with the names that training had: checked by scikit-learn's rules, in its words.

Arrays and lists are checked by `check_array`, but for missing values, which are welcome. Frames keep their columns of
words, dates and booleans; of them names and their number are checked here, and infinite numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy
from sklearn.utils.validation import validate_data

from xpnn.estimators.placement import on_host
from xpnn.tables.columns import Column
from xpnn.tables.converting import number_in
from xpnn.tables.encoders import LARGEST, NumberEncoder
from xpnn.tables.preprocessing import Preprocessing
from xpnn.tables.table import Table, listed, whatever_it_holds

__all__ = ["is_frame", "require_finite", "require_in_range", "table_of"]

_LEAST_SPREAD = 1e-149  # of columns closer together, no scale is finite (tables/scaling.py)
_INFINITE = "Input X contains infinity or a value too large for dtype('float64')."


def is_frame(X: Any) -> bool:
    """Whether it has columns of its own kinds: a frame of pandas, polars or PyArrow."""
    return hasattr(X, "columns") or hasattr(X, "column_names")


def table_of(
    estimator: Any, X: Any, *, names: list[str] | None, kinds: Callable[[list[str]], Mapping[str, str]] | None = None
) -> Table:
    """X as a table; `names` are those of training, None in `fit`, which learns them. `kinds` says of names what columns
    are: those to drop may hold anything.

    Raises
    ------
    ValueError, TypeError
        If X cannot be one, holds infinity, or has other columns than training had.
    """
    first = names is None
    if hasattr(X, "collect") and not hasattr(X, "shape"):
        raise TypeError(f"expected a frame whose rows are there, got a {type(X).__name__}: give X.collect()")
    if type(X) is dict:  # not a subclass, as SciPy's dok_matrix is one
        raise TypeError("expected a frame or rows, got a dict: give a frame of it, such as pandas.DataFrame(X)")
    X = on_host(X)
    if is_frame(X):
        _check_frame(estimator, X, first)
        table = Table(X)
        _require_names(estimator, table.names, names)
    else:
        X = validate_data(
            estimator,
            _mixed(X),
            dtype=None,
            ensure_all_finite=False,  # missing values are welcome; infinite ones are refused by column
            reset=first,
            ensure_min_samples=2 if first else 1,
        )
        table = Table(X)
    names = table.names if names is None else names
    known = {} if kinds is None else kinds(names)
    columns = {
        name: whatever_it_holds(table, given) if known.get(name) == "drop" else _column(table, given, X)
        for name, given in zip(names, table.names, strict=True)
    }
    return Table(columns)


def _mixed(X: Any) -> Any:
    """Lists of rows with words: as objects, since NumPy makes words of the numbers beside them."""
    if not isinstance(X, list | tuple):
        return X
    try:
        words = numpy.asarray(X).dtype.kind in "US"
    except (TypeError, ValueError):  # of rows that are not equally long: scikit-learn has words for it
        return X
    return numpy.asarray(X, dtype=object) if words else X


def _require_names(estimator: Any, given: list[str], names: list[str] | None) -> None:
    """Names that are no words, as of numbers, scikit-learn does not compare."""
    if names is None or hasattr(estimator, "feature_names_in_"):
        return
    of_frame = names != [f"x{n}" for n in range(len(names))]  # else training had an array
    if of_frame and given != names:
        raise ValueError(
            f"The columns should be those of fit, in the same order: training had {listed(names)}, this frame has "
            f"{listed(given)}"
        )


def require_finite(preprocessing: Preprocessing, table: Table) -> None:
    """Raise if a word of a column of numbers is infinity: table_of knows only of columns that are stored as numbers.

    Raises
    ------
    ValueError
        Naming column and row.
    """
    for encoder in preprocessing._encoders or []:
        if not isinstance(encoder, NumberEncoder):
            continue
        column = table.column(encoder.name)
        infinite = [n for n, word in enumerate(column.levels) if abs(number_in(word) or 0.0) == numpy.inf]
        places = numpy.flatnonzero(numpy.isin(column.values, infinite))
        if infinite and len(places):
            place = int(places[0])
            raise ValueError(
                f"{_INFINITE} The first is {column.value(place)!r} in column {encoder.name!r}, row {column.row(place)}."
            )


def require_in_range(table: Table, kinds: dict[str, str]) -> None:
    """Raise if numbers to train with are so large, or so close to each other, that float32 could not tell them apart.

    Raises
    ------
    ValueError
        Naming the column, and what to do.
    """
    for name in table.names:
        column = table.column(name)
        if column.kind != "number" or kinds.get(name, "number") != "number" or column.missing.all():
            continue
        low, high = float(numpy.nanmin(column.values)), float(numpy.nanmax(column.values))
        if max(-low, high) > LARGEST:
            raise ValueError(
                f"column {name!r} expected numbers within {LARGEST:.4g}, the largest of float32, got "
                f"{high if high > -low else low:.4g}: divide it by a power of ten"
            )
        if 0 < high - low < _LEAST_SPREAD:
            raise ValueError(
                f"column {name!r} expected numbers that differ by {_LEAST_SPREAD} or more, got {low} to {high}: "
                "multiply it by a power of ten"
            )


def _check_frame(estimator: Any, X: Any, first: bool) -> None:
    try:
        validate_data(estimator, X, reset=first, skip_check_array=True)
    except ValueError as error:
        raise ValueError(str(error).rstrip("\n") + "\n" + _remedy(estimator, X, first)) from error
    rows, columns = X.shape
    for count, what, least in ((rows, "sample", 2 if first else 1), (columns, "feature", 1)):
        if count < least:
            raise ValueError(
                f"Found array with {count} {what}(s) (shape={tuple(X.shape)}) while a minimum of {least} is required "
                f"by {type(estimator).__name__}."
            )


def _remedy(estimator: Any, X: Any, first: bool) -> str:
    """What to do about columns that are others than training's, for the end of scikit-learn's words; else ''."""
    known = [] if first else list(getattr(estimator, "feature_names_in_", []))
    if not known:
        return ""
    of_arrow = hasattr(X, "column_names")
    given = [str(name) for name in (X.column_names if of_arrow else X.columns)]
    lacking = [name for name in known if name not in given]
    if lacking:
        words = (
            f"training had {listed(known)}, this frame has {listed(given)}: add the columns that are missing, or fit"
        )
        return f"{words} without them"
    words = "Give the columns of training in their order: X"
    return words + (".select(list(model.feature_names_in_))" if of_arrow else "[list(model.feature_names_in_)]")


def _column(table: Table, name: str, X: Any) -> Column:
    try:
        column = table.column(name)
    except TypeError:
        if isinstance(X, numpy.ndarray):
            X.astype(numpy.float64)  # of what is no number in an array of objects NumPy has words scikit-learn expects
        raise
    if column.kind == "number" and numpy.isinf(column.values).any():
        place = int(numpy.flatnonzero(numpy.isinf(column.values))[0])
        raise ValueError(f"{_INFINITE} The first is in column {name!r}, row {place}.")
    return column
