"""CuPy's main namespace on NumPy: a GPU where there is none, for tests.

What is different from NumPy on a GPU is so here: arrays of the host do not mix with it, `numpy.asarray` raises, results
of shape () are arrays, indices out of range are wrapped around, arrays are no indices for Python, and while a stream is
captured nothing waits, nothing comes from the host and no library of CUDA's is called. Numbers are NumPy's, but for
generated kernels, which are compiled as C++. Put this folder on PYTHONPATH, and processes find it, and a driver.
"""

import numpy

from cupy import cuda, fft, linalg, random
from cupy._array import ndarray
from cupy._calls import as_stored, call, from_host, function, matmul, on_device, space, ufunc
from cupy._kernels import ElementwiseKernel, RawKernel
from cupy._memory import get_default_memory_pool, get_default_pinned_memory_pool
from cupy._streams import synchronizing

__version__ = "14.2.0"

_AS_THEY_ARE = (
    "broadcast_shapes can_cast bool_ common_type complex64 complex128 complexfloating dtype e finfo float16 float32 "
    "float64 floating generic iinfo inexact inf int8 int16 int32 int64 int_ integer intp isdtype issubdtype nan "
    "newaxis number pi promote_types signedinteger uint uint8 uint16 uint32 uint64 unsignedinteger"
).split()
_UFUNCS = (
    "abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_count bitwise_not "
    "bitwise_or bitwise_xor cbrt ceil conj conjugate copysign cos cosh deg2rad degrees divide divmod equal exp exp2 "
    "expm1 fabs float_power floor floor_divide fmax fmin fmod frexp gcd greater greater_equal heaviside hypot invert "
    "isfinite isinf isnan lcm ldexp left_shift less less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and "
    "logical_not logical_or logical_xor maximum minimum mod modf multiply negative nextafter not_equal positive power "
    "rad2deg radians reciprocal remainder right_shift rint sign signbit sin sinh sqrt square subtract tan tanh "
    "true_divide trunc"
).split()
_FUNCTIONS = (
    "all allclose amax amin angle any append argmax argmin argpartition argsort array_equal array_split atleast_1d "
    "atleast_2d average broadcast_arrays broadcast_to clip column_stack corrcoef count_nonzero cov cross cumprod "
    "cumsum delete diag diagonal diff digitize expand_dims flip hstack identity imag interp isclose iscomplexobj isin "
    "kron max may_share_memory mean meshgrid min moveaxis nan_to_num nanmean nansum ndim outer pad partition prod ptp "
    "ravel real reshape result_type roll rollaxis round searchsorted shape shares_memory size sort split squeeze std "
    "sum swapaxes tile trace transpose tri tril triu trapezoid var vstack"
).split()
_BY_CUBLAS = "dot einsum inner tensordot vdot".split()
_WAIT = (
    "argwhere bincount histogram median nanmax nanmin percentile quantile tril_indices triu_indices extract "
    "flatnonzero nonzero unique union1d setdiff1d intersect1d lexsort"
).split()

for _name in _AS_THEY_ARE:
    globals()[_name] = getattr(numpy, _name)
for _name in _UFUNCS:
    globals()[_name] = ufunc(getattr(numpy, _name))
for _name in _FUNCTIONS:
    globals()[_name] = function(getattr(numpy, _name))
for _name in _BY_CUBLAS:
    globals()[_name] = function(getattr(numpy, _name), library="cuBLAS")
for _name in _WAIT:
    globals()[_name] = function(getattr(numpy, _name), waits=True)


def concatenate(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    return _joined(numpy.concatenate, tup, axis, out, dtype=dtype, casting=casting)


def stack(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    return _joined(numpy.stack, tup, axis, out, dtype=dtype, casting=casting)


def _joined(of_numpy, arrays, axis, out, **options):
    arrays = tuple(arrays)
    if len(arrays) > 8:
        from_host([0] * len(arrays))  # their addresses
    return call(of_numpy, arrays, axis, out, **options)


def where(condition, x=None, y=None):
    if x is None:
        return nonzero(condition)
    return call(numpy.where, condition, x, y)


def repeat(a, repeats, axis=None):
    if isinstance(repeats, ndarray):
        synchronizing()
    return call(numpy.repeat, a, repeats, axis)


def take(a, indices, axis=None, out=None):
    """Indices out of range are wrapped around."""
    if not isinstance(indices, ndarray):
        indices = asarray(indices)
    if out is not None:
        raise NotImplementedError("the stand-in has no out of take")
    return call(lambda a, i: numpy.take(a, i, axis=axis, mode="wrap"), a, indices)


def take_along_axis(a, indices, axis):
    """Indices out of range are wrapped around."""
    length = a.size if axis is None else a.shape[axis]
    if not length:
        return call(numpy.take_along_axis, a, indices, axis)
    return call(lambda a, i: numpy.take_along_axis(a, numpy.remainder(i, length).astype("int64"), axis), a, indices)


def copyto(dst, src, casting="same_kind", where=None):
    call(lambda dst, src, where: numpy.copyto(dst, src, casting, True if where is None else where), dst, src, where)


# Arrays from numbers and from the host


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if isinstance(obj, ndarray):
        made = obj.astype(obj.dtype if dtype is None else dtype, order=order, copy=bool(copy))
    elif _holds_arrays(obj):
        parts = [array(part) for part in obj]
        made = stack(parts)
        made = made if dtype is None else made.astype(dtype, copy=False)
    else:
        made = on_device(as_stored(numpy.array(from_host(obj, dtype), order=order)))
    return made.reshape((1,) * (ndmin - made.ndim) + made.shape) if made.ndim < ndmin else made


def _holds_arrays(obj):
    if not isinstance(obj, list | tuple):
        return False
    kinds = {_holds_arrays(part) or isinstance(part, ndarray) for part in obj}
    if len(kinds) > 1:
        raise TypeError("Unsupported type: arrays of the device among others")
    return kinds == {True}


def asarray(a, dtype=None, order=None, *, blocking=False):
    return array(a, dtype, False, order or "K")


def asanyarray(a, dtype=None, order=None):
    return asarray(a, dtype, order)


def ascontiguousarray(a, dtype=None):
    return asarray(a, dtype, "C")


def asnumpy(a, stream=None, order="C", out=None):
    return a.get(order=order) if isinstance(a, ndarray) else numpy.asarray(a)


def copy(a, order="K"):
    return a.copy(order)


def empty(shape, dtype=float, order="C"):
    return ndarray(shape, dtype, order=order)


def full(shape, fill_value, dtype=None, order="C"):
    if dtype is None:
        dtype = fill_value.dtype if hasattr(fill_value, "dtype") else numpy.asarray(fill_value).dtype
    made = ndarray(shape, dtype, order=order)
    made[...] = fill_value
    return made


def zeros(shape, dtype=float, order="C"):
    return full(shape, 0, dtype, order)


def ones(shape, dtype=float):
    return full(shape, 1, dtype)


def empty_like(a, dtype=None, order="K", subok=None, shape=None):
    like = numpy.empty_like(a.host, dtype, order, shape=shape)
    return ndarray.over(space(like.shape, like.dtype, like.strides))


def full_like(a, fill_value, dtype=None, order="K", subok=None, shape=None):
    made = empty_like(a, dtype, order, subok, shape)
    made[...] = fill_value
    return made


def zeros_like(a, dtype=None, order="K", subok=None, shape=None):
    return full_like(a, 0, dtype, order, subok, shape)


def ones_like(a, dtype=None, order="K", subok=None, shape=None):
    return full_like(a, 1, dtype, order, subok, shape)


def arange(start, stop=None, step=1, dtype=None):
    return call(numpy.arange, *((start,) if stop is None else (start, stop, step)), dtype=dtype)


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    return call(numpy.linspace, start, stop, num, endpoint, retstep, dtype, axis)


def eye(N, M=None, k=0, dtype=float, order="C"):
    return call(numpy.eye, N, M, k, dtype)
