"""CuPy's namespace, without two detours of array-api-compat's for which the host waits.

array-api-compat gives CuPy the standard's functions. Its `clip` picks elements by a mask, and its `sign` writes NaN
and, of complex numbers, 0 by one. For a mask the host waits until the device has counted it, so that no CUDA graph
can hold such a call. Here both choose element by element.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

__all__ = ["gpu_namespace"]


@cache
def gpu_namespace(compat: ModuleType) -> ModuleType:
    """The namespace over `array_api_compat.cupy`, whose name it has; the same object each time."""
    return _CupyNamespace(compat)


class _CupyNamespace(ModuleType):
    def __init__(self, compat: ModuleType) -> None:
        super().__init__(compat.__name__, compat.__doc__)
        self._compat = compat

    def __getattr__(self, name: str) -> Any:
        if name == "_compat":  # of a copy that is not filled yet
            raise AttributeError(name)
        found = getattr(self._compat, name)
        setattr(self, name, found)
        return found

    def __dir__(self) -> list[str]:
        return dir(self._compat)

    def clip(self, x: Any, /, min: Any = None, max: Any = None) -> Any:
        """`x` kept between `min` and `max`, in its dtype; NaN stays, and a bound that is NaN gives NaN.

        Bounds of another dtype are brought to that of `x` first, as array-api-compat does.
        """
        xp = self._compat
        shape = xp.broadcast_shapes(x.shape, *(bound.shape for bound in (min, max) if hasattr(bound, "shape")))
        y = xp.broadcast_to(x, shape) if x.shape != shape else x
        if min is not None and not self._holds(x, min, lowest=True):
            y = xp.maximum(y, self._bound(x, min))
        if max is not None and not self._holds(x, max, lowest=False):
            y = xp.minimum(y, self._bound(x, max))
        return y if y is not x and y.dtype == x.dtype else xp.astype(y, x.dtype)

    def _holds(self, x: Any, bound: Any, *, lowest: bool) -> bool:
        """Whether a whole number bounds nothing, being beyond those of the dtype."""
        if type(bound) is not int or not self._compat.isdtype(x.dtype, "integral"):
            return False
        info = self._compat.iinfo(x.dtype)
        return bool(bound <= info.min if lowest else bound >= info.max)

    def _bound(self, x: Any, bound: Any) -> Any:
        if isinstance(bound, int | float):
            whole = self._compat.isdtype(x.dtype, "integral")
            return int(bound) if whole else bound  # numbers beside arrays have no dtype
        return self._compat.astype(self._compat.asarray(bound), x.dtype, copy=False)

    def sign(self, x: Any, /) -> Any:
        """-1, 0 or 1, of NaN NaN; of a complex number that of absolute value 1 in its direction."""
        xp = self._compat
        if xp.isdtype(x.dtype, "complex floating"):
            length = xp.abs(x)
            return xp.where(length == 0, x * 0, x / xp.where(length == 0, xp.ones_like(length), length))
        if xp.isdtype(x.dtype, "real floating"):
            return xp.where(x > 0, 1, xp.where(x < 0, -1, x + 0))
        return xp.sign(x)
