"""Arrays in one file that is either whole or not there.

The layout is that of safetensors: eight bytes with the length of a JSON header, the header with each array's dtype,
shape and place, then the arrays in C order, little-endian. Nothing in it is executable. On top of that, the header's
metadata holds the SHA-256 of the arrays, so a damaged file is noticed, and the file is written beside the old one,
flushed to disk and renamed, so that a crash or a full disk leaves the old one as it was.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from xpnn.arrays.namespaces import Array
from xpnn.arrays.native import to_host

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
    TypeError
        If an array has a dtype without a place in the format, or metadata is not JSON.
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
    header: dict[str, Any] = {}
    blocks: list[bytes] = []
    place = 0
    for name, array in arrays.items():
        host = to_host(array)
        if host.dtype.name not in _NAMES or name == "__metadata__":
            raise TypeError(f"cannot save {name}: dtype {host.dtype} has no place in the file format")
        block = numpy.ascontiguousarray(host).astype(host.dtype.newbyteorder("<"), copy=False).tobytes()
        offsets = [place, place + len(block)]
        header[name] = {"dtype": _NAMES[host.dtype.name], "shape": list(host.shape), "data_offsets": offsets}
        blocks.append(block)
        place += len(block)
    digest = hashlib.sha256(b"".join(blocks)).hexdigest()
    header["__metadata__"] = {"sha256": digest, "xpnn": json.dumps(dict(metadata or {}), allow_nan=False)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    _write_whole(Path(path), [len(text).to_bytes(8, "little"), text, *blocks])


def _write_whole(path: Path, parts: list[bytes]) -> None:
    """Write beside, flush to disk, rename, flush the folder."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load(path: str | os.PathLike[str]) -> tuple[dict[str, numpy.ndarray], dict[str, Any]]:
    """The arrays (NumPy) and metadata of a file that `save` wrote.

    Files of other writers of the format are read too; they have no checksum and no metadata of ours.

    Raises
    ------
    ValueError
        If the file is not whole, not of this format, or its checksum does not fit.
    """
    content = Path(path).read_bytes()
    try:
        header, data = _parted(content)
        own = header.pop("__metadata__", {})
        if "sha256" in own and hashlib.sha256(data).hexdigest() != own["sha256"]:
            raise ValueError("its checksum does not fit, so its contents have changed since it was written")
        arrays = {name: _array(entry, data) for name, entry in header.items()}
        if sum(array.nbytes for array in arrays.values()) != len(data):
            raise ValueError("its arrays do not fill it exactly")
        return arrays, json.loads(own.get("xpnn", "{}"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a whole file of arrays: {error}") from error


def _parted(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, _LONGEST_HEADER):
        raise ValueError(f"its header would be {length} bytes long, the file has {len(content)}")
    header = json.loads(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    return header, content[8 + length :]


def _array(entry: dict[str, Any], data: bytes) -> numpy.ndarray:
    if entry["dtype"] not in _CODES:
        raise ValueError(f"dtype {entry['dtype']} is not supported")
    dtype = numpy.dtype(_CODES[entry["dtype"]]).newbyteorder("<")
    start, stop = entry["data_offsets"]
    shape = tuple(int(n) for n in entry["shape"])
    size = 1
    for length in shape:
        size *= length
    if not 0 <= start <= stop <= len(data) or min(shape, default=0) < 0 or size * dtype.itemsize != stop - start:
        raise ValueError(f"an array of shape {shape} does not fit its place {start} to {stop}")
    array = numpy.frombuffer(data, dtype=dtype, count=size, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))
