"""Figures as text: medians, quartiles, and columns under one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

__all__ = ["Summary", "aligned", "number", "spread", "summary"]

Summary = dict[str, float]
"""The 'median' of some figures, and their first and third quartile, 'q1' and 'q3'."""


def summary(figures: Sequence[float]) -> Summary:
    q1, median, q3 = numpy.quantile(figures, [0.25, 0.5, 0.75])
    return {"median": float(median), "q1": float(q1), "q3": float(q3)}


def number(value: float) -> str:
    """Three digits or more: 0.123, 12.3, 1234."""
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{decimals}f}"


def spread(figures: Summary) -> str:
    return f"{number(figures['q1'])} to {number(figures['q3'])}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """The rows as lines: the first column to the left, the others to the right, as wide as the widest."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
