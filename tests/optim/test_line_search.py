"""The line search: the place that it finds satisfies Wolfe's strong conditions, or is the best that it met."""

import numpy
import pytest

from xpnn.optim.line_search import CURVATURE, DECREASE, Line, Point, dot


class Loss:
    """A function of one vector and its gradient, by name."""

    def __init__(self, value, gradient):
        self.value, self.gradient, self.evaluations = value, gradient, 0

    def at(self, x):
        self.evaluations += 1
        return float(self.value(x)), self.gradient(x)


BOWL = (lambda x: x @ x, lambda x: 2 * x)
WAVES = (lambda x: numpy.sum(x**2 + numpy.sin(5 * x)), lambda x: 2 * x + 5 * numpy.cos(5 * x))
WALL = (  # not finite beyond 0.3
    lambda x: numpy.sum(x**2) - 1e-3 * numpy.log(0.3 + x[0]) if x[0] > -0.3 else numpy.inf,
    lambda x: 2 * x - 1e-3 * numpy.asarray([1 / (0.3 + x[0]), 0.0]) if x[0] > -0.3 else numpy.full(2, numpy.nan),
)


def searched(functions, first, evaluations=50):
    """The start, the point that was found going from (1, -2) against the gradient, and how often the loss was taken."""
    loss, x = Loss(*functions), numpy.asarray([1.0, -2.0])
    value, gradient = loss.at(x)
    direction = -gradient
    start = Point(0.0, value, dot(gradient, direction), gradient)
    loss.evaluations = 0
    return start, Line(loss, x, direction, evaluations, 1e-9).search(start, first), loss.evaluations


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 100.0])
@pytest.mark.parametrize("functions", [BOWL, WAVES, WALL], ids=["a bowl", "waves", "a wall"])
def test_finds_a_place_that_satisfies_wolfes_conditions(functions, first):
    start, found, _ = searched(functions, first)
    assert found.value <= start.value + DECREASE * found.t * start.slope
    assert abs(found.slope) <= -CURVATURE * start.slope


def test_a_good_first_length_is_taken_at_once():
    _, found, evaluations = searched(BOWL, 0.5)  # the middle of the bowl
    assert (found.t, found.value, evaluations) == (0.5, 0.0, 1)


def test_without_evaluations_left_the_best_so_far_is_taken():
    start, found, evaluations = searched(BOWL, 100.0, evaluations=2)
    assert evaluations <= 3
    assert found.value <= start.value
