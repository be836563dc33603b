"""From arrays to their namespace: which one, looked up once, and what is refused."""

from types import SimpleNamespace

import array_api_compat
import array_api_strict
import numpy
import pytest

from xpnn.arrays import namespaces
from xpnn.arrays.namespaces import (
    array_device,
    dtype_name,
    is_complex,
    is_floating,
    lowest,
    namespace_of,
    require_writable,
)

DEVICE1 = array_api_strict.Device("device1")
KINDS = ("float32", "float64", "complex64", "complex128", "int8", "int64", "uint8", "uint64", "bool")


class Upper:
    """An array of a namespace that stands on another, as a Tensor is."""

    stands_on_another = True

    def __init__(self, xp):
        self.xp = xp

    def __array_namespace__(self, api_version=None):
        return self.xp


@pytest.mark.parametrize("x", [numpy.ones(2), numpy.float32(1), numpy.int64(1), numpy.bool(True), numpy.empty((0, 3))])
def test_numpy_arrays_and_scalars_have_numpys_namespace(x):
    assert namespace_of(x) is array_api_compat.array_namespace(numpy.ones(1))


def test_a_subclass_of_an_array_has_its_namespace(tmp_path):
    mapped = numpy.memmap(tmp_path / "x", dtype="float32", mode="w+", shape=(2,))
    assert namespace_of(mapped) is namespace_of(numpy.ones(1))


def test_every_device_of_a_library_has_one_namespace():
    on_cpu, on_device1 = array_api_strict.ones(2), array_api_strict.ones(2, device=DEVICE1)
    assert namespace_of(on_cpu, on_device1) is array_api_strict


def test_numbers_and_none_belong_to_every_namespace():
    assert namespace_of(1, None, numpy.ones(1), 2.0, True, 1j) is namespace_of(numpy.ones(1))
    assert namespace_of(None, array_api_strict.ones(1), 1.0) is array_api_strict


@pytest.mark.parametrize(("args", "given"), [((), "nothing"), ((None,), "NoneType"), ((1, 2.0), "int, float")])
def test_without_an_array_there_is_no_namespace(args, given):
    with pytest.raises(TypeError, match=f"expected at least one array, got {given}"):
        namespace_of(*args)


def test_mixed_libraries_are_refused_naming_both():
    for pair in ((numpy.ones(1), array_api_strict.ones(1)), (array_api_strict.ones(1), numpy.ones(1))):
        with pytest.raises(TypeError, match="arrays of one library") as caught:
            namespace_of(*pair)
        assert "of numpy" in str(caught.value)
        assert "of array_api_strict" in str(caught.value)
        assert "xpnn.device" in str(caught.value)


@pytest.mark.parametrize("x", [[1.0], (1.0,)])
def test_lists_and_tuples_are_refused_with_a_way_out(x):
    with pytest.raises(TypeError, match=rf"expected an array, got a {type(x).__name__}: convert it .*numpy\.asarray"):
        namespace_of(x)


@pytest.mark.parametrize("x", ["text", {"x": 1.0}, {1.0}, object(), range(3), numpy, numpy.dtype("f4"), numpy.ones])
def test_what_is_no_array_is_refused_by_name(x):
    kind = type(x).__name__
    with pytest.raises(TypeError, match=f"expected an array.*{kind}"):
        namespace_of(x)
    assert type(x) not in namespaces._BY_TYPE


@pytest.mark.parametrize("x", [numpy.ma.masked_array([1.0], [True]), numpy.ma.masked])
def test_masked_arrays_are_refused(x):
    with pytest.raises(TypeError, match="Masked"):
        namespace_of(x)


def test_matrices_are_refused():
    with pytest.warns(PendingDeprecationWarning):
        x = numpy.matrix([[1.0]])
    with pytest.raises(TypeError, match="matrix, whose arithmetic differs"):
        namespace_of(x)


def test_the_upper_namespace_wins_over_what_it_stands_on():
    numpys = namespace_of(numpy.ones(1))
    middle = SimpleNamespace(stands_on=numpys, __name__="middle")
    top = SimpleNamespace(stands_on=middle, __name__="top")
    for arrays in ((Upper(top), numpy.ones(1)), (numpy.ones(1), Upper(middle), Upper(top)), (Upper(top), 1.0)):
        assert namespace_of(*arrays) is top
    assert namespace_of(Upper(middle), numpy.ones(1)) is middle


def test_two_namespaces_on_one_do_not_mix():
    numpys = namespace_of(numpy.ones(1))
    left, right = (SimpleNamespace(stands_on=numpys, __name__=name) for name in ("left", "right"))
    with pytest.raises(TypeError, match="of left and of right"):
        namespace_of(Upper(left), Upper(right))
    with pytest.raises(TypeError, match="of array_api_strict and of numpy"):
        namespace_of(array_api_strict.ones(1), Upper(left))


def test_a_namespace_that_depends_on_the_value_is_not_remembered_by_type():
    first, second = SimpleNamespace(__name__="first"), SimpleNamespace(__name__="second")
    assert namespace_of(Upper(first)) is first
    assert namespace_of(Upper(second)) is second


def test_a_type_is_looked_up_in_the_library_once(monkeypatch):
    namespace_of(numpy.ones(1), numpy.float64(1))
    namespace_of(array_api_strict.ones(1))

    def fail(array):
        raise AssertionError("the library was asked again")

    monkeypatch.setattr(namespaces, "_resolve", fail)
    assert namespace_of(array_api_strict.ones(3)) is array_api_strict
    assert namespace_of(numpy.float64(2), numpy.ones(3)) is namespace_of(numpy.zeros(1))


def test_the_device_of_an_array_is_found_where_numpy_2_0_has_no_attribute_for_it():
    old_scalar = type("float32", (), {"__module__": "numpy"})()
    for x in (numpy.ones(1), numpy.float32(1), old_scalar):
        assert array_device(x) == "cpu"
    assert array_device(array_api_strict.ones(1, device=DEVICE1)) == DEVICE1
    with pytest.raises(AttributeError):
        array_device(3.0)


@pytest.mark.parametrize("name", KINDS)
def test_dtypes_have_the_same_name_and_kind_in_every_library(name):
    big_endian = numpy.dtype(name).newbyteorder(">")
    for dtype in (numpy.dtype(name), big_endian, getattr(numpy, name), getattr(array_api_strict, name)):
        assert dtype_name(dtype) == name
        assert is_complex(dtype) == ("complex" in name)
        assert is_floating(dtype) == ("float" in name or "complex" in name)


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_the_lowest_number_is_that_of_the_dtype(name):
    assert lowest(numpy.dtype(name)) == float(numpy.finfo(name).min)
    if hasattr(array_api_strict, name):
        assert lowest(getattr(array_api_strict, name)) == float(numpy.finfo(name).min)


def test_torchs_dtypes_have_names_and_kinds():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; its dtypes print with a prefix")
    assert dtype_name(torch.float32) == "float32"
    assert (is_floating(torch.float64), is_complex(torch.complex64), is_floating(torch.int64)) == (True, True, False)
    assert lowest(torch.float16) == -65504.0
    # bfloat16 has float32's exponent: what is lower than all its numbers must not overflow on the way in
    assert bool(torch.isfinite(torch.tensor(lowest(torch.bfloat16), dtype=torch.bfloat16)))


def test_libraries_without_writing_in_place_are_refused_by_name():
    for name in ("jax.numpy", "array_api_compat.dask.array"):
        xp = SimpleNamespace(__name__=name)
        with pytest.raises(TypeError, match=f"SGD writes parameters in place, which {name.split('.')[-2]}.* do not"):
            require_writable(xp, "SGD")


@pytest.mark.parametrize("x", [numpy.ones(1), array_api_strict.ones(1)])
def test_libraries_with_writing_in_place_are_accepted(x):
    require_writable(namespace_of(x), "an optimizer")


def test_jax_arrays_are_arrays_but_not_writable():
    jax = pytest.importorskip("jax", reason="JAX is not installed; its arrays are refused where they would be written")
    x = jax.numpy.ones(2)
    with pytest.raises(TypeError, match=r"jax\.numpy arrays do not allow"):
        require_writable(namespace_of(x), "an optimizer")
