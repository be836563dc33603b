"""Files: every array comes back, and a save that fails leaves the old file whole."""

import builtins
import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy
import pytest

from xpnn import nn, optim, stop_gradient
from xpnn.arrays.tree import tree_map
from xpnn.autodiff.tape import constant
from xpnn.training import load, save

DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
RNG = numpy.random.default_rng(11)
BLOCK = numpy.arange(24.0).reshape(2, 3, 4)
DEEP: list = []
for _ in range(100):
    DEEP = [DEEP]


def saved(folder, arrays, metadata=None):
    save(folder / "file", arrays, metadata)
    return load(folder / "file")


def same(found, expected):
    assert type(found) is numpy.ndarray
    assert (found.dtype, found.shape) == (expected.dtype.newbyteorder("="), expected.shape)
    numpy.testing.assert_array_equal(found, expected)


# Round trips


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3), (1, 1, 1)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_and_shape_comes_back(tmp_path, dtype, shape):
    array = RNG.integers(0, 100, shape).astype(dtype)
    arrays, metadata = saved(tmp_path, {"a": array})
    same(arrays["a"], array)
    assert metadata == {}


@pytest.mark.parametrize(
    "array",
    [
        BLOCK.T,
        BLOCK.transpose(1, 0, 2),
        BLOCK[:, ::2],
        BLOCK[::-1, :, ::-1],
        numpy.asfortranarray(BLOCK),
        numpy.broadcast_to(numpy.arange(3.0), (2, 3)),
        BLOCK[1, 2],
        BLOCK.astype(">f8"),
        BLOCK.astype(">i2").T,
        numpy.frombuffer(b"\0" + BLOCK.tobytes(), dtype="f8", offset=1),
        BLOCK.astype("f4")[..., None],
        numpy.float64(2.5),
    ],
    ids="T permuted strided flipped Fortran broadcast part big-endian big-endian-T unaligned axis scalar".split(),
)
def test_any_memory_layout_comes_back_in_c_order(tmp_path, array):
    expected = numpy.array(array)
    for arrays in ({"a": array}, {"before": BLOCK, "a": array, "after": BLOCK}):
        found = saved(tmp_path, arrays)[0]["a"]
        same(found, expected)
        assert found.flags.c_contiguous
        assert found.dtype.isnative


def test_values_at_the_ends_come_back_bit_for_bit(tmp_path):
    for dtype in ("float16", "float32", "float64"):
        info = numpy.finfo(dtype)
        array = numpy.asarray(
            [info.max, info.min, info.tiny, info.smallest_subnormal, -0.0, numpy.inf, numpy.nan], dtype
        )
        assert saved(tmp_path, {"a": array})[0]["a"].tobytes() == array.tobytes()
    for dtype in ("int64", "uint64", "int8"):
        array = numpy.asarray([numpy.iinfo(dtype).min, numpy.iinfo(dtype).max], dtype)
        same(saved(tmp_path, {"a": array})[0]["a"], array)


def test_many_arrays_keep_their_names_order_and_sharing_is_no_trap(tmp_path):
    shared = numpy.arange(6.0)
    arrays = {
        "z": shared,
        "a.b.0": shared[::2],
        "": numpy.ones(1),
        "ключ ✓": shared.reshape(2, 3).T,
        'quo"te\n': shared,
    }
    found, _ = saved(tmp_path, arrays)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        same(found[name], array)
    found["z"][0] = 9.0
    assert found["a.b.0"][0] == 0.0


def test_nothing_is_a_file_too(tmp_path):
    assert saved(tmp_path, {}) == ({}, {})


def test_metadata_are_anything_json_can_hold(tmp_path):
    metadata = {"classes": ["no", "yes ✓"], "n": 2**70, "x": 0.1, "deep": {"none": None, "true": True, "e": []}, "": ""}
    assert saved(tmp_path, {"a": BLOCK}, metadata)[1] == metadata


def test_metadata_of_100_levels_come_back(tmp_path):
    metadata = {"x": DEEP[0][0]}
    assert saved(tmp_path, {}, metadata)[1] == metadata


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names there")
def test_a_file_comes_through_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=save, args=(tmp_path / "pipe", {"a": BLOCK}, {"k": 1}))
    writer.start()
    arrays, metadata = load(tmp_path / "pipe")
    writer.join()
    same(arrays["a"], BLOCK)
    assert metadata == {"k": 1}


def test_contiguous_arrays_are_saved_without_a_copy(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("xpnn.training.checkpoint.write_whole", lambda path, parts: shown.extend(parts))
    save(tmp_path / "file", {"a": BLOCK, "b": BLOCK.T})
    _, a, b = shown
    assert numpy.shares_memory(numpy.asarray(a), BLOCK)
    assert not numpy.shares_memory(numpy.asarray(b), BLOCK)


def test_arrays_of_other_devices_and_constants_are_saved(elsewhere, tmp_path):
    same(saved(tmp_path, {"a": elsewhere.asarray(BLOCK)})[0]["a"], BLOCK)
    same(saved(tmp_path, {"a": stop_gradient(constant(BLOCK))})[0]["a"], BLOCK)


def test_what_is_loaded_may_be_written_to(tmp_path):
    array = saved(tmp_path, {"a": BLOCK})[0]["a"]
    array += 1
    assert array.flags.owndata or array.base.flags.owndata
    assert array.flags.aligned


def test_a_training_run_goes_on_from_a_file(tmp_path):
    def state(model, optimizer):
        return {**{f"model.{k}": v for k, v in model.state_dict().items()}, **optimizer.state_dict()}

    model = nn.Linear(3, 2).initialize(seed=0)
    optimizer = optim.Adam(model, learning_rate=0.1)
    optimizer.step(tree_map(numpy.ones_like, model))  # any gradients will do
    arrays = saved(tmp_path, state(model, optimizer))[0]
    for name, array in state(model, optimizer).items():
        same(arrays[name], array)


# The layout


def test_the_file_is_laid_out_as_the_format_says(tmp_path):
    save(tmp_path / "file", {"b": numpy.asarray([1, 2], dtype="int16"), "a": numpy.ones((1, 2), dtype="float32")})
    content = (tmp_path / "file").read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    assert content[8:9] == b"{"
    header = json.loads(content[8 : 8 + length])
    assert header["b"] == {"dtype": "I16", "shape": [2], "data_offsets": [0, 4]}
    assert header["a"] == {"dtype": "F32", "shape": [1, 2], "data_offsets": [4, 12]}
    assert content[8 + length :] == b"\1\0\2\0" + b"\0\0\x80\x3f" * 2
    assert all(isinstance(value, str) for value in header["__metadata__"].values())


def test_the_same_contents_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        save(tmp_path / name, {"a": BLOCK, "b": BLOCK.T}, {"k": 1})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_safetensors_reads_what_we_write_and_the_other_way_round(tmp_path):
    package = pytest.importorskip("safetensors.numpy", reason="the safetensors package is not installed")
    arrays = {name: RNG.integers(0, 100, (2, 3)).astype(name) for name in DTYPES}
    # its own save_file wrote the bytes of a transposed array in the wrong order: ours must not
    arrays |= {"turned": BLOCK.T, "empty": numpy.empty((0, 3)), "number": numpy.asarray(2.5)}
    save(tmp_path / "ours", arrays, {"key": [1]})
    found = package.load_file(tmp_path / "ours")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        same(found[name], array)
    package.save_file(
        {name: numpy.ascontiguousarray(a).reshape(a.shape) for name, a in arrays.items()},
        tmp_path / "its",
        {"by": "it"},
    )
    back, metadata = load(tmp_path / "its")
    assert metadata == {}
    for name, array in arrays.items():
        same(back[name], array)


# What cannot be saved


@pytest.mark.parametrize(
    ("arrays", "metadata", "error", "message"),
    [
        ({"w": [1.0]}, None, TypeError, "got a list"),
        ({"w": 1.0}, None, TypeError, "got float"),
        ({"w": numpy.ones(2) + 1j}, None, TypeError, "cannot save w: dtype complex128 has no place"),
        ({"w": numpy.asarray(["a"])}, None, TypeError, "cannot save w: dtype <U1 has no place"),
        ({"w": numpy.asarray([object()])}, None, TypeError, "cannot save w: dtype object has no place"),
        ({"w": numpy.ones(2, dtype=numpy.longdouble)}, None, TypeError, "cannot save w: dtype .*128 has no place"),
        ({"w": numpy.ones(2, dtype=[("a", "f8")])}, None, TypeError, "cannot save w: dtype .* has no place"),
        ({"w": numpy.ma.masked_array([1.0], [True])}, None, TypeError, "MaskedArray"),
        ({1: BLOCK}, None, TypeError, "under the name 1: expected a string"),
        ({"__metadata__": BLOCK}, None, TypeError, "under the name '__metadata__'"),
        ({"a": BLOCK}, {"x": numpy.float32(1)}, TypeError, "got float32 in x: use int or float"),
        ({"a": BLOCK}, {"x": {"q": [1.0, float("nan")]}}, ValueError, "got nan in q: use None"),
        ({"a": BLOCK}, {"x": {1, 2}}, TypeError, "that JSON can hold, got set in x$"),
        ({"a": BLOCK}, {"x": [{1: 2}]}, TypeError, "texts as keys of metadata, got 1 in x"),
        ({"a": BLOCK}, {None: 2}, TypeError, "texts as keys of metadata, got None in metadata"),
        ({"a": BLOCK}, {"x": DEEP}, ValueError, "at most 100 levels"),
        ({"\ud800": BLOCK}, None, ValueError, "half a surrogate pair is no text"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_has_no_place_in_a_file_is_refused_and_nothing_is_written(tmp_path, arrays, metadata, error, message):
    save(tmp_path / "file", {"old": BLOCK})
    with pytest.raises(error, match=message):
        save(tmp_path / "file", arrays, metadata)
    assert os.listdir(tmp_path) == ["file"]
    same(load(tmp_path / "file")[0]["old"], BLOCK)


# A save that does not come to its end


def failing(error):
    def fail(*args, **options):
        raise error

    return fail


NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("error", [NO_SPACE, KeyboardInterrupt(), MemoryError()], ids=["full", "interrupt", "memory"])
@pytest.mark.parametrize("function", ["fsync", "replace", "write"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, function, error, existing):
    if existing:
        save(tmp_path / "file", {"old": BLOCK})
    if function == "write":
        opened = open

        def full_after_the_header(path, mode="r", **options):
            return Full(opened(path, mode, buffering=0), error) if mode == "xb" else opened(path, mode, **options)

        monkeypatch.setattr(builtins, "open", full_after_the_header)
    else:
        monkeypatch.setattr(os, function, failing(error))
    with pytest.raises(type(error)) as caught:
        save(tmp_path / "file", {"new": 2 * BLOCK})
    assert caught.value is error
    monkeypatch.undo()
    assert os.listdir(tmp_path) == (["file"] if existing else [])
    if existing:
        same(load(tmp_path / "file")[0]["old"], BLOCK)
    save(tmp_path / "file", {"new": 2 * BLOCK})
    same(load(tmp_path / "file")[0]["new"], 2 * BLOCK)


def test_behind_a_link_the_file_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "file")
    for array in (BLOCK, 2 * BLOCK):
        save(tmp_path / "link", {"a": array})
        assert (tmp_path / "link").is_symlink()
        assert os.listdir(tmp_path / "folder") == ["file"]
        same(load(tmp_path / "link")[0]["a"], array)


class Full:
    """A file on a disk that has room for one write."""

    def __init__(self, file, error):
        self.file, self.error, self.room = file, error, 1

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.file.close()

    def write(self, part):
        self.room -= 1
        if self.room < 0:
            raise self.error
        return self.file.write(part)

    def flush(self):
        pass

    def fileno(self):
        return self.file.fileno()


def test_contents_reach_the_disk_before_the_name_does(tmp_path, monkeypatch):
    events = []

    def noting(name, function):
        def note(*args):
            events.append(
                (name, stat.S_ISDIR(os.fstat(args[0]).st_mode)) if name == "fsync" else (name, Path(args[1]).name)
            )
            return function(*args)

        return note

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noting(name, getattr(os, name)))
    save(tmp_path / "file", {"a": BLOCK})
    assert events == [("fsync", False), ("replace", "file"), ("fsync", True)]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_killed_process_leaves_the_old_file(tmp_path, moment):
    save(tmp_path / "file", {"old": BLOCK})
    program = (
        "import os, sys, numpy; from xpnn.training import save\n"
        f"os.{moment} = lambda *args: os._exit(9)\n"
        "save(sys.argv[1], {'new': numpy.ones(100_000)})"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "file")], check=False)
    assert done.returncode == 9
    same(load(tmp_path / "file")[0]["old"], BLOCK)
    save(tmp_path / "file", {"new": BLOCK})
    same(load(tmp_path / "file")[0]["new"], BLOCK)


def test_a_folder_that_is_not_there_or_in_the_way_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "none" / "file", {"a": BLOCK})
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        save(tmp_path / "folder", {"a": BLOCK})
    assert os.listdir(tmp_path) == ["folder"]
    assert os.listdir(tmp_path / "folder") == []


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, ".hidden", "a b.safetensors", "-"])
def test_any_name_that_the_file_system_takes(tmp_path, name):
    save(tmp_path / name, {"a": BLOCK})
    assert os.listdir(tmp_path) == [name]
    same(load(str(tmp_path / name))[0]["a"], BLOCK)


def test_a_relative_path_is_one_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("file", {"a": BLOCK})
    same(load("file")[0]["a"], BLOCK)
    assert os.listdir() == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0o000, 0o666)])
def test_the_mode_of_the_file_follows_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        save(tmp_path / "file", {"a": BLOCK})
        assert os.umask(mask) == mask  # as it was
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode
