"""A word about rows whose categories training never saw: they are predicted, but as if nothing were known of them.

A new level now and then is what "other" is for. A column in which hardly any row has a level of training is more often
a mistake: "oslo" for "Oslo", a column swapped for another, a code written with another sign.
"""

from __future__ import annotations

import numpy

from xpnn.estimators.user_line import warn
from xpnn.tables.columns import TableWarning
from xpnn.tables.converting import as_text, date_in, number_in
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


def _of_another_kind(preprocessing: Preprocessing, table: Table) -> list[str]:
    """The columns none of whose values training had, nor any of their kind: here one row is enough."""
    found = []
    for encoder in preprocessing._encoders or []:
        if isinstance(encoder, CategoryEncoder) and not encoder.boolean:
            column = table.column(encoder.name)
            known = [level for level in encoder.levels if level is not None]
            here = ~column.missing
            if known and here.any() and not encoder.codes(column)[here].any():
                text = as_text(column)
                given = _kind([text.levels[n] for n in numpy.unique(text.values[here])])
                if "text" != _kind(known) != given:
                    found.append(encoder.name)
    return found


def _kind(levels: list[str]) -> str:
    """What all of these words are: numbers, dates, else text."""
    for kind, meaning in (("number", number_in), ("date", date_in)):
        if all(meaning(level) is not None for level in levels):
            return kind
    return "text"


def warn_of_unseen(preprocessing: Preprocessing, table: Table, usual: dict[str, float], *, name: str = "X") -> None:
    """Warn once of the columns where nearly all values are 'other', unless training's were (`usual`), too.

    Of fewer than `LEAST_ROWS` values only where training's were numbers or dates, and none of these is one.
    """
    now = unknown_shares(preprocessing, table)
    columns = [column for column, share in now.items() if share >= NEARLY_ALL > usual.get(column, 0.0)]
    columns += [column for column in _of_another_kind(preprocessing, table) if column not in columns]
    if columns:
        first = table.column(columns[0])
        place = int(numpy.flatnonzero(~first.missing)[0])
        message = (
            f"{name} has hardly any value that training had often in {', '.join(map(repr, columns))} "
            f"({first.value(place)!r:.40} in row {first.row(place)} of {columns[0]!r}): all of them count as 'other'. "
            "preprocessing_.summary() shows training's"
        )
        warn(TableWarning(message, columns[0]))
