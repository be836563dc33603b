"""CuPy's array over one of NumPy's: no NumPy function reads it, no array of the host mixes with it."""

import operator

import numpy

from cupy import _calls
from cupy._calls import call, from_host, on_device
from cupy._memory import MemoryPointer, block_of
from cupy._streams import synchronizing

_HANDLED = (numpy.ndarray,)


class _Flags:
    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous
        self.owndata, self.forc, self.fnc = flags.owndata, flags.forc, flags.fnc

    def __getitem__(self, name):
        return getattr(self, name.lower())


class ndarray:
    __module__ = "cupy"
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        if memptr is None:
            self.host = _calls.space(shape, dtype, strides, order)
            block_of(self.host).fill(0xAB)  # not what anybody wants
        else:
            self.host = numpy.ndarray(shape, _calls.check_dtype(dtype), memptr.block, memptr.offset, strides, order)

    @classmethod
    def over(cls, host):
        made = object.__new__(cls)
        made.host = host
        return made

    # What it is

    shape = property(lambda self: self.host.shape, lambda self, shape: self._reshape(shape))
    dtype = property(lambda self: self.host.dtype)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    nbytes = property(lambda self: self.host.nbytes)
    itemsize = property(lambda self: self.host.itemsize)
    strides = property(lambda self: self.host.strides)
    flags = property(lambda self: _Flags(self.host.flags))
    T = property(lambda self: call(lambda x: x.T, self))
    mT = property(lambda self: call(lambda x: x.mT, self))
    real = property(lambda self: call(lambda x: x.real, self), lambda self, x: self._set("real", x))
    imag = property(lambda self: call(lambda x: x.imag, self), lambda self, x: self._set("imag", x))

    def _reshape(self, shape):
        reshaped = self.host.reshape(shape)
        if self.size and not numpy.may_share_memory(reshaped, self.host):
            raise AttributeError("incompatible shape")
        self.host = reshaped

    def _set(self, part, value):
        call(lambda x, value: setattr(x, part, value), self, value)

    @property
    def data(self):
        block = block_of(self.host)
        return MemoryPointer(block, self.host.ctypes.data - block.ctypes.data)

    @property
    def device(self):
        from cupy.cuda import Device

        return Device(0)

    @property
    def base(self):
        return None if self.host.base is block_of(self.host) else self

    @property
    def __cuda_array_interface__(self):
        described = self.host.__array_interface__
        return {name: described[name] for name in ("shape", "typestr", "descr", "strides", "data")} | {"version": 3}

    def __len__(self):
        return len(self.host)

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[k] for k in range(len(self.host)))

    # To the host

    def get(self, stream=None, order="C", out=None, blocking=True):
        synchronizing()
        if out is None:
            return numpy.array(self.host, order="C" if order == "K" else order)
        out[...] = self.host
        return out

    def set(self, x, stream=None):
        x = from_host(x)
        if x.shape != self.shape or x.dtype != self.dtype:
            raise ValueError(f"expected shape {self.shape} and dtype {self.dtype}, got {x.shape} and {x.dtype}")
        self.host[...] = x

    def __array__(self, *args, **kwargs):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if dl_device != (1, 0):  # to the host, as a copy
            raise BufferError("unsupported device requested.")
        if copy is False:
            raise ValueError("GPU memory cannot be exported to CPU without copy.")
        return self.get().__dlpack__()

    def __dlpack_device__(self):
        return 2, 0  # CUDA

    def item(self, *args):
        return self.get().item(*args)

    def tolist(self):
        return self.get().tolist()

    def tobytes(self, order="C"):
        return self.get().tobytes(order)

    def __bool__(self):
        return bool(self.get())

    def __int__(self):
        return int(self.get())

    def __float__(self):
        return float(self.get())

    def __complex__(self):
        return complex(self.get())

    def __repr__(self):
        return repr(self.get())

    def __str__(self):
        return str(self.get())

    def __format__(self, spec):
        return format(self.get(), spec)

    def __reduce__(self):
        from cupy import array

        return array, (self.get(),)

    # Copies

    def copy(self, order="C"):
        return call(lambda x: _calls.as_stored(numpy.array(x, order=order)), self)

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy("K")

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        dtype = _calls.check_dtype(dtype)
        if not copy and dtype == self.dtype and (order in "KA" or self.host.flags[f"{order}_CONTIGUOUS"]):
            return self
        return call(lambda x: _calls.as_stored(x.astype(dtype, order=order)), self)

    def view(self, dtype=None, array_class=None, type=None):
        return call(lambda x: x.view() if dtype is None else x.view(dtype), self)

    def reshape(self, *shape, order="C"):
        return call(lambda x: x.reshape(*shape, order=order), self)

    def fill(self, value):
        if isinstance(value, ndarray):
            synchronizing()  # it is compared with 0
            value = value.host
        value = numpy.asarray(value, dtype=self.dtype)
        if value.shape != ():
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        value = value.item()
        if value == 0 and self.host.flags.c_contiguous:
            value = 0  # by setting bytes: no -0.0
        call(lambda x: x.fill(value), self)

    def take(self, indices, axis=None, out=None):
        from cupy import take

        return take(self, indices, axis, out)

    # Places in it

    def __getitem__(self, key):
        if _has_mask(key):
            synchronizing()
        key = wrapped_key(key, self.shape)
        parts = key if isinstance(key, tuple) else (key,)
        if not any(x is Ellipsis or isinstance(x, ndarray) for x in parts):
            key = (*parts, Ellipsis)  # a view of shape (), not a number of NumPy's
        return call(operator.getitem, self, key)

    def __setitem__(self, key, value):
        masked, key = _has_mask(key), wrapped_key(key, self.shape)
        if masked:
            synchronizing()
        if any(isinstance(x, ndarray) for x in (key if isinstance(key, tuple) else (key,))):
            if not isinstance(value, ndarray):
                value = on_device(from_host(value, self.dtype))
        elif not isinstance(value, ndarray):
            self[key].fill(value)
            return
        elif _overlap(self[key].host, value.host):
            raise NotImplementedError("what CuPy makes of a copy between places that overlap is not defined")
        call(operator.setitem, self, key, value)

    # NumPy's functions

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        import cupy

        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        if method not in ("__call__", "outer", "at", "reduce", "accumulate", "reduceat"):
            return NotImplemented
        found = getattr(cupy, ufunc.__name__, None)
        if found is None:
            import cupyx.scipy.special

            found = getattr(cupyx.scipy.special, ufunc.__name__, None)
        if found is None:
            return NotImplemented
        for x in (*inputs, *([kwargs["out"]] if "out" in kwargs else [])):
            if not isinstance(x, int | float | complex | numpy.generic | ndarray | numpy.ndarray):
                return NotImplemented
        if ufunc.__name__ in ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal"):
            inputs = tuple(x.item() if isinstance(x, numpy.ndarray) and x.ndim == 0 else x for x in inputs)
        return (found if method == "__call__" else getattr(found, method))(*inputs, **kwargs)

    def __array_function__(self, func, types, args, kwargs):
        import cupy

        module = cupy
        for part in func.__module__.split(".")[1:]:
            module = getattr(module, part, None)
        found = getattr(module, func.__name__, None)
        if found is None or found is func or not all(issubclass(t, (ndarray, *_HANDLED)) for t in types):
            return NotImplemented
        return found(*args, **kwargs)


def _has_mask(key):
    parts = key if isinstance(key, tuple) else (key,)
    return any(hasattr(x, "dtype") and x.dtype.kind == "b" and x.ndim for x in parts)


def wrapped_key(key, shape):
    """A key with arrays of the device, whose integers are wrapped around as CuPy does."""
    several = isinstance(key, tuple)
    parts = [_part(x) for x in (key if several else (key,))]
    taken = sum(_axes(x) for x in parts)
    axis = 0
    for place, x in enumerate(parts):
        if x is Ellipsis:
            axis += len(shape) - taken
        elif isinstance(x, ndarray) and x.dtype.kind in "iu" and x.ndim and axis < len(shape):
            length = shape[axis]
            if length:
                parts[place] = call(lambda x, n=length: numpy.remainder(x, n).astype("int64"), x)
            axis += 1
        else:
            axis += _axes(x)
    return tuple(parts) if several else parts[0]


def _part(x):
    if isinstance(x, list | numpy.ndarray):
        x = numpy.asarray(x)
        return on_device(from_host(x.astype("int32") if x.size == 0 else x))
    if isinstance(x, slice):
        if any(hasattr(end, "get") for end in (x.start, x.stop, x.step)):
            raise TypeError("slice indices must be integers")  # CuPy's arrays have no __index__
        return x
    if x is None or x is Ellipsis or isinstance(x, ndarray | int | numpy.integer | numpy.bool):
        return x
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid "
        "indices"
    )


def _overlap(x, y):
    """Whether CuPy would copy memory to where it overlaps in one go."""
    same = x.shape == y.shape and x.strides == y.strides and x.dtype == y.dtype and x.flags.c_contiguous
    return same and x.ctypes.data != y.ctypes.data and numpy.may_share_memory(x, y)


def _axes(x):
    if x is None or x is Ellipsis or isinstance(x, bool | numpy.bool):
        return 0
    return x.ndim if isinstance(x, ndarray) and x.dtype == bool else 1


def _gives_way(x, y):
    """Whether `y` computes `x + y` by its own rules."""
    of_y = getattr(y, "__array_ufunc__", _HANDLED)
    if of_y is not _HANDLED:
        return of_y is None
    return getattr(x, "__array_priority__", 0) < getattr(y, "__array_priority__", 0)


def _operator(name, of_numpy, computed):
    def there(x, y):
        if isinstance(y, ndarray):
            return call(computed, x, y)
        if _gives_way(x, y):
            return NotImplemented
        if isinstance(y, int | float | complex | numpy.generic):
            return call(computed, x, y)
        return of_numpy(x, y)

    def back(x, y):
        if _gives_way(x, y):
            return NotImplemented
        if isinstance(y, int | float | complex | numpy.generic):
            return call(lambda x, y: computed(y, x), x, y)
        return of_numpy(y, x)

    def inside(x, y):
        if not isinstance(y, ndarray | int | float | complex | numpy.generic):
            raise TypeError(f"Unsupported type {type(y)}")
        call(of_numpy, x, y, out=x, casting="same_kind")
        return x

    setattr(ndarray, f"__{name}__", there)
    setattr(ndarray, f"__r{name}__", back)
    if name != "divmod":
        setattr(ndarray, f"__i{name}__", inside)


for _name, _of_numpy in {
    "add": numpy.add, "sub": numpy.subtract, "mul": numpy.multiply, "truediv": numpy.true_divide,
    "floordiv": numpy.floor_divide, "mod": numpy.remainder, "pow": numpy.power, "and": numpy.bitwise_and,
    "or": numpy.bitwise_or, "xor": numpy.bitwise_xor, "lshift": numpy.left_shift, "rshift": numpy.right_shift,
}.items():  # fmt: skip
    _operator(_name, _of_numpy, getattr(operator, f"__{_name}__"))


def _comparison(name):
    of_numpy = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal",
                "ne": "not_equal"}[name]  # fmt: skip

    def compared(x, y):
        if isinstance(y, ndarray) or not _gives_way(x, y):
            return getattr(numpy, of_numpy)(x, y)
        return NotImplemented

    setattr(ndarray, f"__{name}__", compared)


for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    _comparison(_name)

for _name, _of_numpy in {"neg": numpy.negative, "pos": numpy.positive, "abs": numpy.absolute,
                         "invert": numpy.invert}.items():  # fmt: skip
    setattr(ndarray, f"__{_name}__", lambda x, of_numpy=_of_numpy: call(of_numpy, x))


def _product(x, y):
    if isinstance(y, ndarray):
        return _calls.matmul(x, y)
    return NotImplemented if _gives_way(x, y) else numpy.matmul(x, y)


ndarray.__matmul__ = _product
ndarray.__rmatmul__ = lambda x, y: NotImplemented if _gives_way(x, y) else numpy.matmul(y, x)


def _method(name, waits):
    def method(self, *args, **kwargs):
        if waits:
            synchronizing()
        return call(lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs), self, *args, **kwargs)

    method.__name__ = name
    setattr(ndarray, name, method)


for _name in (
    "all any argmax argmin argpartition argsort clip compress conj conjugate cumprod cumsum diagonal flatten max mean "
    "min nonzero partition prod put ravel repeat round searchsorted sort squeeze std sum swapaxes trace transpose var"
).split():
    _method(_name, _name == "nonzero")
