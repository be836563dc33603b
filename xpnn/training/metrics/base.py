"""What a metric is that sees its data in parts: it adds up on the device, and is read once.

    metric.start()
    for y, t in batches:
        metric.update(y, t)      # a few array operations; nothing waits for the device
    metric.result()              # the one look

The mean of the numbers of batches is not the number of all rows: a last small batch would count too much, and the
precision of a batch or the area under its curve is not even a mean. So what adds up is kept: sums of hits, of squared
errors, counts of a confusion matrix (`MetricOfSums`); and where an order of all rows decides, the rows themselves
(`MetricOfRows`). Sums are float64, on devices without it float32.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import groupby
from typing import Any, TypeAlias

import numpy

from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import Array, Namespace, array_device, namespace_of
from xpnn.arrays.native import to_host

__all__ = ["Metric", "MetricOfRows", "MetricOfSums", "Number", "weights_of", "wide"]

Number: TypeAlias = "float | numpy.ndarray"


class Metric(ABC):
    """A number that people read, of predictions and targets that come in parts.

    `Trainer(metrics={"name": metric})` takes one, or a function of all predictions and targets. To write your own take
    `MetricOfSums` or `MetricOfRows`, which need two methods.
    """

    @abstractmethod
    def start(self) -> None:
        """Forget all that was added."""

    @abstractmethod
    def update(self, y: Array, t: Array, sample_weight: Array | None = None) -> None:
        """Add predictions `y` and targets `t`, arrays of one device with a row per item; the device is not waited for.

        `sample_weight` has one weight of 0 or more per row, shape (n,).
        """

    @abstractmethod
    def result(self) -> Number:
        """The number for all that was added, read from the device: a float, or a NumPy array of several."""

    @abstractmethod
    def state(self) -> dict[str, Array]:
        """What was added, by name, for a checkpoint: arrays that nothing writes to afterwards, on any device."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from what `state` gave, with arrays of any device."""


class MetricOfSums(Metric):
    """A metric that is a function of sums over items: write `sums` and `of_sums`.

    Examples
    --------
    >>> class Bias(MetricOfSums):
    ...     def sums(self, y, t, w):
    ...         return {"error": namespace_of(y).sum(y - t), "items": y.shape[0]}
    ...
    ...     def of_sums(self, sums):
    ...         return float(sums["error"] / sums["items"])
    >>> bias = Bias()
    >>> bias.update(numpy.asarray([1.0, 2.0]), numpy.asarray([0.0, 0.0]))
    >>> bias.update(numpy.asarray([0.0]), numpy.asarray([0.0]))
    >>> bias.result()
    1.0
    """

    def __init__(self) -> None:
        self._sums: dict[str, Any] = {}

    @abstractmethod
    def sums(self, y: Array, t: Array, w: Array | None) -> dict[str, Any]:
        """What these items add, by name: arrays of the device, or numbers that shapes tell.

        `w` are weights of the rows in float64, or None. No array may become a Python number here.
        """

    @abstractmethod
    def of_sums(self, sums: dict[str, Any]) -> Number:
        """The metric, of the sums over all items, NumPy arrays or numbers."""

    def start(self) -> None:
        self._sums = {}

    def update(self, y: Array, t: Array, sample_weight: Array | None = None) -> None:
        w = weights_of(type(self).__name__, y, sample_weight)
        if _has_no_rows(y):
            return
        added = self.sums(y, t, w)
        self._sums = {name: _added(self._sums[name], x) for name, x in added.items()} if self._sums else added

    def result(self) -> Number:
        _require_some(self, self._sums)
        return self.of_sums({name: _on_host(x) for name, x in self._sums.items()})

    def state(self) -> dict[str, Array]:  # sums are replaced, never written to, so they need no copies
        return {name: x if hasattr(x, "dtype") else numpy.asarray(x) for name, x in self._sums.items()}

    def load_state(self, state: Mapping[str, Array]) -> None:
        self._sums = dict(state)


class MetricOfRows(Metric):
    """A metric that needs rows of all parts side by side: write `rows` and `of_rows`.

    It keeps what `rows` gives on the device, so keep little: a score rather than an image.

    Examples
    --------
    >>> class MedianError(MetricOfRows):
    ...     def rows(self, y, t, w):
    ...         return {"error": abs(y - t)}
    ...
    ...     def of_rows(self, rows):
    ...         return float(numpy.median(rows["error"]))
    >>> median = MedianError()
    >>> median.update(numpy.asarray([1.0, 2.0]), numpy.asarray([0.0, 0.0]))
    >>> median.update(numpy.asarray([7.0]), numpy.asarray([0.0]))
    >>> median.result()
    2.0
    """

    def __init__(self) -> None:
        self._parts: dict[str, list[Array]] = {}

    @abstractmethod
    def rows(self, y: Array, t: Array, w: Array | None) -> dict[str, Array]:
        """What to keep of these items, by name: arrays of the device, to be joined along their first axis.

        They are kept as they are: copy what others may write to. `w` are weights of the rows in float64, or None. No
        array may become a Python number here.
        """

    @abstractmethod
    def of_rows(self, rows: dict[str, Any]) -> Number:
        """The metric, of what was kept of all items, NumPy arrays."""

    def start(self) -> None:
        self._parts = {}

    def update(self, y: Array, t: Array, sample_weight: Array | None = None) -> None:
        w = weights_of(type(self).__name__, y, sample_weight)
        if _has_no_rows(y):
            return
        kept = self.rows(y, t, w)
        if self._parts and self._parts.keys() != kept.keys():
            raise ValueError(
                f"{type(self).__name__} expected each update to give the same (weights each time, or never), got "
                f"{', '.join(kept)} after {', '.join(self._parts)}"
            )
        for name, part in kept.items():
            self._parts.setdefault(name, []).append(part)

    def result(self) -> Number:
        _require_some(self, self._parts)
        return self.of_rows(self.state())

    def state(self) -> dict[str, Array]:
        self._parts = {name: [_joined(parts)] for name, parts in self._parts.items()}
        return {name: whole for name, (whole,) in self._parts.items()}

    def load_state(self, state: Mapping[str, Array]) -> None:
        self._parts = {name: [x] for name, x in state.items()}


def _has_no_rows(y: Array) -> bool:
    return hasattr(y, "shape") and y.shape[:1] == (0,)  # several outputs, a tuple or a dictionary, have no shape


def wide(x: Array) -> Array:
    """`x` in float64, or float32 where its device has no float64; `x` itself if it is so."""
    xp, device = namespace_of(x), array_device(x)
    key = xp, str(device)  # CuPy's device objects cannot be hashed
    dtype = _WIDEST.get(key)
    if dtype is None:
        known = xp.__array_namespace_info__().dtypes(device=device, kind="real floating")
        dtype = _WIDEST[key] = known.get("float64", known["float32"])
    return xp.astype(x, dtype, copy=False)


_WIDEST: dict[tuple[Namespace, str], Any] = {}


def weights_of(who: str, y: Array, sample_weight: Array | None) -> Array | None:
    """`sample_weight` in float64, if one per row of `y`.

    Raises
    ------
    ValueError
        If they are not.
    """
    if sample_weight is None:
        return None
    namespace_of(sample_weight)
    rows = y.shape[:1] if hasattr(y, "shape") else sample_weight.shape[:1]
    if sample_weight.shape != rows:
        raise ValueError(f"{who} expected sample_weight of shape {rows}, got {sample_weight.shape}")
    return wide(sample_weight)


_OF_NUMPY = (numpy.ndarray, numpy.generic)


def _added(old: Any, new: Any) -> Any:
    """The sum of arrays or numbers; what was loaded from a file goes where the new ones are."""
    if not (hasattr(old, "dtype") and hasattr(new, "dtype")):
        return old + new
    if not (isinstance(old, _OF_NUMPY) and isinstance(new, _OF_NUMPY)) and (
        type(old) is not type(new) or array_device(old) != array_device(new)
    ):
        old = device_of(new).asarray(old)
    if old.dtype != new.dtype:  # counts without weights, and with
        old, new = wide(old), wide(new)
    return old + new


def _joined(parts: list[Array]) -> Any:
    """All parts in order, in a NumPy array; those of a device are joined there, so as to be read at once."""
    groups = [list(group) for _, group in groupby(parts, key=type)]
    read = [to_host(g[0] if len(g) == 1 else namespace_of(*g).concat(g, axis=0)) for g in groups]
    return read[0] if len(read) == 1 else numpy.concatenate(read)


def _on_host(x: Any) -> Any:
    return to_host(x) if hasattr(x, "dtype") else x


def _require_some(metric: Metric, added: Mapping[str, Any]) -> None:
    if not added:
        raise ValueError(f"{type(metric).__name__} expected an update before its result")
