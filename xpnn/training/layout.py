"""What a file of arrays says, byte for byte.

The layout is that of safetensors: eight bytes with the length of a JSON header, the header, then the arrays in C order,
little-endian, side by side. The header says of each array where it is, and holds metadata as text:

    {"__metadata__": {"sha256": "9f86…", "xpnn.format": "2", "xpnn.version": "0.1.0", "xpnn": "{…}"},
     "weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}

The checksum stands at a fixed place and covers all bytes of the file, with zeros where it stands itself; that is so in
every format to come, so a damaged file is never taken for a newer one. Whoever reads such a file may not trust it: all
that the header says is checked against the length of the file before an array is made, so that a lie costs an error and
no memory.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any, BinaryIO, NamedTuple

import numpy

__all__ = [
    "FORMAT",
    "CheckpointError",
    "Layout",
    "Place",
    "blocks_of",
    "check_digest",
    "dtype_code",
    "header_of",
    "read_layout",
]

FORMAT = 2  # of the files written here
LONGEST_HEADER = 100_000_000  # bytes, the limit of the safetensors format

_CODES = {
    "BOOL": "bool",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
}
_NAMES = {name: code for code, name in _CODES.items()}
_MOST_AXES = 64  # of a NumPy array
_START = b'{"__metadata__": {"sha256": "'
_NO_DIGEST = b"0" * 64
_DIGEST_PLACE = slice(len(_START), len(_START) + len(_NO_DIGEST))


class CheckpointError(ValueError):
    """A file that cannot be loaded: damaged, cut off, made to deceive, or of a format or dtype that is not known here.

    Attributes
    ----------
    newer
        Whether the file is of a newer format than this version of xpnn reads, and may well be whole.

    Examples
    --------
    >>> raise CheckpointError("model.safetensors is not a whole file of arrays: its checksum does not fit")
    Traceback (most recent call last):
    ...
    xpnn.training.layout.CheckpointError: model.safetensors is not a whole file of arrays: its checksum does not fit
    """

    newer = False

    def __init__(self, message: str = "") -> None:
        super().__init__(message)


class Place(NamedTuple):
    """Where an array is: its bytes from `start` to `stop`, counted from the end of the header."""

    name: str
    dtype: numpy.dtype[Any]
    shape: tuple[int, ...]
    start: int
    stop: int


class Layout(NamedTuple):
    """What a header says: metadata, the arrays as the header lists them, and what the checksum has to become."""

    metadata: dict[str, Any]
    places: list[Place]
    digest: str
    said: Any  # the SHA-256 so far, to be updated with the arrays; None in files of other writers, who have none


# Writing


def dtype_code(dtype: numpy.dtype[Any]) -> str | None:
    """The word of the format for a dtype, None if it has no place there."""
    return _NAMES.get(dtype.name)


def header_of(arrays: Mapping[str, numpy.ndarray], metadata: str) -> bytes:
    """The bytes before the arrays, with the checksum of all.

    Raises
    ------
    ValueError
        If they are more than the format allows.
    """
    start = {"sha256": _NO_DIGEST.decode(), "xpnn.format": str(FORMAT), "xpnn.version": _version(), "xpnn": metadata}
    header: dict[str, Any] = {"__metadata__": start}
    end = 0
    for name, array in arrays.items():
        offsets = [end, end + array.nbytes]
        header[name] = {"dtype": dtype_code(array.dtype), "shape": list(array.shape), "data_offsets": offsets}
        end = offsets[1]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LONGEST_HEADER:
        raise ValueError(
            f"names and metadata would take {len(text)} bytes, the format allows {LONGEST_HEADER}: put what is long "
            "into arrays"
        )
    said = _said_of_bytes(text, {})
    for block in blocks_of(arrays.values()):
        said.update(block)
    sealed: bytes = said.hexdigest().encode()
    return _length(text) + text[: _DIGEST_PLACE.start] + sealed + text[_DIGEST_PLACE.stop :]


def blocks_of(arrays: Iterable[numpy.ndarray]) -> Iterable[memoryview]:
    """The bytes of arrays in C order, without a copy."""
    return (array.reshape(-1).view(numpy.uint8).data for array in arrays)


def _length(text: bytes) -> bytes:
    return int.to_bytes(len(text), 8, "little")


def _version() -> str:
    return str(sys.modules["xpnn"].__version__)  # no import: a package is there before its parts


# Reading


def read_layout(file: BinaryIO, size: int) -> Layout:
    """What the header of a file of `size` bytes says, found to be possible; `file` then stands at the first array.

    Raises
    ------
    CheckpointError
        If the format is newer, or NumPy lacks a dtype.
    ValueError, RecursionError
        If the header is not one.
    """
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, LONGEST_HEADER):
        raise ValueError(f"its header would be {length} bytes long, the file has {size}: is it of another kind?")
    text = file.read(length)
    header = _parsed(text.decode(), "header")
    notes = header.pop("__metadata__", {})
    if type(notes) is not dict or not all(type(value) is str for value in notes.values()):
        raise ValueError("its metadata are not an object of texts")
    said = _said(file, text, notes, header)
    places = [_place(name, entry, size - 8 - length, said is not None) for name, entry in header.items()]
    _check_filled(places, size - 8 - length)
    return Layout(_parsed(notes.get("xpnn", "{}"), "metadata"), places, notes.get("sha256", ""), said)


def _parsed(text: str, what: str) -> dict[str, Any]:
    found = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    if type(found) is not dict:
        raise ValueError(f"its {what} {'is' if what == 'header' else 'are'} not a JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key, seen in zip(keys, _counted(keys), strict=True) if seen)
        raise ValueError(f"{twice[:100]!r} stands twice in one object")
    return found


def _counted(keys: list[str]) -> Iterable[bool]:
    """For each key whether it came before."""
    seen: set[str] = set()
    for key in keys:
        yield key in seen
        seen.add(key)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _place(name: str, entry: Any, end: int, ours: bool) -> Place:
    """One array's place, if an array of this dtype and shape can lie there."""
    name.encode()  # half a surrogate pair is no text, and could not even be printed
    if type(entry) is not dict or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        raise ValueError(f"it does not say dtype, shape and data_offsets of {_short(name)}")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if type(code) is not str or not re.fullmatch("[A-Z0-9_]{1,20}", code):
        raise ValueError(f"{_short(name)} has no dtype but {_short(code)}")
    if type(shape) is not list or len(shape) > _MOST_AXES or type(offsets) is not list or len(offsets) != 2:
        raise ValueError(f"{_short(name)} has the shape {_short(shape)} and lies at {_short(offsets)}")
    if not all(type(n) is int and 0 <= n < 2**63 for n in (*shape, *offsets)):
        raise ValueError(f"{_short(name)} has numbers that count nothing: {_short(shape)}, {_short(offsets)}")
    if code not in _CODES and ours:
        raise ValueError(f"{_short(name)} has the dtype {code}, which is not written here")
    if code not in _CODES:
        raise CheckpointError(f"{_short(name)} is of dtype {code}, which NumPy lacks: {_remedy(code)}")
    dtype = numpy.dtype(_CODES[code]).newbyteorder("<")
    start, stop = offsets
    if not start <= stop <= end or prod(shape) * dtype.itemsize != stop - start:
        raise ValueError(f"{_short(name)}, {code} of shape {shape}, does not fit its place {start} to {stop}")
    return Place(name, dtype, tuple(shape), start, stop)


def _short(value: Any) -> str:
    """A value of a header in a message; what is long may be made to be."""
    return repr(value if type(value) is not list else value[:8])[:100]


def _remedy(code: str) -> str:
    wider = "F32" if code.startswith(("BF", "F4", "F6", "F8")) else "a dtype of " + ", ".join(_CODES)
    return f"convert it to {wider} with the program that wrote it"


def _check_filled(places: list[Place], length: int) -> None:
    """Raise unless the arrays lie side by side, without overlap or gap, from the first byte to the last."""
    end = 0
    for place in sorted(places, key=lambda place: (place.start, place.stop)):
        if place.start != end:
            raise ValueError(f"{_short(place.name)} starts at byte {place.start}, the array before ends at {end}")
        end = place.stop
    if end != length:
        raise ValueError(f"its arrays take {end} bytes of {length}")


# The checksum, by format


def _said(file: BinaryIO, text: bytes, notes: dict[str, str], header: dict[str, Any]) -> Any:
    """The SHA-256 of what stands before the arrays, as the file's own format wants it; None in files of others."""
    if not any(key.startswith(("xpnn", "sha256")) for key in notes):
        return None
    number = notes.get("xpnn.format", "1")
    if not re.fullmatch("[1-9][0-9]{0,8}", number):
        raise ValueError(f"{_short(number)} is no number of a format")
    if "sha256" not in notes:
        raise ValueError("its checksum is not there")
    if int(number) > FORMAT:
        _check_rest(file, _said_of_bytes(text, {}), notes["sha256"])
        raise _newer(number, _short(notes.get("xpnn.version", "of a version it does not say")))
    return _SAID[int(number)](text, {"__metadata__": notes, **header})


def _check_rest(file: BinaryIO, said: Any, digest: str) -> None:
    """Raise unless the checksum fits: formats to come have it at the same place and over the same bytes."""
    while part := file.read(1 << 20):
        said.update(part)
    check_digest(said, digest)


def check_digest(said: Any, digest: str) -> None:
    """Raise a ValueError unless what was read has this SHA-256."""
    if said.hexdigest() != digest:
        raise ValueError("its checksum does not fit, so its contents have changed since it was written")


def _newer(number: str, version: str) -> CheckpointError:
    error = CheckpointError(
        f"it was written in format {number} by xpnn {version[1:-1]}; this is xpnn {_version()}, which reads formats up "
        f"to {FORMAT}: update xpnn"
    )
    error.newer = True
    return error


def _said_of_bytes(text: bytes, header: dict[str, Any]) -> Any:
    """Format 2: of the bytes themselves, with zeros in place of the checksum."""
    if text[: _DIGEST_PLACE.start] != _START:
        raise ValueError("its checksum is not at its place")
    said = hashlib.sha256(_length(text))
    for part in (text[: _DIGEST_PLACE.start], _NO_DIGEST, text[_DIGEST_PLACE.stop :]):
        said.update(part)
    return said


def _said_of_json(text: bytes, header: dict[str, Any]) -> Any:
    """Format 1, which had no number: of what Python makes of the header, all but the checksum, by sorted keys."""
    notes = {key: value for key, value in header["__metadata__"].items() if key != "sha256"}
    return hashlib.sha256(json.dumps({**header, "__metadata__": notes}, sort_keys=True).encode())


# A new format adds a row and takes none away: files of every format stay readable.
_SAID: dict[int, Callable[[bytes, dict[str, Any]], Any]] = {1: _said_of_json, 2: _said_of_bytes}
