"""Batches by row numbers, from the trees of inputs, targets and weights that a loader was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from xpnn.arrays.tree import flatten
from xpnn.training.collating import Batch, item_of
from xpnn.training.order import weights
from xpnn.training.sources import Source, is_several, source_of

__all__ = ["Rows"]

Collate = Callable[[list[Any]], Batch]


class Rows:
    """`x`, `t` and `w`, each row of which can be asked for by its number.

    Where all are arrays, a batch is what is taken from each. Where one is a sequence of samples, or `collate` is given,
    a batch is `collate` of the list of its samples.
    """

    def __init__(self, x: Any, t: Any, w: Any, collate: Collate | None, default: Collate, *, ragged: bool) -> None:
        self._sources: list[Source] = []
        names: list[str] = []

        def numbered(name: str, data: Any) -> Any:
            """The tree with the numbers of the sources at its leaves."""
            if isinstance(data, dict):
                return {key: numbered(f"{name}[{key!r}]", part) for key, part in data.items()}
            if isinstance(data, tuple) or (is_several(data) and not ragged):
                parts = [numbered(f"{name}[{n}]", part) for n, part in enumerate(data)]
                return tuple(parts) if isinstance(data, tuple) else parts
            self._sources.append(source_of(name, data))
            names.append(name)
            return len(self._sources) - 1

        parts = (numbered("x", x), None if t is None else numbered("t", t))
        _, self._rebuild = flatten(parts if w is None else (*parts, numbered("sample_weight", w)))
        self._weighted = w is not None
        if not flatten(parts[0])[0]:
            raise ValueError("x holds no arrays")
        self.count = len(self._sources[0])
        for name, source in zip(names, self._sources, strict=True):
            if len(source) != self.count:
                raise ValueError(
                    f"expected as many rows in {name} as in {names[0]}, {self.count}, got {len(source)}"
                    + (": a list of arrays is several inputs; if each is one item, pass Samples(list)" * is_several(x))
                )
        if w is not None:
            weights("sample_weight", w, self.count)
        sizes = [source.bytes_per_row for source in self._sources]
        self.are_arrays = all(source.gives_arrays for source in self._sources) and collate is None
        self.bytes_per_row = None if None in sizes else sum(size for size in sizes if size is not None)
        self._collate = collate or default
        self._are_whole_samples = t is None and isinstance(parts[0], int) and not self._sources[0].gives_arrays

    def take(self, rows: numpy.ndarray) -> Batch:
        """The batch of these rows, arrays of its own."""
        parts = [source.take(rows) for source in self._sources]
        if self.are_arrays:
            batch: Batch = self._rebuild(parts)
            return batch
        return self._collate([self._sample([part[n] for part in parts]) for n in range(len(rows))])

    def _sample(self, parts: list[Any]) -> Any:
        if not self._are_whole_samples:
            return self._rebuild(parts)
        return (*item_of(parts[0]), *parts[1:]) if self._weighted else parts[0]

    def expect(self, now: Sequence[slice], soon: Sequence[slice]) -> None:
        """Rows that are wanted next, and those after these."""
        for source in self._sources:
            source.expect(now, soon)
