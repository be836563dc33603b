"""cuBLAS on NumPy: products at addresses of the host, of matrices that are counted by columns."""

import ctypes

import numpy

KINDS = {0: "float32", 1: "float64", 4: "complex64", 5: "complex128"}
LETTERS = {"S": 0, "D": 1, "C": 4, "Z": 5}


def by_columns(address, kind, rows, columns, leading):
    """The matrix that cuBLAS sees at an address."""
    dtype = numpy.dtype(KINDS[kind])
    if rows == 0 or columns == 0:
        return numpy.empty((rows, columns), dtype)
    size = (leading * (columns - 1) + rows) * dtype.itemsize
    flat = numpy.frombuffer((ctypes.c_char * size).from_address(address), dtype)
    strides = (dtype.itemsize, dtype.itemsize * leading)
    return numpy.lib.stride_tricks.as_strided(flat, (rows, columns), strides)


def number(pointer, kind):
    """The factor at an address, which is that of one number, real or complex."""
    found = pointer if hasattr(pointer, "_length_") else pointer._obj
    return complex(*found) if kind >= 4 else found.value


def value(x):
    """An argument as a number: callers give ctypes' own or Python's."""
    return getattr(x, "value", x)


class Cublas:
    def __init__(self):
        self.asked = []

    def _product(self, ops, sizes, kind, a, ld_a, b, ld_b, c, ld_c):
        m, n, k = sizes
        left = by_columns(a, kind, k, m, ld_a).T if ops[0] else by_columns(a, kind, m, k, ld_a)
        right = by_columns(b, kind, n, k, ld_b).T if ops[1] else by_columns(b, kind, k, n, ld_b)
        # As rows of copies, so that the bits do not depend on how the matrices are stored
        by_columns(c, kind, m, n, ld_c)[...] = (numpy.ascontiguousarray(right.T) @ numpy.ascontiguousarray(left.T)).T

    def cublasGemmEx(
        self, handle, op_a, op_b, m, n, k, one, a, kind, ld_a, b, kind_b, ld_b, zero, c, kind_c, ld_c, compute,
        algorithm,
    ):  # fmt: skip
        assert kind == kind_b == kind_c
        assert (number(one, kind), number(zero, kind)) == (1, 0)
        self.asked.append((op_a, op_b, value(ld_a), value(ld_b), value(compute), value(algorithm)))
        sizes = value(m), value(n), value(k)
        self._product((op_a, op_b), sizes, kind, value(a), value(ld_a), value(b), value(ld_b), value(c), value(ld_c))
        return 0

    def cublasGemmStridedBatchedEx(
        self, handle, op_a, op_b, m, n, k, one, a, kind, ld_a, by_a, b, kind_b, ld_b, by_b, zero, c, kind_c, ld_c, by_c,
        count, compute, algorithm,
    ):  # fmt: skip
        assert kind == kind_b == kind_c
        assert (number(one, kind), number(zero, kind), value(algorithm)) == (1, 0, -1)
        assert value(compute) == (70 if KINDS[kind] in ("float64", "complex128") else 68)
        self.asked.append("strided")
        size = numpy.dtype(KINDS[kind]).itemsize
        for place in range(value(count)):
            x, y, z = (value(p) + place * size * value(by) for p, by in ((a, by_a), (b, by_b), (c, by_c)))
            sizes = value(m), value(n), value(k)
            self._product((op_a, op_b), sizes, kind, x, value(ld_a), y, value(ld_b), z, value(ld_c))
        return 0

    def __getattr__(self, name):
        kind = LETTERS[name.removeprefix("cublas")[0]]
        assert name.endswith("gemmBatched")

        def batched(handle, op_a, op_b, m, n, k, one, a, ld_a, b, ld_b, zero, c, ld_c, count):
            assert (number(one, kind), number(zero, kind)) == (1, 0)
            self.asked.append("by addresses")
            places = [by_address(x, value(count)) for x in (a, b, c)]
            for x, y, z in zip(*places, strict=True):
                sizes = value(m), value(n), value(k)
                self._product((op_a, op_b), sizes, kind, x, value(ld_a), y, value(ld_b), z, value(ld_c))
            return 0

        return batched


def by_address(pointer, count):
    return list((ctypes.c_uint64 * count).from_address(pointer.value))


class Library(Cublas):
    """A library as `ctypes` loads it, whose calls can be captured by the stand-in for CuPy."""

    def cublasCreate_v2(self, handle):
        return 0

    def cublasDestroy_v2(self, handle):
        return 0

    def cublasGetVersion_v2(self, handle, version):
        from cupy_backends.cuda.libs import cublas

        version._obj.value = cublas.VERSION
        return 0

    def cublasSetStream_v2(self, handle, stream):
        self.stream = stream.value
        return 0

    def cublasSetWorkspace_v2(self, handle, workspace, size):
        return 0

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        return self._noted(found) if name.startswith("cublasGemm") else found

    def __getattr__(self, name):
        if not name.startswith("cublas"):
            raise AttributeError(name)
        return self._noted(super().__getattr__(name))

    def _noted(self, product):
        """A product that is captured where it works on the stream that is."""

        def call(*arguments):
            from cupy._streams import get_current_stream, note

            status = product(*arguments)
            if self.__dict__.get("stream") == get_current_stream().ptr:
                note(lambda: product(*arguments))
            return status

        return call
