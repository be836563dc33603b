"""Damaged and hostile files: whatever is in them, loading gives all that was saved or raises a CheckpointError."""

import hashlib
import json
import os

import fuzz_files
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpnn.training import CheckpointError, load, save
from xpnn.training.layout import read_layout


def same(found, expected):
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    numpy.testing.assert_array_equal(found, expected)


@pytest.fixture
def small(tmp_path):
    """A small file and its bytes."""
    save(tmp_path / "small", {"w": numpy.asarray([1, 2, 3], dtype="int16"), "b": numpy.ones((), "f4")}, {"k": [1]})
    return tmp_path / "small", (tmp_path / "small").read_bytes()


@pytest.mark.parametrize("flip", [0xFF, 0x29])
def test_every_changed_byte_is_noticed(small, flip):
    path, content = small
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
        with pytest.raises(CheckpointError, match="small is not a whole file of arrays"):
            load(path)


def test_every_truncation_and_every_addition_is_noticed(small):
    path, content = small
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="is not a whole file of arrays"):
            load(path)
    for more in (b"\0", b" ", content):
        path.write_bytes(content + more)
        with pytest.raises(CheckpointError, match="is not a whole file of arrays"):
            load(path)
    path.write_bytes(content)
    load(path)


def test_every_byte_lost_or_doubled_is_noticed(small):
    path, content = small
    for place in range(len(content)):
        for wrong in (content[:place] + content[place + 1 :], content[: place + 1] + content[place:]):
            path.write_bytes(wrong)
            with pytest.raises(CheckpointError, match="is not a whole file of arrays"):
                load(path)


def written(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(shape=(2,), offsets=(0, 8), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_a_file_of_another_writer_is_read(tmp_path):
    path = written(tmp_path / "file", {"a": entry(), "__metadata__": {"by": "another"}}, numpy.ones(2, "f4").tobytes())
    arrays, metadata = load(path)
    same(arrays["a"], numpy.ones(2, "f4"))
    assert metadata == {}


BAD_HEADERS = {
    "no object": ([], b""),
    "a number": (3, b""),
    "null": (b"null", b""),
    "no JSON": (b"not JSON", b""),
    "no text": (b"\xff\xfe\xfd", b""),
    "nothing": (b"", b""),
    "an entry that is no object": ({"a": 3}, b""),
    "an entry that is a list": ({"a": [1]}, b""),
    "an entry that is text": ({"a": "F32"}, b""),
    "no dtype": ({"a": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
    "no shape": ({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, bytes(8)),
    "no offsets": ({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)),
    "a dtype in small letters": ({"a": entry(dtype="f32")}, bytes(8)),
    "a dtype of Python": ({"a": entry(dtype="object")}, bytes(8)),
    "a dtype that is a list": ({"a": entry(dtype=["F32"])}, bytes(8)),
    "a negative length": ({"a": entry(shape=(-2,))}, bytes(8)),
    "two negative lengths": ({"a": entry(shape=(-1, -2))}, bytes(8)),
    "half a length": ({"a": entry(shape=(2.0,))}, bytes(8)),
    "a length that is a bool": ({"a": entry(shape=(True, 2))}, bytes(8)),
    "a shape that is text": ({"a": {**entry(), "shape": "2"}}, bytes(8)),
    "a shape that is an object": ({"a": {**entry(shape=()), "shape": {}, "data_offsets": [0, 4]}}, bytes(4)),
    "a shape that is a number": ({"a": {**entry(), "shape": 2}}, bytes(8)),
    "a huge length": ({"a": entry(shape=(2**62,))}, bytes(8)),
    "a length beyond all integers": ({"a": entry(shape=(0, 2**70), offsets=(0, 0))}, b""),
    "a product beyond all integers": ({"a": entry(shape=(2**40, 2**40), offsets=(0, 0))}, b""),
    "too many axes": ({"a": entry(shape=(1,) * 100, offsets=(0, 4))}, bytes(4)),
    "offsets beyond the end": ({"a": entry(shape=(4,), offsets=(0, 16))}, bytes(8)),
    "negative offsets": ({"a": entry(offsets=(-8, 0))}, bytes(8)),
    "turned offsets": ({"a": entry(offsets=(8, 0))}, bytes(8)),
    "huge offsets": ({"a": entry(offsets=(2**64, 2**64 + 8))}, bytes(8)),
    "three offsets": ({"a": entry(offsets=(0, 4, 8))}, bytes(8)),
    "one offset": ({"a": entry(offsets=(8,))}, bytes(8)),
    "offsets of another size": ({"a": entry(offsets=(0, 4))}, bytes(4)),
    "overlapping arrays": ({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)),
    "one place for two": ({"a": entry(), "b": entry()}, bytes(8)),
    "a gap": ({"a": entry(), "b": entry(offsets=(12, 20))}, bytes(20)),
    "a gap at the start": ({"a": entry(offsets=(4, 12))}, bytes(12)),
    "bytes that no array has": ({"a": entry()}, bytes(12)),
    "metadata that are no object": ({"__metadata__": [1]}, b""),
    "metadata that are null": ({"__metadata__": None}, b""),
    "our metadata without a checksum": ({"__metadata__": {"xpnn": "{}"}}, b""),
    "a checksum that is no text": ({"__metadata__": {"sha256": 3}}, b""),
    "a nest of lists": (b"[" * 100_000 + b"]" * 100_000, b""),
    "a nest of objects": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b""),
    "a number of many digits": (b'{"a": ' + b"9" * 10_000 + b"}", b""),
    "a name twice": (b'{"a": %s, "a": %s}' % (2 * (json.dumps(entry()).encode(),)), bytes(8)),
    "a key of an entry twice": (b'{"a": {"dtype": "I8", "dtype": "I8", "shape": [2], "data_offsets": [0, 2]}}', b"ab"),
    "metadata twice": (b'{"__metadata__": {}, "__metadata__": {}}', b""),
    "metadata that are no text": ({"__metadata__": {"by": 3}}, b""),
    "a name of half a pair": (b'{"\\ud800": %s}' % json.dumps(entry()).encode(), bytes(8)),
    "no UTF-8": (json.dumps({"a": entry()}).encode("utf-16"), bytes(8)),
    "a mark of the byte order": (b"\xef\xbb\xbf{}", b""),
    "a zero and a length beyond all memory": ({"a": entry(shape=(0, 2**62), offsets=(0, 0))}, b""),
    "a zero and lengths beyond all memory": ({"a": entry(shape=(2**32, 0, 2**32), offsets=(0, 0))}, b""),
    "a shape of a million": ({"a": entry(shape=(2**61,) * 1_000_000)}, bytes(8)),
    "booleans of 2": ({"a": entry(dtype="BOOL", offsets=(0, 2))}, b"\1\2"),
    "infinity": (b'{"a": {"dtype": "F32", "shape": [Infinity], "data_offsets": [0, NaN]}}', b""),
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_a_bad_header_is_refused(tmp_path, case):
    path = written(tmp_path / "file", *BAD_HEADERS[case])
    what = "its header is not a JSON object" if case in ("no object", "a number", "null") else ""
    with pytest.raises(CheckpointError, match=f"file is not a whole file of arrays: {what}"):
        load(path)


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "C:\\x", "__class__", "", "a\0b", "\n", "😀"])
def test_names_are_only_names(tmp_path, name):
    path = written(tmp_path / "file", {name: entry()}, bytes(8))
    assert list(load(path)[0]) == [name]
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_what_stands_twice_is_named(tmp_path):
    path = written(tmp_path / "file", *BAD_HEADERS["a name twice"])
    with pytest.raises(CheckpointError, match="'a' stands twice in one object"):
        load(path)


def test_a_message_is_short_whatever_the_header_holds(tmp_path):
    for header in (
        {"a" * 10**6: 3},
        {"a": entry(dtype="D" * 10**6)},
        {"a": entry(shape=("b" * 10**6,))},
        {"a": {**entry(), "data_offsets": ["c" * 10**6]}},
        {"__metadata__": {"xpnn.format": "9" * 10**6}},
    ):
        with pytest.raises(CheckpointError) as caught:
            load(written(tmp_path / "file", header, bytes(8)))
        assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("ours", ["3", "[]", "null", '"text"', "{", '{"a": 1, "a": 2}', '{"a": NaN}', "[" * 100_000])
def test_metadata_with_a_right_checksum_are_looked_at_too(tmp_path, ours):
    header = {"__metadata__": {"xpnn": ours}}
    header["__metadata__"]["sha256"] = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
    path = written(tmp_path / "file", header)
    with pytest.raises(CheckpointError, match="is not a whole file of arrays"):
        load(path)


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 2**40, 100_000_001, 9])
def test_a_huge_length_of_the_header_is_refused_without_reading_it(tmp_path, length):
    (tmp_path / "file").write_bytes(length.to_bytes(8, "little") + b'{"a": 1}')
    with pytest.raises(CheckpointError, match=f"its header would be {length} bytes long, the file has 16"):
        load(tmp_path / "file")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("random") / "file"


def test_the_fuzz_target_tells_files_from_others(scratch, tmp_path):
    fuzz_files.seeds(tmp_path)
    found = {
        seed.name: fuzz_files.look(scratch, fuzz_files.shaped(seed.read_bytes())) for seed in sorted(tmp_path.iterdir())
    }
    assert found == {"framed": False, "metadata": True, "rest": True, "sealed": True, "whole": True}


@given(st.binary(max_size=200), st.sampled_from([b"-", b"f", b"s", b"r", b"m"]))
def test_random_bytes_raise_nothing_but_checkpoint_errors(scratch, content, kind):
    fuzz_files.look(scratch, fuzz_files.shaped(kind + content))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from([*"0", "F32", "I8"]),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=4), parts, max_size=3),
    max_leaves=6,
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "I8", "BOOL", "F8"]) | JSON,
        "shape": st.lists(st.integers(-1, 3), max_size=3) | JSON,
        "data_offsets": st.lists(st.integers(-1, 16), min_size=2, max_size=2) | JSON,
    },
)


HEADERS = st.dictionaries(st.text(max_size=3), ENTRIES | JSON, max_size=3)
NOTES = {
    "sha256": JSON,
    "xpnn.format": st.sampled_from(["1", "2", "3", "²"]) | JSON,
    "xpnn": st.text(max_size=4) | JSON,
}


@given(HEADERS, st.none() | JSON | st.fixed_dictionaries({}, optional=NOTES), st.binary(max_size=16))
def test_random_headers_raise_nothing_but_checkpoint_errors(scratch, header, metadata, data):
    if metadata is not None:
        header = {**header, "__metadata__": metadata}
    fuzz_files.look(scratch, fuzz_files.framed(json.dumps(header).encode(), data))


@given(HEADERS, JSON, st.binary(max_size=16))
def test_random_headers_with_a_right_checksum_raise_nothing_but_checkpoint_errors(scratch, header, metadata, data):
    notes = {"sha256": "0" * 64, "xpnn.format": "2", "xpnn": json.dumps(metadata)}
    text = json.dumps({"__metadata__": notes, **header}).encode()
    fuzz_files.look(scratch, fuzz_files.sealed(text, data))


@given(st.data())
def test_a_file_put_together_anew_from_its_parts_is_whole_or_refused(scratch, data):
    """Parts of a whole file cut out, doubled and moved, under a checksum that fits."""
    save(scratch, fuzz_files.ARRAYS, {"k": [1]})
    content = scratch.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    text = content[8 + len(fuzz_files.EMPTY) : end]
    for _ in range(data.draw(st.integers(1, 3))):
        a, b, c = (data.draw(st.integers(0, len(text))) for _ in range(3))
        text = text[:c] + text[min(a, b) : max(a, b)] + text[c + data.draw(st.integers(0, 40)) :]
    fuzz_files.look(scratch, fuzz_files.sealed(fuzz_files.EMPTY + text, content[end:]))


def test_a_file_that_is_cut_off_while_it_is_read_is_refused(tmp_path, monkeypatch):
    n = 100_000
    path = written(tmp_path / "file", {"a": entry(shape=(n,), offsets=(0, 4 * n))}, bytes(4 * n))

    def cut_off(file, size):
        found = read_layout(file, size)
        os.truncate(path, size // 2)
        return found

    monkeypatch.setattr("xpnn.training.checkpoint.read_layout", cut_off)
    with pytest.raises(CheckpointError, match="ends before its arrays do"):
        load(path)


def test_what_is_no_file_raises_as_files_do(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)
