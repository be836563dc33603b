"""What a column is, by what it holds: the rules that `Preprocessing` follows where nobody tells it.

Each finding comes with a sentence where a person should know: a column that is left out, or one that is perhaps not
what it seems, such as numbers that became text since one cell holds "unknown".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy

from xpnn.tables.columns import Column
from xpnn.tables.converting import as_booleans, as_dates, as_numbers, as_text, date_in, number_in
from xpnn.tables.encoders import LARGEST, CategoryEncoder, Encoder
from xpnn.tables.spelling import spelled

__all__ = ["BEYOND", "KINDS", "Finding", "found", "seen_as", "usual_least", "without_use"]

KINDS = ("number", "category", "boolean", "date", "drop")  # what a user may call a column
_LONG = re.compile(r"[+-]?\d{16,}")
BEYOND = "of 2**53 or more"  # where float64 takes several whole numbers for one
_MANY = 20  # levels; fewer are no sign of an identifier
_NEARLY_ALL = 0.9
_SIGNS = {"", "?", "-", "--", ".", "na", "n/a", "nan", "null", "none", "nil", "missing", "unknown"}  # for missing
_LEAST_NUMBERS = 3  # different ones; '0', '1' and '?' may well be three names
_WORDS = 4  # in a value, on average, from which on it is text to read


@dataclass(frozen=True)
class Finding:
    """A column's kind, the column seen so, and what to say about it; `quiet` if nobody need be warned."""

    kind: str
    column: Column
    message: str = ""
    quiet: bool = False


def seen_as(kind: str, column: Column) -> Finding:
    """The column as the kind that a user has named."""
    if kind == "drop":
        return Finding("dropped", column, f"column {column.name!r} is left out, as asked", quiet=True)
    if column.missing.all():
        return _empty(column)
    if kind == "number":
        return Finding(kind, as_numbers(column), _inexact(column))
    if kind == "date":
        return Finding(kind, as_dates(column))
    if kind == "boolean":
        return Finding(kind, as_booleans(column))
    return Finding("category", replace(as_text(column), kind="category"))


def found(column: Column) -> Finding:
    """The kind of a column by what it holds."""
    here = column.values[~column.missing]
    if not len(here):
        return _empty(column)
    if column.kind == "number":
        return _number(column, here)
    if column.kind == "date":
        return _constant(column) if (here == here[0]).all() and len(here) == len(column) else Finding("date", column)
    counts = column.counts()
    if counts.max() == len(column):
        return _constant(column)
    if column.kind == "boolean":
        return Finding("boolean", column)
    return Finding("category", column) if column.kind == "category" else _text(column, counts)


def _empty(column: Column) -> Finding:
    return Finding("empty", column, f"column {column.name!r} is left out: each of its {len(column)} values is missing")


def _constant(column: Column) -> Finding:
    place = int(numpy.flatnonzero(~column.missing)[0])
    message = f"column {column.name!r} is left out: it is always {column.value(place)!r:.60}"
    return Finding("constant", column, message, quiet=True)


def _number(column: Column, here: numpy.ndarray) -> Finding:
    finite = here[numpy.abs(here) <= LARGEST]
    if not len(finite):
        return Finding("empty", column, f"column {column.name!r} is left out: it holds no finite number")
    inexact = _inexact(column)
    if len(here) == len(column) and finite.min() == finite.max():
        same = _constant(column)
        return replace(same, message=f"{same.message}; {inexact}", quiet=False) if inexact else same
    messages = [inexact] if inexact else []
    if len(finite) < len(here):
        place = int(numpy.flatnonzero(numpy.abs(column.values) > LARGEST)[0])
        messages.append(
            f"column {column.name!r} holds {len(here) - len(finite)} infinite values, first in row "
            f"{column.row(place)}: they count as the largest or least number there is"
        )
    if _counts_rows(finite):
        messages.append(
            f"column {column.name!r} looks like a row number or an identifier (whole numbers, all different): if it "
            f"is, leave it out, kinds={{{column.name!r}: 'drop'}}"
        )
    return Finding("number", column, "; ".join(messages))


def _inexact(column: Column) -> str:
    """What to say of whole numbers, or words that are some, of which float64 takes several for one; '' of others."""
    if column.kind == "number":
        large = numpy.abs(column.values) >= 2.0**53 if "int" in column.dtype else numpy.zeros(len(column), dtype=bool)
    else:
        words = [bool(_LONG.fullmatch(word.strip())) and abs(float(word)) >= 2.0**53 for word in column.levels]
        large = numpy.asarray([*words, False])[column.values]  # the last is that of -1
    beyond = numpy.flatnonzero(large)
    if not len(beyond):
        return ""
    return (
        f"column {column.name!r} holds whole numbers {BEYOND}, as in row {column.row(int(beyond[0]))}, of which "
        "float64 takes several for one: as text they are a category, less a constant they may be numbers"
    )


def _counts_rows(numbers: numpy.ndarray) -> bool:
    """Whether these are most of the whole numbers between the least and the largest, each once."""
    if len(numbers) < _MANY or (numbers != numpy.floor(numbers)).any():
        return False
    span = numbers.max() - numbers.min() + 1
    return bool(span <= 2 * len(numbers)) and len(numpy.unique(numbers)) == len(numbers)


def _text(column: Column, counts: numpy.ndarray) -> Finding:
    levels = [level for level, count in zip(column.levels, counts.tolist(), strict=True) if count]
    dates = [date_in(level) is not None for level in levels]
    if all(dates):
        return found(as_dates(column))
    nearly = _nearly(column, counts)
    if len(levels) >= _MANY and 2 * len(levels) > counts.sum():
        if spelling := spelled(column):
            return Finding("identifier", column, f"column {column.name!r} is left out: it holds {spelling}")
        words = sum(len(level.split()) for level in levels) / len(levels)
        kind, what = ("text", "free text") if words >= _WORDS else ("identifier", "an identifier")
        return Finding(
            kind,
            column,
            f"column {column.name!r} is left out: it looks like {what}, {len(levels)} different values in "
            f"{counts.sum()} rows ({levels[0]!r:.40}, …); "
            + (nearly or _as_a_category(column, counts)),
        )
    return Finding("category", column, f"column {column.name!r} is taken as a category, but {nearly}" if nearly else "")


def _as_a_category(column: Column, counts: numpy.ndarray) -> str:
    """How to keep a column of many levels, if one of them comes often enough to be learned."""
    if counts.max() < usual_least(len(column)):
        return "none of them comes often enough for a category"
    return f"kinds={{{column.name!r}: 'category'}} takes it as a category"


def usual_least(rows: int) -> int:
    """How often a level has to come so that something can be learned of it, unless `rare_below` says otherwise."""
    return min(10, max(1, rows // 200))


def _nearly(column: Column, counts: numpy.ndarray) -> str:
    """What to say of words that are nearly all numbers, or dates; '' of others."""
    for what, kind, meaning in (("numbers", "number", number_in), ("dates", "date", date_in)):
        right = numpy.asarray([meaning(level) is not None for level in column.levels], dtype=bool)
        share = counts[right].sum() / counts.sum()
        if share == 1:
            several = (counts > 0).sum() >= _MANY
            return f"its text is all {what}: kinds={{{column.name!r}: {kind!r}}} takes it so" if several else ""
        if share >= _NEARLY_ALL or _stands_for_missing(column, counts, right):
            place = int(numpy.flatnonzero((column.values >= 0) & ~right[column.values])[0])
            return (
                f"{share:.1%} of its values are {what}, and row {column.row(place)} holds "
                f"{column.value(place)!r:.40}: does that stand for a missing value? Then leave the cell empty"
            )
    several = (counts > 0).sum() >= _MANY
    return f"it holds {spelling}" if several and (spelling := spelled(column)) else ""


def _stands_for_missing(column: Column, counts: numpy.ndarray, right: numpy.ndarray) -> bool:
    """Whether most values are right and the others seem to say "missing": by signs that are usual, or, beside many
    different values, by one word.
    """
    wrong = [column.levels[place] for place in numpy.flatnonzero(~right & (counts > 0))]
    different = int((counts[right] > 0).sum())
    usual = all(level.strip().casefold() in _SIGNS for level in wrong)
    known = (usual and different >= _LEAST_NUMBERS) or (len(wrong) == 1 and different >= _MANY)
    return known and bool(2 * counts[right].sum() > counts.sum())


def without_use(encoder: Encoder, column: Column, least: int) -> Finding | None:
    """The finding that an encoded column says nothing, or None if it says something."""
    if not isinstance(encoder, CategoryEncoder):
        message = f"column {column.name!r} is left out: where it is not missing it is always the same"
        return None if encoder.outputs else Finding("constant", column, message, quiet=True)
    if not encoder.levels:
        often = f"no level of it comes often enough, {least} times: join levels that belong together"
        return Finding("rare", column, f"column {column.name!r} is left out: {often}")
    if len(encoder.levels) > 1 or int((encoder.codes(column) == 0).sum()) >= least:
        return None
    level = "missing" if encoder.levels[0] is None else repr(encoder.levels[0])
    return Finding("constant", column, f"column {column.name!r} is left out: it is nearly always {level}", quiet=True)
