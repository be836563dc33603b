"""Tables from files: CSV as people have it, its mistakes named by the line of the file, and Parquet.

A file of text says neither how its letters are stored nor what stands between its values. Both are found, or told:

- encoding: UTF-8, or UTF-16 if the file begins so; any other is `--encoding`, since a guess may be wrong;
- separator: comma, semicolon, tab or bar, whichever is most often in the first line outside quotes;
- empty cells, and words such as NA, NaN, null and None, are missing values;
- a first column without a name that counts the rows is left out;
- numbers with leading zeros are words, and so may be others: `words` tells which columns are read in what way.

Each line must have as many values as the first. Reading is pandas' (and PyArrow's for Parquet).
"""

from __future__ import annotations

import difflib
import gzip
import hashlib
import io
import re
import sys
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy

from xpnn.cli.widths import checked_lines
from xpnn.cli.words import read_in_ways
from xpnn.tables.converting import number_in
from xpnn.tables.table import listed

__all__ = ["RawTable", "read_table", "sign_of_separator"]

_SEPARATORS = ",;\t|"
_ZIPPED, _PARQUET = b"\x1f\x8b", b"PAR1"
_NAMES = {"tab": "\t", "comma": ",", "semicolon": ";", "bar": "|", "\\t": "\t"}


@dataclass
class RawTable:
    """A table as it was read.

    Attributes
    ----------
    name
        Of the file, for people.
    frame
        The pandas DataFrame.
    lines
        Of a file of text the number of the line each row begins in, the first being 1; None of others.
    digest
        SHA-256 of what was read.
    kept
        Values as the file has them, by column: the text of each cell, or what Parquet holds.
    """

    name: str
    frame: Any
    lines: numpy.ndarray | None
    digest: str
    kept: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(map(str, self.frame.columns))

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: numpy.ndarray) -> RawTable:
        """The table of these rows (places, or a bool for each)."""
        lines = None if self.lines is None else self.lines[rows]
        return RawTable(self.name, self.frame.iloc[numpy.arange(len(self))[rows]], lines, self.digest)

    def require(self, columns: Sequence[str], what: str) -> None:
        """Raise ValueError unless there are these columns."""
        for column in columns:
            if column not in self.columns:
                near = _nearest(column, self.columns)
                hint = f"did you mean {near!r}?" if near else f"it has {listed(self.columns)}{_hint(self.columns)}"
                raise ValueError(f"{self.name} has no column {column!r} ({what}): {hint}")

    def place(self, row: int) -> str:
        """Where a row is, for people: its line, or its number from 1 where there are no lines."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    def in_places(self, message: str) -> str:
        """A message of `xpnn.tables`, which counts rows from 0, with the places of the file instead."""

        def there(found: re.Match[str]) -> str:
            row = int(found[1])
            return self.place(row) if row < len(self) else found[0]

        return re.sub(r"(?<!['\"\w])row (\d+)\b", there, message)


def read_table(
    path: str,
    *,
    encoding: str | None = None,
    separator: str | None = None,
    decimal: str = ".",
    ways: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
) -> RawTable:
    r"""The table in a file of CSV (maybe gzipped) or Parquet, or, of the path "-", on stdin.

    Parameters
    ----------
    path
        The file.
    encoding, separator, decimal
        Of CSV: how it is written; None: it is found.
    ways
        Of CSV: columns by name that are read in a way of their own, as `xpnn.cli.words` says.
    keep
        The columns that `RawTable.kept` is to hold, if they are there.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no such table: the line at fault is named.
    ModuleNotFoundError
        If pandas, or PyArrow for Parquet, is not installed.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "ages.csv"
    >>> size = path.write_text("name;age\nAda;36\n\nAlan;41\n")
    >>> table = read_table(str(path))
    >>> table.columns, len(table), table.lines.tolist()
    (['name', 'age'], 2, [2, 4])
    """
    pandas = _pandas()
    data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    name = "stdin" if path == "-" else Path(path).name
    digest = hashlib.sha256(data).hexdigest()
    if not data:
        raise ValueError(f"{name} is empty")
    if data[:4] == _PARQUET:
        frame, kept = _parquet(pandas, name, data, keep)
        return RawTable(name, frame, None, digest, kept)
    text = _text(name, data, encoding)
    frame, lines, kept = _csv(pandas, name, text, separator, decimal, ways or {}, keep)
    return RawTable(name, frame, lines, digest, kept)


def _pandas() -> Any:
    try:
        import narwhals  # noqa: F401 (what xpnn.tables reads frames with)
        import pandas
    except ModuleNotFoundError as error:
        raise ValueError(f"reading tables needs {error.name}: pip install 'xpnn[tables]'") from None
    return pandas


def _parquet(pandas: Any, name: str, data: bytes, keep: Sequence[str]) -> tuple[Any, dict[str, list[Any]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise ValueError("reading Parquet needs pyarrow: pip install pyarrow") from None
    try:
        frame = pandas.read_parquet(io.BytesIO(data), engine="pyarrow").reset_index(drop=True)
        there = [column for column in keep if column in frame.columns]
        kept = parquet.read_table(io.BytesIO(data), columns=there).to_pydict() if there else {}
    except (pyarrow.ArrowException, ValueError, OSError) as error:
        raise ValueError(f"{name} is no whole Parquet file: {error}") from None
    return frame, {column: ["" if value is None else value for value in kept[column]] for column in there}


def _text(name: str, data: bytes, encoding: str | None) -> str:
    if data[:2] == _ZIPPED:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{name} is no whole gzip file: {error}") from None
    if encoding is None:
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except LookupError:
        raise ValueError(f"there is no encoding {encoding!r}: expected a name such as utf-8 or latin-1") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{name} is not {encoding.removesuffix('-sig').upper()}: byte {data[error.start]:#04x} in line {line}; if "
            "it comes from an older program, try --encoding latin-1 or cp1252"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"{name} is no text: a byte 0 in line {line}")
    return text


def _csv(
    pandas: Any,
    name: str,
    text: str,
    separator: str | None,
    decimal: str,
    ways: Mapping[str, str],
    keep: Sequence[str],
) -> tuple[Any, numpy.ndarray, dict[str, list[Any]]]:
    if not text.strip():
        raise ValueError(f"{name} is empty")
    separator = _separator(text) if separator is None else sign_of_separator(separator)
    header, lines = checked_lines(name, text, separator)
    _check_header(name, header)

    def parsed(**options: Any) -> Any:
        return pandas.read_csv(
            io.StringIO(text), sep=separator, decimal=decimal, low_memory=False, index_col=False, **options
        )

    try:
        frame = parsed()
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} cannot be read as a table: {error}") from None
    if len(frame) != len(lines):  # a defect of one of the two readers: numbers of lines would be wrong
        raise ValueError(f"{name} has {len(lines)} rows by its lines and quotes, but {len(frame)} were read")
    places = {column: place for place, column in enumerate(frame.columns)}
    # What R and pandas write before the first column
    if header[0] == "" and frame.columns[0] not in ways and _counts_rows(frame.iloc[:, 0]):
        frame = frame.iloc[:, 1:]

    def words(columns: list[str], **options: Any) -> Any:
        return parsed(usecols=[places[column] for column in columns], dtype=str, **options)

    there = [column for column in keep if column in frame.columns]
    kept = words(there, na_filter=False) if there else {}
    frame = read_in_ways(frame, ways, words, text=text, separator=separator, decimal=decimal)
    return frame, lines, {column: kept[column].tolist() for column in there}


def _counts_rows(column: Any) -> bool:
    """Whether a column is 0, 1, 2, … or 1, 2, 3, …."""
    values = column.to_numpy()
    count = numpy.arange(len(values))
    return values.dtype.kind == "i" and bool((values == count).all() or (values == count + 1).all())


def sign_of_separator(word: str) -> str:
    """The sign between values by itself or by its name; raises ValueError if it is more than one, or cannot be it.

    Examples
    --------
    >>> sign_of_separator("semicolon"), sign_of_separator(";")
    (';', ';')
    """
    sign = _NAMES.get(word, word)
    if len(sign) != 1 or sign in '"\n\r':
        raise ValueError(f"expected a separator of one character, such as ';' or 'tab', got {sign!r}")
    return sign


def _separator(text: str) -> str:
    """The one that is most often in the first line with anything in it, outside quotes."""
    first = next(line for line in io.StringIO(text) if line.strip())
    outside = re.sub(r'"[^"]*"', "", first)
    counts = [outside.count(separator) for separator in _SEPARATORS]
    return _SEPARATORS[counts.index(max(counts))]


def _check_header(name: str, header: list[str]) -> None:
    twice = [column for column, times in Counter(header).items() if times > 1]
    if twice:
        places = [place + 1 for place, column in enumerate(header) if column == twice[0]]
        called = f"{twice[0]!r:.40}" if twice[0] else "without a name"
        where = ", ".join(map(str, places[:5])) + ", …" * (len(places) > 5)
        raise ValueError(f"{name} has {len(places)} columns {called} (columns {where}): rename them{_hint(header)}")


def _hint(header: Sequence[str]) -> str:
    """What to say of names half of which are numbers; '' of others."""
    numbers = sum(number_in(column) is not None for column in header)
    return "; the first line seems to hold values: it should hold names" if 2 * numbers >= len(header) else ""


def _nearest(column: str, columns: Sequence[str]) -> str | None:
    """The column whose name differs little, capitals not counted."""
    small = {name.lower(): name for name in columns}
    near = difflib.get_close_matches(column.lower(), small, n=1, cutoff=0.7)
    return small[near[0]] if near else None
