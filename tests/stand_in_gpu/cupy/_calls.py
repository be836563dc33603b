"""Functions of NumPy's on arrays of the device: only of those, as CuPy has it, with results of the same kind."""

import numbers

import numpy

from cupy._memory import alloc, alloc_pinned_memory, block_of
from cupy._streams import capturing, note, synchronizing

_PLAIN = (numbers.Number, numpy.generic, str, bytes, type, numpy.dtype, type(None), type(Ellipsis), slice)
# What CuPy's ufuncs can do beside being called
_METHODS = {
    "accumulate": {"add", "multiply"},
    "reduce": {"add", "multiply"},
    "reduceat": {"add"},
    "at": {"add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor"},
}
# Parameters of NumPy's functions that those of CuPy do not have
LACKED = "where initial like subok correction mean hermitian upper device sorted".split()
LACKED_IN = {"numpy.fft": "out", "numpy.linalg": "rtol"}
_TRUTHS = (numpy.allclose, numpy.array_equal)  # whose results CuPy leaves on the device
_SUPPORTED = set("?bhilqBHILQefdFD")


def check_dtype(dtype):
    dtype = numpy.dtype(dtype)
    if dtype.char not in _SUPPORTED or dtype.byteorder == ">":
        raise ValueError(f"Unsupported dtype {dtype}")
    return dtype


def host_of(x, known):
    """The host's array behind an array of the device, in lists and tuples too; arrays of the host are refused."""
    from cupy._array import ndarray

    if isinstance(x, ndarray):
        known[id(x.host)] = x
        return x.host
    if isinstance(x, list | tuple) and type(x) in (list, tuple):
        return type(x)(host_of(part, known) for part in x)
    if isinstance(x, _PLAIN) or callable(x):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def on_device(made, known=None):
    """What a function of NumPy's gives as CuPy would: arrays, of shape () too, in memory of the device."""
    from cupy._array import ndarray

    if isinstance(made, numpy.ndarray):
        if known and id(made) in known:
            return known[id(made)]
        if type(made) is numpy.ndarray and block_of(made) is not None:
            return ndarray.over(made)
        return ndarray.over(moved(numpy.asarray(made)))
    if isinstance(made, numpy.generic):
        return ndarray.over(moved(numpy.asarray(made)))
    if isinstance(made, list | tuple):
        parts = [on_device(part, known) for part in made]
        return type(made)(*parts) if hasattr(made, "_fields") else type(made)(parts)
    return made


def moved(host, order="C"):
    """A copy in memory of the device."""
    copy = space(host.shape, host.dtype, numpy.empty_like(host, order=order).strides)
    copy[...] = host
    return copy


def space(shape, dtype, strides=None, order="C"):
    """Memory of the device as an array of the host's."""
    dtype = check_dtype(dtype)
    if strides is None:
        strides = numpy.empty(shape, dtype, order).strides
    size = int(numpy.prod(shape, dtype="int64")) * dtype.itemsize
    return numpy.ndarray(shape, dtype, alloc(size).block, 0, strides)


def from_host(x, dtype=None):
    """What comes from the host passes through pinned memory, but for single numbers, which a kernel is given."""
    x = numpy.asarray(x, dtype=dtype)
    check_dtype(x.dtype)
    if not x.ndim:
        return x
    alloc_pinned_memory(x.nbytes)
    if capturing() is not None:
        synchronizing()
    return x


def as_stored(host):
    """A copy in memory of the device, of which `on_device` is to keep the order; results have C order otherwise."""
    return moved(host, "K")


def call(function, *args, **kwargs):
    """`function` of the host's arrays behind `args`."""
    known = {}
    hosts, named = host_of(args, known), {name: host_of(x, known) for name, x in kwargs.items()}
    with numpy.errstate(all="ignore"):
        made = function(*hosts, **named)
    result = on_device(made, known)
    if capturing() is not None:
        given = {id(block_of(host)) for host in (x.host for x in known.values())}
        new = [id(block_of(x.host)) not in given for x in _arrays([result])]  # else a view, or written in place

        def again():
            with numpy.errstate(all="ignore"):
                made = function(*hosts, **named)
            for x, host, is_new in zip(_arrays([result]), _leaves([made]), new, strict=True):
                if is_new:
                    x.host[...] = host

        note(again, *[block_of(x.host) for x in _arrays([result, *known.values()])])
    return result


def _arrays(tree):
    """The arrays of the device in a nest."""
    return [x for x in _leaves(tree) if hasattr(x, "host")]


def _leaves(tree):
    for x in tree:
        if isinstance(x, list | tuple):
            yield from _leaves(x)
        elif isinstance(x, numpy.ndarray | numpy.generic) or hasattr(x, "host"):
            yield x


def function(of_numpy, *, waits=False, library=None):
    """A function of CuPy's from NumPy's; `library`: CUDA's, which CuPy refuses to call while a stream is captured."""
    lacking = {*LACKED, LACKED_IN.get(of_numpy.__module__)}

    def of_cupy(*args, **kwargs):
        if lacked := lacking & kwargs.keys():
            raise TypeError(f"{of_numpy.__name__}() got an unexpected keyword argument '{lacked.pop()}'")
        if waits:
            synchronizing()
        if library and capturing() is not None:
            raise NotImplementedError(f"calling {library} API during stream capture is currently unsupported")
        result = call(of_numpy, *args, **kwargs)
        is_device = type(result) is bool and of_numpy in _TRUTHS
        return on_device(numpy.asarray(result)) if is_device else result

    of_cupy.__name__ = of_cupy.__qualname__ = of_numpy.__name__
    of_cupy.__module__, of_cupy.of_numpy = "cupy", of_numpy
    return of_cupy


class ufunc:
    def __init__(self, of_numpy):
        self.of_numpy, self.name, self.__name__ = of_numpy, f"cupy_{of_numpy.__name__}", of_numpy.__name__
        self.nin, self.nout, self.nargs, self.types = of_numpy.nin, of_numpy.nout, of_numpy.nargs, of_numpy.types

    def __call__(self, *args, **kwargs):
        for x in args:
            if hasattr(x, "__cupy_override_elementwise_kernel__"):
                return x.__cupy_override_elementwise_kernel__(self, *args, **kwargs)
        if set(kwargs) - {"out", "dtype", "casting"}:
            raise TypeError(f"Wrong arguments {kwargs}")
        return call(self.of_numpy, *args, **kwargs)

    def __getattr__(self, name):
        if name in ("accumulate", "at", "outer", "reduce", "reduceat"):
            if self.__name__ not in _METHODS.get(name, {self.__name__}):
                raise NotImplementedError(f"`{self.name}.{name}` is not supported yet")
            method = getattr(self.of_numpy, name)
            if name == "at":
                from cupy._array import wrapped_key

                return lambda a, key, *b: call(method, a, wrapped_key(key, a.shape), *b)
            return lambda *args, **kwargs: call(method, *args, **kwargs)
        raise AttributeError(name)

    def __repr__(self):
        return f"<ufunc '{self.name}'>"


def product(a, b):
    """A product whose bits do not depend on how its factors are stored: that of copies in C order."""
    return numpy.matmul(numpy.ascontiguousarray(a) if a.ndim else a, numpy.ascontiguousarray(b) if b.ndim else b)


def matmul(a, b, out=None):
    known = {}
    x, y = host_of((a, b), known)
    dtype = numpy.result_type(x, y)
    ends = (x.shape[-2] if x.ndim > 1 else 1) * (y.shape[-1] if y.ndim > 1 else 1) if x.ndim and y.ndim else 1
    by_cublas = dtype.char in "efdFD" and x.size and y.size and not (ends == 1 and x.ndim <= 2 and y.ndim <= 2)
    if by_cublas and capturing() is not None:
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
    if out is None:
        return call(product, a, b)
    return call(lambda a, b, out: _write(out, product(a, b)), a, b, out)


def _write(out, x):
    out[...] = x
    return out
