"""The memory that loading takes: that of the arrays, and at most 50 times the header, whatever the header says.

A process of its own may only have so much address space (RLIMIT_AS), so that a file that takes more ends in a
MemoryError and not in a CheckpointError.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

import xpnn
from xpnn.training import save

resource = pytest.importorskip("resource", reason="this system has no limits for processes")
pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")

LIMITED = """
import json, os, resource, sys
from pathlib import Path
from xpnn.training.checkpoint import load, metadata_of
from xpnn.training.layout import CheckpointError

def read(path, reads, more):
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + more, size + more))
    try:
        {"load": load, "metadata_of": metadata_of}[reads](path)
        return 0
    except CheckpointError:
        return 1
    except MemoryError:
        return 2

for line in sys.stdin:  # each in a process of its own, which has no memory left over from the one before
    if not (child := os.fork()):
        os._exit(read(*json.loads(line)))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
WORDS = {0: "loaded", 1: "refused", 2: "too much memory"}
N = 1 << 20  # bytes of a header
TIMES, ROOM = 50, 8 << 20  # the promise, and what the interpreter itself takes or keeps


@pytest.fixture(scope="module")
def reader():
    """A function (path, reads, bytes) that tells what became of reading a file with so much memory."""
    root = str(Path(xpnn.__file__).parents[1])
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": root}
    command = [sys.executable, "-c", LIMITED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as child:

        def read(path, reads, more):
            child.stdin.write(json.dumps([str(path), reads, more]) + "\n")
            child.stdin.flush()
            return WORDS[int(child.stdout.readline())]

        yield read
        child.stdin.close()


def framed(path, text, data=b""):
    text = text.encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def repeated(part, n=N):
    return ",".join([part] * (n // (len(part) + 1)))


ENTRY = '{"dtype":"I8","shape":[0],"data_offsets":[0,0]}'
BOMBS = {
    "lists": '{"a":[' + repeated("[]") + "]}",
    "objects": '{"a":[' + repeated("{}") + "]}",
    "objects of one": '{"a":[' + repeated('{"":0}') + "]}",
    "lists of one": '{"a":[' + repeated("[0]") + "]}",
    "numbers": '{"a":[' + repeated("999") + "]}",
    "broken numbers": '{"a":[' + repeated("1.5") + "]}",
    "texts": '{"a":[' + repeated('"ab"') + "]}",
    "one wide letter": '{"a":"' + "b" * N + '😀"}',
    "names": "{" + ",".join(f'"{n:x}":0' for n in range(N // 9)) + "}",
    "entries": "{" + ",".join(f'"{n:x}":{ENTRY}' for n in range(N // 60)) + "}",
    "a long shape": '{"a":{"dtype":"I8","shape":[' + repeated("999") + '],"data_offsets":[0,0]}}',
    "depth": '{"a":' * (N // 5),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_header_takes_at_most_50_times_its_size(reader, tmp_path, bomb):
    path = framed(tmp_path / "file", BOMBS[bomb])
    found = reader(path, "load", TIMES * path.stat().st_size + ROOM)
    assert found == ("loaded" if bomb == "entries" else "refused")


@pytest.mark.parametrize("bomb", ["lists", "objects of one", "texts", "one wide letter"])
def test_metadata_take_at_most_50_times_their_size(reader, tmp_path, bomb):
    notes = {"xpnn": BOMBS[bomb]}
    path = framed(tmp_path / "file", json.dumps({"__metadata__": notes}, ensure_ascii=False))
    assert reader(path, "load", TIMES * path.stat().st_size + ROOM) == "refused"
    save(path, {}, json.loads(BOMBS[bomb]))
    assert reader(path, "load", TIMES * path.stat().st_size + ROOM) == "loaded"


@pytest.mark.parametrize("shape", [[2**40], [2**20, 2**20], [2**62], [0, 2**62]])
def test_a_shape_that_lies_takes_no_memory(reader, tmp_path, shape):
    entry = {"dtype": "F64", "shape": shape, "data_offsets": [0, min(8 * numpy.prod(shape, dtype=object), 2**62)]}
    path = framed(tmp_path / "file", json.dumps({"a": entry}), bytes(64))
    assert reader(path, "load", ROOM) == "refused"


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of 64 MiB in four arrays."""
    path = tmp_path_factory.mktemp("large") / "file"
    save(path, {str(n): numpy.ones((16, 1 << 17)) for n in range(4)})
    return path


def test_loading_takes_the_memory_of_the_arrays_once(reader, large):
    size = large.stat().st_size
    assert reader(large, "load", size + ROOM) == "loaded"
    assert reader(large, "load", size - ROOM) == "too much memory"  # so the limit is one


def test_metadata_alone_take_no_memory_for_the_arrays(reader, large):
    assert reader(large, "metadata_of", ROOM) == "loaded"
