"""Of several quantiles one is scored; targets are numbers, and all of them there."""

import numpy
import pytest

pytest.importorskip("sklearn")

from xpnn.estimators import MLPRegressor, Regressor
from xpnn.estimators.objectives import regression
from xpnn.estimators.quantities import central


@pytest.mark.parametrize(
    ("quantiles", "place"), [([0.25, 0.75], 0), ([0.75, 0.25], 1), ([0.1, 0.4, 0.9], 1), ([0.1, 0.2, 0.6], 2)]
)
def test_the_quantile_next_to_the_median_is_scored_the_lower_of_two(quantiles, place):
    objective = regression("quantile", 1, {"quantiles": quantiles})
    predictions = numpy.arange(4.0 * len(quantiles)).reshape(4, -1)
    numpy.testing.assert_array_equal(central(objective, predictions), predictions[:, place])


X = numpy.linspace(-1, 1, 40)[:, None]
ESTIMATORS = [Regressor(max_epochs=1, random_state=0), MLPRegressor(max_iter=1, random_state=0)]
WRONG = {unit: (numpy.arange(40).astype(unit), TypeError) for unit in ("datetime64[D]", "timedelta64[us]", "U", "S")}
WRONG["None"] = [0.0] * 38 + [None, 1.0], ValueError
WRONG["several"] = [[0.0, 1.0]] * 38 + [[1.0, None], [1.0, 2.0]], ValueError
WORDS = {
    TypeError: "y expected numbers, got an array of dtype",
    ValueError: "Input y contains NaN: its value in row 38 is missing. Leave out such rows, of X, too",
}


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("y", WRONG)
def test_targets_that_are_no_numbers_or_missing_are_refused(estimator, y):
    y, kind = WRONG[y]
    fits = {
        "": lambda: estimator.fit(X, y),
        "y_val: ": lambda: estimator.fit(X, numpy.zeros((40, *numpy.shape(y)[1:])), X_val=X, y_val=y),
    }
    for name, fit in fits.items():
        with pytest.raises(kind, match=f"^{name}{WORDS[kind]}"):
            fit()
        assert not estimator.__sklearn_is_fitted__()
