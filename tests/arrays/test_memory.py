"""Arrays at the beginning of lines of the cache."""

import numpy
import pytest

from xpnn.arrays.memory import ALIGNMENT, aligned, aligned_bytes, aligned_rows


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4)])
def test_arrays_begin_at_a_line_and_do_not_overlap(shape, dtype):
    arrays = [aligned(shape, dtype) for _ in range(9)]
    for n, array in enumerate(arrays):
        array[...] = n
    for n, array in enumerate(arrays):
        assert (array.shape, array.dtype) == (shape, dtype)
        assert array.ctypes.data % ALIGNMENT == 0
        assert array.flags.c_contiguous
        assert (array == n).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 8, 13, 16])
def test_each_row_begins_at_a_line(size, dtype):
    array = aligned_rows((3, size), dtype)
    assert (array.shape, array.dtype) == ((3, size), dtype)
    assert not array.any()
    assert all(row.ctypes.data % ALIGNMENT == 0 for row in array)
    assert array.strides[0] - array.nbytes // 3 < ALIGNMENT


def test_bytes():
    assert [len(aligned_bytes(size)) for size in (0, 1, 100)] == [0, 1, 100]
    assert aligned_bytes(3).dtype == numpy.uint8
