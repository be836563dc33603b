"""From an array to the functions that work on it.

The Array API standard gives NumPy, CuPy and others one vocabulary. All mathematics in xpnn is written against a
namespace `xp` that is found from the arrays themselves:

    xp = namespace_of(x, w)
    y = xp.exp(x) @ w

`namespace_of` is a dictionary look-up by type, so it costs next to nothing; the first array of each library is resolved
through array-api-compat, which is imported at that moment and not before. Namespaces can stand on one another (a
differentiable one on NumPy's); where arrays of both meet, the upper one wins.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, TypeAlias

from xpnn.arrays.gpu_namespace import gpu_namespace

__all__ = [
    "Array",
    "Namespace",
    "array_device",
    "dtype_name",
    "floating_name",
    "is_complex",
    "is_floating",
    "lowest",
    "namespace_of",
    "require_real",
    "require_real_floating",
    "require_writable",
]

Array: TypeAlias = Any
"""An array of any library that follows the Array API standard, or a Tensor over one."""

Namespace: TypeAlias = Any
"""The functions of an array library, by the names of the Array API standard."""

_BY_TYPE: dict[type, Namespace | None] = {type(None): None, bool: None, int: None, float: None, complex: None}
_UNKNOWN = object()
_FLOATING: dict[tuple[type, Any], bool] = {}
_LOWEST: dict[tuple[type, Any], float] = {}
_COMPLEX: dict[tuple[type, Any], bool] = {}
_NOT_WRITABLE = ("jax", "dask")


def namespace_of(*arrays: Array) -> Namespace:
    """The Array API namespace that `arrays` share.

    Python numbers and None belong to every namespace. Raw arrays next to arrays of a namespace that stands on theirs (a
    Tensor over NumPy) give the upper one.

    Raises
    ------
    TypeError
        If the arrays belong to different libraries, if one is not an array, or if there is none.

    Examples
    --------
    >>> import numpy
    >>> namespace_of(numpy.zeros(3)).__name__
    'array_api_compat.numpy'
    """
    found = None
    for array in arrays:
        xp = _BY_TYPE.get(type(array), _UNKNOWN)
        if xp is _UNKNOWN:
            xp = _resolve(array)
        if xp is None or xp is found:
            continue
        found = xp if found is None else _upper(found, xp)
    if found is None:
        raise TypeError(f"expected at least one array, got {', '.join(type(a).__name__ for a in arrays) or 'nothing'}")
    return found


def _upper(first: Namespace, second: Namespace) -> Namespace:
    """The namespace of the two that stands on the other."""
    for upper, lower in ((first, second), (second, first)):
        below = getattr(upper, "stands_on", None)
        while below is not None:
            if below is lower:
                return upper
            below = getattr(below, "stands_on", None)
    names = [_name(_lowest(xp)) for xp in (first, second)]
    if names[0] == names[1]:
        names = [_name(first), _name(second)]
    raise TypeError(
        f"expected arrays of one library, got arrays of {names[0]} and of {names[1]}: "
        f"move them to one device first, for instance with xpnn.device(...).asarray(x)"
    )


def _lowest(xp: Namespace) -> Namespace:
    """The library that a namespace stands on in the end."""
    while (lower := getattr(xp, "stands_on", None)) is not None:
        xp = lower
    return xp


def _name(xp: Namespace) -> str:
    return str(getattr(xp, "__name__", xp)).removeprefix("array_api_compat.")


def _resolve(array: Array) -> Namespace:
    """The namespace of an array whose type was not seen before, remembered by type where the type decides it."""
    kind = type(array)
    own = getattr(kind, "__array_namespace__", None)
    if own is not None and getattr(kind, "stands_on_another", False):
        return array.__array_namespace__()
    if kind.__module__.partition(".")[0] == "numpy":
        return _remember(kind, _numpy_namespace(kind))
    if isinstance(array, list | tuple):
        raise TypeError(
            f"expected an array, got a {kind.__name__}: convert it first, for instance with numpy.asarray(x)"
        )
    from array_api_compat import array_namespace

    try:
        xp = array_namespace(array)
        return _remember(kind, gpu_namespace(xp) if xp.__name__ == "array_api_compat.cupy" else xp)
    except TypeError:
        raise TypeError(
            f"expected an array of a library that follows the Array API standard, "
            f"got {kind.__module__}.{kind.__qualname__}"
        ) from None


def _numpy_namespace(kind: type) -> ModuleType:
    """NumPy's namespace, for its arrays and its scalars, but not for arrays that compute by other rules."""
    import numpy

    if issubclass(kind, numpy.ma.MaskedArray | numpy.matrix):
        raise TypeError(f"expected a plain array, got {kind.__name__}, whose arithmetic differs: use numpy.asarray(x)")
    if not issubclass(kind, numpy.ndarray | numpy.generic):
        raise TypeError(f"expected an array, got numpy's {kind.__name__}")
    import array_api_compat.numpy

    return array_api_compat.numpy


def _remember(kind: type, xp: Namespace) -> Namespace:
    _BY_TYPE[kind] = xp
    return xp


def array_device(x: Array) -> Any:
    """The `device` attribute of an array of any library, which NumPy 2.0 lacks for its scalars.

    Examples
    --------
    >>> import numpy
    >>> array_device(numpy.float32(1))
    'cpu'
    """
    try:
        return x.device
    except AttributeError:
        if type(x).__module__ == "numpy":
            return "cpu"
        raise


def dtype_name(dtype: Any) -> str:
    """The name of a dtype of any library: 'float32', 'int64', …

    Examples
    --------
    >>> import numpy
    >>> dtype_name(numpy.dtype("float32"))
    'float32'
    """
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None)  # str() of a big-endian float64 is '>f8'
    return str(name or dtype).rpartition(".")[2]


def floating_name(who: str, dtype: Any) -> str:
    """'float32' or 'float64', from the word or from a dtype of any library.

    Raises
    ------
    ValueError
        If it is another.

    Examples
    --------
    >>> import numpy
    >>> floating_name("to", numpy.float64)
    'float64'
    """
    name = dtype if type(dtype) is str else dtype_name(dtype)
    if name not in ("float32", "float64"):
        raise ValueError(f"{who} expected dtype 'float32' or 'float64', got {dtype!r:.60}")
    return name


def is_complex(dtype: Any) -> bool:
    """Whether `dtype` (of any library) is a complex floating-point type.

    Examples
    --------
    >>> import numpy
    >>> is_complex(numpy.dtype("complex64")), is_complex(numpy.dtype("float32"))
    (True, False)
    """
    kind = getattr(dtype, "kind", None)  # of NumPy and CuPy
    if type(kind) is str:
        return kind == "c"
    key = (type(dtype), dtype)  # dtypes of different libraries are not compared with one another
    known = _COMPLEX.get(key)
    if known is None:
        known = _COMPLEX[key] = "complex" in dtype_name(dtype)
    return known


def is_floating(dtype: Any) -> bool:
    """Whether `dtype` (of any library) is a real or complex floating-point type.

    Examples
    --------
    >>> import numpy
    >>> is_floating(numpy.dtype("float32")), is_floating(numpy.dtype("int64"))
    (True, False)
    """
    if getattr(dtype, "kind", None) in ("f", "c"):  # of NumPy and CuPy
        return True
    key = (type(dtype), dtype)
    known = _FLOATING.get(key)
    if known is None:
        known = _FLOATING[key] = "float" in dtype_name(dtype) or is_complex(dtype)
    return known


def lowest(dtype: Any) -> float:
    """The lowest finite number of a floating-point `dtype` (of any library).

    Examples
    --------
    >>> import numpy
    >>> lowest(numpy.dtype("float32"))
    -3.4028234663852886e+38
    """
    key = (type(dtype), dtype)
    known = _LOWEST.get(key)
    if known is None:
        name = dtype_name(dtype)
        bits = next((n for n in (16, 32, 64) if name.endswith(str(n))), 32)
        known = _LOWEST[key] = -{16: 65504.0, 32: float.fromhex("0x1.fffffep127"), 64: sys.float_info.max}[bits]
    return known


def require_real(who: str, x: Array) -> None:
    """Raise if `x` is an array of complex numbers.

    Raises
    ------
    TypeError
        If it is.
    """
    if is_complex(x.dtype):
        raise TypeError(f"{who} expected real numbers, got {x.dtype}")


def require_real_floating(who: str, x: Array) -> None:
    """Raise if `x` is not an array of real floating-point numbers.

    Raises
    ------
    TypeError
        If it is not.
    """
    namespace_of(x)
    if is_complex(x.dtype) or not is_floating(x.dtype):
        raise TypeError(f"{who} expected real floating-point numbers, got {x.dtype}")


def require_writable(xp: Namespace, who: str) -> None:
    """Raise if arrays of `xp` cannot be written in place.

    Optimizers and running statistics write in place. On JAX and Dask arrays `p -= d` runs without error and changes
    only a local name, so that training would do nothing; these libraries are refused by name.

    Raises
    ------
    TypeError
        If `xp` is a library whose arrays cannot be written in place.
    """
    name = _name(xp)
    if name.partition(".")[0] in _NOT_WRITABLE:
        raise TypeError(f"{who} writes parameters in place, which {name} arrays do not allow: use NumPy or CuPy arrays")
