"""Arrays in one file that is either whole or not there.

    save("model.safetensors", model.state_dict(), {"classes": ["no", "yes"]})
    arrays, metadata = load("model.safetensors")

Nothing in such a file is executable. It is written beside the old one, flushed to disk and renamed, so that a crash or
a full disk leaves the old one as it was. A checksum covers each byte, so a damaged file is noticed. `layout` says what
the bytes are, docs/files.md what is promised.
"""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import Any, BinaryIO

import numpy

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import to_host
from xpnn.training.files import write_whole
from xpnn.training.layout import (
    CheckpointError,
    Layout,
    Place,
    blocks_of,
    check_digest,
    dtype_code,
    header_of,
    read_layout,
)

__all__ = ["load", "metadata_of", "save"]

_DEEPEST = 100  # levels of metadata: Python's reader of JSON gives up at some hundreds
_AT_ONCE = 1 << 20  # bytes read together where nothing is kept


def save(path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: Mapping[str, Any] | None = None) -> None:
    """Write `arrays` (of any device) and `metadata` (anything JSON can hold) into one file, all or nothing.

    The arrays must not change meanwhile. Those in host memory are written without a copy if they are contiguous.

    Raises
    ------
    TypeError, ValueError
        If a value is not an array, has a dtype without a place in the format, or metadata is not JSON, with texts as
        keys, at most 100 levels deep (the key is named); if names and metadata are longer than the format's 100 MB.
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
    found = dict(metadata or {})
    _require_plain(found, "metadata", _DEEPEST)
    on_host = {name: _on_host(name, array) for name, array in arrays.items()}
    header = header_of(on_host, json.dumps(found, allow_nan=False))
    write_whole(path, [header, *blocks_of(on_host.values())])


def _require_plain(value: Any, where: str, deepest: int) -> None:
    """Raise unless JSON can hold it, with all keys texts: JSON would make them so, and 1 and "1" the same."""
    if not deepest:
        raise ValueError(f"save expected metadata of at most {_DEEPEST} levels, got more")
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                raise TypeError(f"save expected texts as keys of metadata, got {key!r} in {where}")
            _require_plain(part, key, deepest - 1)
    elif isinstance(value, list | tuple):
        for part in value:
            _require_plain(part, where, deepest - 1)
    elif isinstance(value, float) and not isfinite(value):
        raise ValueError(f"save expected metadata that JSON can hold, got {value} in {where}: use None, or an array")
    elif value is not None and not isinstance(value, str | int | float):
        remedy = ": use int or float" if isinstance(value, numpy.generic) else ""
        raise TypeError(f"save expected metadata that JSON can hold, got {type(value).__name__} in {where}{remedy}")


def _on_host(name: str, array: Array) -> numpy.ndarray:
    """The array as it is written: NumPy's, contiguous, little-endian."""
    if not isinstance(name, str) or name == "__metadata__":
        raise TypeError(f"cannot save an array under the name {name!r}: expected a string other than '__metadata__'")
    if not name.isascii():
        _require_text(name)
    namespace_of(array)
    host: numpy.ndarray = to_host(array)
    if dtype_code(host.dtype) is None:
        raise TypeError(f"cannot save {name}: dtype {host.dtype} has no place in the file format")
    little = host.dtype.newbyteorder("<")
    return numpy.asarray(host, dtype=little, order="C")


def _require_text(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"cannot save an array under the name {name!r}: half a surrogate pair is no text") from None


def load(path: str | os.PathLike[str]) -> tuple[dict[str, numpy.ndarray], dict[str, Any]]:
    """The arrays (NumPy) and metadata of a file that `save` wrote, in this version or an older one.

    Files of other writers of the format are read too; they have no checksum and no metadata of ours. Memory: that of
    the arrays, and at most 50 times the header.

    Raises
    ------
    CheckpointError
        If the file is not whole, not of this format or of a newer one, its checksum does not fit, or NumPy lacks a
        dtype. It is a ValueError.
    OSError
        If it cannot be read.
    """
    with _opened(path) as (file, size):
        layout = read_layout(file, size)
        arrays = {place.name: numpy.empty(place.shape, place.dtype) for place in layout.places}
        for place in _in_order(layout):
            (view,) = blocks_of([arrays[place.name]])
            _read(file, view, layout, place)
        _check(layout)
    native = {name: array.astype(array.dtype.newbyteorder("="), copy=False) for name, array in arrays.items()}
    return native, layout.metadata


def metadata_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The metadata of a file that was found whole, without its arrays in memory; raises as `load`."""
    with _opened(path) as (file, size):
        layout = read_layout(file, size)
        scratch = memoryview(bytearray(_AT_ONCE))
        for place in _in_order(layout):
            for start in range(place.start, place.stop, _AT_ONCE):
                _read(file, scratch[: min(_AT_ONCE, place.stop - start)], layout, place)
        _check(layout)
        return layout.metadata


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[BinaryIO, int]]:
    """The file and its length; inside, what is wrong with it becomes a CheckpointError that names it."""
    with open(path, "rb") as file:
        try:
            yield _sized(file)
        except CheckpointError as error:
            named = CheckpointError(f"cannot load {path}: {error}")
            named.newer = error.newer
            raise named from None
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{path} is not a whole file of arrays: {error}") from error


def _sized(file: BinaryIO) -> tuple[BinaryIO, int]:
    """The file and its length; of a pipe, which has none, what comes through it."""
    about = os.fstat(file.fileno())
    if stat.S_ISREG(about.st_mode):
        return file, about.st_size
    content = file.read()
    return io.BytesIO(content), len(content)


def _in_order(layout: Layout) -> list[Place]:
    return sorted(layout.places, key=lambda place: (place.start, place.stop))


def _read(file: BinaryIO, view: memoryview, layout: Layout, place: Place) -> None:
    if file.readinto(view) != len(view):  # type: ignore[attr-defined]
        raise ValueError("it ends before its arrays do: something has cut it off since it was opened")
    if place.dtype == bool and len(view) and numpy.frombuffer(view, numpy.uint8).max() > 1:
        raise ValueError(f"{place.name[:100]!r} has bytes that are neither true nor false")
    if layout.said is not None:
        layout.said.update(view)


def _check(layout: Layout) -> None:
    if layout.said is not None:
        check_digest(layout.said, layout.digest)
