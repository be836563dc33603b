"""What preprocessing makes of a table: a matrix of numbers and a matrix of codes, with the names of their columns."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace

import numpy

__all__ = ["Features"]


@dataclass(frozen=True, eq=False)
class Features:
    """Inputs for a network, as `Preprocessing.transform` gives them.

    Attributes
    ----------
    numeric : numpy.ndarray
        Shape (n, p), float32 unless `transform` was asked for float64, all finite.
    codes : numpy.ndarray
        Shape (n, c), int64: in each column from 0 ("other") to its number of categories less 1.
    categories : tuple of int
        How many categories each column of `codes` has: what `xpnn.nn.CategoricalEmbedding` asks for.
    names : tuple of str
        Of the columns of `numeric`, as "age", "age missing", "city=Rome".
    sources : tuple of str
        For each column of `numeric` the column of the table that it comes from.
    code_names : tuple of str
        For each column of `codes` the column of the table.
    levels : tuple of tuples
        For each column of `codes` what the codes 1, 2, … mean, the most frequent first; None is a missing value.

    Examples
    --------
    >>> from xpnn.tables.preprocessing import Preprocessing
    >>> frame = {"size": [1.0, 2.0, 3.0], "city": ["Rome", "Oslo", "Bern"]}
    >>> features = Preprocessing(scaling="none", one_hot_up_to=0).fit(frame).transform(frame)
    >>> features.codes.tolist(), features.categories, features.levels
    ([[3], [2], [1]], (4,), (('Bern', 'Oslo', 'Rome'),))
    >>> features.matrix().tolist()
    [[1.0, 0.0, 0.0, 1.0], [2.0, 0.0, 1.0, 0.0], [3.0, 1.0, 0.0, 0.0]]
    >>> features.matrix_names()
    ('size', 'city=Bern', 'city=Oslo', 'city=Rome')
    """

    numeric: numpy.ndarray
    codes: numpy.ndarray
    categories: tuple[int, ...]
    names: tuple[str, ...]
    sources: tuple[str, ...]
    _: KW_ONLY
    code_names: tuple[str, ...]
    levels: tuple[tuple[str | None, ...], ...]

    def __len__(self) -> int:
        return len(self.numeric)

    def matrix(self, *, most_levels: int | None = None) -> numpy.ndarray:
        """All of it as one matrix, of the dtype of `numeric`: that, then a column of 0 and 1 for each level of codes.

        Parameters
        ----------
        most_levels
            So many of the most frequent levels of each column have one; None: all. "Other" is 0 in all of them.
        """
        shown = self._shown(most_levels)
        out = numpy.zeros((len(self), self.numeric.shape[1] + sum(shown)), dtype=self.numeric.dtype)
        out[:, : self.numeric.shape[1]] = self.numeric
        start = self.numeric.shape[1]
        for column, width in enumerate(shown):
            codes = self.codes[:, column]
            rows = numpy.flatnonzero((codes > 0) & (codes <= width))
            out[rows, start + codes[rows] - 1] = 1
            start += width
        return out

    def matrix_names(self, *, most_levels: int | None = None) -> tuple[str, ...]:
        """The names of the columns of `matrix`."""
        return self.names + tuple(
            level_name(name, level)
            for name, levels, width in zip(self.code_names, self.levels, self._shown(most_levels), strict=True)
            for level in levels[:width]
        )

    def take(self, rows: numpy.ndarray) -> Features:
        """These rows: places, or a bool for each row."""
        return replace(self, numeric=self.numeric[rows], codes=self.codes[rows])

    def permuted(self, source: str, order: numpy.ndarray) -> Features:
        """With the values of one column of the table taken from rows `order`: as if the table had been changed so.

        Raises
        ------
        ValueError
            If nothing comes from that column.
        """
        numbers = [n for n, name in enumerate(self.sources) if name == source]
        codes = [n for n, name in enumerate(self.code_names) if name == source]
        if not numbers and not codes:
            used = list(dict.fromkeys(self.sources + self.code_names))
            raise ValueError(f"no feature comes from a column {source!r}, only from {used}")
        changed = replace(self, numeric=self.numeric.copy(), codes=self.codes.copy())
        changed.numeric[:, numbers] = self.numeric[order][:, numbers]
        changed.codes[:, codes] = self.codes[order][:, codes]
        return changed

    def _shown(self, most: int | None) -> list[int]:
        return [count - 1 if most is None else min(most, count - 1) for count in self.categories]


def level_name(name: str, level: str | None) -> str:
    """The name of a column for one level.

    Examples
    --------
    >>> level_name("city", "Rome"), level_name("city", None)
    ('city=Rome', 'city missing')
    """
    return f"{name} missing" if level is None else f"{name}={level}"
