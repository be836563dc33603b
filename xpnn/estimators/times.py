"""Dates and times in X, which NumPy takes for whole numbers of a size that says nothing: microseconds since 1970.

scikit-learn refuses some of them and takes others, by the way in which a frame becomes an array. Here all are refused:
as columns of a frame of any library, arrays of any number of axes, lists of rows, and each of several inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time, timedelta
from typing import Any

import numpy
from scipy import sparse

__all__ = ["require_no_dates"]

_NAMES = ("date", "time", "duration")  # how names of dtypes begin, whatever the library
_TYPES = (date, time, timedelta, numpy.datetime64, numpy.timedelta64)


def require_no_dates(X: Any, name: str = "X") -> None:
    """Raise if X has dates, times of day, or times between them.

    Parameters
    ----------
    X
        An array, a frame, a list of rows, or a dictionary or tuple of these.
    name
        What the error calls it.

    Raises
    ------
    TypeError
        Naming the first such column of a frame.

    Examples
    --------
    >>> require_no_dates(numpy.zeros((2, 2), "datetime64[D]"))
    Traceback (most recent call last):
    TypeError: X expected numbers, got dates (datetime64[D]): give days; tabular estimators take dates
    """
    several = _several(X)
    if several is not None:
        for key, part in several:
            require_no_dates(part, f"{name}[{key!r}]")
        return
    for where, kind in _kinds(X, name):
        if kind:
            raise TypeError(f"{where} expected numbers, got dates ({kind}): give days; tabular estimators take dates")


def _several(X: Any) -> list[tuple[Any, Any]] | None:
    """The parts of a dictionary, or tuple of arrays; None of all else, such as a tuple of rows."""
    if isinstance(X, dict):
        return None if sparse.issparse(X) else list(X.items())  # scipy.sparse.dok_matrix is a dictionary
    if isinstance(X, tuple) and any(len(getattr(part, "shape", ())) > 1 for part in X):
        return list(enumerate(X))
    return None


def _kinds(X: Any, name: str) -> Iterator[tuple[str, str]]:
    """Each column of a frame, or all else as a whole, and which dates it holds; '' if none."""
    if hasattr(X, "column_names"):  # of PyArrow
        for field in X.schema:
            yield f"column {field.name!r} of {name}", _in_dtype(getattr(field.type, "value_type", field.type))
    elif hasattr(X, "columns") and hasattr(X, "dtypes"):
        for place, (column, dtype) in enumerate(zip(X.columns, X.dtypes, strict=True)):
            objects = X.iloc[:, place].tolist() if str(dtype) == "object" else ()
            yield f"column {str(column)!r} of {name}", _in_dtype(dtype) or _in_values(objects)
    elif isinstance(X, list | tuple):
        yield name, _in_values(X)
    else:
        dtype = getattr(X, "dtype", "")
        yield name, _in_dtype(dtype) or (_in_values(numpy.ravel(X)) if str(dtype) == "object" else "")


def _in_dtype(dtype: Any) -> str:
    name = str(getattr(getattr(dtype, "categories", None), "dtype", dtype))  # of what pandas calls categorical
    return name if name.lower().startswith(_NAMES) else ""


def _in_values(values: Any) -> str:
    """Of Python's values, or rows of them."""
    kinds = set(map(type, values))
    for kind in kinds:
        if issubclass(kind, _TYPES) and kind.__name__ != "NaTType":  # which is a number's absence, too
            return kind.__name__
    if kinds & {list, tuple, numpy.ndarray}:
        rows = (row for row in values if isinstance(row, list | tuple | numpy.ndarray))
        return next((found for row in rows for _, found in _kinds(row, "") if found), "")
    return ""
