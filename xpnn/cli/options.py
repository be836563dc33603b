"""What the commands on tables have in common: how a file is read, and words of the command line as values."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from math import inf

from xpnn.cli.reading import RawTable, read_table, sign_of_separator
from xpnn.tables.finding import KINDS

__all__ = [
    "add_reading_arguments",
    "decimal",
    "encoding",
    "kind_of_column",
    "positive",
    "positive_number",
    "read",
    "seed",
    "separator",
    "share",
    "share_or_none",
    "widths",
]


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--encoding`, `--separator` and `--decimal`."""
    parser.add_argument(
        "--encoding", type=encoding, metavar="NAME", help="of the file's letters (default: UTF-8, or UTF-16 if marked)"
    )
    parser.add_argument(
        "--separator", type=separator, metavar="SIGN", help="between values: a sign or 'tab' (default: it is found)"
    )
    parser.add_argument(
        "--decimal", type=decimal, metavar="SIGN", default=".", help="of numbers such as 3,14 (default: a point)"
    )


def read(path: str, arguments: argparse.Namespace, ways: Mapping[str, str], keep: Sequence[str] = ()) -> RawTable:
    """The table at `path`, read as the arguments say, columns in their ways, and the text of some kept as it is."""
    how = {name: getattr(arguments, name) for name in ("encoding", "separator", "decimal")}
    return read_table(path, **how, ways=ways, keep=keep)


def encoding(text: str) -> str:
    """The name of an encoding of letters that Python knows."""
    try:
        "a".encode(text)
    except (LookupError, ValueError):
        raise argparse.ArgumentTypeError(
            f"expected the name of an encoding such as utf-8 or latin-1, got {text!r}"
        ) from None
    return text


def separator(text: str) -> str:
    """A sign between values, or its name."""
    try:
        sign_of_separator(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def decimal(text: str) -> str:
    """A sign between whole numbers and fractions."""
    if len(text) != 1 or text.isalnum() or text.isspace() or text in '"+-':
        raise argparse.ArgumentTypeError(f"expected one sign, such as ',' or '.', got {text!r}")
    return text


def share(text: str) -> float:
    """A share between 0 and 1."""
    return _number(text, "a share between 0 and 1", lambda value: 0 < value < 1)


def share_or_none(text: str) -> float:
    """A share from 0 to below 1."""
    return _number(text, "a share from 0 to below 1", lambda value: 0 <= value < 1)


def positive_number(text: str) -> float:
    """A number above 0."""
    return _number(text, "a number above 0", lambda value: 0 < value < inf)


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    return _whole(text, 1)


def seed(text: str) -> int:
    """A whole number of 0 or more."""
    return _whole(text, 0)


def widths(text: str) -> tuple[int, ...]:
    """Widths of layers, as in "64,32"; "none" for no layer.

    Examples
    --------
    >>> widths("64,32"), widths("none")
    ((64, 32), ())
    """
    return () if text.strip() == "none" else tuple(_whole(part, 1) for part in text.split(","))


def kind_of_column(text: str) -> tuple[str, str]:
    """A column and what it is, as in "zip=category".

    Examples
    --------
    >>> kind_of_column("a=b=drop")
    ('a=b', 'drop')
    """
    name, sign, kind = text.rpartition("=")
    if not sign or kind not in KINDS:
        raise argparse.ArgumentTypeError(f"expected NAME=KIND, a column and one of {', '.join(KINDS)}, got {text!r}")
    return name, kind


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value < 2**63:
        raise argparse.ArgumentTypeError(f"expected a whole number of {least} or more, got {text!r}")
    return value


def _number(text: str, expected: str, fits: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not fits(value):
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return value
