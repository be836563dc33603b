"""A word about rows whose categories training never saw: they are predicted, but as if nothing were known of them.

A new level now and then is what "other" is for. A column in which hardly any row has a level of training is more often
a mistake: "oslo" for "Oslo", a column swapped for another, a code written with another sign.
"""

from __future__ import annotations

import warnings

import numpy

from xpnn.tables.columns import TableWarning
from xpnn.tables.encoders import CategoryEncoder
from xpnn.tables.preprocessing import Preprocessing
from xpnn.tables.table import Table

__all__ = ["unknown_shares", "warn_of_unseen"]

LEAST_ROWS = 10  # with a value: fewer say little, and a service that predicts row by row need not hear of each
NEARLY_ALL = 0.9


def unknown_shares(preprocessing: Preprocessing, table: Table) -> dict[str, float]:
    """For each column of categories the share of its values that count as 'other'; 0 where there are few values.

    Examples
    --------
    >>> frame = {"town": ["Rome", "Oslo"] * 10}
    >>> learned = Preprocessing().fit(frame)
    >>> unknown_shares(learned, Table({"town": ["Rome", "Bern"] * 10}))
    {'town': 0.5}
    """
    found = {}
    for encoder in preprocessing._encoders or []:
        if isinstance(encoder, CategoryEncoder):
            column = table.column(encoder.name)
            codes = encoder.codes(column)[~column.missing]
            found[encoder.name] = float(numpy.mean(codes == 0)) if len(codes) >= LEAST_ROWS else 0.0
    return found


def warn_of_unseen(
    preprocessing: Preprocessing, table: Table, usual: dict[str, float], *, name: str = "X", stacklevel: int
) -> None:
    """Warn once of the columns where nearly all values are 'other', unless training's were (`usual`), too."""
    now = unknown_shares(preprocessing, table)
    columns = [column for column, share in now.items() if share >= NEARLY_ALL > usual.get(column, 0.0)]
    if columns:
        first = table.column(columns[0])
        place = int(numpy.flatnonzero(~first.missing)[0])
        message = (
            f"{name} has hardly any value that training had often in {', '.join(map(repr, columns))} "
            f"({first.value(place)!r:.40} in row {first.row(place)} of {columns[0]!r}): all of them count as 'other'. "
            "preprocessing_.summary() shows training's"
        )
        warnings.warn(TableWarning(message, columns[0]), stacklevel=stacklevel + 1)
