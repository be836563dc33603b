"""What was found in a column, as plain data: a line of a report."""

from __future__ import annotations

from typing import Any

import numpy

from xpnn.tables.columns import Column
from xpnn.tables.encoders import LARGEST, CategoryEncoder, Encoder
from xpnn.tables.finding import Finding

__all__ = ["described"]

_TOP = 10  # levels that a line shows


def described(column: Column, finding: Finding, encoder: Encoder | None) -> dict[str, Any]:
    """The line of a column, found to be something and encoded so, or left out.

    Examples
    --------
    >>> from xpnn.tables.finding import found
    >>> from xpnn.tables.reading import column_of
    >>> column = column_of(["b", None, "a", "b"], name="grade")
    >>> described(column, found(column), None)["top"]
    [['b', 2], ['a', 1]]
    """
    coded = isinstance(encoder, CategoryEncoder) and encoder.form == "codes"
    return {
        "name": column.name,
        "kind": finding.kind,
        "stored": column.kind,
        "rows": len(column),
        "missing": int(finding.column.missing.sum()),
        **_values(finding.column),
        "outputs": list(encoder.outputs) if encoder is not None else [],
        "categories": len(encoder.levels) + 1 if coded and isinstance(encoder, CategoryEncoder) else 0,
        "message": finding.message,
    }


def _values(column: Column) -> dict[str, Any]:
    here = column.values[~column.missing]
    if column.kind == "number":
        finite = here[numpy.abs(here) <= LARGEST]
        return {
            "different": len(numpy.unique(here)),
            "infinite": len(here) - len(finite),
            **_range(numpy.sort(finite), lambda value: float(value)),
        }
    if column.kind == "date":
        return {"different": len(numpy.unique(here)), **_range(numpy.sort(here), lambda value: str(value))}
    counts = column.counts()
    often = numpy.argsort(-counts, kind="stable")[:_TOP]
    top = [[column.levels[place], int(counts[place])] for place in often if counts[place]]
    return {"different": int((counts > 0).sum()), "top": top}


def _range(ordered: numpy.ndarray, shown: Any) -> dict[str, Any]:
    places = {"least": 0, "median": (len(ordered) - 1) // 2, "greatest": len(ordered) - 1}
    return {what: shown(ordered[place]) if len(ordered) else None for what, place in places.items()}
