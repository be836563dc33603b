"""Pictures as SVG text: lines, bars, a matrix, points, for a page that opens without a network.

A picture has classes instead of colours (`STYLE` gives these), so that it follows a light or a dark page, and works
as a
file of its own too (`standalone`). All words may come from a stranger's file, and are escaped.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

import numpy

__all__ = ["STYLE", "bars", "columns", "density", "diagonal_points", "lines", "matrix", "short", "standalone", "words"]

WIDTH, HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 14, 46

STYLE = """
svg.chart{display:block;width:100%;height:auto;font:13px system-ui,sans-serif}
.chart text{fill:var(--ink)}.chart .quiet{fill:var(--muted)}.chart .strong{font-weight:600}
.chart .grid{stroke:var(--line);stroke-width:1}.chart .axis{stroke:var(--muted);stroke-width:1}
.chart .line{fill:none;stroke-width:2;stroke-linejoin:round}.chart .dash{stroke-dasharray:5 4}
.chart .a{stroke:var(--a)}.chart .b{stroke:var(--b)}.chart .fill-a{fill:var(--a)}.chart .fill-b{fill:var(--b)}
.chart .edge{stroke:var(--panel);stroke-width:1}.chart .on{fill:var(--panel)}
"""
_LIGHT = "--ink:#1b1f24;--muted:#59636e;--line:#e3e6ea;--panel:#ffffff;--page:#f5f6f8;--a:#1f6fb4;--b:#c75a00"
_DARK = "--ink:#e8eaed;--muted:#9aa4af;--line:#333a42;--panel:#1c2127;--page:#13171b;--a:#6cb0f5;--b:#f2a154"
COLOURS = f":root{{color-scheme:light dark;{_LIGHT}}}\n@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}\n"


def words(text: object, most: int = 200) -> str:
    """Text for a page or a picture: escaped, without control characters, cut where it is too long.

    Examples
    --------
    >>> words("<script>"), words("abcdef", 4)
    ('&lt;script&gt;', 'abc…')
    """
    plain = re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]+", " ", str(text))
    return html.escape(plain if len(plain) <= most else plain[: most - 1] + "…")


def short(value: float) -> str:
    """A number in few letters.

    Examples
    --------
    >>> short(1234567), short(25000), short(0.25), short(1500), short(0.0)
    ('1.23M', '25k', '0.25', '1500', '0')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size <= abs(value) < 1e15:
            return f"{value / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{value:.4g}" if abs(value) >= 1000 else f"{value:.3g}"


def standalone(picture: str) -> str:
    """The picture as the text of a file."""
    style = f"<style>{COLOURS}{STYLE}svg.chart{{background:var(--panel)}}</style>"
    head, end, rest = picture.partition(">")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head} xmlns="http://www.w3.org/2000/svg"{end}{style}{rest}\n'


@dataclass(frozen=True)
class _Axis:
    """From numbers to places along one side of a picture."""

    least: float
    most: float
    start: float
    end: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        known = [float(value) for value in values if isfinite(value)] or [0.0, 1.0]
        least, most = min(known), max(known)
        room = (most - least) * 0.04 or abs(most) * 0.1 or 1.0
        return cls(least - room, most + room, start, end)

    def __call__(self, value: float) -> float:
        share = (value - self.least) / (self.most - self.least)
        return round(self.start + (self.end - self.start) * share, 2)

    def ticks(self, about: int = 5) -> list[float]:
        """Round numbers, about so many."""
        step = (self.most - self.least) / about
        size = 10.0 ** floor(log10(step))
        step = next(size * times for times in (1, 2, 2.5, 5, 10) if size * times >= step * 0.999)
        first, last = ceil(self.least / step - 1e-9), floor(self.most / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def _svg(parts: Sequence[str], title: str, height: float = HEIGHT) -> str:
    label = words(title)
    body = "\n".join(parts)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{label}">\n{body}\n</svg>'


def _text(x: float, y: float, text: object, kind: str = "", anchor: str = "middle", most: int = 40) -> str:
    full = str(text)
    tip = f"<title>{words(full, 400)}</title>" if len(full) > most else ""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{words(full, most)}{tip}</text>'


def _frame(x: _Axis, y: _Axis, x_name: str, y_name: str, *, whole: bool = False) -> list[str]:
    """Grid, ticks and names of both axes."""
    bottom, parts = HEIGHT - _BOTTOM, []
    for value in y.ticks():
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(value):g}" y2="{y(value):g}"/>')
        parts.append(_text(_LEFT - 7, y(value) + 4, short(value), "quiet", "end"))
    for value in x.ticks():
        if not whole or value == int(value):
            parts.append(_text(x(value), bottom + 18, short(value), "quiet"))
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(_text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 8, x_name, "quiet", most=60))
    middle = (_TOP + bottom) / 2
    turned = f'<g transform="rotate(-90 14 {middle:g})">{_text(14, middle, y_name, "quiet", most=40)}</g>'
    return [*parts, turned]


def _axes(x_values: Sequence[float], y_values: Sequence[float]) -> tuple[_Axis, _Axis]:
    return _Axis.around(x_values, _LEFT, WIDTH - _RIGHT), _Axis.around(y_values, HEIGHT - _BOTTOM, _TOP)


def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, x_name: str, y_name: str, title: str,
    mark: tuple[float, float, str] | None = None,
) -> str:  # fmt: skip
    """One or two lines over whole numbers such as epochs, maybe with one point marked."""
    known = {name: [(x, y) for x, y in zip(*pair, strict=True) if isfinite(y)] for name, pair in series.items()}
    points = [point for pairs in known.values() for point in pairs]
    x, y = _axes([point[0] for point in points], [point[1] for point in points])
    parts = _frame(x, y, x_name, y_name, whole=True)
    for (name, pairs), kind in zip(known.items(), "ab", strict=False):
        path = " ".join(f"{x(a):g},{y(b):g}" for a, b in pairs)
        parts.append(f'<polyline class="line {kind}" points="{path}"/>')
        if len(pairs) == 1:
            parts.append(f'<circle class="fill-{kind}" cx="{x(pairs[0][0]):g}" cy="{y(pairs[0][1]):g}" r="3"/>')
        place = WIDTH - _RIGHT - 150
        height = _TOP + 14 + 18 * list(known).index(name)
        if len(known) > 1:
            parts.append(
                f'<line class="line {kind}" x1="{place}" x2="{place + 22}" y1="{height - 4}" y2="{height - 4}"/>'
            )
            parts.append(_text(place + 28, height, name, "", "start"))
    if mark is not None:
        parts.append(f'<circle class="fill-b edge" cx="{x(mark[0]):g}" cy="{y(mark[1]):g}" r="5"/>')
        right = x(mark[0]) > WIDTH * 0.7
        parts.append(_text(x(mark[0]) + (-9 if right else 9), y(mark[1]) - 9, mark[2], "", "end" if right else "start"))
    return _svg(parts, title)


def bars(
    rows: Sequence[tuple[str, float]], *, title: str, spreads: Sequence[tuple[float, float]] = (), unit: str = ""
) -> str:
    """A bar to the right for each row, its value behind it; spreads are thin lines from least to most."""
    space, thick, left = 24, 15, 150
    greatest = max([value for _, value in rows] + [most for _, most in spreads] + [0.0]) or 1.0
    least = min([value for _, value in rows] + [least for least, _ in spreads] + [0.0])
    scale = _Axis(least, greatest, left, WIDTH - 70)
    zero, parts = scale(0.0), []
    for number, (name, value) in enumerate(rows):
        top = 4 + number * space
        start, end = sorted((zero, scale(value)))
        parts.append(_text(left - 8, top + 12, name, "", "end", most=20))
        parts.append(
            f'<rect class="fill-a" x="{start:g}" y="{top}" width="{max(end - start, 1):g}" height="{thick}" rx="2"/>'
        )
        reach = end
        if spreads:
            low, high = scale(spreads[number][0]), scale(spreads[number][1])
            parts.append(f'<line class="axis" x1="{low:g}" x2="{high:g}" y1="{top + 7.5}" y2="{top + 7.5}"/>')
            reach = max(end, high)
        parts.append(_text(reach + 6, top + 12, f"{short(value)}{unit}", "quiet", "start"))
    parts.append(f'<line class="axis" x1="{zero:g}" x2="{zero:g}" y1="0" y2="{len(rows) * space + 2}"/>')
    return _svg(parts, title, len(rows) * space + 6)


def columns(counts: numpy.ndarray, edges: numpy.ndarray, *, x_name: str, title: str) -> str:
    """A histogram."""
    x, y = _axes([edges[0], edges[-1]], [0.0, float(counts.max(initial=1))])
    y = _Axis(0.0, y.most, y.start, y.end)
    parts = _frame(x, y, x_name, "rows")
    for count, left, right in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        width = max(x(right) - x(left) - 0.6, 0.5)
        parts.append(
            f'<rect class="fill-a" x="{x(left):g}" y="{y(count):g}" width="{width:g}" height="{y(0) - y(count):g}"/>'
        )
    return _svg(parts, title)


def density(x_values: numpy.ndarray, y_values: numpy.ndarray, *, x_name: str, y_name: str, title: str) -> str:
    """Where points are, in squares that are the darker the more there are, and the diagonal."""
    both = numpy.concatenate([x_values, y_values])
    least, most = (float(value) for value in numpy.quantile(both, [0.001, 0.999]))
    if not most > least:
        least, most = float(both.min()) - 1, float(both.max()) + 1
    x, y = _axes([least, most], [least, most])
    cells = 40
    place_x = numpy.clip(((x_values - least) / (most - least) * cells).astype(int), 0, cells - 1)
    place_y = numpy.clip(((y_values - least) / (most - least) * cells).astype(int), 0, cells - 1)
    counts = numpy.bincount(place_x * cells + place_y, minlength=cells * cells).reshape(cells, cells)
    parts = _frame(x, y, x_name, y_name)
    step = (most - least) / cells
    for a, b in zip(*(axis.tolist() for axis in numpy.nonzero(counts)), strict=True):
        left, top = x(least + a * step), y(least + (b + 1) * step)
        width, height = x(least + (a + 1) * step) - left, y(least + b * step) - top
        strength = 0.15 + 0.85 * numpy.log1p(counts[a, b]) / numpy.log1p(counts.max())
        parts.append(
            f'<rect class="fill-a" x="{left:g}" y="{top:g}" width="{width:.2f}" height="{height:.2f}" '
            f'fill-opacity="{strength:.2f}"/>'
        )
    parts.append(_diagonal(x, y, least, most))
    return _svg(parts, title)


def _diagonal(x: _Axis, y: _Axis, least: float, most: float) -> str:
    return f'<line class="line b dash" x1="{x(least):g}" y1="{y(least):g}" x2="{x(most):g}" y2="{y(most):g}"/>'


def diagonal_points(
    points: Sequence[tuple[float, float, float]], *, x_name: str, y_name: str, title: str,
    span: tuple[float, float] | None = None,
) -> str:  # fmt: skip
    """Points (x, y, weight) that lie on the diagonal if all is well; those of more weight are larger."""
    values = [value for point in points for value in point[:2]] if span is None else list(span)
    x, y = _axes(values, values)
    least, most = min(values, default=0.0), max(values, default=1.0)
    parts = [*_frame(x, y, x_name, y_name), _diagonal(x, y, least, most)]
    heaviest = max((point[2] for point in points), default=1.0)
    path = " ".join(f"{x(a):g},{y(b):g}" for a, b, _ in points)
    parts.append(f'<polyline class="line a" points="{path}"/>')
    for a, b, weight in points:
        radius = 2.5 + 5 * (weight / heaviest) ** 0.5
        tip = f"<title>{words(f'{short(a)}: {short(b)}, {weight:g} rows')}</title>"
        parts.append(f'<circle class="fill-a edge" cx="{x(a):g}" cy="{y(b):g}" r="{radius:.1f}">{tip}</circle>')
    return _svg(parts, title)


def matrix(counts: numpy.ndarray, names: Sequence[str], *, title: str) -> str:
    """A square of counts, rows being what is true and columns what was predicted; colour is the share of the row."""
    left, top, size = 120, 74, (WIDTH - 134) / len(names)
    size = min(size, 90.0)
    parts = [
        _text(left + size * len(names) / 2, 14, "predicted", "quiet"),
        f'<g transform="rotate(-90 12 {top + size * len(names) / 2:g})">'
        + _text(12, top + size * len(names) / 2, "true", "quiet")
        + "</g>",
    ]
    for place, name in enumerate(names):
        middle = size * (place + 0.5)
        turned = f'<g transform="translate({left + middle:g} {top - 8}) rotate(-35)">'
        parts.append(turned + _text(0, 0, name, "", "start", most=9) + "</g>")
        parts.append(_text(left - 8, top + middle + 4, name, "", "end", most=12))
    totals = numpy.maximum(counts.sum(axis=1), 1)
    for a in range(len(names)):
        for b in range(len(names)):
            share = counts[a, b] / totals[a]
            kind = "fill-a" if a == b else "fill-b"
            corner = f'x="{left + b * size:g}" y="{top + a * size:g}" width="{size:g}" height="{size:g}"'
            tip = words(f"true {names[a]}, predicted {names[b]}: {counts[a, b]} rows, {share:.1%} of {names[a]}")
            parts.append(
                f'<g><title>{tip}</title><rect class="grid" fill="none" {corner}/>'
                f'<rect class="{kind}" {corner} fill-opacity="{0.08 + 0.82 * share if counts[a, b] else 0:.2f}"/>'
            )
            if size >= 30:
                on = "on strong" if share > 0.6 else ""
                parts.append(_text(left + (b + 0.5) * size, top + (a + 0.5) * size + 4, short(counts[a, b]), on))
            parts.append("</g>")
    return _svg(parts, title, top + size * len(names) + 8)
