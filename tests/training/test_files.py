"""Files written whole: links, permissions, pipes, folders, and the name in an error."""

import errno
import os
import re
import stat
import threading
from pathlib import Path

import pytest

from xpnn.training import save, write_whole
from xpnn.training.files import _host, remove_leftovers


def test_what_is_written_is_there(tmp_path):
    write_whole(tmp_path / "file", [b"one ", memoryview(b"two")])
    assert (tmp_path / "file").read_bytes() == b"one two"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_fails_leaves_the_old_one(tmp_path):
    def parts():
        yield b"new"
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "file").write_text("old")
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "file", parts())
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="permissions are others there")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(mode)
    write_whole(path, [b"new"])
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names there")
def test_a_pipe_stays_a_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    write_whole(path, [b"through"])
    reader.join()
    assert read == [b"through"]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_folder_is_refused_by_its_name(tmp_path):
    with pytest.raises(IsADirectoryError) as caught:
        write_whole(tmp_path, [b""])
    assert caught.value.filename == str(tmp_path)


def test_an_error_names_the_file_that_was_asked_for(tmp_path):
    path = tmp_path / "nowhere" / "file"
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(path, [b""])
    assert caught.value.filename == str(path)
    assert str(caught.value) == f"[Errno 2] No such file or directory: {str(path)!r}"


def test_an_error_without_a_name_gets_that_of_the_file(tmp_path):
    def full():
        yield b"new"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: .*file'"):
        write_whole(tmp_path / "file", full())


@pytest.mark.skipif(os.name == "nt", reason="a folder cannot be flushed there")
@pytest.mark.parametrize(("code", "raises"), [(errno.EINVAL, False), (errno.EACCES, False), (errno.EIO, True)])
def test_a_folder_that_cannot_be_flushed_is_the_file_systems_affair_but_a_failure_is_not(
    tmp_path, monkeypatch, code, raises
):
    fsync = os.fsync

    def refused(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refused)
    if raises:
        with pytest.raises(OSError, match=os.strerror(code)):
            write_whole(tmp_path / "file", [b"new"])
    else:
        write_whole(tmp_path / "file", [b"new"])
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_temporary_file_names_machine_and_process_and_is_hidden(tmp_path):
    names = []

    def parts():
        names.extend(os.listdir(tmp_path))
        yield b""

    write_whole(tmp_path / "file", parts())
    (name,) = names
    assert re.fullmatch(rf"\.file\.[0-9a-f]{{8}}-{os.getpid()}-[0-9a-f]{{16}}\.part", name)


def test_a_leftover_that_may_not_be_removed_stays(tmp_path, monkeypatch):
    dead = tmp_path / f".file.{_host()}-{10**30}-0123456789abcdef.part"
    dead.touch()

    def refused(path, missing_ok=False):
        raise PermissionError(errno.EPERM, "not yours")

    with monkeypatch.context() as others:
        others.setattr(Path, "unlink", refused)
        assert remove_leftovers(tmp_path, "file") == []
    assert remove_leftovers(tmp_path, "other") == []
    assert remove_leftovers(tmp_path, "file") == [dead]
    assert os.listdir(tmp_path) == []


def test_each_promise_about_files_names_tests_that_exist():
    root = Path(__file__).parents[2]
    promises = (root / "docs" / "files.md").read_text(encoding="utf-8").partition("## What is promised")[2]
    promises = promises.partition("## What is not promised")[0]
    tests = {
        name
        for path in Path(__file__).parent.glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M)
    }
    sentences = re.split(r"^\d+\. ", promises, flags=re.M)[1:]
    assert len(sentences) == 16
    for sentence in sentences:
        named = re.findall(r"`(test_\w+)`", sentence)
        assert named, sentence
        assert set(named) <= tests


def test_a_model_in_place_of_its_arrays_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"save expected arrays by name, such as model.state_dict\(\), got list"):
        save(tmp_path / "file", [1])
    assert os.listdir(tmp_path) == []
