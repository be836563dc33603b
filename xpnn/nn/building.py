"""What layers need when they are built and called: sizes checked, first arrays filled, the dtype of inputs checked."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

from xpnn.arrays.namespaces import Array, dtype_name, floating_name, is_floating, namespace_of
from xpnn.arrays.native import from_number

__all__ = [
    "filled",
    "positive",
    "positives",
    "require_dtype",
    "require_floating_input",
    "require_wide_floating_input",
    "shown",
]


def positive(who: str, name: str, n: Any) -> int:
    """`n` as an int, if it is a positive integer.

    Raises
    ------
    ValueError
        If it is not.

    Examples
    --------
    >>> positive("Linear", "in_features", 3)
    3
    """
    if isinstance(n, bool) or not hasattr(n, "__index__") or index(n) < 1:
        raise ValueError(f"{who} expected {name} to be a positive integer, got {n!r:.60}")
    return index(n)


def positives(who: str, name: str, lengths: Any) -> tuple[int, ...]:
    """`lengths`, a positive integer or a sequence of such, as a tuple.

    Raises
    ------
    ValueError
        If it is neither, or empty.

    Examples
    --------
    >>> positives("LayerNorm", "shape", 3), positives("LayerNorm", "shape", [2, 3])
    ((3,), (2, 3))
    """
    if not isinstance(lengths, Sequence) or isinstance(lengths, str):
        return (positive(who, name, lengths),)
    if not lengths:
        raise ValueError(f"{who} expected {name} to name at least one length, got {lengths!r}")
    return tuple(positive(who, f"each length of {name}", n) for n in lengths)


def filled(who: str, shape: Sequence[int], value: float, dtype: str) -> Array:
    """A NumPy array of `shape` with `value` everywhere, in 'float32' or 'float64'.

    Examples
    --------
    >>> filled("BatchNorm", (2,), 1.0, "float64")
    array([1., 1.])
    """
    xp = namespace_of(from_number(value))
    return xp.full(tuple(shape), value, dtype=getattr(xp, floating_name(who, dtype)))


def require_floating_input(who: str, x: Array) -> None:
    """Raise unless `x` is an array of real floating-point numbers.

    Raises
    ------
    TypeError
        If it is not.
    """
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    if kind == "f":
        return
    namespace_of(x)
    if not is_floating(x.dtype) or "complex" in dtype_name(x.dtype):
        raise TypeError(f"{who} expected an array of real floating-point numbers, got {dtype_name(x.dtype)}")


def require_wide_floating_input(who: str, x: Array) -> None:
    """Raise unless `x` is an array of real floating-point numbers of at least 32 bits.

    Means of squares leave the range of half precision: 300² is infinite in float16, 1e-4² is 0.

    Raises
    ------
    TypeError
        If it is not.
    """
    require_floating_input(who, x)
    if getattr(x.dtype, "itemsize", 4) < 4:
        raise TypeError(
            f"{who} expected float32 or float64, since means of squares leave the range of {dtype_name(x.dtype)}: "
            "convert x before, and the result back"
        )


def shown(dtype: Any) -> str:
    """The name of a dtype for messages, with its byte order where that is not the machine's.

    Examples
    --------
    >>> import numpy
    >>> shown(numpy.dtype("float32"))
    'float32'
    """
    name = dtype_name(dtype)
    return name if getattr(dtype, "isnative", True) else f"{name} in the other byte order"


def require_dtype(who: str, x: Array, *own: Array | None) -> None:
    """Raise unless the input has the dtype of the layer's own arrays (of the first that is there).

    Raises
    ------
    TypeError
        If it has another.
    """
    like = next((array for array in own if array is not None), None)
    if like is None:
        require_floating_input(who, x)
        return
    if getattr(x, "dtype", None) is like.dtype:
        return
    namespace_of(x)
    namespace_of(x, like)  # dtypes of two libraries are not compared
    if x.dtype != like.dtype:
        wanted, found = shown(like.dtype), shown(x.dtype)
        way = ", or the model with model.to(dtype=...)" if is_floating(x.dtype) else ""
        raise TypeError(f"{who} expected x of dtype {wanted}, as its own arrays, got {found}: convert x{way}")
