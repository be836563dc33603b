"""Writing into a Tensor, `x[key] = value` and `x += y`, without writing to any array.

Backward functions hold the arrays that they were made from, so an array inside a Tensor is never changed. Writing makes
a new array, by an operation with a derivative like any other, and the Tensor becomes a Tensor of the new array. Whoever
holds the Tensor sees the new elements; whoever computed with the old ones keeps them, as with NumPy.

With NumPy, `row = x[0]` is a view: what is written into one shows in the other. So a Tensor made by slicing, reshaping
or transposing remembers what it was made from, and how. When one is written into, the write goes to the root, and all
views of it that are alive are made again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from copy import copy
from typing import Any
from weakref import ref

from xpnn.arrays.namespaces import Array, array_device, dtype_name, is_complex, is_floating, namespace_of
from xpnn.arrays.native import is_immutable, share_memory
from xpnn.autodiff.broadcasting import sum_to
from xpnn.autodiff.tape import differentiable, plain
from xpnn.autodiff.tensor import Tensor
from xpnn.autodiff.where import at, user_line

__all__ = ["as_view", "lock", "replace", "write"]

Rule = Any  # (value, backward)


def as_view(y: Tensor, x: Tensor, again: Callable[[Any], Any], undo: Callable[[Any], Any] | None = None) -> Tensor:
    """`y`, noted as a view of `x`: `again(x)` makes it anew, `undo(y)` gives what `x` is when `y` was written into.

    Without `undo` the view cannot be written into. If the library gave a copy, it is no view.
    """
    if not share_memory(plain(y), plain(x)):
        return y
    y._source = (x, again, undo)
    views = x._views
    if views is None:
        x._views = [ref(y)]
        return y
    if len(views) & (len(views) - 1) == 0:  # at each power of two, so that the list stays as long as it must be
        views[:] = [view for view in views if view() is not None]
    views.append(ref(y))
    return y


def lock(x: Tensor) -> Tensor:
    """`x`, which stands for a parameter of a model and cannot be written into."""
    x._source = (None, None, None)
    return x


PLAIN_PARTS = {int, slice, type(None), type(Ellipsis)}


def plain_key(key: Any, x: Array) -> Any:
    """`key` of `x` as something that stays what it is: Tensors, lists and other integers as plain arrays and `int`."""
    parts = key if type(key) is tuple else (key,)
    kinds = set(map(type, parts))
    if kinds <= PLAIN_PARTS and slice not in kinds:
        return key
    made = tuple([_plain_part(part, x) for part in parts])
    return made if type(key) is tuple else made[0]


def _plain_part(part: Any, x: Array) -> Any:
    part = plain(part)
    if type(part) is slice:
        bounds = (part.start, part.stop, part.step)
        return slice(*[None if bound is None else operator.index(plain(bound)) for bound in bounds])
    if isinstance(part, list | tuple):
        xp = namespace_of(x)
        return xp.asarray(part) if len(part) else xp.zeros(0, dtype=xp.int64, device=array_device(x))
    if is_immutable(part) and hasattr(part, "__index__"):
        return operator.index(part)
    if hasattr(part, "dtype") and not is_immutable(part):
        return namespace_of(part).asarray(part, copy=True)  # it may be written into before the walk back
    return part


def has_integer_arrays(key: Any) -> bool:
    """Whether `key` holds arrays of integers, which can name one place several times."""
    parts = key if isinstance(key, tuple) else (key,)
    return any(getattr(part, "ndim", 0) and "bool" not in str(part.dtype) for part in parts)


def write(x: Tensor, key: Any, value: Any) -> None:
    """`x[key] = value`: `x` becomes a Tensor of a new array in which the elements at `key` are `value`.

    Raises
    ------
    TypeError
        If `value` carries a gradient that the dtype of `x` cannot hold.
    ValueError
        If `x` is a view that cannot be written into.
    """
    key = plain_key(key, plain(x))
    _become(x, written(x, _fitting(x, key, value), key))


def written(x: Array, value: Any, key: Any) -> Any:
    """A copy of `x` in which the elements at `key` are `value`."""
    return _written(x, value, key=key)


@differentiable
def _written(x: Array, value: Any, *, key: Any) -> Rule:
    y = _copy(x)
    y[key] = value
    shape = getattr(value, "shape", ())

    # the elements written over have no part in the result
    def dx(dy: Array) -> Array:
        rest = _copy(dy)
        rest[key] = 0
        return rest

    def dvalue(dy: Array) -> Array:
        return sum_to(_last_ones(dy[key], key, dy.shape), shape)

    return y, (dx, dvalue)


def _copy(x: Array) -> Any:
    return copy(x) if type(x) is Tensor else namespace_of(x).asarray(x, copy=True)


def _last_ones(picked: Array, key: Any, shape: tuple[int, ...]) -> Array:
    """`picked`, with zeros for those elements whose place was written again by a later one."""
    if not has_integer_arrays(key):
        return picked
    inner = plain(picked)
    xp = namespace_of(inner)
    numbers = xp.reshape(xp.arange(inner.size, device=array_device(inner)), inner.shape)
    winner = xp.zeros(shape, dtype=numbers.dtype, device=array_device(inner))
    winner[key] = numbers
    return picked * xp.astype(winner[key] == numbers, inner.dtype)


def _fitting(x: Tensor, key: Any, value: Any) -> Any:
    """`value` with no more axes than the place it goes to, if its gradient survives the dtype of `x`."""
    if not hasattr(value, "dtype"):
        return value
    _require_kind(x, value, "x[key] = value")
    place = plain(x)[key]
    extra = value.ndim - place.ndim
    if extra > 0 and value.shape[:extra] == (1,) * extra:
        value = namespace_of(value).reshape(value, value.shape[extra:])
    return value


def _require_kind(x: Tensor, value: Any, what: str) -> None:
    """Raise if `value` is on the way to a gradient and `x` holds numbers of a kind that cannot carry it."""
    if type(value) is not Tensor or value._tape is None:
        return
    if not is_floating(x.dtype) or (is_complex(value.dtype) and not is_complex(x.dtype)):
        raise TypeError(
            f"{what} with x of {dtype_name(x.dtype)} and a value of {dtype_name(value.dtype)} on the way to a gradient "
            "would lose the gradient: make x of that dtype first, such as xp.astype(x, value.dtype)" + _here()
        )


def _here() -> str:
    return at(user_line())


def _become(x: Tensor, y: Tensor) -> None:
    """Let `x` and all that shares its elements be as if the elements of `x` were those of `y`."""
    while x._source is not None:
        source, _, undo = x._source
        if source is None:
            raise TypeError(
                "a parameter of a model cannot be written into inside a differentiated call, where only a stand-in for "
                f"it would change: write into a copy, xp.asarray(x, copy=True){_here()}"
            )
        if undo is None:
            raise ValueError(
                "this Tensor shows elements of another one and cannot be written into, since several of its elements "
                "may be the same one (xp.broadcast_to), or parts of one: write into a copy, xp.asarray(x, copy=True)"
                + _here()
            )
        x, y = source, undo(y)
    changed = [(x, y)]
    while changed:
        x, y = changed.pop()
        x._value, x._tape, x._variable = y._value, y._tape, y._variable
        views = [view for found in x._views or () if (view := found()) is not None]
        changed += [(view, view._source[1](x)) for view in views]


def replace(x: Tensor, value: Any, symbol: str) -> Any:
    """What `x += y` does with `value`, the result of `x + y`: its elements become those of `x`.

    Raises
    ------
    TypeError
        If the dtype of the result is of another kind than that of `x`.
    ValueError
        If the shape of the result is not that of `x`.
    """
    if value is NotImplemented or is_immutable(plain(x)):
        return value  # a scalar is no place to write into: the name stands for the new one
    if value.shape != x.shape:
        raise ValueError(
            f"x {symbol} y expected a result of shape {x.shape}, that of x, got shape {value.shape}: "
            f"write x = x {symbol[:-1]} y{_here()}"
        )
    if value.dtype != x.dtype:
        xp = namespace_of(x)
        if xp.result_type(x, value) != value.dtype or _kind(value.dtype) != _kind(x.dtype):
            raise TypeError(
                f"x {symbol} y expected a result of {dtype_name(x.dtype)}, the dtype of x, "
                f"got {dtype_name(value.dtype)}: write x = x {symbol[:-1]} y{_here()}"
            )
        value = xp.astype(value, x.dtype)
    _become(x, value)
    return x


def _kind(dtype: Any) -> str:
    if is_complex(dtype):
        return "complex"
    if is_floating(dtype):
        return "floating"
    return dtype_name(dtype).rstrip("0123456789")

