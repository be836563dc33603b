"""A frame of any library, read column by column when asked, rows taken without a copy of the frame.

Everything else here knows only `Table` and `Column`. So a pandas and a polars frame with the same content give the
same numbers to the last bit, and a column that nobody asks for need not make sense.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
from array_api_compat import is_array_api_obj

from xpnn.arrays.namespaces import namespace_of
from xpnn.tables.columns import Column
from xpnn.tables.reading import column_of, column_of_array, column_of_series, narwhals_for, on_host

__all__ = ["Table", "listed", "whatever_it_holds"]


class Table:
    """A table: names, and a `Column` for each.

    Parameters
    ----------
    frame
        A frame of pandas, polars or PyArrow, a dict of columns (lists, arrays or series), an array with two axes,
        whose columns are then x0, x1 and so on, or a `Table`.

    Raises
    ------
    TypeError
        If it is none of these, or a LazyFrame.
    ValueError
        If two columns have one name or columns of a dict differ in length.
    ModuleNotFoundError
        If a frame's library cannot be read without narwhals: pip install 'xpnn[tables]'.

    Examples
    --------
    >>> table = Table({"age": [31, None, 58], "city": ["Rome", "Oslo", "Rome"]})
    >>> table.names, len(table)
    (['age', 'city'], 3)
    >>> table.column("city").levels
    ('Oslo', 'Rome')
    >>> table.take(~table.column("age").missing).column("age").values
    array([31., 58.])
    """

    def __init__(self, frame: Any) -> None:
        self._source: _Source = frame._source if isinstance(frame, Table) else _opened(frame)
        self._rows: numpy.ndarray | None = frame._rows if isinstance(frame, Table) else None
        twice = [name for name, times in Counter(self.names).items() if times > 1]
        if twice:
            places = [place for place, name in enumerate(self.names) if name == twice[0]]
            raise ValueError(f"the table has {len(places)} columns named {twice[0]!r} (columns {places}): rename them")

    def __len__(self) -> int:
        return self._source.count if self._rows is None else len(self._rows)

    @property
    def names(self) -> list[str]:
        """The names of the columns, as text, in order."""
        return list(self._source.names)

    @property
    def positional(self) -> bool:
        """Whether it is of an array with two axes, whose columns have no names of their own."""
        return self._source.positional

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises
        ------
        ValueError
            If there is none.
        TypeError
            If its values are of a kind without a meaning here, or of kinds that differ: rows are named.
        """
        name, known = str(name), self._source.known
        if name not in known:
            if name not in self.names:
                raise ValueError(f"the table has no column {name!r}, it has {listed(self.names)}")
            known[name] = self._source.read(self.names.index(name), name)
        column = known[name]
        return column if self._rows is None else column.take(self._rows)

    def take(self, rows: Any) -> Table:
        """The table of these rows: places in any order, or a bool for each row.

        Raises
        ------
        ValueError
            If there is not one bool for each row.
        IndexError
            If a row is not there.
        """
        rows = numpy.asarray(rows)
        if rows.dtype == bool and rows.shape != (len(self),):
            raise ValueError(f"take expected a bool for each of {len(self)} rows, got shape {rows.shape}")
        part = Table(self)
        numbers = numpy.arange(len(self)) if self._rows is None else self._rows
        part._rows = numbers[rows if rows.size else rows.astype(numpy.int64)]
        return part


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names for an error: so many of them, and of each the beginning.

    Examples
    --------
    >>> listed(["age", "town", "pay"], 2)
    "'age', 'town' and 1 more"
    """
    shown = ", ".join(f"{name!r:.40}" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def whatever_it_holds(table: Table, name: str) -> Column:
    """A column that is left out; if its values have no meaning here, one of as many rows and of kind "unknown".

    Examples
    --------
    >>> whatever_it_holds(Table({"mixed": [1, "a"]}), "mixed").kind
    'unknown'
    """
    try:
        return table.column(name)
    except (TypeError, ValueError):
        return Column(str(name), "unknown", numpy.zeros(len(table), dtype=numpy.int64), ("?",))


@dataclass(frozen=True)
class _Source:
    """An opened frame: what there is, how to read a column by its place and name, and those that have been read."""

    names: tuple[str, ...]
    count: int
    read: Callable[[int, str], Column]
    positional: bool = False
    known: dict[str, Column] = field(default_factory=dict)


def _opened(frame: Any) -> _Source:
    if isinstance(frame, Mapping):
        return _opened_mapping(frame)
    if is_array_api_obj(frame):
        return _opened_array(frame)
    return _opened_frame(frame)


def _opened_array(frame: Any) -> _Source:
    namespace_of(frame)
    array = on_host(frame, "a table")
    if array.ndim != 2:
        raise ValueError(f"a table expected an array with two axes, rows and columns, got shape {array.shape}")
    names = tuple(f"x{n}" for n in range(array.shape[1]))
    return _Source(names, len(array), lambda place, name: column_of_array(array[:, place], name), positional=True)


def _opened_mapping(frame: Mapping[Any, Any]) -> _Source:
    values = list(frame.values())
    for name, column in frame.items():
        if not hasattr(column, "__len__") or isinstance(column, str | bytes):
            raise TypeError(f"column {name!r} expected a list, an array or a series, got {type(column).__name__}")
    lengths = {str(name): len(column) for name, column in frame.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"a table expected columns of equal length, got {lengths}")
    count = len(values[0]) if values else 0
    return _Source(tuple(map(str, frame)), count, lambda place, name: column_of(values[place], name=name))


def _opened_frame(frame: Any) -> _Source:
    narwhals = narwhals_for(frame)
    if type(frame).__name__ == "LazyFrame":
        raise TypeError("a table expected a frame that is there, got a LazyFrame: call .collect() first")
    # Before narwhals looks: it refuses two columns of one name in words of its own
    names = tuple(map(str, getattr(frame, "column_names", getattr(frame, "columns", ()))))
    if len(set(names)) < len(names):
        return _Source(names, 0, lambda place, name: column_of([], name=name))
    try:
        seen = narwhals.from_native(frame, eager_only=True)
    except TypeError:
        raise TypeError(
            "a table expected a frame of pandas, polars or PyArrow, a dict of columns or an array with two axes, got "
            f"{type(frame).__module__}.{type(frame).__name__}"
        ) from None
    series = list(seen.iter_columns())
    return _Source(names, len(seen), lambda place, name: column_of_series(series[place], name))
