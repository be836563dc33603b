"""A fuzz target: whatever the bytes of a file are, loading gives arrays or raises a CheckpointError, and nothing else.

Hypothesis calls it in the tests with a few hundred files. With atheris (`pip install atheris`), which looks at what the
code does with the bytes, it runs as long as you like:

    python tests/fuzz_files.py -max_total_time=600 -max_len=2000 -rss_limit_mb=1000 [FOLDER OF INTERESTING FILES]
"""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy

ARRAYS = {"w": numpy.asarray([[1.0, 2.0]], "float32"), "b": numpy.asarray([True]), "n": numpy.asarray(7)}
EMPTY = b'{"__metadata__": {"sha256": "' + b"0" * 64


def look(path: Path, content: bytes) -> bool:
    """Load a file of this content; whether it could be loaded. What was loaded is saved and loaded again."""
    from xpnn.training import checkpoint

    path.write_bytes(content)
    try:
        arrays, metadata = checkpoint.load(path)
    except checkpoint.CheckpointError as error:
        if len(str(error)) > 2000:
            raise AssertionError(f"a message of {len(str(error))} letters") from error
        require_refused(path)
        return False
    assert checkpoint.metadata_of(path) == metadata
    assert sum(array.nbytes for array in arrays.values()) <= len(content)
    try:
        checkpoint.save(path, arrays, metadata)
    except (ValueError, TypeError):  # metadata of another writer may be deeper
        return True
    again = checkpoint.load(path)
    assert again[1] == metadata
    assert {name: (a.dtype, a.shape, a.tobytes()) for name, a in again[0].items()} == {
        name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()
    }
    return True


def require_refused(path: Path) -> None:
    """Raise unless the metadata cannot be loaded either."""
    from xpnn.training import checkpoint

    try:
        checkpoint.metadata_of(path)
    except checkpoint.CheckpointError:
        return
    raise AssertionError("metadata of a file that load refuses")


def framed(text: bytes, data: bytes = b"") -> bytes:
    """A file with this header."""
    return len(text).to_bytes(8, "little") + text + data


def sealed(text: bytes, data: bytes = b"") -> bytes:
    """The same with a checksum that fits, if the header has a place for one."""
    content = framed(text, data)
    place = slice(8 + len(EMPTY) - 64, 8 + len(EMPTY))
    if content[8 : 8 + len(EMPTY)] != EMPTY:
        return content
    return content[: place.start] + hashlib.sha256(content).hexdigest().encode() + content[place.stop :]


def of_metadata(text: str) -> bytes:
    """A file without arrays with these metadata."""
    notes = {"sha256": "0" * 64, "xpnn.format": "2", "xpnn": text}
    return sealed(json.dumps({"__metadata__": notes}).encode())


def shaped(content: bytes) -> bytes:
    """A file of bytes that were drawn: the first says of what kind."""
    kind, content = content[:1], content[1:]
    text, _, data = content.partition(b"\n")
    if kind == b"f":
        return framed(text, data)
    if kind == b"s":
        return sealed(text, data)
    if kind == b"r":
        return sealed(EMPTY + b'", "xpnn.format": "2"}' + text, data)
    if kind == b"m":
        return of_metadata(content.decode("utf-8", "replace"))
    return content


def seeds(folder: Path) -> None:
    """Files to begin with."""
    from xpnn.training.checkpoint import save

    save(folder / "whole", ARRAYS, {"k": [1, {"a": None}]})
    content = (folder / "whole").read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    text = content[8 : 8 + len(EMPTY) - 64] + b"0" * 64 + content[8 + len(EMPTY) : end]
    (folder / "whole").write_bytes(b"-" + content)
    (folder / "sealed").write_bytes(b"s" + text + b"\n" + content[end:])
    rest = text[text.index(b'"w"') - 2 :]
    (folder / "rest").write_bytes(b"r" + rest + b"\n" + content[end:])
    (folder / "framed").write_bytes(b'f{"w": {"dtype": "BF16", "shape": [0], "data_offsets": [0, 0]}}\n')
    (folder / "metadata").write_bytes(b'm{"checkpoint": {"epoch": 1, "score": 0.5}, "rows": [[], {}, "\\u00e9", 1e9]}')


def main() -> None:
    """Fuzz until something is found, or the time is over."""
    import atheris

    with atheris.instrument_imports(include=["xpnn.training.layout", "xpnn.training.checkpoint", "json"]):
        import xpnn.training.checkpoint  # noqa: F401
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    folder = Path(tempfile.mkdtemp(dir=memory))
    seeds(folder)
    path = Path(tempfile.mkdtemp(dir=memory)) / "file"
    atheris.Setup([*sys.argv, str(folder)], lambda content: look(path, shaped(content)) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
