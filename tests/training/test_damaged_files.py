"""Damaged and hostile files: whatever is in them, loading gives all that was saved or raises a ValueError."""

import hashlib
import json

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpnn.training import load, save


def same(found, expected):
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    numpy.testing.assert_array_equal(found, expected)


@pytest.fixture
def small(tmp_path):
    """A small file and its bytes."""
    save(tmp_path / "small", {"w": numpy.asarray([1, 2, 3], dtype="int16"), "b": numpy.ones((), "f4")}, {"k": [1]})
    return tmp_path / "small", (tmp_path / "small").read_bytes()


@pytest.mark.parametrize("flip", [0xFF, 0x01, 0x20, 0x80])
def test_every_changed_byte_is_noticed(small, flip):
    path, content = small
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
        with pytest.raises(ValueError, match="small is not a whole file of arrays"):
            load(path)


def test_every_truncation_and_every_addition_is_noticed(small):
    path, content = small
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="is not a whole file of arrays"):
            load(path)
    for more in (b"\0", b" ", content):
        path.write_bytes(content + more)
        with pytest.raises(ValueError, match="is not a whole file of arrays"):
            load(path)
    path.write_bytes(content)
    load(path)


def test_every_byte_lost_or_doubled_is_noticed(small):
    path, content = small
    for place in range(len(content)):
        for wrong in (content[:place] + content[place + 1 :], content[: place + 1] + content[place:]):
            path.write_bytes(wrong)
            with pytest.raises(ValueError, match="is not a whole file of arrays"):
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
    "infinity": (b'{"a": {"dtype": "F32", "shape": [Infinity], "data_offsets": [0, NaN]}}', b""),
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_a_bad_header_is_refused(tmp_path, case):
    path = written(tmp_path / "file", *BAD_HEADERS[case])
    what = "its header is not a JSON object" if case in ("no object", "a number", "null") else ""
    with pytest.raises(ValueError, match=f"file is not a whole file of arrays: {what}"):
        load(path)


@pytest.mark.parametrize("ours", ["3", "[]", "null", '"text"', "{", "[" * 100_000])
def test_metadata_with_a_right_checksum_are_looked_at_too(tmp_path, ours):
    header = {"__metadata__": {"xpnn": ours}}
    header["__metadata__"]["sha256"] = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
    path = written(tmp_path / "file", header)
    with pytest.raises(ValueError, match="is not a whole file of arrays"):
        load(path)


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 2**40, 100_000_001, 9])
def test_a_huge_length_of_the_header_is_refused_without_reading_it(tmp_path, length):
    (tmp_path / "file").write_bytes(length.to_bytes(8, "little") + b'{"a": 1}')
    with pytest.raises(ValueError, match=f"its header would be {length} bytes long, the file has 16"):
        load(tmp_path / "file")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("random") / "file"


def refused_or_loaded(path):
    try:
        arrays, metadata = load(path)
    except ValueError:
        return
    assert all(type(array) is numpy.ndarray for array in arrays.values())
    assert type(metadata) is dict


@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_raise_nothing_but_value_errors(scratch, content, with_length):
    scratch.write_bytes(len(content).to_bytes(8, "little") + content if with_length else content)
    refused_or_loaded(scratch)


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


@given(
    st.dictionaries(st.text(max_size=3), ENTRIES | JSON, max_size=3),
    st.none() | JSON | st.fixed_dictionaries({}, optional={"xpnn": st.text(max_size=4) | JSON, "sha256": JSON}),
    st.binary(max_size=16),
)
def test_random_headers_raise_nothing_but_value_errors(scratch, header, metadata, data):
    if metadata is not None:
        header = {**header, "__metadata__": metadata}
    refused_or_loaded(written(scratch, header, data))


def test_what_is_no_file_raises_as_files_do(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)
