"""Pooling: one number for each window, its largest or its mean. Images get smaller, and small shifts count less.

Here is what pools of both kinds need: their options, checked, and the way over the windows. Windows move by their own
size unless `stride` says otherwise. All goes tap by tap over slices of the input (see `windows`), in parts that fit
into a cache.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from xpnn.arrays.namespaces import Array
from xpnn.nn.building import require_floating_input
from xpnn.nn.module import Module
from xpnn.nn.windows import Lengths, Window, blocks, counts, described, taps, with_items

__all__ = ["Counts", "Pool", "items_of", "outputs_of", "parts", "window_of"]

Counts: TypeAlias = int | tuple[int, ...]


def window_of(who: str, axes: int, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Window:
    """The window of these options.

    Raises
    ------
    ValueError
        If an option is no such number.
    """
    kernel = counts(who, "kernel_size", kernel, axes)
    stride = kernel if stride is None else counts(who, "stride", stride, axes)
    pads = counts(who, "padding", padding, axes, least=0)
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        raise ValueError(f"{who} expected padding of at most half of kernel_size, {kernel}, got {pads}")
    return Window(kernel, stride, tuple((p, p) for p in pads), counts(who, "dilation", dilation, axes))


def items_of(who: str, x: Array, axes: int) -> Array:
    """`x`, if it is one of these images or so many, with the axis of items."""
    require_floating_input(who, x)
    return with_items(who, x, axes)


def outputs_of(who: str, x: Array, window: Window, ceil_mode: bool) -> Lengths:
    """How many windows there are along each axis, with `ceil_mode` also one that is only partly inside.

    Raises
    ------
    ValueError
        If there is none.
    """
    lengths = x.shape[x.ndim - len(window.kernel) :]
    outputs = window.outputs(lengths, partial=ceil_mode)
    if min(outputs) < 1 or 0 in lengths:
        raise ValueError(
            f"{who} expected an input at least as large as its window, {described(window.spans())}, "
            f"got lengths {lengths}"
        )
    return outputs


def parts(x: Array, window: Window, outputs: Lengths) -> Any:
    """For some items at a time, tap by tap: slices of `x`, and of the windows that have the tap inside."""
    every = slice(None)
    for items, ranges in blocks(x, x.shape[0], outputs, x.shape[1]):
        origin = [start for start, _ in ranges]
        for _, inputs, those in taps(window, x.shape[2:], ranges):
            shifted = (slice(s.start + a, s.stop + a) for s, a in zip(those, origin, strict=True))
            yield (items, every, *inputs), (items, every, *shifted)


class Pool(Module):
    """What the layers share: the options, in the order in which `repr` shows them."""

    _axes: int

    def _set(self, kernel_size: Counts, stride: Counts | None, padding: Counts, **options: Any) -> None:
        who = type(self).__name__
        dilation = options.get("dilation", 1)
        window = window_of(who, self._axes, kernel_size, stride, padding, dilation)
        self.kernel_size, self.stride = window.kernel, window.stride
        self.padding, self.dilation = tuple(p for p, _ in window.padding), window.dilation
        self.options = {key: value for key, value in options.items() if key != "dilation"}

    def describe(self) -> str:
        shown = [described(self.kernel_size)]
        shown += [f"stride={described(self.stride)}"] if self.stride != self.kernel_size else []
        shown += [f"padding={described(self.padding)}"] if any(self.padding) else []
        shown += [f"dilation={described(self.dilation)}"] if set(self.dilation) != {1} else []
        return ", ".join(shown + [f"{key}={value}" for key, value in self.options.items() if value is not _USUAL[key]])


_USUAL = {"ceil_mode": False, "return_indices": False, "count_padding": True, "divisor": None}
