"""Saving while the process is killed, the disk is full, or the folder may not be written: what was saved stays.

XPNN_KILLS=200 kills as many times as the project's aims ask for; without it, some.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import killed_saves
import numpy
import pytest

import xpnn
from xpnn.training import Checkpoints, load, save, write_whole

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
KILLS = os.environ.get("XPNN_KILLS", "25")


def experiment(*words, before=()):
    """Run tests/killed_saves.py, in a process of its own: forking one with threads is not safe."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(xpnn.__file__).parents[1])}
    command = [*before, sys.executable, killed_saves.__file__, *map(str, words)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_killed_at_random_moments_it_keeps_what_was_saved(tmp_path):
    found = experiment("at-random", tmp_path, KILLS)
    assert found["kills"] == int(KILLS)
    assert found["in the middle of a file"] > 0  # so it was killed where it hurts


def test_killed_at_each_call_that_changes_the_disk_it_keeps_what_was_saved(tmp_path):
    # the folder; the probe: open, write, fsync, replace, fsync, unlink; the folder; open, three writes, fsync, replace,
    # fsync, and the removal of the oldest
    assert experiment("at-each-call", tmp_path) == {"calls": 16}


# A disk that is full


SMALL_DISK = 'mount -t tmpfs -o size=2m none "$0" && exec "$@"'


def test_a_full_disk_keeps_what_was_saved(tmp_path):
    before = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    assert experiment("on-a-full-disk", tmp_path, before=before)["steps"] > 2


@pytest.fixture
def longest_file():
    """A function that limits the length of files that this process writes; None takes the limit away."""
    resource = pytest.importorskip("resource", reason="this system has no limits for processes")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda length: resource.setrlimit(resource.RLIMIT_FSIZE, (soft if length is None else length, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_may_not_grow_leaves_the_old_one_at_every_length(tmp_path, longest_file):
    path = tmp_path / "file"
    save(path, {"old": numpy.arange(3)})
    old = path.read_bytes()
    new = {"w": numpy.zeros(100), "b": numpy.zeros(3)}
    for length in range(0, 824, 8):
        longest_file(length)
        with pytest.raises(OSError, match=r"File too large: .*file'") as caught:
            save(path, new)
        assert caught.value.errno == errno.EFBIG
        assert os.listdir(tmp_path) == ["file"]
        assert path.read_bytes() == old
    longest_file(None)
    save(path, new)
    assert load(path)[0].keys() == new.keys()


def test_training_may_go_on_after_a_full_disk(tmp_path, longest_file):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save({"w": numpy.zeros(1000)}, {}, epoch=0, step=1)
    longest_file(1000)
    with pytest.raises(OSError, match="checkpoint-0000000002"):
        checkpoints.save({"w": numpy.zeros(1000)}, {}, epoch=0, step=2)
    assert checkpoints.latest()[1]["checkpoint"]["step"] == 1
    checkpoints.save({"w": numpy.zeros(10)}, {}, epoch=0, step=3)
    longest_file(None)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-0000000003.safetensors"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_device_that_is_full_says_so():
    with pytest.raises(OSError, match="No space left") as caught:
        write_whole("/dev/full", [b"a" * 10_000])
    assert caught.value.errno == errno.ENOSPC


# No permission


@pytest.fixture
def shut():
    """A folder with a file that this user may read and not change."""
    folder = Path(tempfile.mkdtemp())
    save(folder / "file", {"old": numpy.arange(3)})
    for step in (1, 2):
        path = Checkpoints(folder / "checkpoints").save({}, {}, epoch=0, step=step)
    path.chmod(0)  # this one it may not even read
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may do anything
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_folder_that_may_not_be_written_keeps_the_file_and_is_named(shut):
    for path in (shut / "file", shut / "new"):
        with pytest.raises(PermissionError) as caught:
            save(path, {"new": numpy.arange(4)})
        assert caught.value.filename == str(path)
    assert sorted(os.listdir(shut)) == ["checkpoints", "file"]
    assert load(shut / "file")[0]["old"].tolist() == [0, 1, 2]


def test_training_finds_out_before_it_begins(shut):
    with pytest.raises(PermissionError, match="probe"):
        Checkpoints(shut).start()
    with pytest.raises(PermissionError, match="run"):
        Checkpoints(shut / "run").start()


def test_a_file_that_may_not_be_read_is_not_passed_over(shut):
    with pytest.raises(PermissionError, match="checkpoint-0000000002"):
        Checkpoints(shut / "checkpoints").latest()
