"""How long and how fast a tabular estimator learns by its rows: the borders, and that a fit keeps to the plan."""

import numpy
import pytest

from xpnn.estimators import TabularRegressor
from xpnn.estimators.tabular_plan import plan_for


@pytest.mark.parametrize(
    ("rows", "rate", "embedding"),
    [(255, 0.005, "periodic"), (256, 0.0025, "periodic"), (9999, 0.0025, "periodic"), (10_000, 0.01, "piecewise")],
)
def test_rate_and_embedding_follow_the_rows(rows, rate, embedding):
    for preset in ("fast", "best"):
        plan = plan_for(rows, preset, {})
        assert (plan.learning_rate, plan.embedding) == (rate, embedding)
        assert plan_for(rows, preset, {"learning_rate": 0.3}).learning_rate == 0.3


@pytest.mark.parametrize(("rows", "rate", "batch"), [(200, 0.005, 256), (300, 0.0025, 32), (10_000, 0.01, 256)])
def test_a_fit_keeps_to_the_plan(rows, rate, batch):
    """It is to the bit the one that is given what the plan says."""
    x = numpy.random.default_rng(0).standard_normal((rows, 2))

    def fitted(**options):
        same = {"max_epochs": 1, "hidden_layer_sizes": (2,), "embedding": "none", "validation_fraction": 0}
        return TabularRegressor(**same, **options, random_state=0).fit(x, x[:, 0]).network_.dense[0].weight

    usual = fitted()
    numpy.testing.assert_array_equal(fitted(learning_rate=rate, batch_size=batch), usual)
    assert (fitted(learning_rate=1.5 * rate) != usual).any()
    assert (fitted(batch_size=batch // 2) != usual).any()
