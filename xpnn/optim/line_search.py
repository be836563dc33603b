"""Line search: how far to go along a direction, so that the loss falls enough and its slope flattens out.

    value(t) ≤ value(0) + 1e-4 t slope(0),    |slope(t)| ≤ 0.9 |slope(0)|

These are Wolfe's strong conditions. First t grows until a stretch is found that must hold such a place: its end is too
high, or leads up. Then the stretch is narrowed down, each time to where the cubic through both ends is lowest. Nocedal
and Wright, Numerical optimization (2006), algorithms 3.5 and 3.6.
"""

from __future__ import annotations

from math import isfinite, sqrt
from typing import NamedTuple, Protocol

from xpnn.arrays.namespaces import Array, namespace_of

__all__ = ["Line", "Point", "dot", "largest"]

DECREASE, CURVATURE = 1e-4, 0.9  # as Nocedal and Wright recommend for quasi-Newton methods


class Loss(Protocol):
    """The loss as a function of one vector, which counts its evaluations."""

    evaluations: int

    def at(self, x: Array) -> tuple[float, Array]: ...


class Point(NamedTuple):
    """A place along the direction: how far, the loss there, its slope along the direction, and its gradient."""

    t: float
    value: float
    slope: float
    gradient: Array


class Line:
    """The search along one direction for a length that satisfies Wolfe's strong conditions."""

    def __init__(self, work: Loss, x: Array, direction: Array, evaluations: int, tolerance: float) -> None:
        self.work, self.x, self.direction, self.evaluations = work, x, direction, evaluations
        self.smallest = tolerance / largest(direction)

    def at(self, t: float) -> Point:
        value, gradient = self.work.at(self.x + t * self.direction)
        return Point(t, value, dot(gradient, self.direction), gradient)

    def search(self, start: Point, t: float) -> Point:
        """A point good enough, or the best that was met (algorithm 3.5)."""
        before = start
        while True:
            point = self.at(t)
            if self._too_high(start, point) or (before.t > 0 and point.value >= before.value):
                return self._zoom(start, before, point)
            if abs(point.slope) <= -CURVATURE * start.slope or self._spent():
                return point
            if point.slope >= 0:
                return self._zoom(start, point, before)
            t = min(max(_lowest(before, point), 1.1 * t), 10 * t)
            before = point

    def _zoom(self, start: Point, low: Point, high: Point) -> Point:
        """A point between two, of which `low` is the lower one (algorithm 3.6)."""
        while abs(high.t - low.t) > self.smallest and not self._spent():
            margin = 0.1 * abs(high.t - low.t)
            ends = sorted((low.t, high.t))
            point = self.at(min(max(_lowest(low, high), ends[0] + margin), ends[1] - margin))
            if self._too_high(start, point) or point.value >= low.value:
                high = point
                continue
            if abs(point.slope) <= -CURVATURE * start.slope:
                return point
            if point.slope * (high.t - low.t) >= 0:
                high = low
            low = point
        return low

    def _too_high(self, start: Point, point: Point) -> bool:
        """Also where the loss is not finite."""
        return not point.value <= start.value + DECREASE * point.t * start.slope

    def _spent(self) -> bool:
        return self.work.evaluations >= self.evaluations


def _lowest(a: Point, b: Point) -> float:
    """Where the cubic through values and slopes of two points is lowest (equation 3.59); the middle if nowhere."""
    middle = 0.5 * (a.t + b.t)
    d = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
    inside = d * d - a.slope * b.slope
    if not isfinite(inside) or inside < 0:
        return middle
    root = sqrt(inside) if b.t > a.t else -sqrt(inside)
    below = b.slope - a.slope + 2 * root
    return b.t - (b.t - a.t) * (b.slope + root - d) / below if below else middle


def dot(a: Array, b: Array) -> float:
    """The product of two vectors, as a number."""
    return float(namespace_of(a, b).vecdot(a, b))


def largest(x: Array) -> float:
    """The largest magnitude in `x`, as a number."""
    xp = namespace_of(x)
    return float(xp.max(xp.abs(x)))
