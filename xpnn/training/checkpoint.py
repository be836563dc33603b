"""Arrays in one file that is either whole or not there.

The layout is that of safetensors: eight bytes with the length of a JSON header, the header with each array's dtype,
shape and place, then the arrays in C order, little-endian. Nothing in it is executable. On top of that, the header's
metadata holds a SHA-256 of all that the file says, header and arrays, so a damaged file is noticed, and the file is
written beside the old one, flushed to disk and renamed, so that a crash or a full disk leaves the old one as it was.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import to_host
from xpnn.training.files import write_whole

__all__ = ["load", "save"]

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
_LONGEST_HEADER = 100_000_000  # bytes, the limit of the safetensors format


def save(path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: Mapping[str, Any] | None = None) -> None:
    """Write `arrays` (of any device) and `metadata` (anything JSON can hold) into one file, all or nothing.

    Raises
    ------
    TypeError, ValueError
        If a value is not an array, has a dtype without a place in the format, or metadata is not JSON.
    OSError
        If the file cannot be written; an older file of that name is then unchanged.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> save(path, {"w": numpy.arange(3.0)}, {"classes": ["no", "yes"]})
    >>> load(path)
    ({'w': array([0., 1., 2.])}, {'classes': ['no', 'yes']})
    """
    if not isinstance(arrays, Mapping):
        raise TypeError(f"save expected arrays by name, such as model.state_dict(), got {type(arrays).__name__}")
    header: dict[str, Any] = {}
    blocks: list[bytes] = []
    place = 0
    for name, array in arrays.items():
        host = _on_host(name, array)
        block = numpy.ascontiguousarray(host).astype(host.dtype.newbyteorder("<"), copy=False).tobytes()
        offsets = [place, place + len(block)]
        header[name] = {"dtype": _NAMES[host.dtype.name], "shape": list(host.shape), "data_offsets": offsets}
        blocks.append(block)
        place += len(block)
    header["__metadata__"] = {"xpnn": json.dumps(dict(metadata or {}), allow_nan=False)}
    header["__metadata__"]["sha256"] = _digest(header, blocks)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write_whole(path, [len(text).to_bytes(8, "little"), text, *blocks])


def _on_host(name: str, array: Array) -> numpy.ndarray:
    if not isinstance(name, str) or name == "__metadata__":
        raise TypeError(f"cannot save an array under the name {name!r}: expected a string other than '__metadata__'")
    namespace_of(array)
    host: numpy.ndarray = to_host(array)
    if host.dtype.name not in _NAMES:
        raise TypeError(f"cannot save {name}: dtype {host.dtype} has no place in the file format")
    return host


def _digest(header: Mapping[str, Any], blocks: Iterable[bytes | memoryview]) -> str:
    """The SHA-256 of names, dtypes, shapes, places and metadata (all but the digest itself), and of the arrays."""
    metadata = {key: value for key, value in header["__metadata__"].items() if key != "sha256"}
    said = hashlib.sha256(json.dumps({**header, "__metadata__": metadata}, sort_keys=True).encode())
    for block in blocks:
        said.update(block)
    return said.hexdigest()


def load(path: str | os.PathLike[str]) -> tuple[dict[str, numpy.ndarray], dict[str, Any]]:
    """The arrays (NumPy) and metadata of a file that `save` wrote.

    Files of other writers of the format are read too; they have no checksum and no metadata of ours.

    Raises
    ------
    ValueError
        If the file is not whole, not of this format, or its checksum does not fit.
    OSError
        If it cannot be read.
    """
    content = Path(path).read_bytes()
    try:
        header, data = _parted(content)
        metadata = header.get("__metadata__", {})
        ours = "xpnn" in metadata or "sha256" in metadata
        if ours and _digest(header, [data]) != metadata.get("sha256"):
            raise ValueError("its checksum does not fit, so its contents have changed since it was written")
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        arrays = {name: _array(entry, data) for name, entry in entries.items()}
        _check_filled([entry["data_offsets"] for entry in entries.values()], len(data))
        said = json.loads(metadata.get("xpnn", "{}"))
        if not isinstance(said, dict):
            raise ValueError("its metadata are not a JSON object")
        return arrays, said
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path} is not a whole file of arrays: {error}") from error


def _parted(content: bytes) -> tuple[dict[str, Any], memoryview]:
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, _LONGEST_HEADER):
        raise ValueError(f"its header would be {length} bytes long, the file has {len(content)}")
    header = json.loads(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    return header, memoryview(content)[8 + length :]


def _array(entry: dict[str, Any], data: memoryview) -> numpy.ndarray:
    if entry["dtype"] not in _CODES:
        raise ValueError(f"dtype {entry['dtype']} is not supported")
    dtype = numpy.dtype(_CODES[entry["dtype"]]).newbyteorder("<")
    shape, (start, stop) = entry["shape"], entry["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in (*shape, start, stop)):
        raise ValueError(f"expected whole numbers for shape and place, got {shape} and {start} to {stop}")
    if not start <= stop <= len(data) or prod(shape) * dtype.itemsize != stop - start:
        raise ValueError(f"an array of shape {shape} does not fit its place {start} to {stop}")
    array = numpy.frombuffer(data, dtype=dtype, count=prod(shape), offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _check_filled(places: list[list[int]], length: int) -> None:
    """Raise unless the arrays lie side by side, without overlap or gap, from the first byte to the last."""
    end = 0
    for start, stop in sorted(places):
        if start != end:
            raise ValueError(f"an array starts at byte {start}, the one before ends at {end}")
        end = stop
    if end != length:
        raise ValueError(f"its arrays take {end} bytes of {length}")
