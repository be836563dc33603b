"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: str | os.PathLike[str], parts: Iterable[bytes | memoryview]) -> None:
    """Write a file, all or nothing: whoever looks, even after a crash, finds the old one or the whole new one.

    It is written beside its place, flushed to disk, and renamed. Behind a link, the file it leads to is replaced; a
    file that is replaced keeps its permissions. A pipe or a device is written to as it is.

    Parameters
    ----------
    path
        Where to; the folder must be there.
    parts
        The contents, one after the other.

    Raises
    ------
    OSError
        If the file cannot be written; an older file of that name is then unchanged.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "answer.txt"
    >>> write_whole(path, [b"42"])
    >>> path.read_text()
    '42'
    """
    path = Path(os.path.realpath(path))
    mode = _mode(path)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "expected the name of a file, got a folder", str(path))
    if mode and not stat.S_ISREG(mode):
        with open(path, "wb") as special:
            special.writelines(parts)
        return
    # a name may have 255 bytes, and a letter up to four
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.part")
    try:
        _write(temporary, parts, stat.S_IMODE(mode))
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename, error.filename2 = str(path), None  # the name that the user knows
        raise
    _flush_folder(path.parent)


def _mode(path: Path) -> int:
    """Kind and permissions of the file at `path`, 0 if there is none."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return 0


def _write(path: Path, parts: Iterable[bytes | memoryview], permissions: int) -> None:
    with open(path, "xb") as file:
        if permissions:
            os.chmod(path, permissions)
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
