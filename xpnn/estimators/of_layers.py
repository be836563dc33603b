"""The lists `coefs_` and `intercepts_`, whose items can be set: scikit-learn's predict with what its lists hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["OfLayers"]


class OfLayers(list[Any]):
    """An array of each layer. One that is set, or a slice of them, is written into the network, in place.

    Parameters
    ----------
    arrays
        What the network has.
    estimator, name
        Whose attribute of which name this is. Copies and pickles are plain lists, which nobody predicts with.

    Raises
    ------
    ValueError
        When set, if shapes or the number of layers do not fit; nothing is then changed.
    """

    def __init__(self, arrays: Iterable[Any], estimator: Any, name: str) -> None:
        super().__init__(arrays)
        self._estimator, self._name = estimator, name

    def __setitem__(self, place: Any, value: Any) -> None:
        arrays = list(getattr(self._estimator, self._name))
        arrays[place] = value
        setattr(self._estimator, self._name, arrays)
        super().__setitem__(slice(None), getattr(self._estimator, self._name))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return list, (list(self),)
