"""Numbers and dates that people write and programs take for words: 3,14 and 1,234 and $10 and 5% and 31/1/2013."""

from __future__ import annotations

import re

import numpy

from xpnn.tables.columns import Column

__all__ = ["spelled"]

_NEARLY_ALL = 0.9
_POINT = r"(\d+\.?\d*|\.\d+)"
_SIGN = "[$€£¥%]"
_THOUSANDS = "take the commas out, or read the file with decimal=',' if decimals follow them"
# In order, since 1,234 is also a number with a decimal comma
_SPELLINGS = [
    ("numbers with commas between thousands", r"[+-]?\d{1,3}(,\d{3})*(\.\d*)?", ",", _THOUSANDS),
    (
        "numbers with a decimal comma",
        r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+|[+-]?\d+",
        ",",
        "read the file with decimal=','",
    ),
    ("dates", r"\d{1,2}([./-])\d{1,2}\1(\d\d|\d{4})|\d{4}([./])\d{1,2}\3\d{1,2}", r"\d", "write them as in 2013-01-31"),
    ("numbers with a sign", rf"[+-]?{_SIGN} ?[+-]?{_POINT}|[+-]?{_POINT} ?{_SIGN}", _SIGN, "take the sign out"),
]


def spelled(column: Column) -> str:
    """How the words of a column write numbers or dates, an example, and what to do; '' of others.

    Nine rows of ten have to be written so.

    Examples
    --------
    >>> from xpnn.tables.reading import column_of
    >>> spelled(column_of(["4,85", "2,4", "3"]))
    "numbers with a decimal comma ('2,4', …): read the file with decimal=','"
    >>> spelled(column_of(["$10", "$12"])), spelled(column_of(["10", "12"]))
    ("numbers with a sign ('$10', …): take the sign out", '')
    """
    counts = column.counts()
    for what, pattern, sign, remedy in _SPELLINGS:
        so = numpy.asarray([re.fullmatch(pattern, level.strip()) is not None for level in column.levels], dtype=bool)
        example = next(
            (level for level in numpy.asarray(column.levels)[so & (counts > 0)] if re.search(sign, level)), ""
        )
        if example and counts[so].sum() >= _NEARLY_ALL * counts.sum():
            return f"{what} ({str(example)!r:.40}, …): {remedy}"
    return ""
