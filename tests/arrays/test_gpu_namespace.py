"""CuPy's namespace: `clip` and `sign` give the standard's numbers, here over NumPy's functions, and on a GPU."""

import array_api_compat.numpy
import numpy
import pytest

import xpnn
from xpnn.arrays.gpu_namespace import gpu_namespace

NUMBERS = numpy.asarray([numpy.nan, -numpy.inf, -3.0, -1.0, -0.0, 0.0, 0.5, 1.0, 2.5, numpy.inf])
WHOLE = numpy.asarray([-128, -3, 0, 1, 5, 127], dtype="int8")
COMPLEX = numpy.asarray([3 + 4j, -2j, 0, 1e-3])
OURS = gpu_namespace(array_api_compat.numpy)
CLIPS = [
    (NUMBERS, -1.0, 1.0), (NUMBERS, None, 1.0), (NUMBERS, 0.5, None), (NUMBERS, None, None), (NUMBERS, 2.0, -2.0),
    (NUMBERS.astype("float32"), -1, 1), (NUMBERS, numpy.float64(-1.0), numpy.asarray(1.0)),
    (NUMBERS, numpy.linspace(-1, 0, 10), numpy.linspace(0, 1, 10)), (NUMBERS, numpy.full((2, 1), -2.0), 2.0),
    (NUMBERS, numpy.nan, 1.0), (NUMBERS.astype("float32"), numpy.asarray(-1.0), None),
    (WHOLE, -2, 4), (WHOLE, -1000, 4), (WHOLE, 0, 1000), (WHOLE, WHOLE[::-1].copy(), None),
    (numpy.asarray(3.0), 0.0, 1.0), (numpy.asarray([2**60 + 1, 5, -3]), 0.5, None), (WHOLE, -1.5, 2.5),
    (numpy.asarray([2**60 + 1, 5]), numpy.asarray(1.5), 2**61),
]  # fmt: skip
SIGNS = [NUMBERS, NUMBERS.astype("float32"), WHOLE, COMPLEX, COMPLEX.astype("complex64"), numpy.asarray(-2.0)]


@pytest.fixture(params=["here", pytest.param("gpu", marks=pytest.mark.gpu)])
def there(request):
    """The namespace, and a function that puts arrays where it computes."""
    if request.param == "here":
        return OURS, lambda x: x, numpy.asarray
    device = xpnn.device("cuda")
    put = lambda x: device.asarray(x) if isinstance(x, numpy.ndarray | numpy.generic) else x  # noqa: E731
    return device.xp, put, device.to_host


@pytest.mark.parametrize("case", CLIPS, ids=lambda case: f"{case[0].dtype} {case[1]} {case[2]}"[:40])
def test_clip_is_numpys(there, case):
    xp, put, to_host = there
    x, low, high = case
    before = x.copy()
    given = put(x)
    found = xp.clip(given, put(low), put(high))
    assert found is not given
    assert found.dtype == x.dtype
    wanted = numpy.asarray(array_api_compat.numpy.clip(x, low, high))
    numpy.testing.assert_array_equal(to_host(found), wanted)
    numpy.testing.assert_array_equal(to_host(given), before)


@pytest.mark.parametrize("x", SIGNS, ids=lambda x: f"{x.dtype} {x.shape}")
def test_sign_is_numpys(there, x):
    xp, put, to_host = there
    found = xp.sign(put(x))
    assert found.dtype == x.dtype
    numpy.testing.assert_allclose(to_host(found), numpy.sign(x), rtol=1e-6 if x.dtype.kind == "c" else 0)
    assert not numpy.signbit(to_host(found).real[to_host(found) == 0]).any()


def test_it_is_the_same_object_and_everything_else_is_the_librarys():
    assert gpu_namespace(array_api_compat.numpy) is gpu_namespace(array_api_compat.numpy)
    assert OURS.exp is numpy.exp
    assert OURS.__name__ == "array_api_compat.numpy"
    assert set(dir(OURS)) == set(dir(array_api_compat.numpy))
    with pytest.raises(AttributeError, match="no_such"):
        OURS.no_such  # noqa: B018


@pytest.mark.gpu
def test_on_a_gpu_arrays_and_devices_have_the_same():
    device = xpnn.device("cuda")
    assert xpnn.namespace_of(device.asarray(NUMBERS)) is device.xp
    assert device.xp.__name__ == "array_api_compat.cupy"
