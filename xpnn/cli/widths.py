"""Whether each line of a CSV file has as many values as the first, and the line in which each row begins.

pandas fills up a line that is too short and says nothing. A line that was cut off, or a separator inside a value, would
so become a missing value somewhere else. A text without quotes is counted through at once; with quotes, which may hold
separators and line ends, Python's csv reader has to look at each value.
"""

from __future__ import annotations

import csv
import io

import numpy

__all__ = ["checked_lines"]

_LONGEST = 2**31 - 1  # of a value; csv's own limit is 131072


def checked_lines(name: str, text: str, separator: str) -> tuple[list[str], numpy.ndarray]:
    r"""The values of the first row, which are the names of columns, and for each other row the line it begins in.

    Lines with nothing in them are no rows.

    Raises
    ------
    ValueError
        If a row has more or fewer values than the first: its line is named; if a quote is never closed.

    Examples
    --------
    >>> header, lines = checked_lines("x.csv", "a,b\n1,2\n\n3,4\n", ",")
    >>> header, lines.tolist()
    (['a', 'b'], [2, 4])
    """
    plain = '"' not in text and "\r" not in text.replace("\r\n", "\n")
    header, widths, lines = _by_bytes(text, separator) if plain else _by_reader(name, text, separator)
    wrong = numpy.flatnonzero(widths != len(header))
    if len(wrong):
        more = f" (and {len(wrong) - 1} more lines)" if len(wrong) > 1 else ""
        raise ValueError(
            f"{name}, line {lines[wrong[0]]}: expected {len(header)} values as in the first line, got "
            f"{widths[wrong[0]]}{more}; is a separator {separator!r} inside a value, or the line cut off?"
        )
    return header, lines


def _by_bytes(text: str, separator: str) -> tuple[list[str], numpy.ndarray, numpy.ndarray]:
    """Of a text without quotes: each line is a row, each separator stands between two values."""
    data = numpy.frombuffer(text.encode(), dtype=numpy.uint8)  # in UTF-8 no byte of another letter looks like these
    ends = numpy.flatnonzero(data == ord("\n"))
    if not len(ends) or ends[-1] != len(data) - 1:
        ends = numpy.append(ends, len(data))
    starts = numpy.concatenate([[0], ends[:-1] + 1])
    blank = [ord(letter) for letter in " \r\n\t" if letter != separator]
    filled = _between(numpy.flatnonzero(~numpy.isin(data, blank)), starts, ends) > 0
    widths = _between(numpy.flatnonzero(data == ord(separator)), starts, ends) + 1
    lines = numpy.flatnonzero(filled)
    header = data[starts[lines[0]] : ends[lines[0]]].tobytes().decode().rstrip("\r")
    return header.split(separator), widths[lines[1:]], lines[1:] + 1


def _between(places: numpy.ndarray, starts: numpy.ndarray, ends: numpy.ndarray) -> numpy.ndarray:
    """How many of the sorted places lie from each start to before its end."""
    found: numpy.ndarray = numpy.searchsorted(places, ends) - numpy.searchsorted(places, starts)
    return found


def _by_reader(name: str, text: str, separator: str) -> tuple[list[str], numpy.ndarray, numpy.ndarray]:
    csv.field_size_limit(_LONGEST)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    widths, lines, begins = [], [], 1
    try:
        for row in reader:
            if row and not (len(row) == 1 and row[0].isspace()):
                if header:
                    widths.append(len(row))
                    lines.append(begins)
                else:
                    header = row
            begins = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{name}, line {begins}: {_explained(str(error))}") from None
    return header, numpy.asarray(widths, dtype=numpy.int64), numpy.asarray(lines, dtype=numpy.int64)


def _explained(words: str) -> str:
    if "unexpected end of data" in words:
        return "a quote is opened and never closed"
    return words
