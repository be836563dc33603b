"""The bytes of a file: formats of old, today and to come, the checksum by hand, and dtypes that NumPy lacks."""

import base64
import hashlib
import json

import numpy
import pytest

import xpnn
from xpnn.training import CheckpointError, layout, load, save
from xpnn.training.layout import FORMAT

FORMAT_1 = base64.b64decode(
    """qAEAAAAAAAB7ImIiOiB7ImR0eXBlIjogIkYzMiIsICJzaGFwZSI6IFsyXSwgImRhdGFfb2Zmc2V0cyI6IFswLCA4XX0sICJuIjog
    eyJkdHlwZSI6ICJJNjQiLCAic2hhcGUiOiBbXSwgImRhdGFfb2Zmc2V0cyI6IFs4LCAxNl19LCAiXHUwMGU5IjogeyJkdHlwZSI6
    ICJCT09MIiwgInNoYXBlIjogWzEsIDJdLCAiZGF0YV9vZmZzZXRzIjogWzE2LCAxOF19LCAiZSI6IHsiZHR5cGUiOiAiRjY0Iiwg
    InNoYXBlIjogWzAsIDNdLCAiZGF0YV9vZmZzZXRzIjogWzE4LCAxOF19LCAiX19tZXRhZGF0YV9fIjogeyJ4cG5uIjogIntcImNs
    YXNzZXNcIjogW1wibm9cIiwgXCJ5ZXMgXFx1MjcxM1wiXSwgXCJ4XCI6IDAuMX0iLCAic2hhMjU2IjogImY0ZTNlYTQwODI4MGQ3
    YmQyYmJjNTg1ZDNmMDVmYTAwMmExYzlhY2I1NGE0YzNiMDYzMTI2ZTJlZjliNDBjMDcifX0gICAgAADAPwAAAMAHAAAAAAAAAAEA"""
)  # as xpnn 0.1.0 of September 2026 wrote it
ARRAYS = {
    "b": numpy.asarray([1.5, -2.0], "float32"),
    "n": numpy.asarray(7),
    "é": numpy.asarray([[True, False]]),
    "e": numpy.empty((0, 3)),
}
METADATA = {"classes": ["no", "yes ✓"], "x": 0.1}


def same(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        numpy.testing.assert_array_equal(found[name], array)


def resealed(content, **notes):
    """The file with other notes in its metadata, and a checksum that fits."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] |= {key.replace("_", "."): value for key, value in notes.items()}
    header["__metadata__"]["sha256"] = "0" * 64
    text = json.dumps(header).encode()
    empty = len(text).to_bytes(8, "little") + text + content[8 + length :]
    return empty.replace(b"0" * 64, hashlib.sha256(empty).hexdigest().encode(), 1)


def flipped(content, place, bit):
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return changed


@pytest.fixture
def small(tmp_path):
    save(tmp_path / "small", ARRAYS, METADATA)
    return tmp_path / "small", (tmp_path / "small").read_bytes()


# Formats


def test_a_file_of_format_1_is_read(tmp_path):
    (tmp_path / "file").write_bytes(FORMAT_1)
    arrays, metadata = load(tmp_path / "file")
    same(arrays, ARRAYS)
    assert metadata == METADATA


def test_damage_of_a_file_of_format_1_is_noticed_where_it_means_something(tmp_path):
    path = tmp_path / "file"
    for place in range(0, len(FORMAT_1), 7):
        path.write_bytes(flipped(FORMAT_1, place, 1))
        with pytest.raises(CheckpointError, match="file is not a whole file of arrays"):
            load(path)
    path.write_bytes(FORMAT_1.replace(b"u00e9", b"u00E9"))  # one bit, and the same name: why format 2 counts bytes
    same(load(path)[0], ARRAYS)


def test_each_changed_bit_is_noticed(tmp_path):
    path = tmp_path / "small"
    save(path, {"w": numpy.asarray([1, 2], "int8")})
    content = path.read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            path.write_bytes(flipped(content, place, bit))
            with pytest.raises(CheckpointError, match="small is not a whole file of arrays"):
                load(path)


def test_a_file_says_its_format_and_who_wrote_it(small):
    content = small[1]
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    notes = header["__metadata__"]
    assert (notes["xpnn.format"], notes["xpnn.version"]) == (str(FORMAT), xpnn.__version__)
    assert json.loads(notes["xpnn"]) == METADATA


def test_a_file_of_a_newer_format_says_so_and_what_to_do(small):
    path, content = small
    path.write_bytes(resealed(content, xpnn_format="3", xpnn_version="9.1"))
    message = (
        r"cannot load .*small: it was written in format 3 by xpnn 9\.1; this is xpnn [\d.]+, .* up to 2: update xpnn"
    )
    with pytest.raises(CheckpointError, match=message) as caught:
        load(path)
    assert caught.value.newer


def test_a_damaged_file_is_not_taken_for_a_newer_one(small):
    path, content = small
    changed = content.replace(b'"xpnn.format": "2"', b'"xpnn.format": "3"')
    assert changed != content
    path.write_bytes(changed)
    with pytest.raises(CheckpointError, match="its checksum does not fit") as caught:
        load(path)
    assert not caught.value.newer


@pytest.mark.parametrize("number", ["", "0", "-1", "02", "two", "2.0", "²", "1" * 10, "1" * 5000])
def test_a_format_that_is_no_number_is_refused(small, number):
    path, content = small
    path.write_bytes(resealed(content, xpnn_format=number))
    with pytest.raises(CheckpointError, match="is no number of a format"):
        load(path)


def test_the_same_file_with_its_own_number_is_read(small):
    path, content = small
    path.write_bytes(resealed(content, xpnn_format="2", xpnn_version="0.0.1"))
    same(load(path)[0], ARRAYS)


# The checksum


def test_the_checksum_is_that_of_all_bytes_with_zeros_in_its_place(small):
    content = small[1]
    place = 8 + len('{"__metadata__": {"sha256": "')
    digest = content[place : place + 64]
    empty = content[:place] + b"0" * 64 + content[place + 64 :]
    assert hashlib.sha256(empty).hexdigest().encode() == digest


def test_a_checksum_at_another_place_is_refused(small):
    path, content = small
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    notes = header.pop("__metadata__")
    text = json.dumps({**header, "__metadata__": notes}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    with pytest.raises(CheckpointError, match="its checksum is not at its place"):
        load(path)


def test_spaces_in_the_header_count_too(small):
    path, content = small
    at = content.index(b"   ")
    path.write_bytes(content[:at] + b"\t" + content[at + 1 :])
    with pytest.raises(CheckpointError, match="its checksum does not fit"):
        load(path)


# What others write


def written(path, header, data=b""):
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


FLOATS, OTHERS = ["BF16", "F8_E4M3", "F8_E5M2", "F4"], ["C64", "U3"]


@pytest.mark.parametrize(
    ("code", "remedy"), [*((code, "F32") for code in FLOATS), *((code, "a dtype of BOOL, I8") for code in OTHERS)]
)
def test_a_dtype_that_numpy_lacks_is_named_with_what_to_do(tmp_path, code, remedy):
    header = {"layer.weight": {"dtype": code, "shape": [2], "data_offsets": [0, 4]}}
    path = written(tmp_path / "file", header, bytes(4))
    with pytest.raises(CheckpointError, match=f"'layer.weight' is of dtype {code}, which NumPy lacks: .*{remedy}"):
        load(path)


# What is too long


def test_metadata_longer_than_the_format_allows_are_refused_when_saving(tmp_path, monkeypatch):
    save(tmp_path / "file", ARRAYS)
    monkeypatch.setattr(layout, "LONGEST_HEADER", 2000)
    with pytest.raises(ValueError, match=r"names and metadata would take 2\d\d\d bytes, the format allows 2000"):
        save(tmp_path / "file", ARRAYS, {"text": "a" * 2000})
    same(load(tmp_path / "file")[0], ARRAYS)
