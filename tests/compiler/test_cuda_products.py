"""Products by cuBLAS as CuPy would ask for them; here NumPy answers, which is told to count by columns."""

import sys
from types import ModuleType, SimpleNamespace

import numpy
import pytest
from cublas_stand_in import KINDS, Cublas

from xpnn.compiler import cuda_products
from xpnn.compiler.cuda_products import Blas, CublasError, operand, workspace_bytes


class Located(numpy.ndarray):
    """An array of NumPy's that tells where it lies as CuPy's do."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)


def located(x):
    return numpy.asarray(x).view(Located)


@pytest.fixture
def blas(monkeypatch):
    chosen = ModuleType("cupy._core._routines_linalg")
    chosen.compute = 1
    chosen.get_compute_type = lambda dtype: chosen.compute
    for name in ("cupy", "cupy._core"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, chosen.__name__, chosen)
    made = object.__new__(Blas)
    made._library, made._handle, made._capability, made.chosen = Cublas(), None, 90, chosen

    class Namespace:
        def __getattr__(self, name):
            found = getattr(numpy, name)
            own = name in ("empty", "full", "arange", "broadcast_to", "ascontiguousarray")
            return (lambda *args, **options: located(found(*args, **options))) if own else found

    made._cupy = Namespace()
    return made


RNG = numpy.random.default_rng(0)


def array(*shape, dtype="float64"):
    real = RNG.standard_normal(shape)
    return located((real + 1j * RNG.standard_normal(shape) if "c" in dtype else real).astype(dtype))


@pytest.mark.parametrize("dtype", KINDS.values())
def test_products_are_those_of_the_arrays(blas, dtype):
    def of(*shape):
        return array(*shape, dtype=dtype)

    pairs = [
        (of(5, 7), of(7, 3)), (of(7, 5).T, of(3, 7).T), (of(5, 7), of(3, 7).T), (of(5, 7), of(7, 1)),
        (of(1, 7), of(7, 3)), (of(5, 7), of(7)), (of(7), of(7, 3)), (of(9, 7)[::2], of(7, 9)[:, ::3]),
        (of(4, 5, 7), of(4, 7, 3)),
        (of(4, 5, 7), of(7, 3)), (of(2, 1, 5, 7), of(3, 7, 2)), (of(7), of(4, 7, 3)), (of(4, 5, 7), of(7)),
        (of(4, 7, 5).swapaxes(1, 2), of(4, 7, 3)),
    ]  # fmt: skip
    for a, b in pairs:
        expected = numpy.matmul(numpy.asarray(a), numpy.asarray(b))
        tolerance = 1e-12 if dtype in ("float64", "complex128") else 1e-4  # sums of 7 in another order
        for out in (None, located(numpy.full(expected.shape, 77, dtype)), located(numpy.full(expected.shape, 77.0))):
            before = len(blas._library.asked)
            found = blas.product(a, b, out)
            assert len(blas._library.asked) == before + 1
            assert found.dtype == dtype
            assert found.shape == expected.shape
            numpy.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
            if out is not None and out.dtype == dtype:
                assert found is out


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (array(1, 7), array(7, 1)), (array(7), array(7)), (array(0, 7), array(7, 3)), (array(5, 0), array(0, 3)),
        (located(numpy.ones((2, 3), int)), located(numpy.ones((3, 2), int))), (array(2, 3, 4), array(2, 4, 0)),
    ],
)  # fmt: skip
def test_what_cupy_computes_itself_is_left_to_it(blas, a, b):
    numpy.testing.assert_allclose(blas.product(a, b), numpy.matmul(numpy.asarray(a), numpy.asarray(b)))
    assert not blas._library.asked


def test_mixed_dtypes_are_promoted(blas):
    a, b = array(5, 7, dtype="float32"), array(7, 3)
    found = blas.product(a, b)
    assert found.dtype == "float64"
    numpy.testing.assert_allclose(found, numpy.asarray(a) @ numpy.asarray(b))


def test_the_result_is_not_put_where_an_argument_lies(blas):
    a = array(4, 4)
    expected = numpy.asarray(a) @ numpy.asarray(a)
    found = blas.product(a, a, a)
    assert found is not a
    numpy.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("chosen", "float32", "float64"), [(0, 68, 70), (1, 68, 70), (2, 69, 71), (7, 77, 70)]
)  # fmt: skip
def test_the_compute_type_is_the_one_that_cupy_is_set_to(blas, chosen, float32, float64):
    blas.chosen.compute = chosen
    for dtype in ("float32", "float64"):
        blas.product(array(5, 7, dtype=dtype), array(7, 3, dtype=dtype))
    assert [asked[4] for asked in blas._library.asked] == [float32, float64]


@pytest.mark.parametrize(("capability", "algorithm"), [(75, -1), (80, 99), (90, 99)])
def test_the_algorithm_is_cupys(blas, capability, algorithm):
    blas._capability = capability
    blas.product(array(5, 7), array(7, 3))
    assert blas._library.asked[0][5] == algorithm


# (first matrix, as the product takes it, is b; the second a): what CuPy 14.2 decides for each layout
@pytest.mark.parametrize(
    ("a", "b", "asked"),
    [
        (array(5, 7), array(7, 3), (0, 0, 3, 7)),
        (array(7, 5).T, array(7, 3), (0, 1, 3, 5)),
        (array(5, 7), array(3, 7).T, (1, 0, 7, 7)),
        (array(5, 7), array(7, 1), (1, 0, 7, 7)),  # stored by rows and by columns: by columns
        (array(1, 7), array(7, 3), (0, 0, 3, 7)),
        (array(9, 7)[::2], array(7, 3), (0, 1, 3, 5)),  # with gaps: copied
    ],
)
def test_transposes_and_leading_dimensions_are_cupys(blas, a, b, asked):
    blas.product(a, b)
    assert blas._library.asked[0][:4] == asked


def test_an_operand_says_how_it_is_stored():
    assert operand(array(2, 3).T, 0)[1:] == (0, 3)
    assert operand(array(2, 3), 0)[1:] == (1, 3)
    assert operand(array(2, 3), 1)[1:] == (0, 3)


def test_a_failure_names_the_call(blas):
    blas._library = SimpleNamespace(cublasGemmEx=lambda *arguments: 13)
    with pytest.raises(CublasError, match="cublasGemmEx gave status 13"):
        blas.product(array(5, 7), array(7, 3))


def test_the_workspace_is_what_cublas_takes_for_itself():
    assert [workspace_bytes(c) >> 20 for c in (75, 80, 89, 90, 100, 120)] == [4, 4, 4, 32, 32, 12]


class Version:
    """A library of cuBLAS of some version."""

    def __init__(self, number):
        self.number, self.handles = number, 0

    def cublasCreate_v2(self, handle):
        self.handles += 1
        return 0

    def cublasGetVersion_v2(self, handle, place):
        place._obj.value = self.number
        return 0

    def cublasDestroy_v2(self, handle):
        self.handles -= 1
        return 0


@pytest.fixture
def versions(monkeypatch):
    """Libraries by their paths, of which CuPy uses version 120406."""
    libraries = {"/a/libcublas.so.12": Version(120105), "/b/libcublas.so.12": Version(120406)}

    def load(path):
        if path not in libraries:
            raise OSError(f"{path}: no such file")
        return libraries[path]

    cublas, cupy = ModuleType("cupy_backends.cuda.libs.cublas"), ModuleType("cupy")
    cublas.getVersion = lambda handle: {42: 120406}[handle]
    cupy.cuda = SimpleNamespace(device=SimpleNamespace(get_cublas_handle=lambda: 42))
    libs = ModuleType("cupy_backends.cuda.libs")
    libs.cublas = cublas
    modules = {"cupy": cupy, "cupy_backends.cuda.libs": libs, "cupy_backends.cuda.libs.cublas": cublas}
    for name in ("cupy_backends", "cupy_backends.cuda"):
        modules[name] = ModuleType(name)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(cuda_products.ctypes, "CDLL", load)
    monkeypatch.setattr(cuda_products, "_candidates", lambda: ["/none/libcublas.so.12", *libraries])
    return libraries


def test_cublas_is_of_the_version_that_cupy_uses(versions):
    assert cuda_products._loaded() is versions["/b/libcublas.so.12"]
    assert [library.handles for library in versions.values()] == [0, 0]


def test_another_cublas_is_not_taken(versions):
    del versions["/b/libcublas.so.12"]
    with pytest.raises(CublasError, match="is of version 120105, CuPy's of 120406"):
        cuda_products._loaded()


def test_paths_with_spaces_are_whole_and_deleted_files_left_out():
    begin = "7f00-7f01 r-xp 00000000 08:01 123    "
    paths = [
        "/opt/my own/libcublas.so.12", "/opt/my own/libcublas.so.12", "/old/libcublas.so.12 (deleted)",
        "/opt/libcublasLt.so.12", "[heap]", "/opt/libcublas.so.13.1",
    ]  # fmt: skip
    text = "\n".join([begin.rstrip(), *[begin + path for path in paths]])
    assert cuda_products._mapped(text) == ["/opt/libcublas.so.13.1", "/opt/my own/libcublas.so.12"]
