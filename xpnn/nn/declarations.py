"""What an attribute of a model is for: trained, kept, or neither.

`self.weight = Parameter(array)` is trained, `self.mean = Buffer(array)` is saved and moved with the model. An array
that nobody declared is refused, since it would silently not be trained.
"""

from __future__ import annotations

from typing import Any

from xpnn.arrays.namespaces import Array, dtype_name, is_floating, namespace_of

__all__ = ["Buffer", "Parameter", "is_array", "is_numpy_scalar", "refuse_arrays", "require_floating"]


class Parameter:
    """Declares an array attribute of a `Module` as trained: `self.weight = Parameter(array)`.

    The attribute is then the array itself, of any shape and a floating-point dtype.

    Raises
    ------
    TypeError
        If `value` is not an array of floating-point numbers.
    """

    def __init__(self, value: Array) -> None:
        _require_array("a Parameter", value)
        require_floating("a Parameter", value)
        self.value = value


class Buffer:
    """Declares an array attribute of a `Module` as state that is saved and moved, but not trained.

    In `forward` write into it in place, `self.count[...] = self.count + 1`: inside a differentiated call the module is
    a stand-in, and an attribute set there would be lost. Write after its last use in that call, or compute with a
    copy: what is kept for the way back is the array itself, which sees the change.

    Raises
    ------
    TypeError
        If `value` is not an array.
    """

    def __init__(self, value: Array) -> None:
        _require_array("a Buffer", value)
        self.value = value


def is_array(value: Any) -> bool:
    """Whether `value` is an array, which can be written to."""
    return hasattr(value, "shape") and hasattr(value, "dtype") and not is_numpy_scalar(value)


def is_numpy_scalar(value: Any) -> bool:
    """Whether `value` is a number of NumPy's, such as numpy.float64(2)."""
    return hasattr(value, "dtype") and hasattr(value, "item") and not hasattr(value, "__setitem__")


def _require_array(what: str, value: Array) -> None:
    namespace_of(value)
    if not is_array(value):
        raise TypeError(f"{what} expected an array, got the number {value!r}: use numpy.asarray({value})")


def require_floating(what: str, value: Array) -> None:
    """Raise unless the array holds floating-point numbers."""
    if not is_floating(value.dtype):
        raise TypeError(f"{what} expected floating-point numbers, which can be trained, got {dtype_name(value.dtype)}")


def refuse_arrays(what: str, name: str, value: Any) -> None:
    """Raise if `value` is, or holds in lists, tuples or dictionaries, an array that nobody declared."""
    if is_array(value):
        raise TypeError(
            f"{what} is an array that nobody declared: write self.{name} = Parameter(...) to train it or "
            f"self.{name} = Buffer(...) to keep it as it is"
        )
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        if isinstance(part, Parameter | Buffer) or is_array(part):
            raise TypeError(f"{what} holds an array in a {type(value).__name__}: give it an attribute or a Module")
        refuse_arrays(what, name, part)
