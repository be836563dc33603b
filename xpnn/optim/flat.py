"""Parameters in one flat array, so that an update runs once per step and not once per parameter.

The parameters of a group lie side by side in one buffer, each starting at a multiple of 256 bytes (which suits caches
and GPUs), and the model's attributes are views into it. What an update writes into the buffer is at once in the
model, and what is loaded into the model is at once in the buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of, require_writable

__all__ = ["FlatLayout"]

ALIGNMENT = 256  # bytes


class FlatLayout:
    """Where arrays of given shapes lie in one buffer of one dtype on one device."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        first = arrays[0]
        self.xp = namespace_of(*arrays)
        require_writable(self.xp, "an optimizer")
        self.dtype, self.device = first.dtype, first.device
        self.shapes = [array.shape for array in arrays]
        unit = ALIGNMENT * 8 // self.xp.finfo(self.dtype).bits
        self.starts = [0]
        for shape in self.shapes:
            self.starts.append(self.starts[-1] + -(-prod(shape) // unit) * unit)

    def zeros(self, length: int | None = None) -> Array:
        """A buffer of this layout (or of another length), with zeros."""
        return self.xp.zeros(self.starts[-1] if length is None else length, dtype=self.dtype, device=self.device)

    def views(self, buffer: Array) -> list[Array]:
        """The parts of `buffer`, in their shapes, sharing its memory."""
        xp = namespace_of(buffer)  # a recorded step's, maybe
        return [
            xp.reshape(buffer[start : start + prod(shape)], shape, copy=False)
            for start, shape in zip(self.starts, self.shapes, strict=False)
        ]


def write(views: Sequence[Any], arrays: Sequence[Array]) -> None:
    """Write each array into its view."""
    for view, array in zip(views, arrays, strict=True):
        view[...] = array
