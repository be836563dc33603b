"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

__all__ = ["remove_leftovers", "write_whole"]

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<host>[0-9a-f]{8})-(?P<process>[0-9]+)-[0-9a-f]{16}\.part", re.DOTALL)
_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)
_at_work: set[str] = set()  # the temporary files that this process is writing


def write_whole(path: str | os.PathLike[str], parts: Iterable[bytes | memoryview]) -> None:
    """Write a file, all or nothing: whoever looks, even after a crash, finds the old one or the whole new one.

    It is written beside its place, flushed to disk, and renamed. Behind a link, the file it leads to is replaced; a
    file that is replaced keeps its permissions. A pipe or a device is written to as it is. A process that is killed
    meanwhile leaves a hidden file whose name ends in '.part'.

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
    temporary = path.with_name(f".{path.name[:40]}.{_host()}-{os.getpid()}-{secrets.token_hex(8)}.part")
    _at_work.add(temporary.name)
    try:
        _write(temporary, parts, stat.S_IMODE(mode))
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename = str(path)  # the name that the user knows
            del error.filename2  # set to None, it would still be shown
        raise
    finally:
        _at_work.discard(temporary.name)
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
    """Make a new name last. Where folders cannot be flushed, or not be read, the file system answers for that."""
    if os.name == "nt":  # a folder cannot be opened there
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


# What killed processes leave


def remove_leftovers(folder: Path, names: str) -> list[Path]:
    """Remove the temporary files in `folder` that were to become files whose names fit the pattern `names`, and whose
    writers are dead: processes of this machine that run no more. Gives what was removed.
    """
    removed = []
    for path in folder.iterdir():
        found = _TEMPORARY.fullmatch(path.name)
        if found and re.fullmatch(names, found["name"]) and found["host"] == _host() and _is_dead(path, found):
            try:
                path.unlink(missing_ok=True)
            except PermissionError:  # of another user; or Windows, where a file that is open stays
                continue
            removed.append(path)
    return removed


def _host() -> str:
    """A word for this machine: several may write into one folder, and number their processes alike."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _is_dead(path: Path, found: re.Match[str]) -> bool:
    process = int(found["process"])
    if process == os.getpid():  # numbers come again, in a container that is started again at once
        return path.name not in _at_work
    if os.name == "nt":  # there `os.kill` would end it; but there a file that is open cannot be removed anyway
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False
