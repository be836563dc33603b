"""Where rows come from, where a model computes, and where its results go.

scikit-learn's rule is that everything follows `X`. With `sklearn.set_config(array_api_dispatch=True)` an estimator that
is given arrays of CuPy computes on their GPU, and gives arrays of CuPy. Three places are told apart:

| word | is |
| --- | --- |
| home | the library and device of the arrays that `X` brought, to which results go back; None: NumPy |
| place | the device that computes: NumPy's, a GPU, or whatever else xpnn computes with |
| host | where labels are told apart, rows are chosen and scores are counted: NumPy |

Home and place differ for libraries that xpnn does not compute with, such as PyTorch: their memory is taken over by
DLPack, without a copy, NumPy (or CuPy, if it is a GPU's) computes, and the results are theirs again.

Without dispatch there is no home. Arrays of any library are moved to the model's device, and results are NumPy's.
"""

from __future__ import annotations

from typing import Any

import numpy
from array_api_compat import is_array_api_obj
from sklearn import get_config

from xpnn.arrays.devices import Device, device_of
from xpnn.arrays.devices import device as find_device
from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import to_host

__all__ = [
    "brought", "dispatches", "floating_dtypes", "home_of", "on_host", "place_for", "require_home", "results", "rows_of",
]  # fmt: skip

_COMPUTE = ("numpy", "cupy", "array_api_strict")  # where training is tested; other libraries lend their memory
_ON_GPU = 2  # DLPack's number for the memory of CUDA


def dispatches() -> bool:
    """Whether scikit-learn is set to follow the arrays' library."""
    return bool(get_config()["array_api_dispatch"])


def _is_foreign(x: Any) -> bool:
    """Whether it is an array of another library than NumPy; frames, lists and sparse matrices are not."""
    if isinstance(x, numpy.ndarray | numpy.generic) or not hasattr(x, "__dlpack__"):
        return False
    return bool(is_array_api_obj(x))


def on_host(x: Any) -> Any:
    """Arrays of any library and device as NumPy's; all else as it is.

    Examples
    --------
    >>> on_host([1, 2])
    [1, 2]
    """
    if not _is_foreign(x):
        return x
    if _computes(device_of(x)) or x.__dlpack_device__()[0] != _ON_GPU:
        return to_host(x)
    return to_host(_on_its_gpu(x).xp.from_dlpack(x))


def home_of(x: Any) -> Device | None:
    """Library and device of an array, if scikit-learn is to follow it; None if it is NumPy's or no array."""
    return device_of(x) if dispatches() and _is_foreign(x) else None


def _computes(home: Device) -> bool:
    return home.xp.__name__.removeprefix("array_api_compat.") in _COMPUTE


def _on_its_gpu(x: Array) -> Device:
    return find_device(f"cuda:{x.__dlpack_device__()[1]}")


def place_for(device: str | Device | None, X: Any, home: Device | None, before: Device | None = None) -> Device:
    """The device that computes for rows `X`, asked before any work is done.

    Parameters
    ----------
    device
        The estimator's parameter. None and "auto" follow arrays that have a home.
    X
        The rows.
    home
        See `home_of`.
    before
        Where the model has been until now, if it goes on.

    Raises
    ------
    ValueError
        If `device` is another than that of arrays to be followed.
    DeviceUnavailable
        If it cannot be used.
    """
    if home is None:
        return before if device is None and before is not None else find_device("cpu" if device is None else device)
    lent = not _computes(home)
    own = home if not lent else _on_its_gpu(X) if X.__dlpack_device__()[0] == _ON_GPU else find_device("cpu")
    if device is not None and device != "auto" and find_device(device) != own:
        raise ValueError(
            f"device={find_device(device).name!r} and X on {home.name!r} both say where to compute, since "
            "array_api_dispatch is on: give device=None, or move X"
        )
    return own


def brought(x: Any, home: Device | None, place: Device) -> Any:
    """`x` where it can be computed with: arrays follow `place` if there is a home, else they are NumPy's, which are
    moved later. Sparse matrices, frames and lists stay as they are.
    """
    if home is None or (not _computes(home) and place.name == "cpu"):
        return on_host(x)
    if not _is_foreign(x):
        return place.asarray(x) if isinstance(x, numpy.ndarray) and x.dtype.kind in "biuf" else x
    if namespace_of(x) is place.xp or not hasattr(place.xp, "from_dlpack") or x.__dlpack_device__()[0] != _ON_GPU:
        return place.asarray(on_host(x) if namespace_of(x) is not place.xp else x)
    return place.xp.from_dlpack(x)


def floating_dtypes(x: Any) -> tuple[Any, ...]:
    """float64 and float32 as the library of `x` calls them, as far as its device has them.

    Examples
    --------
    >>> [dtype.__name__ for dtype in floating_dtypes([1.0])]
    ['float64', 'float32']
    """
    if not _is_foreign(x):
        return numpy.float64, numpy.float32
    found = device_of(x)
    there = found.xp.__array_namespace_info__().dtypes(kind="real floating", device=found.array_device)
    return tuple(there[name] for name in ("float64", "float32") if name in there)


def require_home(estimator: Any, X: Any, home: Device | None, method: str) -> None:
    """Raise, as scikit-learn does with dispatch, if rows are of another library or device than those of `fit`.

    Raises
    ------
    ValueError
        Naming both.
    """
    given = home_of(X)
    if not dispatches() or given == home:
        return
    names = ["numpy" if one is None else one.name for one in (home, given)]
    raise ValueError(
        f"Inputs passed to {type(estimator).__name__}.{method}() must use the same namespace and the same device as "
        f"those passed to fit(): that was {names[0]}, these are {names[1]}. Move them, move the estimator by "
        "sklearn.utils._array_api.move_estimator_to(estimator, xp, device), or switch array_api_dispatch off: then "
        "rows are moved by themselves"
    )


def results(value: Any, home: Device | None) -> Any:
    """Results, or a list of them, as arrays of `home`; words stay NumPy's, since no other library has them."""
    if isinstance(value, list):
        return [results(one, home) for one in value]
    if home is None:
        return on_host(value)
    if isinstance(value, numpy.ndarray):
        return home.asarray(numpy.ascontiguousarray(value)) if value.dtype.kind in "biuf" else value
    return value if device_of(value) == home else home.asarray(on_host(value))


def rows_of(x: Any, rows: Any) -> Any:
    """The rows of an array, a sparse matrix or None, chosen by NumPy's integers."""
    if x is None or not _is_foreign(x):
        return None if x is None else x[rows]
    there = device_of(x)
    return there.xp.take(x, there.asarray(rows), axis=0)
