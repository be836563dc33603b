"""Of several quantiles one is scored."""

import numpy
import pytest

from xpnn.estimators.objectives import regression
from xpnn.estimators.quantities import central


@pytest.mark.parametrize(
    ("quantiles", "place"), [([0.25, 0.75], 0), ([0.75, 0.25], 1), ([0.1, 0.4, 0.9], 1), ([0.1, 0.2, 0.6], 2)]
)
def test_the_quantile_next_to_the_median_is_scored_the_lower_of_two(quantiles, place):
    objective = regression("quantile", 1, {"quantiles": quantiles})
    predictions = numpy.arange(4.0 * len(quantiles)).reshape(4, -1)
    numpy.testing.assert_array_equal(central(objective, predictions), predictions[:, place])
